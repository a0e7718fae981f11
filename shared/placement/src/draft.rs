//! A shard's placement while it is being made, and who is passed over on the way.

use orrery_base::ids::{GroupId, NodeName};
use serde::{Deserialize, Serialize};

use super::hash::Token;

/// Why a walk passed over a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// As the leader only: as many shards as the bound allows prefer it already. It may be a replica all the same.
    LeaderBound,
    /// It has as many replicas as the bound allows, those counted that it is going to lead. A replica that stands
    /// in for a down node carries this when nobody had room: a missing replica is worse than an uneven load.
    ReplicaBound,
    /// Its room is kept for later shards, which would not find enough nodes otherwise.
    Reserved,
    /// It is down and gets nothing now. A replica carries this when there is nobody to stand in: it keeps its
    /// place.
    Down,
}

/// A node that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Skip {
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub node: NodeName,
    pub why: SkipReason,
}

/// A placement in the making; nodes are places in [`Ring::nodes`].
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub shard: GroupId,
    pub token: Token,
    pub replicas: Vec<usize>,
    pub skips: Vec<(usize, SkipReason)>,
}

impl Draft {
    /// Notes that a node was passed over, once per reason.
    pub fn skip(&mut self, node: usize, why: SkipReason) {
        if !self.skips.contains(&(node, why)) {
            self.skips.push((node, why));
        }
    }
}
