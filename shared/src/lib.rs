//! What runs in the node and in the browser.
//!
//! Invariant: nothing here opens a socket or a file, reads a clock or asks the operating system for
//! randomness. Time and randomness are arguments. The engine (feature `engine`) gets them from its
//! [`engine::host::Host`].

pub mod api;
pub mod cache;
pub mod error;
pub mod event;
pub mod hlc;
pub mod ids;
pub mod lock;
pub mod machine;
pub mod names;
mod pages;
pub mod placement;
pub mod queue;
pub mod sorted;

#[cfg(feature = "engine")]
pub mod engine;
