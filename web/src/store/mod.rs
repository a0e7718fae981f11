//! The recording of everything that streams brought, and the playback that shows one moment of it.

pub mod flights;
pub mod marks;
pub mod playback;
pub mod publishes;
pub mod recording;
pub mod runtime;
#[cfg(test)]
mod tests;

pub use playback::{Control, Origin, Playback};
