//! The facts that nodes and the supervisor report.

use orrery_base::fault::{Fault, named};
use orrery_base::ids::{BootEpoch, GroupId, LeaseMs, LogIndex, NodeName, Term};
use orrery_cache::message::{AskKind, RecallKind};
use orrery_cache::node::Stats;
use orrery_cache::view::ValuesView;
use orrery_cache::{Address, HomeFact, LineFact};
use orrery_lock::view::{LockTable, LocksShown};
use orrery_machine::ServiceFact;
use orrery_placement::ShardTable;
use orrery_queue::QueueView;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::sums::Sums;

/// A Raft role (Raft paper, figure 4), and what is not one of its three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Replicated to, without a vote.
    Learner,
    /// Hears from a leader.
    #[default]
    Follower,
    Candidate,
    Leader,
}

/// One message, at its sender and at its receiver.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId {
    pub from: NodeName,
    pub boot: BootEpoch,
    pub number: u64,
}

/// What a peer message carries, as far as people want to see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// RequestVote, or the question before it (`pre`; Raft thesis, section 9.6).
    Vote {
        /// Whether it is only the question before an election.
        pre: bool,
        term: Term,
        /// Its last entry's index.
        last: Option<LogIndex>,
    },
    /// The answer to it.
    VoteReply {
        /// Whether it answers the question before an election.
        pre: bool,
        term: Term,
        /// Whether the vote was given.
        granted: bool,
    },
    Append {
        term: Term,
        /// Index before the first entry.
        previous: Option<LogIndex>,
        entries: u32,
        /// The leader's commit index.
        commit: Option<LogIndex>,
    },
    /// The answer to it.
    AppendReply {
        term: Term,
        /// Whether the entries fit its log.
        success: bool,
        /// The last index that is known to match.
        matching: Option<LogIndex>,
    },
    Snapshot {
        term: Term,
        /// Last index that it contains.
        last: Option<LogIndex>,
        bytes: u64,
    },
    /// The answer to it.
    SnapshotReply { term: Term },
    /// The leader asks this node to stand for election at once.
    TransferLeader { term: Term },
    /// A client's request on its way to the leader.
    Forward {
        /// What it asks, short: `acquire printer`.
        what: SmolStr,
        client: SmolStr,
    },
    /// The answer to it.
    ForwardReply {
        /// How it ended, short.
        outcome: SmolStr,
    },
    /// A follower asks the leader up to where it must have applied before it may answer a read.
    ReadIndex,
    /// The answer to it.
    ReadIndexReply {
        /// That index; none when there is no leader here.
        index: Option<LogIndex>,
    },
    /// A node asks the home of a cache line for something (GetS, GetM, a write, a write-back, an eviction).
    CacheAsk { ask: AskKind, address: Address },
    /// The answer to it.
    CacheAnswer {
        ask: AskKind,
        address: Address,
        /// It got what it asked for.
        done: bool,
    },
    /// A home takes a copy away, fetches it, or says that what it fetched is committed.
    CacheRecall { recall: RecallKind, address: Address },
    /// The answer to it.
    CacheRecalled {
        recall: RecallKind,
        address: Address,
        /// With a value that is not committed yet.
        dirty: bool,
    },
}

/// What a log entry is about, short enough to be drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntrySummary {
    /// Its index.
    pub index: LogIndex,
    pub term: Term,
    /// `blank`, `membership`, `clock`, `acquire printer Ayu`, ...
    pub what: SmolStr,
}

/// Why a message did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostWhy {
    /// The link was cut by a fault that somebody injected.
    Cut,
    /// There is no connection to that peer.
    Unreachable,
    /// The outgoing queue was full.
    Overflow,
    /// No answer came in time: it or its answer is lost, nobody knows which.
    TimedOut,
}

/// Cause of the end of a node that was asked out of the cluster: nothing failed.
pub const LEFT_CLUSTER: &str = "left the cluster";

/// What version 6 of the stream said of [`FaultyLink`], short of a cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImpairedLink {
    pub peer: NodeName,
    /// Messages arrive so much later, milliseconds.
    pub delay_ms: u32,
    /// So many of a hundred messages get lost.
    pub loss_percent: u8,
}

/// What somebody did on purpose to the link from a node to a peer. It travels as names and amounts: a kind of fault that a reader does
/// not know is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultyLink {
    pub peer: NodeName,
    #[serde(with = "named")]
    pub fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The node's process began this boot.
    Started { version: SmolStr },
    /// Role, term, vote or known leader changed.
    RoleChanged {
        group: GroupId,
        role: Role,
        term: Term,
        /// For whom it voted in that term.
        voted_for: Option<NodeName>,
        /// Whom it takes for the leader.
        leader: Option<NodeName>,
        /// How long it had not heard from a leader, where that is why it stands for election.
        silent_us: Option<u64>,
    },
    /// The voters and learners changed.
    MembershipChanged {
        group: GroupId,
        /// At which index.
        index: Option<LogIndex>,
        voters: Vec<NodeName>,
        learners: Vec<NodeName>,
    },
    /// The election timer was (re)started: it drains until `due_us` from now, unless a leader is heard.
    TimerStarted { group: GroupId, due_us: u64 },
    /// A peer message left (or tried to).
    Sent { message: MessageId, group: GroupId, to: NodeName, body: Message },
    /// A peer message arrived. `message.from` says from whom.
    Received { message: MessageId, group: GroupId, body: Message },
    /// A peer message will not arrive, as far as its sender can tell.
    Lost {
        message: MessageId,
        group: GroupId,
        /// To whom it was.
        to: NodeName,
        why: LostWhy,
    },
    /// Heartbeats of the last second on the link to one peer, of all groups.
    Heartbeats {
        peer: NodeName,
        /// Sent by this node.
        sent: u32,
        answered: u32,
        /// Received by this node.
        received: u32,
        /// Mean round trip of those answered.
        round_trip_us: u64,
    },
    /// Entries are in the log (readable; durable when `synced` says so).
    Appended {
        group: GroupId,
        /// Which; at most 64, the last ones, where there were more.
        entries: Vec<EntrySummary>,
        /// Index of the first, even where it is not listed.
        first: LogIndex,
        /// Index of the last.
        last: LogIndex,
    },
    /// Everything up to here is on the disk.
    Synced {
        group: GroupId,
        /// Up to which index.
        last: LogIndex,
        /// How long the durable transaction took.
        took_us: u64,
    },
    /// Entries after this index were removed (Raft paper, section 5.3).
    Truncated {
        group: GroupId,
        /// Last index that stays.
        after: Option<LogIndex>,
    },
    /// Entries up to this index were dropped because a snapshot covers them.
    Purged {
        group: GroupId,
        /// Last index that is gone.
        through: LogIndex,
    },
    /// The commit index moved.
    Committed { group: GroupId, index: LogIndex },
    /// The state machine applied up to here.
    Applied { group: GroupId, index: LogIndex },
    /// A snapshot was built or installed.
    Snapshotted {
        group: GroupId,
        /// Last index that it contains.
        last: Option<LogIndex>,
        bytes: u64,
        /// It came from the leader.
        installed: bool,
    },
    /// What `apply` made of entry `index`; numbered (group, index, n) on every replica, sent by the leader.
    Service {
        group: GroupId,
        index: LogIndex,
        /// Number within the entry.
        n: u32,
        /// The group's lease clock then.
        clock_ms: LeaseMs,
        fact: ServiceFact,
    },
    /// A new leader begins to send service facts: everything up to `index` is in the state that its stream's
    /// snapshot (or this fact's receiver, by asking) has.
    ServiceResumed {
        group: GroupId,
        /// Applied index then.
        index: LogIndex,
        /// The lock table then.
        locks: Box<LockTable>,
    },
    /// A client's request began at this node.
    RequestBegun {
        /// Its number at this node's boot.
        request: u64,
        client: SmolStr,
        /// What, short: `acquire`.
        operation: SmolStr,
        /// On what, short: `printer X`.
        subject: SmolStr,
    },
    RequestEnded {
        request: u64,
        /// How, short: `acquired`, `timeout`, `unknown`.
        outcome: SmolStr,
        status: u16,
        /// How long it took.
        took_us: u64,
    },
    /// The link to a peer is open.
    LinkUp { peer: NodeName },
    /// The link to a peer broke.
    LinkDown { peer: NodeName },
    /// Somebody cut (or healed) the link from this node to a peer. See [`Fact::LinkFaultSet`], too.
    LinkFault { peer: NodeName, cut: bool },
    /// The supervisor started a node's process.
    NodeStarted { node: NodeName, pid: u32 },
    /// A node's process ended.
    NodeExited {
        node: NodeName,
        /// `killed`, [`LEFT_CLUSTER`], `exited with code 1`, ...
        cause: SmolStr,
    },
    /// The supervisor stopped a node's process (SIGSTOP).
    NodePaused { node: NodeName },
    /// The supervisor let it go on (SIGCONT).
    NodeResumed { node: NodeName },
    /// More happened than is sent one by one: counts by kind, explicit instead of silent.
    Burst {
        group: GroupId,
        /// First and last sequence that it stands for.
        first: u64,
        /// Last.
        last: u64,
        /// How many of which kind.
        counts: Vec<(SmolStr, u32)>,
    },
    /// A new leader of a shard begins to send service facts, or a burst of them is over: everything up to `index` is in
    /// these queues. What [`Fact::ServiceResumed`] is for locks.
    QueuesResumed {
        group: GroupId,
        /// Applied index then.
        index: LogIndex,
        queues: Box<QueueView>,
    },
    /// The control group has a new shard map, or a new leader says which one it has. Known by its version.
    ShardsPlaced {
        group: GroupId,
        /// Applied index then.
        index: LogIndex,
        shards: Box<ShardTable>,
    },
    /// A line of this node changed, a client was answered from it, or a write in it was lost. What the node's cache does by
    /// itself: no entry of a log says it.
    CacheLine { group: GroupId, fact: LineFact },
    /// Something happened at this node as the home of a shard's lines.
    CacheHome { group: GroupId, fact: HomeFact },
    /// What this node counted of its cache; once a second while something changes.
    CacheUse { stats: Box<Stats> },
    /// A new leader of a shard begins to send service facts, or a burst of them is over: everything up to `index` is in
    /// these values.
    CachesResumed {
        group: GroupId,
        /// Applied index then.
        index: LogIndex,
        values: Box<ValuesView>,
    },
    /// The leader of a group is about to compare its state with its readers': what it has at this place in its stream.
    Comparing {
        group: GroupId,
        /// Applied index then.
        index: LogIndex,
    },
    /// What it had at its last [`Fact::Comparing`] of that index.
    Compared {
        group: GroupId,
        /// Applied index then.
        index: LogIndex,
        sums: Sums,
    },
    /// What [`Fact::ServiceResumed`] is, of a lock table of which only a part is shown.
    LocksResumed {
        group: GroupId,
        /// Applied index then.
        index: LogIndex,
        /// The part, and how much there is.
        locks: Box<LocksShown>,
    },
    /// What version 6 of the stream said instead of [`Fact::LinkFaultSet`].
    LinkImpaired {
        /// The other end, and what is wrong with the way to it.
        link: ImpairedLink,
    },
    /// Something else than a cut was done to the link from this node to a peer, or is over.
    LinkFaultSet {
        /// The other end, and all that is wrong with the way to it now.
        link: FaultyLink,
    },
}

impl Fact {
    /// That everything up to a lock table's applied index is in what is shown of it.
    pub fn locks_resumed(group: GroupId, shown: LocksShown) -> Fact {
        let index = shown.table.applied.unwrap_or_default();
        match shown.beyond {
            None => Fact::ServiceResumed { group, index, locks: Box::new(shown.table) },
            Some(_) => Fact::LocksResumed { group, index, locks: Box::new(shown) },
        }
    }
}
