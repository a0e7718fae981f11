//! Measuring: `orrery bench`.
//!
//! Real processes, durable writes on a real disk, clients over HTTP; beside it an etcd cluster under the same
//! conditions. What is printed is what was measured in this run.

mod cluster;
mod disk;
mod etcd;
mod failover;
mod load;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cli::{BenchFailoverArgs, BenchLockArgs};
use cluster::{Cluster, Settings};
use etcd::Etcd;
use load::{Figures, Locks};

/// How long a node is watched doing nothing.
const IDLE: Duration = Duration::from_secs(5);

/// Readers of the event stream in the measurement of what watching costs: a classroom.
const READERS: usize = 60;

/// Clients in that measurement.
const WATCHED_CLIENTS: usize = 16;

/// `orrery bench lock`
pub async fn run_lock(args: BenchLockArgs) -> Result<()> {
    in_own_folder(args.data.as_deref(), async |folder| measure(&args, folder).await).await
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
    let length = Duration::from_secs(args.seconds);
    println!(
        "\nacquire + release, each client its own lock, clients spread over {} nodes, {} s each",
        args.nodes, args.seconds
    );
    println!("{:<10}{:>9}{:>12}{:>12}{:>12}{:>10}", "", "clients", "pairs/s", "p50 ms", "p99 ms", "errors");
    let settings = Settings { nodes: args.nodes, port: args.port, events: true };
    let mut ours = Vec::new();
    {
        let cluster = Cluster::start(&data.join("orrery"), settings).await?;
        let idle = cluster.idle(IDLE).await?;
        for clients in &args.clients {
            let figures = load::run(&Locks::orrery(cluster.addresses()), *clients, length).await?;
            row("orrery", *clients, &figures);
            ours.push(figures);
        }
        println!(
            "idle node: {:.1} MB resident, {:.2} % of a core (before the load)",
            idle.megabytes, idle.percent
        );
        cluster.stop().await;
    }
    if args.etcd {
        let cluster = Etcd::start(&data.join("etcd"), args.nodes, args.port + 100).await?;
        for (clients, ours) in args.clients.iter().zip(&ours) {
            let figures = load::run(&Locks::etcd(cluster.addresses()), *clients, length).await?;
            row("etcd", *clients, &figures);
            println!(
                "{:<10}{clients:>9}{:>11.2}x{:>11.2}x{:>11.2}x",
                "ratio",
                ours.pairs_per_second / figures.pairs_per_second,
                ours.p50_ms / figures.p50_ms,
                ours.p99_ms / figures.p99_ms
            );
        }
        cluster.stop().await;
    }
    if args.watching {
        watching(args, data, length).await?;
    }
    Ok(())
}

/// What recording events costs, with nobody and with a classroom watching.
async fn watching(args: &BenchLockArgs, data: &Path, length: Duration) -> Result<()> {
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
        let figures = load::run(&Locks::orrery(cluster.addresses()), WATCHED_CLIENTS, length).await?;
        let seen = watched.stop();
        if !events {
            base = figures.pairs_per_second;
        }
        println!(
            "{name:<26}{:>10.0} pairs/s{:>9.1} %  ({} frames, {:.1} MB read)",
            figures.pairs_per_second,
            (figures.pairs_per_second / base - 1.0) * 100.0,
            seen.frames,
            seen.bytes as f64 / 1e6
        );
        cluster.stop().await;
    }
    Ok(())
}

fn row(name: &str, clients: usize, figures: &Figures) {
    println!(
        "{name:<10}{clients:>9}{:>12.0}{:>12.3}{:>12.3}{:>10}",
        figures.pairs_per_second, figures.p50_ms, figures.p99_ms, figures.errors
    );
}
