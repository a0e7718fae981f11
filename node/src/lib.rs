//! The native node.

pub mod dashboard;
pub mod storage;
