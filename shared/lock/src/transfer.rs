//! Transfer: the holder hands its lock to somebody else, ahead of the queue.
//!
//! The lock stays in its mode, under a new token: whoever still acts under the old one is fenced out. Its lease begins anew, with
//! the length that the new holder asked for where it waited, and that of the old lease otherwise; under a session of the new holder
//! that session counts. Who waits for the lock waits for the
//! new holder from now on, which can close a cycle as no other grant can: then its youngest wait is refused.

use smol_str::SmolStr;

use super::fact::{LockFact, ReleaseCause};
use super::table::{Hold, Step, Table};
use super::{FencingToken, Holder, LockReply};

impl Table {
    pub(super) fn transfer(
        &mut self,
        resource: &SmolStr,
        holder: &Holder,
        fencing_token: FencingToken,
        to: &Holder,
        step: &mut Step,
    ) -> LockReply {
        let old = match self.own_lock(resource, holder, Some(fencing_token)) {
            Err(reply) => return reply,
            Ok(token) => token,
        };
        if let Some(reply) = self.cannot_receive(resource, holder, old, to) {
            return reply;
        }
        let Some(Hold { mode, ttl_ms, .. }) = self.remove_hold(old) else {
            return LockReply::NotHolder { holders: self.holders_shown(resource) };
        };
        // An upgrade that waits on top of the lock ends with it, as where the lock is given back.
        if let Some(upgrade) = self.claim(holder, resource).wait {
            self.end_wait(upgrade, ReleaseCause::Transferred, step);
        }
        let claim = self.claim(to, resource);
        let waiter = claim.wait.and_then(|wait| self.remove_wait(wait));
        if let Some(outcome) = claim.outcome {
            self.remove_outcome(outcome);
        }
        let ttl_ms = waiter.as_ref().map_or(ttl_ms, |waiter| waiter.ttl_ms);
        self.last_token += 1;
        let (fencing_token, since_ms) = (self.last_token, self.clock_ms);
        let expires_at_ms = to.session.is_none().then(|| self.after(ttl_ms));
        let wait = claim.wait.filter(|_| waiter.is_some());
        step.facts.push(LockFact::Transferred {
            resource: resource.clone(),
            holder: holder.clone(),
            to: to.clone(),
            mode,
            fencing_token,
            expires_at_ms,
            wait,
        });
        let (resource, holder) = (resource.clone(), to.clone());
        // Nobody has told the new holder, unless a request of it waits here for its answer.
        let unread = waiter.as_ref().is_none_or(|waiter| waiter.queued);
        let hold = Hold { resource, holder, mode, since_ms, ttl_ms, expires_at_ms, wait, unread };
        let expires_in_ms = self.hold_left(&hold);
        self.insert_hold(fencing_token, hold);
        if let Some(waiter) = waiter {
            let reply = LockReply::Acquired { fencing_token, expires_in_ms, mode, reentrant: false };
            step.settle(&waiter, reply);
        }
        self.break_cycles_at(to, step);
        self.hand_over(step);
        LockReply::Transferred { fencing_token, expires_in_ms }
    }

    /// Why `to` cannot have the lock that `holder` has under `token`.
    fn cannot_receive(
        &self,
        resource: &SmolStr,
        holder: &Holder,
        token: FencingToken,
        to: &Holder,
    ) -> Option<LockReply> {
        if !self.session_is_open(to) {
            return Some(LockReply::SessionExpired);
        }
        let refused = |why: String| Some(LockReply::NotTransferable { why });
        let claim = self.claim(to, resource);
        if claim.hold.is_some() {
            return refused(format!("{to} holds {resource} already"));
        }
        let mode = self.holds.get(&token)?.mode;
        let waiter = claim.wait.and_then(|wait| self.waits.get(&wait));
        if waiter.is_some_and(|waiter| !mode.covers(waiter.mode)) {
            return refused(format!("{to} waits for {resource} exclusively, and this lock is shared"));
        }
        if waiter.is_none() && to.client != holder.client {
            return self.client_bound_reached(&to.client).map(|what| LockReply::LimitReached { what });
        }
        None
    }
}
