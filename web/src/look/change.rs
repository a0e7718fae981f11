//! The last change of the ring as it is drawn: what moved beside what it is measured by, where shards were before, and
//! which of their replicas travel.

use std::sync::Arc;

use orrery_base::ids::{GroupId, NodeName};
use orrery_placement::{Change, RingView};

use crate::math::exp;

/// A change stays on the stage so much longer than it takes.
const STAYS_US: u64 = 10_000_000;
/// While nobody knows when a replica will be there, it is drawn as if it took so long for most of its way.
const TYPICAL_US: f64 = 2_500_000.0;
/// And never further than this part of it.
const UNKNOWN_MAX: f64 = 0.8;
/// For the rest of its way, once it is there.
const LANDING_US: f64 = 700_000.0;

/// A change. Nodes are places on the circle; one that has gone has none.
#[derive(Debug)]
pub struct ChangeLook {
    /// What moved, and what it is measured by.
    pub change: Change,
    /// When it was over; none while it is under way.
    pub ended_us: Option<u64>,
    /// What the shards were that are not the same any more.
    pub ghosts: Vec<Ghost>,
    /// Replicas that go from one node to another, in the order of their shards.
    pub trips: Vec<Trip>,
}

/// A part of a shard's old arc: one of its old replicas.
#[derive(Debug)]
pub struct Ghost {
    pub shard: GroupId,
    /// From and to, as parts of a turn.
    pub arc: (f64, f64),
    /// Whose replica it was.
    pub node: Option<usize>,
    /// It is another's now.
    pub moved: bool,
}

/// A replica that goes to a node.
#[derive(Debug)]
pub struct Trip {
    pub shard: GroupId,
    /// Where on the ring it comes from, as a part of a turn.
    pub from: f64,
    pub to: usize,
    placed_us: u64,
    arrived_us: Option<u64>,
}

impl ChangeLook {
    /// Of the ring; none where this reader saw no change.
    pub fn of(ring: &RingView, order: &[NodeName]) -> Option<ChangeLook> {
        let (before, change) = (ring.before.as_ref()?, ring.change()?);
        let place = |name: &NodeName| order.iter().position(|other| other == name);
        let shards = before.table.shards.len().max(1) as f64;
        let mut look =
            ChangeLook { ended_us: ring.ended_us(), ghosts: Vec::new(), trips: Vec::new(), change };
        for (number, old) in before.table.shards.iter().enumerate() {
            let now = ring.placed(old.shard).map(|placed| placed.replicas.as_slice()).unwrap_or_default();
            if now == old.replicas {
                continue;
            }
            let parts = old.replicas.len().max(1) as f64;
            let at = |part: usize| (number as f64 + part as f64 / parts) / shards;
            for (part, name) in old.replicas.iter().enumerate() {
                let (arc, moved) = ((at(part), at(part + 1)), !now.contains(name));
                look.ghosts.push(Ghost { shard: old.shard, arc, node: place(name), moved });
            }
            let way = ring.way(old.shard).unwrap_or_default();
            for step in look.change.moves.iter().filter(|step| step.shard == old.shard) {
                let Some(to) = step.to.as_ref().and_then(place) else { continue };
                let part = step.from.as_ref().and_then(|from| old.replicas.iter().position(|it| it == from));
                let from = part.map_or(at(0) + 0.5 / shards, |part| at(part) + 0.5 / parts / shards);
                let (placed_us, arrived_us) = (way.placed_us, way.arrived_us);
                look.trips.push(Trip { shard: old.shard, from, to, placed_us, arrived_us });
            }
        }
        Some(look)
    }

    /// Whether the stage shows it at a moment.
    pub fn on_stage(&self, now_us: u64) -> bool {
        self.ended_us.is_none_or(|ended_us| now_us < ended_us.saturating_add(STAYS_US))
    }

    /// What moved, the ideal, and what hashing modulo the number of nodes would move; in percent.
    pub fn percents(&self) -> [u32; 3] {
        let Change { replicas_share, ideal_share, modulo_share, .. } = self.change;
        [replicas_share, ideal_share, modulo_share].map(percent)
    }
}

/// A part of 1 in whole percent.
pub fn percent(share: f64) -> u32 {
    (share * 100.0).round() as u32
}

impl Trip {
    /// How far it is at a moment, from 0 to 1.
    pub fn way(&self, at_us: f64) -> f64 {
        let unknown =
            |us: f64| UNKNOWN_MAX * (1.0 - exp(-(us - self.placed_us as f64).max(0.0) / TYPICAL_US));
        match self.arrived_us.map(|us| us as f64).filter(|us| *us <= at_us) {
            None => unknown(at_us),
            Some(arrived) => {
                let before = unknown(arrived);
                before + (1.0 - before) * ((at_us - arrived) / LANDING_US).min(1.0)
            }
        }
    }
}

/// Whether it is not the very same. One is made whenever the ring or its members change, and never else.
pub fn differs(old: Option<&Option<Arc<ChangeLook>>>, new: Option<&Option<Arc<ChangeLook>>>) -> bool {
    match (old, new) {
        (Some(Some(old)), Some(Some(new))) => !Arc::ptr_eq(old, new),
        (Some(None), Some(None)) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use orrery_base::hlc::Hlc;
    use orrery_event::{Event, Fact};
    use orrery_placement::{PlacedShard, ShardTable};
    use orrery_placement::{Ring, RingNode, ShardMap};
    use orrery_projection::view::View;

    use super::*;

    fn table(version: u64, nodes: usize) -> ShardTable {
        let nodes = (1..=nodes).map(|n| RingNode::new(format!("node{n}")));
        let ring = Ring::new(nodes).expect("a ring");
        let map = ShardMap::place(version, &ring, 8, 3, &BTreeSet::new());
        let placed =
            map.shards.into_iter().map(|it| PlacedShard { shard: it.shard, version, replicas: it.replicas });
        ShardTable { version, nodes: ring.nodes().to_vec(), shards: placed.collect() }
    }

    #[test]
    fn only_what_moved_travels_and_everything_stays_as_a_ghost_for_a_while() {
        let mut view = View::default();
        for (seq, table) in [(1, table(1, 5)), (2, table(2, 6))] {
            let fact = Fact::ShardsPlaced { group: GroupId::CONTROL, index: seq, shards: Box::new(table) };
            let event = Event { seq, hlc: Hlc::new(seq * 1_000_000, 0), wall_us: 0, fact };
            view.apply(&"node1".into(), 1, &event);
        }
        let order: Vec<NodeName> = (1..=6).map(|n| format!("node{n}").into()).collect();
        let look = ChangeLook::of(&view.ring, &order).expect("a change");
        assert_eq!(look.percents()[1..], [17, 83]);
        assert_eq!(look.trips.len(), look.change.replicas_moved as usize);
        assert_eq!(look.ghosts.iter().filter(|ghost| ghost.moved).count(), look.trips.len());
        assert_eq!(look.ghosts.len() % 3, 0, "whole shards");
        assert!(look.ghosts.len() < 24 || look.trips.len() > 8, "and only those that are others");
        assert!(look.ended_us.is_none() && look.on_stage(u64::MAX), "nobody said that a shard arrived");
        let over = ChangeLook { ended_us: Some(5_000_000), ..look };
        assert!(over.on_stage(14_999_999) && !over.on_stage(15_000_000));
    }

    #[test]
    fn where_a_replica_is_follows_from_the_view_clock_alone() {
        let trip =
            |arrived_us| Trip { shard: GroupId(3), from: 0.4, to: 5, placed_us: 1_000_000, arrived_us };
        assert_eq!(trip(None).way(1_000_000.0), 0.0);
        assert!(trip(None).way(2e6) < trip(None).way(4e6) && trip(None).way(1e12) <= UNKNOWN_MAX);
        // Before it arrives it is where it was when nobody knew.
        assert_eq!(trip(Some(3_000_000)).way(2e6), trip(None).way(2e6));
        assert!((trip(Some(3_000_000)).way(3e6) - trip(None).way(3e6)).abs() < 1e-9, "without a jump");
        assert_eq!(trip(Some(3_000_000)).way(3_700_000.0), 1.0);
    }
}
