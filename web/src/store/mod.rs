//! The recording of everything that streams brought, and the playback that shows one moment of it.

pub mod playback;

pub use playback::{Control, Origin, Playback};
