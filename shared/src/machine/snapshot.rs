//! The machine in a snapshot: a header with the format's version, then records, then their number and checksum.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Machine;
use super::cluster::{ClusterRecord, SHARDS_SINCE};
use super::fnv::Fnv;
use super::replies::ReplyRecord;
use super::shards::{ShardMap, ShardRecord};
use crate::cache::Values;
use crate::cache::snapshot::ValuesRecord;
use crate::ids::NodeName;
use crate::lock::snapshot::TableRecord;
use crate::queue::snapshot::QueueRecord;

/// Version of the format; golden bytes of each stay in the tests. Version 2 has everything of version 1 and, after the
/// cluster's record, the shard map; or the record of a shard in its place. Version 3
/// adds a shard's cached values. What needs no newer version is still written in the older one: a member with an older program has to read it for as long as the cluster uses that one's commands.
pub const SNAPSHOT_VERSION: u16 = 3;

/// Longest chunk, in bytes.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// First bytes of every snapshot: "Orrery control group", the first group that had one.
const MAGIC: [u8; 4] = *b"ORCG";

/// Why bytes are no snapshot of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// They do not begin like one.
    #[error("these bytes are no snapshot of a group")]
    NotASnapshot,
    /// They are of a version that this program does not know.
    #[error("the snapshot has format version {found}; this program knows up to {SNAPSHOT_VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
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
    /// The whole state, in chunks of at most [`CHUNK_BYTES_MAX`]. Cheap to call on a clone while the original goes on.
    pub fn encode(&self) -> Vec<Bytes> {
        let mut writer = Writer::default();
        writer.bytes(&MAGIC);
        writer.bytes(&self.snapshot_version().to_le_bytes());
        match &self.shard {
            Some(shard) => {
                writer.record(&Record::Shard(shard.record.clone()));
                for record in shard.queues.records() {
                    writer.record(&Record::Queue(record));
                }
                for record in shard.values.records() {
                    writer.record(&Record::Values(record));
                }
            }
            None => {
                writer.record(&Record::Cluster(self.cluster.clone()));
                if self.cluster.map().version > 0 {
                    writer.record(&Record::Map(self.cluster.map().as_ref().clone()));
                }
                if self.cluster.leaving().next().is_some() {
                    writer.record(&Record::Leaving(self.cluster.leaving().cloned().collect()));
                }
                for record in self.table.records() {
                    writer.record(&Record::Table(record));
                }
            }
        }
        for record in self.replies.records() {
            writer.record(&Record::Reply(record));
        }
        writer.end()
    }

    /// The oldest version that says it all.
    fn snapshot_version(&self) -> u16 {
        match &self.shard {
            None if self.cluster.version() < SHARDS_SINCE => 1,
            Some(shard) if shard.values != Values::default() => 3,
            _ => 2,
        }
    }

    /// The machine that [`Machine::encode`] wrote.
    pub fn decode(chunks: &[Bytes]) -> Result<Machine, SnapshotError> {
        let bytes = chunks.concat();
        let rest = bytes.strip_prefix(&MAGIC).ok_or(SnapshotError::NotASnapshot)?;
        let (version, mut rest) = rest.split_first_chunk::<2>().ok_or(SnapshotError::NotASnapshot)?;
        let found = u16::from_le_bytes(*version);
        if found == 0 || found > SNAPSHOT_VERSION {
            return Err(SnapshotError::Version { found });
        }
        let mut machine = Machine::default();
        let mut count = 0;
        // Each round consumes at least one byte.
        loop {
            let before = &bytes[..bytes.len() - rest.len()];
            let (record, after) = postcard::take_from_bytes::<Record>(rest)
                .map_err(|_| SnapshotError::Damaged("a record is cut off or unreadable"))?;
            rest = after;
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
                Record::Reply(record) => machine.replies.restore(record).map_err(SnapshotError::Damaged)?,
                Record::End { records, checksum } => {
                    let mut sum = Fnv::default();
                    sum.write(before);
                    return if !rest.is_empty() || records != count {
                        Err(SnapshotError::Damaged("it does not end where it should"))
                    } else if checksum != sum.sum() {
                        Err(SnapshotError::Damaged("its checksum does not fit"))
                    } else {
                        Ok(machine)
                    };
                }
            }
            count += 1;
        }
    }
}

/// Cuts what is written into chunks.
#[derive(Default)]
struct Writer {
    chunks: Vec<Bytes>,
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
                self.chunks.push(Bytes::from(std::mem::take(&mut self.open)));
            }
        }
    }

    fn record(&mut self, record: &Record) {
        // Encoding into a growing buffer fails for no type of ours: lengths are known and memory is what bounds it.
        let bytes = postcard::to_stdvec(record).unwrap_or_default();
        self.bytes(&bytes);
        self.records += 1;
    }

    fn end(mut self) -> Vec<Bytes> {
        let end = Record::End { records: self.records, checksum: self.checksum.sum() };
        self.record(&end);
        if !self.open.is_empty() {
            self.chunks.push(Bytes::from(self.open));
        }
        self.chunks
    }
}
