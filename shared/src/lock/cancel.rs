//! Cancel: end a wait, and learn what became of it.

use super::table::{Step, Table};
use super::{Holder, LockReply, WaitId};
use crate::event::fact::ReleaseCause;
use crate::ids::ResourceName;

impl Table {
    /// Ends the holder's wait for `resource` (only that one, where `wait` names it). Where the grant came first the
    /// answer is "acquired", and the lock stays the caller's. Asks that polled the same wait end together.
    pub(super) fn cancel(
        &mut self,
        resource: &ResourceName,
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
        let granted = claim.hold.and_then(|token| self.holds.get_mut(&token).map(|hold| (token, hold)));
        match granted {
            Some((token, hold)) if hold.wait.filter(meant).is_some() => {
                hold.unread = false;
                let mode = hold.mode;
                let expires_in_ms = self.holds.get(&token).map_or(0, |hold| self.hold_left(hold));
                LockReply::Acquired { fencing_token: token, expires_in_ms, mode, reentrant: false }
            }
            _ => LockReply::NotWaiting,
        }
    }
}
