//! The control group's state machine: one command enum, `apply(index, command) -> reply + facts`.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::ids::{ClusterId, NodeId, NodeName};
use crate::lock::{LeaseMs, LockCommand, LockReply, SessionCommand, SessionReply};

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
