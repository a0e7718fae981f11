//! One node's life: open the disk, join the links, start the engine, serve, stop.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use orrery_base::hlc::Hlc;
use orrery_base::ids::{BootEpoch, GroupId};
use orrery_cache::node::{Limits, Policy};
use orrery_engine::host::{Disk, Host as _, Write};
use orrery_engine::{Engine, EngineConfig, Formed, Local, StaticPeer, formed_on_disk};
use orrery_event::Fact;
use orrery_event::stream::MemberAddress;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::cli::{CachePolicy, ProfileName};
use crate::clock::wall_us;
use crate::config::NodeConfig;
use crate::events::{ClockBound, Hub, Introduced, Known, Recorder, Source, Tables};
use crate::faults::FaultyTransport;
use crate::host::{NodeHost, TO_JOIN_AGAIN, fail_stop};
use crate::http::guard::Guard;
use crate::http::{NodeState, router};
use crate::join;
use crate::metrics::Metrics;
use crate::server::{self, OnDeaf, Site, raise_descriptors};
use crate::storage::NativeDisk;
use crate::transport::{Links, OnDismissed, OnLink, PeerIdentity, Serve, Trust, listen};

/// Names of the host's own values on the disk.
const BOOT: &str = "host.boot";
const CLOCK_BOUND: &str = "host.clock_bound";

/// A boot whose clock bound is further ahead of the wall clock than this waits for the wall clock, so that its stamps
/// are not too far ahead for others; but never longer than the second value: then the wall clock was set back.
const BOUND_AHEAD_US_MAX: u64 = 300_000;
const BOUND_WAIT_MAX: Duration = Duration::from_millis(1_200);

/// Longest times that stopping may take.
const STOP_ENGINE_MAX: Duration = Duration::from_secs(2);
const STOP_SERVER_MAX: Duration = Duration::from_millis(500);

/// How often slowly changing things are looked after: identity, members, clock bound.
const UPKEEP: Duration = Duration::from_millis(200);

/// A node that runs, but serves no clients yet.
pub struct Running {
    /// Its routes.
    pub router: axum::Router,
    /// Its engine.
    pub engine: Engine<NodeHost>,
    links: Links,
    tasks: [JoinHandle<()>; 3],
}

/// Runs a node until `stop` resolves.
pub async fn run(mut config: NodeConfig, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    // First: a port that is taken is told before anything is touched.
    let listener = listen(config.listen).await?;
    config.listens_on(listener.local_addr()?);
    let running = assemble(&config).await?;
    let site = Site { router: running.router.clone(), tls: running.links.trust().acceptor() };
    let limits = server::Limits::new(config.connections_max, raise_descriptors());
    let engine = running.engine.clone();
    let on_deaf = Box::new(move || {
        let engine = engine.clone();
        tokio::spawn(async move { engine.give_up_leadership().await });
    });
    serve_until(listener, site, limits, on_deaf, stop, running.stop()).await?;
    tracing::info!(node = %config.id, "node stopped");
    Ok(())
}

/// Opens the disk and starts the engine and everything around it.
pub async fn assemble(config: &NodeConfig) -> Result<Running> {
    let disk = NativeDisk::open(&config.data, Arc::new(|why: &str| fail_stop(why)))
        .with_context(|| format!("cannot use the data folder {}", config.data.display()))?;
    let boot = next_boot(&disk).await?;
    let bound = clock_bound(&disk).await?;
    let recorder = Recorder::new(config.id.clone(), boot, config.events, bound);
    persist_bound(&disk, &recorder).await;

    let mut local = local(config, boot);
    let formed = formed_on_disk(&disk, &local)?;
    if formed.is_none() && !config.join.is_empty() {
        local.peers = join::members(config).await?;
    }
    let trust = Trust::new(&config.id, &config.credentials, &config.data)?;
    if !trust.is_encrypted() {
        tracing::warn!(
            "links are open to all programs of this user on this machine: no secret and no certificates are set"
        );
    }
    let links = links(config, trust, &recorder, boot, formed);
    let transport = FaultyTransport::new(links.clone());
    let metrics = Arc::new(Metrics::new());
    let host = NodeHost::new(disk.clone(), transport.clone(), recorder.clone(), metrics.clone());
    let hub = Hub::new(recorder.clone(), config.events_kept);
    host.emit(Fact::Started { version: env!("CARGO_PKG_VERSION").into() });
    let engine = Engine::start(host, engine_config(config), local).await?;
    let serving = engine.clone();
    let serve: Serve = Arc::new(move |from, request: Bytes| {
        let engine = serving.clone();
        Box::pin(async move { Some(engine.serve(&from, request).await) })
    });
    links.attach(transport.guard(serve));
    hub.attach(Arc::new(EngineSource {
        engine: engine.clone(),
        transport: transport.clone(),
        profile: config.profile,
    }));

    let guard = Guard::new(known_addresses(config));
    guard.allow(engine.members().iter().map(|member| member.address.as_str()));
    let upkeep = upkeep(engine.clone(), links.clone(), guard.clone(), disk, recorder, hub.clone());
    let tasks =
        [tokio::spawn(hub.clone().run()), tokio::spawn(hub.clone().run_beats()), tokio::spawn(upkeep)];
    let state = NodeState {
        engine: engine.clone(),
        hub,
        links: links.clone(),
        transport,
        metrics,
        guard,
        faults: config.faults,
    };
    tracing::info!(node = %config.id, listen = %config.listen, boot, data = %config.data.display(), "node runs");
    Ok(Running { router: router(state), engine, links, tasks })
}

impl Running {
    /// Stops the engine, then what it stands on.
    pub async fn stop(self) {
        if timeout(STOP_ENGINE_MAX, self.engine.stop()).await.is_err() {
            tracing::warn!("the engine did not stop in time; what was acknowledged is on the disk");
        }
        self.links.close();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Serves until `stop`; then runs `end` while open requests get a little time.
pub async fn serve_until(
    listener: crate::transport::Listener,
    site: Site,
    limits: server::Limits,
    on_deaf: OnDeaf,
    stop: impl Future<Output = ()> + Send + 'static,
    end: impl Future<Output = ()>,
) -> Result<()> {
    let (stopping, stopped) = watch::channel(false);
    let mut server = tokio::spawn(server::serve(listener, site, limits, on_deaf, stopped));
    tokio::select! {
        result = &mut server => return result.context("the HTTP server failed"),
        () = stop => {}
    }
    // The server's end of it lives as long as the server.
    let _ = stopping.send(true);
    end.await;
    // Streams and peers stay open for ever: they are not waited for.
    if timeout(STOP_SERVER_MAX, &mut server).await.is_err() {
        server.abort();
    }
    Ok(())
}

/// Resolves when the process is asked to end: SIGINT, SIGTERM, or the end of the standard input where asked for.
pub async fn asked_to_stop(end_with_stdin: bool) {
    let (gone, stdin_ended) = oneshot::channel();
    if end_with_stdin {
        // A thread of its own: a blocking read cannot be cancelled, and must not hold the runtime back at its end.
        std::thread::spawn(move || {
            let mut stdin = std::io::stdin().lock();
            let _ = std::io::copy(&mut stdin, &mut std::io::sink());
            let _ = gone.send(());
        });
    } else {
        std::mem::forget(gone);
    }
    tokio::select! {
        () = signalled() => {}
        _ = stdin_ended => {}
    }
}

#[cfg(unix)]
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut stream) => {
                stream.recv().await;
            }
            Err(error) => {
                tracing::warn!(%error, "a signal cannot be waited for");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}

#[cfg(not(unix))]
async fn signalled() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn write(disk: &NativeDisk, key: &'static str, value: Bytes) -> Result<()> {
    let (done, written) = oneshot::channel();
    disk.submit(
        vec![Write::Node { key, value }],
        Box::new(move |result| {
            let _ = done.send(result);
        }),
    );
    written.await.context("the storage thread ended")?.with_context(|| format!("cannot write {key}"))
}

/// Counts the boots of this data directory, durably: no two boots ever share a number.
async fn next_boot(disk: &NativeDisk) -> Result<BootEpoch> {
    let last = match disk.node_value(BOOT)? {
        Some(bytes) => {
            postcard::from_bytes::<BootEpoch>(&bytes).context("the number of boots cannot be read")?
        }
        None => 0,
    };
    let boot = last + 1;
    write(disk, BOOT, postcard::to_stdvec(&boot)?.into()).await?;
    Ok(boot)
}

/// The stamp above which this boot starts. Waits a little where the last boot ran ahead of the wall clock.
async fn clock_bound(disk: &NativeDisk) -> Result<Hlc> {
    let bound = match disk.node_value(CLOCK_BOUND)? {
        Some(bytes) => postcard::from_bytes::<Hlc>(&bytes).context("the clock's bound cannot be read")?,
        None => Hlc::default(),
    };
    let ahead = bound.wall_us().saturating_sub(wall_us() + BOUND_AHEAD_US_MAX);
    let ahead = Duration::from_micros(ahead);
    if ahead > BOUND_WAIT_MAX {
        tracing::warn!(?ahead, "the wall clock was set back: stamps run ahead of it until it catches up");
    } else {
        sleep(ahead).await;
    }
    Ok(bound)
}

async fn persist_bound(disk: &NativeDisk, recorder: &Recorder) {
    let Some(bound) = recorder.bound_due() else { return };
    let ClockBound(hlc) = bound;
    let value = postcard::to_stdvec(&hlc).expect("a number always encodes");
    match write(disk, CLOCK_BOUND, value.into()).await {
        Ok(()) => recorder.bound_is(bound),
        // The disk stops the node itself when a write fails.
        Err(error) => tracing::error!("{error:#}"),
    }
}

/// Looks after what changes slowly, for ever.
async fn upkeep(
    engine: Engine<NodeHost>,
    links: Links,
    guard: Guard,
    disk: NativeDisk,
    recorder: Recorder,
    hub: Hub,
) {
    let mut members = Vec::new();
    loop {
        sleep(UPKEEP).await;
        persist_bound(&disk, &recorder).await;
        links.committed(&engine.recorded_members());
        let now = engine.members();
        if now != members {
            guard.allow(now.iter().map(|member| member.address.as_str()));
            members = now;
            hub.members_changed();
        }
        if let Some(formed) = engine.formed() {
            links.identify(|identity| {
                identity.cluster = Some(formed.cluster);
                identity.incarnation = formed.me.incarnation;
            });
        }
    }
}

fn links(
    config: &NodeConfig,
    trust: Trust,
    recorder: &Recorder,
    boot: BootEpoch,
    formed: Option<Formed>,
) -> Links {
    // What the disk says is said from the first handshake on.
    let identity = PeerIdentity {
        cluster: formed.as_ref().map(|formed| formed.cluster),
        node: config.id.clone(),
        incarnation: formed.map_or(0, |formed| formed.me.incarnation),
        boot,
    };
    let recorder = recorder.clone();
    let on_link: OnLink = Arc::new(move |peer, open| {
        let peer = peer.clone();
        tracing::info!(%peer, "{}", if open { "peer found" } else { "peer lost" });
        recorder.emit(if open { Fact::LinkUp { peer } } else { Fact::LinkDown { peer } });
    });
    let on_dismissed: OnDismissed = Arc::new(|why| fail_stop(&format!("{why}. {TO_JOIN_AGAIN}.")));
    Links::new(identity, trust, on_link, on_dismissed)
}

fn local(config: &NodeConfig, boot: BootEpoch) -> Local {
    let peer = |peer: &crate::config::PeerAddress| StaticPeer {
        name: peer.name.clone(),
        address: peer.address.clone(),
    };
    Local {
        name: config.id.clone(),
        address: config.advertise.clone(),
        boot,
        peers: config.peers.iter().map(peer).collect(),
    }
}

fn engine_config(config: &NodeConfig) -> EngineConfig {
    let defaults = EngineConfig::new(config.profile.into());
    // They were checked when the command line was read.
    let defaults = defaults.clone().timed(config.heartbeat, config.election).unwrap_or(defaults);
    EngineConfig {
        request_timeout: config.request_timeout.unwrap_or(defaults.request_timeout),
        shards: config.shards,
        replicas: config.replicas,
        down_after: config.down_after,
        retry_window: config.retry_window,
        client_share_percent: config.client_share_percent,
        founds: config.join.is_empty(),
        replace: config.replace,
        cache: Limits {
            lines_max: config.cache_lines,
            bytes_max: config.cache_bytes,
            policy: match config.cache_policy {
                CachePolicy::Lru => Policy::Lru,
                CachePolicy::Lfu => Policy::Lfu,
            },
            ..defaults.cache
        },
        ..defaults
    }
}

fn known_addresses(config: &NodeConfig) -> impl Iterator<Item = &str> {
    let peers = config.peers.iter().map(|peer| peer.address.as_str());
    let origins = config.allow_origins.iter().map(String::as_str);
    std::iter::once(config.advertise.as_str()).chain(peers).chain(origins)
}

/// Snapshots of a node's stream come from its engine.
struct EngineSource {
    engine: Engine<NodeHost>,
    transport: FaultyTransport<Links>,
    profile: ProfileName,
}

impl Source for EngineSource {
    fn introduce(&self) -> Introduced {
        let members = self.engine.members();
        Introduced {
            cluster: self.engine.formed().map(|formed| formed.cluster),
            profile: self.profile.as_str().into(),
            members: members
                .into_iter()
                .map(|member| MemberAddress { node: member.name, address: member.address })
                .collect(),
        }
    }

    fn known(&self, at: &mut dyn FnMut()) -> Known {
        let ((), groups, locks) = self.engine.snapshot(at);
        Known {
            groups,
            locks,
            shards: self.engine.shard_table(),
            shards_before: self.engine.shard_table_before(),
            queues: self.engine.queues(),
            caches: self.engine.cache().caches(),
            processes: Vec::new(),
            faulty_links: self.transport.faulty_links(),
        }
    }

    fn tell_sums(&self) {
        self.engine.tell_sums();
    }

    fn tables(&self, groups: &BTreeSet<GroupId>) -> Tables {
        let locks = groups.contains(&GroupId::CONTROL).then(|| self.engine.locks_shown());
        let shard = |group: &GroupId| Some((*group, self.engine.queues_of(*group)?));
        let values = |group: &GroupId| Some((*group, self.engine.cache().values_of(*group)?));
        Tables {
            locks,
            queues: groups.iter().filter_map(shard).collect(),
            values: groups.iter().filter_map(values).collect(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn request_timeout(more: &[&str]) -> Duration {
        let line = ["orrery", "node", "--id", "node1"].iter().chain(more);
        let Command::Node(args) = Cli::try_parse_from(line).unwrap().command else {
            unreachable!("it says node")
        };
        engine_config(&NodeConfig::from_args(*args).unwrap()).request_timeout
    }

    #[test]
    fn a_request_takes_as_long_as_its_profile_says_unless_a_flag_says_otherwise() {
        assert_eq!(request_timeout(&[]), Duration::from_secs(5));
        assert_eq!(request_timeout(&["--profile", "classroom"]), Duration::from_secs(20));
        let flags = ["--profile", "classroom", "--request-timeout-ms", "700"];
        assert_eq!(request_timeout(&flags), Duration::from_millis(700));
    }
}
