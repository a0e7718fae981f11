//! One node's engine: its groups, its place in the cluster, and what the services and the edge ask of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::AsyncRuntime;
use orrery_api::node::Compared;
use orrery_base::ids::{BootEpoch, ClusterId, GroupId, NodeId, NodeName};
use orrery_machine::Member;

use super::cache_service::{self, CacheService, Copies};
use super::config::EngineConfig;
use super::formation::Waiting;
use super::group::{Around, Group};
use super::host::{Host, Transport, WAY_BACK};
use super::identity::Identity;
use super::lock_service::LockService;
use super::meeting::halted_on_disk;
use super::network::Peers;
use super::publish::{Publisher, lock};
use super::queue_service::{Memory, QueueService};
use super::quotas::Quotas;
use super::relay::Detours;
use super::requests::Requests;
use super::signal::Signal;
use super::state::Turns;
use super::witness::Witness;

/// For how long a member is looked for under one address before the other is tried.
const LOOK_US: u64 = 2_000_000;

/// Who this node is by its configuration. The data directory may know more (see [`Formed`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
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
    pub name: NodeName,
    /// `host:port`.
    pub address: String,
}

/// What a data directory is of: persisted when the node becomes part of a cluster, checked at every start and
/// in every handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formed {
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
    #[error("the data directory cannot be read: {0}{advice}", advice = way_back(.0))]
    Disk(#[from] std::io::Error),
    /// What is on the disk is not what this version writes.
    #[error("the data directory cannot be understood: {0}. {WAY_BACK}")]
    Format(String),
    /// This node found earlier that its state is not what the others have.
    #[error("{0}")]
    Diverged(String),
    /// The configuration contradicts itself.
    #[error("the configuration is not valid: {0}")]
    Config(String),
}

/// The advice, where the disk works and has something else than what was written; storage that finds it says it already.
fn way_back(error: &std::io::Error) -> String {
    use std::io::ErrorKind::{InvalidData, NotFound};
    let said = error.to_string().contains(WAY_BACK);
    if matches!(error.kind(), InvalidData | NotFound) && !said {
        format!(". {WAY_BACK}")
    } else {
        String::new()
    }
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
    pub(super) config: Arc<EngineConfig>,
    pub(super) local: Local,
    pub(super) publisher: Arc<Publisher<H>>,
    pub(super) peers: Arc<Peers<H>>,
    turns: Arc<Turns<H>>,
    pub(super) groups: Mutex<BTreeMap<GroupId, Arc<Group<H>>>>,
    pub(super) identity: Mutex<Option<Identity>>,
    /// Set whenever the identity on the disk changes, for the task that forms or joins.
    pub(super) identity_changed: Signal,
    pub(super) requests: Requests,
    /// Who leads shards that have no replica here, as far as it is known.
    pub(super) leaders: Mutex<BTreeMap<GroupId, Member>>,
    /// Leaders that were not reached lately.
    pub(super) detours: Detours,
    /// Shards that this node is giving up: they are not started meanwhile, whatever a newer map says.
    pub(super) forgetting: Mutex<BTreeSet<GroupId>>,
    /// Groups that this node gave up because its state is another one than that of the other replicas, and why.
    pub(super) diverged: Mutex<BTreeMap<GroupId, String>>,
    /// How the last comparison of each group that this node led ended, and when.
    pub(super) compared: Mutex<BTreeMap<GroupId, (Compared, u64)>>,
    /// What the queue service remembers between requests.
    pub(super) queues: Memory,
    /// What clients' addresses began through this node.
    pub(super) quotas: Quotas,
    pub(super) copies: Copies<H>,
    /// Says which boot of an empty disk this is (see [`super::peer::Probed::Empty`]).
    pub(super) vacancy: u64,
    started_us: u64,
    pub(super) ready: AtomicBool,
    /// Everybody who answers was met: it may take part (see [`super::meeting`]).
    pub(super) proven: AtomicBool,
    /// Set when that is so, for the task that forms or joins.
    pub(super) proven_changed: Signal,
    /// Why it takes part in nothing.
    pub(super) halted: Mutex<Option<String>>,
    /// With whom this node found that they have two histories.
    pub(super) contradicted: Mutex<Option<NodeId>>,
    /// Whom it waits for before it is part of a cluster.
    pub(super) waiting: Mutex<Waiting>,
    /// Where members said that they are, by their identities.
    pub(super) addresses: Mutex<BTreeMap<NodeId, String>>,
    /// At the leader of the control group: for how many seconds nothing was heard of a member.
    pub(super) silent_s: Mutex<BTreeMap<NodeId, u32>>,
    stopping: AtomicBool,
}

impl<H: Host> Engine<H> {
    /// Recovers what the disk holds and starts. Returns as soon as peers can be served: an empty node forms or
    /// joins a cluster in the background (see [`Engine::wait_ready`]).
    pub async fn start(host: H, config: EngineConfig, local: Local) -> Result<Self, StartError> {
        config.raft().map_err(|error| StartError::Config(error.to_string()))?;
        let identity = Identity::load(host.disk(), &local)?;
        let diverged = super::digest::load(host.disk())?;
        if let Some(why) = diverged.get(&GroupId::CONTROL) {
            return Err(StartError::Diverged(why.clone()));
        }
        let publisher = Arc::new(Publisher::new(host.clone()));
        let cluster = identity.as_ref().and_then(Identity::formed).map(|formed| formed.cluster);
        let halted = halted_on_disk(host.disk(), cluster)?;
        let witness = Witness::open(host.clone(), cluster).await?;
        let peers = Arc::new(Peers::new(host.clone(), local.clone(), &config, witness));
        let engine = Engine {
            inner: Arc::new(Inner {
                started_us: host.monotonic_us(),
                requests: Requests::new(&local, &config, host.random()),
                vacancy: host.random(),
                copies: Copies::new(host.clone(), config.cache),
                host,
                config: Arc::new(config),
                local,
                publisher,
                peers,
                turns: Arc::default(),
                groups: Mutex::default(),
                identity: Mutex::new(identity.clone()),
                identity_changed: Signal::default(),
                leaders: Mutex::default(),
                detours: Detours::default(),
                forgetting: Mutex::default(),
                diverged: Mutex::new(diverged),
                compared: Mutex::default(),
                queues: Memory::default(),
                quotas: Quotas::default(),
                ready: AtomicBool::new(false),
                proven: AtomicBool::new(false),
                proven_changed: Signal::default(),
                halted: Mutex::new(halted.clone()),
                contradicted: Mutex::default(),
                waiting: Mutex::default(),
                addresses: Mutex::default(),
                silent_s: Mutex::default(),
                stopping: AtomicBool::new(false),
            }),
        };
        engine.inner.host.transport().members(&engine.members());
        if let Some(why) = halted {
            tracing::error!("this node serves nobody: {why}");
            engine.inner.host.halted(&why);
            if let Some(formed) = identity.as_ref().and_then(Identity::formed) {
                engine.inner.peers.identify(formed);
            }
            return Ok(engine);
        }
        if let Some(identity @ Identity::Formed { .. }) = identity {
            engine.join_groups(&identity).await?;
        }
        drop(H::Runtime::spawn(super::formation::run(engine.clone())));
        drop(H::Runtime::spawn(super::meeting::keep(engine.clone())));
        drop(H::Runtime::spawn(super::housekeeping::run(engine.clone())));
        drop(H::Runtime::spawn(cache_service::keep_copies(engine.clone())));
        Ok(engine)
    }

    /// Starts the control group under the identity that this node's disk holds; the shards follow by themselves.
    pub(super) async fn join_groups(&self, identity: &Identity) -> Result<(), StartError> {
        let Identity::Formed { foundation, me, .. } = identity else { return Ok(()) };
        let Inner { host, local, publisher, peers, .. } = &*self.inner;
        let formed = Formed { cluster: foundation.cluster, me: me.clone() };
        tracing::info!(node = %local.name, cluster = %formed.cluster, id = %me.id, "starting as a member");
        publisher.identify(me.id);
        publisher.name(&foundation.members);
        publisher.name(std::slice::from_ref(me));
        peers.identify(formed);
        let group = Group::start(self.around(me.id), GroupId::CONTROL).await?;
        // Not before it met everybody who answers (see `meeting`).
        group.raft.runtime_config().elect(false);
        lock(&self.inner.groups).insert(GroupId::CONTROL, group);
        host.transport().members(&self.members());
        drop(H::Runtime::spawn(super::housekeeping::watch_readiness(self.clone())));
        drop(H::Runtime::spawn(super::housekeeping::lead(self.clone())));
        drop(H::Runtime::spawn(super::shards::keep(self.clone())));
        drop(H::Runtime::spawn(super::digest::keep(self.clone())));
        drop(H::Runtime::spawn(super::reconfigure::lead(self.clone())));
        drop(H::Runtime::spawn(super::reconfigure::forget(self.clone())));
        drop(H::Runtime::spawn(super::heartbeat_monitor::watch(self.clone(), me.id)));
        Ok(())
    }

    /// What all groups of this node share.
    pub(super) fn around(&self, me: NodeId) -> Around<H> {
        let Inner { host, config, publisher, peers, turns, .. } = &*self.inner;
        let (host, config) = (host.clone(), config.clone());
        let (publisher, peers, turns) = (publisher.clone(), peers.clone(), turns.clone());
        Around { host, me, config, publisher, peers, turns }
    }

    /// Stops all groups. Requests under way end as unknown.
    pub async fn stop(&self) {
        // While homes still answer: what was written here and is nowhere else.
        self.inner.copies.stop(self.config().cache_stop_timeout()).await;
        self.inner.stopping.store(true, Ordering::Relaxed);
        self.inner.ready.store(false, Ordering::Relaxed);
        self.inner.identity_changed.notify();
        self.inner.proven_changed.notify();
        self.inner.peers.witness.wake.notify();
        self.inner.copies.wake();
        for group in self.groups() {
            group.stop().await;
        }
    }

    /// Whether [`Engine::stop`] was called.
    pub(super) fn stopping(&self) -> bool {
        self.inner.stopping.load(Ordering::Relaxed)
    }

    pub(super) fn set_ready(&self) {
        self.inner.ready.store(true, Ordering::Relaxed);
    }

    /// All groups that run here.
    pub(super) fn groups(&self) -> Vec<Arc<Group<H>>> {
        lock(&self.inner.groups).values().cloned().collect()
    }

    /// A group that runs here.
    pub(super) fn group(&self, group: GroupId) -> Option<Arc<Group<H>>> {
        lock(&self.inner.groups).get(&group).cloned()
    }

    /// The identity on the disk.
    pub(super) fn identity(&self) -> Option<Identity> {
        lock(&self.inner.identity).clone()
    }

    /// The host that it was started with.
    pub fn host(&self) -> &H {
        &self.inner.host
    }

    pub fn config(&self) -> &EngineConfig {
        &self.inner.config
    }

    /// Who it is by configuration.
    pub fn local(&self) -> &Local {
        &self.inner.local
    }

    /// What its data directory is of; none before it is part of a cluster.
    pub fn formed(&self) -> Option<Formed> {
        lock(&self.inner.identity).as_ref().and_then(Identity::formed)
    }

    /// Whether recovery is complete and it is a member: requests are served.
    pub fn ready(&self) -> bool {
        self.inner.ready.load(Ordering::Relaxed)
    }

    /// Waits for [`Engine::ready`]; false when it did not come within the time.
    pub async fn wait_ready(&self, within: Duration) -> bool {
        let nap = self.inner.config.heartbeat.min(Duration::from_millis(20)).max(Duration::from_millis(1));
        let mut waited = Duration::ZERO;
        while !self.ready() && self.halted().is_none() && waited < within {
            H::Runtime::sleep(nap).await;
            waited += nap;
        }
        self.ready()
    }

    /// Microseconds since this boot.
    pub(super) fn uptime_us(&self) -> u64 {
        self.inner.host.monotonic_us().saturating_sub(self.inner.started_us)
    }

    /// Everybody, this node included, sorted by name: members once formed, static peers before.
    pub fn members(&self) -> Vec<Member> {
        let mut members: Vec<Member> = match self.group(GroupId::CONTROL) {
            Some(group) => group.membership().nodes().map(|(_, member)| member.clone()).collect(),
            None => Vec::new(),
        };
        if members.is_empty() {
            members = match self.identity() {
                Some(Identity::Formed { foundation, .. } | Identity::Founding(foundation)) => {
                    foundation.members
                }
                None => self.static_members(),
            };
        }
        for member in &mut members {
            self.look_up(member);
        }
        members.sort_by(|a, b| a.name.cmp(&b.name));
        members
    }

    /// Where that member is looked for: where it said that it is when it was met; before that where it is said to be by
    /// configuration and where the record has it, in turns: either may be out of date.
    fn look_up(&self, member: &mut Member) {
        let Local { name, address, peers, .. } = &self.inner.local;
        if member.name == *name {
            member.address.clone_from(address);
        } else if let Some(learned) = lock(&self.inner.addresses).get(&member.id) {
            member.address.clone_from(learned);
        } else if let Some(peer) = peers.iter().find(|peer| peer.name == member.name)
            && (self.uptime_us() / LOOK_US).is_multiple_of(2)
        {
            member.address.clone_from(&peer.address);
        }
    }

    /// Everybody by configuration, this node included, sorted by name, without identities.
    pub(super) fn static_members(&self) -> Vec<Member> {
        let Local { name, address, peers, .. } = &self.inner.local;
        let me = StaticPeer { name: name.clone(), address: address.clone() };
        let mut everybody: Vec<StaticPeer> = peers.iter().cloned().chain([me]).collect();
        everybody.sort();
        everybody.dedup_by(|a, b| a.name == b.name);
        everybody
            .into_iter()
            .map(|peer| Member { id: NodeId(0), name: peer.name, incarnation: 0, address: peer.address })
            .collect()
    }

    /// The lock service of this node.
    pub fn locks(&self) -> LockService<H> {
        LockService::new(self.clone())
    }

    /// The cache service of this node.
    pub fn cache(&self) -> CacheService<H> {
        CacheService::new(self.clone())
    }

    /// The queue service of this node.
    pub fn queue(&self) -> QueueService<H> {
        QueueService::new(self.clone())
    }
}
