//! A shard follows the map: its leader changes its membership step by step, and a node that is no replica any more forgets
//! it. Every step can be repeated by whoever leads next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use openraft::async_runtime::{Oneshot, OneshotSender};
use openraft::{AsyncRuntime, ChangeMembers};
use orrery_base::ids::{GroupId, NodeId};
use orrery_machine::{Member, ShardReplicas};

use crate::cluster::Cluster;
use crate::cluster::housekeeping::{change, has_nearly_all};
use crate::host::{Disk, Host};
use crate::peer::message::{ReadOutcome, Standing};
use crate::raft::group::Group;
use crate::sync::lock;

/// How long a leader takes at most to have itself confirmed.
const CONFIRM_WITHIN: Duration = Duration::from_secs(1);

/// Between two steps of a shard that is on its way.
const STEP: Duration = Duration::from_millis(200);

/// What one step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It is where it belongs.
    Settled,
    /// There is more to do.
    Moving,
}

/// Brings the shards that this node leads to where they belong. Runs until the engine stops.
pub async fn lead<H: Host>(cluster: Cluster<H>) {
    let mut pause = Duration::from_secs(1);
    while !cluster.stopping() {
        H::Runtime::sleep(pause).await;
        let map = cluster.shard_map();
        let led = cluster.led_shards(&map);
        let steps = join_all(led.iter().map(|(group, shard)| step(group, shard))).await;
        pause = if steps.contains(&Step::Moving) { STEP } else { Duration::from_secs(1) };
    }
}

/// One step of one shard. It acts only by the version that is in the shard's own log.
async fn step<H: Host>(group: &Group<H>, shard: &ShardReplicas) -> Step {
    let written = group.state.read(|machine| machine.shard().map_or(0, |record| record.version));
    if written != shard.version {
        return Step::Moving;
    }
    let membership = group.membership();
    if membership.get_joint_config().len() > 1 {
        // A change is under way, perhaps of a leader that is gone: bring it to its end.
        let voters: BTreeSet<NodeId> = membership.get_joint_config().last().cloned().unwrap_or_default();
        change(group, ChangeMembers::ReplaceAllVoters(voters), false).await;
        return Step::Moving;
    }
    let wanted: BTreeMap<NodeId, Member> =
        shard.replicas.iter().map(|member| (member.id, member.clone())).collect();
    let wanted_ids: BTreeSet<NodeId> = wanted.keys().copied().collect();
    let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
    let present: BTreeSet<NodeId> = membership.nodes().map(|(id, _)| *id).collect();
    if voters == wanted_ids {
        let moved: BTreeMap<NodeId, Member> = membership
            .nodes()
            .filter_map(|(id, node)| {
                Some((*id, wanted.get(id).filter(|wanted| wanted.address != node.address)?.clone()))
            })
            .collect();
        if !moved.is_empty() {
            change(group, ChangeMembers::SetNodes(moved), true).await;
            return Step::Moving;
        }
        let learners: BTreeSet<NodeId> = present.difference(&wanted_ids).copied().collect();
        if learners.is_empty() {
            return Step::Settled;
        }
        change(group, ChangeMembers::RemoveNodes(learners), false).await;
        return Step::Moving;
    }
    let new: BTreeMap<NodeId, Member> = wanted.into_iter().filter(|(id, _)| !present.contains(id)).collect();
    let catching_up = wanted_ids.iter().any(|id| !voters.contains(id) && !has_nearly_all(group, *id));
    if !new.is_empty() {
        change(group, ChangeMembers::AddNodes(new), false).await;
    } else if catching_up {
        // They learn; the old members serve on.
    } else if wanted_ids.contains(&group.me) {
        change(group, ChangeMembers::ReplaceAllVoters(wanted_ids), false).await;
    } else if let Some(next) = successor(group, shard, &voters) {
        // Who goes does not lead the last step.
        let _ = group.transfer_to(next).await;
    } else {
        change(group, ChangeMembers::AddVoterIds(wanted_ids), false).await;
    }
    Step::Moving
}

/// A voter that stays, has nearly everything and answers: the preferred leader where that is one.
fn successor<H: Host>(group: &Group<H>, shard: &ShardReplicas, voters: &BTreeSet<NodeId>) -> Option<NodeId> {
    let heard = group.heard_of(group.config().election_max);
    let mut stay = shard.replicas.iter().map(|member| member.id).filter(|id| voters.contains(id));
    stay.find(|id| heard.contains(id) && has_nearly_all(group, *id))
}

/// Where the shard stands, at a leader that a majority confirms now. None elsewhere, and while the last change of the
/// membership is not committed.
pub async fn standing<H: Host>(group: &Group<H>) -> Option<Standing> {
    if !group.leads() || !matches!(group.read_index(CONFIRM_WITHIN).await, ReadOutcome::Index { .. }) {
        return None;
    }
    // Asked of openraft itself: what it publishes comes a moment later, and a node may forget a shard by this answer.
    let memberships = group.raft.with_raft_state(|state| {
        let (effective, committed) = (state.membership_state.effective(), state.membership_state.committed());
        (effective.clone(), effective.log_id() == committed.log_id())
    });
    let (membership, true) = memberships.await.ok()? else { return None };
    let record = group.state.read(|machine| machine.shard().cloned())?;
    let wanted: BTreeSet<NodeId> = record.replicas.iter().map(|member| member.id).collect();
    let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
    let members: Vec<NodeId> = membership.nodes().map(|(id, _)| *id).collect();
    let settled =
        membership.get_joint_config().len() == 1 && voters == wanted && members.len() == wanted.len();
    Some(Standing { version: record.version, members, settled })
}

/// Forgets shards of which this node is no replica any more, once their leaders say so. Runs until the engine stops.
pub async fn forget<H: Host>(cluster: Cluster<H>) {
    while !cluster.stopping() {
        H::Runtime::sleep(Duration::from_secs(1)).await;
        let Some(me) = cluster.formed().map(|formed| formed.me.id) else { continue };
        let map = cluster.shard_map();
        let foreign = |group: &Arc<Group<H>>| {
            group.id != GroupId::CONTROL && map.shard(group.id).is_some_and(|shard| !shard.holds(me))
        };
        for group in cluster.groups().into_iter().filter(foreign) {
            let id = group.id;
            lock(&cluster.inner.forgetting).insert(id);
            let forgotten = cluster.forget_shard(me, group).await;
            lock(&cluster.inner.forgetting).remove(&id);
            if let Err(error) = forgotten {
                cluster.inner.host.fail_stop(&format!("a shard cannot be given up: {error}"));
                return;
            }
        }
    }
}

impl<H: Host> Cluster<H> {
    async fn forget_shard(&self, me: NodeId, group: Arc<Group<H>>) -> std::io::Result<()> {
        if !self.is_stranger(me, group.id).await {
            return Ok(());
        }
        // From here on it acknowledges nothing. Only what a leader says afterwards counts: it may have been asked to come
        // back meanwhile, and then nothing that it acknowledged must go.
        lock(&self.inner.groups).remove(&group.id);
        group.stop().await;
        if self.stopping() {
            return Ok(());
        }
        if !self.is_stranger(me, group.id).await {
            let again = Group::start(self.around(me), group.id).await.map_err(std::io::Error::other)?;
            self.take_in(again).await;
            return Ok(());
        }
        group.state.close();
        let (sender, receiver) = <<H::Runtime as AsyncRuntime>::Oneshot as Oneshot>::channel();
        let write = group.log.forgetting()?;
        // The receiver is gone only when the node is.
        self.inner.host.disk().submit(vec![write], Box::new(move |result| drop(sender.send(result))));
        receiver.await.unwrap_or_else(|_| Err(std::io::Error::other("the disk stopped")))?;
        self.inner.host.disk().prune_snapshots(group.id, None);
        tracing::info!(group = %group.id, "the shard moved away");
        Ok(())
    }

    /// Whether the shard's leader says that this node is in no committed membership of it.
    async fn is_stranger(&self, me: NodeId, shard: GroupId) -> bool {
        let members = self.members();
        let others = members.iter().filter(|member| member.id != me);
        let standings = join_all(others.map(|member| self.ask_standing(shard, member))).await;
        let mut told = standings.into_iter().flatten().peekable();
        told.peek().is_some() && told.all(|standing| !standing.members.contains(&me))
    }
}
