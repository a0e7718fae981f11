//! All nodes are killed at once and started again: every unexpired lock, wait and session is still there.

use anyhow::{Context as _, Result, ensure};
use orrery_api::lock::LockStatus;
use orrery_harness::cluster::{Cluster, READY};
use orrery_harness::process::until;
use serde_json::json;

use crate::turn;

const LONG_MS: u64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_restart_forgets_nothing() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start("restart", 5).await?;
    let outcome = scenario(&mut cluster).await;
    cluster.explained(outcome)
}

async fn scenario(cluster: &mut Cluster) -> Result<()> {
    fill(cluster).await?;
    let before = cluster.agreed_locks().await?;

    for round in 0..2 {
        for at in 0..cluster.len() {
            cluster.kill(at)?;
        }
        cluster.heal()?;
        cluster.wait_leader().await?;
        let after = lasting(cluster, 4).await?;
        same(&before, &after).with_context(|| format!("restart {round}"))?;
    }

    // The queue still works: in order, under growing tokens.
    let first =
        before.table.resources.iter().find(|locked| locked.resource == "printer").context("printer")?;
    let token = first.holders[0].fencing_token;
    cluster
        .done(1, "/lock/release", &json!({"resource": "printer", "client": "Ayu", "fencing_token": token}))
        .await?;
    let poll = json!({"resource": "printer", "client": "Budi", "ttl_ms": LONG_MS, "queue": true});
    let granted = cluster.done(2, "/lock/acquire", &poll).await?;
    ensure!(granted["fencing_token"].as_u64() > Some(token), "{granted} after {token}");
    ensure!(granted["status"] == "acquired" && granted["reentrant"] == false, "{granted}");
    Ok(())
}

/// Holders, waiters, a session with a lock, and a lock that runs out.
async fn fill(cluster: &Cluster) -> Result<()> {
    let hold = |resource: &str, client: &str, mode: &str, ttl_ms: u64| json!({"resource": resource, "client": client, "mode": mode, "ttl_ms": ttl_ms, "queue": true});
    cluster.done(0, "/lock/acquire", &hold("printer", "Ayu", "X", LONG_MS)).await?;
    for (client, mode) in [("Budi", "X"), ("Citra", "S"), ("Dewi", "S")] {
        let (status, answer) =
            cluster.post(1, "/lock/acquire", &hold("printer", client, mode, LONG_MS)).await?;
        ensure!(status == 202, "{status} {answer}");
    }
    for client in ["Citra", "Dewi"] {
        cluster.done(2, "/lock/acquire", &hold("book", client, "S", LONG_MS)).await?;
    }
    let opened = cluster.done(3, "/session", &json!({"client": "Eka", "ttl_ms": LONG_MS})).await?;
    let in_session = json!({"resource": "desk", "client": "Eka", "session": opened["session"]});
    cluster.done(4, "/lock/acquire", &in_session).await?;
    cluster.done(4, "/lock/acquire", &hold("short", "Fajar", "X", 1_000)).await?;
    cluster.done(4, "/lock/acquire", &hold("long", "Fajar", "X", LONG_MS)).await?;
    Ok(())
}

/// The table once only `count` resources are left: what was short has run out.
async fn lasting(cluster: &Cluster, count: usize) -> Result<LockStatus> {
    until("the short lock to run out", READY, || async {
        let locks = cluster.agreed_locks().await?;
        ensure!(locks.table.resources.len() == count, "{:?}", locks.table.resources);
        Ok(locks)
    })
    .await
}

/// The same but for what has run out. The lease clock does not go back.
fn same(before: &LockStatus, after: &LockStatus) -> Result<()> {
    let mut lasting = before.table.resources.clone();
    lasting.retain(|locked| locked.resource != "short");
    ensure!(lasting == after.table.resources, "before: {lasting:?}\nafter: {:?}", after.table.resources);
    ensure!(before.table.sessions == after.table.sessions, "{:?} {:?}", before.table, after.table);
    ensure!(before.edges == after.edges, "{:?} {:?}", before.edges, after.edges);
    ensure!(before.table.clock_ms <= after.table.clock_ms, "the lease clock went back");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_moved_says_where_it_is() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start("moved", 3).await?;
    let outcome = moved(&mut cluster).await;
    cluster.explained(outcome)
}

async fn moved(cluster: &mut Cluster) -> Result<()> {
    let leader = cluster.wait_leader().await?;
    cluster.stop(leader)?;
    cluster.move_node(leader)?;
    cluster.start_node(leader)?;
    let (name, address) = (cluster.name(leader), cluster.address(leader));
    for at in 0..cluster.len() {
        until("everybody to know where it is", READY, || async {
            let members = cluster.record(at).await?.members;
            let known = members.iter().any(|member| member.node == name && member.address == address);
            ensure!(known, "{members:?}");
            Ok(())
        })
        .await?;
    }
    // The others reach it there: with one of them it is a majority.
    cluster.wait_leader().await?;
    let gone = (leader + 1) % cluster.len();
    cluster.stop(gone)?;
    cluster.wait_leader().await?;
    cluster.done(leader, "/lock/acquire", &json!({"resource": "printer", "client": "Ayu"})).await?;

    // Everybody moves at once: each is found by the list that it is started with.
    for at in 0..cluster.len() {
        cluster.stop(at)?;
        cluster.move_node(at)?;
    }
    for at in 0..cluster.len() {
        cluster.start_node(at)?;
    }
    cluster.wait_leader().await?;
    cluster.done(0, "/lock/acquire", &json!({"resource": "scanner", "client": "Budi"})).await?;
    Ok(())
}
