//! Raft groups on openraft and the services on top of them, generic over a [`host::Host`].

pub mod config;
pub mod host;
mod lock_service;
mod node;
mod types;

pub use config::{EngineConfig, Profile};
pub use lock_service::LockService;
pub use node::{Engine, Formed, Local, ProposeError, ReadError, StartError, StaticPeer};
pub use types::Types;
