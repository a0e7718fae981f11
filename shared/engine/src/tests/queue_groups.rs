//! What a consumer group is on a whole cluster: where it begins and ends, and what a shard that refuses means for the others.

use std::collections::BTreeSet;
use std::sync::Arc;

use orrery_api::queue::{Consume, CreateGroup, DeleteGroup, Purge, Redrive};
use orrery_api::queue_limits::SetLimits;
use orrery_api::queue_view::GroupsQuery;
use orrery_base::error::ErrorCode;
use orrery_base::ids::GroupId;
use orrery_base::valid::{Name, Number};
use orrery_placement::{partition_hash, shard_of};
use orrery_queue::{QueueUse, StartFrom};
use smol_str::SmolStr;

use super::queue::{WITHIN, consume, key_of, message, next, publish, spread, want};
use super::world::{TestHost, World, eventually};
use crate::Engine;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consume_of_an_unknown_topic_creates_nothing_and_may_wait_for_it() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let queues = engines[0].clone();
    for topic in ["t", "typo"] {
        assert_eq!(consume(&engines[1], want(topic, "Budi", 1)).await, []);
    }
    assert_eq!(queues.queue().topics().await.unwrap().topics, []);
    assert_eq!(queues.queue().limits().await.unwrap().used, QueueUse::default());
    let waiting: Vec<_> = engines
        .iter()
        .map(|engine| {
            let engine = engine.clone();
            tokio::spawn(async move {
                let request = Consume { wait_ms: Some(Number::known(15_000)), ..want("t", "Budi", 1) };
                consume(&engine, request).await
            })
        })
        .collect();
    for engine in engines.iter().take(3) {
        publish(engine, None, "1").await;
    }
    let mut seen = BTreeSet::new();
    for one in waiting {
        seen.extend(one.await.unwrap().into_iter().map(|delivery| delivery.id));
    }
    assert_eq!(seen.len(), 3, "one for each");
    let groups = queues.queue().groups(GroupsQuery { topic: Name::known("t") }).await.unwrap().groups;
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].shards, [GroupId(1), GroupId(2)], "on all shards");
    let used = queues.queue().limits().await.unwrap().used;
    assert_eq!((used.topics, used.groups, used.messages, used.in_flight), (1, 1, 3, 3));
    // Without messages and groups a topic is no more.
    queues.ask(Purge { topic: Name::known("t"), what: None, group: None }, None).await.unwrap();
    queues.ask(DeleteGroup { topic: Name::known("t"), group: Name::known("g") }, None).await.unwrap();
    assert_eq!(queues.queue().topics().await.unwrap().topics, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_group_ends_its_waiting_polls() {
    let world = Arc::new(World::default());
    let engines = spread(&world).await;
    let create = CreateGroup { topic: Name::known("t"), group: Name::known("g"), from: StartFrom::Earliest };
    let delete = DeleteGroup { topic: Name::known("t"), group: Name::known("g") };
    let queues = engines[0].clone();
    queues.ask(create.clone(), None).await.unwrap();
    for again in [false, true] {
        let polls: Vec<_> = engines
            .iter()
            .map(|engine| {
                let engine = engine.clone();
                tokio::spawn(async move {
                    let request = Consume { wait_ms: Some(Number::known(60_000)), ..want("t", "Budi", 1) };
                    engine.ask(request, None).await
                })
            })
            .collect();
        eventually("all to wait", || engines.iter().all(waits).then_some(())).await;
        queues.ask(delete.clone(), None).await.unwrap();
        if again {
            queues.ask(create.clone(), None).await.unwrap();
        }
        for poll in polls {
            let error = tokio::time::timeout(WITHIN, poll).await.expect("it ends").unwrap().unwrap_err();
            assert_eq!((error.code, error.code.status()), (ErrorCode::GroupDeleted, 409), "{error}");
        }
        let groups = queues.queue().groups(GroupsQuery { topic: Name::known("t") }).await.unwrap().groups;
        assert_eq!(groups.len(), usize::from(again), "no poll creates it again");
        if !again {
            queues.ask(create.clone(), None).await.unwrap();
        }
    }
}

/// Somebody waits at every shard of which this node has a replica.
fn waits(engine: &Engine<TestHost>) -> bool {
    let of = (SmolStr::from("t"), SmolStr::from("g"));
    let shards = engine.groups().into_iter().filter(|group| group.id != GroupId::CONTROL);
    shards.into_iter().all(|group| engine.services.queue.waits_for(group.id, &of.0, &of.1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_refuses_does_not_end_a_consume_over_all() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let queues = engines[0].clone();
    let change = SetLimits { in_flight_per_consumer_max: Some(1), ..SetLimits::default() };
    queues.ask(change, None).await.unwrap();
    let (one, two) = (key_of(GroupId(1), 2), key_of(GroupId(2), 2));
    publish(&engines[0], Some(&one), "1").await;
    publish(&engines[0], None, "0").await;
    let first = next(&engines[0]).await;
    // Another one in the same shard, and one in the other: only the other may give.
    let other = if first.id.shard == GroupId(1) { GroupId(2) } else { GroupId(1) };
    for n in 0..4 {
        publish(&engines[0], Some(&format!("{}{n}", if n % 2 == 0 { &one } else { &two })), "2").await;
    }
    publish(&engines[0], Some(if other == GroupId(1) { &one } else { &two }), "3").await;
    let second = consume(&engines[0], want("t", "Budi", 1)).await;
    assert_eq!(second[0].id.shard, other);
    // Now both refuse, and that is said.
    let error = queues.ask(want("t", "Budi", 1), None).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::LimitReached);
    assert!(error.shard.is_some(), "{error:?}");
    // Somebody else is not refused.
    assert_eq!(consume(&engines[1], want("t", "Citra", 1)).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_means_nothing_also_behind_a_held_key() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let key = key_of(GroupId(1), 2);
    let held = publish(&engines[0], Some(&key), "0").await;
    assert_eq!(next(&engines[0]).await.id, held.message_id);
    // 24,000: more than eight commands can pass.
    for _ in 0..24 {
        let batch = (0..1_000).map(|_| publish(&engines[0], Some(&key), "1"));
        futures_util::future::join_all(batch).await;
    }
    let mut free = (0..1_000).map(|n| format!("free{n}"));
    let free = free.find(|key| shard_of(partition_hash("t", key), 2) == GroupId(1)).unwrap();
    let last = publish(&engines[0], Some(&free), "2").await;
    let found = consume(&engines[0], want("t", "Citra", 1)).await;
    assert_eq!(found.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [last.message_id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_leader_knows_to_refuse_does_not_go_through_the_log() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let change = SetLimits { depth_per_topic_max: Some(1), topics_max: Some(2), ..SetLimits::default() };
    engines[0].ask(change, None).await.unwrap();
    let key = key_of(GroupId(1), 2);
    publish(&engines[0], Some(&key), "1").await;
    let leader = || {
        let leads = |group: &Arc<crate::raft::group::Group<TestHost>>| group.leads();
        engines.iter().filter_map(|engine| engine.group(GroupId(1))).find(leads)
    };
    let last = || leader().map(|leader| leader.log.summary().last);
    let before = eventually("a leader", last).await;
    for engine in &engines {
        let full = engine.ask(message("t", Some(&key), "2"), None).await.unwrap_err();
        assert_eq!(full.code, ErrorCode::LimitReached, "{full}");
        assert!(full.message.contains("Nothing was done"), "{full}");
    }
    assert_eq!(last(), Some(before), "nothing was appended");
    // The bound of topics is the cluster's, whichever shards they are in.
    engines[0].ask(message("u", None, "1"), None).await.unwrap();
    for n in 0..8 {
        let more = engines[n % 3].ask(message(&format!("v{n}"), None, "1"), None).await.unwrap_err();
        assert_eq!((more.code, more.message.contains("2 topics")), (ErrorCode::LimitReached, true), "{more}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_named() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let queues = engines[0].clone();
    publish(&engines[0], None, "1").await;
    let said = async |topic: &str, group: Option<&str>| {
        let purge = Purge { topic: Name::known(topic), what: None, group: group.map(Name::known) };
        let redrive = Redrive { topic: Name::known(topic), group: group.map(Name::known), message_ids: None };
        let (purged, redriven) = (queues.ask(purge, None).await, queues.ask(redrive, None).await);
        let (purged, redriven) = (purged.unwrap_err(), redriven.unwrap_err());
        assert_eq!((purged.code, &purged), (ErrorCode::NotFound, &redriven));
        purged.message
    };
    assert_eq!(said("nowhere", Some("g")).await, "There is no topic nowhere.");
    assert_eq!(said("nowhere", None).await, "There is no topic nowhere.");
    assert_eq!(said("t", Some("nobody")).await, "There is no consumer group nobody of t.");
}
