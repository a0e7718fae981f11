//! What the engine needs from the world. The native node implements it with tokio, redb and sockets; the
//! simulator with virtual time, redb over a backend that drops or tears what was not synced, and a
//! simulated network.
//!
//! Invariant: the engine learns time, randomness and outcomes of input/output only from here.

use std::any::Any;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use openraft::AsyncRuntime;
use orrery_base::hlc::Hlc;
use orrery_base::ids::{GroupId, LogIndex, NodeName};
use orrery_event::Fact;
use orrery_event::stream::HeartbeatLeg;
use orrery_machine::Member;

/// What is counted for metrics, with or without facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// A durable write of log entries took so long.
    Synced {
        /// Microseconds.
        took_us: u64,
    },
    /// This node stands for election in a group.
    Candidate,
}

/// One node's world. Cheap to clone.
pub trait Host: Clone + Send + Sync + 'static {
    /// Tasks and timers. Its `Instant` is monotonic.
    type Runtime: AsyncRuntime;
    type Disk: Disk;
    /// The links to its peers.
    type Transport: Transport;

    fn disk(&self) -> &Self::Disk;
    /// The links to its peers.
    fn transport(&self) -> &Self::Transport;
    /// Monotonic microseconds that also count while the machine is suspended. Compared only with values of
    /// the same node's same boot.
    fn monotonic_us(&self) -> u64;
    /// Microseconds since the Unix epoch. Shown and fed to the hybrid logical clock, never compared.
    fn wall_us(&self) -> u64;
    fn random(&self) -> u64;
    /// Records a fact: stamps it and hands it to the streams. Never blocks.
    fn emit(&self, fact: Fact);
    /// Whether anybody keeps facts at all; where not, their making can be spared.
    fn records(&self) -> bool {
        true
    }
    /// Counts something, whether or not facts are kept.
    fn measure(&self, _what: Measured) {}
    /// A leg of a heartbeat, which is no fact of its own: it is counted (see [`Fact::Heartbeats`]). For readers that ask
    /// for each.
    fn heartbeat(&self, _peer: &NodeName, _leg: HeartbeatLeg) {}
    /// Stamp of a message that is about to be sent.
    fn stamp(&self) -> Hlc;
    /// A message with this stamp arrived.
    fn witness(&self, remote: Hlc);
    /// Frees something large where it holds nobody up: a state of a million messages takes a while.
    fn discard(&self, large: Box<dyn Any + Send>) {
        drop(large);
    }
    /// A write or sync failed, or state is not what it must be: stop the node with this message. Nothing
    /// that was asked for after it is answered.
    fn fail_stop(&self, why: &str);
    /// Another member says that this node is none any more: it takes part in nothing from here on, and loses nothing
    /// by ending. Like [`Host::fail_stop`], but what was asked for has come about.
    fn dismissed(&self, why: &str) {
        self.fail_stop(why);
    }
    /// This node takes part in nothing and serves nobody from here on, because its disk is not what it was, or contradicts
    /// a leader's. It goes on saying so.
    fn halted(&self, _why: &str) {}
}

/// What to do with a data directory whose contents cannot be trusted. Nothing is deleted by itself.
pub const WAY_BACK: &str = "Do not go on with this folder: move it away and start the node with an empty one. It joins \
    again as a new incarnation and gets everything from the others. Where too few others are left, see `orrery restore` \
    and `orrery recover`";

/// The process or the system has no file descriptor left at this moment. The disk is well: it may be tried again.
#[derive(Debug, thiserror::Error)]
#[error("no file can be opened now: {0}")]
pub struct NoFileNow(pub io::Error);

impl NoFileNow {
    /// Whether that is why something failed.
    pub fn caused(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<NoFileNow>())
    }
}

/// Called once, after the sync of what it was handed in with (or its failure).
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send + 'static>;

/// One thing to be written.
#[derive(Clone, Debug)]
pub enum Write {
    /// Entries, in order, replacing nothing.
    Entries {
        group: GroupId,
        /// Index and bytes of each.
        entries: Vec<(LogIndex, Bytes)>,
    },
    /// Remove entries after `after` (all when none).
    TruncateAfter {
        group: GroupId,
        /// Last index that stays.
        after: Option<LogIndex>,
    },
    /// Drop entries up to and including `through`: a snapshot covers them.
    Purge {
        group: GroupId,
        /// Last index that goes.
        through: LogIndex,
        /// The full log id of it, encoded.
        log_id: Bytes,
    },
    /// Replace the group's vote.
    Vote { group: GroupId, vote: Bytes },
    /// Replace the group's committed log id (a hint that speeds recovery up).
    Committed {
        group: GroupId,
        /// Encoded log id; none removes it.
        log_id: Option<Bytes>,
    },
    /// The group's current snapshot is now this file. Its bytes were synced before.
    SnapshotPointer {
        group: GroupId,
        /// File name within the snapshot folder.
        name: String,
        meta: Bytes,
    },
    /// Remove everything of the group but its vote: this node is no replica any more. Were it to become one again, it
    /// begins with nothing, and still keeps its word about who may lead.
    Forget {
        group: GroupId,
        /// Encoded id of the last entry that it ever had, kept with the vote; none when it never had one.
        given_up: Option<Bytes>,
    },
    /// A value of the node itself (identity, boot epoch, bound of the hybrid logical clock).
    Node {
        key: &'static str,
        /// Its bytes.
        value: Bytes,
    },
}

/// What a group finds after a restart.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    pub vote: Option<Bytes>,
    /// Encoded log id of the last entry that was there when the group was forgotten ([`Write::Forget`]).
    pub given_up: Option<Bytes>,
    /// Encoded committed log id.
    pub committed: Option<Bytes>,
    /// Encoded log id of the last purged entry.
    pub purged: Option<Bytes>,
    /// Index of the first and last entry present.
    pub entries: Option<(LogIndex, LogIndex)>,
    /// File name and encoded meta of the current snapshot.
    pub snapshot: Option<(String, Bytes)>,
}

/// A node's disk. All groups share it: writes that wait together become one durable transaction.
pub trait Disk: Clone + Send + Sync + 'static {
    /// A snapshot file that is being written.
    type SnapshotFile: SnapshotFile;
    /// Enqueues writes as one atomic unit; `done` is called after the sync. The order of calls is the order of
    /// writes. The queue is bounded by what openraft has in flight.
    fn submit(&self, writes: Vec<Write>, done: Done);
    /// What a group finds. Called while nothing of that group is being written.
    fn recover(&self, group: GroupId) -> io::Result<Recovered>;
    /// Durable entries of `range` that are present.
    fn entries(&self, group: GroupId, range: Range<LogIndex>) -> io::Result<Vec<(LogIndex, Bytes)>>;
    /// A value of the node itself.
    fn node_value(&self, key: &'static str) -> io::Result<Option<Bytes>>;
    /// Begins a snapshot file, under a temporary name of its own.
    fn create_snapshot(
        &self,
        group: GroupId,
        name: &str,
    ) -> impl Future<Output = io::Result<Self::SnapshotFile>> + Send;
    /// Reads a snapshot file back, in chunks.
    fn read_snapshot(
        &self,
        group: GroupId,
        name: &str,
    ) -> impl Future<Output = io::Result<Vec<Bytes>>> + Send;
    /// Removes every snapshot file of the group but `keep` and those that are being written (leftovers of
    /// interrupted writes too).
    fn prune_snapshots(&self, group: GroupId, keep: Option<&str>);
}

/// A snapshot file that is being written. Dropped before its end, it goes.
pub trait SnapshotFile: Send + 'static {
    /// Appends a chunk. Returns when it was taken: no more than one waits in memory.
    fn write(&mut self, chunk: Bytes) -> impl Future<Output = io::Result<()>> + Send;
    /// Sync, rename to its name, sync of the folder.
    fn finish(self) -> impl Future<Output = io::Result<()>> + Send;
}

/// What may overtake what on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Votes and heartbeats: before everything.
    Election,
    /// Entries, forwarded requests, reads.
    Normal,
    /// Snapshot chunks: after everything.
    Bulk,
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It surely was not sent: retrying is safe.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It was sent and nobody knows what became of it.
    #[error("no answer within the time-out")]
    NoAnswer,
}

/// The links to a node's peers. The engine encodes; a transport moves bytes. The peer's engine answers through
/// its `serve`.
pub trait Transport: Clone + Send + Sync + 'static {
    /// One request and its answer.
    fn call(
        &self,
        to: &Member,
        urgency: Urgency,
        request: Bytes,
        within: Duration,
    ) -> impl Future<Output = Result<Bytes, CallError>> + Send;
    /// Whether the link to that peer is open.
    fn connected(&self, to: &Member) -> bool;
    /// The members are these now: open and close links.
    fn members(&self, members: &[Member]);
}
