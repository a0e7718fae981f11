//! Group commit: which submissions go into one transaction.
//!
//! Pure: the storage thread of a node and the simulated disk feed it and ask it.

use std::time::Duration;

use crate::host::{Done, Write};

/// Bytes of entries that one transaction takes at most (one submission always fits).
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Submissions that one transaction takes at most.
const BATCH_SUBMISSIONS_MAX: usize = 1024;
/// How long a batch of nothing but committed log ids may wait for something that needs a sync anyway.
///
/// The committed log id is a hint that shortens recovery. A sync of its own, right after the one of the
/// entries, would stand in the way of the next entries: at one client it would double the latency.
pub const HINT_DELAY_MAX: Duration = Duration::from_millis(250);

/// One call of [`crate::host::Disk::submit`].
pub struct Submission {
    /// What to write, atomically.
    pub writes: Vec<Write>,
    pub done: Done,
}

/// The queue in front of a host's storage. Keeps the order of submissions.
#[derive(Default)]
pub struct Batcher {
    queued: Vec<Submission>,
    bytes: usize,
    urgent: bool,
}

impl Batcher {
    /// Takes a submission in.
    pub fn push(&mut self, submission: Submission) {
        self.urgent |= submission.writes.iter().any(|write| !matches!(write, Write::Committed { .. }));
        self.bytes += submission.writes.iter().map(bytes_of).sum::<usize>();
        self.queued.push(submission);
    }

    pub fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    /// Something is queued that somebody waits for. Otherwise what is queued may wait [`HINT_DELAY_MAX`].
    pub fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// The next transaction should be written before more is taken in.
    pub fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES_MAX || self.queued.len() >= BATCH_SUBMISSIONS_MAX
    }

    /// Everything that is queued: the writes of one transaction, and whom to tell, both in order.
    pub fn take(&mut self) -> (Vec<Write>, Vec<Done>) {
        self.bytes = 0;
        self.urgent = false;
        let mut writes = Vec::with_capacity(self.queued.len());
        let mut dones = Vec::with_capacity(self.queued.len());
        for submission in self.queued.drain(..) {
            writes.extend(submission.writes);
            dones.push(submission.done);
        }
        (writes, dones)
    }
}

fn bytes_of(write: &Write) -> usize {
    match write {
        Write::Entries { entries, .. } => entries.iter().map(|(_, bytes)| bytes.len()).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use orrery_base::ids::GroupId;

    use super::*;

    fn submission(write: Write) -> Submission {
        Submission { writes: vec![write], done: Box::new(|_| ()) }
    }

    #[test]
    fn a_committed_log_id_alone_is_not_urgent() {
        let mut batcher = Batcher::default();
        batcher.push(submission(Write::Committed { group: GroupId(0), log_id: None }));
        assert!(!batcher.is_empty() && !batcher.is_urgent());
        batcher.push(submission(Write::Vote { group: GroupId(0), vote: Bytes::new() }));
        assert!(batcher.is_urgent());
        let (writes, dones) = batcher.take();
        assert_eq!((writes.len(), dones.len()), (2, 2));
        assert!(matches!(writes[0], Write::Committed { .. }), "the order of calls is the order of writes");
        assert!(batcher.is_empty() && !batcher.is_urgent());
    }

    #[test]
    fn a_batch_is_bounded() {
        let mut batcher = Batcher::default();
        let entry = Bytes::from(vec![0; BATCH_BYTES_MAX / 2]);
        for index in 0..2 {
            assert!(!batcher.is_full());
            batcher.push(submission(Write::Entries {
                group: GroupId(0),
                entries: vec![(index, entry.clone())],
            }));
        }
        assert!(batcher.is_full());
    }
}
