//! The machine in a snapshot: a header with the format's version, then records, then their number and checksum.

use std::collections::VecDeque;

use bytes::Bytes;
use orrery_base::fnv::Fnv;
use orrery_base::ids::NodeName;
use orrery_cache::Values;
use orrery_cache::snapshot::ValuesRecord;
use orrery_lock::snapshot::TableRecord;
use orrery_queue::snapshot::QueueRecord;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Machine;
use super::cluster::{ClusterRecord, SHARDS_SINCE};
use super::replies::ReplyRecord;
use super::shards::{ShardMap, ShardRecord};

/// Version of the format; golden bytes of each stay in the tests. Version 2 has everything of version 1 and, after the
/// cluster's record, the shard map; or the record of a shard in its place. Version 3
/// adds a shard's cached values. Version 4 says of queues what left them and from when ages count, and for how long an answer is remembered. What needs no newer version is still written in the older one: a member with an older program has to read it for as long as the cluster uses that one's commands.
pub const SNAPSHOT_VERSION: u16 = 4;

/// Longest chunk, in bytes.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// First bytes of every snapshot: "Orrery control group", the first group that had one.
const MAGIC: [u8; 4] = *b"ORCG";

/// The magic and the version.
const HEADER_BYTES: usize = MAGIC.len() + 2;

/// Why bytes are no snapshot of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// They do not begin like one.
    #[error("these bytes are no snapshot of a group")]
    NotASnapshot,
    /// They are of a version that this program does not know.
    #[error("the snapshot has format version {found}; this program knows up to {SNAPSHOT_VERSION}")]
    Version { found: u16 },
    /// They end early, or bytes changed.
    #[error("the snapshot is damaged: {0}")]
    Damaged(&'static str),
}

/// One piece. The order of the variants is part of the format: add at the end.
#[derive(Serialize, Deserialize)]
enum Record {
    Cluster(ClusterRecord),
    Table(TableRecord),
    Reply(ReplyRecord),
    /// Last: how many came before, and the checksum of all bytes before this record.
    End {
        records: u64,
        checksum: u64,
    },
    /// Since version 2: the control group's shard map.
    Map(ShardMap),
    /// Since version 2: this is a shard's snapshot, and not the control group's. Its first record.
    Shard(ShardRecord),
    /// Since version 2: a shard's queues.
    Queue(QueueRecord),
    /// Since version 2: the members that shall go.
    Leaving(Vec<NodeName>),
    /// Since version 3: a shard's cached values.
    Values(ValuesRecord),
}

impl Machine {
    /// The whole state, in chunks of at most [`CHUNK_BYTES_MAX`], made one by one as they are taken: a large state is
    /// written without a second copy of it in memory. Cheap to call on a clone while the original goes on.
    pub fn chunks(&self) -> impl Iterator<Item = Bytes> + Send + '_ {
        let mut writer = Writer::default();
        writer.bytes(&MAGIC);
        writer.bytes(&self.snapshot_version().to_le_bytes());
        let mut records = self.records().map(Some).chain(std::iter::once(None));
        std::iter::from_fn(move || {
            // Ends with the records: each round takes one.
            while writer.full.is_empty() {
                match records.next() {
                    Some(Some(record)) => writer.record(&record),
                    Some(None) => writer.end(),
                    None => break,
                }
            }
            writer.full.pop_front()
        })
    }

    /// [`Machine::chunks`] at once.
    pub fn encode(&self) -> Vec<Bytes> {
        self.chunks().collect()
    }

    /// What is kept, in an order in which [`Decoder`] takes it.
    fn records(&self) -> Box<dyn Iterator<Item = Record> + Send + '_> {
        let replies = self.replies.records().map(Record::Reply);
        match &self.shard {
            Some(shard) => {
                let first = std::iter::once_with(|| Record::Shard(shard.record.clone()));
                let queues = shard.queues.records().map(Record::Queue);
                let values = shard.values.records().map(Record::Values);
                Box::new(first.chain(queues).chain(values).chain(replies))
            }
            None => {
                let cluster = std::iter::once_with(|| Record::Cluster(self.cluster.clone()));
                let map = Some(self.cluster.map()).filter(|map| map.version > 0);
                let map = map.map(|map| Record::Map(map.as_ref().clone()));
                let leaving: Vec<NodeName> = self.cluster.leaving().cloned().collect();
                let leaving = Some(leaving).filter(|leaving| !leaving.is_empty()).map(Record::Leaving);
                let table = self.table.records().map(Record::Table);
                Box::new(cluster.chain(map).chain(leaving).chain(table).chain(replies))
            }
        }
    }

    /// The oldest version that says it all.
    fn snapshot_version(&self) -> u16 {
        match &self.shard {
            _ if self.replies.records().next().is_some() => 4,
            None if self.cluster.version() < SHARDS_SINCE => 1,
            Some(shard) if shard.queues.topics().next().is_some() => 4,
            Some(shard) if shard.values != Values::default() => 3,
            _ => 2,
        }
    }

    /// The machine that [`Machine::encode`] wrote.
    pub fn decode(chunks: &[Bytes]) -> Result<Machine, SnapshotError> {
        let mut decoder = Decoder::default();
        chunks.iter().try_for_each(|chunk| decoder.take(chunk))?;
        decoder.finish()
    }
}

/// Reads a snapshot piece by piece, wherever it is cut.
#[derive(Default)]
pub struct Decoder {
    machine: Machine,
    /// What was not read yet: the beginning of a record.
    rest: Vec<u8>,
    /// Nothing more can be read before there is so much: a long record is not tried again at every chunk of it.
    wanted: usize,
    begun: bool,
    ended: bool,
    records: u64,
    checksum: Fnv,
}

impl Decoder {
    /// The next bytes. The work is about that of their number.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.rest.extend_from_slice(bytes);
        if self.rest.len() < self.wanted { Ok(()) } else { self.read() }
    }

    /// The machine, after all bytes.
    pub fn finish(mut self) -> Result<Machine, SnapshotError> {
        self.read()?;
        if !self.begun {
            Err(SnapshotError::NotASnapshot)
        } else if !self.ended {
            Err(SnapshotError::Damaged("a record is cut off or unreadable"))
        } else if !self.rest.is_empty() {
            Err(SnapshotError::Damaged("it does not end where it should"))
        } else {
            Ok(self.machine)
        }
    }

    fn read(&mut self) -> Result<(), SnapshotError> {
        let bytes = std::mem::take(&mut self.rest);
        let mut left = &bytes[..];
        if !self.begun {
            let known = left.len().min(MAGIC.len());
            if left[..known] != MAGIC[..known] {
                return Err(SnapshotError::NotASnapshot);
            }
            let Some((header, after)) = left.split_first_chunk::<HEADER_BYTES>() else {
                self.rest = bytes;
                return Ok(());
            };
            let found = u16::from_le_bytes([header[MAGIC.len()], header[MAGIC.len() + 1]]);
            if found == 0 || found > SNAPSHOT_VERSION {
                return Err(SnapshotError::Version { found });
            }
            self.checksum.write(header);
            self.begun = true;
            left = after;
        }
        self.wanted = 0;
        // Each round consumes at least one byte.
        while !self.ended && !left.is_empty() {
            match postcard::take_from_bytes::<Record>(left) {
                Ok((record, after)) => {
                    self.record(record, &left[..left.len() - after.len()])?;
                    left = after;
                }
                Err(postcard::Error::DeserializeUnexpectedEnd) => {
                    self.wanted = 2 * left.len();
                    break;
                }
                Err(_) => return Err(SnapshotError::Damaged("a record is cut off or unreadable")),
            }
        }
        self.rest = left.to_vec();
        Ok(())
    }

    fn record(&mut self, record: Record, bytes: &[u8]) -> Result<(), SnapshotError> {
        let machine = &mut self.machine;
        match record {
            Record::Cluster(cluster) => machine.cluster = cluster,
            Record::Table(record) => machine.table.restore(record).map_err(SnapshotError::Damaged)?,
            Record::Map(map) => machine.cluster.restore_map(map),
            Record::Leaving(leaving) => machine.cluster.restore_leaving(leaving),
            Record::Shard(record) => machine.become_shard(record),
            Record::Queue(record) => match &mut machine.shard {
                Some(shard) => shard.queues.restore(record).map_err(SnapshotError::Damaged)?,
                None => return Err(SnapshotError::Damaged("it has queues and is of no shard")),
            },
            Record::Values(record) => match &mut machine.shard {
                Some(shard) => shard.values.restore(record).map_err(SnapshotError::Damaged)?,
                None => return Err(SnapshotError::Damaged("it has cached values and is of no shard")),
            },
            // After the table or the queues, which have the clock.
            Record::Reply(record) => {
                let now = machine.clock_ms();
                machine.replies.restore(record, now).map_err(SnapshotError::Damaged)?;
            }
            Record::End { records, .. } if records != self.records => {
                return Err(SnapshotError::Damaged("it does not end where it should"));
            }
            Record::End { checksum, .. } if checksum != self.checksum.sum() => {
                return Err(SnapshotError::Damaged("its checksum does not fit"));
            }
            Record::End { .. } => self.ended = true,
        }
        self.checksum.write(bytes);
        self.records += 1;
        Ok(())
    }
}

/// Cuts what is written into chunks.
#[derive(Default)]
struct Writer {
    full: VecDeque<Bytes>,
    open: Vec<u8>,
    records: u64,
    checksum: Fnv,
}

impl Writer {
    fn bytes(&mut self, mut bytes: &[u8]) {
        self.checksum.write(bytes);
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES_MAX - self.open.len()));
            self.open.extend_from_slice(now);
            bytes = later;
            if self.open.len() == CHUNK_BYTES_MAX {
                let next = Vec::with_capacity(CHUNK_BYTES_MAX);
                self.full.push_back(Bytes::from(std::mem::replace(&mut self.open, next)));
            }
        }
    }

    fn record(&mut self, record: &Record) {
        // Encoding into a growing buffer fails for no type of ours: lengths are known and memory is what bounds it.
        let bytes = postcard::to_stdvec(record).unwrap_or_default();
        self.bytes(&bytes);
        self.records += 1;
    }

    fn end(&mut self) {
        let end = Record::End { records: self.records, checksum: self.checksum.sum() };
        self.record(&end);
        if !self.open.is_empty() {
            self.full.push_back(Bytes::from(std::mem::take(&mut self.open)));
        }
    }
}
