//! The dashboard in a real browser, on a real cluster. Run with `--test-threads=1`: a cluster of five and a browser
//! are enough for two cores.
#![allow(clippy::unwrap_used)]

mod cache;
mod checker;
mod console;
mod dash;
mod hosts;
mod locks;
mod looks;
mod names;
mod nodes;
mod overlaps;
mod partial;
mod queue;
mod ring;
mod time;
mod truth;
