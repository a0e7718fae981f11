//! The simulated disk: the product's [`orrery::storage::Store`] over a file that drops or tears what was not
//! synced, committed in virtual time.

mod backend;
mod device;
mod files;

pub use backend::{CrashFile, OpenFile, SECTOR_BYTES};
pub use device::{DiskFaults, DiskWatch, Folder, Machine, SimDisk};
pub use files::SnapshotFiles;
