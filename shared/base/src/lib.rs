//! What every crate of the workspace speaks of: ids, the hybrid logical clock, errors, idempotency keys, names, and two kinds of
//! maps that are cheap to copy.
//!
//! Nothing here reads a clock, draws a random number, or opens anything: time and randomness are arguments. So it is in every
//! crate of this folder.
#![warn(missing_docs)]

pub mod error;
pub mod fnv;
pub mod hlc;
pub mod ids;
pub mod key;
pub mod names;
pub mod pages;
pub mod sorted;
