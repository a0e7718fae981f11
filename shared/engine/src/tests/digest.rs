//! A replica whose state is not what its log says is found, and serves the group no more.

use std::sync::Arc;
use std::time::Duration;

use orrery_base::ids::GroupId;
use orrery_machine::{Command, Mutation};

use super::world::{TestHost, World, eventually, quick};
use crate::{Engine, EngineConfig};

const SHARD: GroupId = GroupId(1);

/// A lease clock that nobody moved.
fn spoil(engine: &Engine<TestHost>, group: GroupId) {
    let clock_ms = engine.applied_state(group).unwrap().0.clock_ms();
    let mutation = Mutation::AdvanceClock { to_ms: clock_ms + 3_600_000 };
    engine.group(group).unwrap().state.spoil(&Command { key: None, mutation });
}

async fn leader_of(engines: &[Engine<TestHost>], group: GroupId) -> Engine<TestHost> {
    let leads = |engine: &&Engine<TestHost>| engine.group(group).is_some_and(|group| group.leads());
    eventually("a leader of the group", || engines.iter().find(leads).cloned()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_differs_gives_the_shard_up_and_keeps_to_that() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let leader = leader_of(&engines, SHARD).await;
    eventually("all replicas", || engines.iter().all(|engine| engine.group(SHARD).is_some()).then_some(()))
        .await;
    let healthy = leader.compare().await;
    let shard = healthy.iter().find(|compared| compared.group == SHARD).expect("it was compared");
    assert_eq!((shard.equal.len(), shard.differ.len()), (3, 0), "{shard:?}");
    assert!(leader.status().groups[1].compared.is_some());

    let wrong = engines.iter().find(|engine| engine.local().name != leader.local().name).unwrap().clone();
    let name = wrong.local().name.clone();
    spoil(&wrong, SHARD);
    let compared = leader.compare().await;
    let shard = compared.iter().find(|compared| compared.group == SHARD).expect("it was compared");
    assert_eq!(shard.differ, std::slice::from_ref(&name));
    let status = wrong.status();
    assert_eq!(status.diverged.len(), 1);
    assert!(status.diverged[0].message.contains("joins again"), "{:?}", status.diverged);
    assert!(wrong.group(SHARD).is_none() && leader.group(SHARD).is_some());
    assert_eq!(world.stopped_itself(&name), None, "the others are well");

    world.stop(&name).await;
    let again = world.start(&name, 3, quick()).await;
    assert!(again.wait_ready(Duration::from_secs(20)).await);
    eventually("its other shards", || again.group(GroupId(2)).map(|_| ())).await;
    assert!(again.group(SHARD).is_none(), "what it has on its disk is not served again");
    assert_eq!(again.status().diverged.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_state_differs_from_the_most_ends_and_does_not_come_back() {
    let world = Arc::new(World::default());
    let config = EngineConfig { compare_every: Duration::from_secs(1), ..quick() };
    for name in World::names(3) {
        world.start(&name, 3, config.clone()).await;
    }
    let leader = world.leader().await;
    assert!(leader.wait_ready(Duration::from_secs(20)).await);
    let name = leader.local().name.clone();
    spoil(&leader, GroupId::CONTROL);
    let why = eventually("the leader to end", || world.stopped_itself(&name)).await;
    assert!(why.contains("group control") && why.contains("another one"), "{why}");
    world.stop(&name).await;
    let error = world.start_on_disk_of(&name, &name).await.to_string();
    assert!(error.contains("another one"), "{error}");
}
