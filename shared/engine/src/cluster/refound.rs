//! A cluster begins from the state of another one: what a data directory is given so that a node that starts on it goes
//! on from there, alone, under a new cluster id.
//!
//! Each group gets a snapshot and no log, as if a leader had sent it one. Its index lies far behind that of the old
//! state: whatever was numbered by the index of an entry is never numbered so again, also not what the old cluster
//! numbered after that state was taken.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use openraft::async_runtime::{Oneshot, OneshotSender};
use openraft::{AsyncRuntime, EntryPayload, Membership};
use orrery_base::ids::{ClusterId, GroupId, LogIndex, Term};
use orrery_machine::{Machine, Refounded, SKIPPED};

use crate::cluster::identity::{self, Identity};
use crate::codec::{self, DISK_VERSION};
use crate::host::{Disk, SnapshotFile as _, Write};
use crate::peer::message::Foundation;
use crate::types::{CommittedLeader, Entry, LogId, SnapshotMeta, StoredMembership, Vote};

/// Entries that are read from a log at a time.
const READ_ENTRIES: u64 = 256;

/// One group's state, and the entry up to which it has everything.
#[derive(Clone, Debug)]
pub struct GroupState {
    pub group: GroupId,
    /// Term of its last entry.
    pub term: Term,
    /// Index of its last entry.
    pub index: LogIndex,
    /// What it came to.
    pub machine: Machine,
}

/// What a stopped node's directory says of its cluster.
#[derive(Clone, Debug)]
pub struct FoundOnDisk {
    pub cluster: ClusterId,
    pub name: orrery_base::ids::NodeName,
    /// Its address, as the cluster knew it when it joined.
    pub address: String,
}

/// Whose directory it is; none where it never was part of a cluster.
///
/// # Errors
/// Where the disk cannot be read.
pub fn found_on_disk<D: Disk>(disk: &D) -> io::Result<Option<FoundOnDisk>> {
    let Some(bytes) = disk.node_value(identity::IDENTITY_KEY)? else { return Ok(None) };
    Ok(match codec::decode(DISK_VERSION, &bytes)? {
        Identity::Founding(_) => None,
        Identity::Formed { foundation, me, .. } => {
            Some(FoundOnDisk { cluster: foundation.cluster, name: me.name, address: me.address })
        }
    })
}

/// The state of a group as a stopped node's directory has it: its snapshot, and every entry after it, also those of which
/// the node never heard that they were committed. None where it has nothing of the group.
///
/// # Errors
/// Where the disk cannot be read, or has something else than what was written.
pub async fn state_on_disk<D: Disk>(disk: &D, group: GroupId) -> io::Result<Option<GroupState>> {
    let found = disk.recover(group)?;
    let damaged = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut state = GroupState { group, term: 0, index: 0, machine: Machine::of(group) };
    let mut any = false;
    if let Some((name, meta)) = found.snapshot {
        let meta: SnapshotMeta = codec::decode(DISK_VERSION, &meta)?;
        let chunks = disk.read_snapshot(group, &name).await?;
        state.machine = Machine::decode(&chunks).map_err(|error| damaged(error.to_string()))?;
        if let Some(last) = meta.last_log_id {
            (state.term, state.index, any) = (last.leader_id.term, last.index, true);
        }
    }
    let Some((first, last)) = found.entries else { return Ok(any.then_some(state)) };
    let mut next = if any { state.index + 1 } else { first };
    if first > next {
        return Err(damaged(format!("the entries {next} to {} of group {group} are missing", first - 1)));
    }
    while next <= last {
        for (index, bytes) in disk.entries(group, next..(next + READ_ENTRIES).min(last + 1))? {
            let entry: Entry = codec::decode(DISK_VERSION, &bytes)?;
            if let EntryPayload::Normal(command) = &entry.payload {
                state.machine.apply(index, command);
            }
            (state.term, state.index) = (entry.log_id.leader_id.term, index);
            next = index + 1;
        }
    }
    Ok(Some(state))
}

/// Writes one group of the cluster that begins, into a directory that has nothing of it.
///
/// # Errors
/// Where the disk fails.
pub async fn write_group<R: AsyncRuntime, D: Disk>(
    disk: &D,
    founded: &Refounded,
    state: &GroupState,
) -> io::Result<()> {
    let GroupState { group, term, index, machine } = state;
    let id = LogId { leader_id: CommittedLeader::new(*term), index: index.saturating_add(SKIPPED) };
    let nodes = BTreeMap::from([(founded.me.id, founded.me.clone())]);
    let membership =
        Membership::new(vec![BTreeSet::from([founded.me.id])], nodes).map_err(io::Error::other)?;
    let meta =
        SnapshotMeta { last_log_id: Some(id), last_membership: StoredMembership::new(Some(id), membership) };
    let name = format!("g{}-t{}-i{}", group.0, term, id.index);
    let mut file = disk.create_snapshot(*group, &name).await?;
    for chunk in machine.chunks() {
        file.write(chunk).await?;
    }
    file.finish().await?;
    let encoded = codec::encode(DISK_VERSION, &id)?;
    let vote = Vote::new(*term, founded.me.id);
    let writes = vec![
        Write::Vote { group: *group, vote: codec::encode(DISK_VERSION, &vote)? },
        Write::SnapshotPointer { group: *group, name, meta: codec::encode(DISK_VERSION, &meta)? },
        Write::Purge { group: *group, through: id.index, log_id: encoded.clone() },
        Write::Committed { group: *group, log_id: Some(encoded) },
    ];
    submit::<R, D>(disk, writes).await
}

/// Says whose directory it is. Last: before, it is nobody's.
///
/// # Errors
/// Where the disk fails.
pub async fn write_identity<R: AsyncRuntime, D: Disk>(
    disk: &D,
    founded: &Refounded,
    control: &Machine,
) -> io::Result<()> {
    let record = control.cluster();
    let foundation = Foundation {
        cluster: founded.cluster,
        shards: record.shards(),
        replicas: record.replicas(),
        members: vec![founded.me.clone()],
    };
    // Its first membership is in the snapshots already.
    let identity = Identity::Formed { foundation, me: founded.me.clone(), founder: false };
    let value = codec::encode(DISK_VERSION, &identity)?;
    submit::<R, D>(disk, vec![Write::Node { key: identity::IDENTITY_KEY, value }]).await
}

async fn submit<R: AsyncRuntime, D: Disk>(disk: &D, writes: Vec<Write>) -> io::Result<()> {
    let (sender, receiver) = <R::Oneshot as Oneshot>::channel();
    // The receiver waits below.
    disk.submit(writes, Box::new(move |result| drop(sender.send(result))));
    receiver.await.unwrap_or_else(|_| Err(io::Error::other("the disk stopped")))
}
