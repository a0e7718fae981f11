//! Polls of a queued wait. While it waits, a poll costs no log entry: the leader looks, after a read-index round, and
//! answers its present place.
//!
//! The lease of a wait is twice as long as what a poll is promised (see `lock_service::acquire`). A poll that finds more
//! than half of it left, by the leader's own clock, only looks; the others go through the log and renew it. So a client
//! that polls within the promised time keeps its place, whoever leads: the clock of the next leader is never ahead of
//! this one's. A wait under a session is kept by the session, and every poll of it only looks.

use std::time::Duration;

use openraft::AsyncRuntime;
use orrery_lock::{LockCommand, LockReply, Wait};
use orrery_machine::{Command, Operation, Reply};

use super::group::Group;
use super::host::Host;
use super::peer::{Outcome, ReadOutcome};

impl<H: Host> Group<H> {
    /// The answer to a command that seems to be a poll with nothing to renew; none where it is not, or nobody confirms
    /// in time that this node leads.
    pub(super) async fn look_at_wait(&self, command: &Command, within: Duration) -> Option<Outcome> {
        let ReadOutcome::Index { index, .. } = self.read_index(within).await else { return None };
        H::Runtime::timeout(within, self.state.wait_applied(index)).await.ok()?.ok()?;
        // It may have ended meanwhile: then the log says how.
        let reply = Reply::Lock(self.kept_wait(command)?);
        Some(Outcome::Applied { index, reply })
    }

    /// What a poll is answered, where this node leads and the wait needs no renewal; none for every other command.
    pub(super) fn kept_wait(&self, command: &Command) -> Option<LockReply> {
        let Operation::Lock(LockCommand::Acquire { wait: Wait::Queue { deadline_ms }, .. }) =
            &command.operation
        else {
            return None;
        };
        let now_ms = self.state.clock()?.now_ms;
        let seen = self.state.read(|machine| machine.poll_seen(command, now_ms))?;
        let kept = seen.left_ms.is_none_or(|left_ms| left_ms > deadline_ms / 2);
        kept.then_some(LockReply::Waiting { wait: seen.wait, position: seen.position })
    }
}
