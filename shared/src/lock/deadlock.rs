//! Deadlocks: cycles of the wait-for graph.
//!
//! The vertices are holders. An edge goes from a waiter to each conflicting holder of the resource and to each
//! conflicting waiter before it. A wait that begins or becomes stronger adds edges, all of them incident to its holder:
//! every new cycle goes through that holder, and one breadth-first search from it finds a shortest one.
//!
//! A grant closes no cycle here, because waiters wait for who is before them. Who conflicts with the new holder waited
//! for its wait already; and where an upgrade is granted at once, each waiter waited for the upgrading holder already:
//! an exclusive one directly, a shared one by way of the exclusive one that it queued behind.

use std::collections::{BTreeMap, VecDeque};

use super::table::{Outcome, Resource, Step, Table, Waiter};
use super::{Holder, LockReply, Mode, WaitEdge, WaitId};
use crate::event::fact::ServiceFact;
use crate::ids::ResourceName;

/// How far the waiters of a resource were looked at already, so that a search is linear in what it touches.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Places before this one were visited whatever their mode, and all holders too.
    all: usize,
    /// Exclusive waiters before this place were visited.
    exclusive: usize,
    all_holders: bool,
    exclusive_holder: bool,
}

/// A breadth-first search for a way back to `start`.
struct Search<'a> {
    table: &'a Table,
    start: &'a Holder,
    /// How each vertex was reached: from whom, by which wait.
    reached: BTreeMap<&'a Holder, (&'a Holder, WaitId)>,
    next: VecDeque<&'a Holder>,
    seen: BTreeMap<&'a ResourceName, Seen>,
}

impl Table {
    /// Refuses the youngest wait of each cycle through `holder` until there is none. Returns the refusal of the wait
    /// `own`, if it was one of them.
    pub(super) fn break_cycles(
        &mut self,
        holder: &Holder,
        own: Option<WaitId>,
        step: &mut Step,
    ) -> Option<LockReply> {
        let mut refused = None;
        // Each round removes a wait: finite.
        while let Some(path) = self.cycle_through(holder) {
            let Some((victim, _)) = path.iter().max_by_key(|(wait, _)| *wait).cloned() else { break };
            let cycle: Vec<WaitEdge> = path.into_iter().map(|(_, edge)| edge).collect();
            if let Some(reply) = self.refuse(victim, cycle, Some(victim) != own, step)
                && Some(victim) == own
            {
                refused = Some(reply);
            }
            self.hand_over(step);
        }
        refused
    }

    /// Ends a wait as a deadlock's victim. Keeps the answer for its client where it is not being answered right now.
    fn refuse(
        &mut self,
        wait: WaitId,
        cycle: Vec<WaitEdge>,
        keep: bool,
        step: &mut Step,
    ) -> Option<LockReply> {
        let waiter = self.remove_wait(wait)?;
        step.free(&waiter.resource);
        step.facts.push(ServiceFact::Deadlock { cycle: cycle.clone(), victim: waiter.holder.clone(), wait });
        let reply = LockReply::Deadlock { cycle: cycle.clone(), victim: waiter.holder.clone() };
        step.settle(&waiter, reply.clone());
        if keep {
            let expires_at_ms = self.after(waiter.deadline_ms);
            let Waiter { resource, holder, mode, queued, .. } = waiter;
            self.insert_outcome(wait, Outcome { resource, holder, mode, cycle, queued, expires_at_ms });
        }
        Some(reply)
    }

    /// A shortest cycle through `start`: its waits with their edges, in order.
    fn cycle_through(&self, start: &Holder) -> Option<Vec<(WaitId, WaitEdge)>> {
        let (start, party) = self.parties.get_key_value(start)?;
        // Nobody waits for somebody who holds nothing and whose only wait is the last of its queue.
        let last_in_line = |wait: &WaitId| {
            let resource = self.waits.get(wait).and_then(|waiter| self.resources.get(&waiter.resource));
            resource.is_some_and(|resource| resource.queue.last() == Some(wait))
        };
        if party.waits.is_empty() || (party.locks == 0 && party.waits.iter().all(last_in_line)) {
            return None;
        }
        Search {
            table: self,
            start,
            reached: BTreeMap::new(),
            next: VecDeque::from([start]),
            seen: BTreeMap::new(),
        }
        .run()
    }

    /// Whether `waiter` cannot go on before `other` does.
    fn waits_for(&self, wait: WaitId, waiter: &Waiter, other: &Holder) -> bool {
        if waiter.holder == *other {
            return false;
        }
        let claim = self.claim(other, &waiter.resource);
        let conflicting = |mode: Mode| !mode.compatible(waiter.mode);
        let held = claim.hold.and_then(|token| self.holds.get(&token));
        if held.is_some_and(|hold| conflicting(hold.mode)) {
            return true;
        }
        let Some((before, resource)) = claim.wait.zip(self.resources.get(&waiter.resource)) else {
            return false;
        };
        self.waits.get(&before).is_some_and(|earlier| conflicting(earlier.mode))
            && resource.waiters_before(before) < resource.waiters_before(wait)
    }
}

impl<'a> Search<'a> {
    fn run(mut self) -> Option<Vec<(WaitId, WaitEdge)>> {
        while let Some(holder) = self.next.pop_front() {
            let waits = self.table.parties.get(holder).map_or(&[][..], |party| &party.waits);
            for wait in waits {
                let Some(waiter) = self.table.waits.get(wait) else { continue };
                if self.table.waits_for(*wait, waiter, self.start) {
                    return Some(self.path_back(holder, *wait));
                }
                self.visit_blockers(holder, *wait, waiter);
            }
        }
        None
    }

    /// Reaches everybody whom this wait waits for, except those whom an earlier visit reached.
    fn visit_blockers(&mut self, from: &'a Holder, wait: WaitId, waiter: &'a Waiter) {
        let Some((name, resource)) = self.table.resources.get_key_value(&waiter.resource) else { return };
        let resource: &'a Resource = resource;
        let place = resource.waiters_before(wait);
        let seen = self.seen.get(name).copied().unwrap_or_default();
        let exclusive = waiter.mode == Mode::Exclusive;
        let holders_done = seen.all_holders || (!exclusive && seen.exclusive_holder);
        if !holders_done && (exclusive || resource.exclusive) {
            for hold in resource.holders.iter().filter_map(|token| self.table.holds.get(token)) {
                self.reach(&hold.holder, from, wait);
            }
        }
        let first = if exclusive { seen.all } else { seen.all.max(seen.exclusive) };
        for before in resource.waiters().take(place).skip(first) {
            let Some(earlier) = self.table.waits.get(&before) else { continue };
            if !earlier.mode.compatible(waiter.mode) {
                self.reach(&earlier.holder, from, wait);
            }
        }
        let seen = self.seen.entry(name).or_default();
        if exclusive {
            seen.all = seen.all.max(place);
            seen.all_holders = true;
        } else {
            seen.exclusive = seen.exclusive.max(place);
            seen.exclusive_holder = true;
        }
    }

    fn reach(&mut self, holder: &'a Holder, from: &'a Holder, wait: WaitId) {
        if holder == self.start || self.reached.contains_key(holder) {
            return;
        }
        self.reached.insert(holder, (from, wait));
        self.next.push_back(holder);
    }

    /// The edges from the start to `last` and back.
    fn path_back(&self, last: &'a Holder, wait: WaitId) -> Vec<(WaitId, WaitEdge)> {
        let mut path = vec![(wait, self.edge(last, self.start, wait))];
        let mut at = last;
        // At most one step per reached vertex.
        while let Some((from, wait)) = self.reached.get(at) {
            path.push((*wait, self.edge(from, at, *wait)));
            at = from;
        }
        path.reverse();
        path
    }

    fn edge(&self, waiter: &Holder, blocker: &Holder, wait: WaitId) -> WaitEdge {
        let resource = self.table.waits.get(&wait).map(|waiter| waiter.resource.clone()).unwrap_or_default();
        WaitEdge { waiter: waiter.clone(), blocker: blocker.clone(), resource }
    }
}
