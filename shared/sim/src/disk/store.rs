//! What is below a simulated disk: it keeps bytes, and a crash of its machine forgets those that were not synced.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use orrery_base::ids::{GroupId, LogIndex};
use orrery_engine::host::{Recovered, Write};

/// What a machine keeps, as one boot of its node has it open. A boot that died can no longer touch it.
pub trait Store: Send + Sync + 'static {
    /// Writes a batch: all of it is there after a crash, or nothing. For sure it is after [`Store::synced`].
    fn commit(&self, batch: Vec<Write>) -> io::Result<()>;
    /// The sync of the last batch is complete. Called before anybody is told.
    fn synced(&self) -> io::Result<()>;
    /// What a group finds after a restart.
    fn recover(&self, group: GroupId) -> io::Result<Recovered>;
    /// Entries of `range` that are present, in order.
    fn entries(&self, group: GroupId, range: Range<LogIndex>) -> io::Result<Vec<(LogIndex, Bytes)>>;
    /// A value of the node itself.
    fn node_value(&self, key: &'static str) -> io::Result<Option<Bytes>>;

    /// Begins a snapshot file; it is there after [`Store::finish_file`]. Its number.
    fn begin_file(&self, group: GroupId, name: &str) -> u64;
    fn append(&self, number: u64, chunk: &[u8]) -> io::Result<()>;
    /// The file is complete, synced, and gets its name: whether that one is on the medium is open before [`Store::finish_file`].
    fn rename_file(&self, number: u64);
    /// The file is synced, has its name, and the folder is synced.
    fn finish_file(&self, number: u64);
    /// Reads a snapshot file back.
    fn read_file(&self, group: GroupId, name: &str) -> io::Result<Vec<Bytes>>;
    /// Removes all of a group's files but that one.
    fn prune_files(&self, group: GroupId, keep: Option<&str>);
}
