//! Three nodes on disks in memory: an election, a write, a crash that forgets, a restart.

use std::sync::Arc;
use std::time::Duration;

use openraft::rt::AsyncRuntime as _;
use orrery_api::lock::{Acquire, LockAnswer};
use orrery_base::ids::GroupId;
use orrery_base::valid::{Name, Number};
use orrery_engine::host::{Disk, Write};
use orrery_engine::{Engine, EngineConfig, Local, Profile, StaticPeer};
use orrery_event::Fact;
use orrery_event::fact::Role;
use orrery_lock::Mode;
use orrery_sim::disk::{MemoryMedium, MemoryStore, SimDisk, Store};
use orrery_sim::faults::{DiskFaults, LinkFaults};
use orrery_sim::host::{Clocks, Observer, SimHost, Stopped};
use orrery_sim::network::{Network, SimTransport, address, name};
use orrery_sim::nodes::Nodes;
use orrery_sim::runtime::{Sim, SimRuntime, SplitMix, SyncCell, TaskGroup};
use orrery_sim::trace::Trace;

const NODES: std::ops::RangeInclusive<TaskGroup> = 1..=3;

/// Virtual time within which three nodes that hear each other serve.
const SERVES_US_MAX: u64 = 10_000_000;

type Host = SimHost<SimDisk<MemoryStore>>;

#[derive(Default)]
struct Facts {
    elected: SyncCell<u64>,
}

impl Observer for Facts {
    fn fact(&self, _: TaskGroup, fact: &Fact) {
        if let Fact::RoleChanged { group: GroupId::CONTROL, role: Role::Leader, .. } = fact {
            self.elected.set(self.elected.get() + 1);
        }
    }
}

struct World {
    sim: Sim,
    trace: Arc<Trace>,
    network: Network<SimDisk<MemoryStore>>,
    nodes: Nodes<SimDisk<MemoryStore>>,
    media: Vec<MemoryMedium>,
    clocks: Arc<Clocks>,
    facts: Arc<Facts>,
}

impl World {
    fn new(seed: u64) -> World {
        let sim = Sim::new(seed);
        let trace = Arc::new(Trace::new(sim.clone(), None));
        let network = Network::new(sim.clone(), trace.clone(), LinkFaults::NONE);
        let nodes = Nodes::new(sim.clone(), trace.clone(), network.clone(), NODES);
        let media = NODES.map(|_| MemoryMedium::default()).collect();
        World { sim, trace, network, nodes, media, clocks: Arc::default(), facts: Arc::default() }
    }

    fn medium(&self, id: TaskGroup) -> &MemoryMedium {
        &self.media[id as usize - 1]
    }

    /// Starts a node on its medium.
    async fn start(&self, id: TaskGroup) {
        let boot = self.nodes.begin(id).expect("it does not run");
        let disk = SimDisk::new(&self.sim, self.medium(id).open(), id, DiskFaults::NONE);
        let transport = SimTransport::new(self.network.clone(), id);
        let stopped: Stopped = Arc::new(|why, _| panic!("a node stopped itself: {why}"));
        let (clocks, facts) = (self.clocks.clone(), self.facts.clone());
        let host = Host::new(self.sim.clone(), id, disk, transport, clocks, facts, stopped);
        let peers = NODES.filter(|peer| *peer != id);
        let local = Local {
            name: name(id),
            address: address(id),
            boot,
            peers: peers.map(|peer| StaticPeer { name: name(peer), address: address(peer) }).collect(),
        };
        let config = EngineConfig { shards: 1, ..EngineConfig::new(Profile::Realistic) };
        self.nodes.run(id, host, config, local).await.expect("it starts");
    }

    /// Asks some node until it is answered with a lock.
    async fn acquire(&self, id: TaskGroup, resource: &str) -> u64 {
        let until_us = self.sim.now_us() + SERVES_US_MAX;
        loop {
            assert!(self.sim.now_us() < until_us, "node{id} serves nobody");
            let engine: Engine<Host> = self.network.engine(id).expect("it runs");
            let acquire = Acquire {
                resource: Name::known(resource),
                client: Name::known("Ayu"),
                session: None,
                mode: Mode::Exclusive,
                ttl_ms: Some(Number::known(60_000)),
                wait_ms: Some(Number::known(0)),
                queue: false,
            };
            let asked = self.sim.spawn_in(id, async move { engine.ask(acquire, None).await });
            match asked.await.expect("it runs") {
                Ok(LockAnswer::Acquired { fencing_token, .. }) => return fencing_token,
                _ => SimRuntime::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// The fencing tokens before and after the crash, elections, and the hash of everything that happened.
fn live(seed: u64) -> (u64, u64, u64, (u64, u64)) {
    let world = World::new(seed);
    let (before, after) = world.sim.block_on(async {
        for id in NODES {
            world.start(id).await;
        }
        let before = world.acquire(1, "printer").await;
        // All at once: what is only in their memories is gone, what was answered is not.
        for id in NODES {
            assert!(world.nodes.crash(id, |rng| world.medium(id).crash(rng)));
        }
        for id in NODES {
            world.start(id).await;
        }
        // It holds it still: the same grant, told once more.
        let after = world.acquire(2, "printer").await;
        (before, after)
    });
    let elected = world.facts.elected.get();
    let hash = world.trace.hash();
    world.nodes.end();
    (before, after, elected, hash)
}

#[test]
fn a_cluster_on_memory_elects_writes_forgets_and_comes_back() {
    for seed in 1..=5 {
        let (before, after, elected, hash) = live(seed);
        assert_eq!(before, after, "seed {seed}: the grant was acknowledged");
        assert!(elected >= 2, "seed {seed}: one election before the crash and one after it, not {elected}");
        assert_eq!(live(seed).3, hash, "seed {seed} is one history");
    }
    assert_ne!(live(1).3, live(2).3, "seeds mean something");
}

#[test]
fn a_medium_forgets_what_was_not_synced() {
    let vote = |byte: u8| vec![Write::Vote { group: GroupId(0), vote: vec![byte].into() }];
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..100 {
        let medium = MemoryMedium::default();
        let store = medium.open();
        store.commit(vote(1)).expect("it is open");
        store.synced().expect("it is open");
        store.commit(vote(2)).expect("it is open");
        medium.crash(&mut SplitMix::new(seed, 0));
        assert!(store.commit(vote(3)).is_err(), "a dead process writes nothing");
        let found = medium.open().recover(GroupId(0)).expect("it is open").vote.expect("a vote");
        match found[0] {
            1 => lost += 1,
            2 => kept += 1,
            other => panic!("nobody wrote {other}"),
        }
    }
    assert!(lost > 20 && kept > 20, "lost {lost}, kept {kept}");
}

#[test]
fn a_snapshot_file_is_there_when_it_is_finished() {
    let sim = Sim::new(1);
    let medium = MemoryMedium::default();
    let disk = SimDisk::new(&sim, medium.open(), 1, DiskFaults::NONE);
    sim.block_on(async {
        use orrery_engine::host::SnapshotFile as _;
        let mut file = disk.create_snapshot(GroupId(0), "a").await.expect("a file");
        file.write(vec![1, 2].into()).await.expect("room");
        assert!(disk.read_snapshot(GroupId(0), "a").await.is_err(), "it has no name yet");
        file.finish().await.expect("room");
        let chunks = disk.read_snapshot(GroupId(0), "a").await.expect("it is there");
        assert_eq!(chunks, [vec![1, 2]]);
        disk.prune_snapshots(GroupId(0), None);
        assert!(disk.read_snapshot(GroupId(0), "a").await.is_err(), "it is removed");
    });
    sim.shutdown();
}
