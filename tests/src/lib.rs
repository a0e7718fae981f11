//! Tests against the whole system.

pub mod sim;
