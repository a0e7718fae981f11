//! `GET`, `POST` and `DELETE /faults`: sets of faults of single directions of links.

use orrery_base::fault::Fault;
use orrery_base::ids::NodeName;
use orrery_base::valid::{Name, NameRule};
use serde::{Deserialize, Serialize};

/// Largest set in one request.
pub const FAULTS_MAX: usize = 256;

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
pub struct LinkFault {
    /// Whose messages: requests, and answers to requests of the other.
    #[cfg_attr(feature = "openapi", schema(value_type = String, min_length = 1, max_length = 256))]
    pub from: NodeName,
    /// Where they go.
    #[cfg_attr(feature = "openapi", schema(value_type = String, min_length = 1, max_length = 256))]
    pub to: NodeName,
    /// What is wrong; its fields stand beside the names.
    #[serde(flatten)]
    pub fault: Fault,
}

/// A set of faults, each of another direction. `POST /faults` replaces what is wrong with these directions and leaves the others
/// as they are; `DELETE /faults` makes these directions whole, all where there is no body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FaultSet {
    /// The faults.
    #[cfg_attr(feature = "openapi", schema(max_items = 256))]
    pub faults: Vec<LinkFault>,
}

/// What is wrong with the links: the answer of all three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// What is wrong now at the nodes that answered.
    pub faults: Vec<LinkFault>,
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

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn a_fault_is_one_flat_object_that_says_nothing_else() {
        let fault = Fault { delay_ms: 40, ..Fault::NONE };
        let link = LinkFault { from: "node1".into(), to: "node2".into(), fault };
        let mut whole = to_value(fault).expect("it is written");
        (whole["from"], whole["to"]) = (json!("node1"), json!("node2"));
        assert_eq!(to_value(&link).expect("it is written"), whole);
        let short = json!({"from": "node1", "to": "node2", "delay_ms": 40});
        assert_eq!(from_value::<LinkFault>(short).expect("it is read"), link);
        for (wrong, why) in [
            (json!({"from": "node1", "to": "node2", "dely_ms": 40}), "unknown field `dely_ms`"),
            (json!({"from": "node1", "delay_ms": 40}), "missing field `to`"),
            (json!({"from": "node1", "to": "node2", "loss_percent": 256}), "expected u8"),
        ] {
            let error = from_value::<LinkFault>(wrong).expect_err("it is wrong").to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
