//! How the election timers stand while heartbeats stay away: for the dashboard. One task for all groups of a node, that
//! wakes with their ticks.

use openraft::AsyncRuntime;
use orrery_base::ids::NodeId;

use super::host::Host;
use super::node::Engine;
use super::timer::Grid;

/// Runs until the engine stops. Where nobody keeps facts there is nothing to report, but that may change.
pub async fn watch<H: Host>(engine: Engine<H>, me: NodeId) {
    let heartbeat = engine.inner.config.heartbeat;
    let (patience, grid) = (heartbeat * 2, Grid::new(heartbeat, me));
    while !engine.stopping() {
        H::Runtime::sleep(grid.sleep(engine.inner.host.monotonic_us(), patience)).await;
        if !engine.inner.host.records() {
            continue;
        }
        for group in engine.groups() {
            group.report_silence(patience);
        }
    }
}
