//! A node that was asked out of the cluster ends when its shards are elsewhere, and its end is no failure. What the map's
//! changes moved, every node that saw them tells.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use orrery::host::LEFT_CODE;
use orrery_api::ring::{RingAnswer, RingChange};
use orrery_harness::cluster::{Cluster, READY};
use orrery_harness::process::until;
use serde_json::json;

use crate::turn;

/// Shards move one by one.
const MOVED: Duration = Duration::from_secs(60);
const LEAVER: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_left_ends_in_peace_and_the_others_tell_what_moved() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start("leave", 4).await?;
    let outcome = scenario(&mut cluster).await;
    cluster.explained(outcome)
}

async fn scenario(cluster: &mut Cluster) -> Result<()> {
    until("the shards to be placed", READY, || async {
        let ring: RingAnswer = cluster.get(0, "/ring").await?;
        ensure!(ring.version > 0 && ring.change.is_none(), "{:?}", ring.change);
        Ok(())
    })
    .await?;
    cluster.done(0, "/cluster/leave", &json!({"node": cluster.name(LEAVER)})).await?;
    let mut ended = || cluster.ended(LEAVER).and_then(|ended| ended.context("it runs still"));
    let (status, log) = until("the node to end", MOVED, || std::future::ready(ended())).await?;
    ensure!(status.code() == Some(LEFT_CODE), "{status}: {log}");
    ensure!(log.contains("left the cluster") && !log.contains("lose or falsify"), "{log}");

    for at in 0..LEAVER {
        let ring: RingAnswer = cluster.get(at, "/ring").await?;
        let RingChange { complete, change } = ring.change.context("no change")?;
        ensure!(complete && change.to_version == ring.version && change.replicas_moved > 0, "{change:?}");
        ensure!(
            (change.ideal_share - 0.25).abs() < 1e-9 && (change.modulo_share - 0.75).abs() < 1e-9,
            "{change:?}"
        );
        let leaves = |to: &Option<_>| to.as_ref().is_some_and(|name| *name == cluster.name(LEAVER).as_str());
        ensure!(change.moves.iter().all(|step| leaves(&step.from)), "only what it had goes: {change:?}");
    }
    Ok(())
}
