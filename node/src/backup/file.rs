//! A backup file:
//!
//! ```text
//! "ORRBKUP1" | of each group, the control group first: a snapshot file, whose first chunk is its BackupHead
//!            | "ORRBKEND" | number of groups u32 | XXH64 of the groups' checksums u64
//! ```
//!
//! Numbers are little-endian. A file that was cut, or of which anything changed, is refused when it is read.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use orrery_base::ids::GroupId;
use orrery_engine::backup::BackupHead;
use orrery_machine::{Decoder, Machine};
use xxhash_rust::const_xxh64::xxh64;

use crate::storage::ChunkReader;

/// First bytes of a backup.
pub(super) const MAGIC: &[u8; 8] = b"ORRBKUP1";
const END: &[u8; 8] = b"ORRBKEND";

/// What stands at the end, from the checksums of the groups.
pub(super) fn end(sums: &[u64]) -> Vec<u8> {
    let count = u32::try_from(sums.len()).unwrap_or(u32::MAX);
    let all: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
    [&END[..], &count.to_le_bytes(), &xxh64(&all, 0).to_le_bytes()].concat()
}

/// Reads a backup, group by group.
pub(super) struct Reader {
    from: BufReader<File>,
    sums: Vec<u64>,
    first: Option<BackupHead>,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Reader> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut from = BufReader::new(file);
        let mut magic = [0; 8];
        let begins = from.read_exact(&mut magic).is_ok() && magic == *MAGIC;
        ensure!(begins, "{} is no backup of Orrery", path.display());
        Ok(Reader { from, sums: Vec::new(), first: None })
    }

    /// The next group; none at the end, when everything fitted. Groups come in order, the control group first.
    pub(super) fn group(&mut self) -> Result<Option<(BackupHead, Machine)>> {
        let mut first = [0; 8];
        self.from.read_exact(&mut first).context("the backup ends early: it is not complete")?;
        if first == *END {
            return self.end().map(|()| None);
        }
        ensure!(ChunkReader::<BufReader<File>>::begins(&first), "the backup is damaged: a group is expected");
        let mut chunks = ChunkReader::after_magic(&mut self.from);
        let head = chunks.chunk()?.context("the backup is damaged: a group has no head")?;
        let head = BackupHead::decode(&head).context("the backup is damaged")?;
        let mut decoder = Decoder::default();
        while let Some(chunk) = chunks.chunk()? {
            decoder.take(&chunk).with_context(|| format!("group {} of the backup", head.group))?;
        }
        let sum = chunks.sum();
        let machine = decoder.finish().with_context(|| format!("group {} of the backup", head.group))?;
        let expected = GroupId(u16::try_from(self.sums.len()).unwrap_or(u16::MAX));
        ensure!(
            head.group == expected && machine.group() == expected,
            "the backup is damaged: it has group {} where {expected} should be",
            head.group
        );
        if let Some(first) = &self.first {
            ensure!(first.cluster == head.cluster, "the backup has groups of two clusters");
        }
        self.first.get_or_insert_with(|| head.clone());
        self.sums.push(sum);
        Ok(Some((head, machine)))
    }

    fn end(&mut self) -> Result<()> {
        let mut rest = Vec::new();
        self.from.read_to_end(&mut rest)?;
        if [&END[..], &rest].concat() != end(&self.sums) {
            bail!("the backup is damaged: its end does not fit to its groups");
        }
        let Some(first) = &self.first else { bail!("the backup has no group") };
        ensure!(
            self.sums.len() == usize::from(first.shards) + 1,
            "the backup has {} of {} groups",
            self.sums.len(),
            first.shards + 1
        );
        Ok(())
    }
}
