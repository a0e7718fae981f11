//! What is drawn at one moment of the view clock: the whole cluster, folded from snapshots and facts.
//!
//! A [`View`] is a value. Cloning one is cheap (shared structure), so a recording keeps many of them as
//! keyframes; [`crate::fold`] changes it, and nothing here reads a clock. All times are
//! microseconds of the hybrid logical clock.

use std::sync::Arc;

use orrery_api::node::Status;
use orrery_base::fault::Fault;
use orrery_base::hlc::Hlc;
use orrery_base::ids::{BootEpoch, GroupId, LogIndex, NodeName, Sequence, Term};
use orrery_base::sorted::SortedMap;
use orrery_event::fact::{EntrySummary, LostWhy, Message, MessageId, Role};
use orrery_event::merge::{GapView, StreamState};
use orrery_lock::view::LockTable;
use orrery_placement::RingView;
use smol_str::SmolStr;

mod cache;
mod locks;
mod presence;
mod queues;
mod shards;
mod sums;

pub use cache::{
    CacheView, Committed, Held, Home, LINES_MAX, LineCopy, Moved, NodeCache, RATES_MAX, RECALLS_MAX, Rate,
    Recalled, Recalls, ShardValues,
};
pub use locks::{DeadlockView, LockChange, LockMoment, LocksView};
pub use presence::{Leadership, Presence};
pub use queues::{
    Bins, DELIVERIES_MAX, DeadLetterView, Delivery, GroupBins, GroupQueue, InFlight, ShardBins, ShardQueues,
    TopicBins, TopicQueue,
};
pub use shards::ShardView;
pub use sums::{Comparisons, Difference, OpenComparison};

/// The name under which the supervisor sends its own events. It is a source, not a node.
pub const SUPERVISOR: &str = "supervisor";
/// Entries of a log that are kept for drawing.
pub const TAIL_MAX: usize = 64;
/// A message whose end nobody reported leaves the view after this long.
pub const FLIGHT_US_MAX: u64 = 3_000_000;
/// Most messages in flight and requests in progress that are kept; the oldest go first.
pub const IN_PROGRESS_MAX: usize = 1_024;
/// Most gaps, and most recent lock events, that are kept; the oldest go first.
pub const RECENT_MAX: usize = 32;

/// The whole cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Stamp of the newest fact in it.
    pub at: Hlc,
    /// `realistic`, `classroom` or `wan`; empty until a stream said hello.
    pub profile: SmolStr,
    /// Names in the order in which nodes stand on the circle.
    pub order: Arc<Vec<NodeName>>,
    pub nodes: SortedMap<NodeName, Arc<NodeView>>,
    /// The newest committed membership of the control group that anybody reported.
    pub membership: Arc<Membership>,
    /// Links by (from, to).
    pub links: SortedMap<(NodeName, NodeName), LinkView>,
    /// Messages that were sent, and neither arrived nor were lost yet.
    pub flights: SortedMap<MessageId, Arc<Flight>>,
    /// Client requests that began and did not end yet, by (serving node, number).
    pub requests: SortedMap<(NodeName, u64), Arc<RequestView>>,
    /// The control group's lock table.
    pub locks: Arc<LocksView>,
    /// The last deadlock.
    pub deadlock: Option<Arc<DeadlockView>>,
    /// The ring and the shard map.
    pub ring: Arc<RingView>,
    /// The queues of each shard that has reported some.
    pub queues: SortedMap<GroupId, Arc<ShardQueues>>,
    pub cache: CacheView,
    /// Events that will never come, newest last; at most [`RECENT_MAX`].
    pub gaps: Arc<Vec<GapView>>,
    /// Comparisons with what nodes say that they have.
    pub comparisons: Arc<Comparisons>,
    /// Whom the supervisor knows; none while no supervisor said.
    pub supervised: Option<Arc<Vec<NodeName>>>,
    /// Who left the cluster, newest last; at most [`RECENT_MAX`].
    pub left: Arc<Vec<NodeName>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Process {
    #[default]
    Unknown,
    Up,
    /// It is stopped (SIGSTOP).
    Paused,
    /// It is not there.
    Down,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeView {
    pub name: NodeName,
    /// `host:port`, where known.
    pub address: SmolStr,
    /// Its newest boot; 0 until known.
    pub boot: BootEpoch,
    /// Last sequence of that boot that is in the view.
    pub seq: Sequence,
    pub process: Process,
    pub process_since_us: u64,
    /// Why it ended: `killed`, `exited with code 1`; empty while it runs.
    pub exit_cause: SmolStr,
    pub stream: StreamState,
    pub stream_since_us: u64,
    /// Events of it are missing since its last snapshot: what it shows may be wrong.
    pub stale: bool,
    /// Its part in each group.
    pub groups: SortedMap<GroupId, Arc<GroupView>>,
    /// How far its own wall clock is from the others', microseconds, by many stamps; shown where it is large.
    pub clock_offset_us: i64,
}

/// A node's part in one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupView {
    pub group: GroupId,
    pub role: Role,
    pub role_since_us: u64,
    pub term: Term,
    /// For whom it voted in that term.
    pub voted_for: Option<NodeName>,
    /// Whom it takes for the leader.
    pub leader: Option<NodeName>,
    /// Who votes, as far as this node knows.
    pub voters: Vec<NodeName>,
    /// Who only learns, as far as this node knows.
    pub learners: Vec<NodeName>,
    /// Index of its last entry.
    pub last_log: Option<LogIndex>,
    /// Everything up to here is on its disk.
    pub synced: Option<LogIndex>,
    /// Its commit index.
    pub commit: Option<LogIndex>,
    /// Its applied index.
    pub applied: Option<LogIndex>,
    /// Last index that a snapshot replaced.
    pub purged: Option<LogIndex>,
    /// Its last entries, oldest first; at most [`TAIL_MAX`].
    pub tail: Arc<Vec<EntrySummary>>,
    /// Its running election timer.
    pub timer: Option<Timer>,
    /// The election in which it stands or stood last.
    pub election: Option<Election>,
    /// When it last heard from a leader.
    pub last_contact_us: Option<u64>,
}

/// How far an entry has come at one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    Appended,
    /// On this node's disk.
    Durable,
    /// Known to be committed.
    Committed,
    /// Applied to the state machine.
    Applied,
}

impl GroupView {
    /// How far the entry has come here; none where this node does not have it.
    pub fn mark(&self, index: LogIndex) -> Option<Mark> {
        let within = |bound: Option<LogIndex>| bound.is_some_and(|bound| index <= bound);
        if !within(self.last_log) {
            None
        } else if within(self.applied) {
            Some(Mark::Applied)
        } else if within(self.commit) {
            Some(Mark::Committed)
        } else if within(self.synced) {
            Some(Mark::Durable)
        } else {
            Some(Mark::Appended)
        }
    }

    /// The entry, while it is in the drawn tail.
    pub fn entry(&self, index: LogIndex) -> Option<&EntrySummary> {
        let first = self.tail.first()?.index;
        self.tail.get(usize::try_from(index.checked_sub(first)?).ok()?)
    }

    /// Votes that make a majority of its voters.
    pub fn quorum(&self) -> usize {
        self.voters.len() / 2 + 1
    }
}

/// An election timer: drains from `started_us` to `started_us + due_us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// When it was (re)started.
    pub started_us: u64,
    pub due_us: u64,
}

impl Timer {
    /// What is left of it, from 1 (just started) to 0 (run out).
    pub fn left(&self, now_us: u64) -> f64 {
        if self.due_us == 0 {
            return 0.0;
        }
        (1.0 - now_us.saturating_sub(self.started_us) as f64 / self.due_us as f64).clamp(0.0, 1.0)
    }
}

/// An election (or the question before it) in which a node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// The term that it stands for.
    pub term: Term,
    /// Whether it only asks whether it could win (pre-vote).
    pub pre: bool,
    pub since_us: u64,
    /// How long the candidate had not heard from a leader, where known.
    pub silent_us: Option<u64>,
    /// Who granted, in order of arrival; itself first.
    pub granted: Vec<NodeName>,
    /// Who refused, in order of arrival.
    pub refused: Vec<NodeName>,
    pub won: bool,
}

/// Who votes and who only learns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Log index of it.
    pub index: Option<LogIndex>,
    pub voters: Vec<NodeName>,
    pub learners: Vec<NodeName>,
}

/// One direction of a link, as its sender reports it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkView {
    /// Whether the connection is open; none until somebody said.
    pub up: Option<bool>,
    /// What somebody did to it on purpose.
    pub fault: Fault,
    /// The last second's heartbeats.
    pub beats: Beats,
}

/// Heartbeats of one second on one direction of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beats {
    /// When they were reported; 0 for never.
    pub at_us: u64,
    pub sent: u32,
    pub answered: u32,
    /// Mean round trip of those answered.
    pub round_trip_us: u64,
}

/// A message on its way, or one that was.
#[derive(Clone, Debug, PartialEq)]
pub struct Flight {
    pub id: MessageId,
    pub group: GroupId,
    pub from: NodeName,
    pub to: NodeName,
    pub body: Message,
    /// When it was sent.
    pub sent_us: u64,
    /// How it ended, where the reader already knows.
    pub end: Option<FlightEnd>,
    /// Its receive was stamped before its send and was moved, so that it is not drawn backwards.
    pub adjusted: bool,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlightEnd {
    Received {
        at_us: u64,
    },
    /// It will not arrive.
    Lost {
        /// When its sender knew.
        at_us: u64,
        why: LostWhy,
    },
}

impl FlightEnd {
    pub fn at_us(self) -> u64 {
        match self {
            FlightEnd::Received { at_us } | FlightEnd::Lost { at_us, .. } => at_us,
        }
    }
}

/// A client's request in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestView {
    /// The node that serves it.
    pub node: NodeName,
    pub request: u64,
    pub client: SmolStr,
    /// What, short: `acquire`.
    pub operation: SmolStr,
    /// On what, short: `printer X`.
    pub subject: SmolStr,
    pub begun_us: u64,
}

/// What of `GET /status` can be folded from events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedStatus {
    /// Its role in the control group.
    pub role: Role,
    pub term: Term,
    /// For whom it voted in that term.
    pub voted_for: Option<NodeName>,
    /// Whom it takes for the leader.
    pub leader: Option<NodeName>,
    /// Commit index.
    pub commit: Option<LogIndex>,
    /// Applied index.
    pub applied: Option<LogIndex>,
    /// Index of its last entry.
    pub last_log: Option<LogIndex>,
    /// Last index that a snapshot replaced.
    pub purged: Option<LogIndex>,
}

impl From<&Status> for FoldedStatus {
    fn from(status: &Status) -> Self {
        FoldedStatus {
            role: status.role,
            term: status.term,
            voted_for: status.voted_for.clone(),
            leader: status.leader_id.clone(),
            commit: status.commit_index,
            applied: status.last_applied,
            last_log: status.last_log_index,
            purged: status.purged,
        }
    }
}

impl View {
    /// A node by its name.
    pub fn node(&self, name: &str) -> Option<&NodeView> {
        self.nodes.get(name).map(Arc::as_ref)
    }

    /// A node's part in the control group.
    pub fn control(&self, name: &str) -> Option<&GroupView> {
        self.node(name)?.groups.get(&GroupId::CONTROL).map(Arc::as_ref)
    }

    /// Whether the node was a member once, or known to the supervisor, and is not any more.
    pub fn has_left(&self, name: &str) -> bool {
        self.left.iter().any(|left| left == name)
    }

    /// Nodes in the order in which they stand on the circle.
    pub fn in_order(&self) -> impl Iterator<Item = &NodeView> {
        self.order.iter().filter_map(|name| self.node(name))
    }

    /// The link from one node to another.
    pub fn link(&self, from: &NodeName, to: &NodeName) -> LinkView {
        self.links.get(&(from.clone(), to.clone())).cloned().unwrap_or_default()
    }

    /// The lock table: comparable with `GET /lock/status`, but for the lease clock, which moves between facts.
    pub fn lock_table(&self) -> &LockTable {
        &self.locks.table
    }

    /// What of the node's `GET /status` can be folded.
    pub fn status(&self, name: &str) -> Option<FoldedStatus> {
        let part = self.control(name)?;
        Some(FoldedStatus {
            role: part.role,
            term: part.term,
            voted_for: part.voted_for.clone(),
            leader: part.leader.clone(),
            commit: part.commit,
            applied: part.applied,
            last_log: part.last_log,
            purged: part.purged,
        })
    }
}
