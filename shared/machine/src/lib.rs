//! The state machine of every group: one command enum, `apply(index, command) -> reply + facts`.
//!
//! Words and the [`Machine`] here; the lock table in [`orrery_lock`], the cluster's own record, the shard map, the
//! remembered answers and the snapshot format beside it. The control group and the shards run the same machine with
//! different parts of it in use: log, replies, lease clock and snapshots work the same everywhere.

pub mod cluster;
mod consistency;
mod fact;
mod minted;
mod numbered;
mod packed;
mod refound;
pub mod replies;
pub mod shards;
pub mod snapshot;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use cluster::{ClusterRecord, SHARDS_SINCE};
pub use fact::ServiceFact;
pub use refound::{Census, Refounded, SKIPPED};
pub use shards::{Placement, SHARDS_MAX, ShardCommand, ShardMap, ShardRecord, ShardReplicas, ShardReply};
pub use snapshot::{Decoder, SnapshotError};

use orrery_base::ids::{ClusterId, GroupId, LeaseMs, LogIndex, NodeId, NodeName};
use orrery_base::key::{self, IdempotencyKey, KeyName, RequestKey};
use orrery_cache as cache;
use orrery_cache::{CacheCommand, CacheReply, Values};
use orrery_lock as lock;
use orrery_lock::view::LockCounts;
use orrery_lock::{LockCommand, LockReply, SessionCommand, SessionReply, Table, Wait};
use orrery_queue as queue;
use orrery_queue::{ConsumerGroup, QueueCommand, QueueReply, TopicName};
use packed::Known;
use replies::Replies;

/// Version of the commands below. A new variant raises it, and is proposed only once the cluster's record has that
/// version: then every member knows it. Version 2 brought the shards, version 3 the cache, version 4 the withdrawal of
/// one request from a wait, deliveries that are given back or extended without a length, members that move, and keys that say
/// how long they hold, version 5 the transfer of locks.
pub const COMMAND_VERSION: u16 = 5;

/// Since this version of the commands a lock is handed to somebody else.
pub const TRANSFER_SINCE: u16 = 5;

/// Since this version of the commands a request withdraws from its wait by itself.
pub const WITHDRAW_SINCE: u16 = 4;

/// Since this version of the commands deliveries are given back that never arrived.
pub const GIVE_BACK_SINCE: u16 = 4;

/// Since this version of the commands deliveries are extended without an earlier end than before.
pub const PROLONG_SINCE: u16 = 4;

/// Since this version of the commands shards keep cache lines.
pub const CACHE_SINCE: u16 = 3;

/// Since this version of the commands a member may change its address.
pub const MOVES_SINCE: u16 = 4;

/// One entry of a group's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Under which the reply is kept, so that a retry gets it again.
    #[serde(serialize_with = "key::serialize", deserialize_with = "key::deserialize")]
    pub key: Option<RequestKey>,
    pub mutation: Mutation,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.mutation)
    }
}

/// What a command does. The order of the variants is part of the format: add at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mutation {
    /// Move the group's lease clock forward; apply takes the maximum.
    AdvanceClock {
        /// Value of the lease clock.
        to_ms: LeaseMs,
    },
    Lock(LockCommand),
    Session(SessionCommand),
    Control(ControlCommand),
    /// A shard's own record.
    Shard(ShardCommand),
    Queue(QueueCommand),
    /// A shard's cached values. Since version 3.
    Cache(CacheCommand),
}

/// What changes the cluster's own record (identity, members, versions, shard map). The order of the variants is part
/// of the format: add at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlCommand {
    /// The first entry of a cluster: its identity and its constants.
    Form {
        /// The id that every data directory carries.
        cluster: ClusterId,
        shards: u16,
        /// Replicas of a shard.
        replicas: u16,
        /// The first members.
        members: Vec<Member>,
    },
    /// A name gets a new Raft identity: a node that joins, or one that lost its disk.
    Admit {
        name: NodeName,
        /// Its address, `host:port`.
        address: String,
    },
    /// A name is no member any more.
    Dismiss { name: NodeName },
    /// Every member supports this version of the commands.
    RaiseVersion {
        to: u16,
        /// Who said so. Refused where somebody else is a member by now.
        members: Vec<NodeId>,
    },
    /// These shards are on these nodes from now on.
    PlaceShards {
        /// The version of the map that it was made from; refused when there is a newer one.
        base: u64,
        /// All shards in the first map (`base` 0); those that change in a later one.
        placements: Vec<Placement>,
    },
    /// A member shall go: its shards move away first, then it is dismissed. Since version 2.
    Leave { name: NodeName },
    /// A member is reached elsewhere from now on. Since version 4.
    Move {
        id: NodeId,
        /// Its new address, `host:port`.
        address: String,
    },
}

/// A member of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    pub id: NodeId,
    pub name: NodeName,
    /// How often the name was given a new identity; starts at 1.
    pub incarnation: u32,
    /// `host:port`, for peers and clients.
    pub address: String,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}@{}", self.name, self.incarnation, self.address)
    }
}

/// The answer to a [`Command`]. The order of the variants is part of the format: add at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Nothing to say (clock, blank entries, membership).
    None,
    Lock(LockReply),
    Session(SessionReply),
    Control(ControlReply),
    /// The key's number is older than what is remembered; nothing changed.
    KeyForgotten,
    /// A shard's own record.
    Shard(ShardReply),
    /// That operation is not for this group; nothing changed.
    Misplaced,
    Queue(QueueReply),
    /// A shard's cached values.
    Cache(CacheReply),
    /// The key came with another operation before; nothing changed.
    KeyReused,
    /// No more keys can be remembered; nothing changed.
    TooManyKeys {
        /// Which bound, as a sentence.
        what: String,
    },
}

impl Reply {
    /// What is kept for a retry, without payloads; none where nothing came of the command: it may be tried again under
    /// its key, and then finds what has come meanwhile.
    fn remembered(&self) -> Option<Reply> {
        match self {
            Reply::Queue(QueueReply::Deliveries { messages, .. }) if messages.is_empty() => None,
            Reply::Queue(
                QueueReply::NoSuchTopic | QueueReply::NoSuchGroup | QueueReply::LimitReached { .. },
            ) => None,
            Reply::Queue(reply) => Some(Reply::Queue(reply.remembered())),
            Reply::Control(ControlReply::Refused { .. }) => None,
            Reply::Cache(
                CacheReply::OldTenure { .. } | CacheReply::Full { .. } | CacheReply::Stale { .. },
            ) => None,
            reply => Some(reply.clone()),
        }
    }
}

/// The answer to a [`ControlCommand`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlReply {
    Done,
    /// The identity of an admitted node.
    Admitted {
        member: Member,
    },
    /// It does not fit the present record; nothing changed.
    Refused {
        /// Why, as a sentence.
        why: String,
    },
}

/// A group's state. The control group's has the lock table and the cluster's record, a shard's its queues, its cached values
/// and what it knows of its own place; both have the remembered answers. Equal after equal commands, whoever applies them; a clone is a cheap fork.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    table: Table,
    cluster: ClusterRecord,
    replies: Replies,
    /// None in the control group. The other parts of a shard's machine are empty.
    shard: Option<ShardState>,
}

/// What only a shard has.
#[derive(Clone, Debug, PartialEq)]
struct ShardState {
    record: ShardRecord,
    queues: queue::Shard,
    values: Values,
}

/// What one command does, collected while it is applied.
#[derive(Default)]
struct Step {
    locks: lock::Step,
    queues: queue::Step,
    values: cache::values::Step,
}

/// What applying a command came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    pub reply: Reply,
    /// For who watches, in order. A retry that is only answered again reports nothing.
    pub facts: Vec<ServiceFact>,
    /// Consumer groups for which messages became ready: a long poll that waits there should consume again.
    pub woken: BTreeSet<(TopicName, ConsumerGroup)>,
    /// Consumer groups that were deleted: a long poll that waits there ends.
    pub deleted: BTreeSet<(TopicName, ConsumerGroup)>,
    /// Topics that began: a long poll that waits for one may begin its group.
    pub begun: BTreeSet<TopicName>,
}

impl Machine {
    /// The state with which a group begins.
    pub fn of(group: GroupId) -> Self {
        let mut machine = Machine::default();
        if group != GroupId::CONTROL {
            machine.become_shard(ShardRecord::new(group));
        }
        machine
    }

    fn become_shard(&mut self, record: ShardRecord) {
        self.shard = Some(ShardState { record, queues: queue::Shard::default(), values: Values::default() });
    }

    /// Of which group it is the state.
    pub fn group(&self) -> GroupId {
        self.shard().map_or(GroupId::CONTROL, |record| record.shard)
    }

    /// What a shard knows of its own place; none in the control group.
    pub fn shard(&self) -> Option<&ShardRecord> {
        self.shard.as_ref().map(|shard| &shard.record)
    }

    /// A shard's queues; none in the control group.
    pub fn queue(&self) -> Option<&queue::Shard> {
        self.shard.as_ref().map(|shard| &shard.queues)
    }

    /// A shard's cached values; none in the control group.
    pub fn values(&self) -> Option<&Values> {
        self.shard.as_ref().map(|shard| &shard.values)
    }

    /// Applies the command of log entry `index`. Indexes grow from call to call; ids of waits, sessions and messages
    /// come from them.
    pub fn apply(&mut self, index: LogIndex, command: &Command) -> Applied {
        let mut step = Step {
            locks: lock::Step {
                index,
                key: command.key.as_ref().map(RequestKey::shown),
                ..lock::Step::default()
            },
            queues: queue::Step { index, ..queue::Step::default() },
            values: cache::values::Step { index, ..cache::values::Step::default() },
        };
        let counts = self.table.counts();
        let Some(key) = &command.key else {
            let reply = self.operate(&command.mutation, &mut step);
            if matches!(command.mutation, Mutation::AdvanceClock { .. }) {
                let now = self.clock_ms();
                self.replies.clock_moved(now);
            }
            return self.finish(reply, step, counts);
        };
        let fingerprint = replies::fingerprint(&command.mutation);
        let now = self.clock_ms();
        let reply = match self.replies.look_up(key, fingerprint, now) {
            Known::Reused => Reply::KeyReused,
            Known::TooOld => Reply::KeyForgotten,
            Known::Full(what) => Reply::TooManyKeys { what },
            Known::Again(reply) => {
                let waited = matches!(reply, Reply::Lock(LockReply::Waiting { .. }));
                let reply = self.replay(&command.mutation, reply, &mut step);
                // What became of a wait is the key's outcome from now on, also where another key asked last.
                if waited && !matches!(reply, Reply::Lock(LockReply::Waiting { .. })) {
                    self.replies.settle(&key.shown(), &reply);
                }
                reply
            }
            Known::New => {
                let reply = self.operate(&command.mutation, &mut step);
                if let Some(reply) = reply.remembered() {
                    let now = self.clock_ms();
                    self.replies.remember(index, key, fingerprint, &reply, now);
                }
                reply
            }
        };
        self.finish(reply, step, counts)
    }

    fn operate(&mut self, mutation: &Mutation, step: &mut Step) -> Reply {
        let Step { locks, queues, values } = step;
        match (mutation, &mut self.shard) {
            (Mutation::AdvanceClock { to_ms }, None) => {
                self.table.advance_clock(*to_ms, locks);
                Reply::None
            }
            (Mutation::AdvanceClock { to_ms }, Some(shard)) => {
                shard.queues.advance_clock(*to_ms, queues);
                Reply::None
            }
            (Mutation::Lock(command), None) => {
                let settled = self.withdrawn(command, locks);
                Reply::Lock(settled.unwrap_or_else(|| self.table.apply_lock(command, locks)))
            }
            (Mutation::Session(command), None) => Reply::Session(self.table.apply_session(command, locks)),
            (Mutation::Control(command), None) => Reply::Control(self.cluster.apply(command)),
            (Mutation::Shard(command), Some(shard)) => Reply::Shard(shard.record.apply(command)),
            (Mutation::Queue(command), Some(shard)) => Reply::Queue(shard.queues.apply(command, queues)),
            (Mutation::Cache(command), Some(shard)) => Reply::Cache(shard.values.apply(command, values)),
            (Mutation::Lock(_) | Mutation::Session(_) | Mutation::Control(_), Some(_))
            | (Mutation::Shard(_) | Mutation::Queue(_) | Mutation::Cache(_), None) => Reply::Misplaced,
        }
    }

    /// What a request that does not wait any more came to before: it comes to nothing else.
    fn withdrawn(&mut self, command: &LockCommand, step: &lock::Step) -> Option<LockReply> {
        let LockCommand::Withdraw { key, .. } = command else { return None };
        match self.replies.reply(key, self.clock_ms())? {
            Reply::Lock(LockReply::Waiting { .. }) => None,
            Reply::Lock(reply) => Some(self.table.replay_lock(command, reply, step)),
            _ => None,
        }
    }

    fn replay(&mut self, mutation: &Mutation, reply: Reply, step: &mut Step) -> Reply {
        match (mutation, reply, &mut self.shard) {
            (Mutation::Lock(command), Reply::Lock(reply), _) => {
                Reply::Lock(self.table.replay_lock(command, reply, &step.locks))
            }
            (Mutation::Session(command), Reply::Session(reply), _) => {
                Reply::Session(self.table.replay_session(command, reply))
            }
            (Mutation::Queue(command), Reply::Queue(reply), Some(shard)) => {
                Reply::Queue(shard.queues.replay(command, reply, &mut step.queues))
            }
            (_, reply, _) => reply,
        }
    }

    fn finish(&mut self, reply: Reply, step: Step, before: LockCounts) -> Applied {
        let Step { locks, queues, values } = step;
        self.checked(locks.index);
        for (key, settled) in locks.settled {
            self.replies.settle(&key, &Reply::Lock(settled));
        }
        // Only one of them has any.
        let mut facts: Vec<ServiceFact> = locks.facts.into_iter().map(ServiceFact::Lock).collect();
        let counts = self.table.counts();
        if counts != before && (counts.beyond() || before.beyond()) {
            facts.push(ServiceFact::LocksCounted { counts });
        }
        facts.extend(queues.facts.into_iter().map(ServiceFact::Queue));
        facts.extend(values.facts.into_iter().map(ServiceFact::Cache));
        let queue::Step { woken, deleted, begun, .. } = queues;
        Applied { reply, facts, woken, deleted, begun }
    }

    /// The answer to a command that would change nothing as things stand and is not known yet; the leader's clock is at
    /// `now_ms`. It is not remembered, so it is no answer to a client's own key where the log's would be remembered: what a
    /// retry finds has to be what its first try found. Under a minted key nobody sends an answered request again.
    pub fn refusal(&self, command: &Command, now_ms: LeaseMs) -> Option<Reply> {
        let key = command.key.as_ref();
        let full = key.and_then(|key| self.replies.stays_full(key, now_ms));
        let minted = key.is_some_and(|key| matches!(key.name, KeyName::Minted { .. }));
        let refused = match &command.mutation {
            Mutation::Queue(asked) => self.queue().and_then(|queue| queue.refusal(asked)).map(Reply::Queue),
            Mutation::Lock(asked) if minted => self.table.lock_refusal(asked).map(Reply::Lock),
            Mutation::Session(asked) if minted => self.table.session_refusal(asked).map(Reply::Session),
            _ => None,
        };
        let refused = full.map(|what| Reply::TooManyKeys { what }).or(refused)?;
        (!key.is_some_and(|key| self.knows(key))).then_some(refused)
    }

    /// Whether a request under that key has its outcome.
    pub fn knows(&self, key: &RequestKey) -> bool {
        self.replies.knows(key, self.clock_ms())
    }

    /// Whether the answer to a command under that key is remembered.
    pub fn remembers(&self, key: &IdempotencyKey) -> bool {
        self.replies.remembers(key, self.clock_ms())
    }

    /// How many answers are remembered under keys, and the bytes that they count for.
    pub fn remembered(&self) -> (usize, u64) {
        self.replies.size()
    }

    /// Whether "waiting" is all that the key's request was answered so far.
    pub fn remembers_waiting(&self, key: &IdempotencyKey) -> bool {
        matches!(self.replies.reply(key, self.clock_ms()), Some(Reply::Lock(LockReply::Waiting { .. })))
    }

    /// The lock table; empty in a shard.
    pub fn locks(&self) -> &Table {
        &self.table
    }

    /// The answer to a command that polls a queued wait and has nothing to renew at `now_ms`; none where the command would
    /// change something, or is answered with something else.
    ///
    /// The lease of a wait is twice as long as what a poll is promised. A poll that finds more than half of it left, by the
    /// leader's own clock, only looks; the others go through the log and renew it. So a client that polls within the promised
    /// time keeps its place, whoever leads: the clock of the next leader is never ahead of this one's. A wait under a session
    /// is kept by the session, and every poll of it only looks.
    pub fn poll(&self, command: &Command, now_ms: LeaseMs) -> Option<Reply> {
        let Mutation::Lock(LockCommand::Acquire {
            resource,
            holder,
            mode,
            wait: Wait::Queue { deadline_ms },
            ..
        }) = &command.mutation
        else {
            return None;
        };
        let seen = self.table.wait_seen(resource, holder, *mode, now_ms)?;
        if seen.left_ms.is_some_and(|left_ms| left_ms <= deadline_ms / 2) {
            return None;
        }
        if let Some(key) = &command.key {
            match self.replies.peek(key, replies::fingerprint(&command.mutation), self.clock_ms()) {
                Known::New => {}
                Known::Again(Reply::Lock(LockReply::Waiting { wait, .. })) if wait == seen.wait => {}
                Known::Again(_) | Known::Reused | Known::TooOld | Known::Full(_) => return None,
            }
        }
        Some(Reply::Lock(LockReply::Waiting { wait: seen.wait, position: seen.position }))
    }

    /// Earliest value of the lease clock at which something ends by itself: an advance is due then.
    pub fn next_deadline(&self) -> Option<LeaseMs> {
        self.queue().map_or_else(|| self.table.next_deadline(), queue::Shard::next_deadline)
    }

    /// Whether a lease, a delay or a visibility runs; retention is none of them. Looks at every topic.
    pub fn leases_run(&self) -> bool {
        self.queue().map_or_else(|| self.table.next_deadline().is_some(), queue::Shard::leases_run)
    }

    /// The group's lease clock.
    pub fn clock_ms(&self) -> LeaseMs {
        self.queue().map_or_else(|| self.table.clock_ms(), queue::Shard::clock_ms)
    }

    /// The members, by name.
    pub fn members(&self) -> Vec<Member> {
        self.cluster.members().cloned().collect()
    }

    /// The cluster's own record.
    pub fn cluster(&self) -> &ClusterRecord {
        &self.cluster
    }
}
