//! The control group's state machine: one command enum, `apply(index, command) -> reply + facts`.

//!
//! Words and the [`Machine`] here; the lock table in [`crate::lock`], the cluster's own record, the remembered answers
//! and the snapshot format beside it.

pub mod cluster;
mod fnv;
pub mod replies;
pub mod snapshot;

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use cluster::ClusterRecord;
pub use snapshot::SnapshotError;

use crate::event::fact::{LockTable, ServiceFact};
use crate::ids::{ClusterId, LogIndex, NodeId, NodeName};
use crate::lock::{
    FencingToken, LeaseMs, LockCommand, LockReply, SessionCommand, SessionReply, Step, Table, WaitEdge,
    WaitId,
};
use replies::{Known, Remembered, Replies};

/// Version of the commands below. A new variant raises it, and is proposed only once the cluster's record has that
/// version: then every member knows it.
pub const COMMAND_VERSION: u16 = 1;

/// `<client>/<number>`: makes the retry of a mutation safe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// Who numbers.
    pub client: SmolStr,
    /// Its number of this mutation.
    pub number: u64,
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.client, self.number)
    }
}

/// One entry of a group's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Under which the reply is kept, so that a retry gets it again.
    pub key: Option<IdempotencyKey>,
    /// What to do.
    pub operation: Operation,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.operation)
    }
}

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Move the group's lease clock forward; apply takes the maximum.
    AdvanceClock {
        /// Value of the lease clock.
        to_ms: LeaseMs,
    },
    /// The lock table.
    Lock(LockCommand),
    /// Sessions.
    Session(SessionCommand),
    /// The cluster itself.
    Control(ControlCommand),
}

/// What changes the cluster's own record (identity, members, versions).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlCommand {
    /// The first entry of a cluster: its identity and its constants.
    Form {
        /// The id that every data directory carries.
        cluster: ClusterId,
        /// Number of shards.
        shards: u16,
        /// Replicas of a shard.
        replicas: u16,
        /// The first members.
        members: Vec<Member>,
    },
    /// A name gets a new Raft identity: a node that joins, or one that lost its disk.
    Admit {
        /// The node's name.
        name: NodeName,
        /// Its address, `host:port`.
        address: String,
    },
    /// A name is no member any more.
    Dismiss {
        /// The node's name.
        name: NodeName,
    },
    /// Every member supports this version of the commands.
    RaiseVersion {
        /// The version.
        to: u16,
        /// Who said so. Refused where somebody else is a member by now.
        members: Vec<NodeId>,
    },
}

/// A member of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// Its Raft identity.
    pub id: NodeId,
    /// Its name.
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

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Nothing to say (clock, blank entries, membership).
    None,
    /// The lock table's.
    Lock(LockReply),
    /// The sessions'.
    Session(SessionReply),
    /// The control record's.
    Control(ControlReply),
    /// The key's number is older than what is remembered, or came with another operation; nothing changed.
    KeyForgotten,
}

/// The answer to a [`ControlCommand`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlReply {
    /// Done.
    Done,
    /// The identity of an admitted node.
    Admitted {
        /// The new member.
        member: Member,
    },
    /// It does not fit the present record; nothing changed.
    Refused {
        /// Why, as a sentence.
        why: String,
    },
}

/// The control group's state: the lock table, the cluster's record, the remembered answers. Equal after equal
/// commands, whoever applies them; a clone is a cheap fork.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    table: Table,
    cluster: ClusterRecord,
    replies: Replies,
}

/// What applying a command came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// For who asked.
    pub reply: Reply,
    /// For who watches, in order. A retry that is only answered again reports nothing.
    pub facts: Vec<ServiceFact>,
}

impl Machine {
    /// Applies the command of log entry `index`. Indexes grow from call to call; ids of waits and sessions come from them.
    pub fn apply(&mut self, index: LogIndex, command: &Command) -> Applied {
        let mut step = Step { index, key: command.key.clone(), ..Step::default() };
        let Some(key) = &command.key else {
            let reply = self.operate(&command.operation, &mut step);
            return self.finish(reply, step);
        };
        let fingerprint = replies::fingerprint(&command.operation);
        match self.replies.look_up(key, fingerprint) {
            Known::Refused => Applied { reply: Reply::KeyForgotten, facts: Vec::new() },
            Known::Again(reply) => {
                let reply = self.replay(&command.operation, reply, &step);
                self.finish(reply, step)
            }
            Known::New => {
                let reply = self.operate(&command.operation, &mut step);
                self.replies.remember(key.clone(), Remembered { index, fingerprint, reply: reply.clone() });
                self.finish(reply, step)
            }
        }
    }

    fn operate(&mut self, operation: &Operation, step: &mut Step) -> Reply {
        match operation {
            Operation::AdvanceClock { to_ms } => {
                self.table.advance_clock(*to_ms, step);
                Reply::None
            }
            Operation::Lock(command) => Reply::Lock(self.table.apply_lock(command, step)),
            Operation::Session(command) => Reply::Session(self.table.apply_session(command, step)),
            Operation::Control(command) => Reply::Control(self.cluster.apply(command)),
        }
    }

    fn replay(&mut self, operation: &Operation, reply: Reply, step: &Step) -> Reply {
        match (operation, reply) {
            (Operation::Lock(command), Reply::Lock(reply)) => {
                Reply::Lock(self.table.replay_lock(command, reply, step))
            }
            (Operation::Session(command), Reply::Session(reply)) => {
                Reply::Session(self.table.replay_session(command, reply))
            }
            (_, reply) => reply,
        }
    }

    fn finish(&mut self, reply: Reply, step: Step) -> Applied {
        for (key, settled) in step.settled {
            self.replies.settle(&key, Reply::Lock(settled));
        }
        Applied { reply, facts: step.facts }
    }

    /// The lock table as people see it, at this applied index.
    pub fn lock_table(&self, applied: Option<LogIndex>) -> LockTable {
        self.table.view(applied, None)
    }

    /// The same with one resource only (none where nobody holds or waits for it).
    pub fn lock_table_of(&self, applied: Option<LogIndex>, resource: &str) -> LockTable {
        self.table.view(applied, Some(resource))
    }

    /// The wait-for graph.
    pub fn edges(&self) -> Vec<WaitEdge> {
        self.table.edges(None)
    }

    /// Its edges on one resource.
    pub fn edges_of(&self, resource: &str) -> Vec<WaitEdge> {
        self.table.edges(Some(resource))
    }

    /// Whether that wait has not ended.
    pub fn is_waiting(&self, wait: WaitId) -> bool {
        self.table.is_waiting(wait)
    }

    /// What is left of the lease of the lock with that token; none where nobody holds it any more.
    pub fn lease_left_ms(&self, token: FencingToken) -> Option<u64> {
        self.table.lease_left_ms(token)
    }

    /// Earliest value of the lease clock at which something ends by itself: an advance is due then.
    pub fn next_deadline(&self) -> Option<LeaseMs> {
        self.table.next_deadline()
    }

    /// The group's lease clock.
    pub fn clock_ms(&self) -> LeaseMs {
        self.table.clock_ms()
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
