//! 16 clients, 200 rounds each, while nodes are killed, restarted and paused at random.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use orrery_harness::cluster::Cluster;
use orrery_lock::Mode;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::task::JoinSet;

use crate::client::{Client, Report};
use crate::faults::Faults;
use crate::{history, seed, turn};

const NODES: usize = 5;
const CLIENTS: u64 = 16;
const RESOURCES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Rounds of each client: `ORRERY_ROUNDS`, or 200.
fn rounds() -> u32 {
    std::env::var("ORRERY_ROUNDS").map_or(200, |text| text.parse().expect("ORRERY_ROUNDS is a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_lock_is_granted_twice_or_forgotten_while_nodes_die() -> Result<()> {
    let _turn = turn().await;
    let rng = StdRng::seed_from_u64(seed());
    let mut cluster = Cluster::start("chaos", NODES).await?;
    let outcome = scenario(&mut cluster, rng).await;
    cluster.explained(outcome)
}

async fn scenario(cluster: &mut Cluster, mut rng: StdRng) -> Result<()> {
    let kept = keep_some(cluster).await?;

    let began = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let client = Client::new(format!("client{number}"), cluster.addresses(), rng.random())?;
        clients.spawn(rounds_of(client));
    }
    let mut faults = Faults::default();
    let mut reports = Vec::new();
    while !clients.is_empty() {
        let pause = tokio::time::sleep(Faults::pause_before_next(&mut rng));
        tokio::select! {
            Some(report) = clients.join_next() => reports.push(report??),
            () = pause => faults.step(cluster, &mut rng).await?,
        }
    }
    let took = began.elapsed();

    cluster.heal()?;
    cluster.wait_leader().await?;
    let locks = cluster.agreed_locks().await?;
    let held: Vec<_> = reports.iter().flat_map(|report| report.held.clone()).collect();
    let sum = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    eprintln!(
        "{} rounds in {took:.1?}, {} tries without an outcome, {} timeouts, {} reads of own locks, {faults:?}",
        held.len(),
        sum(|report| report.retries),
        sum(|report| report.timeouts),
        sum(|report| report.reads),
    );
    history::check(&held)?;
    ensure!(faults.kills > 0 && faults.pauses > 0 && faults.restarts > 0, "too quiet: {faults:?}");

    // What nobody gave back is still there, and nothing else is.
    let left: Vec<_> = locks.table.resources.iter().map(|locked| locked.resource.as_str()).collect();
    ensure!(left == ["kept0", "kept1", "kept2"], "left: {left:?}");
    for (locked, token) in locks.table.resources.iter().zip(kept) {
        let tokens: Vec<_> = locked.holders.iter().map(|holder| holder.fencing_token).collect();
        ensure!(tokens == [token] && locked.holders[0].mode == Mode::Exclusive, "{locked:?}, was {token}");
        let waiters: Vec<_> = locked.waiters.iter().map(|waiter| waiter.holder.client.as_str()).collect();
        ensure!(waiters == ["waits"], "{locked:?}");
    }
    Ok(())
}

async fn rounds_of(mut client: Client) -> Result<Report> {
    for round in 0..rounds() {
        client.round(&RESOURCES).await.with_context(|| format!("round {round}"))?;
    }
    Ok(client.report)
}

/// Locks that are held, and waited for, the whole time. Their tokens.
async fn keep_some(cluster: &Cluster) -> Result<Vec<u64>> {
    let mut tokens = Vec::new();
    for number in 0..3 {
        let resource = format!("kept{number}");
        let hold = json!({"resource": resource, "client": "keeps", "ttl_ms": 3_600_000});
        let answer = cluster.done(number, "/lock/acquire", &hold).await?;
        tokens.push(answer["fencing_token"].as_u64().context("a token")?);
        let wait = json!({"resource": resource, "client": "waits", "ttl_ms": 3_600_000, "queue": true});
        let (status, answer) = cluster.post(number, "/lock/acquire", &wait).await?;
        ensure!(status == 202, "{status} {answer}");
    }
    Ok(tokens)
}
