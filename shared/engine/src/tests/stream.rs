//! What the nodes report of their shards, folded, is what they have.

use std::sync::Arc;
use std::time::Duration;

use orrery_base::ids::GroupId;
use orrery_event::Fact;
use orrery_machine::{Command, Mutation, Reply};
use orrery_projection::view::View;
use orrery_queue::{QueueCommand, QueueReply, StartFrom};

use super::world::{TestHost, World, eventually};
use crate::Engine;

const SHARD: GroupId = GroupId(1);

async fn ask(engine: &Engine<TestHost>, command: QueueCommand) -> QueueReply {
    let command = Command { key: None, mutation: Mutation::Queue(command) };
    let (_, reply) = engine.propose(SHARD, command, Duration::from_secs(15)).await.unwrap();
    let Reply::Queue(reply) = reply else { panic!("{reply:?}") };
    reply
}

fn publish(key: &str) -> QueueCommand {
    let message = bytes::Bytes::from_static(b"{}");
    QueueCommand::Publish { topic: "t".into(), key: Some(key.into()), message, delay_ms: 0, wall_ms: 0 }
}

fn consume(max: u32) -> QueueCommand {
    let (topic, group, consumer) = ("t".into(), "g".into(), "Ayu".into());
    QueueCommand::Consume { topic, group, consumer, max, visibility_ms: 60_000 }
}

/// Everything that anybody ever reported, from the first boots on.
fn folded(world: &World) -> View {
    let mut view = View::default();
    for (node, boot, event) in world.events() {
        view.apply(&node, boot, &event);
    }
    view
}

/// Who leads the shard among those that run.
async fn leader(engines: &[Engine<TestHost>], without: Option<&str>) -> Engine<TestHost> {
    eventually("a leader of the shard", || {
        let running = engines.iter().filter(|engine| Some(engine.local().name.as_str()) != without);
        let mut leading = running
            .filter(|engine| engine.group(SHARD).is_some_and(|group| group.leads() && !group.stopped()));
        leading.next().cloned()
    })
    .await
}

/// The fold shows every counter of the shard as `engine` has it, and the map.
fn agrees(view: &View, engine: &Engine<TestHost>) -> bool {
    let (Some(folded), Some(shown)) = (view.queues.get(&SHARD), engine.queues_of(SHARD)) else {
        return false;
    };
    let same = shown.topics.iter().all(|topic| {
        folded.topics.get(&topic.stats.topic).is_some_and(|queue| {
            let group = &topic.stats.groups[0];
            let in_group = queue.groups.get(&group.group).is_some_and(|queue| {
                (queue.waiting, queue.blocked, queue.in_flight, queue.totals)
                    == (group.waiting, group.blocked, group.in_flight, group.totals)
            });
            let numbers: Vec<u64> = queue.in_flight.values().map(|flight| flight.number).collect();
            in_group
                && queue.totals == topic.stats.totals
                && (queue.messages, queue.bytes) == (topic.stats.messages, topic.stats.bytes)
                && topic.in_flight.iter().all(|flight| numbers.contains(&flight.number))
                && numbers.len() == topic.in_flight.len()
        })
    });
    same && folded.topics.len() == shown.topics.len() && view.ring.table == engine.shard_table()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folded_facts_of_a_shard_equal_its_queues_across_its_leader() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    eventually("the shard map", || engines.iter().all(|it| it.shard_map().version > 0).then_some(())).await;
    for n in 0..6 {
        ask(&engines[n % 3], publish(["k1", "k2", "k3"][n % 3])).await;
    }
    let (topic, group) = ("t".into(), "g".into());
    ask(&engines[0], QueueCommand::CreateGroup { topic, group, from: StartFrom::Earliest }).await;
    let QueueReply::Deliveries { messages, .. } = ask(&engines[0], consume(2)).await else { panic!("none") };
    assert_eq!(messages.len(), 2);
    let old = leader(&engines, None).await;
    let old = old.local().name.clone();
    world.stop(&old).await;
    let new = leader(&engines, Some(&old)).await;
    let handle =
        |at: usize| orrery_queue::Handle { number: messages[at].number, receipt: Some(messages[at].receipt) };
    let ack = QueueCommand::Ack { topic: "t".into(), group: "g".into(), messages: vec![handle(0)] };
    ask(&new, ack).await;
    let nack = QueueCommand::Nack {
        topic: "t".into(),
        group: "g".into(),
        messages: vec![handle(1)],
        delay_ms: 60_000,
    };
    ask(&new, nack).await;
    ask(&new, consume(1)).await;
    eventually("the fold to equal the shard", || agrees(&folded(&world), &new).then_some(())).await;
    let resumed = |fact: &Fact| matches!(fact, Fact::QueuesResumed { group: SHARD, .. });
    assert!(world.facts(&new.local().name).iter().any(resumed), "a new leader says what it has");
    let counted = folded(&world).bins("t");
    assert_eq!((counted.totals.published, counted.totals.acknowledged, counted.all.given_back), (6, 1, 1));
    assert_eq!((counted.all.in_flight, counted.shards.len()), (1, 1));
}
