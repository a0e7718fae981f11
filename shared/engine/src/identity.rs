//! What a data directory is of: written once, checked at every start.

use std::io;

use bytes::Bytes;
use openraft::AsyncRuntime;
use openraft::async_runtime::{Oneshot, OneshotSender};
use orrery_base::ids::{ClusterId, NodeName};
use orrery_machine::Member;
use serde::{Deserialize, Serialize};

use super::codec::{self, DISK_VERSION};
use super::host::{Disk, Host, Write};
use super::node::{Formed, Local, StartError};

/// Under which name the disk keeps it.
pub const IDENTITY_KEY: &str = "identity";

/// Under which name the disk keeps [`join_attempt`].
const JOIN_ATTEMPT_KEY: &str = "join-attempt";

/// A cluster's identity and constants, as its founder minted them, and its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foundation {
    pub cluster: ClusterId,
    /// Number of shards, a constant of the cluster.
    pub shards: u16,
    /// Replicas of a shard, a constant of the cluster.
    pub replicas: u16,
    /// Members at that moment, sorted by name.
    pub members: Vec<Member>,
}

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
        write(host, IDENTITY_KEY, codec::encode(DISK_VERSION, self)?).await
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
    write(host, JOIN_ATTEMPT_KEY, codec::encode(DISK_VERSION, &attempt)?).await?;
    Ok(attempt)
}

/// Writes a value of the node itself and waits for the sync.
pub(super) async fn write<H: Host>(host: &H, key: &'static str, value: Bytes) -> io::Result<()> {
    let (sender, receiver) = <<H::Runtime as AsyncRuntime>::Oneshot as Oneshot>::channel();
    // The receiver is gone only when the node is.
    host.disk().submit(vec![Write::Node { key, value }], Box::new(move |result| drop(sender.send(result))));
    let result = receiver.await.unwrap_or_else(|_| Err(io::Error::other("the disk stopped")));
    if let Err(error) = &result {
        host.fail_stop(&format!("writing the node's {key} failed: {error}"));
    }
    result
}

/// What a data directory is of, for the handshakes of a node whose engine has not started yet.
pub fn formed_on_disk<D: Disk>(disk: &D, local: &Local) -> Result<Option<Formed>, StartError> {
    Ok(Identity::load(disk, local)?.as_ref().and_then(Identity::formed))
}

impl Foundation {
    /// The member of that name.
    pub fn member(&self, name: &NodeName) -> Option<&Member> {
        self.members.iter().find(|member| member.name == *name)
    }
}
