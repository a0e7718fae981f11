//! Whole clusters in memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use orrery_api::lock::{Acquire, LockAnswer, Release, StatusQuery};
use orrery_api::session::{CloseSession, OpenSession, SessionAnswer};
use orrery_base::error::ErrorCode;
use orrery_base::ids::{ClusterId, GroupId, NodeId};
use orrery_base::key::IdempotencyKey;
use orrery_base::valid::{Name, Number};
use orrery_event::Fact;
use orrery_event::fact::{Message, Role};
use orrery_lock::Mode;
use orrery_machine::{COMMAND_VERSION, Member};
use orrery_projection::view::{FoldedStatus, View};

use super::world::{TestHost, World, eventually, quick};
use crate::cluster::identity::Identity;
use crate::peer::message::Foundation;
use crate::{EngineConfig, StartError};

pub(super) fn acquire(resource: &str, client: &str, wait_ms: u64) -> Acquire {
    Acquire {
        resource: Name::known(resource),
        client: Name::known(client),
        session: None,
        mode: Mode::Exclusive,
        ttl_ms: None,
        wait_ms: Some(Number::known(wait_ms)),
        queue: false,
    }
}

pub(super) fn release(resource: &str, client: &str) -> Release {
    Release {
        resource: Name::known(resource),
        client: Name::known(client),
        session: None,
        fencing_token: None,
    }
}

pub(super) fn token(answer: LockAnswer) -> u64 {
    match answer {
        LockAnswer::Acquired { fencing_token, .. } => fencing_token,
        other => panic!("acquired, not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_form_elect_and_grant_via_any_node() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let cluster = engines[0].formed().unwrap().cluster;
    let mut tokens = Vec::new();
    for engine in &engines {
        assert_eq!(engine.formed().unwrap().cluster, cluster);
        let locks = engine.clone();
        tokens.push(token(locks.ask(acquire("printer", "Ayu", 1_000), None).await.unwrap()));
        let released = locks.ask(release("printer", "Ayu"), None).await.unwrap();
        assert!(matches!(released, LockAnswer::Released { .. }));
    }
    assert!(tokens.windows(2).all(|pair| pair[0] < pair[1]), "{tokens:?}");
    // Everybody shows the same to a linearizable read.
    for engine in &engines {
        let status = engine.locks().status(StatusQuery::default()).await.unwrap();
        assert!(status.table.resources.is_empty());
    }
    // The record of the cluster is committed.
    let shown = eventually("the cluster's record", || {
        Some(engines[2].cluster()).filter(|shown| shown.version == COMMAND_VERSION)
    })
    .await;
    assert_eq!(shown.members.len(), 3);
    assert!(shown.members.iter().all(|member| member.voter));
}

/// An idle node wakes once for all its groups. No tick would mean that openraft sleeps in another source file now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openraft_ticks_where_all_groups_tick() {
    let world = Arc::new(World::default());
    let begun = Instant::now();
    let engines = world.cluster(1).await;
    let group = engines[0].group(GroupId::CONTROL).unwrap();
    let ticked = || group.ticks.load(Ordering::Relaxed);
    eventually("some ticks", || (ticked() > 5).then_some(())).await;
    // By itself openraft ticks five times in a heartbeat.
    let (ticks, halves) = (ticked(), begun.elapsed().as_micros() * 2 / group.config().heartbeat.as_micros());
    assert!(u128::from(ticks) <= halves + 2, "{ticks} ticks in {halves} halves of a heartbeat");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_is_handed_over_times_out_and_is_cancelled_when_its_caller_goes() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let (a, b) = (engines[0].clone(), engines[1].clone());
    let first = token(a.ask(acquire("printer", "Ayu", 0), None).await.unwrap());
    let waiting = tokio::spawn({
        let b = b.clone();
        async move { b.ask(acquire("printer", "Budi", 20_000), None).await }
    });
    let waiters = || {
        let table = engines[0].lock_table();
        table.resources.first().map_or(0, |locked| locked.waiters.len())
    };
    eventually("a waiter", || (waiters() == 1).then_some(())).await;
    a.ask(release("printer", "Ayu"), None).await.unwrap();
    let second = token(waiting.await.unwrap().unwrap());
    assert!(second > first);

    let timed_out = a.ask(acquire("printer", "Ayu", 50), None).await.unwrap();
    let LockAnswer::Timeout { holders, .. } = timed_out else { panic!("{timed_out:?}") };
    assert_eq!(holders, ["Budi"]);
    eventually("no waiter", || (waiters() == 0).then_some(())).await;

    let dropped = tokio::spawn({
        let a = a.clone();
        async move { a.ask(acquire("printer", "Ayu", 20_000), None).await }
    });
    eventually("a waiter", || (waiters() == 1).then_some(())).await;
    dropped.abort();
    eventually("the wait to be cancelled", || (waiters() == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_leader_is_replaced_and_everything_survives_a_full_restart() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let old = world.leader().await;
    let key = Some(IdempotencyKey { client: "Ayu".into(), number: 1 });
    let before = token(old.ask(acquire("printer", "Ayu", 0), key.clone()).await.unwrap());
    world.stop(&old.local().name).await;
    let new = world.leader().await;
    assert_ne!(new.local().name, old.local().name);
    // A retry has its first outcome.
    let again = token(new.ask(acquire("printer", "Ayu", 0), key).await.unwrap());
    assert_eq!(again, before);
    // Whoever stood for election said how long it had heard nothing, and when its timer would be due.
    let config = quick();
    let (lease_us, min_us) = (config.election_max.as_micros() as u64, config.election_min.as_micros() as u64);
    let facts = world.facts(&new.local().name);
    let silent = facts.iter().find_map(|fact| match fact {
        Fact::RoleChanged { silent_us, .. } => *silent_us,
        _ => None,
    });
    assert!(silent.is_some_and(|silent_us| silent_us >= lease_us + min_us), "{silent:?}");
    let due = facts.iter().find_map(|fact| match fact {
        Fact::TimerStarted { due_us, .. } => Some(*due_us),
        _ => None,
    });
    assert!(due.is_some_and(|due_us| (lease_us + min_us..2 * lease_us).contains(&due_us)), "{due:?}");
    let resumed = |fact: &Fact| matches!(fact, Fact::ServiceResumed { .. });
    assert!(world.facts(&new.local().name).iter().any(resumed));

    for engine in &engines {
        world.stop(&engine.local().name).await;
    }
    let engines = world.cluster(3).await;
    let status = engines[0].locks().status(StatusQuery::of(Name::known("printer"))).await.unwrap();
    assert_eq!(status.table.resources[0].holders[0].fencing_token, before);
    let status = engines[0].status();
    assert_eq!(status.last_applied, status.commit_index);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_disk_rejoins_under_a_new_identity() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    engines[0].ask(acquire("printer", "Ayu", 0), None).await.unwrap();
    let old = engines[2].formed().unwrap().me;
    world.stop("node3").await;
    world.wipe("node3");
    let again = world.start("node3", 3, EngineConfig { replace: true, ..quick() }).await;
    assert!(again.wait_ready(Duration::from_secs(20)).await);
    let me = again.formed().unwrap().me;
    assert!(me.id > old.id && me.incarnation == old.incarnation + 1, "{me}");
    eventually("node3 to vote again", || {
        let members = engines[0].cluster().members;
        let voters: Vec<_> = members.iter().filter(|member| member.voter).collect();
        (voters.len() == 3 && voters.iter().any(|member| member.raft_id == me.id)).then_some(())
    })
    .await;
    eventually("node3 to have everything", || (!again.lock_table().resources.is_empty()).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lagging_node_gets_a_snapshot_and_a_lease_ends_by_itself() {
    let world = Arc::new(World::default());
    let config = EngineConfig { snapshot_log_entries: 40, keep_entries: 5, ..quick() };
    for name in World::names(3) {
        world.start(&name, 3, config.clone()).await;
    }
    let leader = world.leader().await;
    assert!(leader.wait_ready(Duration::from_secs(20)).await);
    let behind = World::names(3).into_iter().find(|name| *name != leader.local().name).unwrap();
    world.stop(&behind).await;
    let locks = leader.clone();
    for round in 0..100 {
        let resource = format!("r{round}");
        locks.ask(acquire(&resource, "Ayu", 0), None).await.unwrap();
    }
    let short = Acquire { ttl_ms: Some(Number::known(200)), ..acquire("short", "Ayu", 0) };
    locks.ask(short, None).await.unwrap();
    eventually("the purge", || leader.status().purged).await;
    let again = world.start(&behind, 3, config).await;
    for engine in [&again, &leader] {
        eventually("the state without the ended lease", || {
            (engine.lock_table().resources.len() == 100).then_some(())
        })
        .await;
    }
    let installed = |fact: &Fact| matches!(fact, Fact::Snapshotted { installed: true, .. });
    assert!(world.facts(&behind).iter().any(installed));
    // While leases run, their clock is committed now and then; nobody writes when nothing runs: once the shards have their
    // leaders too.
    for round in 0..100 {
        locks.ask(release(&format!("r{round}"), "Ayu"), None).await.unwrap();
    }
    let writes = || world.disk(&leader.local().name).writes();
    let mut seen = (writes(), Instant::now());
    eventually("a time without writes", || {
        if writes() > seen.0 + 1 {
            seen = (writes(), Instant::now());
        }
        (seen.1.elapsed() > Duration::from_millis(1_500)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_finds_no_descriptor_is_written_later() {
    let world = Arc::new(World::default());
    let config = EngineConfig { snapshot_log_entries: 40, keep_entries: 5, ..quick() };
    let engine = world.start("node1", 1, config).await;
    assert!(engine.wait_ready(Duration::from_secs(20)).await);
    let disk = world.disk("node1");
    disk.without_files(2);
    for round in 0..60 {
        engine.ask(acquire(&format!("r{round}"), "Ayu", 0), None).await.unwrap();
    }
    eventually("the purge", || engine.status().purged).await;
    assert_eq!(disk.files_missing(), 0, "it was tried in vain before");
    engine.ask(acquire("one more", "Ayu", 0), None).await.unwrap();
    assert_eq!(world.stopped_itself("node1"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_nothing_is_promised() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let leader = world.leader().await;
    for engine in &engines {
        if engine.local().name != leader.local().name {
            world.cut(&engine.local().name, true);
        }
    }
    let error = leader.ask(acquire("printer", "Ayu", 0), None).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::OutcomeUnknown, "{error}");
    assert!(error.idempotency_key.is_some());
    assert!(leader.locks().status(StatusQuery::default()).await.is_err());
    for engine in &engines {
        world.cut(&engine.local().name, false);
    }
    let (client, number) = error.idempotency_key.as_deref().unwrap().rsplit_once('/').unwrap();
    let key = IdempotencyKey { client: client.into(), number: number.parse().unwrap() };
    let retried = engines[0].ask(acquire("printer", "Ayu", 0), Some(key)).await.unwrap();
    assert!(token(retried) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over_and_facts_say_so() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let leader = world.leader().await;
    let to = engines.iter().find(|engine| engine.local().name != leader.local().name).unwrap();
    // Any node may be asked.
    to.transfer_leader(&to.local().name, Duration::from_secs(10)).await.unwrap();
    eventually("the new leader", || to.group(GroupId::CONTROL).unwrap().leads().then_some(())).await;
    let facts = world.facts(&to.local().name);
    let role = |wanted: Role| {
        facts
            .iter()
            .position(|fact| matches!(fact, Fact::RoleChanged { role, .. } if *role == wanted))
            .unwrap()
    };
    assert!(role(Role::Candidate) < facts.len() && role(Role::Leader) > role(Role::Candidate));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folded_facts_equal_what_the_nodes_answer() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let locks = engines[0].clone();
    for client in ["Ayu", "Budi", "Citra"] {
        let queued = Acquire { queue: true, ..acquire("printer", client, 10_000) };
        locks.ask(queued, None).await.unwrap();
    }
    let old = world.leader().await.local().name.clone();
    world.stop(&old).await;
    let new = world.leader().await;
    new.ask(release("printer", "Ayu"), None).await.unwrap();
    let again = world.start(&old, 3, quick()).await;
    assert!(again.wait_ready(Duration::from_secs(20)).await);
    again.ask(acquire("plotter", "Ayu", 0), None).await.unwrap();
    let running = || engines.iter().filter(|engine| engine.local().name != old).chain([&again]);
    eventually("the fold to equal the nodes", || {
        let mut view = View::default();
        for (node, boot, event) in world.events() {
            view.apply(&node, boot, &event);
        }
        let agree = running().all(|engine| {
            let folded = view.status(&engine.local().name);
            folded == Some(FoldedStatus::from(&engine.status()))
                && view.lock_table().resources == engine.lock_table().resources
        });
        agree.then_some(())
    })
    .await;
    assert_eq!(new.lock_table().resources.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_through_two_nodes_is_refused_and_sessions_free_what_they_held() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let (a, b) = (engines[0].clone(), engines[1].clone());
    let SessionAnswer::Opened { session, .. } =
        a.ask(OpenSession { client: Name::known("Ayu"), ttl_ms: None }, None).await.unwrap()
    else {
        panic!("a session")
    };
    let ayu =
        |resource: &str, wait_ms| Acquire { session: Some(session), ..acquire(resource, "Ayu", wait_ms) };
    a.ask(ayu("printer", 0), None).await.unwrap();
    b.ask(acquire("plotter", "Budi", 0), None).await.unwrap();
    let waiting = tokio::spawn({
        let (a, request) = (a.clone(), ayu("plotter", 20_000));
        async move { a.ask(request, None).await }
    });
    let waiters =
        || engines[0].lock_table().resources.iter().map(|locked| locked.waiters.len()).sum::<usize>();
    eventually("a waiter", || (waiters() == 1).then_some(())).await;
    let refused = b.ask(acquire("printer", "Budi", 20_000), None).await.unwrap();
    let LockAnswer::Deadlock { victim, cycle, .. } = refused else { panic!("{refused:?}") };
    assert_eq!((victim.as_str(), cycle.len()), ("Budi", 2));
    b.ask(release("plotter", "Budi"), None).await.unwrap();
    let granted = waiting.await.unwrap().unwrap();
    let LockAnswer::Acquired { expires_in_ms, .. } = granted else { panic!("{granted:?}") };
    assert!(expires_in_ms > 20_000, "the session's lease counts: {expires_in_ms}");
    let closed = b.ask(CloseSession { session }, None).await.unwrap();
    assert!(matches!(closed, SessionAnswer::Closed { released: 2, .. }), "{closed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn formation_goes_on_after_a_crash_and_identities_are_checked() {
    let world = Arc::new(World::default());
    // node1 crashed after it wrote down that it is founding.
    let members = World::names(3).into_iter().zip(1..).map(|(name, id)| Member {
        id: NodeId(id),
        address: format!("{name}:0"),
        incarnation: 1,
        name,
    });
    let cluster = ClusterId(77);
    let foundation = Foundation { cluster, shards: 8, replicas: 3, members: members.collect() };
    let host = TestHost::lonely(world.fresh_disk("node1"));
    Identity::Founding(foundation).save(&host).await.unwrap();
    let engines = world.cluster(3).await;
    assert!(engines.iter().all(|engine| engine.formed().unwrap().cluster == cluster));
    world.stop("node2").await;
    let error = world.start_on_disk_of("node3", "node2").await;
    assert!(matches!(&error, StartError::Identity(why) if why.contains("belongs to node2")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_majority_of_disks_is_an_unknown_outcome_in_time() {
    let world = Arc::new(World::default());
    let config = EngineConfig { request_timeout: Duration::from_millis(2_500), ..quick() };
    for name in World::names(3) {
        world.start(&name, 3, config.clone()).await;
    }
    let leader = world.leader().await;
    assert!(leader.wait_ready(Duration::from_secs(20)).await);
    world.settled().await;
    let locks = leader.clone();
    locks.ask(acquire("plotter", "Ayu", 0), None).await.unwrap();
    for name in World::names(3) {
        world.disk(&name).stall(true);
    }
    let begun = Instant::now();
    let key = Some(IdempotencyKey { client: "Ayu".into(), number: 9 });
    let error = locks.ask(acquire("printer", "Ayu", 0), key.clone()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::OutcomeUnknown, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    for name in World::names(3) {
        world.disk(&name).stall(false);
    }
    let first = token(locks.ask(acquire("printer", "Ayu", 0), key.clone()).await.unwrap());
    let again = locks.ask(acquire("printer", "Ayu", 0), key).await.unwrap();
    assert!(matches!(again, LockAnswer::Acquired { reentrant: false, .. }), "once only: {again:?}");
    assert_eq!(token(again), first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_joins_a_running_cluster() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    engines[0].ask(acquire("printer", "Ayu", 0), None).await.unwrap();
    let new = world.start("node4", 4, quick()).await;
    assert!(new.wait_ready(Duration::from_secs(20)).await);
    assert_eq!(new.formed().unwrap().cluster, engines[0].formed().unwrap().cluster);
    assert_eq!(new.formed().unwrap().me.id, NodeId(4));
    eventually("four voters", || {
        let members = engines[1].cluster().members;
        (members.iter().filter(|member| member.voter).count() == 4).then_some(())
    })
    .await;
    let released = new.ask(release("printer", "Ayu"), None).await.unwrap();
    assert!(matches!(released, LockAnswer::Released { .. }), "{released:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_a_leader_uses_all_its_time_and_few_messages() {
    let world = Arc::new(World::default());
    let within = Duration::from_secs(4);
    for name in World::names(3) {
        world.start(&name, 3, EngineConfig { request_timeout: within, ..quick() }).await;
    }
    let leader = world.leader().await.local().name.clone();
    let left = World::names(3).into_iter().find(|name| *name != leader).unwrap();
    let engine = world.engine(&left);
    assert!(engine.wait_ready(Duration::from_secs(20)).await);
    for name in World::names(3).iter().filter(|name| **name != left) {
        world.stop(name).await;
    }
    let begun = Instant::now();
    let error = engine.ask(acquire("printer", "Ayu", 0), None).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unavailable, "{error}");
    assert!(begun.elapsed() >= within, "it gave up after {:?}", begun.elapsed());
    let forward = |fact: &&Fact| matches!(fact, Fact::Sent { body: Message::Forward { .. }, .. });
    let forwards = world.facts(&left).iter().filter(forward).count();
    assert!(forwards <= 45, "{forwards} messages to a leader that is gone");
}
