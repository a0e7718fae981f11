//! What the cache reports: out of `apply` what was committed, out of a node's lines how they changed.

use orrery_base::ids::{NodeName, Term};
use serde::{Deserialize, Serialize};

use super::message::RecallKind;
use super::{Address, State, Version};

/// Longest text of a value in a fact, in bytes.
pub const PREVIEW_BYTES_MAX: usize = 64;

/// What happened to a shard's values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheFact {
    /// A value was written or deleted.
    Committed {
        address: Address,
        version: Version,
        deleted: bool,
        /// The node whose client wrote it.
        by: NodeName,
        /// An owner brought it back: the client was answered before.
        write_back: bool,
        /// The beginning of the value, for people.
        preview: String,
    },
    /// What an owner that cannot be asked may still have written is refused from here on.
    Revoked { address: Address, version: Version },
    /// A home's tenure began.
    Begun { tenure: Term },
    /// It grants from now on.
    Opened { tenure: Term },
}

/// Why a line of a node changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A client read here.
    LocalRead,
    /// A client wrote here.
    LocalWrite,
    /// There was no more room.
    Evict,
    Inv,
    Fetch,
    /// Somebody else writes, and this node owned it.
    FetchInv,
    /// The lease is over.
    LeaseOut,
    /// The home has committed what was written back.
    WriteBack,
    /// The home knows of the copy again after the lease was over, or it is a new home.
    Registered,
    /// The home does not know of the copy, or took it away meanwhile.
    Refused,
    /// It is not known what became of a write.
    Unknown,
}

/// What happened to a line of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineFact {
    /// Its state changed, as its readers see it.
    Changed {
        address: Address,
        from: State,
        to: State,
        cause: Cause,
        /// The version that it has or had.
        version: Version,
    },
    /// A write that was answered as not durable is lost.
    Lost {
        address: Address,
        /// The version that it was based on.
        version: Version,
    },
    /// A client was answered from the copy, without a message. At most [`HITS_TOLD_PER_S`] a second are told one by one;
    /// all of them are in the node's figures.
    Hit {
        address: Address,
        state: State,
        /// It was a write.
        write: bool,
    },
    /// A write that was answered as not durable reached a home, and was overwritten before it was known what became of it:
    /// it took effect until then, or never.
    Unresolved {
        address: Address,
        /// The version that it was based on.
        version: Version,
    },
}

/// Most hits of one node and second that are facts of their own.
pub const HITS_TOLD_PER_S: u64 = 20;

/// What a node asks a home for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wants {
    /// A copy to read (GetS).
    Read,
    Own,
    Write,
}

/// A node that a home waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    pub node: NodeName,
    /// What it was told to do.
    pub recall: RecallKind,
    /// When it counts as gone if it does not answer, microseconds from now: the end of its lease, and the margin.
    pub gone_in_us: u64,
}

/// Why a home does not wait for a node any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Its shared copy is gone.
    Acknowledged,
    /// It gave up what it owned, and had written nothing that is not committed.
    Clean,
    /// It gave up what it owned, with a value that is committed first.
    Dirty,
    /// It held no such copy.
    NotHeld,
    /// It did not answer, and its lease is over.
    LeaseOver,
    /// It is another boot of that node.
    Rebooted,
}

/// What happened at the home of a shard's lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HomeFact {
    /// A tenure began where an earlier one had granted something: it grants nothing for so long.
    Window {
        term: Term,
        /// Microseconds.
        left_us: u64,
    },
    /// It grants from now on.
    Open { term: Term },
    /// It is over; nobody knows any more who holds what.
    Ended { term: Term },
    /// A question goes on when these nodes have answered, or their leases are over.
    Recalling {
        /// Its number in this tenure.
        question: u64,
        address: Address,
        asker: NodeName,
        wants: Wants,
        /// Whom it waits for.
        of: Vec<Waited>,
    },
    /// It waits for one of them no more.
    Recalled { question: u64, address: Address, node: NodeName, how: How },
    /// Who holds the line now.
    Held {
        address: Address,
        /// Who may write it.
        owner: Option<NodeName>,
        /// Who else has a copy.
        sharers: Vec<NodeName>,
    },
}
