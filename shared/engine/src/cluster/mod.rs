//! Which nodes are one cluster: founding, joining, leaving, who has which shard, and who leads it.

pub mod backup;
pub mod digest;
pub mod formation;
pub mod heartbeat_monitor;
pub mod housekeeping;
pub mod identity;
pub mod leadership;
pub mod meeting;
pub mod propose;
pub mod rebalance;
pub mod reconfigure;
pub mod refound;
pub mod relay;
pub mod resign;
pub mod retry_budget;
pub mod shards;
pub mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::AsyncRuntime;
use orrery_api::node::Compared;
use orrery_base::ids::{GroupId, NodeId};
use orrery_machine::Member;

use self::formation::Waiting;
use self::identity::Identity;
use self::meeting::halted_on_disk;
use self::relay::Detours;
use crate::config::EngineConfig;
use crate::error::StartError;
use crate::host::{Host, Transport};
use crate::local::{Formed, Local, StaticPeer};
use crate::peer::client::Peers;
use crate::peer::witness::Witness;
use crate::raft::confirm::Leadership;
use crate::raft::group::{Around, Group};
use crate::raft::publish::Publisher;
use crate::raft::state::Turns;
use crate::raft::watch::Watch;
use crate::sync::{Signal, lock};

/// For how long a member is looked for under one address before the other is tried.
const LOOK_US: u64 = 2_000_000;

/// This node's part of the cluster. Cheap to clone; all clones are the same.
pub struct Cluster<H: Host> {
    pub(crate) inner: Arc<Inner<H>>,
}

impl<H: Host> Clone for Cluster<H> {
    fn clone(&self) -> Self {
        Cluster { inner: self.inner.clone() }
    }
}

/// Shared by all clones.
pub(crate) struct Inner<H: Host> {
    pub(crate) host: H,
    pub(crate) config: Arc<EngineConfig>,
    pub(crate) local: Local,
    pub(crate) publisher: Arc<Publisher<H>>,
    pub(crate) peers: Arc<Peers<H>>,
    turns: Arc<Turns<H>>,
    /// Who follows the groups.
    watch: Watch,
    /// Groups that are served since a moment ago, for who asks with [`Cluster::newly_served`].
    served: Mutex<Vec<Arc<Group<H>>>>,
    served_changed: Signal,
    pub(crate) groups: Mutex<BTreeMap<GroupId, Arc<Group<H>>>>,
    pub(crate) identity: Mutex<Option<Identity>>,
    /// Set whenever the identity on the disk changes, for the task that forms or joins.
    pub(crate) identity_changed: Signal,
    /// Who leads shards that have no replica here, as far as it is known.
    pub(crate) leaders: Mutex<BTreeMap<GroupId, Member>>,
    /// Leaders that were not reached lately.
    pub(crate) detours: Detours,
    /// Shards that this node is giving up: they are not started meanwhile, whatever a newer map says.
    pub(crate) forgetting: Mutex<BTreeSet<GroupId>>,
    /// Groups that this node gave up because its state is another one than that of the other replicas, and why.
    pub(crate) diverged: Mutex<BTreeMap<GroupId, String>>,
    /// How the last comparison of each group that this node led ended, and when.
    pub(crate) compared: Mutex<BTreeMap<GroupId, (Compared, u64)>>,
    /// Says which boot of an empty disk this is (see [`crate::peer::message::Probed::Empty`]).
    pub(crate) vacancy: u64,
    started_us: u64,
    pub(crate) ready: AtomicBool,
    /// Everybody who answers was met: it may take part (see [`meeting`]).
    pub(crate) proven: AtomicBool,
    /// Set when that is so, for the task that forms or joins.
    pub(crate) proven_changed: Signal,
    /// Why it takes part in nothing.
    pub(crate) halted: Mutex<Option<String>>,
    /// With whom this node found that they have two histories.
    pub(crate) contradicted: Mutex<Option<NodeId>>,
    /// Whom it waits for before it is part of a cluster.
    pub(crate) waiting: Mutex<Waiting>,
    /// Where members said that they are, by their identities.
    pub(crate) addresses: Mutex<BTreeMap<NodeId, String>>,
    /// At the leader of the control group: for how many seconds nothing was heard of a member.
    pub(crate) silent_s: Mutex<BTreeMap<NodeId, u32>>,
    stopping: AtomicBool,
}

impl<H: Host> Cluster<H> {
    /// Recovers what the disk holds and starts. Returns as soon as peers can be served: an empty node forms or
    /// joins a cluster in the background (see [`Engine::wait_ready`]).
    pub async fn start(
        host: H,
        config: EngineConfig,
        local: Local,
        watch: Watch,
    ) -> Result<Self, StartError> {
        config.raft().map_err(|error| StartError::Config(error.to_string()))?;
        let identity = Identity::load(host.disk(), &local)?;
        let diverged = digest::load(host.disk())?;
        if let Some(why) = diverged.get(&GroupId::CONTROL) {
            return Err(StartError::Diverged(why.clone()));
        }
        let publisher = Arc::new(Publisher::new(host.clone()));
        let cluster = identity.as_ref().and_then(Identity::formed).map(|formed| formed.cluster);
        let halted = halted_on_disk(host.disk(), cluster)?;
        let witness = Witness::open(host.clone(), cluster).await?;
        let peers = Arc::new(Peers::new(host.clone(), local.clone(), &config, witness));
        let cluster_here = Cluster {
            inner: Arc::new(Inner {
                started_us: host.monotonic_us(),
                vacancy: host.random(),
                host,
                config: Arc::new(config),
                local,
                publisher,
                peers,
                turns: Arc::default(),
                watch,
                served: Mutex::default(),
                served_changed: Signal::default(),
                groups: Mutex::default(),
                identity: Mutex::new(identity.clone()),
                identity_changed: Signal::default(),
                leaders: Mutex::default(),
                detours: Detours::default(),
                forgetting: Mutex::default(),
                diverged: Mutex::new(diverged),
                compared: Mutex::default(),
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
        cluster_here.inner.host.transport().members(&cluster_here.members());
        if let Some(why) = halted {
            tracing::error!("this node serves nobody: {why}");
            cluster_here.inner.host.halted(&why);
            if let Some(formed) = identity.as_ref().and_then(Identity::formed) {
                cluster_here.inner.peers.identify(formed);
            }
            return Ok(cluster_here);
        }
        if let Some(identity @ Identity::Formed { .. }) = identity {
            cluster_here.join_groups(&identity).await?;
        }
        drop(H::Runtime::spawn(formation::run(cluster_here.clone())));
        drop(H::Runtime::spawn(meeting::keep(cluster_here.clone())));
        drop(H::Runtime::spawn(housekeeping::run(cluster_here.clone())));
        Ok(cluster_here)
    }

    /// Starts the control group under the identity that this node's disk holds; the shards follow by themselves.
    pub(crate) async fn join_groups(&self, identity: &Identity) -> Result<(), StartError> {
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
        drop(H::Runtime::spawn(housekeeping::watch_readiness(self.clone())));
        drop(H::Runtime::spawn(housekeeping::lead(self.clone())));
        drop(H::Runtime::spawn(shards::keep(self.clone())));
        drop(H::Runtime::spawn(digest::keep(self.clone())));
        drop(H::Runtime::spawn(reconfigure::lead(self.clone())));
        drop(H::Runtime::spawn(reconfigure::forget(self.clone())));
        drop(H::Runtime::spawn(heartbeat_monitor::watch(self.clone(), me.id)));
        Ok(())
    }

    /// What all groups of this node share.
    pub(crate) fn around(&self, me: NodeId) -> Around<H> {
        let Inner { host, config, publisher, peers, turns, watch, .. } = &*self.inner;
        let (host, config, watch) = (host.clone(), config.clone(), watch.clone());
        let (publisher, peers, turns) = (publisher.clone(), peers.clone(), turns.clone());
        Around { host, me, config, publisher, peers, turns, watch }
    }

    /// Stops all groups. Requests under way end as unknown.
    pub async fn stop(&self) {
        self.inner.stopping.store(true, Ordering::Relaxed);
        self.inner.ready.store(false, Ordering::Relaxed);
        self.inner.identity_changed.notify();
        self.inner.proven_changed.notify();
        self.inner.peers.witness.wake.notify();
        self.inner.served_changed.notify();
        for group in self.groups() {
            group.stop().await;
        }
    }

    /// Whether [`Engine::stop`] was called.
    pub(crate) fn stopping(&self) -> bool {
        self.inner.stopping.load(Ordering::Relaxed)
    }

    pub(crate) fn set_ready(&self) {
        self.inner.ready.store(true, Ordering::Relaxed);
    }

    /// All groups that run here.
    pub(crate) fn groups(&self) -> Vec<Arc<Group<H>>> {
        lock(&self.inner.groups).values().cloned().collect()
    }

    /// A group that runs here.
    pub(crate) fn group(&self, group: GroupId) -> Option<Arc<Group<H>>> {
        lock(&self.inner.groups).get(&group).cloned()
    }

    /// The identity on the disk.
    pub(crate) fn identity(&self) -> Option<Identity> {
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
    pub(crate) fn uptime_us(&self) -> u64 {
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
    pub(crate) fn static_members(&self) -> Vec<Member> {
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

    /// Of each group that runs here: who leads, and whether a majority confirmed it within an election time-out.
    pub fn leaderships(&self) -> Vec<Leadership> {
        self.groups().iter().map(|group| group.leadership()).collect()
    }

    /// Waits for shards that are served from now on; none when the engine stops. For one task.
    pub(crate) async fn newly_served(&self) -> Vec<Arc<Group<H>>> {
        loop {
            let served = std::mem::take(&mut *lock(&self.inner.served));
            if !served.is_empty() || self.stopping() {
                return served;
            }
            self.inner.served_changed.wait().await;
        }
    }
}
