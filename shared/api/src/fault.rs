//! `GET`, `POST` and `DELETE /faults`: sets of faults of single directions of links.

use orrery_base::ids::NodeName;
use orrery_base::valid::{Name, NameRule};
use serde::{Deserialize, Serialize};

/// Largest set in one request.
pub const FAULTS_MAX: usize = 256;
/// Longest delay of one direction, milliseconds.
pub const DELAY_MS_MAX: u32 = 10_000;

/// What is wrong with the messages from one node to another. The other direction is a fault of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Whose messages: requests, and answers to requests of the other.
    pub from: NodeName,
    /// Where they go.
    pub to: NodeName,
    /// Nothing arrives.
    #[serde(default)]
    pub cut: bool,
    /// Everything arrives so much later, milliseconds.
    #[serde(default)]
    pub delay_ms: u32,
    /// So many of a hundred messages get lost.
    #[serde(default)]
    pub loss_percent: u8,
}

impl Fault {
    /// Nothing is wrong: the direction is whole.
    pub fn is_none(&self) -> bool {
        !self.cut && self.delay_ms == 0 && self.loss_percent == 0
    }
}

/// A set of faults, each of another direction. `POST /faults` replaces what is wrong with these directions and leaves the others
/// as they are; `DELETE /faults` makes these directions whole, all where there is no body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSet {
    /// The faults.
    pub faults: Vec<Fault>,
}

/// Answer of all three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// What is wrong now at the nodes that answered.
    pub faults: Vec<Fault>,
    /// Nodes that did not answer: what their messages suffer is not known, and was perhaps not changed.
    pub unreached: Vec<Unreached>,
}

/// A node that did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unreached {
    /// The node.
    pub node: NodeName,
    /// Why, as a sentence.
    pub why: String,
}

/// A node to which another one sends.
#[derive(Debug, PartialEq, Eq)]
pub enum PeerRule {}

impl NameRule for PeerRule {
    const FIELD: &'static str = "peer";
}

/// `POST /fault/link`, an older way to cut what the node that is asked sends to one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutLink {
    /// To whom.
    pub peer: Name<PeerRule>,
    /// Cut it, or heal it.
    pub cut: bool,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutLinks {
    /// All peers to which nothing arrives from this node.
    pub cut: Vec<NodeName>,
}
