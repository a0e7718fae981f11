//! The panels at the right, one folder each.

pub mod cache;
pub mod feed;
pub mod inspect;
pub mod locks;
pub mod log;
pub mod queue;
