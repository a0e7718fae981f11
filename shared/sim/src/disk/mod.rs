//! A node's disk in virtual time. [`SimDisk`] has the batches and their syncs; where the bytes are, and what a crash leaves of
//! them, is the business of a [`Store`]: of a [`MemoryMedium`], or in the tests the node's own storage over a file that crashes.

mod device;
mod memory;
mod store;

pub use device::{SimDisk, SimSnapshot};
pub use memory::{MemoryMedium, MemoryStore};
pub use store::Store;
