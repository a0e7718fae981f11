//! Clients of the shards: they write and read a register in each (see [`crate::sim::checks::Registers`]).

use std::sync::Arc;

use orrery_base::ids::GroupId;
use orrery_base::key::IdempotencyKey;
use orrery_engine::ProposeError;
use orrery_machine::{Command, Mutation};
use smol_str::SmolStr;

use crate::sim::cluster::Cluster;
use orrery_sim::runtime::{SplitMix, TaskGroup};

/// How often one write is tried under its key before its client leaves it.
const ATTEMPTS_MAX: u32 = 8;

/// One client: one write or read after the other.
pub struct ShardClient {
    cluster: Arc<Cluster>,
    name: SmolStr,
    rng: SplitMix,
    next_number: u64,
}

impl ShardClient {
    /// A client that did nothing yet.
    pub fn new(cluster: Arc<Cluster>, number: u32, seed: u64) -> Self {
        let rng = SplitMix::new(seed, 0x54a2_0000 + u64::from(number));
        ShardClient { cluster, name: SmolStr::from(format!("writer{number}")), rng, next_number: 1 }
    }

    /// Thinks, then does something.
    pub async fn step(&mut self) {
        let think_us = self.rng.range(0..120_000);
        self.cluster.sleep_us(think_us).await;
        let shard = GroupId(1 + self.rng.range(0..u64::from(self.cluster.faults.shards)) as u16);
        if self.rng.chance(600) { self.write(shard).await } else { self.read(shard).await }
    }

    fn any_node(&mut self) -> TaskGroup {
        self.cluster.any_node(&mut self.rng)
    }

    /// The same key until the outcome is known; through any node, whether it has a replica or not.
    async fn write(&mut self, shard: GroupId) {
        let value = self.cluster.checks.registers(|registers| Ok(registers.next(shard))).unwrap_or_default();
        let key = IdempotencyKey { client: self.name.clone(), number: self.next_number };
        self.next_number += 1;
        for _ in 0..ATTEMPTS_MAX {
            if self.cluster.checks.failure().is_some() {
                return;
            }
            let node = self.any_node();
            if let Some(engine) = self.cluster.network.engine(node) {
                let mutation = Mutation::AdvanceClock { to_ms: value };
                let command = Command { key: Some(key.clone().into()), mutation };
                let written = self.cluster.sim.spawn_in(node, async move {
                    engine.propose(shard, command, engine.config().request_timeout).await
                });
                match written.await {
                    Ok(Ok(_)) => {
                        let words = format!("{key} wrote {value} to {shard} through node{node}");
                        self.cluster.trace.event(words.as_bytes(), format_args!("{words}"));
                        self.cluster.checks.registers(|registers| {
                            registers.acknowledged(shard, value);
                            Ok(())
                        });
                        return;
                    }
                    Ok(Err(ProposeError::NotApplied(_) | ProposeError::Unknown(_))) | Err(_) => {}
                }
            }
            let pause_us = self.rng.range(1_000..200_000);
            self.cluster.sleep_us(pause_us).await;
        }
    }

    /// A linearizable read at a replica.
    async fn read(&mut self, shard: GroupId) {
        let node = self.any_node();
        let Some(engine) = self.cluster.network.engine(node) else { return };
        if engine.applied_state(shard).is_none() {
            return;
        }
        let least = self.cluster.checks.registers(|registers| Ok(registers.least(shard))).unwrap_or_default();
        let read = self.cluster.sim.spawn_in(node, async move {
            engine.read_index(shard, engine.config().request_timeout).await.ok()?;
            engine.applied_state(shard).map(|(machine, _)| machine.clock_ms())
        });
        // Reads may fail, as long as they do not lie.
        if let Ok(Some(value)) = read.await {
            self.cluster.checks.registers(|registers| registers.read(shard, least, value));
        }
    }
}
