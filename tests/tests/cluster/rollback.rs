//! A node's data folder is put back to an earlier copy of itself: the disk forgets what it had acknowledged, and the node
//! must notice, whatever the copy says.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use orrery_event::fact::Role;
use orrery_harness::cluster::{Cluster, READY};
use orrery_harness::process::until;
use serde_json::json;

use crate::turn;

/// How many messages are published in one go.
const MESSAGES: u64 = 20;

/// Publishes through one node, and takes and gives back a lock; its fencing token.
async fn work(cluster: &Cluster, at: usize, what: &str) -> Result<u64> {
    for number in 0..MESSAGES {
        let message = json!({"topic": "orders", "payload": format!("{what} {number}")});
        cluster.done(at, "/queue/publish", &message).await?;
    }
    let granted = cluster.done(at, "/lock/acquire", &json!({"resource": "printer", "client": what})).await?;
    cluster.done(at, "/lock/release", &json!({"resource": "printer", "client": what})).await?;
    granted["fencing_token"].as_u64().context("a token")
}

/// Stops node1, keeps a copy of its folder, stops those who shall not see it, and starts it again.
async fn copy_between_two_boots(cluster: &mut Cluster, unseen_by: Option<usize>) -> Result<()> {
    cluster.wait_leader().await?;
    work(cluster, 0, "before").await?;
    cluster.stop(0)?;
    cluster.copy_data(0)?;
    if let Some(at) = unseen_by {
        cluster.stop(at)?;
    }
    cluster.start_node(0)?;
    cluster.wait_leader().await?;
    Ok(())
}

/// Waits until a node says everywhere that it serves nobody, and why.
async fn expect_halted(cluster: &Cluster, at: usize, words: &str) -> Result<()> {
    let why = until("it to say that it serves nobody", READY, || async {
        cluster.status(at).await?.halted.context("it goes on")
    })
    .await?;
    ensure!(why.contains(words), "{why}");
    for (path, body) in [
        ("/lock/acquire", json!({"resource": "scanner", "client": "Budi", "wait_ms": 0})),
        ("/queue/publish", json!({"topic": "orders", "payload": "late"})),
    ] {
        let (status, answer) = cluster.post(at, path, &body).await?;
        ensure!(status == 503 && answer.to_string().contains(words), "{path}: {status} {answer}");
    }
    ensure!(cluster.log(at).contains(words), "{}", cluster.log(at));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_was_set_back_never_votes_where_a_witness_answers() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start("rollback", 3).await?;
    let outcome = witnessed(&mut cluster).await;
    cluster.explained(outcome)
}

async fn witnessed(cluster: &mut Cluster) -> Result<()> {
    copy_between_two_boots(cluster, None).await?;
    cluster.stop(2)?;
    let token = until("a lock from two of three", READY, || work(cluster, 0, "acknowledged")).await?;
    cluster.stop(0)?;
    cluster.stop(1)?;

    cluster.restore_data(0)?;
    // Node3 heard nothing of what was acknowledged, but it saw the boot in which it was.
    for at in [2, 0] {
        cluster.start_node(at)?;
    }
    let halted = tokio::time::Instant::now() + READY;
    while cluster.status(0).await.ok().and_then(|status| status.halted).is_none() {
        ensure!(tokio::time::Instant::now() < halted, "it goes on");
        if let Ok(status) = cluster.status(0).await {
            ensure!(status.role != Role::Leader, "{status:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    expect_halted(cluster, 0, "is older than what node3").await?;
    cluster.start_node(1)?;
    // The other two have everything.
    let next = until("a lock from the other two", READY, || work(cluster, 1, "after")).await?;
    ensure!(next > token, "token {next} after {token}");
    let stats: serde_json::Value = cluster.get(1, "/queue/stats?topic=orders").await?;
    ensure!(stats["topics"][0]["messages"] == json!(MESSAGES * 3), "{stats}");

    // It does what it is told: it comes back empty, as somebody else, and counts.
    cluster.stop(0)?;
    cluster.wipe(0)?;
    cluster.start_node_with(0, &["--replace"])?;
    cluster.wait_leader().await?;
    ensure!(work(cluster, 0, "again").await? > next, "a token twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_comes_back_ends_a_second_history() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start("two-histories", 3).await?;
    let outcome = two_histories(&mut cluster).await;
    cluster.explained(outcome)
}

async fn two_histories(cluster: &mut Cluster) -> Result<()> {
    copy_between_two_boots(cluster, Some(2)).await?;
    until("a lock from two of three", READY, || work(cluster, 0, "acknowledged")).await?;
    cluster.stop(0)?;
    cluster.stop(1)?;

    // Nobody who answers knows what is missing.
    cluster.restore_data(0)?;
    cluster.start_node(0)?;
    cluster.start_node(2)?;
    until("a lock from the two that forgot", READY, || work(cluster, 2, "second history")).await?;
    ensure!(cluster.status(0).await?.halted.is_none(), "nobody could know");

    // The witness: the node that was set back ends, and the two histories are not mixed.
    cluster.start_node(1)?;
    expect_halted(cluster, 0, "is older than what node2 has seen of it").await?;
    expect_halted(cluster, 1, "two histories").await?;
    let (status, answer) = cluster
        .post(2, "/lock/acquire", &json!({"resource": "printer", "client": "Ayu", "wait_ms": 0}))
        .await?;
    ensure!(status == 503, "one of three took a lock: {status} {answer}");
    Ok(())
}
