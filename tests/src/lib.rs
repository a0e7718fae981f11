//! The deterministic simulation. The tests themselves are in `tests/`.

pub mod sim;
