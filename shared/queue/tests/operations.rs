//! Each operation of the queues, and its edges, as small stories.
#![allow(clippy::unwrap_used)]

mod world;

use orrery_queue::fact::{DeadCause, ExpiryCause, Had};
use orrery_queue::*;
use world::{World, consume, publish};

#[test]
fn a_message_is_acknowledged_once_and_gone() {
    let mut world = World::default();
    let number = world.publish("orders", None);
    let delivery = world.consume("orders", "g", 1).remove(0);
    assert_eq!((delivery.number, delivery.attempt, &delivery.message[..]), (number, 1, &b"{\"n\":1}"[..]));
    assert_eq!(delivery.wall_ms, 1_700_000_000_000);
    assert!(world.consume("orders", "g", 1).is_empty(), "in flight: nobody else gets it");
    assert_eq!(world.ack("orders", "g", number, Some(delivery.receipt)), SettleOutcome::Acknowledged);
    assert!(matches!(
        world.facts[..],
        [QueueFact::Acknowledged { freed_bytes: Some(7), had: Had::InFlight, .. }]
    ));
    assert_eq!(world.ack("orders", "g", number, Some(delivery.receipt)), SettleOutcome::Already);
    assert_eq!(world.ack("orders", "g", 9_999, None), SettleOutcome::Unknown);
    assert_eq!(world.stats("orders").messages, 0);
}

#[test]
fn what_was_never_delivered_is_unknown() {
    let mut world = World::default();
    let first = world.publish("orders", Some("k"));
    let second = world.publish("orders", Some("k"));
    let delayed = world.publish_later("orders", None, 500);
    assert_eq!(world.numbers("orders", "g", 10), [first]);
    for number in [second, delayed, 77] {
        assert_eq!(world.ack("orders", "g", number, None), SettleOutcome::Unknown, "{number}");
        assert_eq!(world.nack("orders", "g", number, 0), SettleOutcome::Unknown, "{number}");
        assert_eq!(world.extend("orders", "g", number, 1), SettleOutcome::Unknown, "{number}");
    }
    let ack = QueueCommand::Ack { topic: "none".into(), group: "g".into(), messages: Vec::new() };
    assert_eq!(world.apply(&ack), QueueReply::NoSuchTopic);
    let ack = QueueCommand::Ack { topic: "orders".into(), group: "none".into(), messages: Vec::new() };
    assert_eq!(world.apply(&ack), QueueReply::NoSuchGroup);
}

#[test]
fn an_ack_counts_until_there_is_a_newer_delivery() {
    let mut world = World::default();
    let number = world.publish("orders", None);
    let first = world.consume("orders", "g", 1).remove(0).receipt;
    world.advance(1_000);
    assert!(matches!(world.facts[..], [QueueFact::RedeliveryDue { attempts: 1, .. }]));
    // Nobody else has it: the work was done.
    let mut fork = World {
        shard: world.shard.clone(),
        index: world.index,
        facts: Vec::new(),
        unchecked: world.unchecked,
    };
    assert_eq!(fork.extend("orders", "g", number, 1_000), SettleOutcome::Late, "nothing to extend");
    assert_eq!(fork.nack("orders", "g", number, 0), SettleOutcome::Late, "nothing to give back");
    assert_eq!(fork.ack("orders", "g", number, Some(first)), SettleOutcome::Acknowledged);
    assert!(matches!(fork.facts[..], [QueueFact::Acknowledged { had: Had::Waiting, .. }]));
    assert!(fork.consume("orders", "g", 1).is_empty());
    // Somebody else has it: late, and nothing changed.
    let second = world.consume("orders", "g", 1).remove(0);
    assert_eq!(second.attempt, 2);
    let before = world.shard.clone();
    assert_eq!(world.ack("orders", "g", number, Some(first)), SettleOutcome::Late);
    assert!(world.facts.is_empty() && before == world.shard);
    assert_eq!(world.ack("orders", "g", number, Some(second.receipt)), SettleOutcome::Acknowledged);
    assert_eq!(world.stats("orders").totals.redelivered, 1);
}

#[test]
fn a_nacked_delivery_counts_no_more() {
    let mut world = World::default();
    let number = world.publish("orders", None);
    let receipt = world.consume("orders", "g", 1).remove(0).receipt;
    assert_eq!(world.nack("orders", "g", number, 300), SettleOutcome::Nacked);
    assert_eq!(world.ack("orders", "g", number, Some(receipt)), SettleOutcome::Late);
    assert_eq!(world.ack("orders", "g", number, None), SettleOutcome::Late);
    assert!(world.consume("orders", "g", 1).is_empty(), "its delay runs");
    assert_eq!(world.stats("orders").groups[0].delayed, 1);
    assert_eq!(world.shard.next_deadline(), Some(300));
    world.advance(299);
    assert!(!world.shard.ready("orders", "g"));
    world.advance(300);
    assert!(world.shard.ready("orders", "g"));
    assert_eq!(world.consume("orders", "g", 1).remove(0).attempt, 2);
}

#[test]
fn extend_sets_the_visibility_anew() {
    let mut world = World::default();
    let number = world.publish("orders", None);
    world.consume("orders", "g", 1);
    assert_eq!(world.extend("orders", "g", number, 5_000), SettleOutcome::Extended);
    assert_eq!(world.shard.next_deadline(), Some(5_000));
    world.advance(4_999);
    assert!(!world.shard.ready("orders", "g"));
    assert_eq!(world.extend("orders", "g", number, 0), SettleOutcome::Extended, "also shorter");
    world.advance(4_999);
    assert!(world.shard.ready("orders", "g"));
}

/// The answer may get lost, and the consumer still counts on what it was promised before.
#[test]
fn an_extend_without_a_length_never_cuts_a_promise_short() {
    let mut world = World::default();
    let number = world.publish("orders", None);
    world.consume("orders", "g", 1);
    assert_eq!(world.extend("orders", "g", number, 60_000), SettleOutcome::Extended);
    assert_eq!(world.prolong("orders", "g", number, 5_000), SettleOutcome::Extended);
    assert_eq!(world.shard.next_deadline(), Some(60_000));
    world.advance(57_000);
    assert_eq!(world.prolong("orders", "g", number, 5_000), SettleOutcome::Extended);
    assert_eq!(world.shard.next_deadline(), Some(62_000), "and lengthens");
    world.advance(62_000);
    assert_eq!(world.prolong("orders", "g", number, 5_000), SettleOutcome::Late);
}

#[test]
fn messages_of_a_key_come_one_at_a_time_and_in_order() {
    let mut world = World::default();
    let [a1, a2, b1, free, a3] =
        [Some("a"), Some("a"), Some("b"), None, Some("a")].map(|key| world.publish("orders", key));
    assert_eq!(world.numbers("orders", "g", 10), [a1, b1, free]);
    assert!(!world.shard.ready("orders", "g"), "what is left waits behind its key");
    assert_eq!(world.stats("orders").groups[0].blocked, 2);
    // Through redelivery: the same message again, and before the others.
    assert_eq!(world.nack("orders", "g", a1, 200), SettleOutcome::Nacked);
    assert!(world.numbers("orders", "g", 10).is_empty(), "its delay holds the key");
    world.advance(200);
    assert_eq!(world.numbers("orders", "g", 10), [a1]);
    world.ack("orders", "g", a1, None);
    assert_eq!(world.numbers("orders", "g", 10), [a2]);
    // Dead: it blocks nobody.
    for _ in 0..4 {
        world.nack("orders", "g", a2, 0);
        assert_eq!(world.numbers("orders", "g", 10), [a2]);
    }
    assert_eq!(world.nack("orders", "g", a2, 0), SettleOutcome::DeadLettered);
    assert_eq!(world.numbers("orders", "g", 10), [a3]);
}

#[test]
fn after_its_last_attempt_a_message_is_a_dead_letter() {
    let mut world = World::default();
    let number = world.publish("orders", None);
    for attempt in 1..=5 {
        let delivery = world.consume("orders", "g", 1).remove(0);
        assert_eq!(delivery.attempt, attempt);
        world.advance(world.shard.clock_ms() + 1_000);
    }
    assert!(matches!(
        world.facts[..],
        [QueueFact::DeadLettered { attempts: 5, cause: DeadCause::TimedOut, .. }]
    ));
    assert!(world.consume("orders", "g", 1).is_empty());
    let dead = world.shard.peek_dead("orders", 10).remove(0);
    let letter = dead.dead.unwrap();
    assert_eq!((dead.number, letter.attempts, letter.cause), (number, 5, DeadCause::TimedOut));
    assert_eq!((letter.group.as_str(), letter.dead_at_ms), ("g", 5_000));
    assert_eq!(world.ack("orders", "g", number, None), SettleOutcome::Late);
    // Brought back: attempts are counted anew, and old receipts stay late.
    assert_eq!(
        world.redrive("orders", Some(vec![number, 77])),
        QueueReply::Redriven { redriven: 1, left: 0 }
    );
    assert_eq!(world.ack("orders", "g", number, Some(Receipt { index: 2, n: 0 })), SettleOutcome::Late);
    assert_eq!(world.consume("orders", "g", 1).remove(0).attempt, 1);
    assert_eq!(world.redrive("orders", None), QueueReply::Redriven { redriven: 0, left: 0 });
}

#[test]
fn dead_letters_of_a_key_come_back_in_order() {
    let mut world = World::with(QueueLimits { attempts_max: 1, ..QueueLimits::default() });
    let numbers = [(); 4].map(|()| world.publish("orders", Some("k")));
    assert_eq!([world.kill("orders", "g"), world.kill("orders", "g")], numbers[..2]);
    // The third one is next and nobody has it: it lets the earlier ones pass. Later first, to make it hard.
    world.redrive("orders", Some(vec![numbers[1]]));
    world.redrive("orders", Some(vec![numbers[0]]));
    for number in numbers {
        assert_eq!(world.numbers("orders", "g", 10), [number]);
        world.ack("orders", "g", number, None);
    }
    // One that is in flight does not: the dead one waits behind it.
    let [a, b] = [(); 2].map(|()| world.publish("orders", Some("k")));
    assert_eq!(world.kill("orders", "g"), a);
    assert_eq!(world.numbers("orders", "g", 10), [b]);
    world.redrive("orders", None);
    assert!(world.numbers("orders", "g", 10).is_empty());
    world.ack("orders", "g", b, None);
    assert_eq!(world.numbers("orders", "g", 10), [a]);
}

#[test]
fn above_their_bound_the_oldest_dead_letters_go() {
    let limits = QueueLimits { attempts_max: 1, dead_per_group_max: 2, ..QueueLimits::default() };
    let mut world = World::with(limits);
    let numbers = [(); 3].map(|()| world.publish("orders", None));
    for _ in numbers {
        world.kill("orders", "g");
    }
    let left: Vec<_> = world.shard.peek_dead("orders", 10).iter().map(|dead| dead.number).collect();
    assert_eq!(left, numbers[1..]);
    let stats = world.stats("orders");
    assert_eq!((stats.messages, stats.dead, stats.totals.expired, stats.totals.dead_lettered), (2, 2, 1, 3));
}

#[test]
fn delayed_messages_enter_the_order_when_due() {
    let mut world = World::default();
    let late = world.publish_later("orders", Some("k"), 400);
    let soon = world.publish_later("orders", Some("k"), 200);
    let now = world.publish("orders", Some("k"));
    assert_eq!(world.stats("orders").delayed, 2);
    assert_eq!(world.numbers("orders", "g", 10), [now]);
    world.ack("orders", "g", now, None);
    assert!(!world.shard.ready("orders", "g"));
    let peeked = world.shard.peek("orders", 10);
    let peeked: Vec<_> = peeked.iter().map(|peeked| (peeked.number, peeked.delayed_until_ms)).collect();
    assert_eq!(peeked, [(soon, Some(200)), (late, Some(400))]);
    // One advance for both: in the order of their moments.
    world.advance(1_000);
    assert_eq!(world.numbers("orders", "g", 10), [soon]);
    world.ack("orders", "g", soon, None);
    // A group that begins now has the same order.
    let next = world.publish("orders", Some("k"));
    assert_eq!(world.numbers("orders", "other", 1), [late]);
    assert_eq!(world.numbers("orders", "g", 10), [late]);
    world.ack("orders", "g", late, None);
    assert_eq!(world.numbers("orders", "g", 10), [next]);
}

#[test]
fn groups_read_from_the_earliest_or_the_latest() {
    let mut world = World::default();
    let before = world.publish("orders", None);
    // Nobody reads yet: it stays. A delayed one is still to come, for the latest too.
    let delayed = world.publish_later("orders", None, 100);
    assert_eq!(world.create("orders", "all", StartFrom::Earliest), QueueReply::Group { existed: false });
    assert!(matches!(world.facts[..], [QueueFact::GroupCreated { waiting: 1, .. }]));
    assert_eq!(world.create("orders", "new", StartFrom::Latest), QueueReply::Group { existed: false });
    assert!(matches!(world.facts[..], [QueueFact::GroupCreated { waiting: 0, .. }]));
    assert_eq!(world.create("orders", "all", StartFrom::Latest), QueueReply::Group { existed: true });
    let after = world.publish("orders", None);
    world.advance(100);
    assert_eq!(world.numbers("orders", "all", 10), [before, after, delayed]);
    assert_eq!(world.numbers("orders", "new", 10), [after, delayed]);
    // It goes when the last group has done with it.
    assert_eq!(world.ack("orders", "all", after, None), SettleOutcome::Acknowledged);
    assert_eq!(world.stats("orders").messages, 3);
    assert_eq!(world.ack("orders", "new", before, None), SettleOutcome::Unknown, "it was never its");
    assert_eq!(world.ack("orders", "new", after, None), SettleOutcome::Acknowledged);
    assert_eq!(world.stats("orders").messages, 2);
}

#[test]
fn what_no_group_ever_had_stays_until_retention() {
    let mut world = World::with(QueueLimits { retention_ms: 10_000, ..QueueLimits::default() });
    let before = world.publish("orders", None);
    world.create("orders", "new", StartFrom::Latest);
    assert!(matches!(world.facts[..], [QueueFact::GroupCreated { waiting: 0, .. }]), "{:?}", world.facts);
    let after = world.publish("orders", None);
    assert_eq!(world.numbers("orders", "new", 10), [after]);
    // Nobody ever had the first one: neither an ack, nor a purge, nor an end of the group takes it.
    assert_eq!(world.ack("orders", "new", before, None), SettleOutcome::Unknown, "it was never its");
    assert_eq!(world.ack("orders", "new", after, None), SettleOutcome::Acknowledged);
    world.create("orders", "newer", StartFrom::Latest);
    world.purge("orders", PurgeWhat::All, Some("newer"));
    world.delete("orders", "newer");
    assert_eq!(world.settle_clock(1), 1);
    assert_eq!(world.stats("orders").messages, 1);
    // Whoever comes later and wants it gets it; then it goes.
    assert_eq!(world.numbers("orders", "late", 10), [before]);
    assert_eq!(world.ack("orders", "late", before, None), SettleOutcome::Acknowledged);
    assert!(matches!(world.facts[..], [QueueFact::Acknowledged { freed_bytes: Some(_), .. }]));
    // Or its retention ends, and that is counted.
    world.delete("orders", "late");
    let unread = world.publish("orders", None);
    world.delete("orders", "new");
    world.create("orders", "newest", StartFrom::Latest);
    world.advance(10_001);
    assert_eq!(world.ack("orders", "newest", unread, None), SettleOutcome::Gone(GoneCause::Age));
    let stats = world.stats("orders");
    let left = view::LeftTotals { acknowledged: 2, expired: 1, ..view::LeftTotals::default() };
    assert_eq!((stats.messages, stats.left, stats.totals.published), (0, left, 3));
}

#[test]
fn a_consume_creates_nothing() {
    let mut world = World::default();
    assert_eq!(world.apply(&consume("typo", "g", "Ayu", 1)), QueueReply::NoSuchTopic);
    assert!(world.facts.is_empty() && world.shard == Shard::default());
    world.publish("orders", None);
    let before = world.shard.clone();
    assert_eq!(world.apply(&consume("orders", "typo", "Ayu", 1)), QueueReply::NoSuchGroup);
    assert!(world.facts.is_empty() && world.shard == before);
}

#[test]
fn age_counts_from_the_moment_at_which_a_message_is_due() {
    let mut world = World::with(QueueLimits { retention_ms: 1_000, ..QueueLimits::default() });
    // Longer than the retention.
    let late = world.publish_later("orders", None, 5_000);
    let given_back = world.publish("orders", None);
    let plain = world.publish("orders", None);
    assert_eq!(world.numbers("orders", "g", 1), [given_back]);
    assert_eq!(world.nack("orders", "g", given_back, 3_000), SettleOutcome::Nacked);
    world.settle_clock(1_000);
    assert_eq!(world.ack("orders", "g", plain, None), SettleOutcome::Gone(GoneCause::Age));
    assert_eq!(world.stats("orders").totals.expired, 1);
    world.settle_clock(3_000);
    assert_eq!(world.numbers("orders", "g", 10), [given_back]);
    world.settle_clock(4_000);
    assert_eq!(world.ack("orders", "g", given_back, None), SettleOutcome::Gone(GoneCause::Age));
    world.settle_clock(5_999);
    assert_eq!(world.stats("orders").oldest_age_ms, Some(999), "it counts from the end of the delay");
    assert_eq!(world.numbers("orders", "g", 10), [late]);
    world.settle_clock(6_000);
    assert_eq!((world.stats("orders").messages, world.stats("orders").totals.expired), (0, 3));
    assert_eq!(world.shard.next_deadline(), None);
}

#[test]
fn what_is_gone_says_why() {
    let limits =
        QueueLimits { attempts_max: 1, dead_per_group_max: 1, retention_ms: 9_000, ..QueueLimits::default() };
    let mut world = World::with(limits);
    world.publish("orders", None);
    world.create("orders", "other", StartFrom::Earliest);
    let first = world.kill("orders", "g");
    world.publish("orders", None);
    let second = world.kill("orders", "g");
    // Above the bound of dead letters, while another group has it still.
    assert_eq!(world.ack("orders", "g", first, None), SettleOutcome::Gone(GoneCause::DeadLetters));
    assert_eq!(world.ack("orders", "g", second, None), SettleOutcome::Late);
    let purged = world.publish("orders", None);
    world.consume("orders", "g", 1);
    world.purge("orders", PurgeWhat::All, Some("g"));
    assert_eq!(world.ack("orders", "g", purged, None), SettleOutcome::Gone(GoneCause::Purged));
    let mut fork = World {
        shard: world.shard.clone(),
        index: world.index,
        facts: Vec::new(),
        unchecked: world.unchecked,
    };
    fork.purge("orders", PurgeWhat::All, None);
    assert_eq!(fork.ack("orders", "other", purged, None), SettleOutcome::Gone(GoneCause::Purged));
    world.settle_clock(9_000);
    for number in [first, second, purged] {
        assert!(matches!(world.ack("orders", "other", number, None), SettleOutcome::Gone(GoneCause::Age)));
    }
    assert_eq!(world.ack("orders", "g", 9_999, None), SettleOutcome::Unknown, "that never was");
    let group = &world.stats("orders").groups[0];
    assert_eq!((group.left.expired, group.left.purged), (1, 2), "{group:?}");
}

#[test]
fn a_delivery_that_never_arrived_is_no_attempt() {
    let mut world = World::with(QueueLimits { attempts_max: 2, ..QueueLimits::default() });
    let number = world.publish("orders", Some("k"));
    world.publish("orders", Some("k"));
    for _ in 0..5 {
        let delivery = world.consume("orders", "g", 10).remove(0);
        assert_eq!((delivery.number, delivery.attempt), (number, 1));
        assert_eq!(world.give_back("orders", "g", number), SettleOutcome::Nacked);
        assert!(
            matches!(world.facts[..], [QueueFact::Returned { attempts: 0, .. }, ..]),
            "{:?}",
            world.facts
        );
        assert_eq!(world.ack("orders", "g", number, Some(delivery.receipt)), SettleOutcome::Late);
    }
    assert_eq!(world.give_back("orders", "g", number), SettleOutcome::Unknown, "nobody has it");
    assert_eq!(world.stats("orders").left.returned, 5);
    // Only where the bound was lowered meanwhile is it the end, and that has its own cause.
    world.consume("orders", "g", 1);
    world.nack("orders", "g", number, 0);
    assert_eq!(world.consume("orders", "g", 1).remove(0).attempt, 2);
    world.apply(&QueueCommand::SetLimits {
        limits: QueueLimits { attempts_max: 1, ..QueueLimits::default() },
    });
    assert_eq!(world.give_back("orders", "g", number), SettleOutcome::DeadLettered);
    let letter = world.shard.peek_dead("orders", 1).remove(0).dead.unwrap();
    assert_eq!((letter.attempts, letter.cause), (1, DeadCause::HungUp));
}

#[test]
fn deleting_a_group_frees_what_only_it_wanted() {
    let mut world = World::default();
    let numbers = [(); 3].map(|()| world.publish("orders", None));
    world.create("orders", "slow", StartFrom::Earliest);
    world.consume("orders", "fast", 2);
    world.ack("orders", "fast", numbers[0], None);
    assert_eq!(world.stats("orders").messages, 3);
    assert_eq!(world.delete("orders", "slow"), QueueReply::GroupDeleted);
    assert!(matches!(world.facts[..], [QueueFact::GroupDeleted { .. }, QueueFact::Freed { freed: 1, .. }]));
    assert_eq!(world.stats("orders").messages, 2);
    assert_eq!(world.delete("orders", "slow"), QueueReply::NoSuchGroup);
    // Without any group they stay for the next one, in flight or not.
    world.delete("orders", "fast");
    assert_eq!(world.numbers("orders", "next", 10), numbers[1..]);
    // A topic without messages and groups is gone.
    world.purge("orders", PurgeWhat::All, None);
    world.delete("orders", "next");
    assert_eq!(world.shard.topics().count(), 0);
    assert_eq!(world.delete("orders", "next"), QueueReply::NoSuchTopic);
}

#[test]
fn messages_expire_by_age_whoever_has_them() {
    let mut world = World::with(QueueLimits { retention_ms: 10_000, ..QueueLimits::default() });
    let flying = world.publish("orders", Some("k"));
    world.advance(500);
    let blocked = world.publish("orders", Some("k"));
    let delayed = world.publish_later("orders", None, 60_000);
    let receipt = world.consume("orders", "g", 1).remove(0).receipt;
    world.extend("orders", "g", flying, 50_000);
    assert_eq!(world.shard.next_deadline(), Some(10_000));
    world.advance(10_000);
    match &world.facts[..] {
        [QueueFact::Expired { number, cause: ExpiryCause::Age, had, delayed: false, .. }] => {
            assert_eq!((*number, &had[..]), (flying, &[("g".into(), Had::InFlight)][..]));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.ack("orders", "g", flying, Some(receipt)), SettleOutcome::Gone(GoneCause::Age));
    assert_eq!(world.numbers("orders", "g", 10), [blocked], "its key is free");
    world.advance(10_500);
    assert_eq!((world.stats("orders").totals.expired, world.stats("orders").delayed), (2, 1));
    // The delayed one counts from the end of its delay.
    world.settle_clock(60_500);
    assert!(world.shard.ready("orders", "g"));
    world.settle_clock(70_500);
    assert_eq!(world.ack("orders", "g", delayed, None), SettleOutcome::Gone(GoneCause::Age));
    assert_eq!((world.stats("orders").messages, world.shard.next_deadline()), (0, None));
}

#[test]
fn the_oldest_messages_expire_above_the_bytes_that_are_kept() {
    let mut world = World::with(QueueLimits { retention_bytes: Some(21), ..QueueLimits::default() });
    let numbers = [(); 4].map(|()| world.publish("orders", None));
    assert!(matches!(world.facts[1..], [QueueFact::Expired { cause: ExpiryCause::Bytes, .. }]));
    assert_eq!((world.stats("orders").bytes, world.stats("orders").totals.expired), (21, 1));
    assert_eq!(world.numbers("orders", "g", 10), numbers[1..]);
    // A smaller bound is met at the clock's next advance, which is due at once.
    world.apply(&QueueCommand::SetLimits {
        limits: QueueLimits { retention_bytes: Some(7), ..QueueLimits::default() },
    });
    assert_eq!(world.shard.next_deadline(), Some(0));
    world.advance(0);
    assert_eq!(world.stats("orders").messages, 1);
}

#[test]
fn purge_takes_what_it_says() {
    let mut world = World::with(QueueLimits { attempts_max: 1, ..QueueLimits::default() });
    let start = |world: &mut World| {
        world.publish("orders", None);
        let dead = world.kill("orders", "g");
        let flying = world.publish("orders", Some("k"));
        assert_eq!(world.numbers("orders", "g", 1), [flying]);
        world.publish("orders", Some("k"));
        world.publish("orders", None);
        world.publish_later("orders", None, 60_000);
        (dead, flying)
    };
    let (dead, flying) = start(&mut world);
    let base = world.shard.clone();
    let counts = |world: &World| {
        let stats = world.stats("orders");
        (stats.groups[0].waiting, stats.in_flight, stats.dead, stats.delayed, stats.messages)
    };
    assert_eq!(counts(&world), (2, 1, 1, 1, 5));
    let cases = [
        (PurgeWhat::Ready, Some("g"), 2, (0, 1, 1, 1, 3)),
        (PurgeWhat::Ready, None, 2, (0, 1, 1, 1, 3)),
        (PurgeWhat::Dead, None, 1, (2, 1, 0, 1, 4)),
        (PurgeWhat::All, Some("g"), 4, (0, 0, 0, 1, 1)),
        (PurgeWhat::All, None, 5, (0, 0, 0, 0, 0)),
    ];
    for (what, group, purged, left) in cases {
        world.shard = base.clone();
        let reply = world.purge("orders", what, group);
        assert_eq!(reply, QueueReply::Purged { purged, more: false }, "{what:?} {group:?}");
        assert_eq!(counts(&world), left, "{what:?} {group:?}");
    }
    assert_eq!(world.ack("orders", "g", flying, None), SettleOutcome::Gone(GoneCause::Purged));
    assert_eq!(world.ack("orders", "g", dead, None), SettleOutcome::Gone(GoneCause::Purged));
    // Another group has what is purged for one.
    world.shard = base;
    world.create("orders", "other", StartFrom::Earliest);
    assert_eq!(
        world.purge("orders", PurgeWhat::Ready, Some("g")),
        QueueReply::Purged { purged: 2, more: false }
    );
    assert_eq!(world.stats("orders").messages, 5);
    assert_eq!(world.stats("orders").groups[1].waiting, 4);
    assert_eq!(world.purge("none", PurgeWhat::All, None), QueueReply::NoSuchTopic);
    assert_eq!(world.purge("orders", PurgeWhat::All, Some("none")), QueueReply::NoSuchGroup);
}

#[test]
fn a_retried_consume_gets_what_is_still_in_flight_under_its_receipts() {
    let mut world = World::default();
    let numbers = [(); 4].map(|()| world.publish("orders", None));
    world.create("orders", "g", StartFrom::Earliest);
    let command = consume("orders", "g", "Ayu", 4);
    let first = world.apply(&command);
    let QueueReply::Deliveries { messages, .. } = &first else { panic!("{first:?}") };
    let remembered = first.remembered();
    let encoded = postcard::to_stdvec(&remembered).unwrap().len();
    assert!(encoded < 4 * 8, "four deliveries are remembered in {encoded} bytes");
    // One is acknowledged, one given back and one given to somebody else.
    world.ack("orders", "g", numbers[0], None);
    world.nack("orders", "g", numbers[1], 50);
    world.nack("orders", "g", numbers[2], 0);
    world.consume("orders", "g", 1);
    let before = world.shard.clone();
    let again = world.shard.replay(&command, remembered.clone(), &mut Step::default());
    assert_eq!(again, QueueReply::Deliveries { messages: vec![messages[3].clone()], more: false });
    assert!(before == world.shard);
    world.advance(1_000);
    let over = world.shard.replay(&command, remembered, &mut Step::default());
    assert_eq!(over, QueueReply::Deliveries { messages: Vec::new(), more: true });
    // Every other answer is remembered as it was.
    let reply = QueueReply::Published { number: 7, delayed_until_ms: None };
    assert_eq!(reply.remembered(), reply);
    assert_eq!(
        world.shard.replay(&publish("orders", None, b"1", 0), reply.clone(), &mut Step::default()),
        reply
    );
}

#[test]
fn facts_carry_a_short_beginning_and_no_payload() {
    let mut world = World::default();
    // A character that the bound would cut.
    let long = format!("\"{}é{}\"", "a".repeat(62), "b".repeat(500));
    world.apply(&publish("orders", Some("k"), long.as_bytes(), 0));
    let preview = match &world.facts[..] {
        [QueueFact::Published { preview, bytes, .. }] => {
            assert_eq!(*bytes, long.len() as u64 + 1);
            preview.clone()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(preview, format!("\"{}", "a".repeat(62)));
    let json = serde_json::to_string(&world.facts).unwrap();
    assert!(json.starts_with("[{\"published\":{\"topic\":\"orders\",\"number\":1,\"key\":\"k\""), "{json}");
    world.consume("orders", "g", 1);
    let json = serde_json::to_string(&world.facts).unwrap();
    assert!(json.contains("\"receipt\":\"r3-0\""), "{json}");
}

#[test]
fn dead_letter_topics_have_names() {
    assert_eq!(dead_letters_of("orders.dead"), Some("orders"));
    assert_eq!(dead_letters_of("orders"), None);
    assert_eq!(dead_letters_of(".dead"), None);
}
