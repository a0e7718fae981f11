//! The wait-for graph as it is drawn: who waits for whom, and where everybody stands.

use std::f64::consts::{PI, TAU};

use orrery_shared::event::fact::LockTable;
use orrery_shared::event::view::View;
use orrery_shared::lock::{Holder, Mode, WaitEdge};

/// For so long a deadlock stays drawn after it was found (view clock).
const DEADLOCK_SHOWN_US: u64 = 20_000_000;

/// Edges and people of the drawing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WaitGraph {
    /// Everybody in it; those of the cycle first, in its order.
    pub people: Vec<Holder>,
    /// Edges of the cycle, in order: drawn thick and numbered from 1.
    pub cycle: Vec<WaitEdge>,
    /// Who was refused.
    pub victim: Option<Holder>,
    /// All other edges.
    pub others: Vec<WaitEdge>,
}

impl WaitGraph {
    /// Of the view.
    pub fn of(view: &View) -> WaitGraph {
        let now_us = view.at.wall_us();
        let deadlock = view
            .deadlock
            .as_ref()
            .filter(|deadlock| now_us.saturating_sub(deadlock.at_us) < DEADLOCK_SHOWN_US);
        let cycle = deadlock.map(|deadlock| deadlock.cycle.clone()).unwrap_or_default();
        let victim = deadlock.map(|deadlock| deadlock.victim.clone());
        let others: Vec<_> =
            edges(&view.locks.table).into_iter().filter(|edge| !cycle.contains(edge)).collect();
        let mut people: Vec<Holder> = Vec::new();
        let everybody = cycle.iter().map(|edge| &edge.waiter);
        for person in everybody.chain(others.iter().flat_map(|edge| [&edge.waiter, &edge.blocker])) {
            if !people.contains(person) {
                people.push(person.clone());
            }
        }
        WaitGraph { people, cycle, victim, others }
    }

    /// Where a person stands in a box of so many units.
    pub fn place(&self, person: &Holder, width: f64, height: f64, margin: (f64, f64)) -> (f64, f64) {
        let place = self.people.iter().position(|other| other == person).unwrap_or_default();
        let count = self.people.len().max(1);
        // Two stand side by side, three and more on an ellipse with the first one on top.
        let start = if count == 2 { PI } else { -PI / 2.0 };
        let angle = start + TAU * place as f64 / count as f64;
        let (rx, ry) = (width / 2.0 - margin.0, height / 2.0 - margin.1);
        (width / 2.0 + rx * angle.cos(), height / 2.0 + ry * angle.sin())
    }
}

/// The wait-for edges of a table: from a waiter to conflicting holders and conflicting earlier waiters.
pub fn edges(table: &LockTable) -> Vec<WaitEdge> {
    let mut edges = Vec::new();
    for lock in &table.resources {
        for (place, waiter) in lock.waiters.iter().enumerate() {
            let earlier = lock.waiters[..place].iter().map(|other| (&other.holder, other.mode));
            let holders = lock.holders.iter().map(|other| (&other.holder, other.mode));
            for (blocker, mode) in holders.chain(earlier) {
                if *blocker != waiter.holder && !Mode::compatible(mode, waiter.mode) {
                    edges.push(WaitEdge {
                        waiter: waiter.holder.clone(),
                        blocker: blocker.clone(),
                        resource: lock.resource.clone(),
                    });
                }
            }
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use orrery_shared::event::fact::{HolderView, LockedResource, WaiterView};
    use orrery_shared::lock::WaitId;

    use super::*;

    fn person(name: &str) -> Holder {
        Holder { client: name.into(), session: None }
    }

    fn table(holders: &[(&str, Mode)], waiters: &[(&str, Mode)]) -> LockTable {
        let holders = holders.iter().map(|(name, mode)| HolderView {
            holder: person(name),
            mode: *mode,
            fencing_token: 1,
            since_ms: 0,
            expires_at_ms: None,
        });
        let waiters = waiters.iter().map(|(name, mode)| WaiterView {
            holder: person(name),
            mode: *mode,
            wait: WaitId(1),
            upgrade: false,
        });
        let lock = LockedResource {
            resource: "printer".into(),
            holders: holders.collect(),
            waiters: waiters.collect(),
        };
        LockTable { resources: vec![lock], ..LockTable::default() }
    }

    #[test]
    fn a_reader_behind_a_writer_waits_for_the_writer_only() {
        let table = table(&[("Ayu", Mode::Shared)], &[("Budi", Mode::Exclusive), ("Citra", Mode::Shared)]);
        let found: Vec<_> =
            edges(&table).into_iter().map(|edge| (edge.waiter.client, edge.blocker.client)).collect();
        assert_eq!(found, [("Budi".into(), "Ayu".into()), ("Citra".into(), "Budi".into())]);
    }

    #[test]
    fn an_upgrade_does_not_wait_for_itself() {
        let table = table(&[("Ayu", Mode::Shared), ("Budi", Mode::Shared)], &[("Ayu", Mode::Exclusive)]);
        assert_eq!(edges(&table).len(), 1);
    }
}
