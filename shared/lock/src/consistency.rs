//! What must hold of a lock table between two commands, checked as a whole.
//!
//! The indexes are made anew from what they index and compared.

use std::collections::{BTreeMap, BTreeSet};

use imbl::OrdMap;
use smol_str::SmolStr;

use super::limits::{
    CLAIMS_MAX, CLAIMS_PER_CLIENT_MAX, CLAIMS_PER_RESOURCE_MAX, OUTCOMES_MAX, SESSIONS_MAX,
    SESSIONS_PER_CLIENT_MAX, WAITS_PER_HOLDER_MAX,
};
use super::table::{Claim, Due, Party, Resource, Table};
use super::{Holder, Mode};

impl Table {
    /// Locks, waits, unread outcomes and sessions: what a check looks at.
    pub fn items(&self) -> usize {
        self.holds.len() + self.waits.len() + self.outcomes.len() + self.sessions.len()
    }

    /// Panics with what is wrong, and of whom. Costs O(n log n) in the number of [`Table::items`].
    pub fn assert_consistent(&self) {
        self.assert_holds();
        self.assert_waits();
        self.assert_outcomes_and_sessions();
        self.assert_resources();
        self.assert_claims_and_parties();
        self.assert_deadlines();
        self.assert_bounds();
        self.assert_no_deadlock();
    }

    fn assert_holds(&self) {
        for (token, hold) in &self.holds {
            let (holder, resource) = (&hold.holder, &hold.resource);
            assert!(
                *token <= self.last_token,
                "{holder} holds {resource} under fencing token {token}, and the last one given is {}",
                self.last_token
            );
            assert!(
                self.session_is_open(holder),
                "{holder} holds {resource} under a session that is not open"
            );
            assert_eq!(
                hold.expires_at_ms.is_none(),
                holder.session.is_some(),
                "{holder} holds {resource}: just a lock without a session has a lease of its own"
            );
        }
    }

    fn assert_waits(&self) {
        for (wait, waiter) in &self.waits {
            let (holder, resource, wait) = (&waiter.holder, &waiter.resource, wait.0);
            assert!(
                self.session_is_open(holder),
                "wait #{wait} of {holder} for {resource} is under a session that is not open"
            );
            assert!(
                waiter.expires_at_ms.is_some() || holder.session.is_some(),
                "wait #{wait} of {holder} for {resource} never ends"
            );
            let held = self.hold_of(holder, resource).map(|(_, hold)| hold.mode);
            let expected = waiter.upgrade.then_some(Mode::Shared);
            assert_eq!(
                held, expected,
                "wait #{wait} of {holder} for {resource}: what it holds of it does not fit (upgrade: {})",
                waiter.upgrade
            );
            assert!(
                !waiter.upgrade || waiter.mode == Mode::Exclusive,
                "wait #{wait} of {holder} for {resource} is an upgrade to shared"
            );
        }
    }

    fn assert_outcomes_and_sessions(&self) {
        for (wait, outcome) in &self.outcomes {
            let holder = &outcome.holder;
            assert!(
                self.session_is_open(holder),
                "the unread outcome #{} of {holder} is under a session that is not open",
                wait.0
            );
            assert!(
                !self.waits.contains_key(wait),
                "wait #{} of {holder} goes on and has an outcome",
                wait.0
            );
        }
        let mut counts: OrdMap<SmolStr, u32> = OrdMap::new();
        for session in self.sessions.values() {
            *counts.entry(session.client.clone()).or_insert(0) += 1;
        }
        assert_eq!(self.session_counts, counts, "the number of open sessions of a client does not fit");
    }

    fn assert_resources(&self) {
        let mut expected: BTreeMap<&SmolStr, Resource> = BTreeMap::new();
        for (token, hold) in &self.holds {
            let at = expected.entry(&hold.resource).or_default();
            at.holders.push(*token);
            at.exclusive |= hold.mode == Mode::Exclusive;
        }
        let mut places: BTreeMap<&Holder, usize> = BTreeMap::new();
        self.waits.values().for_each(|waiter| *places.entry(&waiter.holder).or_default() += 1);
        for (wait, waiter) in &self.waits {
            let at = expected.entry(&waiter.resource).or_default();
            if waiter.upgrade {
                at.upgrades.push(*wait);
            } else {
                at.queue.push(*wait);
                if waiter.mode == Mode::Exclusive {
                    at.exclusives.push(*wait);
                }
            }
            if places.get(&waiter.holder).is_some_and(|waits| *waits > 1) {
                at.elsewhere.push(*wait);
            }
        }
        for (name, at) in &expected {
            let known = self.resources.get(*name);
            assert_eq!(known.map(AsRef::as_ref), Some(at), "the index of resource {name} does not fit");
            assert!(
                !at.exclusive || at.holders.len() == 1,
                "{name} is held exclusively and has {} holders",
                at.holders.len()
            );
            assert!(at.upgrades.len() <= 1, "{name} has two upgrades, which are a deadlock");
            let first = self.grantable(name);
            assert!(first.is_none(), "{name} is free for its first waiter, who waits: {first:?}");
        }
        let idle = self.resources.keys().find(|name| !expected.contains_key(*name));
        assert!(idle.is_none(), "resource {idle:?} has neither a holder nor a waiter");
    }

    fn assert_claims_and_parties(&self) {
        let mut claims: BTreeMap<(&Holder, &SmolStr), Claim> = BTreeMap::new();
        let mut parties: BTreeMap<&Holder, Party> = BTreeMap::new();
        for (token, hold) in &self.holds {
            let claim = claims.entry((&hold.holder, &hold.resource)).or_default();
            let before = claim.hold.replace(*token);
            let (holder, resource) = (&hold.holder, &hold.resource);
            assert!(before.is_none(), "{holder} holds {resource} under {before:?} and under {token}");
            parties.entry(&hold.holder).or_default().locks += 1;
        }
        for (wait, waiter) in &self.waits {
            let before = claims.entry((&waiter.holder, &waiter.resource)).or_default().wait.replace(*wait);
            let (holder, resource) = (&waiter.holder, &waiter.resource);
            assert!(before.is_none(), "{holder} waits twice for {resource}: {before:?} and {wait:?}");
            parties.entry(&waiter.holder).or_default().waits.push(*wait);
        }
        for (wait, outcome) in &self.outcomes {
            claims.entry((&outcome.holder, &outcome.resource)).or_default().outcome = Some(*wait);
        }
        for ((holder, resource), claim) in &self.claims {
            let expected = claims.get(&(holder, resource));
            assert_eq!(Some(claim), expected, "the claim of {holder} on {resource} does not fit");
        }
        assert_eq!(self.claims.len(), claims.len(), "claims are missing from their index");
        for (holder, party) in &self.parties {
            assert_eq!(Some(party), parties.get(holder), "the locks and waits of {holder} do not fit");
        }
        assert_eq!(self.parties.len(), parties.len(), "holders are missing from their index");
    }

    fn assert_deadlines(&self) {
        let holds = self.holds.iter().filter_map(|(token, it)| Some((it.expires_at_ms?, Due::Lock(*token))));
        let waits = self.waits.iter().filter_map(|(wait, it)| Some((it.expires_at_ms?, Due::Wait(*wait))));
        let outcomes = self.outcomes.iter().map(|(wait, it)| (it.expires_at_ms, Due::RefusedWait(*wait)));
        let sessions = self.sessions.iter().map(|(id, it)| (it.expires_at_ms, Due::Session(*id)));
        let expected: BTreeSet<_> = holds.chain(waits).chain(outcomes).chain(sessions).collect();
        for deadline in &expected {
            assert!(self.deadlines.contains(deadline), "{deadline:?} is missing from the deadlines");
        }
        let beyond = self.deadlines.iter().find(|deadline| !expected.contains(*deadline));
        assert!(beyond.is_none(), "nothing ends at the deadline {beyond:?}");
        if let Some((at, due)) = self.deadlines.get_min() {
            let now = self.clock_ms;
            assert!(*at >= now, "{due:?} should have ended at {at}, and the lease clock is at {now}");
        }
    }

    /// The wait-for graph has no circle: whoever waits for nobody is taken away, until nobody is left.
    fn assert_no_deadlock(&self) {
        let edges = self.edges();
        let mut waits_for: BTreeMap<&Holder, usize> = BTreeMap::new();
        let mut waited_for: BTreeMap<&Holder, Vec<&Holder>> = BTreeMap::new();
        for edge in &edges {
            *waits_for.entry(&edge.waiter).or_default() += 1;
            waited_for.entry(&edge.blocker).or_default().push(&edge.waiter);
        }
        let mut free: Vec<&Holder> =
            waited_for.keys().copied().filter(|holder| !waits_for.contains_key(holder)).collect();
        while let Some(blocker) = free.pop() {
            for waiter in waited_for.remove(blocker).unwrap_or_default() {
                let left = waits_for.get_mut(waiter).expect("it has an edge to each of its blockers");
                *left -= 1;
                if *left == 0 {
                    waits_for.remove(waiter);
                    free.push(waiter);
                }
            }
        }
        let stuck: Vec<String> = waits_for.keys().map(ToString::to_string).collect();
        assert!(stuck.is_empty(), "these wait for each other, or behind who does: {}", stuck.join(" "));
    }

    fn assert_bounds(&self) {
        let claims = self.holds.len() + self.waits.len();
        assert!(claims <= CLAIMS_MAX, "{claims} locks and waits are above the bound");
        assert!(self.sessions.len() <= SESSIONS_MAX, "{} sessions are above the bound", self.sessions.len());
        assert!(self.outcomes.len() <= OUTCOMES_MAX, "{} outcomes are above the bound", self.outcomes.len());
        for (client, open) in &self.session_counts {
            assert!(*open <= SESSIONS_PER_CLIENT_MAX, "{open} sessions of {client} are above the bound");
        }
        for (name, at) in &self.resources {
            let all = at.holders.len() + at.upgrades.len() + at.queue.len();
            assert!(
                all <= CLAIMS_PER_RESOURCE_MAX,
                "{all} holders and waiters of {name} are above the bound"
            );
        }
        let mut of_clients: BTreeMap<&SmolStr, usize> = BTreeMap::new();
        for (holder, party) in &self.parties {
            let waits = party.waits.len();
            assert!(waits <= WAITS_PER_HOLDER_MAX, "{waits} waits of {holder} are above the bound");
            *of_clients.entry(&holder.client).or_default() += party.locks + waits;
        }
        for (client, all) in of_clients {
            assert!(all <= CLAIMS_PER_CLIENT_MAX, "{all} locks and waits of {client} are above the bound");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::table::Step;
    use crate::{LockCommand, SessionCommand, SessionId, Wait, WaitId};

    /// Ayu holds the printer, Budi (in a session) and Citra wait for it, Budi for the scanner too, which Citra holds.
    fn table() -> Table {
        let mut table = Table::default();
        let open = SessionCommand::Open { client: "Budi".into(), ttl_ms: 9_000 };
        table.apply_session(&open, &mut Step { index: 1, ..Step::default() });
        let budi = Some(SessionId(1));
        let asks = [("Ayu", None, "printer"), ("Budi", budi, "printer"), ("Citra", None, "scanner")];
        let more = [("Citra", None, "printer"), ("Budi", budi, "scanner")];
        for ((client, session, resource), index) in asks.into_iter().chain(more).zip(2..) {
            let command = LockCommand::Acquire {
                resource: resource.into(),
                holder: Holder { client: client.into(), session },
                mode: Mode::Exclusive,
                ttl_ms: 1_000,
                wait: Wait::LongPoll { deadline_ms: 5_000 },
            };
            table.apply_lock(&command, &mut Step { index, ..Step::default() });
        }
        table.assert_consistent();
        assert_eq!((table.holds.len(), table.waits.len()), (2, 2), "the last one is a deadlock's victim");
        table
    }

    #[test]
    #[should_panic(expected = "Ayu holds printer under fencing token 1, and the last one given is 0")]
    fn a_token_that_was_never_given() {
        let mut table = table();
        table.last_token = 0;
        table.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "wait #3 of Budi/1 for printer is under a session that is not open")]
    fn a_waiter_without_its_session() {
        let mut table = table();
        table.remove_session(SessionId(1));
        table.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "the index of resource printer does not fit")]
    fn a_waiter_that_its_queue_does_not_know() {
        let mut table = table();
        let at = table.resources.get_mut("printer").expect("it is held");
        Arc::make_mut(at).queue.retain(|wait| *wait != WaitId(3));
        table.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "printer is free for its first waiter, who waits: Some(WaitId(3))")]
    fn a_free_lock_with_waiters() {
        let mut table = table();
        table.remove_hold(1);
        table.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "wait #5 of Citra for printer: what it holds of it does not fit")]
    fn a_holder_that_waits_for_its_own_lock() {
        let mut table = table();
        let hold = table.remove_hold(1).expect("Ayu has it");
        table.insert_hold(1, crate::table::Hold { holder: table.waits[&WaitId(5)].holder.clone(), ..hold });
        table.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "these wait for each other, or behind who does: Ayu Budi/1 Citra")]
    fn a_deadlock_that_nobody_found() {
        let mut table = table();
        let (citra, ayu) = (table.waits[&WaitId(5)].clone(), table.holds[&1].holder.clone());
        let scanner = crate::table::Waiter { resource: "scanner".into(), holder: ayu, ..citra };
        table.insert_wait(WaitId(7), scanner);
        table.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "(1000, Lock(1)) is missing from the deadlines")]
    fn a_lease_that_does_not_end() {
        let mut table = table();
        table.deadlines.remove(&(1_000, Due::Lock(1)));
        table.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "Lock(1) should have ended at 1000, and the lease clock is at 1001")]
    fn a_lease_that_ended_already() {
        let mut table = table();
        table.clock_ms = 1_001;
        table.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "the locks and waits of Ayu do not fit")]
    fn a_lock_that_is_counted_twice() {
        let mut table = table();
        let ayu = Holder { client: "Ayu".into(), session: None };
        table.parties.get_mut(&ayu).expect("it holds something").locks += 1;
        table.assert_consistent();
    }
}
