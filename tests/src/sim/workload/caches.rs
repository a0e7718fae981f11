//! Clients of the cache: they read and write a few addresses through all nodes (see [`crate::sim::checks::Caches`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openraft::rt::AsyncRuntime;
use orrery_api::cache::{Consistency, Read};
use orrery_base::key::IdempotencyKey;
use orrery_base::valid::Name;
use smol_str::SmolStr;

use crate::sim::checks::address;
use crate::sim::cluster::Cluster;
use orrery_linear::api::{self, Came};
use orrery_linear::{Answer, Call, Version};
use orrery_sim::runtime::{SimJoin, SimRuntime, SplitMix, TaskGroup};

/// Addresses that everybody uses.
pub const ADDRESSES: u64 = 3;
/// How often a durable write is tried under its key.
const ATTEMPTS_MAX: u32 = 12;

/// One client: one operation after the other.
pub struct CacheClient {
    cluster: Arc<Cluster>,
    name: SmolStr,
    rng: SplitMix,
    next_number: u64,
    /// Where it asks most of the time: copies are of use only to who comes again.
    home: TaskGroup,
    /// Versions that it saw last.
    known: BTreeMap<SmolStr, Version>,
}

impl CacheClient {
    /// A client that did nothing yet.
    pub fn new(cluster: Arc<Cluster>, number: u32, seed: u64) -> Self {
        let mut rng = SplitMix::new(seed, 0xcac4_e000 + u64::from(number));
        let home = cluster.any_node(&mut rng);
        let name = SmolStr::from(format!("cacher{number}"));
        CacheClient { cluster, name, rng, next_number: 1, home, known: BTreeMap::new() }
    }

    /// Thinks, then does something.
    pub async fn step(&mut self) {
        let think_us = if self.rng.chance(600) { 0..10_000 } else { 0..150_000 };
        let think_us = self.rng.range(think_us);
        self.cluster.sleep_us(think_us).await;
        if self.rng.chance(20) || !self.cluster.belongs(self.home) {
            self.home = self.cluster.any_node(&mut self.rng);
        }
        let address = address(self.rng.range(0..ADDRESSES));
        let kind = self.rng.range(0..100);
        if kind < 52 {
            return self.once(&address, Call::Read).await;
        }
        let value = self.cluster.checks.caches(|caches| Ok(caches.new_value())).unwrap_or_default();
        match kind {
            52..75 => self.once(&address, Call::WriteBack { value }).await,
            75..87 => {
                self.durably(&address, Call::Write { value: Some(value), if_version: None }).await;
            }
            87..96 => {
                let if_version = self.known.get(&address).copied().unwrap_or(0);
                self.durably(&address, Call::Write { value: Some(value), if_version: Some(if_version) })
                    .await;
            }
            _ => self.durably(&address, Call::Write { value: None, if_version: None }).await,
        }
    }

    /// A request that is sent once: a read, or a write that is answered before it is durable.
    async fn once(&mut self, address: &SmolStr, call: Call) {
        let node = self.node();
        let number = self.begin(address, node, call);
        let patience = self.patience();
        let came = match self.send(node, address, call, None) {
            Some(sent) => SimRuntime::timeout(patience, sent).await,
            None => Ok(Ok(Came::Nothing)),
        };
        match came {
            Ok(Ok(came)) => self.came(address, number, came),
            // The node died, or stands still, or its client is gone.
            Ok(Err(_)) | Err(_) => self.unknown(),
        }
    }

    /// The same key until the outcome is known, now and then at two nodes at once.
    async fn durably(&mut self, address: &SmolStr, call: Call) {
        let key = IdempotencyKey { client: self.name.clone(), number: self.next_number };
        self.next_number += 1;
        let node = self.node();
        let number = self.begin(address, node, call);
        let mut open = false;
        for attempt in 0..ATTEMPTS_MAX {
            if self.cluster.checks.failure().is_some() {
                return;
            }
            let node = if attempt == 0 { node } else { self.cluster.any_node(&mut self.rng) };
            let twin = self.rng.chance(80).then(|| self.cluster.any_node(&mut self.rng));
            let sent: Vec<_> = [Some(node), twin]
                .into_iter()
                .flatten()
                .filter_map(|node| self.send(node, address, call, Some(&key)))
                .collect();
            for sent in sent {
                let patience = self.patience();
                match SimRuntime::timeout(patience, sent).await {
                    Ok(Ok(Came::Nothing)) => {}
                    Ok(Ok(Came::Unknown)) | Ok(Err(_)) | Err(_) => open = true,
                    Ok(Ok(came)) => return self.came(address, number, came),
                }
            }
            let pause_us = self.rng.range(1_000..200_000);
            self.cluster.sleep_us(pause_us).await;
        }
        self.came(address, number, if open { Came::Unknown } else { Came::Nothing });
    }

    fn node(&mut self) -> TaskGroup {
        if self.rng.chance(700) { self.home } else { self.cluster.any_node(&mut self.rng) }
    }

    /// Some clients hang up early.
    fn patience(&mut self) -> Duration {
        let us = if self.rng.chance(50) { 1_000..300_000 } else { 6_000_000..6_000_001 };
        Duration::from_micros(self.rng.range(us))
    }

    /// Hands the request to a node, if one is there.
    fn send(
        &self,
        node: TaskGroup,
        address: &SmolStr,
        call: Call,
        key: Option<&IdempotencyKey>,
    ) -> Option<SimJoin<Came>> {
        let engine = self.cluster.network.engine(node)?;
        let (address, key) = (address.clone(), key.cloned());
        Some(self.cluster.sim.spawn_in(node, async move {
            if let Some(body) = api::write_body(&address, call) {
                api::wrote(engine.ask(body, key).await)
            } else if let Some(body) = api::delete_body(&address, call) {
                api::wrote(engine.ask(body, key).await)
            } else {
                let read = Read { address: Name::known(&address), consistency: Consistency::Linearizable };
                api::read(engine.ask(read, None).await)
            }
        }))
    }

    fn begin(&self, address: &SmolStr, node: TaskGroup, call: Call) -> usize {
        let now_us = self.cluster.sim.now_us();
        let who = format!("{}@node{node}", self.name);
        self.cluster.checks.caches(|caches| Ok(caches.begin(now_us, address, &who, call))).unwrap_or_default()
    }

    fn unknown(&self) {
        self.cluster.checks.caches(|caches| {
            caches.unknown();
            Ok(())
        });
    }

    fn came(&mut self, address: &SmolStr, number: usize, came: Came) {
        let now_us = self.cluster.sim.now_us();
        let words = format!("{} at {address}: {came:?}", self.name);
        self.cluster.trace.event(words.as_bytes(), format_args!("{words}"));
        match came {
            Came::Answer(answer) => {
                let version = match answer {
                    Answer::Saw { value: None, .. } => 0,
                    Answer::Saw { version, .. } => version.unwrap_or(0),
                    Answer::Written { version } | Answer::Wrong { version } | Answer::Taken { version } => {
                        version
                    }
                    Answer::Absent { .. } => 0,
                };
                self.known.insert(address.clone(), version);
                self.cluster.checks.caches(|caches| {
                    caches.end(now_us, address, number, answer);
                    Ok(())
                });
            }
            Came::Nothing => {
                self.cluster.checks.caches(|caches| {
                    caches.forget(address, number);
                    Ok(())
                });
            }
            Came::Unknown => self.unknown(),
            Came::Odd(why) => self.cluster.checks.fail(format!("{} at {address}: {why}", self.name)),
        }
    }
}
