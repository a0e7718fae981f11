//! The hash that places everything, and the points that it gives.

use std::fmt;
use std::str::FromStr;

use orrery_base::ids::hex;
use serde::{Deserialize, Serialize};
use xxhash_rust::const_xxh64::xxh64;

/// What the addresses of queues are hashed under.
const PARTITION_DOMAIN: &str = "orrery/partition";

/// What the addresses of cache lines are hashed under.
const CACHE_DOMAIN: &str = "orrery/cache";

/// XXH64 with seed 0, as the xxHash specification defines it (github.com/Cyan4973/xxHash, doc/xxhash_spec.md): a
/// value that depends on the bytes alone, on every platform. Never to be changed: it says where stored data lies.
/// Not against adversaries: who chooses keys can choose their shard.
pub const fn hash64(bytes: &[u8]) -> u64 {
    xxh64(bytes, 0)
}

/// The point of an address of several parts. Each part, the domain first, goes in with its length in bytes (64
/// bits, little-endian) before it, so that ("ab", "c") and ("a", "bc") are different addresses. One domain per kind
/// of address keeps a topic and a cache address of the same name apart.
pub fn hash_parts(domain: &str, parts: &[&str]) -> Token {
    let parts = || std::iter::once(&domain).chain(parts);
    let mut bytes = Vec::with_capacity(parts().map(|part| part.len() + size_of::<u64>()).sum());
    for part in parts() {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    Token(hash64(&bytes))
}

/// The point of a topic's partition key.
pub fn partition_hash(topic: &str, key: &str) -> Token {
    hash_parts(PARTITION_DOMAIN, &[topic, key])
}

/// The point of a cache line's address.
pub fn address_hash(address: &str) -> Token {
    hash_parts(CACHE_DOMAIN, &[address])
}

/// A point on the ring. Clockwise is upwards; after the largest comes 0. In JSON 16 hexadecimal digits, as it is
/// shown: a JSON number above 2^53 is another one for most readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, pattern = "^[0-9a-f]{16}$"))]
#[serde(transparent)]
pub struct Token(#[serde(with = "hex")] pub u64);

impl Token {
    /// The point of some bytes: their [`hash64`].
    pub const fn of(bytes: &[u8]) -> Token {
        Token(hash64(bytes))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Text that is no point on the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is 16 hexadecimal digits")]
pub struct NotAToken;

impl FromStr for Token {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        hex::parse(text).map(Token).ok_or(NotAToken)
    }
}
