//! The shards of which this node is a replica: when their groups start, and what the leader of one does besides.
//!
//! A shard starts only when the control group's record, applied here up to what was committed before this boot, names
//! the identity that this node has now. So a data directory that was forgotten or replaced meanwhile never votes. After a
//! boot that goes also for shards that are on their way to other nodes and have something on this disk: until the move is
//! done this node is one of their members, and its vote may be needed to finish it.
//!
//! Every founder has the same first entry, the founders themselves, on its disk before the group exists here and answers
//! anything. An empty log under a founder's identity is one that took part in nothing: who loses a disk comes back under
//! another identity, which is no founder. So nobody votes twice, the first entries are equal wherever they are, and any
//! majority of the founders can go on without the others.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use openraft::async_runtime::{Oneshot, OneshotSender, Select2};
use openraft::{AsyncRuntime, EntryPayload, Membership};
use orrery_base::ids::{GroupId, NodeId, NodeName};
use orrery_machine::{
    Command, ControlCommand, Member, Mutation, Placement, SHARDS_SINCE, ShardCommand, ShardMap, ShardReplicas,
};
use orrery_placement as placement;
use orrery_placement::{Ring, RingError, RingNode};

use crate::cluster::Cluster;
use crate::cluster::leadership::Preferences;
use crate::codec::{self, DISK_VERSION};
use crate::error::StartError;
use crate::host::{Disk, Host, Write};
use crate::raft::group::Group;
use crate::sync::lock;
use crate::types::{CommittedLeader, Entry, LogId};

/// How long a leader waits for its own command.
const PROPOSE_WITHIN: Duration = Duration::from_secs(2);

/// Starts and looks after this node's shards: whenever the map changes, and once a second.
pub async fn keep<H: Host>(cluster: Cluster<H>) {
    let Some(control) = cluster.group(GroupId::CONTROL) else { return };
    let map_changed = control.state.map_changed();
    let mut preferences = Preferences::new(&cluster.inner.config);
    let mut booting = true;
    while !cluster.stopping() && !control.stopped() {
        let pause = H::Runtime::sleep(Duration::from_secs(1));
        let second = matches!(H::Runtime::select2(map_changed.wait(), pause).await, Select2::Second(()));
        if !cluster.ready() {
            continue;
        }
        let map = cluster.shard_map();
        if !cluster.start_shards(&control, &map, booting).await {
            return;
        }
        booting &= map.version == 0;
        let led = cluster.led_shards(&map);
        join_all(led.iter().map(|(group, shard)| write_place(group, shard))).await;
        if second {
            preferences.second(&led).await;
        }
    }
}

impl<H: Host> Cluster<H> {
    /// The shard map as this node applied it.
    pub fn shard_map(&self) -> Arc<ShardMap> {
        let control = self.group(GroupId::CONTROL);
        control.map(|group| group.state.read(|machine| machine.cluster().map().clone())).unwrap_or_default()
    }

    /// The first map, proposed by the control group's leader once every member knows the commands for it.
    pub(crate) async fn place_shards(&self, group: &Group<H>) {
        let record = group.state.read(|machine| machine.cluster().clone());
        if record.version() < SHARDS_SINCE || record.map().version > 0 || record.shards() == 0 {
            return;
        }
        let members: Vec<Member> = record.members().cloned().collect();
        let placements = match placements(&members, record.shards(), record.replicas(), &BTreeSet::new()) {
            Ok(placements) => placements,
            Err(error) => return tracing::warn!(%error, "the shards cannot be placed"),
        };
        let mutation = Mutation::Control(ControlCommand::PlaceShards { base: 0, placements });
        let outcome = group.propose(Command { key: None, mutation }, PROPOSE_WITHIN).await;
        tracing::info!(?outcome, "placing the shards");
    }

    /// False when this node has to stop.
    async fn start_shards(&self, control: &Group<H>, map: &ShardMap, booting: bool) -> bool {
        let (mut first, mut others) = (Vec::new(), Vec::new());
        for shard in &map.shards {
            let (group, founded) = match self.start_if_due(control, shard, booting).await {
                Ok(Some(started)) => started,
                Ok(None) => continue,
                Err(error) => {
                    self.inner.host.fail_stop(&format!("{} does not start: {error}", shard.shard));
                    return false;
                }
            };
            if founded {
                let preferred = shard.preferred().is_some_and(|preferred| preferred.id == control.me);
                if preferred { &mut first } else { &mut others }.push(group.clone());
            }
            if !self.take_in(group).await {
                return false;
            }
        }
        if !first.is_empty() || !others.is_empty() {
            drop(H::Runtime::spawn(stand_in_order(first, others, self.inner.config.heartbeat)));
        }
        true
    }

    async fn start_if_due(
        &self,
        control: &Group<H>,
        shard: &ShardReplicas,
        booting: bool,
    ) -> Result<Option<(Arc<Group<H>>, bool)>, StartError> {
        let me = control.me;
        // A shard that came back to the map while its data is being dropped starts with nothing, and only then.
        if self.group(shard.shard).is_some() || lock(&self.inner.forgetting).contains(&shard.shard) {
            return Ok(None);
        }
        if lock(&self.inner.diverged).contains_key(&shard.shard) {
            return Ok(None);
        }
        let is_member = || control.state.read(|machine| machine.members().iter().any(|it| it.id == me));
        if shard.holds(me) || booting && is_member() && self.took_part(shard.shard)? {
            return self.start_shard(me, shard).await.map(Some);
        }
        Ok(None)
    }

    /// Whether the disk has anything of the shard that was not forgotten.
    fn took_part(&self, shard: GroupId) -> io::Result<bool> {
        let found = self.inner.host.disk().recover(shard)?;
        Ok(found.entries.is_some() || found.purged.is_some() || found.snapshot.is_some())
    }

    /// Starts one shard's group; true when this node founded it right now.
    async fn start_shard(
        &self,
        me: NodeId,
        shard: &ShardReplicas,
    ) -> Result<(Arc<Group<H>>, bool), StartError> {
        // A shard that moved was founded long ago: who comes new to it, or back, begins with what its leader sends.
        let founder = shard.version == 1 && shard.founders.iter().any(|founder| founder.id == me);
        let founded = founder && found(&self.inner.host, shard).await?;
        let group = Group::start(self.around(me), shard.shard).await?;
        if founded {
            group.raft.runtime_config().elect(false);
        }
        Ok((group, founded))
    }

    /// From now on the group is served. False when the engine stopped meanwhile.
    pub(crate) async fn take_in(&self, group: Arc<Group<H>>) -> bool {
        let stopping = {
            let mut groups = lock(&self.inner.groups);
            if !self.stopping() {
                groups.insert(group.id, group.clone());
            }
            self.stopping()
        };
        if stopping {
            group.stop().await;
        } else {
            lock(&self.inner.served).push(group);
            self.inner.served_changed.notify();
        }
        !stopping
    }

    /// The shards that this node leads and holds by the map.
    pub(crate) fn led_shards(&self, map: &ShardMap) -> Vec<(Arc<Group<H>>, ShardReplicas)> {
        self.groups()
            .into_iter()
            .filter(|group| group.leads())
            .filter_map(|group| map.shard(group.id).cloned().map(|shard| (group, shard)))
            .collect()
    }
}

/// Writes the founders down as the first entry, where the disk has nothing of the shard at all; true when it did.
async fn found<H: Host>(host: &H, shard: &ShardReplicas) -> io::Result<bool> {
    let present = host.disk().recover(shard.shard)?;
    let empty = present.vote.is_none()
        && present.committed.is_none()
        && present.purged.is_none()
        && present.entries.is_none()
        && present.snapshot.is_none();
    if !empty {
        return Ok(false);
    }
    let voters = shard.founders.iter().map(|founder| founder.id).collect();
    let nodes: BTreeMap<NodeId, Member> =
        shard.founders.iter().map(|founder| (founder.id, founder.clone())).collect();
    let membership = Membership::new(vec![voters], nodes).map_err(io::Error::other)?;
    // The id that openraft gives to the first entry of a group.
    let log_id = LogId { leader_id: CommittedLeader::new(0), index: 0 };
    let entry = Entry { log_id, payload: EntryPayload::Membership(membership) };
    let entries = vec![(log_id.index, codec::encode(DISK_VERSION, &entry)?)];
    let (sender, receiver) = <<H::Runtime as AsyncRuntime>::Oneshot as Oneshot>::channel();
    let write = Write::Entries { group: shard.shard, entries };
    // The receiver is gone only when the node is.
    host.disk().submit(vec![write], Box::new(move |result| drop(sender.send(result))));
    receiver.await.unwrap_or_else(|_| Err(io::Error::other("the disk stopped")))?;
    Ok(true)
}

/// The preferred leader stands for election first, once the others have had time to hear of the map; they only
/// where nobody leads some time after that.
async fn stand_in_order<H: Host>(first: Vec<Arc<Group<H>>>, others: Vec<Arc<Group<H>>>, heartbeat: Duration) {
    H::Runtime::sleep(heartbeat * 2).await;
    for group in first {
        group.raft.runtime_config().elect(true);
        if group.leader().is_none() && !group.stopped() {
            // It fails only when the group ended.
            let _ = group.raft.trigger().elect(true).await;
        }
    }
    H::Runtime::sleep(heartbeat * 3).await;
    for group in others {
        group.raft.runtime_config().elect(true);
    }
}

/// The shard's own log says by which map its leader acts.
async fn write_place<H: Host>(group: &Group<H>, shard: &ShardReplicas) {
    let known = group.state.read(|machine| machine.shard().map_or(0, |record| record.version));
    if known >= shard.version {
        return;
    }
    let command = ShardCommand::Place { version: shard.version, replicas: shard.replicas.clone() };
    group.propose(Command { key: None, mutation: Mutation::Shard(command) }, PROPOSE_WITHIN).await;
}

/// Where the ring puts every shard. The machine only takes note of it, so that another version of the ring may put them
/// elsewhere without changing what an old log means.
pub(crate) fn placements(
    members: &[Member],
    shards: u16,
    replicas: u16,
    down: &BTreeSet<NodeName>,
) -> Result<Vec<Placement>, RingError> {
    let ring = Ring::new(members.iter().map(|member| RingNode::new(member.name.clone())))?;
    let placed = placement::ShardMap::place(1, &ring, shards, replicas, down);
    let id = |name: &NodeName| members.iter().find(|member| member.name == *name).map(|member| member.id);
    let replicas = |names: &[NodeName]| names.iter().filter_map(id).collect();
    let placements = placed.shards.iter();
    Ok(placements.map(|at| Placement { shard: at.shard, replicas: replicas(&at.replicas) }).collect())
}
