//! The queues at their bounds: what is refused, how much one command does, and the snapshot.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod world;

use std::time::Instant;

use orrery_queue::limits::*;
use orrery_queue::snapshot::QueueRecord;
use orrery_queue::*;
use world::{World, consume, publish};

fn create(topic: &str, group: &str) -> QueueCommand {
    QueueCommand::CreateGroup { topic: topic.into(), group: group.into(), from: StartFrom::Earliest }
}

#[test]
fn what_would_pass_a_bound_is_refused_and_changes_nothing() {
    let mut world = World::with(QueueLimits {
        topics_max: 2,
        groups_per_topic_max: 2,
        groups_max: 3,
        depth_per_topic_max: 3,
        bytes_per_topic_max: 60,
        bytes_max: 80,
        in_flight_per_consumer_max: 2,
        ..QueueLimits::default()
    });
    for _ in 0..3 {
        world.publish("a", None);
    }
    world.publish("b", None);
    let long = "x".repeat(257);
    let batch = vec![Handle { number: 1, receipt: None }; BATCH_MAX + 1];
    world.apply(&create("a", "g1"));
    world.apply(&create("a", "g2"));
    world.apply(&create("b", "g1"));
    world.consume("a", "g1", 10);
    assert_eq!(world.stats("a").in_flight, 2, "no more than one consumer may have");
    let cases = [
        (publish("a", None, b"1", 0), "has 3 messages"),
        (publish("b", None, &[b'1'; 60], 0), "more than 60 bytes"),
        (publish("b", None, &[b'1'; 53], 0), "this shard would have more than 80 bytes"),
        (publish("c", None, b"1", 0), "has 2 topics"),
        (publish("", None, b"1", 0), "name of the topic must not be empty"),
        (publish(&long, None, b"1", 0), "has 257 bytes"),
        (publish("b", Some(&long), b"1", 0), "name of the partition key has 257 bytes"),
        (publish("b", Some(""), b"1", 0), "name of the partition key must not be empty"),
        (create("a", "g3"), "a has 2 consumer groups"),
        (create("b", "g2"), "this shard has 3 consumer groups"),
        (create("c", "g"), "has 2 topics"),
        (create("b", &long), "name of the consumer group"),
        (consume("a", "g1", "", 1), "name of the consumer must not be empty"),
        (consume("a", "g1", "Ayu", 1), "Ayu has 2 messages in flight"),
        (QueueCommand::Ack { topic: "a".into(), group: "g1".into(), messages: batch }, "at most 1024"),
        (
            QueueCommand::Redrive { topic: "a".into(), group: None, numbers: Some(vec![1; BATCH_MAX + 1]) },
            "at most 1024",
        ),
    ];
    for (command, why) in cases {
        // The leader knows it beforehand, too.
        assert!(
            matches!(world.shard.refusal(&command), Some(QueueReply::LimitReached { .. })),
            "{command:?}"
        );
        let what = world.refused(&command);
        assert!(what.contains(why), "{what} does not say {why}");
    }
    // Somebody else may still consume, and what is there may still be consumed by known groups.
    assert!(
        matches!(world.apply(&consume("a", "g1", "Budi", 1)), QueueReply::Deliveries { messages, .. } if messages.len() == 1)
    );
}

#[test]
fn an_answer_has_bounded_messages_and_bytes() {
    let mut world = World::default();
    for _ in 0..150 {
        world.publish("small", None);
    }
    let (messages, more) = world.consume_more("small", "g", 1_000);
    assert_eq!((messages.len(), more), (CONSUME_MAX as usize, true));
    let big = vec![b'1'; 300 * 1024];
    for _ in 0..4 {
        world.apply(&publish("big", None, &big, 0));
    }
    let (messages, more) = world.consume_more("big", "g", 10);
    assert_eq!((messages.len(), more), (3, true));
    // One that is larger than an answer still comes.
    world.apply(&publish("huge", None, &vec![b'1'; 2 * 1024 * 1024], 0));
    assert_eq!(world.consume("huge", "g", 10).len(), 1);
    assert_eq!(world.shard.peek("big", 100).len(), 3);
    assert_eq!(world.shard.peek("small", 1_000).len(), PEEK_MAX);
}

/// Messages of a busy key are passed once, a bounded number per command, and block nobody else for ever.
#[test]
fn a_hot_key_is_passed_in_bounded_steps() {
    let mut world = World::default();
    let first = world.publish("t", Some("hot"));
    for _ in 0..3 * SCAN_MAX {
        world.publish("t", Some("hot"));
    }
    let free = world.publish("t", Some("cold"));
    assert_eq!(world.numbers("t", "g", 1), [first]);
    let mut turns = 0;
    let found = loop {
        assert!(world.shard.ready("t", "g"), "a waiter is told to go on until it is there");
        let (messages, more) = world.consume_more("t", "g", 1);
        turns += 1;
        if let [found] = &messages[..] {
            break found.number;
        }
        assert!(more && turns < 10);
    };
    assert_eq!((found, turns), (free, 4));
    assert!(!world.shard.ready("t", "g"));
    assert_eq!(world.stats("t").groups[0].blocked, 3 * SCAN_MAX as u64);
    // Each acknowledgement lets exactly the next one go.
    world.ack("t", "g", first, None);
    assert_eq!(world.numbers("t", "g", 10), [first + 1]);
}

#[test]
fn the_clock_ends_a_bounded_number_of_things_and_each_topic_gets_its_share() {
    let mut world = World::with(QueueLimits { in_flight_per_consumer_max: 5_000, ..QueueLimits::default() });
    for _ in 0..3_000 {
        world.publish("many", None);
    }
    for _ in 0..30 {
        world.consume("many", "g", 100);
    }
    world.publish("few", None);
    world.consume("few", "g", 1);
    for _ in 0..700 {
        world.publish_later("later", None, 1_000);
    }
    world.advance(1_000);
    assert!(world.facts.len() <= SWEEP_MAX, "{} facts of one command", world.facts.len());
    assert!(world.shard.ready("few", "g"), "no topic waits for another one");
    assert_eq!(world.shard.next_deadline(), Some(1_000), "an advance is due at once");
    let turns = world.settle_clock(1_000);
    assert!(turns <= 4, "{turns}");
    assert_eq!((world.stats("many").in_flight, world.stats("later").delayed), (0, 0));
    // In order again.
    let again = world.numbers("many", "g", 100);
    assert!(again.is_sorted() && again.len() == 100);
}

#[test]
fn retention_and_deleted_groups_are_swept_in_bounded_steps() {
    let mut world = World::with(QueueLimits { retention_ms: 5_000, ..QueueLimits::default() });
    world.create("t", "slow", StartFrom::Earliest);
    for _ in 0..50 {
        for _ in 0..100 {
            world.publish("t", None);
        }
        let (topic, group) = ("t".into(), "fast".into());
        let messages = world.consume("t", "fast", 100);
        let messages = messages.iter().map(|d| Handle { number: d.number, receipt: None }).collect();
        world.apply(&QueueCommand::Ack { topic, group, messages });
    }
    let mut other = World { shard: world.shard.clone(), index: world.index, ..World::default() };
    world.delete("t", "slow");
    assert_eq!(world.stats("t").messages, 5_000 - SWEEP_MAX as u64);
    assert_eq!(world.settle_clock(0), 4);
    assert_eq!((world.stats("t").messages, world.shard.next_deadline()), (0, None));
    other.advance(5_000);
    assert_eq!(other.facts.len(), SWEEP_MAX);
    assert_eq!(other.settle_clock(5_000), 4);
    assert_eq!((other.stats("t").messages, other.stats("t").totals.expired), (0, 5_000));
    assert_eq!(other.stats("t").groups.iter().map(|group| group.lag).sum::<u64>(), 0);
}

#[test]
fn purge_and_redrive_say_what_is_left() {
    let mut world = World::with(QueueLimits { attempts_max: 1, ..QueueLimits::default() });
    for _ in 0..PURGE_MAX + 10 {
        world.publish("t", None);
    }
    let dead = REDRIVE_MAX + 5;
    for _ in 0..dead {
        world.kill("t", "g");
    }
    assert_eq!(world.redrive("t", None), QueueReply::Redriven { redriven: REDRIVE_MAX as u64, left: 5 });
    assert_eq!(world.redrive("t", None), QueueReply::Redriven { redriven: 5, left: 0 });
    assert_eq!(world.stats("t").groups[0].waiting, PURGE_MAX as u64 + 10);
    assert_eq!(
        world.purge("t", PurgeWhat::Ready, None),
        QueueReply::Purged { purged: PURGE_MAX as u64, more: true }
    );
    assert_eq!(world.purge("t", PurgeWhat::Ready, None), QueueReply::Purged { purged: 10, more: false });
    assert_eq!(world.stats("t").messages, 0);
}

#[test]
fn the_last_numbers_that_left_are_known_as_such() {
    let mut world = World::default();
    let numbers: Vec<_> = (0..=GONE_KNOWN_MAX).map(|_| world.publish("t", None)).collect();
    for number in &numbers {
        world.consume("t", "g", 1);
        assert_eq!(world.ack("t", "g", *number, None), SettleOutcome::Acknowledged);
    }
    assert_eq!(world.ack("t", "g", numbers[0], None), SettleOutcome::Gone(GoneCause::Forgotten), "long ago");
    assert_eq!(world.ack("t", "g", world.index + 9, None), SettleOutcome::Unknown, "that never was");
    assert_eq!(world.ack("t", "g", numbers[1], None), SettleOutcome::Already);
}

/// What a broken snapshot could bring is refused, and says what does not fit.
#[test]
fn records_that_do_not_fit_are_refused() {
    let mut world = World::with(QueueLimits { attempts_max: 1, ..QueueLimits::default() });
    world.publish_later("t", None, 500);
    for key in [None, Some("k"), Some("k")] {
        world.publish("t", key);
    }
    world.kill("t", "g");
    world.consume("t", "g", 5);
    let records: Vec<QueueRecord> = world.shard.records().collect();
    assert_eq!(
        records.len(),
        7,
        "a shard, a topic, its messages of both kinds, a group, what it has of both kinds"
    );
    let restore = |records: &[&QueueRecord]| {
        let mut shard = Shard::default();
        records.iter().try_for_each(|record| shard.restore((*record).clone())).map(|()| shard)
    };
    let all: Vec<_> = records.iter().collect();
    assert!(restore(&all).unwrap() == world.shard);
    for twice in 0..7 {
        let mut twice: Vec<_> = all[..=twice].to_vec();
        twice.push(twice[twice.len() - 1]);
        let length = twice.len() - 1;
        // The first may come again while nothing else did, and a set takes the last twice.
        assert_eq!(restore(&twice).is_err(), (2..7).contains(&length), "record {length} twice");
    }
    for missing in 1..5 {
        let mut records = all.clone();
        records.remove(missing);
        let needed = missing != 3;
        assert_eq!(restore(&records).is_err(), needed, "without record {missing}");
    }
}

/// A snapshot is taken of a fork that costs nothing, while the original goes on.
#[test]
fn a_fork_is_cheap_and_stays_as_it_was() {
    let mut world = World::default();
    for _ in 0..50_000 {
        world.publish("t", None);
    }
    let start = Instant::now();
    let forks: Vec<Shard> = (0..1_000).map(|_| world.shard.clone()).collect();
    let each = start.elapsed() / 1_000;
    assert!(each.as_micros() < 100, "a fork took {each:?}");
    for number in world.numbers("t", "g", 100) {
        world.ack("t", "g", number, None);
    }
    assert_eq!(forks[0].stats_of("t").unwrap().messages, 50_000);
    assert_eq!(world.stats("t").messages, 49_900);
}
