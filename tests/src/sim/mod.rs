//! The deterministic simulation: the product's engine and storage on virtual time, a simulated network and
//! disks that lose what was not synced.

pub mod bugs;
pub mod disk;
pub mod runtime;
