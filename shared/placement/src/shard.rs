//! Shards: equal arcs of the ring.

use orrery_base::ids::GroupId;

use super::hash::Token;

/// Width of the hash space in bits.
const SPACE_BITS: u32 = u64::BITS;

/// Where a shard's arc ends: shard i of S has i · 2^64 / S, rounded down, so that shard S is at 0. The arc begins
/// after the token of the shard before it.
pub const fn shard_token(shard: GroupId, shards: u16) -> Token {
    if shards == 0 {
        return Token(0);
    }
    // Truncation is the wrap: i = S gives 2^64, which is the point 0.
    Token((((shard.0 as u128) << SPACE_BITS) / shards as u128) as u64)
}

/// The shard of a point: the one whose token is the first at it or clockwise of it. Constant time. Where there are
/// no shards, everything belongs to the control group.
pub const fn shard_of(hash: Token, shards: u16) -> GroupId {
    if hash.0 == 0 {
        return GroupId(shards);
    }
    // The smallest i with floor(i · 2^64 / S) >= h is the smallest with i · 2^64 / S >= h, because h is whole: h ·
    // S / 2^64 rounded up. At most S, because h < 2^64.
    let scaled = hash.0 as u128 * shards as u128;
    GroupId(((scaled + u64::MAX as u128) >> SPACE_BITS) as u16)
}
