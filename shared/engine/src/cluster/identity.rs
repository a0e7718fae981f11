//! What a data directory is of: written once, checked at every start.

use std::io;

use orrery_machine::Member;
use serde::{Deserialize, Serialize};

use crate::codec::{self, DISK_VERSION};
use crate::disk;
use crate::error::StartError;
use crate::host::{Disk, Host};
use crate::local::{Formed, Local};
use crate::peer::message::Foundation;

/// Under which name the disk keeps it.
pub const IDENTITY_KEY: &str = "identity";

/// Under which name the disk keeps [`join_attempt`].
const JOIN_ATTEMPT_KEY: &str = "join-attempt";

/// What the disk holds of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identity {
    /// This node founds a cluster and has not heard from everybody that they wrote it down: no Raft group runs yet.
    Founding(Foundation),
    /// This node is part of a cluster.
    Formed {
        foundation: Foundation,
        me: Member,
        /// It brings the first membership into the log, if nobody did.
        founder: bool,
    },
}

impl Identity {
    /// What the disk holds, checked against the configuration.
    pub fn load<D: Disk>(disk: &D, local: &Local) -> Result<Option<Self>, StartError> {
        let Some(bytes) = disk.node_value(IDENTITY_KEY)? else { return Ok(None) };
        let identity: Identity =
            codec::decode(DISK_VERSION, &bytes).map_err(|error| StartError::Format(error.to_string()))?;
        let owner = match &identity {
            Identity::Formed { me, .. } => Some(&me.name),
            Identity::Founding(foundation) => foundation.members.iter().map(|member| &member.name).min(),
        };
        match owner {
            Some(owner) if *owner != local.name => Err(StartError::Identity(format!(
                "this data directory belongs to {owner}, not to {}: start {owner} on it, or give {} an empty one",
                local.name, local.name
            ))),
            _ => Ok(Some(identity)),
        }
    }

    /// Writes it and waits for the sync.
    pub async fn save<H: Host>(&self, host: &H) -> io::Result<()> {
        disk::write(host, IDENTITY_KEY, codec::encode(DISK_VERSION, self)?).await
    }

    pub fn formed(&self) -> Option<Formed> {
        match self {
            Identity::Founding(_) => None,
            Identity::Formed { foundation, me, .. } => {
                Some(Formed { cluster: foundation.cluster, me: me.clone() })
            }
        }
    }
}

/// The number under which an empty disk asks to join a cluster: the same in every boot, so that a question of an earlier
/// boot that arrives late is the same question. Another disk draws another number.
pub async fn join_attempt<H: Host>(host: &H) -> io::Result<u64> {
    if let Some(bytes) = host.disk().node_value(JOIN_ATTEMPT_KEY)? {
        return codec::decode(DISK_VERSION, &bytes).map_err(io::Error::other);
    }
    let attempt = host.random();
    disk::write(host, JOIN_ATTEMPT_KEY, codec::encode(DISK_VERSION, &attempt)?).await?;
    Ok(attempt)
}

/// What a data directory is of, for the handshakes of a node whose engine has not started yet.
pub fn formed_on_disk<D: Disk>(disk: &D, local: &Local) -> Result<Option<Formed>, StartError> {
    Ok(Identity::load(disk, local)?.as_ref().and_then(Identity::formed))
}
