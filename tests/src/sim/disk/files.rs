//! Snapshot files with the same rule: what was not synced may be lost or torn.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use orrery::storage::{SnapshotEncoder, decode_snapshot};
use orrery_base::ids::GroupId;

use orrery_sim::runtime::SplitMix;

/// The ending of a file that has not got its name yet, as in the product.
const TEMPORARY: &str = ".part";

type Path = (GroupId, String);

/// A file that has no name yet.
#[derive(Clone, Debug)]
struct Writing {
    path: Path,
    encoder: Option<SnapshotEncoder>,
    bytes: Vec<u8>,
}

/// A node's snapshot folder. Survives crashes.
#[derive(Clone, Debug, Default)]
pub struct SnapshotFiles {
    present: BTreeMap<Path, Bytes>,
    /// Being written: what a crash leaves of them is open.
    writing: BTreeMap<u64, Writing>,
    next: u64,
    /// Removed, but the folder was not synced since: a crash may bring them back.
    removed: BTreeMap<Path, Bytes>,
}

impl SnapshotFiles {
    /// Begins to write a file; it is there after [`SnapshotFiles::finish`]. Its number.
    pub fn begin(&mut self, group: GroupId, name: &str) -> u64 {
        let (encoder, first) = SnapshotEncoder::begin();
        let path = (group, name.to_owned());
        self.next += 1;
        self.writing.insert(self.next, Writing { path, encoder: Some(encoder), bytes: first.to_vec() });
        self.next
    }

    pub fn append(&mut self, number: u64, chunk: &[u8]) -> io::Result<()> {
        let writing = self.writing.get_mut(&number).ok_or_else(not_found)?;
        let head = writing.encoder.as_mut().ok_or_else(not_found)?.chunk(chunk)?;
        writing.bytes.extend(head);
        writing.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// It is complete, synced, and gets its name: whether that one is on the disk is open before
    /// [`SnapshotFiles::finish`].
    pub fn rename(&mut self, number: u64) {
        if let Some(writing) = self.writing.get_mut(&number)
            && let Some(encoder) = writing.encoder.take()
        {
            writing.bytes.extend(encoder.end());
        }
    }

    /// The file is synced, has its name, and the folder is synced.
    pub fn finish(&mut self, number: u64) {
        if let Some(Writing { path, bytes, .. }) = self.writing.remove(&number) {
            self.removed.retain(|(other, _), _| *other != path.0);
            self.present.insert(path, Bytes::from(bytes));
        }
    }

    /// Reads a file back.
    pub fn read(&self, group: GroupId, name: &str) -> io::Result<Vec<Bytes>> {
        let bytes = self.present.get(&(group, name.to_owned()));
        Ok(decode_snapshot(bytes.cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?)?)
    }

    /// Removes all of a group but that one.
    pub fn prune(&mut self, group: GroupId, keep: Option<&str>) {
        let (gone, kept) = std::mem::take(&mut self.present)
            .into_iter()
            .partition(|((other, name), _)| *other == group && Some(name.as_str()) != keep);
        self.present = kept;
        self.removed.extend::<BTreeMap<_, _>>(gone);
    }

    pub fn crash(&mut self, rng: &mut SplitMix) {
        for (path, bytes) in std::mem::take(&mut self.removed) {
            if rng.chance(500) {
                self.present.entry(path).or_insert(bytes);
            }
        }
        for (number, writing) in std::mem::take(&mut self.writing) {
            let Writing { path: (group, name), encoder, bytes } = writing;
            let bytes = Bytes::from(bytes);
            match rng.range(0..3) {
                // Nothing of it.
                0 => {}
                // All of it: renamed, only the folder was not synced yet.
                1 if encoder.is_none() => {
                    self.present.insert((group, name), bytes);
                }
                // A part of it, under its temporary name.
                _ => {
                    let length = rng.range(0..bytes.len() as u64 + 1) as usize;
                    self.present
                        .insert((group, format!("{name}.{number}{TEMPORARY}")), bytes.slice(..length));
                }
            }
        }
    }
}

fn not_found() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}
