//! The model's wait-for graph.

use std::collections::BTreeSet;

use orrery_lock::{Holder, WaitEdge, WaitId};

use super::Model;

impl Model {
    /// Every edge, from the definition.
    pub fn edges(&self) -> BTreeSet<WaitEdge> {
        let mut edges = BTreeSet::new();
        for resource in self.resources() {
            let waiters = self.waiters(&resource);
            for (place, waiting) in waiters.iter().enumerate() {
                let holders = self.locks.iter().filter(|lock| lock.resource == resource);
                let holders = holders.map(|lock| (&lock.holder, lock.mode));
                let earlier = waiters[..place].iter().map(|earlier| (&earlier.holder, earlier.mode));
                for (blocker, mode) in holders.chain(earlier) {
                    if *blocker != waiting.holder && !mode.compatible(waiting.mode) {
                        edges.insert(WaitEdge {
                            waiter: waiting.holder.clone(),
                            blocker: blocker.clone(),
                            resource: resource.clone(),
                        });
                    }
                }
            }
        }
        edges
    }

    /// A reported cycle is one, every edge of it exists, and `victim` is the youngest wait in it.
    pub(super) fn check_cycle(&self, cycle: &[WaitEdge], victim: WaitId) {
        let edges = self.edges();
        assert!(cycle.len() >= 2, "a cycle has two edges at least");
        let mut youngest = WaitId(0);
        for (edge, next) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
            assert!(edges.contains(edge), "an edge that does not exist: {edge:?}");
            assert_eq!(edge.blocker, next.waiter, "the edges are in order");
            let wait = self.wait_of(&edge.resource, &edge.waiter).unwrap();
            youngest = youngest.max(wait.id);
        }
        let waiters: BTreeSet<_> = cycle.iter().map(|edge| &edge.waiter).collect();
        assert_eq!(waiters.len(), cycle.len(), "nobody is in it twice");
        assert_eq!(youngest, victim, "the youngest is refused");
    }
}

/// Who waits for whom on one resource, be it by way of others.
pub fn reached_on(edges: &BTreeSet<WaitEdge>, resource: &str) -> BTreeSet<(Holder, Holder)> {
    let mut reached: BTreeSet<(Holder, Holder)> = edges
        .iter()
        .filter(|edge| edge.resource == resource)
        .map(|edge| (edge.waiter.clone(), edge.blocker.clone()))
        .collect();
    loop {
        let further: Vec<_> = reached
            .iter()
            .flat_map(|(waiter, middle)| {
                reached
                    .iter()
                    .filter(move |(other, _)| other == middle)
                    .map(|(_, end)| (waiter.clone(), end.clone()))
            })
            .collect();
        let before = reached.len();
        reached.extend(further);
        if reached.len() == before {
            return reached;
        }
    }
}

/// Whether any cycle is left: what nobody waits for goes, until nothing does.
pub fn cycle_in(edges: &BTreeSet<WaitEdge>) -> bool {
    let mut left: Vec<(&Holder, &Holder)> = edges.iter().map(|edge| (&edge.waiter, &edge.blocker)).collect();
    loop {
        let waiting: BTreeSet<&Holder> = left.iter().map(|(waiter, _)| *waiter).collect();
        let before = left.len();
        left.retain(|(_, blocker)| waiting.contains(blocker));
        if left.len() == before {
            return !left.is_empty();
        }
    }
}
