//! Commands that come together are appended together, and what was not appended is known not to be.

use std::sync::Arc;
use std::time::Duration;

use orrery_base::ids::GroupId;
use orrery_event::Fact;
use orrery_lock::{Holder, LockCommand, Mode, Wait};
use orrery_machine::{Command, Mutation};

use super::world::{TestHost, World, eventually, eventually_async};
use crate::Engine;
use crate::peer::message::ProposeOutcome;

fn acquire(client: usize) -> Command {
    Command {
        key: None,
        mutation: Mutation::Lock(LockCommand::Acquire {
            resource: format!("printer{client}").as_str().into(),
            holder: Holder { client: format!("client{client}").as_str().into(), session: None },
            mode: Mode::Exclusive,
            ttl_ms: 60_000,
            wait: Wait::LongPoll { deadline_ms: 60_000 },
        }),
    }
}

/// Proposes at the leader; the answers come when they come.
fn propose(
    leader: &Engine<TestHost>,
    clients: std::ops::Range<usize>,
    within: Duration,
) -> Vec<tokio::task::JoinHandle<ProposeOutcome>> {
    let group = leader.group(GroupId::CONTROL).expect("the control group");
    clients
        .map(|client| {
            let group = group.clone();
            tokio::spawn(async move { group.propose(acquire(client), within).await })
        })
        .collect()
}

/// A cluster whose leader has one command in flight that cannot be committed.
async fn stalled(
    world: &Arc<World>,
    within: Duration,
) -> (Engine<TestHost>, tokio::task::JoinHandle<ProposeOutcome>) {
    world.cluster(3).await;
    let leader = world.leader().await;
    // The last that the leader has to say by itself.
    eventually("the shard map", || (leader.shard_map().version > 0).then_some(())).await;
    for name in World::names(3) {
        world.disk(&name).stall(true);
    }
    let last = || leader.group(GroupId::CONTROL).expect("the control group").log.summary().last;
    let before = last();
    let first = propose(&leader, 0..1, within).remove(0);
    eventually("the first command in the log", || (last() > before).then_some(())).await;
    (leader, first)
}

fn release(world: &World) {
    for name in World::names(3) {
        world.disk(&name).stall(false);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_during_an_append_goes_with_the_next_one() {
    let world = Arc::new(World::default());
    let within = Duration::from_secs(10);
    let (leader, first) = stalled(&world, within).await;
    let others = propose(&leader, 1..9, within);
    let waiting = || leader.group(GroupId::CONTROL).map(|group| group.batches.len());
    eventually("eight that wait", || (waiting() == Some(8)).then_some(())).await;
    release(&world);
    for proposed in std::iter::once(first).chain(others) {
        assert!(matches!(proposed.await.unwrap(), ProposeOutcome::Applied { .. }));
    }
    assert_eq!(leader.lock_table().resources.len(), 9);
    let together = |fact: &Fact| matches!(fact, Fact::Appended { first, last, .. } if last - first >= 7);
    assert!(world.facts(&leader.local().name).iter().any(together), "all eight in one append");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_appended_is_not_unknown() {
    let world = Arc::new(World::default());
    let within = Duration::from_millis(300);
    let (leader, first) = stalled(&world, within).await;
    let others = propose(&leader, 1..5, within);
    assert!(matches!(first.await.unwrap(), ProposeOutcome::Unknown { .. }), "it is in the log");
    for other in others {
        assert_eq!(other.await.unwrap(), ProposeOutcome::NotLeader { leader: None });
    }
    release(&world);
    let held = || leader.lock_table().resources.len();
    eventually("the first one", || (held() == 1).then_some(())).await;
    // A later command is behind all that could still come. Who could not commit for so long may lead no more.
    let leader = eventually_async("a later command", async || {
        let leader = world.leader().await;
        let later = propose(&leader, 5..6, Duration::from_secs(10)).remove(0).await.unwrap();
        matches!(later, ProposeOutcome::Applied { .. }).then_some(leader)
    })
    .await;
    let held = leader.lock_table().resources.len();
    assert_eq!(held, 2, "those that were refused never came");
}
