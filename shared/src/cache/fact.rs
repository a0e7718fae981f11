//! What the cache reports: out of `apply` what was committed, out of a node's lines how they changed.

use serde::{Deserialize, Serialize};

use super::{Address, State, Version};
use crate::ids::{NodeName, Term};

/// Longest text of a value in a fact, in bytes.
pub const PREVIEW_BYTES_MAX: usize = 64;

/// What happened to a shard's values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheFact {
    /// A value was written or deleted.
    Committed {
        /// Where.
        address: Address,
        /// Its version.
        version: Version,
        /// It was deleted.
        deleted: bool,
        /// The node whose client wrote it.
        by: NodeName,
        /// An owner brought it back: the client was answered before.
        write_back: bool,
        /// The beginning of the value, for people.
        preview: String,
    },
    /// An owner that did not answer lost the line.
    Revoked {
        /// Which.
        address: Address,
        /// Its new version.
        version: Version,
    },
    /// A home's tenure began.
    Begun {
        /// Its term.
        tenure: Term,
    },
    /// It grants from now on.
    Opened {
        /// Its term.
        tenure: Term,
    },
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
    /// Somebody else writes.
    Inv,
    /// Somebody else reads.
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
        /// Which.
        address: Address,
        /// Before.
        from: State,
        /// After.
        to: State,
        /// Why.
        cause: Cause,
        /// The version that it has or had.
        version: Version,
    },
    /// A write that was answered as not durable is lost.
    Lost {
        /// Where.
        address: Address,
        /// The version that it was based on.
        version: Version,
    },
}
