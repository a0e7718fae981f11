//! Deadlocks: cycles of the wait-for graph.
//!
//! The vertices are holders. An edge goes from a waiter to each conflicting holder of the resource and to each
//! conflicting waiter before it. A wait that begins or becomes stronger adds edges, all of them incident to its holder:
//! every new cycle goes through that holder, and one breadth-first search from it finds a shortest one.
//!
//! The search touches only what it must. It begins at the new wait. In a queue it looks at the holders, and of the
//! waiters ahead only at those who wait elsewhere too: whoever waits for nothing else leads only to what the search
//! has already (a shared waiter reaches it by way of the nearest exclusive one ahead). Meanwhile it looks, a few at a
//! time, at what its start has, and ends as soon as it is clear that nobody waits for the start. So an acquire costs
//! the same however many others wait.
//!
//! A grant closes no cycle here (a transfer can, see `transfer.rs`), because waiters wait for who is before them. Who conflicts with the new holder waited
//! for its wait already; and where an upgrade is granted at once, each waiter waited for the upgrading holder already:
//! an exclusive one directly, a shared one by way of the exclusive one that it queued behind.

use std::collections::{BTreeMap, VecDeque};

use smol_str::SmolStr;

use super::fact::LockFact;
use super::table::{Claim, RefusedWait, Resource, Step, Table, Waiter};
use super::{Holder, LockReply, Mode, WaitEdge, WaitId};

/// So many of its start's claims a search looks at for each vertex that it visits.
const CLAIMS_PER_VISIT: usize = 4;

/// How far a resource was looked at already, so that a search is linear in what it touches.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Waiters before this one were visited whatever their mode.
    all: WaitId,
    /// Exclusive waiters before this one were visited.
    exclusive: WaitId,
    all_holders: bool,
    exclusive_holder: bool,
}

/// What the start of a search has to do with other resources, and whether somebody waits for it there.
struct Wanted<'a> {
    claims: Box<dyn Iterator<Item = (&'a SmolStr, Claim)> + 'a>,
    known: bool,
}

/// A breadth-first search for a way back to `start`.
struct Search<'a> {
    table: &'a Table,
    start: &'a Holder,
    /// The one wait of the start from which new edges go; all of its waits where edges to it are new, too.
    from: Option<WaitId>,
    wanted: Wanted<'a>,
    /// How each vertex was reached: from whom, by which wait.
    reached: BTreeMap<&'a Holder, (&'a Holder, WaitId)>,
    next: VecDeque<&'a Holder>,
    seen: BTreeMap<&'a SmolStr, Seen>,
    /// Vertices, holders and waiters that were looked at.
    steps: usize,
}

impl Table {
    /// Refuses the youngest wait of each cycle that the wait `own` of `holder` closed until there is none. Returns the
    /// refusal of `own`, if it was one of them.
    pub(super) fn break_cycles(
        &mut self,
        holder: &Holder,
        own: WaitId,
        step: &mut Step,
    ) -> Option<LockReply> {
        // One at the end of its queue brings edges away from its holder only; whoever is behind it waits for it too.
        let last = self.waits.get(&own).and_then(|waiter| self.resources.get(&waiter.resource));
        let last = last.is_some_and(|resource| resource.queue.last() == Some(&own));
        self.break_cycles_through(holder, last.then_some(own), Some(own), step)
    }

    /// The same for somebody who was just given a lock that others wait for.
    pub(super) fn break_cycles_at(&mut self, holder: &Holder, step: &mut Step) {
        self.break_cycles_through(holder, None, None, step);
    }

    /// `from` is the only wait of the holder from which new edges go, where only those are new. The answer is the refusal of `own`.
    fn break_cycles_through(
        &mut self,
        holder: &Holder,
        from: Option<WaitId>,
        own: Option<WaitId>,
        step: &mut Step,
    ) -> Option<LockReply> {
        let mut refused = None;
        // Each round removes a wait: finite.
        while let Some(path) = self.search(holder, from).and_then(Search::run) {
            let Some((victim, _)) = path.iter().max_by_key(|(wait, _)| *wait).cloned() else { break };
            let cycle: Vec<WaitEdge> = path.into_iter().map(|(_, edge)| edge).collect();
            let is_own = own == Some(victim);
            if let Some(reply) = self.refuse(victim, cycle, !is_own, step)
                && is_own
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
        step.facts.push(LockFact::Deadlock { cycle: cycle.clone(), victim: waiter.holder.clone(), wait });
        let reply = LockReply::Deadlock { cycle: cycle.clone(), victim: waiter.holder.clone() };
        step.settle(&waiter, reply.clone());
        if keep {
            let expires_at_ms = self.after(waiter.deadline_ms);
            let Waiter { resource, holder, mode, queued, .. } = waiter;
            self.insert_outcome(wait, RefusedWait { resource, holder, mode, cycle, queued, expires_at_ms });
        }
        Some(reply)
    }

    /// Looks for a shortest cycle through `start` (by its wait `from`): its waits with their edges, in order.
    fn search(&self, start: &Holder, from: Option<WaitId>) -> Option<Search<'_>> {
        let (start, party) = self.parties.get_key_value(start)?;
        if party.waits.is_empty() {
            return None;
        }
        let claims = self.claims.range((start.clone(), SmolStr::default())..);
        let claims = claims.take_while(move |((of, _), _)| of == start);
        Some(Search {
            table: self,
            start,
            from,
            wanted: Wanted {
                claims: Box::new(claims.map(|((_, name), claim)| (name, *claim))),
                known: false,
            },
            reached: BTreeMap::new(),
            next: VecDeque::from([start]),
            seen: BTreeMap::new(),
            steps: 0,
        })
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
        self.go()
    }

    fn go(&mut self) -> Option<Vec<(WaitId, WaitEdge)>> {
        while self.is_wanted()
            && let Some(holder) = self.next.pop_front()
        {
            self.steps += 1;
            let from = self.from;
            let waits = match &from {
                Some(from) if holder == self.start => std::slice::from_ref(from),
                _ => self.table.parties.get(holder).map_or(&[][..], |party| &party.waits),
            };
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

    /// Whether somebody waits for the start, as far as a few more looks tell.
    fn is_wanted(&mut self) -> bool {
        for _ in 0..CLAIMS_PER_VISIT {
            if self.wanted.known {
                return true;
            }
            let Some((name, claim)) = self.wanted.claims.next() else { return false };
            self.steps += 1;
            let Some(resource) = self.table.resources.get(name) else { continue };
            let waiters = resource.upgrades.len() + resource.queue.len();
            let behind = match (claim.hold, claim.wait) {
                (Some(_), own) => waiters - usize::from(own.is_some()),
                (None, Some(wait)) => waiters - resource.waiters_before(wait) - 1,
                (None, None) => 0,
            };
            self.wanted.known = behind > 0;
        }
        true
    }

    /// Reaches everybody whom this wait waits for and who can lead the search anywhere, except those whom an earlier
    /// visit reached.
    fn visit_blockers(&mut self, from: &'a Holder, wait: WaitId, waiter: &'a Waiter) {
        let Some((name, resource)) = self.table.resources.get_key_value(&waiter.resource) else { return };
        let resource: &'a Resource = resource;
        let seen = self.seen.get(name).copied().unwrap_or_default();
        let exclusive = waiter.mode == Mode::Exclusive;
        let holders_done = seen.all_holders || (!exclusive && seen.exclusive_holder);
        if !holders_done && (exclusive || resource.exclusive) {
            for hold in resource.holders.iter().filter_map(|token| self.table.holds.get(token)) {
                self.reach(&hold.holder, from, wait);
            }
        }
        // At most two, and each stands in everybody's way.
        for upgrade in resource.upgrades.iter().filter(|upgrade| !waiter.upgrade || **upgrade < wait) {
            self.reach_waiter(*upgrade, from, wait);
        }
        let before = |line: &'a [WaitId], wait| &line[..line.partition_point(|other| *other < wait)];
        if !waiter.upgrade {
            let first = if exclusive { seen.all } else { seen.all.max(seen.exclusive) };
            let done = before(&resource.elsewhere, first).len();
            for earlier in before(&resource.elsewhere, wait).iter().skip(done) {
                let conflicting = |earlier: &Waiter| !earlier.mode.compatible(waiter.mode);
                if self.table.waits.get(earlier).is_some_and(conflicting) {
                    self.reach_waiter(*earlier, from, wait);
                }
            }
            if let Some(nearest) = before(&resource.exclusives, wait).last().filter(|_| !exclusive) {
                self.reach_waiter(*nearest, from, wait);
            }
        }
        let seen = self.seen.entry(name).or_default();
        if exclusive {
            seen.all_holders = true;
        } else {
            seen.exclusive_holder = true;
        }
        match (waiter.upgrade, exclusive) {
            (true, _) => {}
            (false, true) => seen.all = seen.all.max(wait),
            (false, false) => seen.exclusive = seen.exclusive.max(wait),
        }
    }

    fn reach_waiter(&mut self, earlier: WaitId, from: &'a Holder, wait: WaitId) {
        if let Some(earlier) = self.table.waits.get(&earlier) {
            self.reach(&earlier.holder, from, wait);
        }
    }

    fn reach(&mut self, holder: &'a Holder, from: &'a Holder, wait: WaitId) {
        self.steps += 1;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LockCommand, Wait};

    /// A table that commands are applied to, one after the other.
    #[derive(Default)]
    struct World {
        table: Table,
        index: u64,
    }

    fn holder(name: &str) -> Holder {
        Holder { client: name.into(), session: None }
    }

    impl World {
        fn acquire(&mut self, name: &str, resource: &str, mode: Mode) -> LockReply {
            self.index += 1;
            let command = LockCommand::Acquire {
                resource: resource.into(),
                holder: holder(name),
                mode,
                ttl_ms: 1_000,
                wait: Wait::LongPoll { deadline_ms: 1_000 },
            };
            self.table.apply_lock(&command, &mut Step { index: self.index, ..Step::default() })
        }

        /// What a search from the last wait of a holder costs.
        fn steps(&self, name: &str) -> usize {
            let wait = self.table.parties.get(&holder(name)).and_then(|party| party.waits.last().copied());
            let mut search = self.table.search(&holder(name), wait).expect("it waits");
            assert_eq!(search.go(), None, "no deadlock");
            search.steps
        }
    }

    /// Who else waits costs nothing: neither in the same queue, nor behind what the asker holds, nor at what the others
    /// hold; nor does what the asker has besides.
    #[test]
    fn a_search_costs_the_same_however_many_others_wait() {
        let costs: Vec<usize> = [40, 400]
            .map(|others| {
                let mut world = World::default();
                world.acquire("Ayu", "a", Mode::Exclusive);
                world.acquire("Budi", "b", Mode::Exclusive);
                world.acquire("Citra", "c", Mode::Shared);
                for other in 0..others {
                    let name = format!("other{other}");
                    world.acquire(&name, &format!("own{other}"), Mode::Exclusive);
                    // Crowds at b and at a, and a chain of unrelated waits.
                    world.acquire(&name, if other % 2 == 0 { "a" } else { "b" }, Mode::Exclusive);
                    world.acquire(&format!("chained{other}"), &format!("own{other}"), Mode::Shared);
                    world.acquire("Dewi", &format!("mine{other}"), Mode::Exclusive);
                }
                // She holds what many want, and wants what many want.
                assert!(matches!(world.acquire("Ayu", "b", Mode::Exclusive), LockReply::Waiting { .. }));
                // She holds much, and nobody wants it.
                assert!(matches!(world.acquire("Dewi", "b", Mode::Shared), LockReply::Waiting { .. }));
                world.steps("Ayu").max(world.steps("Dewi"))
            })
            .to_vec();
        assert_eq!(costs[0], costs[1], "steps with few and with many others");
        assert!(costs[0] < 32, "{costs:?}");
    }
}
