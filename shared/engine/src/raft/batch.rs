//! Commands on their way into a group's log: one append for all that wait, and one at a time.
//!
//! A command that comes while an append is under way waits for its end, together with whatever else comes, and goes with
//! the next. So the number of appends, and with it of syncs and of messages, is set by how long one takes and not by
//! how many clients there are; and a lone client waits for nobody. Where several were answered together, the next append waits
//! up to [`DELAY_MAX`] for them to ask again, and no longer does so for a while when they did not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use openraft::AsyncRuntime;
use openraft::async_runtime::{Oneshot, OneshotSender};
use openraft::errors::{ClientWriteError, Fatal};
use openraft::raft::WriteResult;
use orrery_cache::CacheCommand;
use orrery_machine::{Command, Mutation};
use orrery_queue::QueueCommand;

use crate::host::Host;
use crate::peer::message::ProposeOutcome;
use crate::raft::group::Group;
use crate::raft::line::{Bounds, Line};
use crate::sync::Signal;
use crate::sync::lock;
use crate::types::Types;

/// Commands in one append at most.
const BATCH_MAX: usize = 512;
/// Bytes of their messages in one append at most: a disk or a follower answers for all of it at once.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Commands that wait at most. What comes then is refused: it surely was not appended.
const WAITING_MAX: usize = 16_384;
/// Bytes of their messages that wait at most; what comes then is refused too.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Batching delay: after an append of so many commands or more, the next append waits for those who were answered to ask again.
const DELAY_FROM: usize = 4;
/// It waits at most this long: the finest that the runtime's timer does.
const DELAY_MAX: Duration = Duration::from_millis(1);
/// If they did not ask, so many appends skip the delay.
const NO_DELAY_FOR: u32 = 64;

type Sender<H> = <<<H as Host>::Runtime as AsyncRuntime>::Oneshot as Oneshot>::Sender<ProposeOutcome>;

/// The commands of one group that are not appended yet.
pub struct Batches<H: Host> {
    waiting: Mutex<Line<Waiting<H>>>,
    filled: Signal,
    /// From so many on, whoever waits for commands is woken.
    enough: AtomicUsize,
}

struct Waiting<H: Host> {
    command: Command,
    answer: Sender<H>,
}

impl<H: Host> Default for Batches<H> {
    fn default() -> Self {
        let bounds = Bounds {
            batch: BATCH_MAX,
            batch_bytes: BATCH_BYTES_MAX,
            waiting: WAITING_MAX,
            waiting_bytes: WAITING_BYTES_MAX,
        };
        Batches {
            waiting: Mutex::new(Line::new(bounds)),
            filled: Signal::default(),
            enough: AtomicUsize::new(1),
        }
    }
}

/// Takes a command back that nobody waits for any more, if it was not appended yet.
struct Place<'a, H: Host> {
    batches: &'a Batches<H>,
    number: u64,
}

impl<H: Host> Place<'_, H> {
    /// Whether it was still there.
    fn leave(&self) -> bool {
        lock(&self.batches.waiting).leave(self.number)
    }
}

impl<H: Host> Drop for Place<'_, H> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<H: Host> Batches<H> {
    /// Waits until the command is applied, or something else is known about it.
    pub async fn add(&self, command: Command, within: Duration) -> ProposeOutcome {
        let (answer, answered) = <<H::Runtime as AsyncRuntime>::Oneshot as Oneshot>::channel();
        let (place, count) = {
            let mut waiting = lock(&self.waiting);
            let bytes = message_bytes(&command);
            let Some(number) = waiting.join(Waiting { command, answer }, bytes) else {
                return ProposeOutcome::NotLeader { leader: None };
            };
            (Place { batches: self, number }, waiting.len())
        };
        if count >= self.enough.load(Ordering::Relaxed) {
            self.filled.notify();
        }
        match H::Runtime::timeout(within, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => ProposeOutcome::Unknown { why: "this node is stopping".into() },
            // No majority answers, but this one was not even tried.
            Err(_) if place.leave() => ProposeOutcome::NotLeader { leader: None },
            Err(_) => ProposeOutcome::Unknown { why: "no majority confirmed it in time".into() },
        }
    }

    /// Wakes the task of [`keep`], so that it sees that its group stopped.
    pub fn wake(&self) {
        self.filled.notify();
    }

    pub fn len(&self) -> usize {
        lock(&self.waiting).len()
    }

    /// Waits until so many wait.
    async fn reach(&self, count: usize) {
        self.enough.store(count, Ordering::Relaxed);
        while self.len() < count {
            self.filled.wait().await;
        }
    }

    fn take(&self) -> Vec<Waiting<H>> {
        lock(&self.waiting).take()
    }
}

/// What makes a command large; everything else of one is a few names.
fn message_bytes(command: &Command) -> usize {
    match &command.mutation {
        Mutation::Queue(QueueCommand::Publish { message, .. }) => message.len(),
        Mutation::Cache(CacheCommand::Write { value: Some(value), .. }) => value.len(),
        _ => 0,
    }
}

/// How many commands the next append should wait for.
#[derive(Debug, Default)]
struct BatchingDelay {
    expected: usize,
    /// Appends that wait for nobody, because waiting was in vain.
    skips: u32,
}

impl BatchingDelay {
    /// An append of `count` ended, and `waiting` came in the meantime. Clients that were answered together ask again
    /// together: most of them are worth waiting for.
    fn ended(&mut self, count: usize, waiting: usize) {
        self.skips = self.skips.saturating_sub(1);
        let worth = count >= DELAY_FROM && self.skips == 0;
        self.expected = if worth { (waiting + count - count / 8).min(BATCH_MAX) } else { 0 };
    }

    /// They did not come.
    fn in_vain(&mut self) {
        self.skips = NO_DELAY_FOR;
    }
}

/// Appends what waits, until the group stops.
pub async fn keep<H: Host>(group: Arc<Group<H>>) {
    let batches = &group.batches;
    let mut delay = BatchingDelay::default();
    while !group.stopped() {
        if delay.expected > batches.len() {
            let come = H::Runtime::timeout(DELAY_MAX, batches.reach(delay.expected)).await;
            batches.enough.store(1, Ordering::Relaxed);
            if come.is_err() {
                delay.in_vain();
            }
        }
        let batch = batches.take();
        if batch.is_empty() {
            delay.expected = 0;
            batches.filled.wait().await;
            continue;
        }
        let count = batch.len();
        append(&group, batch).await;
        delay.ended(count, batches.len());
    }
}

/// All of them are appended, in order, or none.
async fn append<H: Host>(group: &Group<H>, batch: Vec<Waiting<H>>) {
    let (commands, answers): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|waiting| (waiting.command, waiting.answer)).unzip();
    // In the same append: a command never counts from a clock whose move was refused.
    let advance = group
        .clock_before(&commands)
        .map(|to_ms| Command { key: None, mutation: Mutation::AdvanceClock { to_ms } });
    let skip = usize::from(advance.is_some());
    let mut answers = answers.into_iter();
    match group.raft.client_write_many(advance.into_iter().chain(commands)).await {
        Ok(results) => {
            let mut results = results.skip(skip);
            while let Some(result) = results.next().await {
                let Some(answer) = answers.next() else { return };
                // Nobody may wait for it any more.
                let _ = answer.send(outcome::<H>(result));
            }
        }
        Err(error) => tracing::debug!(group = %group.id, %error, "not appended"),
    }
    // openraft ended. Whether the log has them is not known.
    for answer in answers {
        let _ = answer.send(ProposeOutcome::Unknown { why: "this node is stopping".into() });
    }
}

type Applied<H> = Result<WriteResult<Types<<H as Host>::Runtime>>, Fatal<Types<<H as Host>::Runtime>>>;

fn outcome<H: Host>(result: Applied<H>) -> ProposeOutcome {
    match result {
        Ok(Ok(written)) => ProposeOutcome::Applied { index: written.log_id.index, reply: written.response },
        Ok(Err(ClientWriteError::ForwardToLeader(forward))) => {
            ProposeOutcome::NotLeader { leader: forward.leader_node }
        }
        Ok(Err(ClientWriteError::LogEntryDiscarded(_))) => {
            ProposeOutcome::Unknown { why: "another leader took over".into() }
        }
        // Refused before anything was appended.
        Ok(Err(ClientWriteError::ChangeMembershipError(_) | ClientWriteError::PreconditionFailed(_))) => {
            ProposeOutcome::NotLeader { leader: None }
        }
        Err(_) => ProposeOutcome::Unknown { why: "this node is stopping".into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_of_those_who_were_answered_are_waited_for() {
        let mut delay = BatchingDelay::default();
        let table = [
            // an append of so many, so many wait at its end, so many are waited for
            (1, 0, 0),
            (3, 9, 0),
            (4, 0, 4),
            (8, 8, 15),
            (16, 0, 14),
            (BATCH_MAX, 600, BATCH_MAX),
        ];
        for (count, waiting, expected) in table {
            delay.ended(count, waiting);
            assert_eq!(delay.expected, expected, "{count} ended, {waiting} wait");
        }
    }

    #[test]
    fn who_waited_in_vain_goes_alone_for_a_while() {
        let mut delay = BatchingDelay::default();
        delay.in_vain();
        for _ in 1..NO_DELAY_FOR {
            delay.ended(16, 0);
            assert_eq!(delay.expected, 0);
        }
        delay.ended(16, 0);
        assert_eq!(delay.expected, 14, "another try");
    }
}
