//! Raft groups on openraft and the services on top of them, generic over a [`host::Host`].
//!
//! Four rooms, each of which needs only those before it: [`peer`] (messages between nodes), [`raft`] (one group), [`cluster`]
//! (which nodes are one cluster and who has which shard), [`service`] (what clients ask for). [`Engine`] puts them together.

mod answer;
mod cluster;
pub mod codec;
pub mod config;
mod disk;
mod engine;
mod error;
pub mod group_commit;
pub mod host;
mod local;
mod peer;
mod raft;
mod service;
mod sync;
#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests;
pub mod timer;
pub mod types;

pub use cluster::identity::formed_on_disk;
pub use cluster::{backup, refound};
pub use config::{EngineConfig, Profile};
pub use engine::Engine;
pub use error::{ProposeError, ReadError, StartError};
pub use local::{Formed, Local, StaticPeer};
pub use peer::client::{NOT_SENT_CUT, NOT_SENT_OVERFLOW};
pub use raft::confirm::Leadership;
pub use raft::publish::Publisher;
pub use raft::{log, state};
pub use service::cache::CacheService;
pub use service::lock::LockService;
pub use service::pipeline::{Caller, Serve};
pub use service::queue::{QueueService, QueueTotals};
pub use types::Types;
