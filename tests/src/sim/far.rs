//! Links as long as a profile promises to work with: a leader is elected and stays, and every node serves.

use std::sync::Arc;

use orrery_api::cache::{Consistency, Read};
use orrery_base::ids::GroupId;
use orrery_base::valid::Name;

use super::bugs::Bugs;
use super::cluster::Cluster;
use super::faults::Faults;
use super::partial::{all_serve, calm};
use orrery_sim::faults::LinkFaults;
use orrery_sim::runtime::TaskGroup;

/// Longest way with which `realistic` works where nothing else is slow, microseconds one way. The docs promise less.
pub const REALISTIC_US: u64 = 40_000;
/// The same of `wan`.
pub const WAN_US: u64 = 150_000;
/// Until the shards are led where they belong, microseconds.
const SETTLE_US: u64 = 60_000_000;
/// For so long nothing but heartbeats happens, microseconds.
const QUIET_US: u64 = 20_000_000;

/// A cluster of three whose links take nearly so long. What every node said of its reads, and how often a leader changed while
/// nothing happened.
pub fn live_far(seed: u64, one_way_us: u64, wan: bool) -> Result<u64, String> {
    let faults = calm(3);
    let links = LinkFaults { delay_us: one_way_us * 9 / 10..one_way_us, ..faults.links.clone() };
    let cluster = Cluster::new(seed, Faults { links, wan, ..faults }, Bugs::default(), false);
    let lived = cluster.sim.block_on(async {
        for node in cluster.nodes() {
            cluster.start(node);
        }
        all_serve(&cluster).await?;
        cluster.sleep_us(SETTLE_US).await;
        let before = terms(&cluster);
        cluster.sleep_us(QUIET_US).await;
        let changes = terms(&cluster).iter().zip(&before).map(|(now, before)| now - before).sum();
        for node in cluster.nodes() {
            confirms(&cluster, node).await?;
        }
        cluster.checks.failure().map_or(Ok(changes), Err)
    });
    cluster.end();
    lived
}

/// The latest term of each group.
fn terms(cluster: &Arc<Cluster>) -> Vec<u64> {
    let statuses: Vec<_> = cluster.network.engines().iter().map(|(_, engine)| engine.status()).collect();
    let of = |group: GroupId| {
        let groups = statuses.iter().flat_map(|status| &status.groups);
        groups.filter(|status| status.group == group).map(|status| status.term).max().unwrap_or_default()
    };
    cluster.groups().into_iter().map(of).collect()
}

/// A linearizable read, and one of the cache, which needs a home that a majority confirmed.
async fn confirms(cluster: &Arc<Cluster>, node: TaskGroup) -> Result<(), String> {
    let engine = cluster.network.engine(node).ok_or("a node went")?;
    if let Some(doubtful) = engine.leaderships().into_iter().find(|leadership| !leadership.confirmed) {
        return Err(format!("node{node} does not know of a majority: {doubtful:?}"));
    }
    let task = cluster.sim.spawn_in(node, async move {
        let within = engine.config().request_timeout;
        engine.read_index(GroupId::CONTROL, within).await.map_err(|error| error.to_string())?;
        let read = Read { address: Name::known("user:7"), consistency: Consistency::default() };
        engine.ask(read, None).await.map_err(|error| error.message)
    });
    let read = task.await.map_err(|_| "a node went")?;
    read.map(|_| ()).map_err(|why| format!("node{node}: {why}"))
}
