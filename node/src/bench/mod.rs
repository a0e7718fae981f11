//! Measuring: `orrery bench`.
//!
//! Real processes, durable writes on a real disk, clients over HTTP; beside it an etcd cluster under the same
//! conditions. What is printed is what was measured in this run.

mod bare;
mod cache;
mod cluster;
mod disk;
mod etcd;
mod failover;
mod load;
mod queue;
mod watch;
mod work;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cli::{BenchArgs, BenchCacheArgs, BenchFailoverArgs, BenchLockArgs, BenchQueueArgs};
use cluster::{Cluster, Settings};
use etcd::Etcd;
use load::{Figures, Load};
use work::Work;

/// How long a node is watched doing nothing.
const IDLE: Duration = Duration::from_secs(5);

/// Readers of the event stream in the measurement of what watching costs: a classroom.
const READERS: usize = 60;

/// Clients in that measurement.
const WATCHED_CLIENTS: usize = 16;

/// `orrery bench lock`
pub async fn run_lock(args: BenchLockArgs) -> Result<()> {
    in_own_folder(args.common.data.as_deref(), async |folder| measure(&args, folder).await).await
}

/// `orrery bench queue`
pub async fn run_queue(args: BenchQueueArgs) -> Result<()> {
    in_own_folder(args.common.data.as_deref(), async |folder| queue::measure(&args, folder).await).await
}

pub use bare::serve as run_bare;

/// `orrery bench cache`
pub async fn run_cache(args: BenchCacheArgs) -> Result<()> {
    in_own_folder(args.common.data.as_deref(), async |folder| cache::measure(&args, folder).await).await
}

/// `orrery bench failover`
pub async fn run_failover(args: BenchFailoverArgs) -> Result<()> {
    in_own_folder(args.data.as_deref(), async |folder| failover::measure(&args, folder).await).await
}

/// A folder of its own below `data`: every cluster starts empty, and what was made here goes, whatever happened.
async fn in_own_folder(data: Option<&Path>, run: impl AsyncFnOnce(&Path) -> Result<()>) -> Result<()> {
    let data = match data {
        Some(folder) => folder.to_owned(),
        None => default_folder()?,
    };
    std::fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
    let own = data.canonicalize()?.join(format!("bench-{}", std::process::id()));
    std::fs::create_dir(&own).with_context(|| format!("cannot make {}", own.display()))?;
    let result = run(&own).await;
    if let Err(error) = std::fs::remove_dir_all(&own) {
        tracing::warn!(%error, "{} stays", own.display());
    }
    result
}

fn default_folder() -> Result<PathBuf> {
    let base = dirs::cache_dir().context("this user has no folder for caches: use --data DIR")?;
    Ok(base.join("orrery"))
}

async fn measure(args: &BenchLockArgs, data: &Path) -> Result<()> {
    disk::report(data)?;
    let common = &args.common;
    let length = Duration::from_secs(common.seconds);
    println!(
        "\nacquire + release, each client its own lock, clients spread over {} nodes, {} s each",
        common.nodes, common.seconds
    );
    heading();
    let settings = Settings { nodes: common.nodes, port: common.port, events: true };
    let mut ours = Vec::new();
    {
        let cluster = Cluster::start(&data.join("orrery"), settings).await?;
        let idle = cluster.idle(IDLE).await?;
        for &clients in &common.clients {
            let load = Load { work: Work::Lock, clients, length, per_second: None };
            let figures = load::run(cluster.addresses(), load).await?;
            row("orrery", clients, &figures);
            ours.push(figures);
        }
        println!(
            "idle node: {:.1} MB resident, {:.2} % of a core (before the load)",
            idle.megabytes, idle.percent
        );
        cluster.stop().await;
    }
    if common.etcd {
        let cluster = Etcd::start(&data.join("etcd"), common.nodes, common.port + 100).await?;
        for (&clients, ours) in common.clients.iter().zip(&ours) {
            let load = Load { work: Work::EtcdLock, clients, length, per_second: None };
            let figures = load::run(cluster.addresses(), load).await?;
            row("etcd", clients, &figures);
            ratio(clients, ours, &figures);
        }
        cluster.stop().await;
    }
    if args.watching {
        watching(&args.common, data, length).await?;
    }
    Ok(())
}

/// What recording events costs, with nobody and with a classroom watching.
async fn watching(args: &BenchArgs, data: &Path, length: Duration) -> Result<()> {
    println!("\nwhat recording and watching cost, {WATCHED_CLIENTS} clients");
    let mut base = 0.0;
    for (events, readers, name) in [
        (false, 0, "no recording"),
        (true, 0, "recording, no reader"),
        (true, READERS, "60 readers of every node"),
    ] {
        let settings = Settings { nodes: args.nodes, port: args.port, events };
        let folder = data.join(format!("watch-{events}-{readers}"));
        let cluster = Cluster::start(&folder, settings).await?;
        let watched = watch::start(cluster.addresses(), readers).await?;
        let load = Load { work: Work::Lock, clients: WATCHED_CLIENTS, length, per_second: None };
        let figures = load::run(cluster.addresses(), load).await?;
        let seen = watched.stop();
        if !events {
            base = figures.per_second;
        }
        println!(
            "{name:<26}{:>10.0} pairs/s{:>9.1} %  ({} frames, {:.1} MB read)",
            figures.per_second,
            (figures.per_second / base - 1.0) * 100.0,
            seen.frames,
            seen.bytes as f64 / 1e6
        );
        cluster.stop().await;
    }
    Ok(())
}

fn heading() {
    println!(
        "{:<12}{:>9}{:>12}{:>12}{:>12}{:>10}",
        "", "clients", "per second", "p50 ms", "p99 ms", "errors"
    );
}

fn row(name: &str, clients: usize, figures: &Figures) {
    println!(
        "{name:<12}{clients:>9}{:>12.0}{:>12.3}{:>12.3}{:>10}",
        figures.per_second, figures.p50_ms, figures.p99_ms, figures.errors
    );
}

fn ratio(clients: usize, ours: &Figures, theirs: &Figures) {
    println!(
        "{:<12}{clients:>9}{:>11.2}x{:>11.2}x{:>11.2}x",
        "ratio",
        ours.per_second / theirs.per_second,
        ours.p50_ms / theirs.p50_ms,
        ours.p99_ms / theirs.p99_ms
    );
}
