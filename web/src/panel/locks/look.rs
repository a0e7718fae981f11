//! Which resources have a lane, and the wait-for graph as it is drawn: who waits for whom, and where everybody stands.

use std::f64::consts::{PI, TAU};

use orrery_lock::view::LockedResource;
use orrery_lock::{Holder, WaitEdge, edges_of};
use orrery_projection::view::View;
use smol_str::SmolStr;

use crate::math::{cos, sin};

/// Resources that have a lane from the start.
const FIRST: [&str; 3] = ["printer", "report", "exam-room"];

/// Most lanes that are drawn.
const LANES_MAX: usize = 40;

/// Names of lanes: the usual ones, those that had one before, those that somebody holds or wants.
pub fn known_resources(view: &View, before: &[SmolStr]) -> Vec<SmolStr> {
    let mut names: Vec<SmolStr> = FIRST.map(SmolStr::from).to_vec();
    let locked = view.locks.table.resources.iter().map(|lock| &lock.resource);
    for name in before.iter().chain(locked) {
        if names.len() >= LANES_MAX {
            break;
        }
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Locks that are held and have no lane here: beyond the lanes, and beyond what a stream shows.
pub fn without_lane(view: &View, lanes: &[SmolStr]) -> u64 {
    let held = |lock: &LockedResource| lock.holders.len() as u64;
    let (resources, beyond) = (&view.locks.table.resources, view.locks.beyond);
    let all = beyond.map_or_else(|| resources.iter().map(held).sum(), |beyond| beyond.counts.locks);
    let shown = resources.iter().filter(|lock| lanes.contains(&lock.resource)).map(held).sum();
    all.saturating_sub(shown)
}

/// For so long a deadlock stays drawn after it was found (view clock).
const DEADLOCK_SHOWN_US: u64 = 20_000_000;

/// Edges and people of the drawing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WaitGraph {
    /// Everybody in it; those of the cycle first, in its order.
    pub people: Vec<Holder>,
    /// Edges of the cycle, in order: drawn thick and numbered from 1.
    pub cycle: Vec<WaitEdge>,
    pub victim: Option<Holder>,
    pub others: Vec<WaitEdge>,
}

impl WaitGraph {
    pub fn of(view: &View) -> WaitGraph {
        let now_us = view.at.wall_us();
        let deadlock = view
            .deadlock
            .as_ref()
            .filter(|deadlock| now_us.saturating_sub(deadlock.at_us) < DEADLOCK_SHOWN_US);
        let cycle = deadlock.map(|deadlock| deadlock.cycle.clone()).unwrap_or_default();
        let victim = deadlock.map(|deadlock| deadlock.victim.clone());
        let others: Vec<_> =
            edges_of(&view.locks.table).into_iter().filter(|edge| !cycle.contains(edge)).collect();
        let mut people: Vec<Holder> = Vec::new();
        let everybody = cycle.iter().map(|edge| &edge.waiter);
        for person in everybody.chain(others.iter().flat_map(|edge| [&edge.waiter, &edge.blocker])) {
            if !people.contains(person) {
                people.push(person.clone());
            }
        }
        WaitGraph { people, cycle, victim, others }
    }

    /// Everybody's place in a box of so many units: a cycle of two side by side with everybody else below, anything
    /// else on an ellipse with the first one on top (two: side by side).
    pub fn places(&self, width: f64, height: f64, margin: (f64, f64)) -> Vec<(f64, f64)> {
        let count = self.people.len();
        let (left, right) = (margin.0, width - margin.0);
        if self.cycle.len() == 2 && count > 2 {
            let below = (count - 2) as f64;
            let other =
                |place: usize| (left + (right - left) * (place as f64 - 1.5) / below, height - margin.1);
            return [(left, margin.1), (right, margin.1)].into_iter().chain((2..count).map(other)).collect();
        }
        let start = if count == 2 { PI } else { -PI / 2.0 };
        let (rx, ry) = (width / 2.0 - margin.0, height / 2.0 - margin.1);
        (0..count)
            .map(|place| start + TAU * place as f64 / count.max(1) as f64)
            .map(|angle| (width / 2.0 + rx * cos(angle), height / 2.0 + ry * sin(angle)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orrery_lock::Mode;
    use orrery_lock::view::{HolderView, LockCounts, LocksBeyond};
    use orrery_projection::view::LocksView;

    use super::*;

    fn graph(people: &[&str], cycle: usize) -> WaitGraph {
        let person = |name: &str| Holder { client: name.into(), session: None };
        let edge = |i: usize| WaitEdge {
            waiter: person(people[i]),
            blocker: person(people[(i + 1) % cycle]),
            resource: "printer".into(),
        };
        WaitGraph {
            people: people.iter().map(|name| person(name)).collect(),
            cycle: (0..cycle).map(edge).collect(),
            ..WaitGraph::default()
        }
    }

    fn near(a: (f64, f64), b: (f64, f64)) -> bool {
        (a.0 - b.0).hypot(a.1 - b.1) < 1e-9
    }

    #[test]
    fn two_stand_side_by_side_and_three_in_a_triangle() {
        let two = graph(&["Ayu", "Budi"], 2).places(300.0, 100.0, (50.0, 40.0));
        assert!(near(two[0], (50.0, 50.0)) && near(two[1], (250.0, 50.0)));
        let three = graph(&["Ayu", "Budi", "Citra"], 3).places(300.0, 200.0, (50.0, 40.0));
        assert!(near(three[0], (150.0, 40.0)) && (three[1].1 - three[2].1).abs() < 1e-9);
    }

    #[test]
    fn who_is_not_in_a_cycle_of_two_stands_below_it() {
        let places = graph(&["Ayu", "Budi", "Citra"], 2).places(300.0, 200.0, (50.0, 40.0));
        assert!(
            near(places[0], (50.0, 40.0))
                && near(places[1], (250.0, 40.0))
                && near(places[2], (150.0, 160.0))
        );
    }

    #[test]
    fn locks_without_a_lane_are_counted() {
        let holder = HolderView {
            holder: Holder { client: "Ayu".into(), session: None },
            mode: Mode::Exclusive,
            fencing_token: 7,
            since_ms: 5,
            expires_at_ms: None,
        };
        let lock = |n: usize| LockedResource {
            resource: format!("r{n:02}").as_str().into(),
            holders: vec![holder.clone()],
            waiters: Vec::new(),
        };
        let mut locks = LocksView::default();
        locks.table.resources = (0..50).map(lock).collect();
        let mut view = View { locks: Arc::new(locks.clone()), ..View::default() };
        let lanes = known_resources(&view, &[]);
        assert_eq!(lanes.len(), LANES_MAX);
        let expected = 50 - (LANES_MAX - FIRST.len()) as u64;
        assert_eq!(without_lane(&view, &lanes), expected);
        // A stream shows the newest ones, and how many there are.
        let counts = LockCounts { locks: 5_050, ..LockCounts::default() };
        locks.beyond = Some(LocksBeyond { counts, ..LocksBeyond::default() });
        view.locks = Arc::new(locks);
        assert_eq!(without_lane(&view, &lanes), 5_000 + expected);
    }
}
