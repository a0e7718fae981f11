//! `orrery demo`: a whole cluster on this machine. The supervisor serves the dashboard, starts each node as a process of
//! its own, kills and pauses them on demand, and reports what happens to them as events.
//!
//! Invariant: the supervisor takes no part in the cluster. Everything it knows it sees from outside.

mod faults;
mod folder;
mod leftovers;
mod membership;
pub(crate) mod process;
mod routes;
mod supervisor;

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener as StdListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use folder::Folder;
use orrery_api::node::Health;
use orrery_base::hlc::Hlc;
use orrery_event::fact::Role;
use supervisor::{Plan, Supervisor};

use crate::app::{asked_to_stop, serve_until};
use crate::cli::DemoArgs;
use crate::client::Client;
use crate::clock::wall_us;
use crate::config;
use crate::events::{Hub, Recorder};
use crate::server::{Limits, Site, raise_descriptors};
use crate::transport::{Listener, listen};

/// How long the first leader may take before the demo says that it still waits.
const LEADER_MAX: Duration = Duration::from_secs(20);

/// Events that the supervisor keeps: starts, exits and pauses are rare.
const EVENTS_KEPT: usize = 4_096;

/// Most browsers that the supervisor serves at one time, and tools beside them.
const CONNECTIONS_MAX: usize = 1_024;

/// Runs the demo until it is asked to stop. `log` is what `RUST_LOG` says, for the nodes too.
pub async fn run(args: DemoArgs, log: Option<String>) -> Result<()> {
    let began = Instant::now();
    let data = match &args.data {
        Some(folder) => folder.clone(),
        None => config::demo_data_dir()?.join(format!("{}-nodes-on-{}", args.nodes, args.port)),
    };
    let folder = Folder::open(&data, &args)?;
    for line in folder.adopted().into_iter().chain(leftovers::clean(&folder).await?) {
        println!("  {line}");
    }
    let present = if args.fresh { (1..=args.nodes).collect() } else { folder.present(&args)? };
    let listener = free_ports(&args, &present).await?;
    if args.fresh {
        folder.empty()?;
    }
    folder.note_settings(&args, Some(&present))?;
    let nodes = if present.len() == 1 { "node" } else { "nodes" };
    println!("Orrery: {} {nodes}, profile {}", present.len(), args.profile.as_str());
    println!("  data and logs: {}", folder.path().display());

    let (_, secret) = config::secret_of_folder(folder.path())?;
    let recorder = Recorder::new("supervisor".into(), folder.next_boot()?, true, Hlc::new(wall_us(), 0));
    let hub = Hub::new(recorder, EVENTS_KEPT);
    let plan = Plan { args: args.clone(), program: program()?, secret, log };
    let supervisor = Supervisor::new(plan, folder, &present, hub.clone());
    hub.attach(supervisor.source());
    let tasks = [tokio::spawn(hub.clone().run()), tokio::spawn(hub.clone().run_beats())];

    let result = serve(&args, &supervisor, listener, hub, began).await;
    supervisor.stop_all().await;
    for task in tasks {
        task.abort();
    }
    println!("All nodes are stopped.");
    result
}

async fn serve(
    args: &DemoArgs,
    supervisor: &Supervisor,
    listener: Listener,
    hub: Hub,
    began: Instant,
) -> Result<()> {
    for (name, address) in supervisor.addresses() {
        let pid = supervisor.start(&name).await.with_context(|| format!("{name} cannot be started"))?;
        println!("  {name} runs: http://{address} (process {pid})");
    }
    let router = routes::router(supervisor.clone(), hub, supervisor.guard());
    let url = format!("http://127.0.0.1:{}", args.port);
    let announce = tokio::spawn(announce(supervisor.clone(), url, !args.no_open, began));
    let for_seconds = args.for_seconds;
    let stop = async move {
        tokio::select! {
            () = asked_to_stop(false) => {}
            () = elapsed(for_seconds) => {}
        }
        println!("\nStopping …");
    };
    let limits = Limits::new(CONNECTIONS_MAX, raise_descriptors());
    let result =
        serve_until(listener, Site { router, tls: None }, limits, Box::new(|| {}), stop, async {}).await;
    announce.abort();
    result
}

async fn elapsed(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

/// Says when there is a leader, and where the dashboard is.
async fn announce(supervisor: Supervisor, url: String, open_browser: bool, began: Instant) {
    match tokio::time::timeout(LEADER_MAX, leader(&supervisor)).await {
        Ok((name, term)) => {
            println!("  {name} leads in term {term}, {:.1} s after the start", began.elapsed().as_secs_f64());
        }
        Err(_) => println!("  there is no leader yet; the nodes go on trying (see their logs)"),
    }
    println!("\nDashboard: {url}\nCtrl-C stops everything.");
    if open_browser && let Err(error) = open::that_detached(&url) {
        println!("(No browser could be opened: {error})");
    }
}

async fn leader(supervisor: &Supervisor) -> (String, u64) {
    loop {
        for (name, address) in supervisor.addresses() {
            if let Ok(Health { role: Role::Leader, term, .. }) = health(&address).await {
                return (name.to_string(), term);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn health(address: &str) -> Result<Health> {
    tokio::time::timeout(Duration::from_millis(500), async {
        Client::connect(address).await?.get("/health").await
    })
    .await?
}

/// Binds the dashboard's port and looks whether the nodes' ports are free, before anything is started.
async fn free_ports(args: &DemoArgs, present: &[u16]) -> Result<Listener> {
    let address = |port| SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    let advice = "stop that program, or choose others with --port";
    let listener = listen(address(args.port)).await.with_context(|| advice.to_owned())?;
    for number in present {
        let Some(port) = args.port.checked_add(*number) else { bail!("port {} is too high", args.port) };
        // A plain bind, as the node's own: the listener is dropped at once, nothing was ever connected to it.
        if let Err(error) = StdListener::bind(address(port)) {
            bail!("port {port} is not free for a node ({error}): {advice}");
        }
    }
    Ok(listener)
}

fn program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this program's own file")
}
