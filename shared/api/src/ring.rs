//! `GET /ring[?key=[&topic=]]`: the hash ring and what lies where.

use orrery_base::error::ApiError;
use orrery_base::ids::{GroupId, NodeName};
use orrery_placement::{Bounds, Change, NodeShare, Skip, Token, VirtualNode, Walk};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::queue::{AnyTopic, Partition};

/// The query string of `GET /ring`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RingQuery {
    /// The partition key whose walk is shown.
    pub key: Option<Partition>,
    /// Whose key that is; a topic without a name when absent.
    pub topic: Option<AnyTopic>,
}

impl RingQuery {
    /// Checks what is about both fields.
    ///
    /// # Errors
    /// A topic without a key.
    pub fn check(&self) -> Result<(), ApiError> {
        if self.key.is_none() && self.topic.is_some() {
            return Err(ApiError::bad_request(
                "\"topic\" says whose key \"key\" is: give both, or the key alone.",
            ));
        }
        Ok(())
    }
}

/// `GET /ring`, as the answering node knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Ring))]
pub struct RingAnswer {
    /// Version of the shard map; 0 before the first one.
    pub version: u64,
    /// Number of replicas that a shard should have.
    pub replicas: u16,
    /// What no node may be above.
    pub bounds: Bounds,
    /// Largest share of the hash space over the mean share.
    pub balance: f64,
    /// Each member's share of the hash space.
    pub nodes: Vec<RingMember>,
    /// All virtual nodes, clockwise from 0.
    pub virtual_nodes: Vec<VirtualNode>,
    /// Shards 1 to S.
    pub shards: Vec<RingShard>,
    /// What the last change of the map moved, and what it is to be measured by. Absent where the answering node saw no change
    /// since it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<RingChange>,
    /// Where the key of the query is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walk: Option<KeyWalk>,
}

/// A change of the shard map: from the map before the members of the ring changed, or one of them was replaced, to the
/// present one. Shards are placed anew one after the other, and each is counted from then on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RingChange {
    /// No further shard is to be placed anew. The last one may be on its way to its nodes still.
    pub complete: bool,
    /// What moved, and what it is to be measured by.
    #[serde(flatten)]
    pub change: Change,
}

/// A member of the ring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RingMember {
    /// Its share of the hash space.
    #[serde(flatten)]
    pub share: NodeShare,
    /// Replicas of shards that it holds by the shard map.
    pub replicas: u32,
    /// Shards that prefer it as their leader.
    pub preferred: u32,
}

/// One shard on the ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RingShard {
    /// Which.
    pub shard: GroupId,
    /// Where its arc ends and its walk begins.
    pub token: Token,
    /// Who holds it by the committed shard map, the preferred leader first.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub replicas: Vec<NodeName>,
    /// Who leads it, as far as this node knows.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, required))]
    pub leader: Option<NodeName>,
    /// Whom the walk passed over, and why: of the placement that the present members make. Empty where that is not
    /// the committed one (yet).
    pub skips: Vec<Skip>,
}

/// The way of a key to its nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyWalk {
    /// The partition key.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub key: SmolStr,
    /// The topic that it belongs to.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub topic: SmolStr,
    /// Hash, shard, the virtual nodes that the walk passes, the replicas.
    #[serde(flatten)]
    pub walk: Walk,
}
