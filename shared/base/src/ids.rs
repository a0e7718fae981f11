//! Names and numbers of the things in a cluster.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Longest name of a resource, a client, a node, a topic: bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 256;

/// A node's name as people use it (`node1`). Stays the same when the node loses its disk and rejoins.
pub type NodeName = SmolStr;

/// A client's name as it gives it.
pub type ClientName = SmolStr;

/// The name of a lockable resource.
pub type ResourceName = SmolStr;

/// A Raft identity. Minted by the control group and never reused: a node that lost its disk comes back
/// under its old name with a new `NodeId` and a higher incarnation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct NodeId(pub u64);

impl From<u64> for NodeId {
    fn from(id: u64) -> Self {
        NodeId(id)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A Raft group: 0 is the control group, 1..=S are shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct GroupId(pub u16);

impl GroupId {
    /// The group that holds membership, the shard map and the lock table.
    pub const CONTROL: GroupId = GroupId(0);
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::CONTROL { f.write_str("control") } else { write!(f, "s{}", self.0) }
    }
}

/// What a first formation mints: data of one cluster never meets data of another. In JSON 16 hexadecimal digits, as it
/// is shown: a JSON number above 2^53 is another one for most readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, pattern = "^[0-9a-f]{16}$"))]
#[serde(transparent)]
pub struct ClusterId(#[serde(with = "hex")] pub u64);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Text that is no cluster's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cluster's id is 16 hexadecimal digits")]
pub struct NotAClusterId;

impl FromStr for ClusterId {
    type Err = NotAClusterId;

    fn from_str(text: &str) -> Result<Self, NotAClusterId> {
        hex::parse(text).map(ClusterId).ok_or(NotAClusterId)
    }
}

/// Milliseconds on a group's lease clock: a committed value that stands still without a leader.
pub type LeaseMs = u64;

/// Numbers of 64 bits that are 16 hexadecimal digits where people read and in JSON, and numbers everywhere else.
pub mod hex {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use smol_str::SmolStr;

    /// Exactly 16 digits.
    pub fn parse(text: &str) -> Option<u64> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u64::from_str_radix(text, 16).ok())?
    }

    /// For `#[serde(with = …)]`.
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&format_args!("{value:016x}"))
        } else {
            value.serialize(serializer)
        }
    }

    /// The other way.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        if deserializer.is_human_readable() {
            let text = SmolStr::deserialize(deserializer)?;
            parse(&text).ok_or_else(|| D::Error::custom("16 hexadecimal digits are expected"))
        } else {
            u64::deserialize(deserializer)
        }
    }
}

/// Raft term (Raft paper, section 5.1).
pub type Term = u64;

/// Position in a group's log (Raft paper, section 5.3). The first entry has index 0, as in openraft.
pub type LogIndex = u64;

/// Number of a node's boot: grows by one at every start on the same data directory.
pub type BootEpoch = u32;

/// Number of an event within one boot of one node; starts at 1 and has no holes.
pub type Sequence = u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_id_survives_every_reader_of_json() {
        // Not a number that a double can hold.
        let id = ClusterId((1 << 53) + 1);
        let json = serde_json::to_string(&id).expect("a string");
        assert_eq!(json, "\"0020000000000001\"");
        assert_eq!(serde_json::from_str::<ClusterId>(&json).ok(), Some(id));
        for wrong in ["9007199254740993", "\"20000000000001\"", "\"+020000000000001\"", "\"\""] {
            assert!(serde_json::from_str::<ClusterId>(wrong).is_err(), "{wrong}");
        }
        // Between nodes and on the disk it stays a number.
        assert_eq!(postcard::to_stdvec(&id).ok(), postcard::to_stdvec(&id.0).ok());
    }
}
