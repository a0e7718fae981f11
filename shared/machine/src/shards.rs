//! Which nodes hold which shard: the shard map, a part of the control group's record; and what a shard knows of its
//! own place.
//!
//! The map is decided by whoever proposes it and only checked here: a later version of the ring then never changes what
//! an old log means.

use orrery_base::ids::{GroupId, NodeId};
use serde::{Deserialize, Serialize};

use super::Member;

/// Most shards of a cluster.
pub const SHARDS_MAX: u16 = 1_024;

/// Which nodes hold which shard. Version 0 holds none: the cluster has no shards yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardMap {
    /// Grows by one with every change.
    pub version: u64,
    /// Shards 1 to S, in this order.
    pub shards: Vec<ShardReplicas>,
}

/// The replica set of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardReplicas {
    pub shard: GroupId,
    /// Version of the map in which its replicas changed last.
    pub version: u64,
    /// Who holds it. The first one is the preferred leader.
    pub replicas: Vec<Member>,
    /// Who held it first: these members, with just these addresses, are the first entry of its log, on every replica
    /// that begins with an empty one.
    pub founders: Vec<Member>,
}

/// A replica set that is proposed for a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    pub shard: GroupId,
    /// The members that shall hold it, the preferred leader first.
    pub replicas: Vec<NodeId>,
}

impl ShardMap {
    /// The replica set of that shard.
    pub fn shard(&self, shard: GroupId) -> Option<&ShardReplicas> {
        self.shards.get(usize::from(shard.0).checked_sub(1)?)
    }

    /// The shards of which that identity is a replica.
    pub fn held_by(&self, id: NodeId) -> impl Iterator<Item = &ShardReplicas> {
        self.shards.iter().filter(move |shard| shard.holds(id))
    }
}

impl ShardReplicas {
    /// Whether that identity is a replica.
    pub fn holds(&self, id: NodeId) -> bool {
        self.replicas.iter().any(|replica| replica.id == id)
    }

    /// Who shall lead while it can.
    pub fn preferred(&self) -> Option<&Member> {
        self.replicas.first()
    }
}

/// What changes a shard's own record. Proposed by its leader, from a committed map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardCommand {
    /// The control group placed it so. From here on the shard's leader acts on no older map.
    Place {
        /// Version of the map in which its replicas changed last.
        version: u64,
        /// Who shall hold it.
        replicas: Vec<Member>,
    },
}

/// The answer to a [`ShardCommand`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardReply {
    /// It is written down.
    Placed,
    /// The shard knows a newer version, or this one already; nothing changed.
    Older {
        /// The version that it knows.
        known: u64,
    },
}

/// What a shard knows of its own place. Part of its snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// Which shard it is.
    pub shard: GroupId,
    /// Version of the map that it was placed by last; 0 before the first.
    pub version: u64,
    /// Its replicas by that map.
    pub replicas: Vec<Member>,
}

impl ShardRecord {
    /// A shard that was not placed yet.
    pub fn new(shard: GroupId) -> Self {
        ShardRecord { shard, version: 0, replicas: Vec::new() }
    }

    /// Does what a command says.
    pub(super) fn apply(&mut self, command: &ShardCommand) -> ShardReply {
        let ShardCommand::Place { version, replicas } = command;
        if *version <= self.version {
            return ShardReply::Older { known: self.version };
        }
        self.version = *version;
        self.replicas.clone_from(replicas);
        ShardReply::Placed
    }
}
