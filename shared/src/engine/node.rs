//! One node's engine: its groups, its place in the cluster, and what the services and the edge ask of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::config::EngineConfig;
use super::host::Host;
use super::lock_service::LockService;
use crate::api;
use crate::error::{ApiError, ErrorCode};
use crate::event::fact::LockTable;
use crate::event::stream::GroupSnapshot;
use crate::ids::{BootEpoch, ClusterId, GroupId, LogIndex, NodeName};
use crate::machine::{Command, Member, Reply};

/// Who this node is by its configuration. The data directory may know more (see [`Formed`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Its name.
    pub name: NodeName,
    /// `host:port` under which peers and clients reach it.
    pub address: String,
    /// Number of this boot, already persisted by the host.
    pub boot: BootEpoch,
    /// The other nodes of the first formation, by configuration.
    pub peers: Vec<StaticPeer>,
}

/// Another node, by configuration. Before a cluster is formed, transports are asked to call it as a
/// [`Member`] with id 0 and incarnation 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StaticPeer {
    /// Its name.
    pub name: NodeName,
    /// `host:port`.
    pub address: String,
}

/// What a data directory is of: persisted when the node becomes part of a cluster, checked at every start and
/// in every handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formed {
    /// The cluster.
    pub cluster: ClusterId,
    /// This node as a member: Raft identity, name, incarnation, address.
    pub me: Member,
}

/// Why an engine does not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory belongs to another node or cluster.
    #[error("{0}")]
    Identity(String),
    /// The disk cannot be read.
    #[error("the data directory cannot be read: {0}")]
    Disk(#[from] std::io::Error),
    /// What is on the disk is not what this version writes.
    #[error("the data directory cannot be understood: {0}")]
    Format(String),
    /// The configuration contradicts itself.
    #[error("the configuration is not valid: {0}")]
    Config(String),
}

/// What became of a proposal that has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It surely was not and will not be applied: asking again is safe.
    #[error("not applied: {0}")]
    NotApplied(String),
    /// It may or may not have been applied, or may be applied later: ask again only under the same key.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}

/// Why a linearizable read has no answer. Reads change nothing: asking again is always safe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no linearizable read: {0}")]
pub struct ReadError(pub String);

/// A node's engine. Cheap to clone; all clones are the same engine.
pub struct Engine<H: Host> {
    pub(super) inner: Arc<Inner<H>>,
}

impl<H: Host> Clone for Engine<H> {
    fn clone(&self) -> Self {
        Engine { inner: self.inner.clone() }
    }
}

/// Shared by everything that belongs to one engine.
pub(super) struct Inner<H: Host> {
    pub(super) host: H,
    pub(super) config: EngineConfig,
    pub(super) local: Local,
}

impl<H: Host> Engine<H> {
    /// Recovers what the disk holds and starts. Returns as soon as peers can be served: an empty node forms or
    /// joins a cluster in the background (see [`Engine::wait_ready`]).
    pub async fn start(host: H, config: EngineConfig, local: Local) -> Result<Self, StartError> {
        config.raft().map_err(|error| StartError::Config(error.to_string()))?;
        Ok(Engine { inner: Arc::new(Inner { host, config, local }) })
    }

    /// Stops all groups. Requests under way end as unknown.
    pub async fn stop(&self) {}

    /// Answers a peer's request. `from` is the name that the transport's handshake established.
    pub async fn serve(&self, from: &NodeName, request: Bytes) -> Bytes {
        let _ = (from, request);
        Bytes::new()
    }

    /// The host that it was started with.
    pub fn host(&self) -> &H {
        &self.inner.host
    }
    /// Its configuration.
    pub fn config(&self) -> &EngineConfig {
        &self.inner.config
    }
    /// Who it is by configuration.
    pub fn local(&self) -> &Local {
        &self.inner.local
    }
    /// What its data directory is of; none before it is part of a cluster.
    pub fn formed(&self) -> Option<Formed> {
        None
    }
    /// Whether recovery is complete and it is a member: requests are served.
    pub fn ready(&self) -> bool {
        false
    }
    /// Waits for [`Engine::ready`]; false when it did not come within the time.
    pub async fn wait_ready(&self, within: Duration) -> bool {
        let _ = within;
        self.ready()
    }

    /// Appends a command to a group's log through its leader, wherever that is, and answers with what `apply`
    /// made of it. A command with a key is tried again on its own within the time.
    pub async fn propose(
        &self,
        group: GroupId,
        command: Command,
        within: Duration,
    ) -> Result<(LogIndex, Reply), ProposeError> {
        let _ = (group, command, within);
        Err(ProposeError::NotApplied("the node is starting".into()))
    }

    /// A read-index round at the leader (Raft thesis, section 6.4), then waits until this node applied up to
    /// the index that it answers: what is read here afterwards is linearizable.
    pub async fn read_index(&self, group: GroupId, within: Duration) -> Result<LogIndex, ReadError> {
        let _ = (group, within);
        Err(ReadError("the node is starting".into()))
    }

    /// The lock table as this node applied it, without a read index.
    pub fn lock_table(&self) -> LockTable {
        LockTable::default()
    }
    /// The groups as the facts emitted so far describe them, and the lock table. `at` runs while no such fact
    /// can be emitted: the head sequence that it returns fits the snapshot exactly.
    pub fn snapshot<T>(&self, at: impl FnOnce() -> T) -> (T, Vec<GroupSnapshot>, LockTable) {
        (at(), Vec::new(), LockTable::default())
    }
    /// `GET /health`
    pub fn health(&self) -> api::node::Health {
        api::node::Health {
            status: "starting".into(),
            node: self.inner.local.name.clone(),
            role: Default::default(),
            term: 0,
        }
    }
    /// `GET /status`
    pub fn status(&self) -> api::node::Status {
        api::node::Status {
            node_id: self.inner.local.name.clone(),
            raft_id: None,
            boot: self.inner.local.boot,
            cluster: None,
            role: Default::default(),
            term: 0,
            leader_id: None,
            voted_for: None,
            commit_index: None,
            last_applied: None,
            last_log_index: None,
            log_length: 0,
            purged: None,
            peers: Vec::new(),
            uptime_seconds: 0.0,
            time_since_last_contact: None,
            profile: self.inner.config.profile.name().into(),
        }
    }
    /// `GET /cluster`
    pub fn cluster(&self) -> api::node::Cluster {
        api::node::Cluster {
            cluster: None,
            shards: self.inner.config.shards,
            replicas: self.inner.config.replicas,
            version: 0,
            leader: None,
            members: Vec::new(),
        }
    }
    /// Everybody, this node included, sorted by name: members once formed, static peers before.
    pub fn members(&self) -> Vec<Member> {
        Vec::new()
    }

    /// Hands the control group's leadership to another voter and waits for it.
    pub async fn transfer_leader(&self, to: &NodeName, within: Duration) -> Result<(), ApiError> {
        let _ = (to, within);
        Err(ApiError::new(ErrorCode::NotReady, "The node is starting."))
    }

    /// The lock service of this node.
    pub fn locks(&self) -> LockService<H> {
        LockService::new(self.clone())
    }
}
