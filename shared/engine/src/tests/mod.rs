//! The engine in a world of memory, and its log and state machine under openraft's suite.
#![allow(clippy::unwrap_used)]

mod batch;
mod cache;
mod cluster;
mod digest;
mod golden;
mod heartbeats;
mod members;
mod queue;
mod queue_groups;
mod rebalance;
mod refused;
mod rollback;
mod shards;
mod stream;
mod suite;
mod waits;
mod world;
