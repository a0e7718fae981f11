//! Waits: polls that cost nothing, and several requests for one wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orrery_api::lock::{Acquire, LockAnswer};
use orrery_base::ids::GroupId;
use orrery_base::key::IdempotencyKey;
use orrery_base::valid::Number;
use orrery_machine::WITHDRAW_SINCE;

use super::cluster::{acquire, release, token};
use super::world::{TestHost, World, eventually};
use crate::Engine;

fn key(number: u64) -> IdempotencyKey {
    IdempotencyKey { client: "budis-program".into(), number }
}

fn queued(resource: &str, client: &str, ttl_ms: u64) -> Acquire {
    Acquire { queue: true, ttl_ms: Some(Number::known(ttl_ms)), ..acquire(resource, client, ttl_ms) }
}

fn is_reentrant(answer: &LockAnswer) -> Option<bool> {
    match answer {
        LockAnswer::Acquired { reentrant, .. } => Some(*reentrant),
        _ => None,
    }
}

async fn asks(locks: Engine<TestHost>, ask: Acquire, number: u64) -> LockAnswer {
    locks.ask(ask, Some(key(number))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_of_a_wait_costs_no_log_entry_and_keeps_it() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let locks = |at: usize| engines[at % 3].clone();
    let leader = world.leader().await;
    locks(0).ask(queued("printer", "Ayu", 600_000), None).await.unwrap();
    let first = locks(1).ask(queued("printer", "Budi", 600_000), Some(key(1))).await.unwrap();
    assert!(matches!(first, LockAnswer::Waiting { position: 1, .. }), "{first:?}");
    let before = leader.status().last_applied;
    // Under the request's own key, under a new one, without any: at every node.
    for at in 0..30_usize {
        let key = [Some(key(1)), Some(key(100 + at as u64)), None][at % 3].clone();
        let answer = locks(at / 3).ask(queued("printer", "Budi", 600_000), key).await.unwrap();
        assert!(matches!(answer, LockAnswer::Waiting { position: 1, .. }), "{answer:?}");
    }
    // The lease clock may have moved meanwhile.
    let grown = leader.status().last_applied.unwrap() - before.unwrap();
    assert!(grown < 5, "30 polls wrote {grown} entries");

    // A poll keeps a wait for as long as it promises, much longer than a lease of it: with a renewal now and then.
    locks(0).ask(queued("plotter", "Ayu", 600_000), None).await.unwrap();
    let begun = Instant::now();
    let (mut polls, before) = (0, leader.status().last_applied.unwrap());
    while begun.elapsed() < Duration::from_millis(3_500) {
        let answer = locks(polls).ask(queued("plotter", "Budi", 1_000), None).await.unwrap();
        assert!(matches!(answer, LockAnswer::Waiting { position: 1, .. }), "{answer:?}");
        polls += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let waits =
        leader.lock_table().resources.iter().find(|at| at.resource == "plotter").unwrap().waiters.clone();
    assert!(
        waits[0].wait.0 <= before + 3,
        "it is the same wait all the time: {waits:?} began after {before}"
    );
    let grown = leader.status().last_applied.unwrap() - before;
    assert!(grown < polls as u64 / 2, "{polls} polls wrote {grown} entries");

    // The first poll after the grant learns of it, and so does whoever asks under the key of the request that waited.
    locks(0).ask(release("printer", "Ayu"), None).await.unwrap();
    let first = locks(1).ask(queued("printer", "Budi", 600_000), Some(key(200))).await.unwrap();
    let waited = locks(2).ask(queued("printer", "Budi", 600_000), Some(key(1))).await.unwrap();
    let later = locks(2).ask(queued("printer", "Budi", 600_000), Some(key(201))).await.unwrap();
    assert_eq!([&first, &waited, &later].map(is_reentrant), [Some(false), Some(false), Some(true)]);
    assert_eq!(token(first), token(waited));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_requests_for_one_wait_are_told_the_same_each_time() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let locks = |at: usize| engines[at % 3].clone();
    let waiting = |number: u64| {
        let leader = &engines[0];
        let group = leader.group(GroupId::CONTROL).unwrap();
        group.state.read(|machine| machine.remembers_waiting(&key(number))).then_some(())
    };
    eventually("the version of the commands", || {
        (engines[0].cluster().version >= WITHDRAW_SINCE).then_some(())
    })
    .await;
    locks(0).ask(acquire("printer", "Ayu", 0), None).await.unwrap();
    let ask = || acquire("printer", "Budi", 30_000);
    let older = tokio::spawn(asks(locks(1), ask(), 11));
    eventually("the first one to wait", || waiting(11)).await;
    let newer = tokio::spawn(asks(locks(2), ask(), 12));
    eventually("the second one to wait", || waiting(12)).await;
    locks(0).ask(release("printer", "Ayu"), None).await.unwrap();
    let (older, newer) = (older.await.unwrap(), newer.await.unwrap());
    assert_eq!((is_reentrant(&older), is_reentrant(&newer)), (Some(false), Some(false)));
    assert_eq!(token(older.clone()), token(newer));
    // The lock is another's by now; each key still says what it said.
    locks(0).ask(release("printer", "Budi"), None).await.unwrap();
    locks(0).ask(acquire("printer", "Citra", 0), None).await.unwrap();
    for number in [11, 12] {
        let again = asks(locks(0), ask(), number).await;
        assert_eq!((token(again.clone()), is_reentrant(&again)), (token(older.clone()), Some(false)));
    }

    // A client that lost its connection asks again elsewhere: what is left of the first request takes nothing away.
    let lost = tokio::spawn(asks(locks(1), ask(), 21));
    eventually("the lost one to wait", || waiting(21)).await;
    let next = tokio::spawn(asks(locks(2), ask(), 22));
    eventually("the next one to wait", || waiting(22)).await;
    lost.abort();
    eventually("the lost one to withdraw", || waiting(21).is_none().then_some(())).await;
    assert!(waiting(22).is_some(), "the newer one waits on");
    locks(0).ask(release("printer", "Citra"), None).await.unwrap();
    let next = next.await.unwrap();
    assert_eq!(is_reentrant(&next), Some(false), "{next:?}");
    assert!(matches!(asks(locks(0), ask(), 21).await, LockAnswer::Timeout { .. }));
}
