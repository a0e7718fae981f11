//! What nodes say to be one cluster, and to compare what they have.

use std::collections::BTreeMap;

use orrery_base::ids::{ClusterId, LogIndex, NodeId, NodeName};
use orrery_machine::Member;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A cluster's identity and constants, as its founder minted them, and its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foundation {
    pub cluster: ClusterId,
    /// Number of shards, a constant of the cluster.
    pub shards: u16,
    /// Replicas of a shard, a constant of the cluster.
    pub replicas: u16,
    /// Members at that moment, sorted by name.
    pub members: Vec<Member>,
}

impl Foundation {
    /// The member of that name.
    pub fn member(&self, name: &NodeName) -> Option<&Member> {
        self.members.iter().find(|member| member.name == *name)
    }
}

/// What a node's disk holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Probed {
    Empty {
        /// Random in every boot. A cluster is founded only with nodes that repeat the one that the founder heard: a founding
        /// message that comes late, or twice, means nothing to a node that lost its disk since.
        vacancy: u64,
        /// With whom it was told to form one, itself included, sorted.
        names: Vec<NodeName>,
        profile: SmolStr,
    },
    /// It is founding this cluster.
    Founding(Foundation),
    /// It is part of this cluster.
    Formed(Foundation),
}

/// Where a shard stands on its way to what the map says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Version of the map by which its leader acts.
    pub version: u64,
    /// Everybody in its membership, learners too; it is committed.
    pub members: Vec<NodeId>,
    /// The membership is what that version of the map says.
    pub settled: bool,
}

/// What a replica answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DigestAnswer {
    /// The hash of its state at that index.
    Is(u64),
    /// It is beyond that index already.
    Passed,
    /// It did not come to it in time, or does not take part.
    Absent,
}

/// What the leader tells all replicas of all replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub at: LogIndex,
    /// How many replicas there are.
    pub replicas: u64,
    /// The hashes of those that answered.
    pub told: BTreeMap<NodeId, u64>,
}
