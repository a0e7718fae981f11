//! A node that lost its disk comes back under its name as somebody else: it never votes with the vote that it forgot.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use orrery_api::node::ClusterMember;
use orrery_event::fact::Role;
use orrery_harness::cluster::{Cluster, READY};
use orrery_harness::process::until;
use serde_json::json;

use crate::turn;

/// Long enough for several elections, were there a majority.
const ELECTIONS: Duration = Duration::from_secs(4);

async fn member(cluster: &Cluster, asked: usize, name: &str) -> Result<ClusterMember> {
    let record = cluster.record(asked).await?;
    record.members.into_iter().find(|member| member.node == name).with_context(|| format!("no member {name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_disk_is_a_new_member_and_never_votes_as_the_old_one() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start("wiped", 5).await?;
    let outcome = scenario(&mut cluster).await;
    cluster.explained(outcome)
}

/// An empty folder under a living member's name, as a `.env` that was copied to a second machine gives: nobody is evicted.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_node_does_not_evict_the_member_of_its_name() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start("namesake", 3).await?;
    let outcome = namesake(&mut cluster).await;
    cluster.explained(outcome)
}

async fn namesake(cluster: &mut Cluster) -> Result<()> {
    let leader = cluster.wait_leader().await?;
    let before = cluster.record(0).await?.members;
    let mut second = cluster.start_namesake(leader, &["--replace"])?;
    let words = format!("the cluster has a {} already, which answers at", cluster.name(leader));
    until("the second one to hear why", READY, || {
        let log = second.log();
        let words = words.clone();
        async move {
            ensure!(log.contains(&words), "{log}");
            Ok(())
        }
    })
    .await?;
    ensure!(cluster.record(0).await?.members == before, "somebody was evicted");
    ensure!(cluster.agreed_leader().await? == leader, "the leader was deposed");
    cluster.done(leader, "/lock/acquire", &json!({"resource": "printer", "client": "Ayu"})).await?;
    second.terminate()?;

    // The member is away: its place is taken by decision only.
    cluster.stop(leader)?;
    cluster.wait_leader().await?;
    let mut waits = cluster.start_namesake(leader, &[])?;
    let words = format!("the cluster has a {} already, which does not answer", cluster.name(leader));
    until("it to hear when it may", READY, || {
        let log = waits.log();
        let words = words.clone();
        async move {
            ensure!(log.contains(&words) && log.contains("--replace"), "{log}");
            Ok(())
        }
    })
    .await?;
    waits.terminate()?;
    let _taken = cluster.start_namesake(leader, &["--replace"])?;
    let asked = (leader + 1) % 3;
    until("it to be a member", READY, || async {
        let after = member(cluster, asked, &cluster.name(leader)).await?;
        ensure!(after.incarnation == 2 && after.voter, "{after:?}");
        Ok(())
    })
    .await
}

async fn scenario(cluster: &mut Cluster) -> Result<()> {
    let hold = json!({"resource": "printer", "client": "Ayu", "ttl_ms": 3_600_000});
    let granted = cluster.done(0, "/lock/acquire", &hold).await?;
    let before = member(cluster, 0, "node3").await?;
    ensure!(before.incarnation == 1 && before.voter, "{before:?}");

    // Two of the five are gone, the third has lost its disk: three processes run, and only two can vote.
    for at in [2, 3, 4] {
        cluster.kill(at)?;
    }
    cluster.copy_data(2)?;
    cluster.wipe(2)?;
    cluster.start_node_with(2, &["--replace"])?;
    let end = Instant::now() + ELECTIONS;
    while Instant::now() < end {
        for at in [0, 1, 2] {
            // The old leader may take itself for the leader until it notices; a new one would be in a later term.
            if let Ok(status) = cluster.status(at).await {
                ensure!(
                    status.raft_id != Some(before.raft_id) || at != 2,
                    "it took its old identity: {status:?}"
                );
                ensure!(at != 2 || status.role != Role::Leader, "{status:?}");
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let other = json!({"resource": "scanner", "client": "Budi", "wait_ms": 0});
    let (status, answer) = cluster.post(0, "/lock/acquire", &other).await?;
    ensure!(status == 503, "two of five took a lock: {status} {answer}");

    // A third voter comes back: now the lost one is admitted anew.
    cluster.start_node(3)?;
    let after = until("node3 to vote again, as somebody else", READY, || async {
        let after = member(cluster, 0, "node3").await?;
        // A question whose outcome nobody learnt may have given it one that it never used.
        ensure!(after.incarnation >= 2 && after.voter, "{after:?}");
        Ok(after)
    })
    .await?;
    ensure!(after.raft_id != before.raft_id, "{after:?}");
    let record = cluster.record(0).await?;
    ensure!(!record.members.iter().any(|member| member.raft_id == before.raft_id), "{record:?}");

    cluster.start_node(4)?;
    cluster.wait_leader().await?;
    let locks = cluster.agreed_locks().await?;
    let printer =
        locks.table.resources.iter().find(|locked| locked.resource == "printer").context("printer")?;
    ensure!(printer.holders[0].fencing_token == granted["fencing_token"], "{printer:?} {granted}");
    ensure!(cluster.status(2).await?.raft_id == Some(after.raft_id), "it knows who it is");

    // It counts: with it, three of five are a majority.
    cluster.kill(3)?;
    cluster.kill(4)?;
    cluster.wait_leader().await?;
    cluster.done(2, "/lock/acquire", &json!({"resource": "scanner", "client": "Citra"})).await?;

    // An old backup comes back as who it was: it is turned away, and says why it stops.
    cluster.kill(2)?;
    cluster.restore_data(2)?;
    cluster.start_node(2)?;
    let end = Instant::now() + READY;
    let (status, log) = loop {
        if let Some(ended) = cluster.ended(2)? {
            break ended;
        }
        ensure!(Instant::now() < end, "the old incarnation goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    ensure!(!status.success() && log.contains("given up"), "{status}: {log}");
    Ok(())
}
