//! Raft groups on openraft and the services on top of them, generic over a [`host::Host`].

mod batch;
mod clock;
pub mod codec;
pub mod config;
mod due;
mod follow;
mod formation;
mod group;
mod heartbeats;
pub mod host;
mod housekeeping;
mod identity;
mod line;
mod lock_service;
pub mod log;
mod moves;
mod network;
mod node;
mod patience;
mod peer;
mod prefer;
mod propose;
mod publish;
mod queue_service;
mod requests;
mod serve;
mod shards;
mod signal;
mod silence;
pub mod state;
mod status;
mod summary;
#[cfg(test)]
mod tests;
pub mod timer;
pub mod types;
mod version;
mod waits;

pub use config::{EngineConfig, Profile};
pub use identity::formed_on_disk;
pub use lock_service::LockService;
pub use network::{NOT_SENT_CUT, NOT_SENT_OVERFLOW};
pub use node::{Engine, Formed, Local, ProposeError, ReadError, StartError, StaticPeer};
pub use publish::Publisher;
pub use queue_service::{QueueService, QueueTotals};
pub use types::Types;
