//! A cluster of real node processes for one measurement.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use orrery_api::node::Health;
use orrery_event::fact::Role;
use sysinfo::{Pid, ProcessesToUpdate, System};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Client;
use crate::demo::process::{self, Signal};

const READY_MAX: Duration = Duration::from_secs(30);
const STOP_MAX: Duration = Duration::from_secs(5);

#[derive(Clone, Copy)]
pub struct Settings {
    pub nodes: u16,
    pub port: u16,
    /// Whether events are recorded.
    pub events: bool,
}

pub struct Cluster {
    folder: PathBuf,
    settings: Settings,
    addresses: Vec<String>,
    children: Vec<Child>,
}

/// What a node takes while nobody asks for anything; the largest of all nodes.
pub struct Idle {
    pub megabytes: f64,
    pub percent: f64,
}

impl Cluster {
    /// Starts nodes on empty folders and waits until there is a leader and all serve.
    pub async fn start(folder: &Path, settings: Settings) -> Result<Cluster> {
        std::fs::create_dir_all(folder)?;
        let addresses: Vec<String> =
            (1..=settings.nodes).map(|number| format!("127.0.0.1:{}", settings.port + number)).collect();
        let mut cluster = Cluster { folder: folder.to_owned(), settings, addresses, children: Vec::new() };
        for at in 0..cluster.addresses.len() {
            let child = cluster.start_node(at)?;
            cluster.children.push(child);
        }
        if timeout(READY_MAX, cluster.ready()).await.is_err() {
            bail!("the cluster has no leader after {READY_MAX:?}; see the logs in {}", folder.display());
        }
        Ok(cluster)
    }

    fn start_node(&self, at: usize) -> Result<Child> {
        let name = name(at);
        let peers: Vec<String> = self
            .addresses
            .iter()
            .enumerate()
            .map(|(other, address)| format!("{}={address}", self::name(other)))
            .collect();
        let mut arguments: Vec<String> = [
            "node",
            "--id",
            &name,
            "--listen",
            &self.addresses[at],
            "--peers",
            &peers.join(","),
            "--data",
            &self.folder.join(&name).display().to_string(),
            "--end-with-stdin",
        ]
        .map(str::to_owned)
        .to_vec();
        if !self.settings.events {
            arguments.push("--no-events".to_owned());
        }
        process::start(&std::env::current_exe()?, &arguments, &[], &self.folder.join(format!("{name}.log")))
    }

    /// SIGKILL. Returns once it is sent; [`Cluster::start_again`] waits for the end.
    pub fn kill(&mut self, at: usize) -> Result<()> {
        Ok(self.children[at].start_kill()?)
    }

    /// Starts a killed node on its data.
    pub async fn start_again(&mut self, at: usize) -> Result<()> {
        self.children[at].wait().await?;
        self.children[at] = self.start_node(at)?;
        Ok(())
    }

    /// `host:port` of each node.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    async fn ready(&self) {
        loop {
            let mut leaders = 0;
            let mut serving = 0;
            for address in &self.addresses {
                let health = async { Client::connect(address).await?.get::<Health>("/health").await };
                if let Ok(Ok(health)) = timeout(Duration::from_millis(500), health).await {
                    serving += usize::from(health.status == "ok");
                    leaders += usize::from(health.role == Role::Leader);
                }
            }
            if leaders == 1 && serving == self.addresses.len() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Memory and processor time of the nodes over a while of doing nothing.
    pub async fn idle(&self, length: Duration) -> Result<Idle> {
        // What the start left behind settles first.
        sleep(Duration::from_secs(2)).await;
        let pids: Vec<Pid> = self.children.iter().filter_map(Child::id).map(Pid::from_u32).collect();
        let mut system = System::new();
        system.refresh_processes(ProcessesToUpdate::Some(&pids), true);
        let used = |system: &System, pid: &Pid| {
            system.process(*pid).map(|process| process.accumulated_cpu_time()).context("a node ended")
        };
        let before = pids.iter().map(|pid| used(&system, pid)).collect::<Result<Vec<u64>>>()?;
        let began = Instant::now();
        sleep(length).await;
        system.refresh_processes(ProcessesToUpdate::Some(&pids), true);
        let elapsed_ms = began.elapsed().as_secs_f64() * 1e3;
        let mut idle = Idle { megabytes: 0.0, percent: 0.0 };
        for (pid, before) in pids.iter().zip(before) {
            let spent_ms = used(&system, pid)?.saturating_sub(before) as f64;
            idle.percent = idle.percent.max(spent_ms / elapsed_ms * 100.0);
            let bytes = system.process(*pid).map_or(0, sysinfo::Process::memory);
            idle.megabytes = idle.megabytes.max(bytes as f64 / 1e6);
        }
        Ok(idle)
    }

    /// Memory of the largest node, now.
    pub fn megabytes(&self) -> Result<f64> {
        let pids: Vec<Pid> = self.children.iter().filter_map(Child::id).map(Pid::from_u32).collect();
        let mut system = System::new();
        system.refresh_processes(ProcessesToUpdate::Some(&pids), true);
        let largest = pids.iter().filter_map(|pid| system.process(*pid)).map(sysinfo::Process::memory).max();
        Ok(largest.context("all nodes ended")? as f64 / 1e6)
    }

    pub async fn stop(self) {
        stop(self.children).await;
    }
}

/// What the node of that number (from 0) is called.
pub fn name(at: usize) -> String {
    format!("node{}", at + 1)
}

/// SIGTERM, then SIGKILL for what is still there.
pub async fn stop(mut children: Vec<Child>) {
    for child in &children {
        if let Some(pid) = child.id()
            && let Err(error) = process::signal(pid, Signal::Terminate)
        {
            tracing::warn!(pid, "{error:#}");
        }
    }
    for child in &mut children {
        if timeout(STOP_MAX, child.wait()).await.is_err()
            && let Err(error) = child.kill().await
        {
            tracing::warn!(%error, "a process could not be ended");
        }
    }
}
