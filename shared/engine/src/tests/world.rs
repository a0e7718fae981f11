//! An in-memory world on tokio: disks that outlive their engines, links that can be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use openraft_rt_tokio::TokioRuntime;
use orrery_base::hlc::{Hlc, HlcClock};
use orrery_base::ids::{BootEpoch, GroupId, LogIndex, NodeName};
use orrery_event::{Event, Fact};
use orrery_machine::Member;

use crate::host::{
    CallError, Disk, Done, Host, NoFileNow, Recovered, SnapshotFile, Transport, Urgency, Write,
};
use crate::sync::lock;
use crate::{Engine, EngineConfig, Local, NOT_SENT_CUT, Profile, StartError, StaticPeer};

/// What a whole cluster shares.
#[derive(Default)]
pub struct World {
    engines: Mutex<BTreeMap<NodeName, Engine<TestHost>>>,
    disks: Mutex<BTreeMap<NodeName, MemoryDisk>>,
    boots: Mutex<BTreeMap<NodeName, u32>>,
    cut: Mutex<BTreeSet<NodeName>>,
    unconnected: Mutex<BTreeSet<NodeName>>,
    events: Mutex<Vec<(NodeName, BootEpoch, Event)>>,
    sent: Mutex<Vec<Bytes>>,
    stops: Mutex<Vec<(NodeName, String)>>,
    random: AtomicU64,
}

/// How many of a world's first requests are kept.
const SENT_KEPT: usize = 4_096;

impl World {
    /// The names `node1`..`node<n>`.
    pub fn names(n: usize) -> Vec<NodeName> {
        (1..=n).map(|i| format!("node{i}").into()).collect()
    }

    /// Starts (again) a node of a cluster of `n`.
    pub async fn start(self: &Arc<Self>, name: &str, n: usize, config: EngineConfig) -> Engine<TestHost> {
        let name: NodeName = name.into();
        let boot = {
            let mut boots = lock(&self.boots);
            let boot = boots.entry(name.clone()).or_default();
            *boot += 1;
            *boot
        };
        let disk = lock(&self.disks).entry(name.clone()).or_default().clone();
        let clock = Arc::new(Mutex::new(HlcClock::default()));
        let host =
            TestHost { world: self.clone(), name: name.clone(), boot, disk, clock, epoch: Instant::now() };
        let peers = Self::names(n.max(1))
            .into_iter()
            .filter(|other| *other != name)
            .map(|other| StaticPeer { address: format!("{other}:0"), name: other })
            .collect();
        let local = Local { name: name.clone(), address: format!("{name}:0"), boot, peers };
        let engine = Engine::start(host, config, local).await.expect("the engine starts");
        lock(&self.engines).insert(name, engine.clone());
        engine
    }

    /// Starts a node on another one's disk, and hears why not.
    pub async fn start_on_disk_of(self: &Arc<Self>, name: &str, other: &str) -> StartError {
        let host = TestHost { world: self.clone(), name: name.into(), ..TestHost::lonely(self.disk(other)) };
        let local = Local { name: name.into(), address: format!("{name}:0"), boot: 1, peers: Vec::new() };
        match Engine::start(host, quick(), local).await {
            Err(error) => error,
            Ok(_) => panic!("{name} started on the disk of {other}"),
        }
    }

    /// Starts a whole cluster and waits until every node serves.
    pub async fn cluster(self: &Arc<Self>, n: usize) -> Vec<Engine<TestHost>> {
        let mut engines = Vec::new();
        for name in Self::names(n) {
            engines.push(self.start(&name, n, quick()).await);
        }
        for engine in &engines {
            assert!(engine.wait_ready(Duration::from_secs(20)).await, "{} is ready", engine.local().name);
        }
        self.settled().await;
        engines
    }

    /// Waits until the cluster has nothing to propose for itself any more: every shard knows its place.
    pub async fn settled(&self) {
        eventually("every shard to know its place", || {
            let engines: Vec<_> = lock(&self.engines).values().cloned().collect();
            let knows = |engine: &Engine<TestHost>, shard| {
                let state = engine.applied_state(shard);
                state.is_some_and(|(machine, _)| machine.shard().is_some_and(|record| record.version > 0))
            };
            let map = engines.first()?.shard_map();
            let placed =
                map.shards.iter().all(|shard| engines.iter().any(|engine| knows(engine, shard.shard)));
            (map.version > 0 && placed).then_some(())
        })
        .await;
    }

    /// Stops a node. Its disk stays.
    pub async fn stop(&self, name: &str) {
        let engine = lock(&self.engines).remove(name);
        if let Some(engine) = engine {
            engine.stop().await;
        }
    }

    /// Its disk is lost.
    pub fn wipe(&self, name: &str) {
        lock(&self.disks).remove(name);
        lock(&self.boots).remove(name);
    }

    /// Keeps a copy of a node's disk as it is now.
    pub fn copy_disk(&self, name: &str) -> MemoryDisk {
        let copied = lock(&self.disk(name).state).copy();
        MemoryDisk { state: Arc::new(Mutex::new(copied)) }
    }

    /// A node that does not run has this disk from now on.
    pub fn put_disk(&self, name: &str, disk: MemoryDisk) {
        lock(&self.disks).insert(name.into(), disk);
    }

    /// Cuts (or heals) all links of a node.
    pub fn cut(&self, name: &str, on: bool) {
        let mut cut = lock(&self.cut);
        if on {
            cut.insert(name.into());
        } else {
            cut.remove(name);
        }
    }

    /// No link to that node stands, and a request sets one up.
    pub fn unconnect(&self, name: &str) {
        lock(&self.unconnected).insert(name.into());
    }

    /// The disk of a node that may never have run.
    pub fn fresh_disk(&self, name: &str) -> MemoryDisk {
        lock(&self.disks).entry(name.into()).or_default().clone()
    }

    pub fn disk(&self, name: &str) -> MemoryDisk {
        lock(&self.disks).get(name).cloned().expect("a disk")
    }

    /// What a node has reported.
    pub fn facts(&self, name: &str) -> Vec<Fact> {
        let events = lock(&self.events);
        events.iter().filter(|(node, _, _)| node == name).map(|(_, _, event)| event.fact.clone()).collect()
    }

    /// All that was reported by all boots, in the order in which it is shown.
    pub fn events(&self) -> Vec<(NodeName, BootEpoch, Event)> {
        let mut events = lock(&self.events).clone();
        events.sort_by_key(|(node, boot, event)| (event.hlc, node.clone(), *boot, event.seq));
        events
    }

    /// A node that runs.
    pub fn engine(&self, name: &str) -> Engine<TestHost> {
        lock(&self.engines).get(name).cloned().expect("it runs")
    }

    /// The world's first requests, as they were sent.
    pub fn sent(&self) -> Vec<Bytes> {
        lock(&self.sent).clone()
    }

    /// Why a node stopped itself.
    pub fn stopped_itself(&self, name: &str) -> Option<String> {
        lock(&self.stops).iter().find(|(node, _)| node == name).map(|(_, why)| why.clone())
    }

    /// The leader that most nodes mean, once there is one.
    pub async fn leader(&self) -> Engine<TestHost> {
        eventually("a leader", || {
            let engines = lock(&self.engines);
            let cut = lock(&self.cut);
            let leads = |(name, engine): &(&NodeName, &Engine<TestHost>)| {
                !cut.contains(*name) && engine.group(GroupId::CONTROL).is_some_and(|group| group.leads())
            };
            engines.iter().find(leads).map(|(_, engine)| engine.clone())
        })
        .await
    }
}

/// Timers for tests on a busy machine.
pub fn quick() -> EngineConfig {
    let defaults = EngineConfig::new(Profile::Realistic);
    EngineConfig { request_timeout: Duration::from_secs(8), shards: 2, client_share_percent: 1, ..defaults }
}

/// Polls until there is something.
pub async fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(Duration::from_secs(20), what, look).await
}

/// The same for what takes longer.
pub async fn eventually_within<T>(within: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The same where looking takes a while.
pub async fn eventually_async<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[derive(Clone)]
pub struct TestHost {
    world: Arc<World>,
    name: NodeName,
    boot: BootEpoch,
    disk: MemoryDisk,
    clock: Arc<Mutex<HlcClock>>,
    epoch: Instant,
}

impl TestHost {
    /// A host outside of any cluster.
    pub fn lonely(disk: MemoryDisk) -> Self {
        let clock = Arc::default();
        TestHost { world: Arc::default(), name: "node1".into(), boot: 1, disk, clock, epoch: Instant::now() }
    }

    /// See [`World::sent`].
    pub fn sent(&self) -> Vec<Bytes> {
        self.world.sent()
    }
}

impl Host for TestHost {
    type Runtime = TokioRuntime;
    type Disk = MemoryDisk;
    type Transport = TestHost;

    fn disk(&self) -> &MemoryDisk {
        &self.disk
    }
    fn transport(&self) -> &TestHost {
        self
    }
    fn monotonic_us(&self) -> u64 {
        self.epoch.elapsed().as_micros() as u64
    }
    fn wall_us(&self) -> u64 {
        // One wall clock for all boots, so that a later boot's stamps are above an earlier one's.
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.expect("after 1970").as_micros() as u64
    }
    fn random(&self) -> u64 {
        let n = self.world.random.fetch_add(1, Ordering::Relaxed) + 1;
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
    fn emit(&self, fact: Fact) {
        let mut events = lock(&self.world.events);
        let mine = events.iter().rev().find(|(node, boot, _)| *node == self.name && *boot == self.boot);
        let seq = mine.map_or(0, |(_, _, event)| event.seq) + 1;
        let event = Event { seq, hlc: self.stamp(), wall_us: self.wall_us(), fact };
        events.push((self.name.clone(), self.boot, event));
    }
    fn stamp(&self) -> Hlc {
        lock(&self.clock).tick(self.wall_us())
    }
    fn witness(&self, remote: Hlc) {
        lock(&self.clock).receive(self.wall_us(), remote);
    }
    fn fail_stop(&self, why: &str) {
        lock(&self.world.stops).push((self.name.clone(), why.to_owned()));
        panic!("{} stops: {why}", self.name);
    }
}

impl Transport for TestHost {
    async fn call(
        &self,
        to: &Member,
        _: Urgency,
        request: Bytes,
        within: Duration,
    ) -> Result<Bytes, CallError> {
        let blocked = {
            let cut = lock(&self.world.cut);
            cut.contains(&self.name) || cut.contains(&to.name)
        };
        {
            let mut sent = lock(&self.world.sent);
            if sent.len() < SENT_KEPT {
                sent.push(request.clone());
            }
        }
        if blocked {
            return Err(CallError::NotSent(NOT_SENT_CUT.into()));
        }
        let Some(engine) = lock(&self.world.engines).get(&to.name).cloned() else {
            return Err(CallError::NotSent("no such node".into()));
        };
        let from = self.name.clone();
        let serving = tokio::spawn(async move { engine.serve(&from, request).await });
        match tokio::time::timeout(within, serving).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(CallError::NoAnswer),
        }
    }
    fn connected(&self, to: &Member) -> bool {
        lock(&self.world.engines).contains_key(&to.name) && !lock(&self.world.unconnected).contains(&to.name)
    }
    fn members(&self, _: &[Member]) {}
}

/// A disk in memory: everything that is submitted is durable a moment later.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<DiskState>>,
}

#[derive(Default)]
struct DiskState {
    groups: BTreeMap<GroupId, GroupRows>,
    values: BTreeMap<&'static str, Bytes>,
    files: BTreeMap<(GroupId, String), Vec<Bytes>>,
    writes: u64,
    /// So many snapshots find no file descriptor.
    without_files: u32,
    /// While it is stalled: what would have been reported.
    stalled: Option<Vec<Done>>,
}

#[derive(Clone, Default)]
struct GroupRows {
    entries: BTreeMap<LogIndex, Bytes>,
    vote: Option<Bytes>,
    given_up: Option<Bytes>,
    committed: Option<Bytes>,
    purged: Option<Bytes>,
    snapshot: Option<(String, Bytes)>,
}

impl MemoryDisk {
    /// From now on nothing is synced, until it is let go.
    pub fn stall(&self, on: bool) {
        let mut state = lock(&self.state);
        if on {
            state.stalled.get_or_insert_default();
            return;
        }
        for done in state.stalled.take().unwrap_or_default() {
            tokio::spawn(async move { done(Ok(())) });
        }
    }

    /// The next so many snapshots find no file descriptor.
    pub fn without_files(&self, count: u32) {
        lock(&self.state).without_files = count;
    }

    /// How many snapshots are still to find none.
    pub fn files_missing(&self) -> u32 {
        lock(&self.state).without_files
    }

    /// How many units were written.
    pub fn writes(&self) -> u64 {
        lock(&self.state).writes
    }
}

impl DiskState {
    fn copy(&self) -> Self {
        DiskState {
            groups: self.groups.clone(),
            values: self.values.clone(),
            files: self.files.clone(),
            writes: self.writes,
            stalled: None,
            without_files: self.without_files,
        }
    }

    fn write(&mut self, write: Write) {
        match write {
            Write::Entries { group, entries } => {
                self.groups.entry(group).or_default().entries.extend(entries)
            }
            Write::TruncateAfter { group, after } => {
                let rows = self.groups.entry(group).or_default();
                rows.entries.retain(|index, _| after.is_some_and(|after| *index <= after));
            }
            Write::Purge { group, through, log_id } => {
                let rows = self.groups.entry(group).or_default();
                rows.entries.retain(|index, _| *index > through);
                rows.purged = Some(log_id);
            }
            Write::Vote { group, vote } => self.groups.entry(group).or_default().vote = Some(vote),
            Write::Committed { group, log_id } => self.groups.entry(group).or_default().committed = log_id,
            Write::SnapshotPointer { group, name, meta } => {
                self.groups.entry(group).or_default().snapshot = Some((name, meta));
            }
            Write::Forget { group, given_up } => {
                let rows = self.groups.entry(group).or_default();
                *rows = GroupRows { vote: rows.vote.take(), given_up, ..GroupRows::default() };
            }
            Write::Node { key, value } => {
                self.values.insert(key, value);
            }
        }
    }
}

/// A snapshot that is being written.
pub struct MemoryFile {
    disk: MemoryDisk,
    name: (GroupId, String),
    chunks: Vec<Bytes>,
}

impl SnapshotFile for MemoryFile {
    async fn write(&mut self, chunk: Bytes) -> io::Result<()> {
        self.chunks.push(chunk);
        Ok(())
    }
    async fn finish(self) -> io::Result<()> {
        lock(&self.disk.state).files.insert(self.name, self.chunks);
        Ok(())
    }
}

impl Disk for MemoryDisk {
    type SnapshotFile = MemoryFile;

    fn submit(&self, writes: Vec<Write>, done: Done) {
        let mut state = lock(&self.state);
        state.writes += 1;
        for write in writes {
            state.write(write);
        }
        if let Some(stalled) = &mut state.stalled {
            stalled.push(done);
            return;
        }
        // The order of completions does not matter to anybody but the order of writes, which is kept above.
        tokio::spawn(async move { done(Ok(())) });
    }
    fn recover(&self, group: GroupId) -> io::Result<Recovered> {
        let state = lock(&self.state);
        let Some(rows) = state.groups.get(&group) else { return Ok(Recovered::default()) };
        let first = rows.entries.first_key_value().map(|(index, _)| *index);
        let last = rows.entries.last_key_value().map(|(index, _)| *index);
        Ok(Recovered {
            vote: rows.vote.clone(),
            given_up: rows.given_up.clone(),
            committed: rows.committed.clone(),
            purged: rows.purged.clone(),
            entries: first.zip(last),
            snapshot: rows.snapshot.clone(),
        })
    }
    fn entries(&self, group: GroupId, range: Range<LogIndex>) -> io::Result<Vec<(LogIndex, Bytes)>> {
        let state = lock(&self.state);
        let Some(rows) = state.groups.get(&group) else { return Ok(Vec::new()) };
        Ok(rows.entries.range(range).map(|(index, bytes)| (*index, bytes.clone())).collect())
    }
    fn node_value(&self, key: &'static str) -> io::Result<Option<Bytes>> {
        Ok(lock(&self.state).values.get(key).cloned())
    }
    async fn create_snapshot(&self, group: GroupId, name: &str) -> io::Result<MemoryFile> {
        let mut state = lock(&self.state);
        if state.without_files > 0 {
            state.without_files -= 1;
            return Err(io::Error::other(NoFileNow(io::Error::other("too many open files"))));
        }
        drop(state);
        Ok(MemoryFile { disk: self.clone(), name: (group, name.into()), chunks: Vec::new() })
    }
    async fn read_snapshot(&self, group: GroupId, name: &str) -> io::Result<Vec<Bytes>> {
        let found = lock(&self.state).files.get(&(group, name.to_owned())).cloned();
        found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
    fn prune_snapshots(&self, group: GroupId, keep: Option<&str>) {
        lock(&self.state).files.retain(|(of, name), _| *of != group || Some(name.as_str()) == keep);
    }
}
