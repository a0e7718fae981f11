//! How the election timers stand while heartbeats stay away: for the dashboard. One task for all groups of a node, that
//! wakes with their ticks.

use openraft::AsyncRuntime;
use orrery_base::ids::NodeId;

use crate::cluster::Cluster;
use crate::host::Host;
use crate::timer::Grid;

/// Runs until the engine stops. Where nobody keeps facts there is nothing to report, but that may change.
pub async fn watch<H: Host>(cluster: Cluster<H>, me: NodeId) {
    let heartbeat = cluster.inner.config.heartbeat;
    let (patience, grid) = (heartbeat * 2, Grid::new(heartbeat, me));
    while !cluster.stopping() {
        H::Runtime::sleep(grid.sleep(cluster.inner.host.monotonic_us(), patience)).await;
        if !cluster.inner.host.records() {
            continue;
        }
        for group in cluster.groups() {
            group.report_silence(patience);
        }
    }
}
