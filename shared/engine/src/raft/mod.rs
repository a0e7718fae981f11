//! One Raft group on openraft: its log, its state machine, its network, its timers, and the tasks that keep it.
//!
//! Commands are opaque here. What a service wants to know of a group it hears through [`watch::Watcher`].

pub mod batch;
pub mod clock;
pub mod confirm;
pub mod due;
pub mod group;
pub mod history;
pub mod line;
pub mod log;
pub mod network;
pub mod publish;
pub mod running;
pub mod state;
pub mod unlogged;
pub mod waits;
pub mod watch;
