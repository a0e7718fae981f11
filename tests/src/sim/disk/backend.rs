//! The file under redb, in memory, with what a crash may do to it.
//!
//! The model: a write is in the page cache at once and on the disk some time before the end of the next
//! sync. A crash keeps everything before the last completed sync; of what came after, every sector is on
//! the disk in any of its versions, independently of all others: writes are dropped, reordered and torn.
//! A sector (512 bytes) itself is atomic, as redb assumes ("powersafe overwrite").

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use orrery_sim::runtime::SplitMix;

/// What a disk writes or does not write as a whole.
pub const SECTOR_BYTES: usize = 512;

/// A file that survives crashes of its node; clones are the same file.
#[derive(Clone, Debug, Default)]
pub struct CrashFile(Arc<Mutex<Image>>);

#[derive(Debug, Default)]
struct Image {
    /// What a process sees.
    cached: Vec<u8>,
    /// What is on the disk for sure.
    durable: Vec<u8>,
    /// Not yet on the disk for sure: one item for each sync that was begun, and a last one for what came
    /// after.
    unsynced: Vec<Vec<Change>>,
    /// Which opening may write: a process that died writes no more.
    opening: u64,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl CrashFile {
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the file for a process; whoever had it open before can no longer touch it.
    pub fn open(&self) -> OpenFile {
        let mut image = self.image();
        image.opening += 1;
        OpenFile { file: self.clone(), opening: image.opening }
    }

    /// The syncs that were begun are complete: what they cover is on the disk.
    pub fn complete_syncs(&self) {
        let mut image = self.image();
        let rest = image.unsynced.pop().unwrap_or_default();
        let begun = std::mem::take(&mut image.unsynced);
        for change in begun.iter().flatten() {
            apply(&mut image.durable, change);
        }
        image.unsynced = vec![rest];
    }

    /// The machine stops. Of the syncs that were begun, any number completed in their order; what the next
    /// one covers is dropped, torn and reordered; what came after it was never written.
    pub fn crash(&self, rng: &mut SplitMix) {
        let mut image = self.image();
        let unsynced = std::mem::take(&mut image.unsynced);
        let completed = rng.range(0..unsynced.len() as u64 + 1) as usize;
        for change in unsynced.iter().take(completed).flatten() {
            apply(&mut image.durable, change);
        }
        if let Some(torn) = unsynced.get(completed) {
            tear(&mut image.durable, torn, rng);
        }
        image.cached = image.durable.clone();
        image.opening += 1;
    }

    /// What is on the disk for sure.
    pub fn durable(&self) -> Vec<u8> {
        self.image().durable.clone()
    }

    /// The disk has this from now on, and no process has it open.
    pub fn replace(&self, bytes: Vec<u8>) {
        let mut image = self.image();
        *image =
            Image { cached: bytes.clone(), durable: bytes, unsynced: Vec::new(), opening: image.opening + 1 };
    }

    fn image(&self) -> MutexGuard<'_, Image> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(disk: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes } => {
            let end = offset + bytes.len();
            if disk.len() < end {
                disk.resize(end, 0);
            }
            disk[*offset..end].copy_from_slice(bytes);
        }
        Change::Length(length) => disk.resize(*length, 0),
    }
}

/// Each sector of the changed range in one of the versions that it had, each length change or none.
fn tear(disk: &mut Vec<u8>, changes: &[Change], rng: &mut SplitMix) {
    // Some crashes lose everything, some nearly nothing: both are likelier to find a mistake than halves.
    let kept_per_mille = [0, 100, 500, 900, 1000][rng.range(0..5) as usize];
    let mut versions: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Length(length) if rng.chance(kept_per_mille) => disk.resize(*length, 0),
            Change::Length(_) => {}
            Change::Write { offset, bytes } => {
                let end = offset + bytes.len();
                for sector in offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
                    let start = sector * SECTOR_BYTES;
                    let (from, to) = (start.max(*offset), (start + SECTOR_BYTES).min(end));
                    let known = versions.entry(sector).or_default();
                    let mut next = known.last().cloned().unwrap_or_else(|| {
                        let mut old = vec![0; SECTOR_BYTES];
                        let present = disk.get(start..disk.len().min(start + SECTOR_BYTES)).unwrap_or(&[]);
                        old[..present.len()].copy_from_slice(present);
                        old
                    });
                    next[from - start..to - start].copy_from_slice(&bytes[from - offset..to - offset]);
                    known.push(next);
                }
            }
        }
    }
    for (sector, versions) in versions {
        if rng.chance(kept_per_mille)
            && let Some(bytes) = rng.pick(&versions)
        {
            apply(disk, &Change::Write { offset: sector * SECTOR_BYTES, bytes: bytes.clone() });
        }
    }
}

/// The file as one process has it open.
#[derive(Debug)]
pub struct OpenFile {
    file: CrashFile,
    opening: u64,
}

impl OpenFile {
    fn image(&self) -> io::Result<MutexGuard<'_, Image>> {
        let image = self.file.image();
        if image.opening == self.opening { Ok(image) } else { Err(io::Error::other("the process died")) }
    }
}

impl Image {
    fn change(&mut self, change: Change) {
        apply(&mut self.cached, &change);
        if self.unsynced.is_empty() {
            self.unsynced.push(Vec::new());
        }
        if let Some(open) = self.unsynced.last_mut() {
            open.push(change);
        }
    }
}

impl StorageBackend for OpenFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.image()?.cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let image = self.image()?;
        let offset = offset as usize;
        let bytes = image.cached.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.image()?.change(Change::Length(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.image()?.unsynced.push(Vec::new());
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.image()?.change(Change::Write { offset: offset as usize, bytes: data.to_vec() });
        Ok(())
    }
}
