//! What nodes say of cache lines, beside the protocol of the cache itself.

use bytes::Bytes;
use orrery_base::ids::{NodeName, Term};
use orrery_cache::Version;
use serde::{Deserialize, Serialize};

/// What a home knows of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeLine {
    pub term: Term,
    pub open: bool,
    /// It waits for the leases of the home before for so long, microseconds.
    pub window_left_us: u64,
    /// Version and JSON text of what is committed.
    pub value: Option<(Version, Bytes)>,
    /// The owner, and whether its lease lasts.
    pub owner: Option<(NodeName, bool)>,
    /// Those who may read a copy.
    pub sharers: Vec<NodeName>,
}
