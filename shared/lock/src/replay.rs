//! What a retry under the same idempotency key is told: the first outcome, with nothing in it that is not true any more.

use smol_str::SmolStr;

use super::table::{Step, Table};
use super::{FencingToken, Holder, LockCommand, LockReply, SessionCommand, SessionReply, Wait, WaitId};

impl Table {
    /// The remembered answer of a lock command, asked for again. Remaining times are counted anew (0 where the lease is
    /// over). `Waiting` becomes the present state of that wait, and asking renews the wait as a poll does, as long as no
    /// newer ask came for it.
    pub fn replay_lock(&mut self, command: &LockCommand, reply: LockReply, step: &Step) -> LockReply {
        match (command, reply) {
            (LockCommand::Acquire { resource, holder, wait, .. }, LockReply::Waiting { wait: id, .. }) => {
                self.replay_wait(resource, holder, *wait, id, step)
            }
            (_, LockReply::Acquired { fencing_token, mode, reentrant, .. }) => {
                self.read_hold(fencing_token);
                let expires_in_ms = self.token_left(fencing_token);
                LockReply::Acquired { fencing_token, expires_in_ms, mode, reentrant }
            }
            (LockCommand::Acquire { resource, holder, .. }, LockReply::Deadlock { cycle, victim }) => {
                // Read now: a poll need not be told once more. A later refusal is another one.
                let refused = self.claim(holder, resource).outcome;
                let same =
                    |refused: &WaitId| self.outcomes.get(refused).is_some_and(|kept| kept.cycle == cycle);
                if let Some(refused) = refused.filter(same) {
                    self.remove_outcome(refused);
                }
                LockReply::Deadlock { cycle, victim }
            }
            (_, mut reply) => {
                if let Some((token, left_ms)) = reply.lease_mut() {
                    *left_ms = self.token_left(token);
                }
                reply
            }
        }
    }

    /// The remembered answer of a session command, asked for again.
    pub fn replay_session(&self, command: &SessionCommand, reply: SessionReply) -> SessionReply {
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
        resource: &SmolStr,
        holder: &Holder,
        wait: Wait,
        id: WaitId,
        step: &Step,
    ) -> LockReply {
        if let Some(waiter) = self.waits.get(&id) {
            // Another key came after this one was first applied, whatever its number.
            let newest = waiter.key == step.key;
            if let Some(deadline_ms) = wait.deadline_ms().filter(|_| newest) {
                self.renew_wait(id, deadline_ms, wait.is_queue(), step);
            }
            return LockReply::Waiting { wait: id, position: self.position(resource, id) };
        }
        // A later poll under another key took the answer over: say what is still known. It is this key's from now on.
        let claim = self.claim(holder, resource);
        if let Some((token, hold)) =
            claim.hold.and_then(|token| self.holds.get(&token).map(|hold| (token, hold)))
            && hold.wait == Some(id)
        {
            let mode = hold.mode;
            self.read_hold(token);
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
