//! A cluster of simulated nodes: start, crash, pause.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openraft::rt::AsyncRuntime;
use orrery_base::ids::GroupId;
use orrery_cache::Broken;
use orrery_cache::node::Limits;
use orrery_engine::{EngineConfig, Local, Profile, StaticPeer};

use orrery_sim::disk::SimDisk;
use orrery_sim::host::{Clocks, Stopped};
use orrery_sim::network::{SimTransport, address, name};
use orrery_sim::nodes::Nodes;
use orrery_sim::runtime::{Sim, SimRuntime, SplitMix, SyncCell, TaskGroup, WORLD};
use orrery_sim::trace::Trace;

use super::bugs::Bugs;
use super::checks::{Checks, Found};
use super::disk::{Folder, Machine, WatchedDisk};
use super::faults::Faults;
use super::{Network, SimHost};

/// A whole simulated world.
pub struct Cluster {
    pub sim: Sim,
    pub network: Network,
    pub trace: Arc<Trace>,
    pub checks: Arc<Checks>,
    pub faults: Faults,
    /// What is broken on purpose.
    pub bugs: Bugs,
    nodes: BTreeMap<TaskGroup, Node>,
    processes: Nodes<WatchedDisk>,
}

#[derive(Default)]
struct Node {
    machine: Arc<Machine>,
    clocks: Arc<Clocks>,
    part: SyncCell<Part>,
    /// Its folder was set back: it has to notice, and this is why it took part in nothing.
    set_back: SyncCell<SetBack>,
}

/// What became of a folder that was set back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SetBack {
    /// It is as it was.
    #[default]
    No,
    /// An earlier copy was put in its place.
    Unnoticed,
    /// The node says so.
    Noticed,
}

/// What a node has to do with the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// It is to be one of its members.
    #[default]
    Member,
    /// Not yet.
    Spare,
    /// Somebody asked for its dismissal, and perhaps it is dismissed.
    Leaving,
    /// It heard that it is dismissed, and ended for ever.
    Gone,
}

impl Cluster {
    /// Nodes that were never started.
    pub fn new(seed: u64, faults: Faults, bugs: Bugs, text: bool) -> Arc<Self> {
        let sim = Sim::new(seed);
        let print = |line: &str| println!("{line}");
        let trace = Arc::new(Trace::new(sim.clone(), text.then_some(print)));
        let checks = Checks::new(trace.clone(), bugs.state_differs);
        let network = Network::new(sim.clone(), trace.clone(), faults.links.clone());
        let (watch, links) = (checks.clone(), network.clone());
        sim.set_after_poll(move |_| watch.after_poll(&links));
        let nodes: BTreeMap<TaskGroup, Node> =
            (1..=faults.nodes + faults.spares).map(|node| (node, Node::default())).collect();
        for (_, spare) in nodes.iter().filter(|(node, _)| **node > faults.nodes) {
            spare.part.set(Part::Spare);
        }
        let processes = Nodes::new(sim.clone(), trace.clone(), network.clone(), nodes.keys().copied());
        let cluster = Cluster { sim, network, trace, checks, faults, bugs, nodes, processes };
        for node in cluster.nodes.keys() {
            cluster.jump_clock(*node);
        }
        Arc::new(cluster)
    }

    /// All nodes that are, or are to be, part of the cluster, up or not.
    pub fn nodes(&self) -> Vec<TaskGroup> {
        let part = |node: &Node| matches!(node.part.get(), Part::Member | Part::Leaving);
        self.nodes.iter().filter(|(_, node)| part(node)).map(|(id, _)| *id).collect()
    }

    pub fn any_node(&self, rng: &mut SplitMix) -> TaskGroup {
        // A cluster never dismisses its last node.
        *rng.pick(&self.nodes()).expect("there is a node")
    }

    /// Whether a node is, or is to be, part of the cluster.
    pub fn belongs(&self, id: TaskGroup) -> bool {
        self.nodes().contains(&id)
    }

    /// The first spare node is to join from now on.
    pub fn recruit(&self) -> Option<TaskGroup> {
        let (id, node) = self.nodes.iter().find(|(_, node)| node.part.get() == Part::Spare)?;
        node.part.set(Part::Member);
        Some(*id)
    }

    /// A node may be dismissed from now on.
    pub fn may_leave(&self, id: TaskGroup) {
        self.nodes[&id].part.set(Part::Leaving);
    }

    /// A node stopped itself. It does so in peace only where it was dismissed.
    pub fn stopped(self: &Arc<Self>, id: TaskGroup, why: &str) {
        let node = &self.nodes[&id];
        if node.part.get() != Part::Leaving || !why.contains("is no member") {
            return self.checks.fail(format!("node {id} stopped itself: {why}"));
        }
        node.part.set(Part::Gone);
        let cluster = self.clone();
        self.sim.spawn_in(WORLD, async move { cluster.crash(id) });
    }

    /// A node takes part in nothing any more. It says so only where its folder was set back.
    fn halted(self: &Arc<Self>, id: TaskGroup, why: &str) {
        let node = &self.nodes[&id];
        self.trace.note(format_args!("HALTED node{id}: {why}"));
        if node.set_back.get() == SetBack::No || !why.contains("older than what") {
            return self.checks.fail(format!("node {id} halted: {why}"));
        }
        node.set_back.set(SetBack::Noticed);
    }

    /// Keeps a copy of the folder of a node that does not run.
    pub fn copy_folder(&self, id: TaskGroup) -> Folder {
        self.nodes[&id].machine.copy()
    }

    /// An earlier copy is put in the place of the folder of a node that does not run.
    pub fn set_back(&self, id: TaskGroup, folder: Folder) {
        self.trace.note(format_args!("SET BACK node{id}"));
        self.checks.disk_lost(id);
        self.nodes[&id].machine.replace(folder);
        self.nodes[&id].set_back.set(SetBack::Unnoticed);
    }

    /// Whether the node noticed.
    pub fn has_noticed(&self, id: TaskGroup) -> bool {
        self.nodes[&id].set_back.get() == SetBack::Noticed
    }

    /// A node that does not run has an empty folder from now on.
    pub fn empty_folder(&self, id: TaskGroup) {
        self.trace.note(format_args!("EMPTY node{id}"));
        self.nodes[&id].machine.replace(Folder::default());
        self.nodes[&id].set_back.set(SetBack::No);
        self.checks.emptied(id);
    }

    /// What a node's host says when it stops itself goes to [`Cluster::stopped`].
    fn hear(self: &Arc<Self>, id: TaskGroup) -> Stopped {
        let cluster = Arc::downgrade(self);
        Arc::new(move |why, halted| match cluster.upgrade() {
            Some(cluster) if halted => cluster.halted(id, why),
            Some(cluster) => cluster.stopped(id, why),
            None => {}
        })
    }

    /// The control group and all shards.
    pub fn groups(&self) -> Vec<GroupId> {
        (0..=self.faults.shards).map(GroupId).collect()
    }

    /// Nodes that run and do not stand still.
    pub fn working(&self) -> Vec<TaskGroup> {
        self.processes.working()
    }

    /// Whether a node's process is there.
    pub fn is_up(&self, node: TaskGroup) -> bool {
        self.processes.is_up(node)
    }

    /// A random number for the world's decisions.
    pub fn random(&self, range: std::ops::Range<u64>) -> u64 {
        self.sim.rng(WORLD).borrow_mut().range(range)
    }

    /// A virtual length of time.
    pub async fn sleep_us(&self, us: u64) {
        SimRuntime::sleep(Duration::from_micros(us)).await;
    }

    fn config(&self) -> EngineConfig {
        // A release build checks itself here, too.
        let broken = Broken { checked: true, ..self.bugs.cache };
        if self.faults.wan {
            let defaults = EngineConfig::new(Profile::Wan);
            return EngineConfig {
                cache: Limits { broken, ..defaults.cache },
                shards: self.faults.shards,
                snapshot_log_entries: self.faults.snapshot_entries,
                ..defaults
            };
        }
        let defaults = EngineConfig::new(Profile::Realistic);
        EngineConfig {
            cache: Limits { broken, ..defaults.cache },
            // The same in a debug build as in a release build.
            heartbeat: Duration::from_millis(44),
            election_min: Duration::from_millis(120),
            election_max: Duration::from_millis(220),
            append_timeout: Duration::from_millis(500),
            snapshot_timeout: Duration::from_secs(5),
            snapshot_log_entries: self.faults.snapshot_entries,
            keep_entries: self.faults.keep_entries,
            request_timeout: Duration::from_secs(2),
            shards: self.faults.shards,
            compare_every: Duration::from_secs(2),
            // A folder that was set back is emptied, and its node started again: somebody decided so.
            replace: true,
            prefer_after: Duration::from_secs(1),
            down_after: (self.faults.down_after_s > 0).then(|| Duration::from_secs(self.faults.down_after_s)),
            ..defaults
        }
    }

    /// Starts a node's process in the background.
    pub fn start(self: &Arc<Self>, id: TaskGroup) {
        if self.nodes[&id].part.get() == Part::Gone {
            return;
        }
        let Some(boot) = self.processes.begin(id) else { return };
        let cluster = self.clone();
        self.sim.spawn_in(WORLD, async move {
            if let Err(why) = cluster.boot(id, boot).await {
                cluster.checks.fail(format!("node {id} does not start: {why}"));
            }
        });
    }

    async fn boot(self: &Arc<Self>, id: TaskGroup, boot: u32) -> Result<(), String> {
        let node = &self.nodes[&id];
        let disk = self.open(id).map_err(|error| error.to_string())?;
        let found = self.groups().into_iter().map(|group| Found::read(&disk, group));
        self.checks.booted(id, found.collect::<Result<_, _>>()?);
        let transport = SimTransport::new(self.network.clone(), id);
        let (clocks, checks) = (node.clocks.clone(), self.checks.clone());
        let host = SimHost::new(self.sim.clone(), id, disk, transport, clocks, checks, self.hear(id));
        // Founders know each other; who joins knows who is there.
        let founders = (1..=self.faults.nodes).collect();
        let peers = if id <= self.faults.nodes { founders } else { self.nodes() };
        let peers = peers.into_iter().filter(|peer| *peer != id);
        let local = Local {
            name: name(id),
            address: address(id),
            boot,
            peers: peers.map(|peer| StaticPeer { name: name(peer), address: address(peer) }).collect(),
        };
        let config = EngineConfig { founds: id <= self.faults.nodes, ..self.config() };
        self.processes.run(id, host, config, local).await.map_err(|error| error.to_string())
    }

    fn open(&self, id: TaskGroup) -> std::io::Result<WatchedDisk> {
        let storage = self.nodes[&id].machine.open(id, self.bugs, self.checks.clone())?;
        let disk = SimDisk::new(&self.sim, storage, id, self.faults.disk.clone());
        Ok(WatchedDisk::new(disk, self.sim.clone(), id, self.bugs, self.checks.clone()))
    }

    /// A node's machine stops: its tasks are gone, and what was not synced is lost or torn.
    pub fn crash(&self, id: TaskGroup) {
        self.processes.crash(id, |rng| self.nodes[&id].machine.crash(rng));
    }

    /// A node's tasks stand still, its clocks go on.
    pub fn pause(&self, id: TaskGroup) {
        self.processes.pause(id);
    }

    /// A paused node goes on.
    pub fn resume(&self, id: TaskGroup) {
        self.processes.resume(id);
    }

    /// A node's wall clock is somewhere else from now on.
    pub fn jump_clock(&self, id: TaskGroup) {
        let most = self.faults.clock_offset_us_max;
        let offset = self.random(0..2 * most + 1) as i64 - most as i64;
        self.nodes[&id].clocks.offset_us.set(offset);
    }

    /// The end of the world: everything is dropped.
    pub fn end(&self) {
        self.processes.end();
    }
}
