//! The node's disk: votes, entries and pointers in one redb file, snapshots as files beside it.
//!
//! ```text
//! <data>/lock                      held while a process uses the directory
//! <data>/orrery.redb               rows of all groups (see `rows`)
//! <data>/orrery.mark               which transaction was acknowledged last (see `mark`)
//! <data>/snapshots/<group>/<name>  snapshot files (see `snapshot_file`)
//! ```
//!
//! [`Store`] is the storage itself and knows no thread: the native node runs it behind one thread
//! ([`NativeDisk`]), the simulator runs the same code in virtual time over a backend that drops or tears
//! what was not synced.
//!
//! Invariant: nothing here knows what a vote or an entry means; it keeps bytes.

mod error;
mod held;
mod mark;
mod native;
mod rows;
mod snapshot_file;
mod snapshots;
mod store;

pub use error::StorageError;
pub use native::{NativeDisk, NativeSnapshot};
pub use snapshot_file::{ChunkReader, Encoder as SnapshotEncoder, decode as decode_snapshot};
pub use store::{CACHE_BYTES, FORMAT_VERSION, Store};
