//! A group's log and vote over the node's disk (openraft's `RaftLogStorage`).
//!
//! Entries can be read from memory once `append` returns; its callback fires after the sync. Votes and
//! truncations return after the sync. The order of writes is the order of calls, votes included: the disk's
//! queue keeps it.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, Stream, TryStreamExt};
use openraft::async_runtime::{Oneshot, OneshotSender};
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{AsyncRuntime, EntryPayload, OptionalSend};
use orrery_base::ids::{GroupId, LeaseMs, LogIndex, NodeId, Term};
use orrery_machine::{Command, Mutation};
use xxhash_rust::const_xxh64::xxh64;

use crate::codec::{self, DISK_VERSION};
use crate::config::EngineConfig;
use crate::host::{Disk, Host, WAY_BACK, Write};
use crate::peer::witness::Promise;
use crate::raft::due::Due;
use crate::raft::publish::{Publisher, TAIL_MAX};
use crate::sync::Signal;
use crate::sync::lock;
use crate::types::{Entry, LogId, Types, Vote};

/// Entries that are read at a time to be applied.
const APPLY_ENTRIES: u64 = 1_024;

/// Bytes that are read at a time to be applied, unless one entry alone has more.
const APPLY_BYTES: usize = 8 * 1024 * 1024;

/// Entries that are read from the disk at a time: each may have a large message, and what is over the bytes is dropped.
const READ_ENTRIES: u64 = 64;

/// One group's log. Clones are the same log.
pub struct LogStore<H: Host> {
    shared: Arc<Shared<H>>,
}

impl<H: Host> Clone for LogStore<H> {
    fn clone(&self) -> Self {
        LogStore { shared: self.shared.clone() }
    }
}

struct Shared<H: Host> {
    host: H,
    group: GroupId,
    publisher: Arc<Publisher<H>>,
    limits: Limits,
    /// How long there was silence before an election; asked when a vote for this node is saved.
    silence: Box<dyn Fn() -> Option<u64> + Send + Sync>,
    snapshot_due: Arc<Signal>,
    inner: Mutex<Inner>,
}

struct Limits {
    cache_bytes: usize,
    read_bytes: usize,
    due: Due,
}

#[derive(Default)]
struct Inner {
    vote: Option<Vote>,
    /// The last entry that was here when the shard moved away. It may have been acknowledged, like all before it.
    given_up: Option<LogId>,
    committed: Option<LogId>,
    /// The committed id on the disk is older. It is only a hint, so it travels with the next write.
    committed_dirty: bool,
    purged: Option<LogId>,
    last: Option<LogId>,
    synced: Option<LogIndex>,
    /// The furthest move of the lease clock among the entries, and the term of that one.
    clock: Option<(Term, LeaseMs)>,
    /// The last entries without a hole, with their sizes. What was not synced yet is always here.
    cache: VecDeque<(Entry, u32)>,
    cache_bytes: usize,
    /// Bytes and entries since the last snapshot, and the size of that one.
    since_bytes: u64,
    since_entries: u64,
    last_snapshot_bytes: u64,
}

/// What the log tells to `status`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogSummary {
    pub length: u64,
    /// Last entry.
    pub last: Option<LogIndex>,
    /// Last entry that a snapshot replaced.
    pub purged: Option<LogIndex>,
    /// Log id that is known to be committed.
    pub committed: Option<LogIndex>,
}

impl<H: Host> LogStore<H> {
    /// Opens what the disk holds. `silence` answers for how long no leader was heard; `snapshot_due` is set when
    /// the log has grown enough.
    pub fn open(
        host: H,
        group: GroupId,
        me: NodeId,
        config: &EngineConfig,
        publisher: Arc<Publisher<H>>,
        silence: Box<dyn Fn() -> Option<u64> + Send + Sync>,
        snapshot_due: Arc<Signal>,
    ) -> io::Result<Self> {
        let found = host.disk().recover(group)?;
        let mut inner = Inner {
            vote: decode(found.vote.as_ref())?,
            given_up: decode(found.given_up.as_ref())?,
            committed: decode(found.committed.as_ref())?,
            purged: decode(found.purged.as_ref())?,
            ..Inner::default()
        };
        let mut tail: Vec<Entry> = Vec::new();
        let mut tail_bytes = 0;
        if let Some((first, last)) = found.entries {
            let from = first.max(last.saturating_sub(TAIL_MAX as u64 - 1));
            for (_, bytes) in host.disk().entries(group, from..last + 1)? {
                tail_bytes += bytes.len() as u64;
                tail.push(codec::decode(DISK_VERSION, &bytes)?);
            }
            inner.last = tail.last().map(|entry| entry.log_id);
            if inner.last.is_none_or(|id| id.index != last) {
                return Err(io::Error::other(format!("entry {last} of group {group} is missing")));
            }
        }
        inner.last = inner.last.max(inner.purged);
        inner.synced = inner.last.map(|id| id.index);
        let first = inner.purged.map_or(0, |id| id.index + 1);
        inner.since_entries = inner.last.map_or(0, |id| (id.index + 1).saturating_sub(first));
        // As if all were as long as the last ones are.
        inner.since_bytes = tail_bytes.saturating_mul(inner.since_entries) / (tail.len() as u64).max(1);
        publisher.recovered(
            group,
            inner.vote.as_ref(),
            inner.purged.map(|id| id.index),
            &tail,
            found.entries,
        );
        let limits = Limits {
            cache_bytes: config.cache_bytes,
            read_bytes: config.append_bytes_max,
            due: Due::of(group, me, config),
        };
        let inner = Mutex::new(inner);
        Ok(LogStore {
            shared: Arc::new(Shared { host, group, publisher, limits, silence, snapshot_due, inner }),
        })
    }

    pub fn vote(&self) -> Option<Vote> {
        lock(&self.shared.inner).vote
    }

    /// The last entry that was ever here: whoever leads has it, or a later leader's (Raft §5.4.1). What was given up with the
    /// shard counts, for its acknowledgement did.
    pub fn ever_had(&self) -> Option<LogId> {
        let inner = lock(&self.shared.inner);
        inner.last.max(inner.given_up)
    }

    /// The shard was here before, and what is here again is not all of that yet.
    pub fn lacks(&self) -> bool {
        let inner = lock(&self.shared.inner);
        inner.last < inner.given_up
    }

    /// What the disk surely holds; none before there was a vote.
    pub fn promise(&self) -> Option<Promise> {
        let (group, inner) = (self.shared.group, lock(&self.shared.inner));
        let term = inner.vote?.leader_id.term;
        let last = inner.synced_id().filter(|id| id.leader_id.term == term);
        let committed = inner.committed.filter(|id| Some(id.index) <= inner.synced);
        drop(inner);
        // Where it cannot be read, or was purged, the id alone is compared.
        let digest = committed.and_then(|id| self.digest_at(id.index).ok().flatten());
        Some(Promise { group, term, last, committed, digest: digest.map(|(_, digest)| digest) })
    }

    /// Term and hash of an entry that is here: equal entries have equal ones.
    pub fn digest_at(&self, index: LogIndex) -> io::Result<Option<(Term, u64)>> {
        let found = self.read(index, index + 1, usize::MAX)?;
        let Some(entry) = found.first().filter(|entry| entry.log_id.index == index) else { return Ok(None) };
        let bytes = codec::encode(DISK_VERSION, entry)?;
        Ok(Some((entry.log_id.leader_id.term, xxh64(&bytes, 0))))
    }

    /// What is known to be committed.
    pub fn committed(&self) -> Option<LogId> {
        lock(&self.shared.inner).committed
    }

    /// The term of an entry that is here.
    pub fn term_at(&self, index: LogIndex) -> io::Result<Option<Term>> {
        let found = self.read(index, index + 1, usize::MAX)?;
        Ok(found.first().filter(|entry| entry.log_id.index == index).map(|entry| entry.log_id.leader_id.term))
    }

    /// What makes this node begin with nothing, were it to have the group again.
    pub fn forgetting(&self) -> io::Result<Write> {
        let given_up = self.ever_had().map(|id| codec::encode(DISK_VERSION, &id)).transpose()?;
        Ok(Write::Forget { group: self.shared.group, given_up })
    }

    /// For `status`.
    pub fn summary(&self) -> LogSummary {
        let inner = lock(&self.shared.inner);
        let next = |id: Option<LogId>| id.map_or(0, |id| id.index + 1);
        LogSummary {
            length: next(inner.last).saturating_sub(next(inner.purged)),
            last: inner.last.map(|id| id.index),
            purged: inner.purged.map(|id| id.index),
            committed: inner.committed.map(|id| id.index),
        }
    }

    /// The furthest that entries of this term moved the lease clock; 0 when none did.
    pub fn clock_of_term(&self, term: Term) -> LeaseMs {
        lock(&self.shared.inner).clock.filter(|(of, _)| *of == term).map_or(0, |(_, to_ms)| to_ms)
    }

    /// A snapshot is being taken: counting starts again.
    pub fn snapshot_begun(&self) {
        let mut inner = lock(&self.shared.inner);
        inner.since_bytes = 0;
        inner.since_entries = 0;
    }

    /// The present snapshot has `bytes`.
    pub fn snapshot_size(&self, bytes: u64) {
        lock(&self.shared.inner).last_snapshot_bytes = bytes;
    }

    /// Writes the committed id if it is newer than the disk's: for quiet moments.
    pub fn flush_committed(&self) {
        let write = lock(&self.shared.inner).committed_write(self.shared.group);
        if let Some(write) = write {
            self.submit(vec![write], Box::new(|_| ()));
        }
    }

    /// Enqueues writes; a failure stops the node before `then` hears of it.
    fn submit(&self, writes: Vec<Write>, then: Box<dyn FnOnce(io::Result<()>) + Send>) {
        let host = self.shared.host.clone();
        self.shared.host.disk().submit(
            writes,
            Box::new(move |result| {
                if let Err(error) = &result {
                    host.fail_stop(&format!("writing the log failed: {error}"));
                }
                then(result);
            }),
        );
    }

    /// Writes and waits for the sync.
    async fn write(&self, mut writes: Vec<Write>) -> io::Result<()> {
        writes.extend(lock(&self.shared.inner).committed_write(self.shared.group));
        let (sender, receiver) = <<H::Runtime as AsyncRuntime>::Oneshot as Oneshot>::channel();
        self.submit(
            writes,
            Box::new(move |result| {
                // The receiver is gone only when the whole group is.
                let _ = sender.send(result);
            }),
        );
        receiver.await.unwrap_or_else(|_| Err(io::Error::other("the disk stopped")))
    }

    /// Entries of `from..to`, at most so many bytes of them. One that is not what was written stops the node.
    fn read(&self, from: LogIndex, to: LogIndex, bytes_max: usize) -> io::Result<Vec<Entry>> {
        self.read_present(from, to, bytes_max).inspect_err(|error| {
            if error.kind() == io::ErrorKind::InvalidData {
                let group = self.shared.group;
                self.shared
                    .host
                    .fail_stop(&format!("the log of group {group} is damaged: {error}. {WAY_BACK}"));
            }
        })
    }

    fn read_present(&self, from: LogIndex, to: LogIndex, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let (mut cached, cached_from, end) = {
            let inner = lock(&self.shared.inner);
            let first = inner.cache.front().map_or(LogIndex::MAX, |(entry, _)| entry.log_id.index);
            let skip = from.saturating_sub(first) as usize;
            let mut bytes = 0;
            let part: Vec<Entry> = inner
                .cache
                .iter()
                .skip(skip)
                .take_while(|(entry, size)| {
                    bytes += *size as usize;
                    entry.log_id.index < to && (bytes <= bytes_max || entry.log_id.index == from)
                })
                .map(|(entry, _)| entry.clone())
                .collect();
            (part, first, inner.last.map_or(0, |last| last.index + 1))
        };
        if from >= cached_from {
            return Ok(cached);
        }
        // Older ones: what is not in memory any more was synced.
        let until = to.min(cached_from).min(end);
        let mut entries = Vec::new();
        let (mut bytes, mut next) = (0, from);
        while next < until {
            let end = until.min(next + READ_ENTRIES);
            for (index, stored) in self.shared.host.disk().entries(self.shared.group, next..end)? {
                bytes += stored.len();
                if bytes > bytes_max && index != from {
                    return Ok(entries);
                }
                entries.push(codec::decode(DISK_VERSION, &stored)?);
            }
            next = end;
        }
        if bytes < bytes_max {
            entries.append(&mut cached);
        }
        Ok(entries)
    }
}

impl Inner {
    fn committed_write(&mut self, group: GroupId) -> Option<Write> {
        if !std::mem::take(&mut self.committed_dirty) {
            return None;
        }
        let log_id = self.committed.and_then(|id| codec::encode(DISK_VERSION, &id).ok());
        Some(Write::Committed { group, log_id })
    }

    /// The last entry that was synced, where it is known by more than its index.
    fn synced_id(&self) -> Option<LogId> {
        let synced = self.synced?;
        if let Some(known) = [self.last, self.purged].into_iter().flatten().find(|id| id.index == synced) {
            return Some(known);
        }
        let first = self.cache.front()?.0.log_id.index;
        let at = usize::try_from(synced.checked_sub(first)?).ok()?;
        self.cache.get(at).map(|(entry, _)| entry.log_id)
    }

    /// Forgets the oldest entries of the cache as far as they are on the disk and over the bound.
    fn shrink(&mut self, cache_bytes: usize) {
        while self.cache_bytes > cache_bytes {
            match self.cache.front() {
                Some((entry, size)) if Some(entry.log_id.index) <= self.synced => {
                    self.cache_bytes -= *size as usize;
                    self.cache.pop_front();
                }
                _ => return,
            }
        }
    }
}

fn decode<T: serde::de::DeserializeOwned>(bytes: Option<&Bytes>) -> io::Result<Option<T>> {
    bytes.map(|bytes| codec::decode(DISK_VERSION, bytes)).transpose().map_err(io::Error::from)
}

/// First index of a range, and the one after its last.
fn ends(range: &impl RangeBounds<u64>) -> (LogIndex, LogIndex) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(before) => before + 1,
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(last) => last + 1,
        Bound::Excluded(to) => *to,
        Bound::Unbounded => LogIndex::MAX,
    };
    (from, to)
}

impl<H: Host> RaftLogReader<Types<H::Runtime>> for LogStore<H> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let (from, to) = ends(&range);
        if from >= to { Ok(Vec::new()) } else { self.read(from, to, usize::MAX) }
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start, end, self.shared.limits.read_bytes)
    }

    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        // In pieces: a restart applies everything since its last snapshot.
        let (from, to) = ends(&range);
        let pieces = stream::try_unfold((self.clone(), from), move |(log, from)| async move {
            if from >= to {
                return Ok(None);
            }
            let piece = log.read(from, to.min(from.saturating_add(APPLY_ENTRIES)), APPLY_BYTES)?;
            let next = piece.last().map(|entry| entry.log_id.index + 1);
            Ok::<_, io::Error>(next.map(|next| (stream::iter(piece.into_iter().map(Ok)), (log, next))))
        });
        Box::pin(pieces.try_flatten())
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.vote())
    }
}

impl<H: Host> RaftLogStorage<Types<H::Runtime>> for LogStore<H> {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types<H::Runtime>>> {
        let inner = lock(&self.shared.inner);
        Ok(LogState { last_purged_log_id: inner.purged, last_log_id: inner.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let silent_us = (self.shared.silence)();
        let bytes = codec::encode(DISK_VERSION, vote)?;
        self.write(vec![Write::Vote { group: self.shared.group, vote: bytes }]).await?;
        lock(&self.shared.inner).vote = Some(*vote);
        self.shared.publisher.voted(self.shared.group, vote, silent_us);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let mut inner = lock(&self.shared.inner);
        inner.committed_dirty |= inner.committed != committed;
        inner.committed = committed;
        drop(inner);
        if let Some(committed) = committed {
            self.shared.publisher.committed(self.shared.group, committed.index);
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(lock(&self.shared.inner).committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types<H::Runtime>>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let shared = &self.shared;
        let entries: Vec<Entry> = entries.into_iter().collect();
        let Some(last) = entries.last().map(|entry| entry.log_id) else {
            callback.io_completed(Ok(()));
            return Ok(());
        };
        let mut encoded = Vec::with_capacity(entries.len());
        for entry in &entries {
            encoded.push((entry.log_id.index, codec::encode(DISK_VERSION, entry)?));
        }
        let first = entries.first().map_or(last.index, |entry| entry.log_id.index);
        shared.publisher.appended(shared.group, &entries, first);
        let (committed, due) = {
            let mut inner = lock(&shared.inner);
            for (entry, (_, bytes)) in entries.into_iter().zip(&encoded) {
                // In memory an entry is larger than its bytes.
                let size = bytes.len() + size_of::<Entry>();
                inner.cache_bytes += size;
                inner.since_bytes += bytes.len() as u64;
                inner.since_entries += 1;
                if let EntryPayload::Normal(Command { mutation: Mutation::AdvanceClock { to_ms }, .. }) =
                    &entry.payload
                {
                    inner.clock = inner.clock.max(Some((entry.log_id.leader_id.term, *to_ms)));
                }
                inner.cache.push_back((entry, size as u32));
            }
            inner.last = Some(last);
            let Inner { since_bytes, since_entries, last_snapshot_bytes, .. } = *inner;
            let due = shared.limits.due.reached(since_bytes, since_entries, last_snapshot_bytes);
            (inner.committed_write(shared.group), due)
        };
        if due {
            shared.snapshot_due.notify();
        }
        let mut writes = vec![Write::Entries { group: shared.group, entries: encoded }];
        writes.extend(committed);
        let begun_us = shared.host.monotonic_us();
        let log = self.clone();
        let then = move |result: io::Result<()>| {
            if result.is_ok() {
                log.synced(last.index, begun_us);
            }
            callback.io_completed(result);
        };
        self.submit(writes, Box::new(then));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let after = last.map(|id| id.index);
        {
            let mut inner = lock(&self.shared.inner);
            while inner.cache.back().is_some_and(|(entry, _)| Some(entry.log_id.index) > after) {
                if let Some((_, size)) = inner.cache.pop_back() {
                    inner.cache_bytes -= size as usize;
                }
            }
            if inner.last.map(|id| id.index) > after {
                inner.last = last.max(inner.purged);
            }
        }
        self.write(vec![Write::TruncateAfter { group: self.shared.group, after }]).await?;
        // Syncs of the removed entries were reported before this one: only now is the mark right again.
        let mut inner = lock(&self.shared.inner);
        inner.synced = inner.synced.min(inner.last.map(|id| id.index));
        drop(inner);
        self.shared.publisher.truncated(self.shared.group, after);
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        let through = log_id.index;
        let bytes = codec::encode(DISK_VERSION, &log_id)?;
        {
            let mut inner = lock(&self.shared.inner);
            while inner.cache.front().is_some_and(|(entry, _)| entry.log_id.index <= through) {
                if let Some((_, size)) = inner.cache.pop_front() {
                    inner.cache_bytes -= size as usize;
                }
            }
            inner.purged = inner.purged.max(Some(log_id));
            inner.last = inner.last.max(Some(log_id));
            inner.synced = inner.synced.max(Some(through));
        }
        let write = Write::Purge { group: self.shared.group, through, log_id: bytes };
        // Nothing waits for it: were it lost, the same entries would be purged again.
        self.submit(vec![write], Box::new(|_| ()));
        self.shared.publisher.purged(self.shared.group, through);
        Ok(())
    }
}

impl<H: Host> LogStore<H> {
    fn synced(&self, last: LogIndex, begun_us: u64) {
        let shared = &self.shared;
        {
            let mut inner = lock(&shared.inner);
            inner.synced = inner.synced.max(Some(last));
            inner.shrink(shared.limits.cache_bytes);
        }
        let took_us = shared.host.monotonic_us().saturating_sub(begun_us);
        shared.publisher.synced(shared.group, last, took_us);
    }
}
