//! The native node.

pub mod dashboard;
