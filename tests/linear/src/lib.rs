//! Is there an order in which one register would have given exactly these answers? The check of the cache's histories:
//! one address, one [`History`], one verdict.
//!
//! - [`register`] is the model: what a versioned value may answer, with writes that may get lost.
//! - [`search`] looks for an order that respects real time: Wing and Gong's search in the form of Lowe ("Testing for
//!   linearizability", 2017), which walks through time and keeps what the register may be by now.
//! - [`api`] says what the cache's requests and answers mean for it.
//! - [`text`] writes a history so that it can be read, kept in a file, and checked again.
#![expect(clippy::result_large_err, reason = "a failure says all that is known, and ends the check")]

pub mod api;
pub mod history;
pub mod register;
pub mod search;
pub mod text;

use smol_str::SmolStr;

pub use history::{Histories, History};
pub use search::{Checked, Failure, check};

/// What is written: a number that no other write of the address carries. None: the address has no value.
pub type Value = Option<u64>;

/// The version of a value; grows with every change.
pub type Version = u64;

/// What a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Read,
    /// A write that is answered when it is durable; without a value a deletion.
    Write {
        value: Value,
        /// Only where the address has this version; 0: only where it has no value.
        if_version: Option<Version>,
    },
    /// A write that may be answered before it is durable.
    WriteBack {
        value: u64,
    },
}

/// What it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A read saw this.
    Saw {
        value: Value,
        /// Its version; none without a value.
        version: Option<Version>,
        /// It is not committed: the version is the one that it is based on.
        dirty: bool,
    },
    /// The write, or the deletion of a value, is durable.
    Written { version: Version },
    /// There was nothing to delete.
    Absent {
        /// Version of the last change.
        version: Version,
    },
    /// The address has another version; nothing was done.
    Wrong {
        /// This one; 0 without a value.
        version: Version,
    },
    /// The write is visible, and may get lost.
    Taken {
        /// The version that it is based on.
        version: Version,
    },
}

/// One operation on the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Who asked, and where.
    pub who: SmolStr,
    /// When it was asked for, on any clock that all operations share.
    pub begun: u64,
    /// When it was answered, and what. None: nobody knows whether it was done, or when.
    pub ended: Option<(u64, Answer)>,
    /// What was asked for.
    pub call: Call,
}

/// What may happen to a write that was answered before it was durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Losses {
    /// It may go away at any time until it is known to be committed: for good, or until its node offers it again and nothing
    /// newer was written.
    Possible,
    /// Nothing may get lost: no node died or was cut off.
    Never,
}
