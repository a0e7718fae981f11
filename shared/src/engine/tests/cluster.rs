//! Whole clusters in memory.

use std::sync::Arc;
use std::time::Duration;

use super::world::{World, eventually, quick};
use crate::api::lock::{Acquire, LockAnswer, Release};
use crate::event::Fact;
use crate::event::fact::Role;
use crate::ids::GroupId;
use crate::lock::Mode;
use crate::machine::IdempotencyKey;

fn acquire(resource: &str, client: &str, wait_ms: u64) -> Acquire {
    Acquire {
        resource: resource.into(),
        client: client.into(),
        session: None,
        mode: Mode::Exclusive,
        ttl_ms: None,
        wait_ms: Some(wait_ms),
        queue: false,
    }
}

fn release(resource: &str, client: &str) -> Release {
    Release { resource: resource.into(), client: client.into(), session: None, fencing_token: None }
}

fn token(answer: LockAnswer) -> u64 {
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
        let locks = engine.locks();
        tokens.push(token(locks.acquire(acquire("printer", "Ayu", 1_000), None).await.unwrap()));
        let released = locks.release(release("printer", "Ayu"), None).await.unwrap();
        assert!(matches!(released, LockAnswer::Released { .. }));
    }
    assert!(tokens.windows(2).all(|pair| pair[0] < pair[1]), "{tokens:?}");
    // Everybody shows the same to a linearizable read.
    for engine in &engines {
        let status = engine.locks().status(None).await.unwrap();
        assert!(status.table.resources.is_empty());
    }
    // The record of the cluster is committed.
    let shown =
        eventually("the cluster's record", || Some(engines[2].cluster()).filter(|shown| shown.version == 1))
            .await;
    assert_eq!(shown.members.len(), 3);
    assert!(shown.members.iter().all(|member| member.voter));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_is_handed_over_times_out_and_is_cancelled_when_its_caller_goes() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let (a, b) = (engines[0].locks(), engines[1].locks());
    let first = token(a.acquire(acquire("printer", "Ayu", 0), None).await.unwrap());
    let waiting = tokio::spawn({
        let b = b.clone();
        async move { b.acquire(acquire("printer", "Budi", 20_000), None).await }
    });
    let waiters = || {
        let table = engines[0].lock_table();
        table.resources.first().map_or(0, |locked| locked.waiters.len())
    };
    eventually("a waiter", || (waiters() == 1).then_some(())).await;
    a.release(release("printer", "Ayu"), None).await.unwrap();
    let second = token(waiting.await.unwrap().unwrap());
    assert!(second > first);

    let timed_out = a.acquire(acquire("printer", "Ayu", 50), None).await.unwrap();
    let LockAnswer::Timeout { holders, .. } = timed_out else { panic!("{timed_out:?}") };
    assert_eq!(holders, ["Budi"]);
    eventually("no waiter", || (waiters() == 0).then_some(())).await;

    let dropped = tokio::spawn({
        let a = a.clone();
        async move { a.acquire(acquire("printer", "Ayu", 20_000), None).await }
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
    let before = token(old.locks().acquire(acquire("printer", "Ayu", 0), key.clone()).await.unwrap());
    world.stop(&old.local().name).await;
    let new = world.leader().await;
    assert_ne!(new.local().name, old.local().name);
    // A retry has its first outcome.
    let again = token(new.locks().acquire(acquire("printer", "Ayu", 0), key).await.unwrap());
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
    let status = engines[0].locks().status(Some("printer")).await.unwrap();
    assert_eq!(status.table.resources[0].holders[0].fencing_token, before);
    let status = engines[0].status();
    assert_eq!(status.last_applied, status.commit_index);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_disk_rejoins_under_a_new_identity() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    engines[0].locks().acquire(acquire("printer", "Ayu", 0), None).await.unwrap();
    let old = engines[2].formed().unwrap().me;
    world.stop("node3").await;
    world.wipe("node3");
    let again = world.start("node3", 3, quick()).await;
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
    let config = crate::engine::EngineConfig { snapshot_log_entries: 40, keep_entries: 5, ..quick() };
    for name in World::names(3) {
        world.start(&name, 3, config.clone()).await;
    }
    let leader = world.leader().await;
    assert!(leader.wait_ready(Duration::from_secs(20)).await);
    let behind = World::names(3).into_iter().find(|name| *name != leader.local().name).unwrap();
    world.stop(&behind).await;
    let locks = leader.locks();
    for round in 0..100 {
        let resource = format!("r{round}");
        locks.acquire(acquire(&resource, "Ayu", 0), None).await.unwrap();
    }
    let short = Acquire { ttl_ms: Some(200), ..acquire("short", "Ayu", 0) };
    locks.acquire(short, None).await.unwrap();
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
    // Nobody writes when nothing is due.
    let writes = world.disk(&leader.local().name).writes();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(world.disk(&leader.local().name).writes() <= writes + 1);
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
    let error = leader.locks().acquire(acquire("printer", "Ayu", 0), None).await.unwrap_err();
    assert_eq!(error.code, crate::error::ErrorCode::OutcomeUnknown, "{error}");
    assert!(error.idempotency_key.is_some());
    assert!(leader.locks().status(None).await.is_err());
    for engine in &engines {
        world.cut(&engine.local().name, false);
    }
    let (client, number) = error.idempotency_key.as_deref().unwrap().rsplit_once('/').unwrap();
    let key = IdempotencyKey { client: client.into(), number: number.parse().unwrap() };
    let retried = engines[0].locks().acquire(acquire("printer", "Ayu", 0), Some(key)).await.unwrap();
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
