//! The disk of the tests: the simulated one, with the node's own [`orrery::storage::Store`] below, over a file that drops or tears
//! what was not synced.

mod backend;
mod files;
mod machine;
mod watched;

pub use backend::{CrashFile, OpenFile, SECTOR_BYTES};
pub use files::SnapshotFiles;
pub use machine::{Folder, Machine, Storage};
pub use watched::{DiskWatch, WatchedDisk};
