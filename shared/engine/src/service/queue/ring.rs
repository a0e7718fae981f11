//! The ring as this node knows it: no question to anybody.

use std::collections::BTreeSet;

use orrery_api::node::ShardPlace;
use orrery_api::ring::{KeyWalk, RingAnswer, RingChange, RingMember, RingQuery, RingShard};
use orrery_base::error::ApiError;
use orrery_base::ids::GroupId;
use orrery_placement::{
    Bounds, NodeShare, Ring, RingNode, ShardMap, ShardPlacement, partition_hash, shard_token,
};
use smol_str::SmolStr;

use super::QueueService;
use crate::host::Host;

impl<H: Host> QueueService<H> {
    /// `GET /ring[?key=[&topic=]]`. Without a topic the key is that of a topic without a name.
    ///
    /// # Errors
    /// A topic without a key.
    pub fn ring(&self, query: RingQuery) -> Result<RingAnswer, ApiError> {
        query.check()?;
        let RingQuery { key, topic } = query;
        let cluster = self.cluster.cluster();
        let members = cluster.members.iter().map(|member| RingNode::new(member.node.clone()));
        // The cluster admits a name once, and no more members than a ring takes.
        let ring = Ring::new(members).unwrap_or_default();
        let map = committed(&ring, cluster.map_version, &cluster.map, cluster.replicas);
        let topic = topic.map(SmolStr::from).unwrap_or_default();
        let walk = key.and_then(|key| {
            let walk = map.walk(&ring, partition_hash(&topic, &key))?;
            Some(KeyWalk { key: key.into_text(), topic, walk })
        });
        let loads = map.loads();
        let member = |share: NodeShare| {
            let load = loads.get(&share.node).copied().unwrap_or_default();
            RingMember { share, replicas: load.replicas, preferred: load.leaders }
        };
        let shards = map.shards.iter().zip(&cluster.map);
        Ok(RingAnswer {
            version: map.version,
            replicas: cluster.replicas,
            bounds: Bounds::new(cluster.shards, cluster.replicas, ring.placed()),
            balance: ring.balance(),
            nodes: ring.owner_share().into_iter().map(member).collect(),
            virtual_nodes: ring.virtual_nodes().collect(),
            shards: shards.map(|(placed, place)| shown(placed, place)).collect(),
            change: self.last_change(),
            walk,
        })
    }

    /// What the map's last change moved, where this node saw one since it started.
    fn last_change(&self) -> Option<RingChange> {
        let ring = self.cluster.group(GroupId::CONTROL)?.state.ring();
        Some(RingChange { complete: ring.complete, change: ring.change()? })
    }
}

fn shown(placed: &ShardPlacement, place: &ShardPlace) -> RingShard {
    RingShard {
        shard: placed.shard,
        token: placed.token,
        replicas: placed.replicas.clone(),
        leader: place.leader.clone(),
        skips: placed.skips.clone(),
    }
}

/// The committed map as the placement describes one. Why a node was passed over is not committed: it is found again
/// from the present members, and left out where they would make another replica set.
fn committed(ring: &Ring, version: u64, places: &[ShardPlace], replicas: u16) -> ShardMap {
    let count = u16::try_from(places.len()).unwrap_or(u16::MAX);
    let ideal = ShardMap::place(version, ring, count, replicas, &BTreeSet::new());
    let shards = places.iter().map(|place| {
        let found = ideal.get(place.shard).filter(|ideal| ideal.replicas == place.replicas);
        ShardPlacement {
            shard: place.shard,
            token: shard_token(place.shard, count),
            replicas: place.replicas.clone(),
            skips: found.map(|ideal| ideal.skips.clone()).unwrap_or_default(),
        }
    });
    ShardMap { version, shards: shards.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_base::ids::NodeName;

    #[test]
    fn the_committed_replicas_are_shown_and_the_skips_only_where_they_explain_them() {
        let ring = Ring::new((1..=4).map(|n| RingNode::new(format!("node{n}")))).expect("a ring");
        let ideal = ShardMap::place(3, &ring, 8, 3, &BTreeSet::new());
        let place = |placed: &ShardPlacement| ShardPlace {
            shard: placed.shard,
            replicas: placed.replicas.clone(),
            leader: None,
        };
        let mut places: Vec<ShardPlace> = ideal.shards.iter().map(place).collect();
        assert_eq!(committed(&ring, 3, &places, 3), ideal);
        let with_skips = ideal.shards.iter().position(|placed| !placed.skips.is_empty()).expect("a skip");
        let gone: NodeName = "node9".into();
        places[with_skips].replicas[0] = gone.clone();
        let map = committed(&ring, 3, &places, 3);
        assert_eq!(map.shards[with_skips].replicas[0], gone);
        assert!(map.shards[with_skips].skips.is_empty());
        assert_eq!(map.shards[with_skips].token, ideal.shards[with_skips].token);
    }
}
