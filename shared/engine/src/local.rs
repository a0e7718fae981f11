//! Who a node is: by its configuration, and by its data directory.

use orrery_base::ids::{BootEpoch, ClusterId, NodeName};
use orrery_machine::Member;

/// Who this node is by its configuration. The data directory may know more (see [`Formed`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    pub name: NodeName,
    /// `host:port` under which peers and clients reach it.
    pub address: String,
    /// Number of this boot, already persisted by the host.
    pub boot: BootEpoch,
    /// The other nodes of the first formation, by configuration.
    pub peers: Vec<StaticPeer>,
}

/// Another node, by configuration. Before a cluster is formed, transports are asked to call it as a
/// [`Member`] with id 0 and incarnation 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StaticPeer {
    pub name: NodeName,
    /// `host:port`.
    pub address: String,
}

/// What a data directory is of: persisted when the node becomes part of a cluster, checked at every start and
/// in every handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formed {
    pub cluster: ClusterId,
    /// This node as a member: Raft identity, name, incarnation, address.
    pub me: Member,
}
