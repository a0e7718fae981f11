//! A medium in memory that needs nothing: what was not synced is gone after a crash, or there as a whole.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use orrery_base::ids::{GroupId, LogIndex};
use orrery_engine::host::{Recovered, Write};

use super::store::Store;
use crate::runtime::{SplitMix, SyncCell};

/// How likely it is, in a thousand, that a batch whose sync was under way is there after a crash.
const BEGUN_PER_MILLE: u64 = 500;

/// Clones are the same medium.
#[derive(Clone, Default)]
pub struct MemoryMedium(Arc<SyncCell<Image>>);

#[derive(Default)]
struct Image {
    /// What a crash leaves for sure.
    durable: Rows,
    /// What a process sees: the same and what is not synced yet.
    cached: Rows,
    /// Batches that were written and not synced, in their order.
    unsynced: Vec<Vec<Write>>,
    files: Files,
    /// Which opening may write: a process that died writes no more.
    opening: u64,
}

#[derive(Clone, Default)]
struct Rows {
    groups: BTreeMap<GroupId, GroupRows>,
    values: BTreeMap<&'static str, Bytes>,
}

#[derive(Clone, Default)]
struct GroupRows {
    entries: BTreeMap<LogIndex, Bytes>,
    vote: Option<Bytes>,
    given_up: Option<Bytes>,
    committed: Option<Bytes>,
    purged: Option<Bytes>,
    snapshot: Option<(String, Bytes)>,
}

type Path = (GroupId, String);

#[derive(Default)]
struct Files {
    present: BTreeMap<Path, Vec<Bytes>>,
    writing: BTreeMap<u64, Writing>,
    next: u64,
}

struct Writing {
    path: Path,
    chunks: Vec<Bytes>,
    /// It has its name, only the folder was not synced yet.
    renamed: bool,
}

impl Rows {
    fn apply(&mut self, write: &Write) {
        match write {
            Write::Entries { group, entries } => {
                self.group(*group).entries.extend(entries.iter().cloned());
            }
            Write::TruncateAfter { group, after } => {
                let rows = self.group(*group);
                rows.entries.retain(|index, _| after.is_some_and(|after| *index <= after));
            }
            Write::Purge { group, through, log_id } => {
                let rows = self.group(*group);
                rows.entries.retain(|index, _| index > through);
                rows.purged = Some(log_id.clone());
            }
            Write::Vote { group, vote } => self.group(*group).vote = Some(vote.clone()),
            Write::Committed { group, log_id } => self.group(*group).committed.clone_from(log_id),
            Write::SnapshotPointer { group, name, meta } => {
                self.group(*group).snapshot = Some((name.clone(), meta.clone()));
            }
            Write::Forget { group, given_up } => {
                let rows = self.group(*group);
                let given_up = given_up.clone().or_else(|| rows.given_up.take());
                *rows = GroupRows { vote: rows.vote.take(), given_up, ..GroupRows::default() };
            }
            Write::Node { key, value } => {
                self.values.insert(key, value.clone());
            }
        }
    }

    fn group(&mut self, group: GroupId) -> &mut GroupRows {
        self.groups.entry(group).or_default()
    }
}

impl Image {
    /// The first so many batches are durable.
    fn complete(&mut self, count: usize) {
        for write in self.unsynced.drain(..count).flatten() {
            self.durable.apply(&write);
        }
    }
}

impl MemoryMedium {
    /// Opens it for a boot of its node; whoever had it open before can no longer touch it.
    pub fn open(&self) -> MemoryStore {
        let mut image = self.0.borrow_mut();
        image.opening += 1;
        MemoryStore { medium: self.clone(), opening: image.opening }
    }

    /// The machine stops: what was not synced is lost, or there by luck.
    pub fn crash(&self, rng: &mut SplitMix) {
        let mut image = self.0.borrow_mut();
        let begun = image.unsynced.len();
        let kept = (0..begun).take_while(|_| rng.chance(BEGUN_PER_MILLE)).count();
        image.complete(kept);
        image.unsynced.clear();
        image.cached = image.durable.clone();
        image.opening += 1;
        for (_, writing) in std::mem::take(&mut image.files.writing) {
            if writing.renamed && rng.chance(BEGUN_PER_MILLE) {
                image.files.present.insert(writing.path, writing.chunks);
            }
        }
    }
}

/// One boot's view of a [`MemoryMedium`].
pub struct MemoryStore {
    medium: MemoryMedium,
    opening: u64,
}

impl MemoryStore {
    /// Looks at the image or changes it, while this is the boot that has it open.
    fn with<T>(&self, act: impl FnOnce(&mut Image) -> T) -> io::Result<T> {
        let mut image = self.medium.0.borrow_mut();
        if image.opening != self.opening {
            return Err(io::Error::other("the process died"));
        }
        Ok(act(&mut image))
    }

    fn file<T>(&self, number: u64, act: impl FnOnce(&mut Writing) -> T) -> io::Result<T> {
        self.with(|image| image.files.writing.get_mut(&number).map(act))?.ok_or_else(not_found)
    }
}

fn not_found() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Store for MemoryStore {
    fn commit(&self, batch: Vec<Write>) -> io::Result<()> {
        self.with(|image| {
            batch.iter().for_each(|write| image.cached.apply(write));
            image.unsynced.push(batch);
        })
    }

    fn synced(&self) -> io::Result<()> {
        self.with(|image| image.complete(image.unsynced.len()))
    }

    fn recover(&self, group: GroupId) -> io::Result<Recovered> {
        self.with(|image| {
            let Some(rows) = image.cached.groups.get(&group) else { return Recovered::default() };
            let first = rows.entries.first_key_value().map(|(index, _)| *index);
            let last = rows.entries.last_key_value().map(|(index, _)| *index);
            Recovered {
                vote: rows.vote.clone(),
                given_up: rows.given_up.clone(),
                committed: rows.committed.clone(),
                purged: rows.purged.clone(),
                entries: first.zip(last),
                snapshot: rows.snapshot.clone(),
            }
        })
    }

    fn entries(&self, group: GroupId, range: Range<LogIndex>) -> io::Result<Vec<(LogIndex, Bytes)>> {
        self.with(|image| {
            let rows = image.cached.groups.get(&group).map(|rows| rows.entries.range(range));
            rows.into_iter().flatten().map(|(index, bytes)| (*index, bytes.clone())).collect()
        })
    }

    fn node_value(&self, key: &'static str) -> io::Result<Option<Bytes>> {
        self.with(|image| image.cached.values.get(key).cloned())
    }

    fn begin_file(&self, group: GroupId, name: &str) -> u64 {
        let writing = Writing { path: (group, name.to_owned()), chunks: Vec::new(), renamed: false };
        let begun = self.with(|image| {
            image.files.next += 1;
            image.files.writing.insert(image.files.next, writing);
            image.files.next
        });
        // A number that no file has: whoever died writes nothing.
        begun.unwrap_or(0)
    }

    fn append(&self, number: u64, chunk: &[u8]) -> io::Result<()> {
        self.file(number, |writing| writing.chunks.push(Bytes::copy_from_slice(chunk)))
    }

    fn rename_file(&self, number: u64) {
        let _ = self.file(number, |writing| writing.renamed = true);
    }

    fn finish_file(&self, number: u64) {
        let _ = self.with(|image| {
            if let Some(Writing { path, chunks, .. }) = image.files.writing.remove(&number) {
                image.files.present.insert(path, chunks);
            }
        });
    }

    fn read_file(&self, group: GroupId, name: &str) -> io::Result<Vec<Bytes>> {
        let found = self.with(|image| image.files.present.get(&(group, name.to_owned())).cloned())?;
        found.ok_or_else(not_found)
    }

    fn prune_files(&self, group: GroupId, keep: Option<&str>) {
        let _ = self.with(|image| {
            image.files.present.retain(|(other, name), _| *other != group || Some(name.as_str()) == keep);
        });
    }
}
