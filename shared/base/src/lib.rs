//! What every crate of the workspace speaks of: ids, the hybrid logical clock, errors, idempotency keys, names and numbers within
//! their bounds, what can be wrong with a link, and two kinds of maps that are cheap to copy.
//!
//! Like every crate of this folder, it reads no clock, draws no random number and opens nothing: time and randomness are
//! arguments.
#![warn(missing_docs)]

pub mod consistency;
pub mod error;
pub mod fault;
pub mod fnv;
pub mod hlc;
pub mod ids;
pub mod key;
pub mod names;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod pages;
pub mod sorted;
pub mod valid;
