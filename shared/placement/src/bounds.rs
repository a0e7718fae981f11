//! What one node may be given at most.

use serde::{Deserialize, Serialize};

/// The bounds of a placement. They do not depend on weights: a weight says how much of the ring a node draws, the
/// bound how much of that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bounds {
    /// Most replicas of one node: ceil(S · R / N) + 1.
    pub replicas: u32,
    /// Most shards that prefer one node as their leader: ceil(S / N).
    pub leaders: u32,
}

impl Bounds {
    /// The bounds of S shards with R replicas each on N nodes (R counts at most N). 0 without nodes.
    pub fn new(shards: u16, replicas: u16, nodes: usize) -> Self {
        let Ok(nodes @ 1..) = u32::try_from(nodes) else { return Bounds { replicas: 0, leaders: 0 } };
        let shards = u32::from(shards);
        let replicas = u32::from(replicas).min(nodes);
        Bounds { replicas: (shards * replicas).div_ceil(nodes) + 1, leaders: shards.div_ceil(nodes) }
    }
}
