//! A group's state for a backup: one that a majority confirmed, while the group goes on.

use std::time::Duration;

use orrery_base::ids::{ClusterId, GroupId, LogIndex, NodeName, Term};
use orrery_machine::{Machine, Member};
use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;
use crate::codec::{self, FormatError};
use crate::error::ReadError;
use crate::host::Host;

/// Version of what stands before each group of a backup.
pub const BACKUP_VERSION: u8 = 1;

/// What stands before a group's state in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupHead {
    pub group: GroupId,
    pub cluster: ClusterId,
    pub node: NodeName,
    /// Everything up to the entry of this term
    pub term: Term,
    /// and index is in it.
    pub index: LogIndex,
    /// When it was taken, microseconds since the Unix epoch by that node's clock.
    pub taken_us: u64,
    /// The members at that moment, as the node knows them.
    pub members: Vec<Member>,
    /// The cluster's number of shards.
    pub shards: u16,
}

impl BackupHead {
    /// Its bytes.
    ///
    /// # Errors
    /// Never for a value of ours.
    pub fn encode(&self) -> Result<bytes::Bytes, FormatError> {
        codec::encode(BACKUP_VERSION, self)
    }

    /// What [`BackupHead::encode`] wrote.
    ///
    /// # Errors
    /// [`FormatError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        codec::decode(BACKUP_VERSION, bytes)
    }
}

impl<H: Host> Cluster<H> {
    /// The state of a group that runs here, with everything that was acknowledged before this call: a majority confirms
    /// it, and the fork costs the group nothing.
    ///
    /// # Errors
    /// [`ReadError`] where the group does not run here, or nobody confirms it in time.
    pub async fn backup(&self, group: GroupId, within: Duration) -> Result<(BackupHead, Machine), ReadError> {
        let formed = self.formed().ok_or_else(|| ReadError("this node is no member yet".into()))?;
        let running = self.group(group).ok_or_else(|| ReadError(format!("{group} has no replica here")))?;
        self.read_index(group, within).await?;
        let (machine, applied) = running.state.fork_with_id();
        let applied = applied.ok_or_else(|| ReadError(format!("{group} has nothing yet")))?;
        let shards = self.group(GroupId::CONTROL).map_or(0, |control| {
            control.state.read(|machine| {
                if machine.cluster().map().version > 0 { machine.cluster().shards() } else { 0 }
            })
        });
        let head = BackupHead {
            group,
            cluster: formed.cluster,
            node: formed.me.name,
            term: applied.leader_id.term,
            index: applied.index,
            taken_us: self.host().wall_us(),
            members: self.members(),
            shards,
        };
        Ok((head, machine))
    }
}
