//! Random histories of a shard's queues against a naive model, and what must hold after every command.
#![allow(clippy::unwrap_used)]

mod model;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use model::ledger::Ledger;
use model::watched::Watched;
use model::{Has, Model, limit_reached};
use orrery_queue::snapshot::QueueRecord;
use orrery_queue::*;
use proptest::prelude::*;

const TOPICS: [&str; 3] = ["orders", "mail", "logs"];
const GROUPS: [&str; 4] = ["billing", "audit", "search", "late"];
const CONSUMERS: [&str; 3] = ["Ayu", "Budi", "Citra"];
const KEYS: [&str; 2] = ["k1", "k2"];
/// Few meet more often.
const FEW: usize = 2;

/// One move. Numbers and receipts are picked from what is there when it is made.
#[derive(Clone, Debug)]
enum Move {
    Publish { topic: usize, key: Option<usize>, delay: u64, bytes: usize },
    Consume { topic: usize, group: usize, consumer: usize, max: u32, visibility: u64 },
    Settle { topic: usize, group: usize, how: How, pick: Vec<(usize, u8)> },
    Create { topic: usize, group: usize, latest: bool },
    Delete { topic: usize, group: usize },
    Redrive { topic: usize, group: Option<usize>, some: Option<usize> },
    Purge { topic: usize, group: Option<usize>, what: u8 },
    Limits { which: usize },
    Advance { by: u64 },
    ToDeadline,
    Retry { which: usize },
    Snapshot,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Ack,
    Nack(u64),
    Extend(u64),
    Prolong(u64),
    GiveBack,
}

fn limits(which: usize) -> QueueLimits {
    let usual = QueueLimits {
        topics_max: 2,
        groups_per_topic_max: 3,
        depth_per_topic_max: 12,
        in_flight_per_consumer_max: 4,
        attempts_max: 3,
        dead_per_group_max: 2,
        retention_ms: 20_000,
        ..QueueLimits::default()
    };
    match which {
        0 => usual,
        1 => QueueLimits { attempts_max: 1, dead_per_group_max: 20, retention_ms: 9_000, ..usual },
        2 => QueueLimits { retention_bytes: Some(120), retention_ms: 1 << 50, ..usual },
        _ => QueueLimits { dead_per_group_max: 1, topics_max: 3, ..usual },
    }
}

fn a_move() -> impl Strategy<Value = Move> {
    let topic = prop_oneof![8 => Just(0_usize), 2 => Just(1), 1 => Just(2)];
    let group = prop_oneof![6 => Just(0_usize), 3 => Just(1), 1 => Just(2), 1 => Just(3)];
    let some_group = prop::option::of(0..FEW);
    let how = prop_oneof![
        4 => Just(How::Ack),
        3 => prop_oneof![Just(0), 100..3_000_u64].prop_map(How::Nack),
        1 => (100..5_000_u64).prop_map(How::Extend),
        1 => (100..5_000_u64).prop_map(How::Prolong),
        2 => Just(How::GiveBack),
    ];
    prop_oneof![
        14 => (topic.clone(), prop::option::weighted(0.6, 0..KEYS.len()), prop_oneof![4 => Just(0), 1 => 100..4_000_u64], 1..40_usize)
            .prop_map(|(topic, key, delay, bytes)| Move::Publish { topic, key, delay, bytes }),
        14 => (topic.clone(), group.clone(), 0..CONSUMERS.len(), 0..6_u32, 200..4_000_u64).prop_map(
            |(topic, group, consumer, max, visibility)| Move::Consume { topic, group, consumer, max, visibility }
        ),
        14 => (topic.clone(), group.clone(), how, prop::collection::vec((any::<usize>(), any::<u8>()), 1..4))
            .prop_map(|(topic, group, how, pick)| Move::Settle { topic, group, how, pick }),
        5 => (topic.clone(), group.clone(), prop::bool::weighted(0.3))
            .prop_map(|(topic, group, latest)| Move::Create { topic, group, latest }),
        1 => (topic.clone(), group).prop_map(|(topic, group)| Move::Delete { topic, group }),
        2 => (topic.clone(), some_group.clone(), prop::option::of(any::<usize>()))
            .prop_map(|(topic, group, some)| Move::Redrive { topic, group, some }),
        1 => (topic, some_group, 0..6_u8).prop_map(|(topic, group, what)| Move::Purge { topic, group, what }),
        1 => (0..4_usize).prop_map(|which| Move::Limits { which }),
        5 => (0..1_500_u64).prop_map(|by| Move::Advance { by }),
        4 => Just(Move::ToDeadline),
        3 => any::<usize>().prop_map(|which| Move::Retry { which }),
        1 => Just(Move::Snapshot),
    ]
}

struct Run {
    shard: Shard,
    twin: Shard,
    model: Model,
    watched: Watched,
    ledger: Ledger,
    index: u64,
    receipts: Vec<(u64, Receipt)>,
    consumed: Vec<(QueueCommand, QueueReply)>,
}

impl Run {
    fn new() -> Run {
        let mut run = Run {
            shard: Shard::default(),
            twin: Shard::default(),
            model: Model::default(),
            watched: Watched::new(),
            ledger: Ledger::default(),
            index: 0,
            receipts: Vec::new(),
            consumed: Vec::new(),
        };
        run.command(&QueueCommand::SetLimits { limits: limits(0) });
        run
    }

    fn play(&mut self, step: &Move) {
        match step {
            Move::Advance { by } => self.advance(self.model.clock + by),
            Move::ToDeadline => {
                if let Some(at) = self.model.next_deadline().filter(|at| *at < 1_000_000) {
                    self.advance(at);
                }
            }
            Move::Snapshot => self.snapshot(),
            Move::Retry { which } if !self.consumed.is_empty() => {
                let (command, reply) = self.consumed[which % self.consumed.len()].clone();
                self.retry(&command, &reply);
            }
            Move::Retry { .. } => {}
            other => {
                let command = self.command_of(other);
                self.command(&command);
            }
        }
        self.check();
    }

    fn command_of(&self, step: &Move) -> QueueCommand {
        let topic_name = |at: &usize| TopicName::from(TOPICS[*at]);
        let group_name = |at: &usize| ConsumerGroup::from(GROUPS[*at]);
        match step {
            Move::Publish { topic, key, delay, bytes } => {
                let message = Bytes::from(format!("\"{}\"", "x".repeat(*bytes)));
                let (topic, key) = (topic_name(topic), key.map(|at| KEYS[at].into()));
                QueueCommand::Publish { topic, key, message, delay_ms: *delay, wall_ms: self.index + 1 }
            }
            Move::Consume { topic, group, consumer, max, visibility } => QueueCommand::Consume {
                topic: topic_name(topic),
                group: group_name(group),
                consumer: CONSUMERS[*consumer].into(),
                max: *max,
                visibility_ms: *visibility,
            },
            Move::Settle { topic, group, how, pick } => {
                let messages = pick.iter().map(|pick| self.handle(pick, TOPICS[*topic])).collect();
                let (topic, group) = (topic_name(topic), group_name(group));
                match *how {
                    How::Ack => QueueCommand::Ack { topic, group, messages },
                    How::GiveBack => QueueCommand::GiveBack { topic, group, messages },
                    How::Nack(delay_ms) => QueueCommand::Nack { topic, group, messages, delay_ms },
                    How::Prolong(visibility_ms) => {
                        QueueCommand::Prolong { topic, group, messages, visibility_ms }
                    }
                    How::Extend(visibility_ms) => {
                        QueueCommand::Extend { topic, group, messages, visibility_ms }
                    }
                }
            }
            Move::Create { topic, group, latest } => {
                let from = if *latest { StartFrom::Latest } else { StartFrom::Earliest };
                QueueCommand::CreateGroup { topic: topic_name(topic), group: group_name(group), from }
            }
            Move::Delete { topic, group } => {
                QueueCommand::DeleteGroup { topic: topic_name(topic), group: group_name(group) }
            }
            Move::Redrive { topic, group, some } => {
                let numbers = some.map(|at| {
                    let topic = self.model.topics.get(TOPICS[*topic]);
                    let dead = topic.map(|topic| topic.dead(GROUPS[0])).unwrap_or_default();
                    dead.get(at % dead.len().max(1)).copied().into_iter().chain([77]).collect()
                });
                QueueCommand::Redrive {
                    topic: topic_name(topic),
                    group: group.as_ref().map(group_name),
                    numbers,
                }
            }
            Move::Purge { topic, group, what } => {
                let what = match what {
                    0..=2 => PurgeWhat::Ready,
                    3..=4 => PurgeWhat::Dead,
                    _ => PurgeWhat::All,
                };
                QueueCommand::Purge { topic: topic_name(topic), what, group: group.as_ref().map(group_name) }
            }
            Move::Limits { which } => QueueCommand::SetLimits { limits: limits(*which) },
            other => panic!("no command: {other:?}"),
        }
    }

    /// A delivery that was made once (mostly a late one), or a message that is there, with or without a receipt.
    fn handle(&self, (at, how): &(usize, u8), topic: &str) -> Handle {
        let made = self.receipts.len().min(6);
        let recent = &self.receipts[self.receipts.len() - made..];
        if how % 8 > 1 && made > 0 {
            let (number, receipt) = recent[at % made];
            return Handle { number, receipt: (how % 8 > 3).then_some(receipt) };
        }
        let there = self.model.topics.get(topic).map_or(&[][..], |topic| &topic.messages);
        let number = there.get(at % there.len().max(1)).map_or(99_999, |message| message.number);
        let receipt = recent.first().map(|(_, receipt)| *receipt);
        Handle { number, receipt: receipt.filter(|_| how % 8 == 1) }
    }

    fn command(&mut self, command: &QueueCommand) -> QueueReply {
        let claimable = self.claimable();
        self.index += 1;
        let mut step = Step { index: self.index, ..Step::default() };
        let mut reply = self.shard.apply(command, &mut step);
        let mut twin = Step { index: self.index, ..Step::default() };
        assert_eq!(self.twin.apply(command, &mut twin), reply, "the same everywhere");
        let mut expected = self.model.apply(self.index, command);
        if let QueueReply::Deliveries { messages, more } = &mut reply {
            self.receipts.extend(messages.iter().map(|delivery| (delivery.number, delivery.receipt)));
            if *more {
                expected = match expected {
                    QueueReply::Deliveries { messages, .. } => {
                        QueueReply::Deliveries { messages, more: true }
                    }
                    other => other,
                };
            }
            let again = QueueReply::Deliveries { messages: messages.clone(), more: *more };
            self.consumed.push((command.clone(), again.remembered()));
        }
        if matches!(reply, QueueReply::LimitReached { .. }) {
            reply = limit_reached();
            assert!(step.facts.is_empty());
        }
        assert_eq!(reply, expected, "{command:?}");
        self.facts(&step, &twin);
        self.woken(&claimable, &step);
        reply
    }

    fn advance(&mut self, to: u64) {
        let claimable = self.claimable();
        self.index += 1;
        let mut step = Step { index: self.index, ..Step::default() };
        self.shard.advance_clock(to, &mut step);
        let mut twin = Step { index: self.index, ..Step::default() };
        self.twin.advance_clock(to, &mut twin);
        self.model.advance(to);
        self.facts(&step, &twin);
        self.woken(&claimable, &step);
    }

    fn facts(&mut self, step: &Step, twin: &Step) {
        assert_eq!(step.facts, twin.facts, "the same facts everywhere");
        assert_eq!(step.woken, twin.woken);
        self.shard.assert_consistent();
        self.watched.hear(step.index, self.shard.clock_ms(), &step.facts);
        for fact in &step.facts {
            self.ledger.note(fact, self.model.limits.attempts_max.max(3));
        }
    }

    /// What each group could claim.
    fn claimable(&self) -> BTreeMap<(TopicName, ConsumerGroup), Vec<u64>> {
        let mut all = BTreeMap::new();
        for (name, topic) in &self.model.topics {
            for group in topic.groups.keys() {
                all.insert((name.as_str().into(), group.as_str().into()), topic.claimable(group));
            }
        }
        all
    }

    /// Whoever can claim something new was told, and whoever can claim anything sees it.
    fn woken(&self, before: &BTreeMap<(TopicName, ConsumerGroup), Vec<u64>>, step: &Step) {
        for (id, now) in self.claimable() {
            let new = before.get(&id).is_some_and(|had| now.iter().any(|number| !had.contains(number)));
            assert!(!new || step.woken.contains(&id), "nobody was told that {id:?} may go on");
            assert!(now.is_empty() || self.shard.ready(&id.0, &id.1), "{id:?} is ready");
        }
    }

    /// The same consume again: what is in flight under its receipts still.
    fn retry(&mut self, command: &QueueCommand, remembered: &QueueReply) {
        let (QueueReply::Claimed { messages }, QueueCommand::Consume { topic, group, .. }) =
            (remembered, command)
        else {
            panic!("not what is remembered of a consume: {remembered:?}");
        };
        let mut step = Step { index: self.index, ..Step::default() };
        let QueueReply::Deliveries { messages: again, .. } =
            self.shard.replay(command, remembered.clone(), &mut step)
        else {
            panic!("deliveries are replayed as deliveries");
        };
        assert!(step.facts.is_empty());
        let there = self.model.topics.get(topic.as_str()).map_or(&[][..], |topic| &topic.messages);
        let expected: Vec<_> = messages
            .iter()
            .filter_map(|claimed| {
                let message = there.iter().find(|message| message.number == claimed.number)?;
                let share = message.share(group);
                let Has::InFlight { until, .. } = share.has else { return None };
                let current = share.receipt == Some(claimed.receipt);
                current.then(|| (claimed.number, claimed.attempt, message.message.clone(), until))
            })
            .collect();
        let again: Vec<_> =
            again.into_iter().map(|d| (d.number, d.attempt, d.message, d.visible_at_ms)).collect();
        assert_eq!(again, expected);
    }

    fn snapshot(&mut self) {
        let mut restored = Shard::default();
        for record in self.shard.records() {
            let bytes = postcard::to_stdvec(&record).unwrap();
            restored.restore(postcard::from_bytes::<QueueRecord>(&bytes).unwrap()).unwrap();
        }
        assert!(restored == self.shard, "a snapshot loses nothing");
        self.shard = restored;
        self.watched.change_leader(self.index, &self.shard);
    }

    fn check(&self) {
        assert!(self.shard == self.twin, "replicas are equal");
        let stats = self.shard.stats();
        assert_eq!(stats.len(), self.model.topics.len());
        let (found, expected) = (self.shard.next_deadline(), self.model.next_deadline());
        if self.model.has_postponed() {
            assert!(found.is_some() && found <= expected, "{found:?} {expected:?}");
        } else {
            assert_eq!(found, expected);
        }
        for stats in &stats {
            let topic = &self.model.topics[stats.topic.as_str()];
            assert_eq!(stats.messages, topic.messages.len() as u64);
            assert_eq!(stats.bytes, topic.messages.iter().map(model::Message::bytes).sum::<u64>());
            assert_eq!(stats.delayed, topic.messages.iter().filter(|m| m.due.is_some()).count() as u64);
            assert_eq!((stats.totals, stats.left), (topic.totals, topic.left));
            // Everything that was published is here, or is counted under what took it.
            assert_eq!(stats.totals.published, stats.messages + stats.left.messages());
            let due = topic.messages.iter().filter(|message| message.due.is_none());
            let oldest = due.map(|message| self.model.clock - message.since).max();
            assert_eq!(stats.oldest_age_ms, oldest);
            assert_eq!(stats.groups.len(), topic.groups.len());
            stats.groups.iter().for_each(|group| self.check_group(stats, group));
        }
        self.watched.check(&self.shard);
        self.check_views();
    }

    fn check_group(&self, stats: &TopicStats, group: &view::GroupStats) {
        let topic = &self.model.topics[stats.topic.as_str()];
        let (mut waiting, mut later, mut in_flight, mut dead) = (0, 0, 0, 0);
        for message in topic.messages.iter().filter(|message| message.due.is_none()) {
            match message.share(&group.group).has {
                Has::Ready => waiting += 1,
                Has::Later { .. } => later += 1,
                Has::InFlight { .. } => in_flight += 1,
                Has::Dead { .. } => dead += 1,
                Has::Done | Has::Skipped => {}
            }
        }
        assert_eq!((group.waiting, group.delayed), (waiting + later, later), "{group:?}");
        assert_eq!((group.in_flight, group.dead, group.lag), (in_flight, dead, waiting + later + in_flight));
        assert_eq!(group.ready + group.blocked, waiting);
        for consumer in &group.in_flight_of {
            let counted = self.model.in_flight_of(&stats.topic, &group.group, &consumer.consumer);
            assert_eq!(consumer.in_flight, counted);
            assert!(counted > 0 && counted <= 4);
        }
        assert_eq!(group.in_flight_of.iter().map(|of| u64::from(of.in_flight)).sum::<u64>(), in_flight);
        let of = &topic.groups[group.group.as_str()];
        assert_eq!((group.totals, group.left), (of.totals, of.left));
    }

    fn check_views(&self) {
        for topic in self.shard.view(None).topics {
            let mut busy = BTreeSet::new();
            for flight in &topic.in_flight {
                if let Some((_, key)) = self.ledger.keys.get(&flight.number) {
                    assert!(
                        busy.insert((flight.group.clone(), key.clone())),
                        "two of {key} at once: {flight:?}"
                    );
                }
            }
            assert_eq!(topic.in_flight.len() as u64, topic.stats.in_flight);
            let peeked = self.shard.peek(&topic.stats.topic, 100);
            let model = &self.model.topics[topic.stats.topic.as_str()];
            let ordered: Vec<_> =
                model.messages.iter().filter(|m| m.due.is_none()).map(|m| m.number).collect();
            let seen = peeked.iter().filter(|peeked| peeked.delayed_until_ms.is_none());
            assert_eq!(seen.map(|peeked| peeked.number).collect::<Vec<_>>(), ordered);
            assert_eq!(peeked.len(), model.messages.len());
            assert_eq!(self.shard.peek_dead(&topic.stats.topic, 100).len() as u64, topic.stats.dead);
        }
    }

    /// Nothing is left behind: whoever goes on consuming gets everything that is not dead, in bounded time.
    fn drain(&mut self) {
        let all = QueueLimits { retention_ms: 1 << 50, attempts_max: 100, ..QueueLimits::default() };
        self.command(&QueueCommand::SetLimits { limits: all });
        self.ledger.receipts.clear();
        for _ in 0..40 {
            for (topic, group) in self.claimable().into_keys() {
                let (consumer, max, visibility_ms) = (CONSUMERS[0].into(), 100, 1_000);
                let command = QueueCommand::Consume { topic, group, consumer, max, visibility_ms };
                let QueueReply::Deliveries { messages, .. } = self.command(&command) else {
                    panic!("consume")
                };
                let QueueCommand::Consume { topic, group, .. } = command else { unreachable!() };
                let handle =
                    |delivery: &Delivery| Handle { number: delivery.number, receipt: Some(delivery.receipt) };
                let messages = messages.iter().map(handle).collect();
                self.command(&QueueCommand::Ack { topic, group, messages });
            }
            if let Some(at) = self.model.next_deadline().filter(|at| *at < 1 << 40) {
                self.advance(at);
            }
            self.check();
        }
        for stats in self.shard.stats() {
            let left = stats.groups.iter().map(|group| group.lag).sum::<u64>();
            assert_eq!((left, stats.delayed), (0, 0), "{stats:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_history_is_what_the_model_says(moves in prop::collection::vec(a_move(), 1..120)) {
        let mut run = Run::new();
        moves.iter().for_each(|step| run.play(step));
        run.drain();
    }
}
