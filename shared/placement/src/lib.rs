//! Where data lies: the consistent-hash ring and the shard map. Pure: the same members, weights and constants give
//! the same placement on every node and in the browser.
//!
//! The hash space is the 2^64 values of [`hash64`], drawn as a circle. Three kinds of points lie on it:
//!
//! - **virtual nodes** ([`Ring`]): each member has [`VIRTUAL_NODES`] of them unless its weight says otherwise;
//! - **shard tokens** ([`shard_token`]): S equal arcs, so that a key's shard is one multiplication ([`shard_of`]);
//! - **keys**: a topic and partition key hash to a point ([`partition_hash`]) and belong to the first shard token at it
//!   or clockwise of it.
//!
//! A shard's replicas are the first R distinct nodes clockwise of its token that have room ([`ShardMap::place`]).
//! That is consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam, 2018) with a fixed bound per
//! node, [`Bounds`]. [`Walk`] shows that search for one key, [`Change`] what differs between two placements.
//!
//! Invariant: nothing here depends on the order in which members are given, on a clock or on a random number.

mod assign;
mod bounds;
mod change;
mod consistency;
mod draft;
mod golden;
mod hash;
mod map;
mod ring;
mod shard;
mod stand_in;
mod table;
mod view;
mod walk;

pub use bounds::Bounds;
pub use change::{Balance, Change, Move};
pub use draft::{Skip, SkipReason};
pub use golden::golden;
pub use hash::{NotAToken, Token, address_hash, hash_parts, hash64, partition_hash};
pub use map::{Load, ShardMap, ShardPlacement};
pub use ring::{
    NodeShare, RING_NODES_MAX, Ring, RingError, RingNode, VIRTUAL_NODES, VirtualNode, WEIGHT_MAX,
};
pub use shard::{shard_of, shard_token};
pub use table::{PlacedShard, ShardTable};
pub use view::{PastRing, RingView, Way, change, ring_of};
pub use walk::{StepOutcome, Walk, WalkStep};
