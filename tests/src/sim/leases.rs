//! How long leases, delays and visibilities last when leaders change, and what it costs to keep their clock.

use std::sync::Arc;
use std::time::Duration;

use orrery_api::lock::{Acquire, LockAnswer, Release, StatusQuery};
use orrery_base::ids::GroupId;
use orrery_base::valid::{Name, Number};
use orrery_lock::Mode;
use orrery_machine::{Command, Machine, Mutation};
use orrery_queue::{QueueCommand, StartFrom, TopicName};

use super::bugs::Bugs;
use super::cluster::Cluster;
use super::partial::{all_serve, calm, leader_of};
use orrery_sim::network::name;
use orrery_sim::runtime::{TaskGroup, WORLD};

/// Length of everything that is looked at, milliseconds.
pub const LENGTH_MS: u64 = 5_000;
/// Between two changes of the leader, microseconds: less than what is looked at.
const CHANGE_US: u64 = 4_000_000;
/// Nothing may last longer than this, microseconds.
const END_US_MAX: u64 = 60_000_000;

/// How a leader goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    HandsOver,
    /// It stands still until another one leads.
    Freezes,
}

/// What came out, microseconds after its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lasted {
    /// The lease of a lock.
    pub lock_us: u64,
    /// The delay of a message, where shards' leaders change too.
    pub delay_us: u64,
    /// The visibility of a delivery.
    pub visibility_us: u64,
    /// Changes of the control group's leader meanwhile.
    pub changes: u64,
    /// Time without a leader of the control group, microseconds.
    pub leaderless_us: u64,
}

/// A lock, a delayed message and a delivery, all for the same time, under leaders that go every four seconds.
pub fn last(seed: u64, going: Going) -> Result<Lasted, String> {
    let cluster = Cluster::new(seed, calm(3), Bugs::default(), false);
    let lasted = cluster.sim.block_on(async {
        for node in cluster.nodes() {
            cluster.start(node);
        }
        all_serve(&cluster).await?;
        begin(&cluster).await?;
        let from_us = cluster.sim.now_us();
        let (world, watched) = (cluster.clone(), cluster.clone());
        let changes = world.sim.spawn_in(WORLD, async move { change_leaders(&watched, going).await });
        let (mut lasted, mut before_us) = (Lasted::default(), from_us);
        while lasted.lock_us == 0 || lasted.delay_us == 0 || lasted.visibility_us == 0 {
            cluster.sleep_us(10_000).await;
            let now_us = cluster.sim.now_us();
            if now_us - from_us > END_US_MAX {
                return Err(format!("it lasts for ever: {lasted:?}"));
            }
            if lasted.lock_us == 0 && leader_of(&cluster, GroupId::CONTROL).is_none() {
                lasted.leaderless_us += now_us - before_us;
            }
            before_us = now_us;
            let shard = GroupId(1);
            let ended = |since: &mut u64, over: bool| {
                if *since == 0 && over {
                    *since = now_us - from_us;
                }
            };
            let control = |machine: &Machine| machine.locks().view(None, None).resources.is_empty();
            ended(&mut lasted.lock_us, somewhere(&cluster, GroupId::CONTROL, control));
            let ready = |topic: &str, machine: &Machine| {
                machine.queue().is_some_and(|queue| queue.ready(topic, "readers"))
            };
            ended(&mut lasted.delay_us, somewhere(&cluster, shard, |machine| ready("late", machine)));
            ended(&mut lasted.visibility_us, somewhere(&cluster, shard, |machine| ready("claimed", machine)));
        }
        cluster.checks.failure().map_or(Ok(()), Err)?;
        drop(changes);
        lasted.changes = (cluster.sim.now_us() - from_us) / CHANGE_US;
        Ok(lasted)
    });
    cluster.end();
    lasted
}

async fn begin(cluster: &Arc<Cluster>) -> Result<(), String> {
    let queue = |command| Mutation::Queue(command);
    let (topic, claimed): (TopicName, TopicName) = ("late".into(), "claimed".into());
    let publish = |topic, delay_ms| {
        let message = bytes::Bytes::from_static(b"1");
        queue(QueueCommand::Publish { topic, key: None, message, delay_ms, wall_ms: 0 })
    };
    let consume = QueueCommand::Consume {
        topic: "claimed".into(),
        group: "readers".into(),
        consumer: "Ayu".into(),
        max: 1,
        visibility_ms: LENGTH_MS,
    };
    let readers = |topic| {
        let from = StartFrom::Earliest;
        queue(QueueCommand::CreateGroup { topic, group: "readers".into(), from })
    };
    let (late, early) = (readers(topic.clone()), readers(claimed.clone()));
    for mutation in [publish(claimed, 0), early, queue(consume), publish(topic, LENGTH_MS), late] {
        let engine = cluster.network.engine(1).ok_or("node1 is not there")?;
        let command = Command { key: None, mutation };
        let task = cluster.sim.spawn_in(1, async move {
            engine
                .propose(GroupId(1), command, Duration::from_secs(2))
                .await
                .map_err(|error| error.to_string())
        });
        task.await.map_err(|_| "node1 went")??;
    }
    hold(cluster, 1, LENGTH_MS).await
}

/// Takes the lock, or lengthens it, through that node.
pub(super) async fn hold(cluster: &Arc<Cluster>, node: TaskGroup, ttl_ms: u64) -> Result<(), String> {
    let acquire = Acquire {
        resource: Name::known("printer"),
        client: Name::known("Ayu"),
        session: None,
        mode: Mode::Exclusive,
        ttl_ms: Some(Number::known(ttl_ms)),
        wait_ms: Some(Number::known(0)),
        queue: false,
    };
    let engine = cluster.network.engine(node).ok_or("it is not there")?;
    let task = cluster.sim.spawn_in(node, async move { engine.ask(acquire, None).await });
    match task.await.map_err(|_| "it went")? {
        Ok(LockAnswer::Acquired { .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

async fn release(cluster: &Arc<Cluster>) -> Result<(), String> {
    let release = Release {
        resource: Name::known("printer"),
        client: Name::known("Ayu"),
        session: None,
        fencing_token: None,
    };
    let engine = cluster.network.engine(1).ok_or("node1 is not there")?;
    let task = cluster.sim.spawn_in(1, async move { engine.ask(release, None).await });
    task.await.map_err(|_| "node1 went")?.map(|_| ()).map_err(|error| error.message)
}

/// Whether it is so in the applied state of any node.
fn somewhere(cluster: &Arc<Cluster>, group: GroupId, over: impl Fn(&Machine) -> bool) -> bool {
    let engines = cluster.nodes().into_iter().filter_map(|node| cluster.network.engine(node));
    engines.filter_map(|engine| engine.applied_state(group)).any(|(machine, _)| over(&machine))
}

async fn change_leaders(cluster: &Arc<Cluster>, going: Going) {
    loop {
        cluster.sleep_us(CHANGE_US).await;
        let Some(leader) = leader_of(cluster, GroupId::CONTROL) else { continue };
        match going {
            Going::HandsOver => {
                let to: TaskGroup = leader % 3 + 1;
                let Some(engine) = cluster.network.engine(leader) else { continue };
                let hand_over = async move {
                    // Whether it works is looked at from outside.
                    let _ = engine.transfer_leader(&name(to), Duration::from_secs(1)).await;
                };
                drop(cluster.sim.spawn_in(leader, hand_over));
            }
            Going::Freezes => {
                cluster.pause(leader);
                cluster.sleep_us(1_000_000).await;
                cluster.resume(leader);
            }
        }
    }
}

/// Entries that the control group's and all shards' logs get within so many seconds: while nothing runs, while a lock is held
/// for that ttl, and after its release.
pub fn entries(seed: u64, ttl_ms: u64, seconds: u64) -> Result<[u64; 3], String> {
    let cluster = Cluster::new(seed, calm(3), Bugs::default(), false);
    let counted = cluster.sim.block_on(async {
        for node in cluster.nodes() {
            cluster.start(node);
        }
        all_serve(&cluster).await?;
        // Until the shards lie where they belong.
        cluster.sleep_us(30_000_000).await;
        let count = async || {
            let (control, shards) = cluster.checks.committed_entries();
            cluster.sleep_us(seconds * 1_000_000).await;
            let (control_after, shards_after) = cluster.checks.committed_entries();
            control_after + shards_after - control - shards
        };
        let idle = count().await;
        hold(&cluster, 1, ttl_ms).await?;
        let held = count().await;
        // Where the lease is shorter than that, it is over.
        let _ = release(&cluster).await;
        cluster.sleep_us(100_000).await;
        Ok([idle, held, count().await])
    });
    cluster.end();
    counted
}

/// What `GET /lock/status` says of the lease clock, and what is committed, at every node while a lock is held: it was taken so many
/// milliseconds ago.
pub fn status_clock(seed: u64, after_ms: u64) -> Result<Vec<u64>, String> {
    let cluster = Cluster::new(seed, calm(3), Bugs::default(), false);
    let clocks = cluster.sim.block_on(async {
        for node in cluster.nodes() {
            cluster.start(node);
        }
        all_serve(&cluster).await?;
        hold(&cluster, 1, 60_000).await?;
        let taken_ms = cluster
            .network
            .engine(1)
            .and_then(|engine| engine.applied_state(GroupId::CONTROL))
            .map_or(0, |(machine, _)| machine.clock_ms());
        let from_us = cluster.sim.now_us();
        cluster.sleep_us(after_ms * 1_000).await;
        let mut late_ms = Vec::new();
        for node in cluster.nodes() {
            let locks = cluster.network.engine(node).ok_or("a node went")?.locks();
            let task = cluster.sim.spawn_in(node, async move { locks.status(StatusQuery::default()).await });
            let status = task.await.map_err(|_| "a node went")?.map_err(|error| error.message)?;
            let true_ms = (cluster.sim.now_us() - from_us) / 1_000;
            late_ms.push(true_ms.abs_diff(status.now_ms.saturating_sub(taken_ms)));
        }
        Ok(late_ms)
    });
    cluster.end();
    clocks
}
