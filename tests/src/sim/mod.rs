//! The deterministic simulation of the whole product: engines and their storage on the host of `orrery-sim`, under faults that a
//! seed chooses, with clients and checks.

pub mod bugs;
pub mod chaos;
pub mod checks;
pub mod cluster;
pub mod disk;
pub mod far;
pub mod faults;
pub mod fleet;
pub mod leases;
pub mod partial;
pub mod run;
pub mod stalls;
pub mod workload;

/// One boot of one node, on the disk that is tested.
pub type SimHost = orrery_sim::host::SimHost<disk::WatchedDisk>;

/// All links of a cluster.
pub type Network = orrery_sim::network::Network<disk::WatchedDisk>;
