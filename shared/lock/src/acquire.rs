//! Acquire: take a lock, wait for it, poll a wait, upgrade.
//!
//! A holder has at most one wait per resource. Asking again for what it waits for is a poll: it answers the present
//! place and renews the wait's lease; the newest ask decides how the wait goes on, and one that was sent before it (a
//! smaller number of the same client) changes nothing. Asking exclusive while waiting shared makes that wait exclusive
//! in its place. Asking for what it holds already (or less) answers the same token and extends the lease to at least
//! `ttl_ms` from now; it never shortens one.
//!
//! `reentrant` says whether the holder had been told of its lock when the request was first applied. So every request
//! whose wait was granted is answered `false` (two polls that were open at once, both, with one token), and the first
//! poll after a grant that nobody was told of; every later one is answered `true`. Only then does its fact say so. A
//! retry under a request's key says what the request was told.

use smol_str::SmolStr;

use super::fact::LockFact;
use super::grant::Grant;
use super::table::{Claim, Step, Table, Waiter};
use super::{FencingToken, Holder, LockReply, Mode, Wait, WaitId};

/// An acquire, as its client asked it.
pub(super) struct Ask<'a> {
    pub resource: &'a SmolStr,
    pub holder: &'a Holder,
    pub mode: Mode,
    pub ttl_ms: u64,
    pub wait: Wait,
}

impl Wait {
    /// Length of the wait's lease; none where the client does not want to wait.
    pub(super) fn deadline_ms(self) -> Option<u64> {
        match self {
            Wait::No => None,
            Wait::LongPoll { deadline_ms } | Wait::Queue { deadline_ms } => Some(deadline_ms),
        }
    }

    pub(super) fn is_queue(self) -> bool {
        matches!(self, Wait::Queue { .. })
    }
}

impl Mode {
    /// Whether who has `self` needs nothing more to have `other`.
    pub(super) fn covers(self, other: Mode) -> bool {
        self == Mode::Exclusive || other == Mode::Shared
    }
}

impl Table {
    pub(super) fn acquire(&mut self, ask: &Ask<'_>, step: &mut Step) -> LockReply {
        if !self.session_is_open(ask.holder) {
            return LockReply::SessionExpired;
        }
        let claim = self.claim(ask.holder, ask.resource);
        if let Some(reply) = self.read_outcome(ask, claim) {
            return reply;
        }
        let held = claim.hold.and_then(|token| self.holds.get(&token).map(|hold| (token, hold.mode)));
        match (held, claim.wait) {
            (Some((token, mode)), _) if mode.covers(ask.mode) => self.acquire_again(token, ask, step),
            (_, Some(wait)) => self.poll(wait, ask, step),
            (Some(_), None) => self.upgrade(ask, step),
            (None, None) => self.acquire_anew(ask, step),
        }
    }

    /// The refusal that this client has not read yet, read now. One that nobody polls for is dropped: this is a new try.
    fn read_outcome(&mut self, ask: &Ask<'_>, claim: Claim) -> Option<LockReply> {
        let wait = claim.outcome?;
        let (queued, mode) = self.outcomes.get(&wait).map(|outcome| (outcome.queued, outcome.mode))?;
        if queued && mode != ask.mode {
            return None;
        }
        let outcome = self.remove_outcome(wait)?;
        queued.then_some(LockReply::Deadlock { cycle: outcome.cycle, victim: outcome.holder })
    }

    /// It holds it already.
    fn acquire_again(&mut self, token: FencingToken, ask: &Ask<'_>, step: &mut Step) -> LockReply {
        let now = self.clock_ms;
        let extended = self.after(ask.ttl_ms);
        // The first poll after a queued wait was granted is how its client learns of the grant.
        if self.read_hold(token) {
            return self.acquired_unread(token, ask, step);
        }
        let Some(hold) = self.holds.get_mut(&token) else { return LockReply::NotWaiting };
        let mode = hold.mode;
        hold.since_ms = now;
        let expires_at_ms = hold.expires_at_ms.map(|at| at.max(extended));
        if expires_at_ms.is_some_and(|at| at == extended) {
            hold.ttl_ms = ask.ttl_ms;
        }
        if let Some(at) = expires_at_ms {
            self.set_hold_lease(token, at);
        }
        step.facts.push(LockFact::Granted {
            resource: ask.resource.clone(),
            holder: ask.holder.clone(),
            mode,
            fencing_token: token,
            expires_at_ms,
            wait: None,
            reentrant: true,
        });
        let expires_in_ms = self.holds.get(&token).map_or(0, |hold| self.hold_left(hold));
        LockReply::Acquired { fencing_token: token, expires_in_ms, mode, reentrant: true }
    }

    /// It was granted to a wait, and nobody was told until now. The lease is as long as what is asked for here.
    fn acquired_unread(&mut self, token: FencingToken, ask: &Ask<'_>, step: &mut Step) -> LockReply {
        let asked_ms = self.after(ask.ttl_ms);
        let Some(hold) = self.holds.get_mut(&token) else { return LockReply::NotWaiting };
        let mode = hold.mode;
        // It never gets shorter.
        if hold.expires_at_ms.is_some_and(|promised_ms| promised_ms < asked_ms) {
            hold.ttl_ms = ask.ttl_ms;
            self.set_hold_lease(token, asked_ms);
            step.facts.push(LockFact::Renewed {
                resource: ask.resource.clone(),
                holder: ask.holder.clone(),
                expires_at_ms: asked_ms,
            });
        }
        let expires_in_ms = self.holds.get(&token).map_or(0, |hold| self.hold_left(hold));
        LockReply::Acquired { fencing_token: token, expires_in_ms, mode, reentrant: false }
    }

    fn poll(&mut self, wait: WaitId, ask: &Ask<'_>, step: &mut Step) -> LockReply {
        let Some(waiter) = self.waits.get(&wait) else { return LockReply::NotWaiting };
        let covered = waiter.mode.covers(ask.mode);
        // It arrived after a newer one: there is nothing to do for it, and nothing that it may change.
        let late = waiter.supersedes(step.key.as_ref());
        match (ask.wait.deadline_ms().filter(|_| !late), covered) {
            (None, true) => self.waiting(wait, ask),
            (None, false) => self.busy(ask),
            (Some(deadline_ms), _) => {
                self.renew_wait(wait, deadline_ms, ask.wait.is_queue(), step);
                if covered { self.waiting(wait, ask) } else { self.strengthen(wait, ask, step) }
            }
        }
    }

    /// Lengthens a wait's lease to at least `deadline_ms` from now. Its answer is remembered under the newest key.
    pub fn renew_wait(&mut self, wait: WaitId, deadline_ms: u64, queued: bool, step: &Step) {
        let Some(waiter) = self.waits.get(&wait) else { return };
        let renewed = self.wait_lease(&waiter.holder, queued, deadline_ms);
        let expires_at_ms = renewed.map(|at| at.max(waiter.expires_at_ms.unwrap_or(0)));
        self.set_wait_lease(wait, expires_at_ms);
        let Some(waiter) = self.waits.get_mut(&wait) else { return };
        waiter.queued = queued;
        waiter.deadline_ms = deadline_ms;
        if step.key.is_some() {
            waiter.key.clone_from(&step.key);
        }
    }

    /// A wait for shared becomes one for exclusive, in its place.
    fn strengthen(&mut self, wait: WaitId, ask: &Ask<'_>, step: &mut Step) -> LockReply {
        self.strengthen_wait(wait, ask.ttl_ms);
        self.queued_fact(wait, ask, false, step);
        self.settle_wait(wait, ask, step)
    }

    /// It holds it shared and wants it exclusive: at once where it is alone, else ahead of the queue.
    fn upgrade(&mut self, ask: &Ask<'_>, step: &mut Step) -> LockReply {
        let alone = self.resources.get(ask.resource).is_some_and(|resource| resource.holders.len() == 1);
        if !alone {
            return self.enqueue(ask, true, step);
        }
        self.grant(ask.grant(), step)
    }

    /// It has nothing to do with the resource yet.
    fn acquire_anew(&mut self, ask: &Ask<'_>, step: &mut Step) -> LockReply {
        // A shared one queues behind whoever waits: readers never starve a writer.
        let free = self.resources.get(ask.resource).is_none_or(|resource| {
            !resource.has_waiters() && ask.mode == Mode::Shared && !resource.exclusive
        });
        if !free {
            return self.enqueue(ask, false, step);
        }
        match self.bound_reached(ask.holder, ask.resource, false) {
            Some(what) => LockReply::LimitReached { what },
            None => self.grant(ask.grant(), step),
        }
    }

    fn enqueue(&mut self, ask: &Ask<'_>, upgrade: bool, step: &mut Step) -> LockReply {
        let Some(deadline_ms) = ask.wait.deadline_ms() else { return self.busy(ask) };
        if let Some(what) = self.bound_reached(ask.holder, ask.resource, true) {
            return LockReply::LimitReached { what };
        }
        let wait = WaitId(step.index);
        let queued = ask.wait.is_queue();
        let waiter = Waiter {
            resource: ask.resource.clone(),
            holder: ask.holder.clone(),
            mode: ask.mode,
            ttl_ms: ask.ttl_ms,
            upgrade,
            queued,
            deadline_ms,
            expires_at_ms: self.wait_lease(ask.holder, queued, deadline_ms),
            key: step.key.clone(),
        };
        self.insert_wait(wait, waiter);
        self.queued_fact(wait, ask, upgrade, step);
        self.settle_wait(wait, ask, step)
    }

    /// Looks for deadlocks that a new (or stronger) wait closed, and answers what became of it.
    fn settle_wait(&mut self, wait: WaitId, ask: &Ask<'_>, step: &mut Step) -> LockReply {
        if let Some(refused) = self.break_cycles(ask.holder, wait, step) {
            return refused;
        }
        match self.hold_of(ask.holder, ask.resource).filter(|(_, hold)| hold.wait == Some(wait)) {
            None => self.waiting(wait, ask),
            // Refusing somebody else made room for it.
            Some((token, hold)) => {
                let (mode, expires_in_ms) = (hold.mode, self.hold_left(hold));
                self.read_hold(token);
                LockReply::Acquired { fencing_token: token, expires_in_ms, mode, reentrant: false }
            }
        }
    }

    /// When a wait ends by itself: a queued one under a session when the session ends; a long poll's always has an end
    /// of its own, because the node that serves it may die.
    fn wait_lease(&self, holder: &Holder, queued: bool, deadline_ms: u64) -> Option<u64> {
        (!queued || holder.session.is_none()).then(|| self.after(deadline_ms))
    }

    fn queued_fact(&self, wait: WaitId, ask: &Ask<'_>, upgrade: bool, step: &mut Step) {
        step.facts.push(LockFact::Queued {
            resource: ask.resource.clone(),
            holder: ask.holder.clone(),
            mode: ask.mode,
            wait,
            position: self.position(ask.resource, wait),
            upgrade,
        });
    }

    fn waiting(&self, wait: WaitId, ask: &Ask<'_>) -> LockReply {
        LockReply::Waiting { wait, position: self.position(ask.resource, wait) }
    }

    fn busy(&self, ask: &Ask<'_>) -> LockReply {
        LockReply::Busy { holders: self.holders_shown(ask.resource) }
    }
}

impl Ask<'_> {
    /// The grant of what was asked, without a wait.
    fn grant(&self) -> Grant {
        Grant {
            resource: self.resource.clone(),
            holder: self.holder.clone(),
            mode: self.mode,
            ttl_ms: self.ttl_ms,
            wait: None,
            unread: false,
        }
    }
}
