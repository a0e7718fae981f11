//! The queue service on whole clusters in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orrery_api::queue::{
    Ack, Consume, Consumed, CreateGroup, DeleteGroup, Delivered, GroupEnd, JsonText, MESSAGE_BYTES_MAX, Nack,
    Publish, Published, Purge, Redrive, Settlement,
};
use orrery_api::queue_limits::SetLimits;
use orrery_api::queue_view::{GroupsQuery, PeekQuery, StatsQuery};
use orrery_api::request::Answer as _;
use orrery_api::ring::RingQuery;
use orrery_base::error::ErrorCode;
use orrery_base::ids::{GroupId, NodeName};
use orrery_base::key::IdempotencyKey;
use orrery_base::valid::{Name, Number};
use orrery_placement::{partition_hash, shard_of};
use orrery_queue::{GoneCause, MessageId, StartFrom};

use super::world::{TestHost, World, eventually, quick};
use crate::{Engine, EngineConfig};

pub(super) const WITHIN: Duration = Duration::from_secs(20);

fn text(json: &str) -> JsonText {
    JsonText::new(json.into()).unwrap()
}

pub(super) fn message(topic: &str, key: Option<&str>, json: &str) -> Publish {
    let (topic, key, message) = (Name::known(topic), key.map(Name::known), text(json));
    Publish { topic, message, key, delay_ms: None, idempotency_key: None }
}

pub(super) fn want(topic: &str, consumer: &str, max: u64) -> Consume {
    let (topic, group, consumer) = (Name::known(topic), Name::known("g"), Name::known(consumer));
    let max = Number::known(max);
    Consume { topic, group, consumer, max, visibility_ms: None, wait_ms: None }
}

fn done(delivery: &Delivered) -> Ack {
    Ack {
        topic: Name::known("t"),
        group: Name::known("g"),
        message_id: Some(delivery.id),
        message_ids: None,
        receipt: Some(delivery.receipt),
        receipts: None,
    }
}

fn back(delivery: &Delivered, delay_ms: Option<u64>) -> Nack {
    let Ack { topic, group, message_id, message_ids, receipt, receipts } = done(delivery);
    Nack { topic, group, message_id, message_ids, receipt, receipts, delay_ms: delay_ms.map(Number::known) }
}

fn number(client: &str, number: u64) -> Option<IdempotencyKey> {
    Some(IdempotencyKey { client: client.into(), number })
}

pub(super) async fn publish(engine: &Engine<TestHost>, key: Option<&str>, json: &str) -> Published {
    engine.ask(message("t", key, json), None).await.unwrap()
}

pub(super) async fn consume(engine: &Engine<TestHost>, request: Consume) -> Vec<Delivered> {
    engine.ask(request, None).await.unwrap().messages
}

/// One that must come.
pub(super) async fn next(engine: &Engine<TestHost>) -> Delivered {
    let request = Consume { wait_ms: Some(Number::known(15_000)), ..want("t", "Budi", 1) };
    consume(engine, request).await.pop().expect("a message within the time")
}

/// Five nodes and four shards of three replicas: every node is without one of some shard.
pub(super) async fn spread(world: &Arc<World>) -> Vec<Engine<TestHost>> {
    let config = EngineConfig { shards: 4, request_timeout: Duration::from_secs(4), ..quick() };
    for name in World::names(5) {
        world.start(&name, 5, config.clone()).await;
    }
    let engines: Vec<_> = World::names(5).iter().map(|name| world.engine(name)).collect();
    for engine in &engines {
        assert!(engine.wait_ready(WITHIN).await);
        eventually("the shard map", || (engine.shard_map().version > 0).then_some(())).await;
    }
    for shard in 1..=4 {
        let leads =
            |engine: &Engine<TestHost>| engine.group(GroupId(shard)).is_some_and(|group| group.leads());
        eventually("a leader", || engines.iter().any(leads).then_some(())).await;
    }
    engines
}

/// A partition key of that shard.
pub(super) fn key_of(shard: GroupId, shards: u16) -> String {
    let found = (0..1_000).map(|n| format!("k{n}"));
    let mut found = found.filter(|key| shard_of(partition_hash("t", key), shards) == shard);
    found.next().expect("keys meet every shard")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_in_and_out_at_any_node() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let mut published = BTreeMap::new();
    for n in 0..12 {
        let json = format!("{{\"n\": {n}}}");
        let answer = publish(&engines[n % 3], None, &json).await;
        assert_eq!((answer.status.as_str(), answer.message_id.shard), ("published", answer.shard));
        assert_eq!(answer.replicas.iter().collect::<BTreeSet<_>>().len(), 3);
        published.insert(answer.message_id, json);
    }
    assert_eq!(published.keys().map(|id| id.shard).collect::<BTreeSet<_>>().len(), 2, "both shards");
    let mut seen = BTreeMap::new();
    for n in 0..12 {
        let found =
            consume(&engines[n % 3], Consume { wait_ms: Some(Number::known(5_000)), ..want("t", "Budi", 1) })
                .await;
        let delivery = found.first().expect("one is left");
        assert_eq!(delivery.attempt, 1);
        seen.insert(delivery.id, delivery.message.text().to_owned());
        let answer = engines[(n + 1) % 3].ask(done(delivery), None).await.unwrap();
        assert_eq!((answer.status, answer.outcome().status()), (Settlement::Acknowledged, 200));
        let again = engines[n % 3].ask(done(delivery), None).await.unwrap();
        assert_eq!(again.status, Settlement::AlreadyAcknowledged);
    }
    assert_eq!(seen, published);
    assert_eq!(consume(&engines[0], want("t", "Budi", 10)).await, []);
    let stats = engines[1].queue().stats(StatsQuery { topic: Some(Name::known("t")) }).await.unwrap();
    let [topic] = stats.topics.as_slice() else { panic!("{stats:?}") };
    assert_eq!((topic.sum.messages, topic.sum.acknowledged, topic.sum.lag), (0, 12, 0));
    assert_eq!((topic.sum.totals.published, topic.sum.totals.delivered), (12, 12));
    assert_eq!(topic.shards.len(), 2);
    assert!(topic.shards.iter().all(|shard| shard.leader.is_some()));
    assert!(topic.sum.enqueue_rate > 0.0 && topic.sum.dequeue_rate > 0.0, "{topic:?}");
    let counted = engines.iter().map(|engine| engine.queue().totals());
    let counted = counted.reduce(|a, b| a + b).unwrap();
    assert_eq!((counted.published, counted.delivered, counted.acknowledged), (12, 12, 12));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_keeps_its_order_through_redelivery_and_a_late_ack_says_so() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let first = publish(&engines[0], Some("k"), "1").await;
    let second = publish(&engines[1], Some("k"), "2").await;
    assert_eq!(first.shard, second.shard);
    let request = Consume { visibility_ms: Some(Number::known(300)), ..want("t", "Budi", 10) };
    let taken = consume(&engines[2], request).await;
    assert_eq!(taken.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [first.message_id]);
    // Nobody acknowledges: the same message comes again, never the one behind it.
    let again = next(&engines[0]).await;
    assert_eq!((again.id, again.attempt), (first.message_id, 2));
    let late = engines[1].ask(done(&taken[0]), None).await.unwrap();
    assert_eq!((late.status, late.outcome().status()), (Settlement::Late, 409));
    assert!(late.message.is_some_and(|sentence| sentence.ends_with('.')));
    let answer = engines[1].ask(done(&again), None).await.unwrap();
    assert_eq!(answer.status, Settlement::Acknowledged);
    let after = next(&engines[2]).await;
    assert_eq!((after.id, after.attempt, after.message.text()), (second.message_id, 1, "2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_shown_and_come_back() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let queues = engines[0].clone();
    let id = publish(&engines[0], None, "{}").await.message_id;
    for attempt in 1..=5 {
        let delivery = next(&engines[attempt % 3]).await;
        assert_eq!((delivery.id, delivery.attempt), (id, attempt as u32));
        let answer = queues.ask(back(&delivery, None), None).await.unwrap();
        let expected = if attempt == 5 { Settlement::DeadLettered } else { Settlement::Nacked };
        assert_eq!(answer.status, expected);
    }
    assert_eq!(consume(&engines[0], want("t", "Budi", 1)).await, []);
    let dead =
        engines[1].queue().peek(PeekQuery { topic: Name::known("t.dead"), limit: None }).await.unwrap();
    assert_eq!(dead.messages.len(), 1);
    let shown = dead.messages[0].dead.as_ref().expect("why it is dead");
    assert_eq!((dead.messages[0].id, shown.attempts, shown.group.as_str()), (id, 5, "g"));
    let redrive = Redrive { topic: Name::known("t.dead"), group: None, message_ids: Some(vec![id]) };
    let answer = engines[2].ask(redrive, None).await.unwrap();
    assert_eq!((answer.topic.as_str(), answer.redriven, answer.left), ("t", 1, 0));
    let delivery = next(&engines[1]).await;
    assert_eq!((delivery.id, delivery.attempt), (id, 1));
    let purge = Purge { topic: Name::known("t"), what: None, group: None };
    let answer = queues.ask(purge, None).await.unwrap();
    assert_eq!((answer.purged, answer.more), (1, false));
    let answer = queues.ask(done(&delivery), None).await.unwrap();
    assert_eq!((answer.status, answer.outcome().status()), (Settlement::Gone, 410), "{answer:?}");
    assert_eq!(answer.messages[0].cause, Some(GoneCause::Purged));
    let unknown = Ack { message_id: Some(MessageId { shard: GroupId(9), number: 1 }), ..done(&delivery) };
    assert_eq!(queues.ask(unknown, None).await.unwrap().outcome().status(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_group_sees_every_message() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let queues = engines[0].clone();
    publish(&engines[0], None, "\"before\"").await;
    let group = |group: &str, from| CreateGroup { topic: Name::known("t"), group: Name::known(group), from };
    for (name, from) in [("g", StartFrom::Earliest), ("late", StartFrom::Latest)] {
        let created = queues.ask(group(name, from), None).await.unwrap();
        assert_eq!(created.status, GroupEnd::Created);
    }
    let again = engines[1].ask(group("late", StartFrom::Earliest), None).await.unwrap();
    assert_eq!(again.status, GroupEnd::Exists);
    publish(&engines[1], None, "\"after\"").await;
    let of = |group: &str| Consume {
        group: Name::known(group),
        wait_ms: Some(Number::known(2_000)),
        ..want("t", "Budi", 10)
    };
    let mut seen = BTreeMap::<&str, BTreeSet<String>>::new();
    for name in ["g", "h", "late"] {
        // What is in two shards comes in two answers.
        for _ in 0..2 {
            let found = consume(&engines[2], of(name)).await;
            seen.entry(name).or_default().extend(found.iter().map(|one| one.message.text().to_owned()));
            if name == "late" {
                break;
            }
        }
    }
    let both: BTreeSet<String> = ["\"after\"", "\"before\""].map(str::to_owned).into();
    assert_eq!((&seen["g"], &seen["h"]), (&both, &both), "{seen:?}");
    assert_eq!(seen["late"], BTreeSet::from(["\"after\"".to_owned()]));
    let shown = engines[1].queue().groups(GroupsQuery { topic: Name::known("t") }).await.unwrap();
    let names: Vec<_> = shown.groups.iter().map(|group| group.group.as_str()).collect();
    assert_eq!(names, ["g", "h", "late"]);
    // A group is the same on all shards, wherever its messages were.
    assert!(shown.groups.iter().all(|group| group.shards == [GroupId(1), GroupId(2)]), "{shown:?}");
    assert_eq!(shown.groups[0].consumers.iter().map(|one| one.in_flight).sum::<u64>(), 2);
    let delete = |group: &str| DeleteGroup { topic: Name::known("t"), group: Name::known(group) };
    assert_eq!(queues.ask(delete("late"), None).await.unwrap().status, GroupEnd::Deleted);
    let gone = queues.ask(delete("late"), None).await.unwrap_err();
    assert_eq!(gone.code, ErrorCode::NotFound);
    assert_eq!(queues.queue().groups(GroupsQuery { topic: Name::known("t") }).await.unwrap().groups.len(), 2);
    let topics = queues.queue().topics().await.unwrap();
    assert_eq!(topics.topics.iter().map(|topic| topic.topic.as_str()).collect::<Vec<_>>(), ["t"]);
    assert_eq!(
        queues.queue().stats(StatsQuery { topic: Some(Name::known("none")) }).await.unwrap_err().code,
        ErrorCode::NotFound
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_under_its_key_takes_effect_once() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let first = engines[0].ask(message("t", None, "1"), number("Ayu", 1)).await.unwrap();
    let again = engines[1].ask(message("t", None, "1"), number("Ayu", 1)).await.unwrap();
    assert_eq!(again, first);
    let by_body = Publish { idempotency_key: Some("Ayu/1".into()), ..message("t", None, "1") };
    assert_eq!(engines[2].ask(by_body, None).await.unwrap(), first);
    let other = engines[2].ask(message("t", None, "2"), number("Ayu", 1)).await.unwrap_err();
    assert_eq!(other.code, ErrorCode::KeyReused);
    let stats = engines[0].queue().stats(StatsQuery::default()).await.unwrap();
    assert_eq!(stats.topics[0].sum.totals.published, 1);

    // The deliveries of the first try, and not those of another shard.
    for n in 2..8 {
        publish(&engines[0], None, &n.to_string()).await;
    }
    let request = want("t", "Budi", 1);
    let taken = engines[0].ask(request.clone(), number("Budi", 1)).await.unwrap();
    let Consumed { messages, .. } = &taken;
    assert_eq!(messages.len(), 1);
    for engine in &engines {
        assert_eq!(engine.ask(request.clone(), number("Budi", 1)).await.unwrap(), taken);
    }
    let queues = engines[1].clone();
    let ack = |key| queues.ask(done(&messages[0]), key);
    assert_eq!(ack(number("Budi", 2)).await.unwrap().status, Settlement::Acknowledged);
    assert_eq!(ack(number("Budi", 2)).await.unwrap().status, Settlement::Acknowledged, "the first outcome");
    assert_eq!(ack(None).await.unwrap().status, Settlement::AlreadyAcknowledged);
    let settled = engines[2].ask(request, number("Budi", 1)).await.unwrap();
    assert_eq!(settled.messages, [], "it is not in flight any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_poll_wakes_at_any_node_and_one_that_went_away_takes_nothing() {
    let world = Arc::new(World::default());
    let engines = spread(&world).await;
    for shard in 1..=4 {
        let shard = GroupId(shard);
        // From the node without a replica of it, and from one with.
        let far = engines.iter().find(|engine| engine.group(shard).is_none()).expect("three of five");
        let near = engines.iter().find(|engine| engine.group(shard).is_some()).expect("a replica");
        for consumer in [far, near] {
            let waiting = tokio::spawn({
                let engine = consumer.clone();
                async move { next(&engine).await }
            });
            let begun = Instant::now();
            // Whether it waits already or only begins to does not matter.
            let published = publish(&engines[0], Some(&key_of(shard, 4)), "1").await;
            assert_eq!(published.shard, shard);
            let delivery = waiting.await.unwrap();
            assert_eq!((delivery.id, delivery.attempt), (published.message_id, 1));
            assert!(begun.elapsed() < Duration::from_secs(5), "woken after {:?}", begun.elapsed());
            consumer.ask(done(&delivery), None).await.unwrap();
        }
    }
    let gone = tokio::spawn({
        let engine = engines[1].clone();
        async move { next(&engine).await }
    });
    tokio::task::yield_now().await;
    gone.abort();
    assert!(gone.await.is_err());
    let published = publish(&engines[0], Some("k"), "1").await;
    let delivery = next(&engines[2]).await;
    assert_eq!(delivery.id, published.message_id);
    assert_eq!(delivery.attempt, 1, "what never arrived is no attempt: {delivery:?}");
    // Its time passes: nothing is an answer, too.
    let begun = Instant::now();
    let request = Consume { wait_ms: Some(Number::known(300)), ..want("t", "Budi", 1) };
    assert_eq!(consume(&engines[3], request).await, []);
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_wait_each_message_goes_to_one() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let (each, waiters) = (3, 9);
    let mut tasks = Vec::new();
    for n in 0..waiters {
        let engine = engines[n % 3].clone();
        tasks.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            for _ in 0..each {
                let consumer = format!("c{n}");
                let request = Consume { wait_ms: Some(Number::known(15_000)), ..want("t", &consumer, 1) };
                let delivery = consume(&engine, request).await.pop().expect("one for each");
                engine.ask(done(&delivery), None).await.unwrap();
                mine.push((delivery.id, delivery.attempt));
            }
            mine
        }));
    }
    let mut published = BTreeSet::new();
    for n in 0..each * waiters {
        published.insert((publish(&engines[n % 3], None, &n.to_string()).await.message_id, 1));
    }
    let mut seen = Vec::new();
    for task in tasks {
        seen.extend(task.await.unwrap());
    }
    assert_eq!(seen.len(), each * waiters, "nobody shares one");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), published);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_without_a_majority_is_named_and_the_others_go_on() {
    let world = Arc::new(World::default());
    let engines = spread(&world).await;
    let create = CreateGroup { topic: Name::known("t"), group: Name::known("g"), from: StartFrom::Earliest };
    engines[0].ask(create, None).await.unwrap();
    let map = engines[0].shard_map();
    let lost = |shard: &orrery_machine::ShardReplicas, stopped: &[NodeName]| {
        shard.replicas.iter().filter(|replica| stopped.contains(&replica.name)).count()
    };
    // Two of five nodes stop, so that the control group goes on.
    let names = World::names(5);
    let pairs = names.iter().flat_map(|a| names.iter().map(move |b| [a.clone(), b.clone()]));
    let stopped = pairs
        .filter(|[a, b]| a < b)
        .find(|stopped| {
            let dead = map.shards.iter().filter(|shard| lost(shard, stopped) == 2).count();
            dead > 0 && dead < map.shards.len()
        })
        .expect("two nodes that share some shards");
    for name in &stopped {
        world.stop(name).await;
    }
    let asked = engines.iter().find(|engine| !stopped.contains(&engine.local().name)).unwrap().clone();
    let (dead, alive): (Vec<_>, Vec<_>) = map.shards.iter().partition(|shard| lost(shard, &stopped) == 2);
    let at = |shard: GroupId| message("t", Some(&key_of(shard, 4)), "1");
    for shard in &alive {
        let published = asked.ask(at(shard.shard), None).await.unwrap();
        assert_eq!(published.shard, shard.shard);
    }
    let error = asked.ask(at(dead[0].shard), None).await.unwrap_err();
    assert!(matches!(error.code, ErrorCode::ShardUnavailable | ErrorCode::OutcomeUnknown), "{error:?}");
    assert_eq!((error.code.status(), error.shard), (503, Some(dead[0].shard)));
    assert!(error.message.contains(&dead[0].shard.to_string()) && error.message.ends_with('.'), "{error}");
    assert_eq!(error.code == ErrorCode::OutcomeUnknown, error.idempotency_key.is_some());
    // What the others have is delivered; then nobody can say that there is nothing.
    let mut seen = BTreeSet::new();
    for _ in &alive {
        let found = asked.ask(want("t", "Budi", 10), None).await.unwrap();
        seen.extend(found.messages.iter().map(|delivery| delivery.id.shard));
    }
    assert_eq!(seen, alive.iter().map(|shard| shard.shard).collect());
    let error = asked.ask(want("t", "Budi", 10), None).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ShardUnavailable);
    assert!(error.shard.is_some_and(|shard| dead.iter().any(|dead| dead.shard == shard)));
    // A group begins on all shards or on none, and ends on all or on none; limits are the same on all.
    let other = Consume { group: Name::known("other"), ..want("t", "Budi", 1) };
    let create =
        CreateGroup { topic: Name::known("t"), group: Name::known("other"), from: StartFrom::Latest };
    let delete = DeleteGroup { topic: Name::known("t"), group: Name::known("g") };
    let change = SetLimits { attempts_max: Some(2), ..SetLimits::default() };
    for error in [
        asked.ask(other, None).await.map(|_| ()).unwrap_err(),
        asked.ask(create, None).await.map(|_| ()).unwrap_err(),
        asked.ask(delete, None).await.map(|_| ()).unwrap_err(),
        asked.ask(change, None).await.map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(error.code, ErrorCode::ShardUnavailable, "{error}");
        assert!(error.message.contains("Nothing was done"), "{error}");
    }
    let groups = asked.queue().groups(GroupsQuery { topic: Name::known("t") }).await.unwrap().groups;
    assert_eq!(groups.iter().map(|group| group.group.as_str()).collect::<Vec<_>>(), ["g"]);
    assert_eq!(groups[0].shards, alive.iter().map(|shard| shard.shard).collect::<Vec<_>>());
    let limits = asked.queue().limits().await.unwrap();
    assert!(limits.shards.iter().all(|shard| shard.limits.attempts_max == 5), "{limits:?}");
    // What goes to several shards says what became of it in each.
    let purged = asked.ask(Purge { topic: Name::known("t"), what: None, group: None }, None).await.unwrap();
    assert_eq!(purged.purged, alive.len() as u64);
    let failed: Vec<_> = purged.failed.iter().map(|failed| failed.shard).collect();
    assert_eq!(failed, dead.iter().map(|shard| shard.shard).collect::<Vec<_>>());
    assert!(purged.idempotency_key.is_some());
    let stats = asked.queue().stats(StatsQuery::default()).await.unwrap();
    assert_eq!(stats.unavailable, dead.iter().map(|shard| shard.shard).collect::<Vec<_>>());
    assert_eq!(stats.topics[0].sum.totals.published, alive.len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_message_goes_through_and_survives_a_restart_with_its_attempts() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let largest = format!("\"{}\"", "x".repeat(MESSAGE_BYTES_MAX as usize - 2));
    // At every node, so that it is forwarded, too.
    for engine in &engines {
        publish(engine, Some("k"), &largest).await;
    }
    let larger = message("t", None, &format!("\"{}\"", "x".repeat(MESSAGE_BYTES_MAX as usize - 1)));
    let error = engines[0].ask(larger, None).await.unwrap_err();
    assert_eq!(error.code.status(), 413);
    let first = next(&engines[1]).await;
    assert_eq!(first.message.text(), largest);
    engines[1].ask(back(&first, None), None).await.unwrap();
    for engine in &engines {
        world.stop(&engine.local().name).await;
    }
    let engines = world.cluster(3).await;
    let again = next(&engines[2]).await;
    assert_eq!((again.id, again.attempt), (first.id, 2));
    assert_eq!(again.message.text(), largest);
    let delayed = engines[0].ask(back(&again, Some(300)), None).await.unwrap();
    assert_eq!(delayed.status, Settlement::Nacked);
    assert_eq!(next(&engines[0]).await.attempt, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_the_same_on_all_shards_and_survive_a_restart() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let queues = engines[0].clone();
    let before = queues.queue().limits().await.unwrap();
    assert_eq!(before.shards.iter().map(|shard| shard.shard).collect::<Vec<_>>(), [GroupId(1), GroupId(2)]);
    let change = SetLimits {
        attempts_max: Some(2),
        message_bytes_max: Some(10),
        in_flight_per_consumer_max: Some(1),
        depth_per_topic_max: Some(3),
        ..SetLimits::default()
    };
    let after = queues.ask(change, None).await.unwrap();
    assert_eq!(engines[1].queue().limits().await.unwrap(), after);
    for engine in &engines {
        world.stop(&engine.local().name).await;
    }
    let engines = world.cluster(3).await;
    let queues = engines[2].clone();
    assert_eq!(queues.queue().limits().await.unwrap(), after);
    let refused = |json: &str| queues.ask(message("t", Some("k"), json), None);
    assert_eq!(refused("\"12345678901\"").await.unwrap_err().code, ErrorCode::TooLarge);
    for json in ["1", "2", "3"] {
        publish(&engines[0], Some("k"), json).await;
    }
    let error = refused("4").await.unwrap_err();
    assert_eq!((error.code, error.code.status()), (ErrorCode::LimitReached, 429));
    assert!(error.message.contains("3 messages"), "{error}");
    for end in [Settlement::Nacked, Settlement::DeadLettered] {
        let taken = consume(&engines[1], want("t", "Budi", 10)).await;
        assert_eq!(taken.iter().map(|delivery| delivery.message.text()).collect::<Vec<_>>(), ["1"]);
        let bound = queues.ask(want("t", "Budi", 10), None).await.unwrap_err();
        assert_eq!(bound.code, ErrorCode::LimitReached, "one in flight");
        let answer = queues.ask(back(&taken[0], None), None).await.unwrap();
        assert_eq!(answer.status, end);
    }
    let wrong = SetLimits { attempts_max: Some(0), ..SetLimits::default() };
    assert_eq!(queues.ask(wrong, None).await.unwrap_err().code, ErrorCode::BadRequest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ring_shows_where_a_key_goes() {
    let world = Arc::new(World::default());
    let engines = spread(&world).await;
    let published = publish(&engines[0], Some("k"), "1").await;
    let ring = engines[3]
        .queue()
        .ring(RingQuery { key: Some(Name::known("k")), topic: Some(Name::known("t")) })
        .unwrap();
    let walk = ring.walk.expect("a key was asked for").walk;
    assert_eq!((walk.shard, &walk.replicas), (published.shard, &published.replicas));
    assert_eq!((ring.shards.len(), ring.virtual_nodes.len(), ring.nodes.len()), (4, 5 * 64, 5));
    assert_eq!(ring.nodes.iter().map(|node| node.replicas).sum::<u32>(), 12);
    assert!(ring.nodes.iter().all(|node| node.replicas <= ring.bounds.replicas));
    assert!(ring.balance >= 1.0 && ring.version > 0);
    assert!(engines[3].queue().ring(RingQuery::default()).unwrap().walk.is_none());
}
