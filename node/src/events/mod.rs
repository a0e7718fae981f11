//! From facts to streams: the recorder stamps facts as they happen, the hub keeps them in a bounded ring and hands
//! them to readers in batches that are serialised once.
//!
//! Invariant: recording never blocks and never waits for a reader. What a reader misses, it is told.

mod burst;
mod chosen;
mod hub;
mod pulse;
mod reader;
mod recorder;
mod ring;
mod weight;

#[cfg(test)]
mod tests;

pub use burst::Tables;
pub use chosen::Chosen;
pub use hub::{Hub, HubFigures, Introduced, Known, ReaderGuard, Source};
pub use reader::serve_reader;
pub use recorder::{ClockBound, Recorder};
