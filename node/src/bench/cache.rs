//! How fast reads are answered from a node's copies, how fast writes that invalidate are, a mix of both; how long cached
//! writes stand still when a home dies. Beside it a bare handler, the limit, and etcd.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use orrery_api::cache::DirectoryAnswer;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::bare::Bare;
use super::cluster::{self, Cluster, Settings};
use super::etcd::Etcd;
use super::load::{self, Figures, Load};
use super::work::{SHARED_ADDRESS, Work};
use super::{IDLE, disk, heading, ratio, row};
use crate::cli::BenchCacheArgs;
use crate::client::Client;

/// How often the home of a line is killed.
const KILLS: u32 = 10;

/// Longest time without a written line after a kill.
const GAP_MAX: Duration = Duration::from_secs(20);

/// `orrery bench cache`
pub async fn measure(args: &BenchCacheArgs, data: &Path) -> Result<()> {
    disk::report(data)?;
    let common = &args.common;
    let length = Duration::from_secs(common.seconds);
    let settings = Settings { nodes: common.nodes, port: common.port, events: true };
    println!("\nclients spread over {} nodes unless said otherwise, {} s each", common.nodes, common.seconds);
    heading();
    let bare = Bare::start(&data.join("bare"), common.port + 90).await?;
    let mut ours = Vec::new();
    {
        let cluster = Cluster::start(&data.join("orrery"), settings).await?;
        let idle = cluster.idle(IDLE).await?;
        let one = &cluster.addresses()[..1];
        for &clients in &common.clients {
            let run = async |name: &str, addresses: &[String], work| -> Result<Figures> {
                let load = Load { work, clients, length, per_second: None };
                let figures = load::run(addresses, load).await?;
                row(name, clients, &figures);
                Ok(figures)
            };
            let limit = run("bare axum", std::slice::from_ref(&bare.address), Work::Bare).await?;
            let hits = run("hit, 1 node", one, Work::CacheHit).await?;
            println!("{:<12}{clients:>9}{:>11.2}x", "of bare", hits.per_second / limit.per_second);
            let spread = run("hits", cluster.addresses(), Work::CacheHit).await?;
            let own = run("write", cluster.addresses(), Work::CacheWrite).await?;
            run("take over", cluster.addresses(), Work::CacheTakeOver).await?;
            run("mix 95/5", cluster.addresses(), Work::CacheMix).await?;
            ours.push((spread, own));
        }
        println!(
            "idle node, all groups: {:.1} MB resident, {:.2} % of a core (before the load)",
            idle.megabytes, idle.percent
        );
        cluster.stop().await;
    }
    bare.stop().await;
    if common.etcd {
        let cluster = Etcd::start(&data.join("etcd"), common.nodes, common.port + 100).await?;
        for (&clients, (hits, writes)) in common.clients.iter().zip(&ours) {
            for (name, work, ours) in
                [("etcd range", Work::EtcdRange, hits), ("etcd put", Work::EtcdPut, writes)]
            {
                let load = Load { work, clients, length, per_second: None };
                let figures = load::run(cluster.addresses(), load).await?;
                row(name, clients, &figures);
                ratio(clients, ours, &figures);
            }
        }
        cluster.stop().await;
    }
    if args.failover {
        failover(&data.join("failover"), settings).await?;
    }
    Ok(())
}

/// From killing a line's home to the next write of it: an election, and a lease with its margin.
async fn failover(folder: &Path, settings: Settings) -> Result<()> {
    let mut cluster = Cluster::start(folder, settings).await?;
    let mut gaps = Vec::new();
    for _ in 0..KILLS {
        written(cluster.addresses(), None).await?;
        let home = home(cluster.addresses()).await?;
        let at = (0..cluster.addresses().len())
            .find(|at| cluster::name(*at) == home)
            .context("the home is no node of this cluster")?;
        let began = Instant::now();
        cluster.kill(at)?;
        written(cluster.addresses(), Some(at)).await?;
        gaps.push(began.elapsed());
        cluster.start_again(at).await?;
        all_serve(cluster.addresses()).await?;
    }
    cluster.stop().await;
    gaps.sort_unstable();
    let ms = |gap: &Duration| gap.as_secs_f64() * 1e3;
    let (middle, worst) = (gaps.get(gaps.len() / 2).map_or(0.0, ms), gaps.last().map_or(0.0, ms));
    println!(
        "\na line's home was killed {KILLS} times; to the next durable write: p50 {middle:.0} ms, max {worst:.0} ms"
    );
    Ok(())
}

/// Writes through some other node until it is written.
async fn written(addresses: &[String], not: Option<usize>) -> Result<()> {
    let write = json!({ "address": SHARED_ADDRESS, "value": 1 });
    let end = Instant::now() + GAP_MAX;
    while Instant::now() < end {
        for (at, address) in addresses.iter().enumerate() {
            if Some(at) == not {
                continue;
            }
            let asked = async { Client::connect(address).await?.post("/cache/write", &write).await };
            if let Ok(Ok((200, _))) = timeout(Duration::from_secs(6), asked).await {
                return Ok(());
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
    bail!("no write for {GAP_MAX:?}")
}

async fn home(addresses: &[String]) -> Result<String> {
    let address = addresses.first().context("a cluster has a node")?;
    let path = format!("/cache/directory?address={SHARED_ADDRESS}");
    let line: DirectoryAnswer = Client::connect(address).await?.get(&path).await?;
    Ok(line.home.to_string())
}

async fn all_serve(addresses: &[String]) -> Result<()> {
    let end = Instant::now() + GAP_MAX;
    for address in addresses {
        loop {
            let asked = async { Client::connect(address).await?.get::<Value>("/cache/stats").await };
            if let Ok(Ok(_)) = timeout(Duration::from_secs(1), asked).await {
                break;
            }
            anyhow::ensure!(Instant::now() < end, "{address} does not serve again");
            sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}
