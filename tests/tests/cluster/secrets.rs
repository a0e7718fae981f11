//! A cluster's secret is changed node by node, and somebody gets locks all the time.

use anyhow::{Result, ensure};
use orrery_harness::cluster::{Cluster, READY};
use orrery_harness::process::until;
use serde_json::json;

use crate::turn;

const OLD: &str = "the secret of last year";
const NEW: &str = "the secret of this year";

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_changed_node_by_node_without_a_pause() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start_with("secrets", 3, &["--secret", OLD]).await?;
    let outcome = change(&mut cluster).await;
    cluster.explained(outcome)
}

async fn change(cluster: &mut Cluster) -> Result<()> {
    let steps = [
        ["--secret", OLD, "--accept-secret", NEW].as_slice(),
        &["--secret", NEW, "--accept-secret", OLD],
        &["--secret", NEW],
    ];
    for (step, flags) in steps.into_iter().enumerate() {
        cluster.set_flags(flags);
        for at in 0..cluster.len() {
            cluster.kill(at)?;
            let other = (at + 1) % cluster.len();
            lock(cluster, other, &format!("{step}-{at}-away")).await?;
            cluster.start_node(at)?;
            cluster.wait_leader().await?;
            lock(cluster, at, &format!("{step}-{at}-back")).await?;
        }
    }
    // Whoever has the old one only is no part of it any more.
    cluster.set_flags(&["--secret", OLD]);
    cluster.kill(0)?;
    cluster.start_node(0)?;
    lock(cluster, 1, "without-it").await?;
    until("the others to say why", READY, || async {
        let log = cluster.log(0);
        ensure!(log.contains("no link") && log.contains("differ"), "{log}");
        Ok(())
    })
    .await?;
    let refused = cluster.post(0, "/lock/acquire", &json!({"resource": "alone", "client": "Ayu"})).await?;
    ensure!(refused.0 == 503, "{refused:?}");
    Ok(())
}

async fn lock(cluster: &Cluster, at: usize, resource: &str) -> Result<()> {
    let body = json!({"resource": resource, "client": "Ayu"});
    until("a lock", READY, || async { cluster.done(at, "/lock/acquire", &body).await.map(drop) }).await
}
