//! Snapshot files with the same rule: what was not synced may be lost or torn.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;

use orrery::storage::{decode_snapshot, encode_snapshot};
use orrery_shared::ids::GroupId;

use crate::sim::runtime::SplitMix;

/// The ending of a file that has not got its name yet, as in the product.
const TEMPORARY: &str = ".part";

type Path = (GroupId, String);

/// A node's snapshot folder. Survives crashes.
#[derive(Debug, Default)]
pub struct SnapshotFiles {
    present: BTreeMap<Path, Bytes>,
    /// Being written: what a crash leaves of them is open.
    writing: BTreeMap<Path, Bytes>,
    /// Removed, but the folder was not synced since: a crash may bring them back.
    removed: BTreeMap<Path, Bytes>,
}

impl SnapshotFiles {
    /// Begins to write a file; it is there after [`SnapshotFiles::finish`].
    pub fn begin(&mut self, group: GroupId, name: &str, chunks: &[Bytes]) -> io::Result<()> {
        let bytes = Bytes::from(encode_snapshot(chunks)?.concat());
        self.writing.insert((group, name.to_owned()), bytes);
        Ok(())
    }

    /// The file is synced, has its name, and the folder is synced.
    pub fn finish(&mut self, group: GroupId, name: &str) {
        let path = (group, name.to_owned());
        if let Some(bytes) = self.writing.remove(&path) {
            self.removed.retain(|(other, _), _| *other != group);
            self.present.insert(path, bytes);
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

    /// The machine stops.
    pub fn crash(&mut self, rng: &mut SplitMix) {
        for (path, bytes) in std::mem::take(&mut self.removed) {
            if rng.chance(500) {
                self.present.entry(path).or_insert(bytes);
            }
        }
        for ((group, name), bytes) in std::mem::take(&mut self.writing) {
            match rng.range(0..3) {
                // Nothing of it.
                0 => {}
                // A part of it, under its temporary name.
                1 => {
                    let length = rng.range(0..bytes.len() as u64 + 1) as usize;
                    self.present.insert((group, name + TEMPORARY), bytes.slice(..length));
                }
                // All of it: renamed, only the folder was not synced yet.
                _ => {
                    self.present.insert((group, name), bytes);
                }
            }
        }
    }
}
