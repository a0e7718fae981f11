//! One Raft group on openraft: its log, its state machine, its network, its timers, and the tasks that keep it.
//!
//! What a command means is the state machine's; here only its size and how long it runs on the lease clock count. A service
//! follows a group through [`watch::Watcher`].

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
