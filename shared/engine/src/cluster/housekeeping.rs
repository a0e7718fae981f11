//! What a node does once a second: it reports counts of heartbeats, writes the committed hint in quiet moments, and,
//! where it leads, brings the membership in line with the control record, raises the version of the commands and places the
//! shards for the first time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use openraft::async_runtime::Select2;
use openraft::{AsyncRuntime, ChangeMembers};
use orrery_base::ids::{GroupId, NodeId};
use orrery_machine::{Command, ControlCommand, ControlReply, MOVES_SINCE, Member, Mutation, Reply};

use crate::cluster::Cluster;
use crate::cluster::rebalance::Planner;
use crate::host::{Host, Transport};
use crate::peer::message::PeerRequest;
use crate::raft::group::Group;
use crate::sync::lock;

/// A learner is promoted when it is at most this many entries behind.
const CAUGHT_UP_ENTRIES: u64 = 256;
/// So many voters of the control group stay, however long they are away.
const VOTERS_KEPT: usize = 3;
/// A learner that heard nothing for so long asks whether it is a member still.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long a node's word about its own address may take.
const MOVE_WITHIN: Duration = Duration::from_secs(2);
/// Longest wait for one change of the membership; it goes on by itself afterwards.
const CHANGE_WITHIN: Duration = Duration::from_secs(10);

/// Runs until the engine stops.
pub async fn run<H: Host>(cluster: Cluster<H>) {
    let mut linked = Vec::new();
    while !cluster.stopping() {
        H::Runtime::sleep(Duration::from_secs(1)).await;
        cluster.inner.peers.report_heartbeats();
        for group in cluster.groups() {
            group.log.flush_committed();
        }
        let Some(control) = cluster.group(GroupId::CONTROL) else { continue };
        let members = cluster.members();
        if members != linked {
            cluster.inner.host.transport().members(&members);
            linked = members;
        }
        cluster.say_where(&control).await;
        if control.learns_in_silence(SILENCE_MAX) {
            ask_whether_dismissed(&cluster, &linked).await;
        }
    }
}

/// Who votes asks the others before it stands for election, and so hears it when it is no member any more. A learner that
/// nobody tells anything asks them here; what they answer is looked at where all answers arrive.
async fn ask_whether_dismissed<H: Host>(cluster: &Cluster<H>, members: &[Member]) {
    let others = members.iter().filter(|member| member.name != cluster.inner.local.name);
    join_all(others.map(|member| cluster.ask(member, || PeerRequest::Version))).await;
}

impl<H: Host> Cluster<H> {
    /// This node was started with another address than the record has: it says so, once its folder is proven.
    async fn say_where(&self, control: &Group<H>) {
        let address = &self.inner.local.address;
        let moved = control.state.read(|machine| {
            let record = machine.cluster();
            let here = record.member(&self.inner.local.name).filter(|member| member.id == control.me)?;
            (record.version() >= MOVES_SINCE && here.address != *address).then(|| here.address.clone())
        });
        let (Some(before), true) = (moved, self.ready()) else { return };
        // Applied twice it changes nothing more; asked again a second later where it failed.
        let mutation = Mutation::Control(ControlCommand::Move { id: control.me, address: address.clone() });
        match self.propose(GroupId::CONTROL, Command { key: None, mutation }, MOVE_WITHIN).await {
            Ok((_, Reply::Control(ControlReply::Refused { why }))) => {
                tracing::warn!("this node cannot move from {before} to {address}: {why}");
            }
            Ok(_) => tracing::info!("this node moved from {before} to {address}"),
            Err(error) => tracing::info!(%error, "this node's new address is not known to all yet"),
        }
    }
}

/// What a leader does when it begins to lead, and once a second: the cluster's first command, the membership.
pub async fn lead<H: Host>(cluster: Cluster<H>) {
    let Some(group) = cluster.group(GroupId::CONTROL) else { return };
    let mut planner = Planner::default();
    while !cluster.stopping() && !group.stopped() {
        let pause = H::Runtime::sleep(Duration::from_secs(1));
        let second =
            matches!(H::Runtime::select2(group.begun_to_lead.wait(), pause).await, Select2::Second(()));
        if !group.leads() {
            planner = Planner::default();
            lock(&cluster.inner.silent_s).clear();
            continue;
        }
        cluster.record_foundation(&group).await;
        let absent = if second { planner.absent(&group) } else { BTreeSet::new() };
        lock(&cluster.inner.silent_s).clone_from(planner.silent_s());
        reconcile(&group, &absent).await;
        cluster.raise_version(&group).await;
        cluster.place_shards(&group).await;
        if second {
            planner.step(&cluster, &group, &absent).await;
        }
    }
}

/// Takes part once everybody who answers was met; serves requests once everything that was committed before this boot is
/// applied again.
pub async fn watch_readiness<H: Host>(cluster: Cluster<H>) {
    let Some(group) = cluster.group(GroupId::CONTROL) else { return };
    if !cluster.prove().await {
        return;
    }
    group.raft.runtime_config().elect(true);
    // It ends early only when the group does.
    let recovered = group.raft.wait_for_recovery(None).await.is_ok();
    if recovered && !cluster.stopping() && cluster.halted().is_none() && cluster.knows_its_commands(&group) {
        cluster.set_ready();
        // What the map says counts from now on.
        group.state.map_changed().notify();
    }
}

/// One step towards the members of the control record: who was dismissed goes, who was admitted learns, who is away for
/// long votes no more while three others do, who caught up votes while there is room.
async fn reconcile<H: Host>(group: &Group<H>, absent: &BTreeSet<NodeId>) {
    let recorded: BTreeMap<NodeId, Member> =
        group.state.read(|machine| machine.members()).into_iter().map(|member| (member.id, member)).collect();
    if recorded.is_empty() {
        return;
    }
    let membership = group.membership();
    if membership.get_joint_config().len() > 1 {
        // A change is under way, perhaps of a leader that is gone: bring it to its end.
        let voters: BTreeSet<NodeId> = membership.get_joint_config().last().cloned().unwrap_or_default();
        change(group, ChangeMembers::ReplaceAllVoters(voters), false).await;
        return;
    }
    let nodes: BTreeMap<NodeId, Member> = membership.nodes().map(|(id, node)| (*id, node.clone())).collect();
    let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
    let gone: BTreeSet<NodeId> = nodes.keys().filter(|id| !recorded.contains_key(id)).copied().collect();
    let gone_voters: BTreeSet<NodeId> = gone.intersection(&voters).copied().collect();
    let new: BTreeMap<NodeId, Member> = recorded
        .iter()
        .filter(|(id, _)| !nodes.contains_key(id))
        .map(|(id, node)| (*id, node.clone()))
        .collect();
    let moved: BTreeMap<NodeId, Member> = recorded
        .iter()
        .filter(|(id, node)| nodes.get(id).is_some_and(|present| present.address != node.address))
        .map(|(id, node)| (*id, node.clone()))
        .collect();
    let away = voters.iter().find(|id| absent.contains(id)).filter(|_| voters.len() > VOTERS_KEPT);
    if gone_voters.contains(&group.me)
        && let Some(next) = voters.iter().find(|id| !gone.contains(id) && has_nearly_all(group, **id))
    {
        // Who goes does not lead its own removal. It fails only when the group ended.
        let _ = group.transfer_to(*next).await;
    } else if !gone_voters.is_empty() {
        change(group, ChangeMembers::RemoveVoters(gone_voters), false).await;
    } else if !gone.is_empty() {
        change(group, ChangeMembers::RemoveNodes(gone), false).await;
    } else if !new.is_empty() {
        change(group, ChangeMembers::AddNodes(new), false).await;
    } else if !moved.is_empty() {
        change(group, ChangeMembers::SetNodes(moved), true).await;
    } else if let Some(away) = away {
        change(group, ChangeMembers::RemoveVoters(BTreeSet::from([*away])), true).await;
    } else if voters.len() < group.config().voters_max
        && let Some(learner) = caught_up(group, &nodes, &voters, absent)
    {
        change(group, ChangeMembers::AddVoterIds(BTreeSet::from([learner])), false).await;
    }
}

/// A learner that has nearly everything.
fn caught_up<H: Host>(
    group: &Group<H>,
    nodes: &BTreeMap<NodeId, Member>,
    voters: &BTreeSet<NodeId>,
    absent: &BTreeSet<NodeId>,
) -> Option<NodeId> {
    let mut learners = nodes.keys().filter(|id| !voters.contains(id) && !absent.contains(id));
    learners.find(|id| has_nearly_all(group, **id)).copied()
}

/// At the leader: the follower or learner has nearly everything.
pub(crate) fn has_nearly_all<H: Host>(group: &Group<H>, id: NodeId) -> bool {
    let last = group.log.summary().last.unwrap_or_default();
    group.matching().get(&id).is_some_and(|index| index + CAUGHT_UP_ENTRIES >= last)
}

/// Asks for one change of the membership. Voters that are removed learn on where `retain` says so. What becomes of it is said
/// once, however often a leader without a majority tries.
pub(crate) async fn change<H: Host>(group: &Group<H>, change: ChangeMembers<NodeId, Member>, retain: bool) {
    let what = change.to_string();
    let result = H::Runtime::timeout(CHANGE_WITHIN, group.raft.change_membership(change, retain)).await;
    match result {
        Ok(Ok(_)) => {
            group.changed();
            tracing::info!(group = %group.id, what, "membership changed");
        }
        Ok(Err(error)) if group.is_news(format!("{what}: not yet")) => {
            tracing::info!(group = %group.id, what, %error, "membership not changed yet");
        }
        Err(_) if group.is_news(format!("{what}: takes long")) => {
            tracing::info!(group = %group.id, what, "membership change takes long");
        }
        Ok(Err(_)) | Err(_) => {}
    }
}
