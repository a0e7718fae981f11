//! A data folder that was set back to an earlier copy of itself.

use std::sync::Arc;
use std::time::Duration;

use orrery_base::error::ErrorCode;
use orrery_event::fact::Role;

use super::cluster::{acquire, release, token};
use super::world::{TestHost, World, eventually, quick};
use crate::{Engine, EngineConfig};

/// A lock of its own is granted and given back through this node.
async fn work(engine: &Engine<TestHost>, resource: &str) -> u64 {
    let locks = engine.clone();
    let granted = token(locks.ask(acquire(resource, "Ayu", 5_000), None).await.unwrap());
    locks.ask(release(resource, "Ayu"), None).await.unwrap();
    granted
}

async fn expect_halted(engine: &Engine<TestHost>, words: &str) -> String {
    let why = eventually("the node to halt", || engine.halted()).await;
    assert!(why.contains(words), "{why}");
    let refused = engine.ask(acquire("printer", "Budi", 0), None).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotReady);
    assert!(refused.message.contains(words), "{refused:?}");
    assert_eq!(engine.status().halted.as_deref(), Some(why.as_str()));
    let health = engine.health();
    assert_eq!((health.status.as_str(), health.role, health.quorum), ("halted", Role::Follower, false));
    let status = engine.status();
    assert_eq!((status.role, status.leader_id), (Role::Follower, None));
    let readiness = engine.readiness();
    assert!(
        !readiness.ready && readiness.reasons.iter().any(|said| said.reason.contains(words)),
        "{readiness:?}"
    );
    assert!(!engine.ready());
    why
}

/// A disk of an earlier boot is put back: everybody who answers knows a later boot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_an_earlier_boot_neither_votes_nor_serves_and_comes_back_empty() {
    let world = Arc::new(World::default());
    world.cluster(3).await;
    world.stop("node1").await;
    let copy = world.copy_disk("node1");
    let again = world.start("node1", 3, quick()).await;
    assert!(again.wait_ready(Duration::from_secs(20)).await);
    let first = work(&again, "printer").await;
    world.stop("node1").await;

    world.put_disk("node1", copy);
    let old = world.start("node1", 3, quick()).await;
    let why = expect_halted(&old, "older than what node").await;
    assert!(why.contains("boot") && why.contains("--replace"), "{why}");
    assert!(work(&world.engine("node2"), "printer").await > first, "the others serve, and forgot nothing");
    assert_ne!(old.status().role, Role::Leader);

    // After its next start neither, whoever answers then.
    world.stop("node1").await;
    for name in ["node2", "node3"] {
        world.cut(name, true);
    }
    let alone = world.start("node1", 3, quick()).await;
    expect_halted(&alone, "older than what node").await;
    for name in ["node2", "node3"] {
        world.cut(name, false);
    }

    // It does what it was told.
    world.stop("node1").await;
    world.wipe("node1");
    let new = world.start("node1", 3, EngineConfig { replace: true, ..quick() }).await;
    assert!(new.wait_ready(Duration::from_secs(20)).await);
    assert_eq!((new.halted(), new.formed().unwrap().me.incarnation), (None, 2));
    work(&new, "printer").await;
}

/// A copy that was made while the node ran, and that no other boot followed: what it had acknowledged is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_same_boot_lacks_what_was_acknowledged() {
    let world = Arc::new(World::default());
    world.cluster(3).await;
    let leader = world.leader().await.local().name.clone();
    let follower = ["node1", "node2", "node3"].into_iter().find(|name| *name != leader).unwrap();
    let copy = world.copy_disk(follower);
    for round in 0..5 {
        work(&world.engine(&leader), &format!("printer{round}")).await;
    }
    let last = world.engine(&leader).status().last_log_index;
    eventually("the follower to have it all", || {
        (world.engine(follower).status().commit_index >= last).then_some(())
    })
    .await;
    world.stop(follower).await;
    world.put_disk(follower, copy);
    let old = world.start(follower, 3, quick()).await;
    let why = expect_halted(&old, "older than what node").await;
    assert!(why.contains("had acknowledged entry") || why.contains("vote is of term"), "{why}");
    work(&world.engine(&leader), "printer").await;
}

/// Nobody who answers knows better: it serves. When somebody comes back who does, there are two histories, and nobody
/// answers both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_comes_back_later_ends_it() {
    let world = Arc::new(World::default());
    world.cluster(3).await;
    world.stop("node1").await;
    let copy = world.copy_disk("node1");
    // Only node2 sees the next boot.
    world.stop("node3").await;
    let again = world.start("node1", 3, quick()).await;
    assert!(again.wait_ready(Duration::from_secs(20)).await);
    for round in 0..3 {
        work(&again, &format!("printer{round}")).await;
    }
    world.stop("node1").await;
    world.stop("node2").await;

    world.put_disk("node1", copy);
    let old = world.start("node1", 3, quick()).await;
    let third = world.start("node3", 3, quick()).await;
    assert!(old.wait_ready(Duration::from_secs(20)).await && third.wait_ready(Duration::from_secs(20)).await);
    work(&third, "scanner").await;
    assert_eq!(old.halted(), None, "nobody who answers could know");

    let witness = world.start("node2", 3, quick()).await;
    expect_halted(&old, "older than what node2 has seen of it").await;
    expect_halted(&witness, "two histories").await;
    let refused = third.ask(acquire("scanner", "Ayu", 0), None).await.unwrap_err();
    assert_eq!(refused.code.status(), 503, "{refused:?}");
}
