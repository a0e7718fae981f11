//! Giving a lock, taking it back, and what follows for those who wait.

use smol_str::SmolStr;

use super::fact::{LockFact, ReleaseCause};
use super::table::{Hold, Step, Table};
use super::{FencingToken, Holder, LockReply, Mode, WaitId};

/// What is granted to whom.
pub(super) struct Grant {
    pub resource: SmolStr,
    pub holder: Holder,
    pub mode: Mode,
    pub ttl_ms: u64,
    /// The wait that this ends.
    pub wait: Option<WaitId>,
    /// Its client polls and has not been told yet.
    pub unread: bool,
}

impl Table {
    /// Gives a lock under a new token (also where an upgrade replaces the shared lock: who wrote last must have the
    /// largest token, and its lease ends no earlier: the answer may get lost, and a promise is never cut short). The caller
    /// has made sure that nobody conflicting holds it.
    pub(super) fn grant(&mut self, grant: Grant, step: &mut Step) -> LockReply {
        let Grant { resource, holder, mode, ttl_ms, wait, unread } = grant;
        let claim = self.claim(&holder, &resource);
        let promised_ms = claim.hold.and_then(|old| self.remove_hold(old)).and_then(|old| old.expires_at_ms);
        if let Some(outcome) = claim.outcome {
            self.remove_outcome(outcome);
        }
        self.last_token += 1;
        let fencing_token: FencingToken = self.last_token;
        let expires_at_ms = holder.session.is_none().then(|| self.after(ttl_ms)).max(promised_ms);
        let since_ms = self.clock_ms;
        step.facts.push(LockFact::Granted {
            resource: resource.clone(),
            holder: holder.clone(),
            mode,
            fencing_token,
            expires_at_ms,
            wait,
            reentrant: false,
        });
        let hold = Hold { resource, holder, mode, since_ms, ttl_ms, expires_at_ms, wait, unread };
        let expires_in_ms = self.hold_left(&hold);
        self.insert_hold(fencing_token, hold);
        LockReply::Acquired { fencing_token, expires_in_ms, mode, reentrant: false }
    }

    /// Hands everything that was freed to the waiters whose turn it is: an exclusive one alone, consecutive shared
    /// ones together.
    pub(super) fn hand_over(&mut self, step: &mut Step) {
        while let Some(resource) = step.freed.pop_first() {
            while let Some(wait) = self.grantable(&resource) {
                let Some(waiter) = self.remove_wait(wait) else { break };
                let reply = self.grant(
                    Grant {
                        resource: waiter.resource.clone(),
                        holder: waiter.holder.clone(),
                        mode: waiter.mode,
                        ttl_ms: waiter.ttl_ms,
                        wait: Some(wait),
                        unread: waiter.queued,
                    },
                    step,
                );
                step.settle(&waiter, reply);
            }
        }
    }

    /// The resource's first waiter, if nothing stands in its way.
    pub(super) fn grantable(&self, name: &SmolStr) -> Option<WaitId> {
        let resource = self.resources.get(name)?;
        let first = resource.waiters().next()?;
        let waiter = self.waits.get(&first)?;
        let free = match waiter.mode {
            Mode::Shared => !resource.exclusive,
            // The one holder that an upgrade may find is itself.
            Mode::Exclusive => resource.holders.len() == usize::from(waiter.upgrade),
        };
        free.then_some(first)
    }

    /// Takes a lock back. An upgrade that waited on top of it ends too: its promise, that nobody writes in between,
    /// could not be kept any more. Returns how many waits ended.
    pub(super) fn take_back(&mut self, token: FencingToken, cause: ReleaseCause, step: &mut Step) -> u32 {
        let Some(hold) = self.remove_hold(token) else { return 0 };
        let upgrade = self.claim(&hold.holder, &hold.resource).wait;
        step.free(&hold.resource);
        step.facts.push(LockFact::Released {
            resource: hold.resource,
            holder: hold.holder,
            fencing_token: token,
            cause,
        });
        upgrade.map_or(0, |wait| self.end_wait(wait, cause, step))
    }

    /// Ends a wait without a grant. Returns how many ended: 1, or 0 where there is no such wait.
    pub(super) fn end_wait(&mut self, wait: WaitId, cause: ReleaseCause, step: &mut Step) -> u32 {
        let Some(waiter) = self.remove_wait(wait) else { return 0 };
        step.free(&waiter.resource);
        step.settle(&waiter, LockReply::Cancelled);
        step.facts.push(LockFact::WaitEnded {
            resource: waiter.resource,
            holder: waiter.holder,
            wait,
            cause,
        });
        1
    }
}
