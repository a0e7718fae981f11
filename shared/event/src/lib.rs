//! What happened (facts at the moment they happen, never samples), how facts travel, and how the streams of several
//! nodes become one.
//!
//! Every type here travels as JSON and as postcard: no internally tagged enum, no skipped field.

pub mod choice;
pub mod fact;
pub mod fault;
pub mod merge;
pub mod stream;
pub mod sums;

use serde::{Deserialize, Serialize};

pub use fact::Fact;

use orrery_base::hlc::Hlc;
use orrery_base::ids::{BootEpoch, NodeName, Sequence};

/// A fact with its stamps. Which node and boot it is from stands once in its [`stream::Batch`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Number within the boot; no holes, so a hole is a gap.
    pub seq: Sequence,
    /// Orders events of all nodes.
    pub hlc: Hlc,
    /// The node's own wall clock, microseconds since the Unix epoch: shown, never compared.
    pub wall_us: u64,
    pub fact: Fact,
}

/// An event's place in the order of all nodes: (HLC, node, epoch, sequence).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// First by hybrid logical clock,
    pub hlc: Hlc,
    pub node: NodeName,
    pub boot: BootEpoch,
    pub seq: Sequence,
}
