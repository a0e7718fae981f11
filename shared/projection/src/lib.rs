//! The state of the whole cluster at one moment of the view clock: snapshots and facts in, a [`view::View`] out.
//!
//! The page draws it and the tests compare it with what the nodes have.

mod consistency;
mod effect;
pub mod fold;
mod fold_cache;
mod fold_group;
pub mod fold_locks;
mod fold_queues;
mod fold_ring;
pub mod view;

pub use effect::Effect;
