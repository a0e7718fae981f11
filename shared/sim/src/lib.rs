//! The deterministic host of an engine: virtual time, a network that fails, disks that forget what was not synced.
//!
//! Everything that a node learns of the world comes from a seed and from the order in which tasks run: the same seed is the same
//! history, on every machine.
//!
//! Invariant: nothing here opens a socket or a file, starts a thread, reads a clock or asks a system for randomness.

pub mod disk;
pub mod faults;
pub mod host;
pub mod nodes;
pub mod runtime;
pub mod trace;

pub use host::network;
