//! How fast messages are published, and published, consumed and acknowledged; whether depth matters.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orrery_api::queue_view::QueueStats;

use super::cluster::{Cluster, Settings};
use super::etcd::Etcd;
use super::load::{self, Figures, Load};
use super::work::{MESSAGE_BYTES, Work};
use super::{disk, heading, ratio, row};
use crate::cli::BenchQueueArgs;

/// Clients that fill a topic, and of the runs at a depth.
const DEPTH_CLIENTS: usize = 128;
/// Waiting messages in the run that the deep one is compared with.
const SHALLOW: u64 = 1_000;
/// Longest time of one piece of filling.
const FILL_PIECE: Duration = Duration::from_secs(5);
/// Pieces of filling at most: an hour.
const FILL_PIECES_MAX: u32 = 720;

/// `orrery bench queue`
pub async fn measure(args: &BenchQueueArgs, data: &Path) -> Result<()> {
    disk::report(data)?;
    let common = &args.common;
    let length = Duration::from_secs(common.seconds);
    let settings = Settings { nodes: common.nodes, port: common.port, events: true };
    println!(
        "\nmessages of {MESSAGE_BYTES} bytes, clients spread over {} nodes, {} s each",
        common.nodes, common.seconds
    );
    heading();
    let mut published = Vec::new();
    {
        let cluster = Cluster::start(&data.join("orrery"), settings).await?;
        for &clients in &common.clients {
            let load = Load { work: Work::Publish, clients, length, per_second: None };
            let figures = load::run(cluster.addresses(), load).await?;
            row("publish", clients, &figures);
            published.push(figures);
            let half = Load { per_second: Some(figures.per_second / 2.0), ..load };
            row("half load", clients, &load::run(cluster.addresses(), half).await?);
            let cycle = Load { work: Work::Cycle, ..load };
            row("cycle", clients, &load::run(cluster.addresses(), cycle).await?);
        }
        cluster.stop().await;
    }
    if common.etcd {
        let cluster = Etcd::start(&data.join("etcd"), common.nodes, common.port + 100).await?;
        for (&clients, ours) in common.clients.iter().zip(&published) {
            let load = Load { work: Work::EtcdPut, clients, length, per_second: None };
            let figures = load::run(cluster.addresses(), load).await?;
            row("etcd put", clients, &figures);
            ratio(clients, ours, &figures);
        }
        cluster.stop().await;
    }
    match args.depth {
        Some(depth) => deep(data, settings, length, depth).await,
        None => Ok(()),
    }
}

/// The same load on a topic with few and with many waiting messages, and what one of those takes in memory.
async fn deep(data: &Path, settings: Settings, length: Duration, depth: u64) -> Result<()> {
    ensure!(depth > SHALLOW, "a depth of {depth} is not more than the {SHALLOW} that it is compared with");
    println!("\n{DEPTH_CLIENTS} clients publish to a topic with waiting messages");
    heading();
    let cluster = Cluster::start(&data.join("depth"), settings).await?;
    let addresses = cluster.addresses().to_vec();
    let load = Load { work: Work::Publish, clients: DEPTH_CLIENTS, length, per_second: None };
    fill(&cluster, SHALLOW).await?;
    let few = load::run(&addresses, load).await?;
    row("shallow", DEPTH_CLIENTS, &few);
    let (before, waiting_before) = (cluster.megabytes()?, waiting(&cluster).await?);
    let worst = fill(&cluster, depth).await?;
    let (after, waiting_after) = (cluster.megabytes()?, waiting(&cluster).await?);
    let many = load::run(&addresses, load).await?;
    row("deep", DEPTH_CLIENTS, &many);
    println!(
        "{waiting_after} waiting: {:+.1} % of the rate; the largest node grew by {:.0} bytes a message, log and caches included",
        (many.per_second / few.per_second - 1.0) * 100.0,
        (after - before) * 1e6 / (waiting_after - waiting_before).max(1) as f64,
    );
    if let Some(worst) = worst {
        println!(
            "worst {} s while it filled, snapshots included: p99 {worst:.1} ms ({:.1} times the shallow one)",
            FILL_PIECE.as_secs(),
            worst / few.p99_ms
        );
    }
    cluster.stop().await;
    Ok(())
}

/// Publishes until so many wait; the worst p99 of all whole pieces.
async fn fill(cluster: &Cluster, until: u64) -> Result<Option<f64>> {
    let mut worst = None;
    for _ in 0..FILL_PIECES_MAX {
        let now = waiting(cluster).await?;
        if now >= until {
            return Ok(worst);
        }
        let load = Load {
            work: Work::Publish,
            clients: DEPTH_CLIENTS,
            length: if until <= SHALLOW { Duration::from_millis(100) } else { FILL_PIECE },
            per_second: None,
        };
        let Figures { p99_ms, .. } = load::run(cluster.addresses(), load).await?;
        worst = Some(worst.map_or(p99_ms, |worst: f64| worst.max(p99_ms)));
    }
    anyhow::bail!("{until} messages were not reached")
}

async fn waiting(cluster: &Cluster) -> Result<u64> {
    let address = cluster.addresses().first().context("a cluster has a node")?;
    let mut client = crate::client::Client::connect(address).await?;
    // Of all topics: before its first message there is none to ask for. Nobody consumes, so every message that is kept waits.
    let stats: QueueStats = client.get("/queue/stats").await?;
    let topic = stats.topics.into_iter().find(|topic| topic.topic == "bench");
    Ok(topic.map_or(0, |topic| topic.sum.messages))
}
