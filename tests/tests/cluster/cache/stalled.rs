//! Nodes that stand still, one after the other, while others write without waiting for the commit: nobody dies and every
//! address is written once, so nothing may be lost.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orrery_api::cache::{LinesAnswer, StatsAnswer};
use orrery_harness::cluster::{Cluster, READY};
use orrery_harness::http::Client;
use orrery_harness::process::until;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::turn;

const NODES: usize = 3;
const WRITES: usize = if cfg!(debug_assertions) { 900 } else { 3_000 };
/// Requests at one time.
const AT_ONCE: usize = 16;
/// Longer than a lease, its margin and an election.
const STILL: Duration = Duration::from_millis(2_500);

#[tokio::test(flavor = "multi_thread")]
async fn no_write_is_lost_while_its_home_only_stands_still() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start_with("cache-stalled", NODES, &["--cache-lines", "8192"]).await?;
    let outcome = stall_each(&mut cluster).await;
    cluster.explained(outcome)
}

async fn stall_each(cluster: &mut Cluster) -> Result<()> {
    let mut written = Vec::new();
    for still in 0..NODES {
        let nodes: Vec<String> = (0..NODES).filter(|at| *at != still).map(|at| cluster.address(at)).collect();
        let half = WRITES / NODES / 2;
        written.extend(write_all(&nodes, still * 2 * half..(still * 2 + 1) * half).await?);
        cluster.pause(still)?;
        let (more, ()) = tokio::join!(
            write_all(&nodes, (still * 2 + 1) * half..(still * 2 + 2) * half),
            tokio::time::sleep(STILL)
        );
        cluster.resume(still)?;
        written.extend(more?);
        cluster.wait_leader().await?;
    }
    let all = &*cluster;
    until("everything to be written back", READY, || async move {
        for at in 0..NODES {
            let lines: LinesAnswer = all.get(at, "/cache/lines").await?;
            let dirty = lines.lines.iter().filter(|line| line.dirty).count();
            ensure!(dirty == 0, "{} has {dirty} writes that are not written back", all.name(at));
        }
        Ok(())
    })
    .await?;
    let (mut lost, mut offered) = (0, 0);
    for at in 0..NODES {
        let stats: StatsAnswer = cluster.get(at, "/cache/stats").await?;
        lost += stats.stats.lost + stats.late.unresolved;
        offered += stats.late.offered;
    }
    let mut gone = Vec::new();
    for number in &written {
        let path = format!("/cache/read?address=stalled{number}");
        let seen = cluster.get::<Value>(number % NODES, &path).await;
        if !seen.is_ok_and(|seen| seen["value"] == json!(number)) {
            gone.push(*number);
        }
    }
    eprintln!("{} writes taken, {offered} offered again, {lost} lost, {} gone", written.len(), gone.len());
    ensure!(gone.is_empty() && lost == 0, "{lost} lost; not there: {gone:?}");
    ensure!(written.len() * 3 > WRITES, "too quiet: {} writes", written.len());
    Ok(())
}

/// Those that were answered.
async fn write_all(nodes: &[String], numbers: std::ops::Range<usize>) -> Result<Vec<usize>> {
    let http = Client::default();
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut writing = JoinSet::new();
    for number in numbers {
        let (http, node, at_once) = (http.clone(), nodes[number % nodes.len()].clone(), at_once.clone());
        writing.spawn(async move {
            let _permit = at_once.acquire().await.context("it is never closed")?;
            let body = json!({"address": format!("stalled{number}"), "value": number, "write_back": true});
            let request = http.post(format!("http://{node}/cache/write")).json(&body);
            let sent = request.timeout(Duration::from_secs(20)).send().await;
            anyhow::Ok(sent.is_ok_and(|answer| answer.is_success()).then_some(number))
        });
    }
    let mut written = Vec::new();
    while let Some(number) = writing.join_next().await {
        written.extend(number??);
    }
    written.sort_unstable();
    Ok(written)
}
