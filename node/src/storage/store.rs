//! The storage itself: one redb database, one durable transaction per batch.
//!
//! **Durability.** A batch is committed with `Durability::Immediate` in redb's one-phase mode: the new tree
//! is written to free pages, the commit slot and the primary bit to the header, then ONE sync. Every page is
//! covered by a checksum in its parent up to the commit slot, so a power cut before the end of that sync,
//! in whatever order pages reached the disk, leaves a slot that either verifies completely (the batch is
//! there as a whole) or does not (the one before counts). Two-phase commit would cost a second sync and
//! guards only against checksum collisions made on purpose; quick repair needs two-phase commit and saves a
//! walk over a file that snapshots keep small.
//!
//! **Damage.** redb verifies pages only after an unclean end, and then goes back silently to the commit before where the
//! last one does not verify. So every opening verifies all pages, every transaction has a number in its rows, and the
//! [`mark`](super::mark) keeps the last acknowledged one beside the database: what this node promised is there, or it
//! does not start. Until that is known, nothing that the opening writes reaches the file ([`Held`]).
//!
//! **Layout.** Everything of all groups is in one table, so that a batch touches few pages; the entries of
//! a batch that follow each other share rows ([`rows::RUN_BYTES_MAX`]). `cargo bench -p orrery` compares it
//! with a row for each entry: the sync dominates both, the CPU time per entry is about a third less.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use orrery_base::ids::{GroupId, LogIndex};
use orrery_engine::host::{Recovered, Write};
use redb::{
    Builder, Database, Durability, ReadableDatabase, ReadableTable, StorageBackend, Table, TableDefinition,
};

use super::StorageError;
use super::held::Held;
use super::mark::{Found, Mark};
use super::rows::{self, KEY_BYTES, Kind, RUN_BYTES_MAX};

/// What [`Store::open`] writes into a new database and demands of an old one. Since version 2 transactions have
/// numbers; a database of version 1 becomes one of version 2 when it is opened.
pub const FORMAT_VERSION: u32 = 2;

/// The version before, whose rows are readable.
const FORMAT_BEFORE: u32 = 1;
/// redb's page cache. Entries are read again only after a restart and for peers that lag.
pub const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// Rows of purged entries that one transaction removes at most. A snapshot lets a hundred thousand entries go at once:
/// removing their rows together would keep the votes and entries of all groups waiting for as long as it takes.
const SWEEP_ROWS_MAX: usize = 64;

const ROWS: TableDefinition<&[u8; KEY_BYTES], &[u8]> = TableDefinition::new("rows");
const NODE: TableDefinition<&str, &[u8]> = TableDefinition::new("node");
const FORMAT_KEY: &str = "format";
/// Number of the last transaction that wrote nothing but values of the node.
const TRANSACTION_KEY: &str = "transaction";

type Rows<'txn> = Table<'txn, &'static [u8; KEY_BYTES], &'static [u8]>;

/// A node's rows. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    /// Per group the index of the first entry present and the one that continues the log. Changed only by
    /// `commit`, after its transaction.
    bounds: Mutex<BTreeMap<GroupId, Bounds>>,
    /// Number of the last transaction. Changed only by `commit`.
    number: AtomicU64,
    /// Number of the last acknowledged transaction.
    mark: Mark,
}

/// Where a group's log begins and where it goes on. Empty when both are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bounds {
    first: LogIndex,
    next: LogIndex,
    /// Rows of purged entries may be left: they are removed bit by bit.
    stale: bool,
}

impl Store {
    /// Opens (or creates) the database on a backend, checks its format version, verifies all of it, and compares it with
    /// the mark of the last acknowledged transaction. Where it is refused, the database was not changed.
    ///
    /// # Errors
    /// [`StorageError::Format`] for another version, [`StorageError::Damaged`] for what is not what was written,
    /// [`StorageError::Lost`] where it ends before what was acknowledged, [`StorageError::Database`] when redb cannot
    /// open or repair it.
    pub fn open(database: impl StorageBackend, mark: impl StorageBackend) -> Result<Store, StorageError> {
        let file = Held::new(database);
        let mark = Mark::new(mark);
        let marked = mark.read().map_err(|error| StorageError::io("cannot read the mark", error))?;
        // redb may panic on bytes that it did not write.
        let opened = catch_unwind(AssertUnwindSafe(|| verified(&file)));
        let (database, Contents { bounds, number }) = opened.unwrap_or_else(|_| {
            Err(StorageError::Damaged("the database's own structure is broken".into()))
        })?;
        match marked {
            Found::Number(acknowledged) if number < acknowledged => {
                return Err(StorageError::Lost { found: number, acknowledged });
            }
            Found::Missing | Found::Damaged if number > 0 => {
                return Err(StorageError::Damaged(format!(
                    "the file that says which transaction was acknowledged last is missing or unreadable, and the \
                     database ends with transaction {number}"
                )));
            }
            Found::Number(_) | Found::Missing | Found::Damaged => {}
        }
        let failed = |error| StorageError::io("cannot write the database", error);
        file.release().map_err(failed)?;
        if !matches!(marked, Found::Number(_)) {
            mark.create().map_err(failed)?;
        }
        let (bounds, number) = (Mutex::new(bounds), AtomicU64::new(number));
        Ok(Store { inner: Arc::new(Inner { database, bounds, number, mark }) })
    }

    /// Writes everything in one durable transaction: after it returns, all of it survives a power cut;
    /// when it fails, the caller must stop, because redb cannot know what reached the disk.
    ///
    /// # Errors
    /// [`StorageError::Gap`] when entries do not continue their log, [`StorageError::Database`] when a
    /// write or the sync failed.
    pub fn commit(&self, batch: &[Write]) -> Result<(), StorageError> {
        let mut bounds = self.bounds().clone();
        let number = self.inner.number.load(Ordering::Relaxed) + 1;
        let mut transaction = self.inner.database.begin_write().map_err(redb::Error::from)?;
        transaction.set_durability(Durability::Immediate).map_err(redb::Error::from)?;
        {
            let mut rows = transaction.open_table(ROWS).map_err(redb::Error::from)?;
            let mut writer = Writer { rows: &mut rows, bounds: &mut bounds, run: None };
            for (at, write) in batch.iter().enumerate() {
                match write {
                    Write::Node { key, value } => {
                        let mut node = transaction.open_table(NODE).map_err(redb::Error::from)?;
                        node.insert(*key, &value[..]).map_err(redb::Error::from)?;
                    }
                    Write::Committed { group, .. } if overwritten(&batch[at + 1..], *group) => {}
                    other => writer.write(other)?,
                }
            }
            writer.close_run()?;
            writer.sweep()?;
            let value = number.to_le_bytes();
            match batch.iter().find_map(group_of) {
                // Among rows that the batch writes anyway: no further page.
                Some(group) => writer.put(group, Kind::Transaction, &value)?,
                None => {
                    let mut node = transaction.open_table(NODE).map_err(redb::Error::from)?;
                    node.insert(TRANSACTION_KEY, &value[..]).map_err(redb::Error::from)?;
                }
            }
        }
        transaction.commit().map_err(redb::Error::from)?;
        self.inner.number.store(number, Ordering::Relaxed);
        *self.bounds() = bounds;
        Ok(())
    }

    /// To be called after the sync of a [`Store::commit`] and before anybody is answered: from here on, a database
    /// without that transaction is refused.
    ///
    /// # Errors
    /// [`StorageError::Io`]
    pub fn acknowledge(&self) -> Result<(), StorageError> {
        let number = self.inner.number.load(Ordering::Relaxed);
        self.inner.mark.write(number).map_err(|error| StorageError::io("cannot write the mark", error))
    }

    /// Nothing more is written: the mark reaches the disk too.
    ///
    /// # Errors
    /// [`StorageError::Io`]
    pub fn settle(&self) -> Result<(), StorageError> {
        self.inner.mark.sync().map_err(|error| StorageError::io("cannot sync the mark", error))
    }

    /// What a group finds after a restart.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] or [`StorageError::Database`].
    pub fn recover(&self, group: GroupId) -> Result<Recovered, StorageError> {
        let transaction = self.inner.database.begin_read().map_err(redb::Error::from)?;
        let rows = transaction.open_table(ROWS).map_err(redb::Error::from)?;
        let row = |kind| -> Result<Option<Bytes>, StorageError> {
            let value = rows.get(&rows::key(group, kind, 0)).map_err(redb::Error::from)?;
            Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
        };
        let bounds = self.bounds().get(&group).copied().unwrap_or_default();
        Ok(Recovered {
            vote: row(Kind::Vote)?,
            given_up: row(Kind::GivenUp)?,
            committed: row(Kind::Committed)?,
            purged: row(Kind::Purged)?
                .map(|value| rows::decode_purged(&value).map(|(_, log_id)| log_id))
                .transpose()?,
            entries: (bounds.first < bounds.next).then(|| (bounds.first, bounds.next - 1)),
            snapshot: row(Kind::Snapshot)?.map(|value| rows::decode_snapshot_pointer(&value)).transpose()?,
        })
    }

    /// Entries of `range` that are present, in order.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] or [`StorageError::Database`].
    pub fn entries(
        &self,
        group: GroupId,
        range: Range<LogIndex>,
    ) -> Result<Vec<(LogIndex, Bytes)>, StorageError> {
        let bounds = self.bounds().get(&group).copied().unwrap_or_default();
        let (from, to) = (range.start.max(bounds.first), range.end.min(bounds.next));
        if from >= to {
            return Ok(Vec::new());
        }
        let transaction = self.inner.database.begin_read().map_err(redb::Error::from)?;
        let rows = transaction.open_table(ROWS).map_err(redb::Error::from)?;
        let first_row = row_holding(&rows, group, from)?.map_or(from, |(first, _)| first);
        let keys = rows::key(group, Kind::Entries, first_row)..rows::key(group, Kind::Entries, to);
        let mut entries = Vec::with_capacity((to - from).min(1024) as usize);
        for row in rows.range::<&[u8; KEY_BYTES]>(&keys.start..&keys.end).map_err(redb::Error::from)? {
            let (key, value) = row.map_err(redb::Error::from)?;
            let (_, _, first) = rows::parse_key(key.value());
            // One copy of the row, of which the entries are slices.
            let run = Bytes::copy_from_slice(value.value());
            for (index, entry) in (first..).zip(rows::run_entries(&run)) {
                let entry = run.slice_ref(entry?);
                if (from..to).contains(&index) {
                    entries.push((index, entry));
                }
            }
        }
        if entries.len() as u64 != to - from {
            let found = entries.len();
            return Err(StorageError::Damaged(format!(
                "group {group} has {found} of the entries {from}..{to}"
            )));
        }
        Ok(entries)
    }

    /// A value of the node itself.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub fn node_value(&self, key: &str) -> Result<Option<Bytes>, StorageError> {
        let transaction = self.inner.database.begin_read().map_err(redb::Error::from)?;
        let node = transaction.open_table(NODE).map_err(redb::Error::from)?;
        let value = node.get(key).map_err(redb::Error::from)?;
        Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
    }

    fn bounds(&self) -> MutexGuard<'_, BTreeMap<GroupId, Bounds>> {
        // Replaced as a whole, so a panic elsewhere cannot leave it half changed.
        self.inner.bounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same group's committed log id is written again later in the batch.
fn overwritten(later: &[Write], group: GroupId) -> bool {
    later.iter().any(|write| matches!(write, Write::Committed { group: other, .. } if *other == group))
}

/// Applies writes to the rows within one transaction.
struct Writer<'a, 'txn> {
    rows: &'a mut Rows<'txn>,
    bounds: &'a mut BTreeMap<GroupId, Bounds>,
    /// The row that is being filled: whose, from which index, its bytes.
    run: Option<(GroupId, LogIndex, Vec<u8>)>,
}

impl Writer<'_, '_> {
    fn write(&mut self, write: &Write) -> Result<(), StorageError> {
        match write {
            Write::Entries { group, entries } => self.append(*group, entries),
            Write::TruncateAfter { group, after } => {
                self.truncate(*group, after.map_or(0, |after| after + 1))
            }
            Write::Purge { group, through, log_id } => self.purge(*group, *through, log_id),
            Write::Vote { group, vote } => self.put(*group, Kind::Vote, vote),
            Write::Committed { group, log_id: Some(log_id) } => self.put(*group, Kind::Committed, log_id),
            Write::Committed { group, log_id: None } => {
                let key = rows::key(*group, Kind::Committed, 0);
                self.rows.remove(&key).map_err(redb::Error::from)?;
                Ok(())
            }
            Write::SnapshotPointer { group, name, meta } => {
                self.put(*group, Kind::Snapshot, &rows::encode_snapshot_pointer(name, meta)?)
            }
            Write::Forget { group, given_up } => self.forget(*group, given_up.as_ref()),
            Write::Node { .. } => unreachable!("values of the node are not in this table"),
        }
    }

    fn put(&mut self, group: GroupId, kind: Kind, value: &[u8]) -> Result<(), StorageError> {
        self.rows.insert(&rows::key(group, kind, 0), value).map_err(redb::Error::from)?;
        Ok(())
    }

    fn append(&mut self, group: GroupId, entries: &[(LogIndex, Bytes)]) -> Result<(), StorageError> {
        for (index, entry) in entries {
            let bounds = self.bounds.entry(group).or_default();
            if bounds.first == bounds.next && bounds.next == 0 {
                *bounds = Bounds { first: *index, next: *index, stale: false };
            }
            if *index != bounds.next {
                return Err(StorageError::Gap { group, first: *index, expected: bounds.next });
            }
            bounds.next += 1;
            let fits = self.run.as_ref().is_some_and(|(owner, _, run)| {
                *owner == group && run.len() + 4 + entry.len() <= RUN_BYTES_MAX
            });
            if !fits {
                self.close_run()?;
            }
            let (_, _, run) = self.run.get_or_insert_with(|| (group, *index, Vec::new()));
            rows::push_entry(run, entry)?;
        }
        Ok(())
    }

    /// Writes the row that is being filled.
    fn close_run(&mut self) -> Result<(), StorageError> {
        if let Some((group, first, run)) = self.run.take() {
            let key = rows::key(group, Kind::Entries, first);
            self.rows.insert(&key, &run[..]).map_err(redb::Error::from)?;
        }
        Ok(())
    }

    /// Removes the entries from `from` on.
    fn truncate(&mut self, group: GroupId, from: LogIndex) -> Result<(), StorageError> {
        self.close_run()?;
        let bounds = self.bounds.entry(group).or_default();
        if from >= bounds.next {
            return Ok(());
        }
        let from = from.max(bounds.first);
        bounds.next = from;
        let cut = row_holding(&*self.rows, group, from)?.filter(|(first, _)| *first < from);
        if let Some((first, run)) = cut {
            let mut kept = Vec::new();
            for entry in rows::run_entries(&run).take((from - first) as usize) {
                rows::push_entry(&mut kept, entry?)?;
            }
            let key = rows::key(group, Kind::Entries, first);
            self.rows.insert(&key, &kept[..]).map_err(redb::Error::from)?;
            // Perhaps nothing but purged entries is left in it.
            bounds.stale = true;
        }
        self.remove(group, from, LogIndex::MAX)
    }

    /// Drops entries through `through`: from here on they are not read any more. Their rows go later.
    fn purge(&mut self, group: GroupId, through: LogIndex, log_id: &[u8]) -> Result<(), StorageError> {
        self.close_run()?;
        let bounds = self.bounds.entry(group).or_default();
        if through.saturating_add(1) < bounds.first {
            let first = bounds.first;
            return Err(StorageError::Damaged(format!(
                "group {group} purges through {through}, but its log begins at {first}"
            )));
        }
        bounds.first = through + 1;
        bounds.next = bounds.next.max(bounds.first);
        bounds.stale = true;
        self.put(group, Kind::Purged, &rows::encode_purged(through, log_id))
    }

    /// Removes some rows of purged entries. One that also holds later entries stays.
    fn sweep(&mut self) -> Result<(), StorageError> {
        let mut budget = SWEEP_ROWS_MAX;
        let mut swept = Vec::new();
        for (group, bounds) in self.bounds.iter_mut().filter(|(_, bounds)| bounds.stale) {
            let first = bounds.first;
            let keep_from = row_holding(&*self.rows, *group, first)?.map_or(first, |(first, _)| first);
            let keys = rows::key(*group, Kind::Entries, 0)..rows::key(*group, Kind::Entries, keep_from);
            let rows = self.rows.range::<&[u8; KEY_BYTES]>(&keys.start..&keys.end);
            let mut found = 0;
            for row in rows.map_err(redb::Error::from)?.take(budget) {
                let (key, _) = row.map_err(redb::Error::from)?;
                let to = rows::parse_key(key.value()).2 + 1;
                found += 1;
                match swept.last_mut() {
                    Some((last, end)) if last == group => *end = to,
                    _ => swept.push((*group, to)),
                }
            }
            // Fewer than there might have been: these were all.
            bounds.stale = found == budget;
            budget -= found;
        }
        swept.into_iter().try_for_each(|(group, to)| self.remove(group, 0, to))
    }

    fn forget(&mut self, group: GroupId, given_up: Option<&Bytes>) -> Result<(), StorageError> {
        self.close_run()?;
        self.bounds.remove(&group);
        for kind in [Kind::Committed, Kind::Purged, Kind::Snapshot] {
            self.rows.remove(&rows::key(group, kind, 0)).map_err(redb::Error::from)?;
        }
        if let Some(given_up) = given_up {
            self.put(group, Kind::GivenUp, given_up)?;
        }
        self.remove(group, 0, LogIndex::MAX)
    }

    /// Removes the rows of entries whose first index is in `from..to`.
    fn remove(&mut self, group: GroupId, from: LogIndex, to: LogIndex) -> Result<(), StorageError> {
        let keys = rows::key(group, Kind::Entries, from)..rows::key(group, Kind::Entries, to);
        self.rows
            .retain_in::<&[u8; KEY_BYTES], _>(&keys.start..&keys.end, |_, _| false)
            .map_err(redb::Error::from)?;
        Ok(())
    }
}

/// First index and bytes of the row that holds entry `index`.
fn row_holding(
    rows: &impl ReadableTable<&'static [u8; KEY_BYTES], &'static [u8]>,
    group: GroupId,
    index: LogIndex,
) -> Result<Option<(LogIndex, Bytes)>, StorageError> {
    let keys = rows::key(group, Kind::Entries, 0)..=rows::key(group, Kind::Entries, index);
    let mut range = rows.range::<&[u8; KEY_BYTES]>(keys.start()..=keys.end()).map_err(redb::Error::from)?;
    let Some(row) = range.next_back() else { return Ok(None) };
    let (key, value) = row.map_err(redb::Error::from)?;
    let (_, _, first) = rows::parse_key(key.value());
    let holds = index < first + rows::run_length(value.value())?;
    Ok(holds.then(|| (first, Bytes::copy_from_slice(value.value()))))
}

/// What an opening finds.
struct Contents {
    bounds: BTreeMap<GroupId, Bounds>,
    number: u64,
}

/// Opens the database, reads every page of it, and what is in its rows.
fn verified(file: &Held<impl StorageBackend>) -> Result<(Database, Contents), StorageError> {
    let mut database = Builder::new()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(file.clone())
        .map_err(|error| opening(error.into()))?;
    if !database.check_integrity().map_err(|error| opening(error.into()))? {
        return Err(StorageError::Damaged("a page of the database is not what was written".into()));
    }
    check_format(&database)?;
    let contents = read_contents(&database)?;
    Ok((database, contents))
}

/// What a refused opening means: the disk failed, or what is on it is not what was written.
fn opening(error: redb::Error) -> StorageError {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    match error {
        redb::Error::Io(source) if !matches!(source.kind(), InvalidData | UnexpectedEof) => {
            StorageError::io("cannot read the database", source)
        }
        error => StorageError::Damaged(error.to_string()),
    }
}

/// Whose rows it changes; none for values of the node.
fn group_of(write: &Write) -> Option<GroupId> {
    match write {
        Write::Entries { group, .. }
        | Write::TruncateAfter { group, .. }
        | Write::Purge { group, .. }
        | Write::Vote { group, .. }
        | Write::Committed { group, .. }
        | Write::SnapshotPointer { group, .. }
        | Write::Forget { group, .. } => Some(*group),
        Write::Node { .. } => None,
    }
}

fn check_format(database: &Database) -> Result<(), StorageError> {
    let transaction = database.begin_write().map_err(redb::Error::from)?;
    let found = {
        transaction.open_table(ROWS).map_err(redb::Error::from)?;
        let mut node = transaction.open_table(NODE).map_err(redb::Error::from)?;
        let found = node.get(FORMAT_KEY).map_err(redb::Error::from)?.map(|value| value.value().to_vec());
        let found = found.map(|found| number(&found).map(|found| found as u32)).transpose()?;
        if found.is_none_or(|found| found == FORMAT_BEFORE) {
            node.insert(FORMAT_KEY, &FORMAT_VERSION.to_le_bytes()[..]).map_err(redb::Error::from)?;
        }
        found
    };
    match found {
        None | Some(FORMAT_BEFORE) => transaction.commit().map_err(redb::Error::from)?,
        Some(found) => {
            transaction.abort().map_err(redb::Error::from)?;
            if found != FORMAT_VERSION {
                return Err(StorageError::Format { found, supported: FORMAT_VERSION });
            }
        }
    }
    Ok(())
}

/// A little-endian number of four or eight bytes.
fn number(bytes: &[u8]) -> Result<u64, StorageError> {
    match (bytes.first_chunk::<4>(), bytes.first_chunk::<8>()) {
        (Some(short), _) if bytes.len() == 4 => Ok(u32::from_le_bytes(*short).into()),
        (_, Some(long)) if bytes.len() == 8 => Ok(u64::from_le_bytes(*long)),
        _ => Err(StorageError::Damaged("a row that has a number has something else".into())),
    }
}

/// Reads the number of the last transaction and every group's bounds, and with them that the rows follow each other without a hole. Rows of purged entries that
/// were not removed yet do not count.
fn read_contents(database: &Database) -> Result<Contents, StorageError> {
    let transaction = database.begin_read().map_err(redb::Error::from)?;
    let node = transaction.open_table(NODE).map_err(redb::Error::from)?;
    let last = node.get(TRANSACTION_KEY).map_err(redb::Error::from)?;
    let mut last = last.map(|value| number(value.value())).transpose()?.unwrap_or(0);
    let rows = transaction.open_table(ROWS).map_err(redb::Error::from)?;
    let mut all: BTreeMap<GroupId, Bounds> = BTreeMap::new();
    for row in rows.iter().map_err(redb::Error::from)? {
        let (key, value) = row.map_err(redb::Error::from)?;
        let (group, kind, first) = rows::parse_key(key.value());
        if kind == Kind::Transaction as u8 {
            last = last.max(number(value.value())?);
        }
        if kind != Kind::Entries as u8 && kind != Kind::Purged as u8 {
            continue;
        }
        let bounds = match all.entry(group) {
            Entry::Occupied(bounds) => bounds.into_mut(),
            Entry::Vacant(none) => {
                let purged = rows.get(&rows::key(group, Kind::Purged, 0)).map_err(redb::Error::from)?;
                let from = match purged {
                    Some(purged) => rows::decode_purged(purged.value())?.0 + 1,
                    None => first,
                };
                let stale = kind == Kind::Entries as u8 && first < from;
                none.insert(Bounds { first: from, next: from, stale })
            }
        };
        if kind == Kind::Entries as u8 {
            let next = first + rows::run_length(value.value())?;
            let follows = first == bounds.next || first < bounds.first && bounds.next == bounds.first;
            if next > bounds.first && !follows {
                return Err(StorageError::Damaged(format!(
                    "group {group}'s log goes from {} to {first}",
                    bounds.next
                )));
            }
            bounds.next = bounds.next.max(next);
        }
    }
    Ok(Contents { bounds: all, number: last })
}

#[cfg(test)]
mod tests;
