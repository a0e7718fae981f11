//! The shard map: which nodes hold which shard.

use std::collections::{BTreeMap, BTreeSet};

use orrery_base::ids::{GroupId, NodeName};
use serde::{Deserialize, Serialize};

use super::draft::{Draft, Skip};
use super::hash::Token;
use super::ring::Ring;
use super::shard::shard_of;
use super::{assign, stand_in};

/// Where one shard is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPlacement {
    pub shard: GroupId,
    /// Where its arc ends and its walk begins.
    pub token: Token,
    /// Its replicas, all different: the preferred leader, then the others clockwise, then those that stand in.
    /// Empty only when the ring is.
    pub replicas: Vec<NodeName>,
    /// Who was passed over on the way, in the order of the walk: for the leader, for the replicas, for stand-ins.
    pub skips: Vec<Skip>,
}

impl ShardPlacement {
    pub fn leader(&self) -> Option<&NodeName> {
        self.replicas.first()
    }
}

/// What one node has of a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    pub replicas: u32,
    /// Shards that prefer it as their leader.
    pub leaders: u32,
}

/// Which nodes hold which shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardMap {
    /// Grows with every map that the control group commits; a shard refuses an older one.
    pub version: u64,
    /// Shards 1 to S, in this order.
    pub shards: Vec<ShardPlacement>,
}

impl ShardMap {
    /// Places `shards` shards with `replicas` replicas each (at least 1, at most as many as the ring has nodes with
    /// weight) on a ring. The version does not enter into it.
    ///
    /// `down` are members that must not be given replicas now. They count for the placement as if they were up, and
    /// only then are replaced, each replica by the next node clockwise with room. So nothing else moves when a node
    /// is replaced, and when it returns it gets exactly its own back.
    ///
    /// No node is above its [`super::Bounds`] (over the nodes with weight that are up); stand-ins may be, see
    /// [`SkipReason`].
    pub fn place(version: u64, ring: &Ring, shards: u16, replicas: u16, down: &BTreeSet<NodeName>) -> Self {
        Self::place_without(version, ring, shards, replicas, &|name| down.contains(name))
    }

    /// The same without a set of those that are down.
    pub fn place_without(
        version: u64,
        ring: &Ring,
        shards: u16,
        replicas: u16,
        is_down: &dyn Fn(&NodeName) -> bool,
    ) -> Self {
        let mut placed = assign::assign(ring, shards, replicas);
        stand_in::stand_in(ring, &mut placed, replicas, is_down);
        ShardMap { version, shards: placed.into_iter().map(|draft| finish(draft, ring)).collect() }
    }

    pub fn get(&self, shard: GroupId) -> Option<&ShardPlacement> {
        self.shards.get(usize::from(shard.0.checked_sub(1)?))
    }

    /// The placement of the shard that a point belongs to. None without shards.
    pub fn locate(&self, hash: Token) -> Option<&ShardPlacement> {
        self.get(shard_of(hash, u16::try_from(self.shards.len()).ok()?))
    }

    /// What each node has; nodes without a replica are not in it.
    pub fn loads(&self) -> BTreeMap<NodeName, Load> {
        let mut loads = BTreeMap::<NodeName, Load>::new();
        for placement in &self.shards {
            for node in &placement.replicas {
                loads.entry(node.clone()).or_default().replicas += 1;
            }
            if let Some(leader) = placement.leader() {
                loads.entry(leader.clone()).or_default().leaders += 1;
            }
        }
        loads
    }
}

fn finish(draft: Draft, ring: &Ring) -> ShardPlacement {
    let skips = draft.skips.into_iter().map(|(node, why)| Skip { node: ring.name(node).clone(), why });
    ShardPlacement {
        shard: draft.shard,
        token: draft.token,
        replicas: draft.replicas.into_iter().map(|node| ring.name(node).clone()).collect(),
        skips: skips.collect(),
    }
}
