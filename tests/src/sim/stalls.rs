//! Homes and owners that stand still while nobody dies and nothing newer is written: nothing that was answered is lost, durable
//! or not.

use std::collections::BTreeMap;
use std::sync::Arc;

use orrery_api::cache::{Consistency, Read, WriteAnswer};
use orrery_base::ids::GroupId;
use orrery_base::valid::Name;
use orrery_cache::Address;

use super::bugs::Bugs;
use super::cluster::Cluster;
use super::partial::{all_serve, calm, leader_of};
use orrery_linear::Call;
use orrery_linear::api::{self, Came};
use orrery_sim::runtime::TaskGroup;

/// Each with one node that stands still: the home, or an owner while others read what it owns.
const ROUNDS: u64 = 6;
/// Written without being durable in a round.
const WRITES: u64 = 24;
/// How long a node stands still, microseconds: longer than a lease, its margin and an election.
const STILL_US: std::ops::Range<u64> = 700_000..2_500_000;
/// Until everything is written back after that, microseconds.
const CLEAN_US_MAX: u64 = 20_000_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stalled {
    /// Writes that were answered without being durable.
    pub taken: u64,
    /// How many of them no home knew for a time.
    pub offered: u64,
    /// Reported as lost, or as not known.
    pub lost: u64,
    /// Those that are not there at the end.
    pub gone: u64,
}

/// Some rounds of a seed.
pub fn stall(seed: u64) -> Result<Stalled, String> {
    let cluster = Cluster::new(seed, calm(3), Bugs::default(), false);
    let stalled = cluster.sim.block_on(live(&cluster));
    cluster.end();
    stalled
}

async fn live(cluster: &Arc<Cluster>) -> Result<Stalled, String> {
    for node in cluster.nodes() {
        cluster.start(node);
    }
    all_serve(cluster).await?;
    let (mut stalled, mut written) = (Stalled::default(), BTreeMap::new());
    for round in 0..ROUNDS {
        let home = leader_of(cluster, GroupId(1)).ok_or("no home")?;
        let others: Vec<TaskGroup> = cluster.nodes().into_iter().filter(|node| *node != home).collect();
        for n in 0..WRITES {
            let (value, address) = (round * WRITES + n + 1, Address::from(format!("round{round}-{n}")));
            let node = others[(n % 2) as usize];
            if let Ok(answer) = write_back(cluster, node, &address, value).await? {
                stalled.taken += u64::from(!answer.durable);
                written.insert(address, value);
            }
        }
        let still = if round % 2 == 0 { home } else { others[0] };
        cluster.pause(still);
        let until_us = cluster.sim.now_us() + cluster.random(STILL_US);
        if still != home {
            for n in 0..WRITES {
                let address = Address::from(format!("round{round}-{n}"));
                // Whoever reads meanwhile may see that nothing is there.
                let _ = read(cluster, home, &address).await?;
            }
        }
        cluster.sleep_us(until_us.saturating_sub(cluster.sim.now_us())).await;
        cluster.resume(still);
        all_serve(cluster).await?;
        clean(cluster).await?;
    }
    for (address, value) in &written {
        let seen = read(cluster, 1, address).await?;
        let there = matches!(&seen, Came::Answer(orrery_linear::Answer::Saw { value: Some(seen), .. }) if seen == value);
        stalled.gone += u64::from(!there);
    }
    for node in cluster.nodes() {
        let stats = cluster.network.engine(node).ok_or("a node went")?.cache().stats();
        stalled.lost += stats.stats.lost + stats.late.unresolved;
        stalled.offered += stats.late.offered;
    }
    cluster.checks.failure().map_or(Ok(stalled), Err)
}

type Written = Result<WriteAnswer, orrery_base::error::ApiError>;

async fn write_back(
    cluster: &Arc<Cluster>,
    node: TaskGroup,
    address: &Address,
    value: u64,
) -> Result<Written, String> {
    let engine = cluster.network.engine(node).ok_or("a node went")?;
    let body = api::write_body(address, Call::WriteBack { value }).ok_or("no body")?;
    let task = cluster.sim.spawn_in(node, async move { engine.ask(body, None).await });
    task.await.map_err(|_| "a node went".into())
}

async fn read(cluster: &Arc<Cluster>, node: TaskGroup, address: &Address) -> Result<Came, String> {
    let engine = cluster.network.engine(node).ok_or("a node went")?;
    let body = Read { address: Name::known(address), consistency: Consistency::Linearizable };
    let task = cluster.sim.spawn_in(node, async move { api::read(engine.ask(body, None).await) });
    task.await.map_err(|_| "a node went".into())
}

/// Nothing is anywhere that is not written back.
async fn clean(cluster: &Arc<Cluster>) -> Result<(), String> {
    let until_us = cluster.sim.now_us() + CLEAN_US_MAX;
    let dirty = |node: TaskGroup| {
        let engine = cluster.network.engine(node);
        engine.is_none_or(|engine| engine.cache().lines().lines.iter().any(|line| line.dirty))
    };
    while cluster.nodes().into_iter().any(dirty) {
        if cluster.sim.now_us() > until_us {
            return Err("what was written is not written back".into());
        }
        cluster.sleep_us(20_000).await;
    }
    Ok(())
}
