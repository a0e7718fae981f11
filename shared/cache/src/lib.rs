//! The coherent cache: words, commands and replies here; beside it the values of one shard, the MESI table, the side of
//! a node and the directory of a home. All of it is pure: time is an argument, and whoever calls carries the messages.
//!
//! - [`Values`] is the part of a shard's state machine that keeps what is committed.
//! - [`Lines`] is what one node holds: copies, the leases under which it may read them, what it asked for.
//! - [`Directory`] is what the leader of a shard (the home of its lines) knows in memory of who holds what. It lives as
//!   long as one tenure: a term that the machine has seen begin.
//!
//! What makes a cached read linearizable: a home grants only after a majority confirmed it since the request came, a
//! lease is counted from when the node asked, and a writer goes on only when every other copy is acknowledged to be gone
//! or its lease is surely over. What makes a change of home safe is in [`directory`].

mod consistency;
pub mod directory;
pub mod fact;
pub mod message;
pub mod node;
pub mod snapshot;
pub mod table;
#[cfg(test)]
mod tests;
pub mod values;
pub mod view;

pub use directory::Directory;
pub use fact::{CacheFact, Cause, HomeFact, How, LineFact, Waited, Wants};
pub use message::{Ask, Recall, Recalled, Told};
pub use node::Lines;
pub use table::State;
pub use values::Values;

use std::fmt;

use bytes::Bytes;
use orrery_base::ids::{BootEpoch, LogIndex, NodeId, NodeName, Term};
use orrery_base::names;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The name of a cache line.
pub type Address = SmolStr;

/// Index of the log entry that wrote a value: grows with every write of an address, and is never given twice.
pub type Version = LogIndex;

/// Longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 256;

/// Longest value, in bytes of JSON text.
pub const VALUE_BYTES_MAX: usize = 256 * 1024;

/// Most addresses with a value in one shard.
pub const LINES_PER_SHARD_MAX: usize = 100_000;

/// Most bytes (addresses and values) of one shard.
pub const BYTES_PER_SHARD_MAX: u64 = 64 * 1024 * 1024;

/// Most deleted addresses whose version a shard still knows.
pub const TOMBSTONES_MAX: usize = 4_096;

/// Whether a text may be an address: a name like all others.
pub fn is_address(text: &str) -> bool {
    names::check_within(text, ADDRESS_BYTES_MAX).is_ok()
}

/// What orders the messages of homes about an address: the home's tenure, then a number that grows in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// The term in which the home leads.
    pub term: Term,
    /// Its number in that tenure.
    pub n: u64,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term, self.n)
    }
}

/// Rules of this module that tests break on purpose, to prove that their checks bite, and whether it checks itself. No flag,
/// file or request reaches them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broken {
    /// A node counts its lease from when the grant came, instead of from when it asked.
    pub lease_from_receipt: bool,
    /// A home grants because it was the leader once, without asking a majority.
    pub grants_unconfirmed: bool,
    /// A writer does not wait for those who share the line.
    pub sharers_ignored: bool,
    /// A home commits what a node brings back, whoever owns the line by now and whatever the value is based on.
    pub stale_write_back: bool,
    /// A home applies a late offer, whatever was written after the version that it is based on.
    pub late_offer: bool,
    /// No rule: copies and directories check themselves as in a debug build. The simulator asks for it.
    pub checked: bool,
}

/// One boot of one node: a boot remembers nothing of the one before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Holder {
    pub name: NodeName,
    pub id: NodeId,
    /// Which boot of it.
    pub boot: BootEpoch,
}

/// Which write-back a command carries: the `write`th local write under that grant of ownership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saves {
    pub grant: Stamp,
    /// Counts the owner's local writes of the line.
    pub write: u64,
}

/// What changes the cache of a shard. The order of the variants is part of the log's format: add at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheCommand {
    /// The leader of this term is the home from now on. Commands of every earlier tenure that come after it are refused.
    Begin { tenure: Term },
    /// It grants from now on: every lease of an earlier home is over.
    Open { tenure: Term },
    /// A value, or its deletion.
    Write {
        address: Address,
        /// JSON text, not looked into; none deletes.
        value: Option<Bytes>,
        /// Of the home that proposes it.
        tenure: Term,
        /// The node whose client wrote it.
        by: NodeName,
        /// Refused where the address changed after this version.
        based_on: Option<Version>,
        /// Refused where the present version is another one; 0 is that of an address without a value.
        if_version: Option<Version>,
        /// It is a write-back, and which one.
        saves: Option<Saves>,
    },
    /// Somebody else is about to own the line, or it is deleted without having a value, while an owner that cannot be asked
    /// may hold something: what is there stays, under a new version, so that nothing that the old owner still has is based
    /// on the present one.
    Revoke {
        address: Address,
        /// Of the home that proposes it.
        tenure: Term,
    },
}

/// The answer to a [`CacheCommand`]. The order of the variants is part of the snapshot's format: add at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheReply {
    Begun {
        /// The last tenure that granted anything; 0 where none ever did.
        opened: Term,
    },
    Opened,
    /// The value is there.
    Written {
        version: Version,
    },
    /// The address has no value now.
    Deleted {
        /// Version of the deletion, or of the last change where there was nothing to delete.
        version: Version,
        existed: bool,
    },
    /// The old owner's copy is worth nothing any more.
    Revoked {
        /// The line's new version.
        version: Version,
    },
    /// The address changed after the version that the command was based on; nothing changed.
    Stale {
        /// Version of its last change.
        version: Version,
    },
    /// The present version is not the one that was asked for; nothing changed.
    WrongVersion {
        /// It is this one; 0 without a value.
        version: Version,
    },
    /// The command is of another tenure than the present one; nothing changed.
    OldTenure {
        begun: Term,
    },
    /// A bound is reached; nothing changed.
    Full {
        /// Which, as a sentence.
        what: String,
    },
    /// The key is too old to be known; nothing changed. No machine answers so: it is what a home makes of the group's
    /// word, as the two that follow are.
    KeyForgotten,
    /// The key came with another request; nothing changed.
    KeyReused,
    /// No more keys can be remembered; nothing changed.
    TooManyKeys {
        /// Which bound, as a sentence.
        what: String,
    },
}
