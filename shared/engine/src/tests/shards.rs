//! Shards: several Raft groups in one cluster.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orrery_base::ids::{GroupId, NodeName};
use orrery_base::key::IdempotencyKey;
use orrery_event::Fact;
use orrery_machine::{Command, Mutation, Reply, ShardMap};

use super::world::{TestHost, World, eventually, quick};
use crate::{Engine, EngineConfig, ProposeError};

pub const WITHIN: Duration = Duration::from_secs(15);

pub fn many() -> EngineConfig {
    EngineConfig { shards: 4, prefer_after: Duration::from_secs(1), ..quick() }
}

/// A cluster whose shards all have a leader.
pub async fn sharded(world: &Arc<World>, n: usize) -> Vec<Engine<TestHost>> {
    let mut engines = Vec::new();
    for name in World::names(n) {
        engines.push(world.start(&name, n, many()).await);
    }
    placed(&engines).await;
    engines
}

/// Waits until every shard of the map runs on its replicas and is led; all nodes have the same map.
async fn placed(engines: &[Engine<TestHost>]) -> Arc<ShardMap> {
    eventually("all shards to be led", || {
        let map = engines[0].shard_map();
        let same = engines.iter().all(|engine| engine.shard_map() == map);
        let runs = |name: &NodeName, shard| {
            engines.iter().any(|engine| engine.local().name == *name && engine.group(shard).is_some())
        };
        let led = map.shards.iter().all(|shard| {
            let leads =
                |engine: &&Engine<TestHost>| engine.group(shard.shard).is_some_and(|group| group.leads());
            shard.replicas.iter().all(|replica| runs(&replica.name, shard.shard))
                && engines.iter().filter(leads).count() == 1
        });
        (map.version > 0 && same && led).then_some(map)
    })
    .await
}

pub fn clock(to_ms: u64) -> Mutation {
    Mutation::AdvanceClock { to_ms }
}

pub fn keyed(client: &str, number: u64, mutation: Mutation) -> Command {
    Command { key: Some(IdempotencyKey { client: client.into(), number }.into()), mutation }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_run_where_the_map_says_and_any_node_takes_their_commands() {
    let world = Arc::new(World::default());
    let engines = sharded(&world, 5).await;
    let map = engines[0].shard_map();
    assert_eq!((map.version, map.shards.len()), (1, 4));
    for engine in &engines {
        let me = engine.formed().unwrap().me.id;
        let held: BTreeSet<_> = map.held_by(me).map(|shard| shard.shard).collect();
        let runs: BTreeSet<_> =
            engine.groups().iter().map(|group| group.id).filter(|id| *id != GroupId::CONTROL).collect();
        assert_eq!(runs, held, "{}", engine.local().name);
        assert_eq!(engine.status().groups.len(), held.len() + 1);
    }
    for shard in &map.shards {
        assert_eq!(shard.replicas.len(), 3);
        let mut indexes = Vec::new();
        for (number, engine) in (1..).zip(&engines) {
            let client = engine.local().name.as_str();
            let command = keyed(client, number, clock(number * 10));
            let (index, reply) = engine.propose(shard.shard, command.clone(), WITHIN).await.unwrap();
            assert_eq!(reply, Reply::None);
            indexes.push(index);
            // A retry, from another node.
            let other = &engines[(number as usize) % engines.len()];
            other.propose(shard.shard, command, WITHIN).await.unwrap();
        }
        assert!(indexes.windows(2).all(|pair| pair[0] < pair[1]), "{indexes:?}");
        eventually("equal replicas", || {
            let states: Vec<_> =
                engines.iter().filter_map(|engine| engine.applied_state(shard.shard)).collect();
            let equal = states.windows(2).all(|pair| pair[0] == pair[1]);
            let (machine, _) = &states[0];
            (states.len() == 3 && equal && machine.clock_ms() == 50).then_some(())
        })
        .await;
        // What a shard does is no business of the control group.
        let misplaced = Mutation::Shard(orrery_machine::ShardCommand::Place { version: 9, replicas: vec![] });
        let command = Command { key: None, mutation: misplaced };
        let (_, reply) = engines[0].propose(GroupId::CONTROL, command, WITHIN).await.unwrap();
        assert_eq!(reply, Reply::Misplaced);
    }
    let error = engines[0].propose(GroupId(5), keyed("Ayu", 1, clock(1)), WITHIN).await.unwrap_err();
    assert!(matches!(error, ProposeError::NotApplied(_)), "{error}");
    // No shard says anything about locks, and the map was told.
    let facts: Vec<Fact> = World::names(5).iter().flat_map(|name| world.facts(name)).collect();
    let said = |fact: &Fact| matches!(fact, Fact::ServiceResumed { group, .. } if *group != GroupId::CONTROL);
    assert!(!facts.iter().any(said));
    let table = engines[0].shard_table();
    let told = |fact: &Fact| matches!(fact, Fact::ShardsPlaced { shards, .. } if **shards == table);
    assert!(facts.iter().any(told), "{table:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_survive_a_full_restart_and_the_map_stays() {
    let world = Arc::new(World::default());
    let engines = sharded(&world, 3).await;
    let map = engines[0].shard_map();
    let command = keyed("Ayu", 1, clock(77));
    let (before, _) = engines[0].propose(GroupId(2), command.clone(), WITHIN).await.unwrap();
    for engine in &engines {
        world.stop(&engine.local().name).await;
    }
    let engines = sharded(&world, 3).await;
    assert_eq!(engines[0].shard_map(), map);
    // Applied once: the clock stands where it stood, and new entries come after.
    let (after, _) = engines[1].propose(GroupId(2), command, WITHIN).await.unwrap();
    assert!(after > before);
    let group = engines[1].group(GroupId(2)).unwrap();
    assert_eq!(group.state.read(|machine| machine.clock_ms()), 77);
    let record = eventually("the shard to know its place", || {
        group.state.read(|machine| machine.shard().cloned()).filter(|record| record.version > 0)
    })
    .await;
    assert_eq!((record.shard, record.version, record.replicas.len()), (GroupId(2), 1, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_disk_never_votes_in_its_old_shards() {
    let world = Arc::new(World::default());
    let engines = sharded(&world, 3).await;
    let (first, _) = engines[0].propose(GroupId(1), keyed("Ayu", 1, clock(5)), WITHIN).await.unwrap();
    world.stop("node3").await;
    world.wipe("node3");
    let again = world.start("node3", 3, EngineConfig { replace: true, ..many() }).await;
    assert!(again.wait_ready(WITHIN).await);
    eventually("node3 to know the map", || (again.shard_map().version > 0).then_some(())).await;
    let (second, _) = again.propose(GroupId(1), keyed("Ayu", 2, clock(6)), WITHIN).await.unwrap();
    assert!(second > first);
    // It gets the shard back under its new identity, from the others; the old one is nobody any more.
    let me = again.formed().unwrap().me.id;
    let group = engines[0].group(GroupId(1)).unwrap();
    eventually("its replica to be another's", || {
        let voters: BTreeSet<_> = group.membership().voter_ids().collect();
        (voters.len() == 3 && voters.contains(&me)).then_some(())
    })
    .await;
    eventually("it to have what the others have", || {
        let (machine, _) = again.applied_state(GroupId(1))?;
        (machine.clock_ms() == 6).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_without_a_majority_says_so_and_the_others_go_on() {
    let world = Arc::new(World::default());
    let engines = sharded(&world, 5).await;
    let map = engines[0].shard_map();
    // Two of five nodes stop: the control group goes on, and so does every shard that keeps two of three.
    let stopped = [0, 1].map(|at| map.shards[0].replicas[at].name.clone());
    for name in &stopped {
        world.stop(name).await;
    }
    let asked = engines.iter().find(|engine| !stopped.contains(&engine.local().name)).unwrap();
    for shard in &map.shards {
        let lost = shard.replicas.iter().filter(|replica| stopped.contains(&replica.name)).count();
        let begun = Instant::now();
        let command = keyed("Ayu", u64::from(shard.shard.0), clock(9));
        let result = asked.propose(shard.shard, command, Duration::from_secs(6)).await;
        if lost < 2 {
            assert!(result.is_ok(), "{} has {lost} lost replicas: {result:?}", shard.shard);
        } else {
            assert!(result.is_err(), "{} has {lost} lost replicas", shard.shard);
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_goes_to_the_preferred_node_when_it_is_back() {
    let world = Arc::new(World::default());
    let mut engines = sharded(&world, 3).await;
    let map = engines[0].shard_map();
    let shard = &map.shards[0];
    let preferred = shard.preferred().unwrap().name.clone();
    let leads = |engine: &Engine<TestHost>| engine.group(shard.shard).is_some_and(|group| group.leads());
    eventually("the preferred leader", || leads(&world.engine(&preferred)).then_some(())).await;
    world.stop(&preferred).await;
    engines.retain(|engine| engine.local().name != preferred);
    eventually("another leader", || engines.iter().any(leads).then_some(())).await;
    let again = world.start(&preferred, 3, many()).await;
    eventually("the preferred leader again", || leads(&again).then_some(())).await;
}
