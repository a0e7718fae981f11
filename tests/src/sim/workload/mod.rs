//! Clients that fight for locks through the lock service of random nodes, clients of the shards, of the queues and of the
//! cache.

mod caches;
mod call;
mod operations;
mod queues;
mod shards;

use std::collections::BTreeSet;
use std::sync::Arc;

use orrery_lock::{FencingToken, Holder, SessionId};
use smol_str::SmolStr;

pub use caches::CacheClient;
pub use queues::QueueClient;
use shards::ShardClient;

use super::cluster::Cluster;
use orrery_sim::runtime::{SimJoin, SplitMix, SyncCell, WORLD};

/// Lease lengths that clients ask for, milliseconds.
pub const TTL_MS: std::ops::Range<u64> = 200..4_000;
/// How long clients wait for a lock, milliseconds.
pub const WAIT_MS: std::ops::Range<u64> = 0..1_500;

/// A lease is counted in whole milliseconds, rounded down at both of its ends.
pub const LEASE_GRAIN_US: u64 = 2_000;

/// One client: one operation after the other.
pub struct Client {
    cluster: Arc<Cluster>,
    name: SmolStr,
    rng: SplitMix,
    next_number: u64,
    session: Option<Session>,
    /// What holders asked for without knowing the outcome yet.
    waiting: BTreeSet<(Holder, SmolStr)>,
    /// Tokens whose lease a renewal of this client may still shorten: it never counts on those.
    shortened: BTreeSet<FencingToken>,
}

#[derive(Clone, Copy)]
struct Session {
    id: SessionId,
    ttl_ms: u64,
    /// It surely lives until then, virtual microseconds.
    until_us: u64,
}

/// Clients that run until they are told to stop.
pub struct Workload {
    stop: Arc<SyncCell<bool>>,
    clients: Vec<SimJoin<()>>,
}

impl Workload {
    /// Starts a run's clients.
    pub fn start(cluster: &Arc<Cluster>, seed: u64) -> Self {
        let stop = Arc::new(SyncCell::new(false));
        let mut clients: Vec<_> = (0..cluster.faults.clients)
            .map(|number| {
                let mut client = Client {
                    cluster: cluster.clone(),
                    name: SmolStr::from(format!("client{number}")),
                    rng: SplitMix::new(seed, 0xc11e_0000 + u64::from(number)),
                    next_number: 1,
                    session: None,
                    waiting: BTreeSet::new(),
                    shortened: BTreeSet::new(),
                };
                let stop = stop.clone();
                cluster.sim.spawn_in(WORLD, async move {
                    while !stop.get() && client.cluster.checks.failure().is_none() {
                        client.step().await;
                    }
                })
            })
            .collect();
        clients.extend((0..cluster.faults.shard_clients).map(|number| {
            let mut client = ShardClient::new(cluster.clone(), number, seed);
            let (stop, cluster) = (stop.clone(), cluster.clone());
            cluster.clone().sim.spawn_in(WORLD, async move {
                while !stop.get() && cluster.checks.failure().is_none() {
                    client.step().await;
                }
            })
        }));
        clients.extend((0..cluster.faults.queue_clients).map(|number| {
            let mut client = QueueClient::new(cluster.clone(), number, seed);
            let (stop, cluster) = (stop.clone(), cluster.clone());
            cluster.clone().sim.spawn_in(WORLD, async move {
                while !stop.get() && cluster.checks.failure().is_none() {
                    client.step().await;
                }
            })
        }));
        clients.extend((0..cluster.faults.cache_clients).map(|number| {
            let mut client = CacheClient::new(cluster.clone(), number, seed);
            let (stop, cluster) = (stop.clone(), cluster.clone());
            cluster.clone().sim.spawn_in(WORLD, async move {
                while !stop.get() && cluster.checks.failure().is_none() {
                    client.step().await;
                }
            })
        }));
        Workload { stop, clients }
    }

    /// Lets every client finish what it is doing.
    pub async fn finish(self) {
        self.stop.set(true);
        for client in self.clients {
            // Clients belong to the world and are never killed.
            let _ = client.await;
        }
    }
}

impl Client {
    async fn step(&mut self) {
        let think_us = self.rng.range(0..80_000);
        self.cluster.sleep_us(think_us).await;
        let resource =
            SmolStr::from(format!("r{}", self.rng.range(0..u64::from(self.cluster.faults.resources))));
        match self.rng.range(0..100) {
            0..45 => self.acquire(resource).await,
            45..68 => self.release(resource).await,
            68..78 => self.renew(resource).await,
            78..82 => self.cancel(resource).await,
            82..85 => self.transfer(resource).await,
            85..90 => self.read().await,
            _ => match self.session {
                None => self.open_session().await,
                Some(session) if self.rng.chance(750) => self.renew_session(session).await,
                Some(session) => self.close_session(session).await,
            },
        }
    }

    fn holder(&self) -> Holder {
        Holder { client: self.name.clone(), session: self.session.map(|session| session.id) }
    }

    fn now_us(&self) -> u64 {
        self.cluster.sim.now_us()
    }

    /// The session is over (or may be): what was held under it is not used any more.
    fn drop_session(&mut self) {
        let holder = self.holder();
        self.cluster.checks.clients(|clients| {
            clients.lets_go_of_all(&holder);
            Ok(())
        });
        self.session = None;
    }
}
