//! A message as it is kept: in one piece of memory.
//!
//! A million messages wait, so what each has beside its text counts. Its times and its key stand before the text, packed
//! as in a snapshot; they are read again at each look, which costs a few nanoseconds.

use std::sync::Arc;

use bytes::Bytes;
use orrery_base::ids::LeaseMs;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::PartitionKey;

/// A message. Cheap to clone. It has its own memory: a slice of a received frame would keep the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored(Arc<[u8]>);

/// What stands before the text.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    /// Lease clock value of its publish.
    published_at_ms: LeaseMs,
    /// Wall clock of who took it: shown, never compared.
    wall_ms: u64,
    #[serde(borrow)]
    key: Option<&'a str>,
}

impl Stored {
    pub(super) fn new(
        message: &[u8],
        key: Option<&PartitionKey>,
        published_at_ms: LeaseMs,
        wall_ms: u64,
    ) -> Stored {
        let head = Head { published_at_ms, wall_ms, key: key.map(PartitionKey::as_str) };
        // Encoding into a growing buffer fails for no type of ours.
        let mut bytes =
            postcard::to_extend(&head, Vec::with_capacity(32 + message.len())).unwrap_or_default();
        bytes.extend_from_slice(message);
        Stored(Arc::from(bytes))
    }

    fn parts(&self) -> (Head<'_>, &[u8]) {
        postcard::take_from_bytes(&self.0).expect("it begins with a head that was encoded when it was made")
    }

    /// JSON text.
    pub(super) fn message(&self) -> &[u8] {
        self.parts().1
    }

    pub(super) fn key(&self) -> Option<PartitionKey> {
        self.parts().0.key.map(PartitionKey::new)
    }

    /// Lease clock value of its publish.
    pub(super) fn published_at_ms(&self) -> LeaseMs {
        self.parts().0.published_at_ms
    }

    /// Wall clock of who took it: shown, never compared.
    pub(super) fn wall_ms(&self) -> u64 {
        self.parts().0.wall_ms
    }

    /// What it counts for.
    pub(super) fn bytes(&self) -> u64 {
        let (head, message) = self.parts();
        (message.len() + head.key.map_or(0, str::len)) as u64
    }
}

/// As it stands in a snapshot. The order of the fields is part of the format.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(serialize_with = "write_bytes")]
    message: &'a [u8],
    key: Option<&'a str>,
    published_at_ms: LeaseMs,
    wall_ms: u64,
}

/// [`Written`], as it comes back.
#[derive(Deserialize)]
struct Read {
    message: Bytes,
    key: Option<PartitionKey>,
    published_at_ms: LeaseMs,
    wall_ms: u64,
}

/// A slice would be written byte by byte.
fn write_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

impl Serialize for Stored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (Head { published_at_ms, wall_ms, key }, message) = self.parts();
        Written { message, key, published_at_ms, wall_ms }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { message, key, published_at_ms, wall_ms } = Read::deserialize(deserializer)?;
        Ok(Stored::new(&message, key.as_ref(), published_at_ms, wall_ms))
    }
}
