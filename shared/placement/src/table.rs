//! The shard map as people see it: in stream snapshots and in the fact that it changed.

use orrery_base::ids::{GroupId, NodeName};
use serde::{Deserialize, Serialize};

use crate::ring::RingNode;

/// Which nodes are on the ring, and which hold which shard. Tokens are not in it: they follow from the number of shards
/// ([`crate::shard_token`]), virtual nodes from the members ([`crate::Ring::new`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardTable {
    /// Version of the map; 0 before the cluster has one.
    pub version: u64,
    /// The members of the ring, by name.
    pub nodes: Vec<RingNode>,
    /// Shards 1 to S, in this order.
    pub shards: Vec<PlacedShard>,
}

/// One shard in a [`ShardTable`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedShard {
    pub shard: GroupId,
    /// Version of the map in which its replicas changed last.
    pub version: u64,
    /// Who holds it, the preferred leader first.
    pub replicas: Vec<NodeName>,
}
