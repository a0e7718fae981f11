//! One seed, one history.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use orrery_api::lock::{Acquire, LockAnswer, Release};
use orrery_base::ids::GroupId;
use orrery_base::key::IdempotencyKey;
use orrery_base::valid::{ClientName, Number, ResourceName};
use orrery_engine::Engine;
use orrery_lock::Mode;
use orrery_machine::{Command, Mutation};
use smol_str::format_smolstr;

use super::SimHost;
use super::bugs::Bugs;
use super::cluster::Cluster;
use super::faults::Faults;
use super::workload::{QueueClient, TTL_MS, WAIT_MS, Workload};
use orrery_sim::runtime::TaskGroup;

/// Virtual time within which a healed cluster serves every node's requests.
const PROGRESS_US_MAX: u64 = 15_000_000;
/// Virtual time within which every lease has run out and all nodes are equal, once nobody asks any more.
const QUIET_US_MAX: u64 = PROGRESS_US_MAX + (TTL_MS.end + WAIT_MS.end) * 1_000 * 4;

/// Number of the consumer that takes what the others left.
const DRAINER: u32 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Clients of the locks, the shards and the queues.
    Mixed,
    /// Clients of the cache.
    Cache,
    /// The first, while folders are set back.
    SetBack,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    pub load: Load,
    /// Instead of what the seed means.
    pub faults: Option<Faults>,
    /// What is broken on purpose.
    pub bugs: Bugs,
    pub text: bool,
}

impl Options {
    /// What a seed means, with nothing broken.
    pub fn of_seed(seed: u64) -> Options {
        Options { seed, load: Load::Mixed, faults: None, bugs: Bugs::default(), text: false }
    }

    /// What a seed means for the cache, with nothing broken.
    pub fn of_cache_seed(seed: u64) -> Options {
        Options { load: Load::Cache, ..Options::of_seed(seed) }
    }

    /// What a seed means where folders are set back, with nothing broken.
    pub fn of_set_back_seed(seed: u64) -> Options {
        Options { load: Load::SetBack, ..Options::of_seed(seed) }
    }

    fn meaning(&self) -> Faults {
        match self.load {
            Load::Mixed => Faults::of_seed(self.seed),
            Load::Cache => Faults::of_cache_seed(self.seed),
            Load::SetBack => Faults::of_set_back_seed(self.seed),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub seed: u64,
    pub load: Load,
    /// Hash of everything that happened.
    pub trace_hash: u64,
    /// How much that was.
    pub events: u64,
    /// How long it took in virtual time.
    pub virtual_ms: u64,
    /// How often a task was polled.
    pub polls: u64,
    /// Entries committed in the control group.
    pub committed: u64,
    /// Entries committed in all shards.
    pub committed_in_shards: u64,
    /// Values that clients of shards were told are written.
    pub written: u64,
    /// Messages whose publish was acknowledged.
    pub published: u64,
    /// Deliveries that consumers saw, and how many of them were not the message's first.
    pub delivered: (u64, u64),
    /// What clients of the cache were answered.
    pub cached: Cached,
    /// Mutations with a definite outcome.
    pub answered: u64,
    pub granted: u64,
    /// The first violation, with the last notable events before it.
    pub failure: Option<String>,
}

/// What clients of the cache were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cached {
    pub reads: u64,
    /// Reads that cost no message.
    pub hits: u64,
    /// Durable writes and deletions.
    pub durable: u64,
    /// Writes that were answered before they were durable.
    pub taken: u64,
    /// And how many of those got lost.
    pub lost: u64,
    /// And of how many nobody knows whether they took effect before they were overwritten.
    pub unresolved: u64,
    /// And how many were applied after no home knew them any more.
    pub offered: u64,
    /// Writes that were refused because of their version.
    pub refused: u64,
    /// Requests of which nobody knows whether they were done.
    pub unknown: u64,
    /// Moments at which all copies were compared.
    pub looks: u64,
}

/// Runs a seed. A panic of the product is a failure like any other.
pub fn run(options: &Options) -> Report {
    let faults = options.faults.clone().unwrap_or_else(|| options.meaning());
    let cluster = Cluster::new(options.seed, faults, options.bugs, options.text);
    let outcome = catch_unwind(AssertUnwindSafe(|| cluster.sim.block_on(live(&cluster, options.seed))));
    let panicked = outcome.err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("panic: {}", text.unwrap_or_default())
    });
    let failure = cluster.checks.failure().or_else(|| panicked.clone());
    let failure =
        failure.map(|failure| format!("{failure}\nthe last events:\n{}", cluster.trace.tail(25).join("\n")));
    let (trace_hash, events) = cluster.trace.hash();
    let mut report = Report {
        seed: options.seed,
        load: options.load,
        trace_hash,
        events,
        virtual_ms: cluster.sim.now_us() / 1_000,
        polls: cluster.sim.polls(),
        committed: 0,
        committed_in_shards: 0,
        written: 0,
        published: 0,
        delivered: (0, 0),
        cached: Cached::default(),
        answered: 0,
        granted: 0,
        failure,
    };
    if panicked.is_none() {
        (report.committed, report.committed_in_shards) = cluster.checks.committed_entries();
        report.written = cluster.checks.registers(|registers| Ok(registers.written)).unwrap_or_default();
        cluster.checks.queues(|queues| {
            report.published = queues.published;
            report.delivered = (queues.delivered, queues.redelivered);
            Ok(())
        });
        cluster.checks.caches(|caches| {
            report.cached = caches.counts();
            Ok(())
        });
        cluster.checks.clients(|clients| {
            (report.answered, report.granted) = (clients.answered, clients.granted);
            Ok(())
        });
        cluster.end();
    }
    report
}

async fn live(cluster: &Arc<Cluster>, seed: u64) {
    for node in cluster.nodes() {
        cluster.start(node);
    }
    if cluster.random(0..2) == 0 {
        expect_progress(cluster, "at the beginning").await;
    }
    let workload = Workload::start(cluster, seed);
    cluster.torment().await;
    if cluster.checks.failure().is_some() {
        return;
    }
    cluster.heal();
    expect_progress(cluster, "after healing").await;
    if cluster.checks.failure().is_some() {
        return;
    }
    workload.finish().await;
    if cluster.checks.caches(|caches| caches.check()).is_none() {
        return;
    }
    QueueClient::new(cluster.clone(), DRAINER, seed).drain().await;
    expect_quiet(cluster).await;
}

/// Every node serves a client within the bound.
async fn expect_progress(cluster: &Arc<Cluster>, when: &str) {
    let deadline_us = cluster.sim.now_us() + PROGRESS_US_MAX;
    for node in cluster.nodes() {
        loop {
            if cluster.checks.failure().is_some() {
                return;
            }
            if !cluster.belongs(node) || probe(cluster, node).await && probe_shards(cluster, node).await {
                break;
            }
            if cluster.sim.now_us() > deadline_us {
                return cluster.checks.fail(format!("node {node} serves nobody {when}"));
            }
            cluster.sleep_us(50_000).await;
        }
    }
}

/// Takes and gives back a lock that nobody else wants.
async fn probe(cluster: &Arc<Cluster>, node: TaskGroup) -> bool {
    let Some(engine) = cluster.network.engine(node) else { return false };
    let resource = ResourceName::known(&format!("probe{node}"));
    let client = ClientName::known("prober");
    let acquire = Acquire {
        resource: resource.clone(),
        client: client.clone(),
        session: None,
        mode: Mode::Exclusive,
        ttl_ms: Some(Number::known(TTL_MS.start)),
        wait_ms: Some(Number::known(0)),
        queue: false,
    };
    let probed = cluster.sim.spawn_in(node, async move {
        let acquired = engine.ask(acquire, None).await;
        let release = Release { resource, client, session: None, fencing_token: None };
        let released = engine.ask(release, None).await;
        matches!(acquired, Ok(LockAnswer::Acquired { .. })) && released.is_ok()
    });
    probed.await.unwrap_or(false)
}

/// Every shard takes a command from that node.
async fn probe_shards(cluster: &Arc<Cluster>, node: TaskGroup) -> bool {
    for group in cluster.groups().into_iter().filter(|group| *group != GroupId::CONTROL) {
        let Some(engine) = cluster.network.engine(node) else { return false };
        // Under a key, so that a lost message costs one try and not all the time.
        let number = u64::from(group.0) + 1 + cluster.sim.now_us() * 64;
        let key = IdempotencyKey { client: format_smolstr!("prober{node}"), number };
        let command = Command { key: Some(key.into()), mutation: Mutation::AdvanceClock { to_ms: 0 } };
        let probed = cluster.sim.spawn_in(node, async move {
            engine.propose(group, command, engine.config().request_timeout).await.is_ok()
        });
        if !probed.await.unwrap_or(false) {
            return false;
        }
    }
    true
}

/// Every replica of every shard runs and has the same state.
fn shards_equal(cluster: &Arc<Cluster>) -> bool {
    let engines: Vec<_> =
        cluster.nodes().into_iter().filter_map(|node| cluster.network.engine(node)).collect();
    cluster.groups().into_iter().filter(|group| *group != GroupId::CONTROL).all(|group| {
        let states: Vec<_> = engines.iter().filter_map(|engine| engine.applied_state(group)).collect();
        let replicas = engines[0].shard_map().shard(group).map_or(0, |shard| shard.replicas.len());
        replicas > 0 && states.len() == replicas && states.windows(2).all(|pair| pair[0] == pair[1])
    })
}

/// Whether the cluster still has a member that shall go.
fn is_leaving(engine: &Engine<SimHost>) -> bool {
    let state = engine.applied_state(GroupId::CONTROL);
    state.is_some_and(|(machine, _)| machine.cluster().leaving().next().is_some())
}

/// Every lease runs out, everybody who shall go is gone, and all nodes have the same state.
async fn expect_quiet(cluster: &Arc<Cluster>) {
    let deadline_us = cluster.sim.now_us() + QUIET_US_MAX;
    loop {
        cluster.sleep_us(50_000).await;
        if cluster.checks.failure().is_some() {
            return;
        }
        let engines: Vec<_> =
            cluster.nodes().into_iter().filter_map(|node| cluster.network.engine(node)).collect();
        let tables: Vec<_> = engines.iter().map(|engine| engine.lock_table()).collect();
        let all_up = tables.len() == cluster.nodes().len();
        let equal = tables.windows(2).all(|pair| pair[0] == pair[1]);
        let empty = tables.iter().all(|table| table.resources.is_empty() && table.sessions.is_empty());
        let shards_equal = all_up && shards_equal(cluster);
        let leaving = engines.iter().any(is_leaving);
        if all_up && equal && empty && shards_equal && !leaving {
            return;
        }
        if cluster.sim.now_us() > deadline_us {
            return cluster.checks.fail(format!(
                "all up: {all_up}, all equal: {equal}, nothing held: {empty}, shards equal: {shards_equal}, \
                     somebody still leaves: {leaving}: {tables:#?}"
            ));
        }
    }
}
