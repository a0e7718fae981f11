//! A shard that takes commands one after another, and the commands in few words.
#![allow(dead_code)]

use bytes::Bytes;
use orrery_base::consistency;
use orrery_queue::*;

/// A shard and its log index.
#[derive(Default)]
pub struct World {
    pub shard: Shard,
    pub index: u64,
    pub facts: Vec<QueueFact>,
    /// The time of commands is measured: the shard is not checked after each.
    pub unchecked: bool,
}

impl World {
    pub fn with(limits: QueueLimits) -> World {
        let mut world = World::default();
        world.apply(&QueueCommand::SetLimits { limits });
        world
    }

    pub fn apply(&mut self, command: &QueueCommand) -> QueueReply {
        self.index += 1;
        let mut step = Step { index: self.index, ..Step::default() };
        let reply = self.shard.apply(command, &mut step);
        self.facts = step.facts;
        self.check();
        reply
    }

    fn check(&self) {
        if !self.unchecked && consistency::is_due(self.index, self.shard.items()) {
            self.shard.assert_consistent();
        }
    }

    /// At its bound a command is refused, and nothing changed.
    pub fn refused(&mut self, command: &QueueCommand) -> String {
        let before = self.shard.clone();
        let reply = self.apply(command);
        assert!(self.facts.is_empty());
        assert!(before == self.shard, "a refused command changed something: {command:?}");
        match reply {
            QueueReply::LimitReached { what } => what,
            other => panic!("{command:?} is not refused: {other:?}"),
        }
    }

    pub fn advance(&mut self, to_ms: u64) {
        self.index += 1;
        let mut step = Step { index: self.index, ..Step::default() };
        self.shard.advance_clock(to_ms, &mut step);
        self.facts = step.facts;
        self.check();
    }

    /// Advances to the same value until nothing is left to do then. How often that was.
    pub fn settle_clock(&mut self, to_ms: u64) -> usize {
        for turn in 1..10_000 {
            self.advance(to_ms);
            if self.shard.next_deadline().is_none_or(|at| at > to_ms) {
                return turn;
            }
        }
        panic!("the clock never comes to an end");
    }

    pub fn publish(&mut self, topic: &str, key: Option<&str>) -> u64 {
        self.publish_later(topic, key, 0)
    }

    pub fn publish_later(&mut self, topic: &str, key: Option<&str>, delay_ms: u64) -> u64 {
        match self.apply(&publish(topic, key, b"{\"n\":1}", delay_ms)) {
            QueueReply::Published { number, .. } => number,
            other => panic!("{other:?}"),
        }
    }

    /// Consumes up to `max` for a second of the lease clock. The group begins from the earliest message if it does not exist,
    /// as the service sees to it.
    pub fn consume(&mut self, topic: &str, group: &str, max: u32) -> Vec<Delivery> {
        self.consume_more(topic, group, max).0
    }

    pub fn consume_more(&mut self, topic: &str, group: &str, max: u32) -> (Vec<Delivery>, bool) {
        if self.shard.has_topic(topic) && !self.shard.has_group(topic, group) {
            self.create(topic, group, StartFrom::Earliest);
        }
        match self.apply(&consume(topic, group, "Ayu", max)) {
            QueueReply::Deliveries { messages, more } => (messages, more),
            other => panic!("{other:?}"),
        }
    }

    pub fn numbers(&mut self, topic: &str, group: &str, max: u32) -> Vec<u64> {
        self.consume(topic, group, max).iter().map(|delivery| delivery.number).collect()
    }

    pub fn ack(&mut self, topic: &str, group: &str, number: u64, receipt: Option<Receipt>) -> SettleOutcome {
        let messages = vec![Handle { number, receipt }];
        self.outcome(&QueueCommand::Ack { topic: topic.into(), group: group.into(), messages })
    }

    pub fn nack(&mut self, topic: &str, group: &str, number: u64, delay_ms: u64) -> SettleOutcome {
        let messages = vec![Handle { number, receipt: None }];
        self.outcome(&QueueCommand::Nack { topic: topic.into(), group: group.into(), messages, delay_ms })
    }

    pub fn extend(&mut self, topic: &str, group: &str, number: u64, visibility_ms: u64) -> SettleOutcome {
        let messages = vec![Handle { number, receipt: None }];
        let (topic, group) = (topic.into(), group.into());
        self.outcome(&QueueCommand::Extend { topic, group, messages, visibility_ms })
    }

    pub fn prolong(&mut self, topic: &str, group: &str, number: u64, visibility_ms: u64) -> SettleOutcome {
        let messages = vec![Handle { number, receipt: None }];
        let (topic, group) = (topic.into(), group.into());
        self.outcome(&QueueCommand::Prolong { topic, group, messages, visibility_ms })
    }

    /// Gives deliveries back whose consumer hung up.
    pub fn give_back(&mut self, topic: &str, group: &str, number: u64) -> SettleOutcome {
        let messages = vec![Handle { number, receipt: None }];
        self.outcome(&QueueCommand::GiveBack { topic: topic.into(), group: group.into(), messages })
    }

    fn outcome(&mut self, command: &QueueCommand) -> SettleOutcome {
        match self.apply(command) {
            QueueReply::Outcomes { outcomes } => outcomes[0].1,
            other => panic!("{other:?}"),
        }
    }

    pub fn create(&mut self, topic: &str, group: &str, from: StartFrom) -> QueueReply {
        self.apply(&QueueCommand::CreateGroup { topic: topic.into(), group: group.into(), from })
    }

    pub fn delete(&mut self, topic: &str, group: &str) -> QueueReply {
        self.apply(&QueueCommand::DeleteGroup { topic: topic.into(), group: group.into() })
    }

    pub fn redrive(&mut self, topic: &str, numbers: Option<Vec<u64>>) -> QueueReply {
        self.apply(&QueueCommand::Redrive { topic: topic.into(), group: None, numbers })
    }

    pub fn purge(&mut self, topic: &str, what: PurgeWhat, group: Option<&str>) -> QueueReply {
        self.apply(&QueueCommand::Purge { topic: topic.into(), what, group: group.map(Into::into) })
    }

    pub fn stats(&self, topic: &str) -> TopicStats {
        self.shard.stats_of(topic).unwrap_or_default()
    }

    /// Fails the next delivery of a message until it is dead.
    pub fn kill(&mut self, topic: &str, group: &str) -> u64 {
        for _ in 0..self.shard.limits().attempts_max {
            let number = self.numbers(topic, group, 1)[0];
            if self.nack(topic, group, number, 0) == SettleOutcome::DeadLettered {
                return number;
            }
        }
        panic!("it does not die");
    }
}

pub fn publish(topic: &str, key: Option<&str>, message: &[u8], delay_ms: u64) -> QueueCommand {
    QueueCommand::Publish {
        topic: topic.into(),
        key: key.map(Into::into),
        message: Bytes::copy_from_slice(message),
        delay_ms,
        wall_ms: 1_700_000_000_000,
    }
}

pub fn consume(topic: &str, group: &str, consumer: &str, max: u32) -> QueueCommand {
    QueueCommand::Consume {
        topic: topic.into(),
        group: group.into(),
        consumer: consumer.into(),
        max,
        visibility_ms: 1_000,
    }
}
