//! Cancel: end a wait, and learn what became of it. Withdraw: one request does not wait any more.

use orrery_base::key::IdempotencyKey;
use smol_str::SmolStr;

use super::fact::ReleaseCause;
use super::table::{Step, Table};
use super::{Holder, LockReply, WaitId};

impl Table {
    /// Ends the holder's wait for `resource` (only that one, where `wait` names it). Where the grant came first the
    /// answer is that grant, and the lock stays the caller's. Asks that polled the same wait end together.
    pub(super) fn cancel(
        &mut self,
        resource: &SmolStr,
        holder: &Holder,
        wait: Option<WaitId>,
        step: &mut Step,
    ) -> LockReply {
        if !self.session_is_open(holder) {
            return LockReply::SessionExpired;
        }
        let claim = self.claim(holder, resource);
        let meant = |candidate: &WaitId| wait.is_none_or(|wait| wait == *candidate);
        if let Some(pending) = claim.wait.filter(meant) {
            self.end_wait(pending, ReleaseCause::Client, step);
            self.hand_over(step);
            return LockReply::Cancelled;
        }
        if let Some(outcome) = claim.outcome.filter(meant).and_then(|refused| self.remove_outcome(refused)) {
            return LockReply::Deadlock { cycle: outcome.cycle, victim: outcome.holder };
        }
        let granted = claim.hold.and_then(|token| self.holds.get(&token).map(|hold| (token, hold)));
        match granted {
            Some((token, hold)) if hold.wait.filter(meant).is_some() => {
                let (mode, expires_in_ms) = (hold.mode, self.hold_left(hold));
                self.read_hold(token);
                LockReply::Acquired { fencing_token: token, expires_in_ms, mode, reentrant: false }
            }
            _ => LockReply::NotWaiting,
        }
    }

    /// The request under `key`, which asked for `wait`, does not wait any more. The wait ends with it, except where a
    /// newer ask waits for it too. The answer is the outcome of the request from now on.
    pub(super) fn withdraw(
        &mut self,
        resource: &SmolStr,
        holder: &Holder,
        wait: WaitId,
        key: &IdempotencyKey,
        step: &mut Step,
    ) -> LockReply {
        let superseded = self.waits.get(&wait).is_some_and(|waiter| waiter.key.as_ref() != Some(key));
        let reply =
            if superseded { LockReply::Cancelled } else { self.cancel(resource, holder, Some(wait), step) };
        if !matches!(reply, LockReply::NotWaiting | LockReply::SessionExpired) {
            step.settled.push((key.clone(), reply.clone()));
        }
        reply
    }
}
