//! Real processes for tests, and a client for their HTTP. The tests are elsewhere.

pub mod cluster;
pub mod demo;
pub mod http;
pub mod process;
