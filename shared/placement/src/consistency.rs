//! What must hold of every shard table that the control group commits, and of what a reader keeps of the ring.
//!
//! A replica need not be a member: one that was dismissed, or that leaves, holds its shards until they are placed anew.

use orrery_base::ids::NodeName;

use super::shard::shard_token;
use super::view::RingView;
use super::{ShardMap, ShardTable};

impl ShardTable {
    /// Panics with what is wrong, and of which shard.
    pub fn assert_consistent(&self) {
        let (version, shards) = (self.version, self.shards.len());
        assert_eq!(version == 0, shards == 0, "version {version} of the shard map has {shards} shards");
        for pair in self.nodes.windows(2) {
            let (before, after) = (&pair[0].name, &pair[1].name);
            assert!(before < after, "{before} stands before {after} among the members of the ring");
        }
        for (placed, number) in self.shards.iter().zip(1..) {
            let shard = placed.shard;
            assert_eq!(shard.0, number, "{shard} is in the place of shard {number}");
            assert!(
                (1..=version).contains(&placed.version),
                "{shard} changed in version {} of the map, and the present one is {version}",
                placed.version
            );
            assert!(!placed.replicas.is_empty(), "{shard} has no replicas");
            let twice = twice(&placed.replicas);
            assert!(twice.is_none(), "{shard} is placed twice on {twice:?}");
        }
    }
}

impl ShardMap {
    /// Panics with what is wrong, and of which shard.
    pub fn assert_consistent(&self) {
        let shards = u16::try_from(self.shards.len()).expect("shards are numbered in 16 bits");
        for (placed, number) in self.shards.iter().zip(1..) {
            let shard = placed.shard;
            assert_eq!(shard.0, number, "{shard} is in the place of shard {number}");
            assert_eq!(placed.token, shard_token(shard, shards), "the arc of {shard} ends elsewhere");
            let twice = twice(&placed.replicas);
            assert!(twice.is_none(), "{shard} is placed twice on {twice:?}");
        }
    }
}

impl RingView {
    /// Panics with what is wrong, and of which shard.
    pub fn assert_consistent(&self) {
        self.table.assert_consistent();
        // Everything else of a ring follows from its members. Without any, they make no ring.
        let members = self.ring.nodes();
        assert!(
            members.is_empty() || members == self.table.nodes,
            "the ring is not that of the members of the map"
        );
        let (ways, shards) = (self.ways.len(), self.table.shards.len());
        assert_eq!(ways, shards, "there are {ways} ways of {shards} shards");
        let moved = self.ways.iter().zip(1..).find(|(way, _)| way.arrived_us < Some(way.placed_us));
        let early = moved.filter(|(way, _)| way.arrived_us.is_some());
        assert!(early.is_none(), "shard {:?} arrived before it was placed", early.map(|(_, number)| number));
        if let Some(before) = &self.before {
            before.table.assert_consistent();
            let (old, new) = (before.table.version, self.table.version);
            assert!(old < new, "the map of version {new} follows one of version {old}");
        }
    }
}

/// A name that is there twice.
fn twice(names: &[NodeName]) -> Option<&NodeName> {
    let repeats = |(place, name): &(usize, &NodeName)| names[..*place].contains(name);
    names.iter().enumerate().find(repeats).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use orrery_base::ids::GroupId;

    use super::*;
    use crate::{PlacedShard, RingNode};

    fn table() -> ShardTable {
        let placed = |shard, replicas: &[&str]| PlacedShard {
            shard: GroupId(shard),
            version: 1,
            replicas: replicas.iter().map(|name| NodeName::from(*name)).collect(),
        };
        let table = ShardTable {
            version: 1,
            nodes: ["node1", "node2"].map(RingNode::new).to_vec(),
            shards: vec![placed(1, &["node1", "node2"]), placed(2, &["node2", "node1"])],
        };
        table.assert_consistent();
        table
    }

    #[test]
    #[should_panic(expected = "s2 is placed twice on Some(\"node2\")")]
    fn a_replica_that_is_there_twice() {
        let mut table = table();
        table.shards[1].replicas[1] = "node2".into();
        table.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "s2 is in the place of shard 1")]
    fn a_shard_in_another_place() {
        let mut table = table();
        table.shards.swap(0, 1);
        table.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "s1 changed in version 2 of the map, and the present one is 1")]
    fn a_change_that_comes_later() {
        let mut table = table();
        table.shards[0].version = 2;
        table.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "there are 0 ways of 2 shards")]
    fn a_shard_without_a_way() {
        let mut view = RingView::default().followed_by(&table(), 5).expect("it is newer");
        view.assert_consistent();
        view.ways.clear();
        view.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "the arc of s1 ends elsewhere")]
    fn an_arc_that_ends_elsewhere() {
        let ring = crate::ring_of(&table());
        let mut map = ShardMap::place(1, &ring, 4, 2, &Default::default());
        map.assert_consistent();
        map.shards[0].token = shard_token(GroupId(2), 4);
        map.assert_consistent();
    }
}
