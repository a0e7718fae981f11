//! The deterministic simulation: the product's engine and storage on virtual time, a simulated network and
//! disks that lose what was not synced.

pub mod bugs;
pub mod chaos;
pub mod checks;
pub mod cluster;
pub mod disk;
pub mod far;
pub mod faults;
pub mod fleet;
pub mod host;
pub mod leases;
pub mod network;
pub mod partial;
pub mod run;
pub mod runtime;
pub mod stalls;
pub mod trace;
pub mod workload;
