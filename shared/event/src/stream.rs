//! How events travel: `/ws/events` of a node and of the supervisor.
//!
//! Server to reader: one [`Frame::Hello`], then [`Frame::Snapshot`] or a resume from the reader's cursor,
//! then [`Frame::Batch`] (at most 16 ms or 512 events each) and a [`Frame::Beat`] every 100 ms.
//! The query string chooses: `?boot=B&after=SEQ` resumes, `?from=boot` starts at the boot's first event
//! that is still kept (beside a cursor: where that is of an earlier boot), `?codec=postcard` changes the codec of the
//! whole stream (JSON text by default).
//!
//! A reader may want less, or more (see [`super::choice`]): `?groups=0,3` names groups, `?detail=states` or
//! `?detail=services` leaves facts out. Sequences of such a stream have holes, which are no gaps: everything that was
//! chosen up to a beat's head was sent. `?heartbeats=each` adds a [`Frame::Heartbeat`] for every single heartbeat.

use orrery_base::hlc::Hlc;
use orrery_base::ids::{BootEpoch, ClusterId, GroupId, LogIndex, NodeName, Sequence, Term};
use orrery_cache::view::CachesView;
use orrery_lock::view::{LockTable, LocksBeyond};
use orrery_placement::ShardTable;
use orrery_queue::QueueView;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::Event;
use super::fact::{EntrySummary, FaultyLink, ImpairedLink, Role};

/// Version of these frames; golden bytes of each stay in the tests. Facts of older versions are still understood;
/// snapshots of older versions only as JSON. Version 3 brought the shard map and the queues, version 4 the cache, version 6
/// deliveries that never arrived, comparisons, the index of the membership, lock tables in part, and links that are slow or lose messages, version 7
/// locks that are handed over, and every fault of a link by name.
pub const STREAM_VERSION: u16 = 7;

/// Most events in one batch.
pub const BATCH_EVENTS_MAX: usize = 512;

/// One frame to a reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// First.
    Hello(Hello),
    /// The state at `seq`: events after it follow.
    Snapshot(Box<NodeSnapshot>),
    /// Events, in order.
    Batch(Batch),
    /// The stream is alive; everything up to `head` was sent.
    Beat {
        /// Stamp of the node's clock: nothing older will come from this node.
        hlc: Hlc,
        /// Last sequence.
        head: Sequence,
    },
    /// The reader was too slow, or asked for what is not kept any more: these will not come. A snapshot follows.
    Gap {
        /// First sequence that is missing.
        first: Sequence,
        /// Last.
        last: Sequence,
    },
    /// One heartbeat, for readers that asked for each. Not an event: it is not kept, and has no sequence.
    Heartbeat(Heartbeat),
}

/// One leg of one heartbeat, as the node saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Counts in this boot, while somebody asked for each: a hole is what this reader was too slow for.
    pub number: u64,
    /// The node's clock.
    pub hlc: Hlc,
    /// Its wall clock, microseconds since the Unix epoch.
    pub wall_us: u64,
    pub peer: NodeName,
    pub leg: HeartbeatLeg,
}

/// Which part of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeartbeatLeg {
    Sent,
    Answered {
        round_trip_us: u64,
    },
    /// It came from the leader.
    Received,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`STREAM_VERSION`].
    pub version: u16,
    /// The cluster, once it is formed.
    pub cluster: Option<ClusterId>,
    /// The node; `supervisor` for the supervisor.
    pub node: NodeName,
    pub boot: BootEpoch,
    /// Last sequence at this moment.
    pub head: Sequence,
    /// First sequence that is still kept.
    pub tail: Sequence,
    /// `realistic`, `classroom` or `wan`.
    pub profile: SmolStr,
    /// Everybody in the cluster, in the order in which they are drawn.
    pub members: Vec<MemberAddress>,
}

/// Where a member is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAddress {
    pub node: NodeName,
    /// `host:port`; the page replaces the host by the one that it was loaded from.
    pub address: String,
}

/// Events of one node's boot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    pub node: NodeName,
    pub boot: BootEpoch,
    /// In order, without holes.
    pub events: Vec<Event>,
}

/// What a node knows, at one sequence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeSnapshot {
    pub node: NodeName,
    pub boot: BootEpoch,
    /// Events after this one are not in it.
    pub seq: Sequence,
    /// Its clock then.
    pub hlc: Hlc,
    /// Its wall clock then, microseconds since the Unix epoch.
    pub wall_us: u64,
    pub groups: Vec<GroupSnapshot>,
    /// The control group's lock table as this node applied it, or a part of it: see `locks_beyond`.
    pub locks: LockTable,
    /// Processes, from the supervisor only.
    pub processes: Vec<ProcessState>,
    /// Links that this node was told to cut, in streams before version 7. See [`NodeSnapshot::link_faults`].
    pub cut_links: Vec<NodeName>,
    /// The shard map as this node applied it.
    #[serde(default)]
    pub shards: ShardTable,
    /// The queues of the shards that this node holds, as it applied them.
    #[serde(default)]
    pub queues: Vec<GroupQueues>,
    /// Its cache, and what it knows of others' as a home.
    #[serde(default)]
    pub caches: CachesView,
    /// The shard map that the last change of it began with. None where this node saw no change since it started.
    #[serde(default)]
    pub shards_before: Option<ShardTable>,
    /// What of the lock table is shown; none where it is all there.
    #[serde(default)]
    pub locks_beyond: Option<LocksBeyond>,
    /// Links that this node was told to slow down, or to lose messages on, in streams of version 6.
    #[serde(default)]
    pub impaired_links: Vec<ImpairedLink>,
    /// What is wrong on purpose with the node's links.
    #[serde(default)]
    pub faulty_links: Vec<FaultyLink>,
}

/// The queues of one shard, bounded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupQueues {
    pub group: GroupId,
    pub queues: QueueView,
}

/// A node's part in one group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupSnapshot {
    pub group: GroupId,
    pub role: Role,
    pub term: Term,
    /// For whom it voted in that term.
    pub voted_for: Option<NodeName>,
    /// Whom it takes for the leader.
    pub leader: Option<NodeName>,
    pub voters: Vec<NodeName>,
    pub learners: Vec<NodeName>,
    /// Last entry.
    pub last_log: Option<LogIndex>,
    /// Last entry on the disk.
    pub synced: Option<LogIndex>,
    /// Commit index.
    pub commit: Option<LogIndex>,
    /// Applied index.
    pub applied: Option<LogIndex>,
    /// Last index that a snapshot replaced.
    pub purged: Option<LogIndex>,
    /// The last entries, at most 64.
    pub tail: Vec<EntrySummary>,
    /// Index of the membership that voters and learners are of. None in streams before version 6.
    #[serde(default)]
    pub membership: Option<LogIndex>,
}

/// A node's process, as the supervisor knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessStatus {
    Running,
    /// It is stopped (SIGSTOP).
    Paused,
    /// It is not there.
    Down,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessState {
    pub node: NodeName,
    pub address: String,
    pub status: ProcessStatus,
    /// Its process id while it is there.
    pub pid: Option<u32>,
    /// Since when it is so, microseconds since the Unix epoch.
    pub since_us: u64,
}
