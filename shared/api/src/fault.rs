//! `GET`, `POST` and `DELETE /faults`: sets of faults of single directions of links.

use orrery_base::ids::NodeName;
use orrery_base::valid::{Name, NameRule};
use serde::{Deserialize, Serialize};

/// Largest set in one request.
pub const FAULTS_MAX: usize = 256;
/// Longest delay of one direction, milliseconds.
pub const DELAY_MS_MAX: u32 = 10_000;

/// Whose faults are shown or changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FaultScope {
    /// Those of what this node sends.
    Node,
    /// Those of all members.
    #[default]
    Cluster,
}

/// The query string of `GET`, `POST` and `DELETE /faults`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FaultQuery {
    /// `node`: only what this node sends; `cluster` (where nothing is said): all members, which this node asks.
    #[serde(default)]
    pub scope: FaultScope,
}

/// What is wrong with the messages from one node to another. The other direction is a fault of its own.
/// Nothing is wrong where all three are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Whose messages: requests, and answers to requests of the other.
    #[cfg_attr(feature = "openapi", schema(value_type = String, min_length = 1, max_length = 256))]
    pub from: NodeName,
    /// Where they go.
    #[cfg_attr(feature = "openapi", schema(value_type = String, min_length = 1, max_length = 256))]
    pub to: NodeName,
    /// Nothing arrives.
    #[serde(default)]
    pub cut: bool,
    /// Everything arrives so much later, milliseconds.
    #[cfg_attr(feature = "openapi", schema(maximum = 10_000))]
    #[serde(default)]
    pub delay_ms: u32,
    /// So many of a hundred messages get lost.
    #[cfg_attr(feature = "openapi", schema(maximum = 100))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FaultSet {
    /// The faults.
    #[cfg_attr(feature = "openapi", schema(max_items = 256))]
    pub faults: Vec<Fault>,
}

/// What is wrong with the links: the answer of all three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// What is wrong now at the nodes that answered.
    pub faults: Vec<Fault>,
    /// Nodes that did not answer: what their messages suffer is not known, and was perhaps not changed.
    pub unreached: Vec<Unreached>,
}

/// A node that did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Unreached {
    /// The node.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
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

/// The name of a node to which another one sends.
pub type PeerName = Name<PeerRule>;

/// `POST /fault/link`, an older way to cut what the node that is asked sends to one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CutLink {
    /// To whom.
    pub peer: PeerName,
    /// Cut what this node sends to it, or heal it.
    pub cut: bool,
}

/// The answer to it: all peers to which nothing arrives from this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CutLinks {
    /// All peers to which nothing arrives from this node.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub cut: Vec<NodeName>,
}
