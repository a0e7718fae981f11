//! Tests against the whole system: the harness. The tests themselves are in `tests/`.

pub mod browser;
pub mod cluster;
pub mod demo;
pub mod linear;
pub mod process;
pub mod sim;
