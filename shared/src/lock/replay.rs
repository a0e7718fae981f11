//! What a retry under the same idempotency key is told: the first outcome, with nothing in it that is not true any more.

use super::table::{Step, Table};
use super::{FencingToken, Holder, LockCommand, LockReply, SessionCommand, SessionReply, Wait, WaitId};
use crate::ids::ResourceName;

impl Table {
    /// The remembered answer of a lock command, asked for again. Remaining times are counted anew (0 where the lease is
    /// over). `Waiting` becomes the present state of that wait, and asking renews the wait as a poll does.
    pub(crate) fn replay_lock(&mut self, command: &LockCommand, reply: LockReply, step: &Step) -> LockReply {
        match (command, reply) {
            (LockCommand::Acquire { resource, holder, wait, .. }, LockReply::Waiting { wait: id, .. }) => {
                self.replay_wait(resource, holder, *wait, id, step)
            }
            (_, LockReply::Acquired { fencing_token, mode, reentrant, .. }) => {
                if let Some(hold) = self.holds.get_mut(&fencing_token) {
                    hold.unread = false;
                }
                let expires_in_ms = self.token_left(fencing_token);
                LockReply::Acquired { fencing_token, expires_in_ms, mode, reentrant }
            }
            (_, LockReply::Renewed { fencing_token, .. }) => {
                LockReply::Renewed { expires_in_ms: self.token_left(fencing_token), fencing_token }
            }
            (LockCommand::Acquire { resource, holder, .. }, reply @ LockReply::Deadlock { .. }) => {
                // Read now: a poll need not be told once more.
                if let Some(refused) = self.claim(holder, resource).outcome {
                    self.remove_outcome(refused);
                }
                reply
            }
            (_, reply) => reply,
        }
    }

    /// The remembered answer of a session command, asked for again.
    pub(crate) fn replay_session(&self, command: &SessionCommand, reply: SessionReply) -> SessionReply {
        let left = |id| self.sessions.get(&id).map_or(0, |session| self.left(session.expires_at_ms));
        match (command, reply) {
            (_, SessionReply::Opened { session, .. }) => {
                SessionReply::Opened { session, expires_in_ms: left(session) }
            }
            (SessionCommand::Renew { session }, SessionReply::Renewed { .. }) => {
                SessionReply::Renewed { expires_in_ms: left(*session) }
            }
            (_, reply) => reply,
        }
    }

    fn replay_wait(
        &mut self,
        resource: &ResourceName,
        holder: &Holder,
        wait: Wait,
        id: WaitId,
        step: &Step,
    ) -> LockReply {
        if self.waits.contains_key(&id) {
            if let Some(deadline_ms) = wait.deadline_ms() {
                self.renew_wait(id, deadline_ms, wait.is_queue(), step);
            }
            return LockReply::Waiting { wait: id, position: self.position(resource, id) };
        }
        // A later poll under another key took the answer over: say what is still known.
        let claim = self.claim(holder, resource);
        if let Some((token, hold)) =
            claim.hold.and_then(|token| self.holds.get_mut(&token).map(|hold| (token, hold)))
            && hold.wait == Some(id)
        {
            hold.unread = false;
            let mode = hold.mode;
            let expires_in_ms = self.token_left(token);
            return LockReply::Acquired { fencing_token: token, expires_in_ms, mode, reentrant: false };
        }
        match claim.outcome.filter(|refused| *refused == id).and_then(|refused| self.remove_outcome(refused))
        {
            Some(outcome) => LockReply::Deadlock { cycle: outcome.cycle, victim: outcome.holder },
            None => LockReply::NotWaiting,
        }
    }

    fn token_left(&self, token: FencingToken) -> u64 {
        self.holds.get(&token).map_or(0, |hold| self.hold_left(hold))
    }
}
