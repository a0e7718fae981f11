//! A shard's machine: its queues, once only, in snapshots.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use orrery_base::ids::GroupId;
use orrery_base::key::{IdempotencyKey, RequestKey};
use orrery_machine::{Applied, Command, Machine, Mutation, Reply, ServiceFact};
use orrery_queue::{Handle, QueueCommand, QueueFact, QueueReply, StartFrom};

/// A shard's log as it is applied.
struct Shard {
    machine: Machine,
    index: u64,
}

fn key(number: u64) -> Option<RequestKey> {
    Some(IdempotencyKey { client: "Ayu".into(), number }.into())
}

fn publish(message: &str, wall_ms: u64) -> QueueCommand {
    let message = Bytes::copy_from_slice(message.as_bytes());
    QueueCommand::Publish { topic: "t".into(), key: Some("k".into()), message, delay_ms: 0, wall_ms }
}

fn consume(max: u32) -> QueueCommand {
    let (topic, group, consumer) = ("t".into(), "g".into(), "Budi".into());
    QueueCommand::Consume { topic, group, consumer, max, visibility_ms: 1_000 }
}

impl Shard {
    fn new() -> Self {
        Shard { machine: Machine::of(GroupId(3)), index: 9 }
    }

    fn apply(&mut self, key: Option<RequestKey>, mutation: Mutation) -> Applied {
        self.index += 1;
        self.machine.apply(self.index, &Command { key, mutation })
    }

    fn queue(&mut self, number: u64, command: QueueCommand) -> QueueReply {
        match self.apply(key(number), Mutation::Queue(command)).reply {
            Reply::Queue(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn restored(&self) -> Machine {
        Machine::decode(&self.machine.encode()).unwrap()
    }
}

#[test]
fn a_retry_of_a_publish_is_the_same_one_whoever_took_it() {
    let mut shard = Shard::new();
    let first = shard.queue(1, publish("1", 1_000));
    assert_eq!(first, QueueReply::Published { number: 10, delayed_until_ms: None });
    assert_eq!(shard.queue(1, publish("1", 2_000)), first, "another node has another wall clock");
    let other = shard.apply(key(1), Mutation::Queue(publish("2", 1_000)));
    assert_eq!((other.reply, other.facts), (Reply::KeyReused, Vec::new()));
    assert_eq!(shard.machine.queue().unwrap().stats_of("t").unwrap().totals.published, 1);
}

#[test]
fn a_retry_of_a_consume_has_its_payloads_and_one_in_vain_is_not_remembered() {
    let mut shard = Shard::new();
    let (topic, group) = ("t".into(), "g".into());
    shard.queue(9, QueueCommand::CreateGroup { topic, group, from: StartFrom::Earliest });
    let nothing = QueueReply::Deliveries { messages: Vec::new(), more: false };
    assert_eq!(shard.queue(1, consume(1)), nothing);
    assert!(!shard.machine.remembers(&key(1).unwrap().shown()));
    shard.queue(2, publish("1", 0));
    let first = shard.queue(1, consume(1));
    let QueueReply::Deliveries { messages, .. } = &first else { panic!("{first:?}") };
    assert_eq!((messages.len(), &messages[0].message[..]), (1, &b"1"[..]));
    assert!(shard.machine.remembers(&key(1).unwrap().shown()));
    assert_eq!(shard.queue(1, consume(1)), first);
    // Also from what a snapshot keeps, which is no payload.
    shard.machine = shard.restored();
    assert_eq!(shard.queue(1, consume(1)), first);
    let handle = Handle { number: messages[0].number, receipt: Some(messages[0].receipt) };
    let (topic, group, messages) = ("t".into(), "g".into(), vec![handle]);
    shard.queue(3, QueueCommand::Ack { topic, group, messages });
    assert_eq!(shard.queue(1, consume(1)), nothing, "what is settled is not delivered again");
}

#[test]
fn who_waits_is_woken_by_what_becomes_ready() {
    let mut shard = Shard::new();
    let (topic, group) = ("t".into(), "g".into());
    shard.queue(1, QueueCommand::CreateGroup { topic, group, from: StartFrom::Earliest });
    let applied = shard.apply(key(2), Mutation::Queue(publish("1", 0)));
    assert_eq!(applied.woken, [("t".into(), "g".into())].into());
    assert!(matches!(applied.facts[..], [ServiceFact::Queue(QueueFact::Published { .. })]));
    shard.queue(3, consume(1));
    assert_eq!(shard.machine.next_deadline(), Some(1_000), "the end of the visibility");
    let applied = shard.apply(None, Mutation::AdvanceClock { to_ms: 1_000 });
    assert_eq!(applied.woken, [("t".into(), "g".into())].into());
    assert_eq!(shard.machine.clock_ms(), 1_000);
}

#[test]
fn the_control_group_has_no_queues() {
    let mut machine = Machine::of(GroupId::CONTROL);
    let command = Command { key: key(1), mutation: Mutation::Queue(publish("1", 0)) };
    assert_eq!(machine.apply(1, &command).reply, Reply::Misplaced);
    assert!(machine.queue().is_none());
}

#[test]
fn a_snapshot_in_the_middle_changes_nothing_after_it() {
    let mut shard = Shard::new();
    for n in 0..50 {
        shard.queue(n, publish(&n.to_string(), n));
    }
    let (topic, group) = ("t".into(), "g".into());
    shard.queue(99, QueueCommand::CreateGroup { topic, group, from: StartFrom::Earliest });
    shard.queue(100, consume(3));
    shard.apply(None, Mutation::AdvanceClock { to_ms: 400 });
    let mut other = Shard { machine: shard.restored(), index: shard.index };
    assert_eq!(other.machine, shard.machine);
    for command in [consume(2), publish("x", 1), consume(9)] {
        let mutation = Mutation::Queue(command);
        assert_eq!(shard.apply(None, mutation.clone()), other.apply(None, mutation));
    }
    let clock = Mutation::AdvanceClock { to_ms: 5_000 };
    assert_eq!(shard.apply(None, clock.clone()), other.apply(None, clock));
    assert_eq!(other.machine, shard.machine);
}

#[test]
fn a_refusal_is_known_beforehand_unless_the_key_is() {
    let mut shard = Shard::new();
    let refusal = |shard: &Shard, number| {
        let mutation = Mutation::Queue(consume(1));
        shard.machine.refusal(&Command { key: key(number), mutation }, 0)
    };
    assert_eq!(refusal(&shard, 1), Some(Reply::Queue(QueueReply::NoSuchTopic)));
    assert_eq!(shard.queue(1, consume(1)), QueueReply::NoSuchTopic);
    assert!(!shard.machine.remembers(&key(1).unwrap().shown()), "it may be tried again");
    shard.queue(2, publish("1", 0));
    assert_eq!(refusal(&shard, 1), Some(Reply::Queue(QueueReply::NoSuchGroup)));
    let (topic, group) = ("t".into(), "g".into());
    shard.queue(3, QueueCommand::CreateGroup { topic, group, from: StartFrom::Earliest });
    assert_eq!(refusal(&shard, 1), None);
    let (topic, group) = ("t".into(), "g".into());
    shard.queue(4, QueueCommand::DeleteGroup { topic, group });
    let (topic, group) = ("t".into(), "g".into());
    let delete = Mutation::Queue(QueueCommand::DeleteGroup { topic, group });
    let again = |number| Command { key: key(number), mutation: delete.clone() };
    assert_eq!(shard.machine.refusal(&again(4), 0), None, "a retry is told the first outcome");
    assert_eq!(shard.machine.refusal(&again(5), 0), Some(Reply::Queue(QueueReply::NoSuchGroup)));
}
