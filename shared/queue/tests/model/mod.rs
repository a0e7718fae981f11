//! A naive model of the queues of one shard: lists that are searched from the beginning, one state per message and
//! group, no cursor, no index, no bound of work.

pub mod ledger;
mod settle;
pub mod watched;

use std::collections::BTreeMap;

use bytes::Bytes;
use orrery_queue::fact::DeadCause;
use orrery_queue::*;

/// How a group has a message. A message without an entry was never touched: it waits.
#[derive(Clone, Debug, PartialEq)]
pub enum Has {
    Ready,
    InFlight {
        consumer: String,
        until: u64,
    },
    Later {
        until: u64,
    },
    Dead {
        cause: DeadCause,
    },
    Done,
    /// It was there before the group, which began at the latest.
    Skipped,
}

impl Has {
    /// The group neither has it nor will have it.
    pub fn is_over(&self) -> bool {
        matches!(self, Has::Done | Has::Skipped)
    }
}

#[derive(Clone, Debug)]
pub struct Share {
    pub has: Has,
    pub attempts: u32,
    pub receipt: Option<Receipt>,
}

#[derive(Clone, Debug)]
pub struct Message {
    pub number: u64,
    pub key: Option<PartitionKey>,
    pub message: Bytes,
    pub published_at: u64,
    /// When it became due first.
    pub since: u64,
    /// From when its age counts: later where it was given back with a delay.
    pub age_from: u64,
    /// When it enters the order, if it has not.
    pub due: Option<u64>,
    pub shares: BTreeMap<String, Share>,
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    pub gone: BTreeMap<u64, GoneCause>,
    pub totals: view::GroupTotals,
    pub left: view::GroupLeft,
}

#[derive(Clone, Debug, Default)]
pub struct Topic {
    /// In order; those that have not entered it are at the end, in no order of interest.
    pub messages: Vec<Message>,
    pub groups: BTreeMap<String, Group>,
    pub totals: view::TopicTotals,
    pub left: view::LeftTotals,
    pub gone: BTreeMap<u64, GoneCause>,
}

/// What took a message that no group wants any more.
type Cause = fn(&mut view::LeftTotals) -> &mut u64;

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub clock: u64,
    pub limits: QueueLimits,
    pub topics: BTreeMap<String, Topic>,
}

impl Message {
    pub fn bytes(&self) -> u64 {
        (self.message.len() + self.key.as_ref().map_or(0, |key| key.len())) as u64
    }

    pub fn share(&self, group: &str) -> Share {
        let untouched = Share { has: Has::Ready, attempts: 0, receipt: None };
        self.shares.get(group).cloned().unwrap_or(untouched)
    }

    fn set(&mut self, group: &str, share: Share) {
        self.shares.insert(group.to_owned(), share);
    }
}

impl Topic {
    fn find(&mut self, number: u64) -> Option<&mut Message> {
        self.messages.iter_mut().find(|message| message.number == number)
    }

    fn ordered(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| message.due.is_none())
    }

    /// What the group may claim now, first to last: per key only its head.
    pub fn claimable(&self, group: &str) -> Vec<u64> {
        let head = |key: &PartitionKey| {
            let lane = self.ordered().filter(|message| message.key.as_ref() == Some(key));
            let alive = |message: &&Message| {
                !matches!(message.share(group).has, Has::Done | Has::Skipped | Has::Dead { .. })
            };
            let alive: Vec<_> = lane.filter(alive).collect();
            let held = alive.iter().find(|message| message.share(group).attempts > 0);
            held.or(alive.first()).map(|message| message.number)
        };
        self.ordered()
            .filter(|message| message.share(group).has == Has::Ready)
            .filter(|message| message.key.as_ref().is_none_or(|key| head(key) == Some(message.number)))
            .map(|message| message.number)
            .collect()
    }

    /// Takes out what every group has done with, and some group had.
    fn tidy(&mut self, cause: Cause) {
        let groups: Vec<_> = self.groups.keys().cloned().collect();
        let over = |message: &Message| groups.iter().all(|group| message.share(group).has.is_over());
        let had = |message: &Message| groups.iter().any(|group| message.share(group).has == Has::Done);
        let before = self.messages.len();
        self.messages.retain(|message| message.due.is_some() || !(had(message) && over(message)));
        *cause(&mut self.left) += (before - self.messages.len()) as u64;
    }

    fn bytes(&self) -> u64 {
        self.messages.iter().map(Message::bytes).sum()
    }

    /// The delivery failed: dead or again.
    fn fail(&mut self, group: &str, number: u64, again: Has, cause: DeadCause, limits: &QueueLimits) -> bool {
        let message = self.find(number).unwrap();
        let mut share = message.share(group);
        let dead = share.attempts >= limits.attempts_max;
        share.has = if dead { Has::Dead { cause } } else { again };
        if dead || cause != DeadCause::TimedOut {
            share.receipt = None;
        }
        message.set(group, share);
        if dead {
            self.totals.dead_lettered += 1;
            self.groups.get_mut(group).unwrap().totals.dead_lettered += 1;
            for _ in 0..2 {
                let mut letters: Vec<_> = self.dead(group);
                letters.sort_unstable();
                if letters.len() as u64 > u64::from(limits.dead_per_group_max) {
                    self.done(group, letters[0], GoneCause::DeadLetters);
                    self.groups.get_mut(group).unwrap().left.expired += 1;
                    self.totals.expired += 1;
                }
            }
        }
        dead
    }

    pub fn dead(&self, group: &str) -> Vec<u64> {
        let dead = |message: &&Message| matches!(message.share(group).has, Has::Dead { .. });
        self.messages.iter().filter(dead).map(|message| message.number).collect()
    }

    fn done(&mut self, group: &str, number: u64, cause: GoneCause) {
        self.groups.get_mut(group).unwrap().gone.insert(number, cause);
        let share = Share { has: Has::Done, attempts: 0, receipt: None };
        self.find(number).unwrap().set(group, share);
    }

    fn expire_bytes(&mut self, limits: &QueueLimits) {
        while limits.retention_bytes.is_some_and(|most| self.bytes() > most) {
            let oldest = self.messages.iter().map(|message| message.number).min().unwrap();
            self.expire(oldest, GoneCause::Bytes);
        }
    }

    fn expire(&mut self, number: u64, cause: GoneCause) {
        let place = self.messages.iter().position(|message| message.number == number).unwrap();
        let message = self.messages.remove(place);
        for (name, group) in &mut self.groups {
            group.left.expired += u64::from(message.due.is_none() && !message.share(name).has.is_over());
        }
        self.gone.insert(number, cause);
        self.totals.expired += 1;
        self.left.expired += 1;
    }
}

impl Model {
    pub fn apply(&mut self, index: u64, command: &QueueCommand) -> QueueReply {
        let reply = self.operate(index, command);
        let cause: Cause = match command {
            QueueCommand::Ack { .. } => |left| &mut left.acknowledged,
            QueueCommand::Purge { .. } => |left| &mut left.purged,
            QueueCommand::DeleteGroup { .. } => |left| &mut left.group_deleted,
            _ => |left| &mut left.expired,
        };
        self.topics.values_mut().for_each(|topic| topic.tidy(cause));
        self.topics.retain(|_, topic| !topic.messages.is_empty() || !topic.groups.is_empty());
        reply
    }

    fn operate(&mut self, index: u64, command: &QueueCommand) -> QueueReply {
        match command {
            QueueCommand::SetLimits { limits } => {
                self.limits = *limits;
                QueueReply::LimitsSet
            }
            QueueCommand::Publish { topic, key, message, delay_ms, .. } => {
                self.publish(index, topic, key.clone(), message, *delay_ms)
            }
            QueueCommand::Consume { topic, group, consumer, max, visibility_ms } => {
                self.consume(index, topic, group, consumer, *max, *visibility_ms)
            }
            QueueCommand::CreateGroup { topic, group, from } => {
                if self.growth_refused(topic, Some(group)) {
                    return limit_reached();
                }
                QueueReply::Group { existed: !self.begin(topic, group, *from) }
            }
            QueueCommand::Ack { topic, group, .. }
            | QueueCommand::GiveBack { topic, group, .. }
            | QueueCommand::Nack { topic, group, .. }
            | QueueCommand::Extend { topic, group, .. }
            | QueueCommand::Prolong { topic, group, .. }
            | QueueCommand::DeleteGroup { topic, group } => match self.missing(topic, Some(group)) {
                Some(reply) => reply,
                None => self.of_group(topic, group, command),
            },
            QueueCommand::Redrive { topic, group, .. } | QueueCommand::Purge { topic, group, .. } => {
                match self.missing(topic, group.as_ref()) {
                    Some(reply) => reply,
                    None => self.of_topic(topic, group.as_ref(), command),
                }
            }
        }
    }

    fn missing(&self, topic: &TopicName, group: Option<&ConsumerGroup>) -> Option<QueueReply> {
        let Some(topic) = self.topics.get(topic.as_str()) else { return Some(QueueReply::NoSuchTopic) };
        let known = group.is_none_or(|group| topic.groups.contains_key(group.as_str()));
        (!known).then_some(QueueReply::NoSuchGroup)
    }

    fn growth_refused(&self, topic: &str, group: Option<&str>) -> bool {
        let Some(found) = self.topics.get(topic) else {
            return self.topics.len() as u64 >= u64::from(self.limits.topics_max);
        };
        let new = group.is_some_and(|group| !found.groups.contains_key(group));
        new && found.groups.len() as u64 >= u64::from(self.limits.groups_per_topic_max)
    }

    fn publish(
        &mut self,
        number: u64,
        topic: &str,
        key: Option<PartitionKey>,
        message: &Bytes,
        delay: u64,
    ) -> QueueReply {
        let depth = self.topics.get(topic).map_or(0, |topic| topic.messages.len() as u64);
        if self.growth_refused(topic, None) || depth >= self.limits.depth_per_topic_max {
            return limit_reached();
        }
        let due = (delay > 0).then_some(self.clock + delay);
        let limits = self.limits;
        let published_at = self.clock;
        let topic = self.topics.entry(topic.to_owned()).or_default();
        let shares = BTreeMap::new();
        let since = published_at + delay;
        let message = Message {
            number,
            key,
            message: message.clone(),
            published_at,
            since,
            age_from: since,
            due,
            shares,
        };
        topic.messages.push(message);
        topic.totals.published += 1;
        topic.expire_bytes(&limits);
        QueueReply::Published { number, delayed_until_ms: due }
    }

    /// Says whether the group is new.
    fn begin(&mut self, topic: &str, group: &str, from: StartFrom) -> bool {
        let topic = self.topics.entry(topic.to_owned()).or_default();
        if topic.groups.contains_key(group) {
            return false;
        }
        topic.groups.insert(group.to_owned(), Group::default());
        for message in &mut topic.messages {
            if from == StartFrom::Latest && message.due.is_none() {
                message.set(group, Share { has: Has::Skipped, attempts: 0, receipt: None });
            }
        }
        true
    }

    pub fn in_flight_of(&self, topic: &str, group: &str, consumer: &str) -> u32 {
        let Some(topic) = self.topics.get(topic) else { return 0 };
        let mine = |message: &&Message| matches!(message.share(group).has, Has::InFlight { consumer: who, .. } if who == consumer);
        topic.messages.iter().filter(mine).count() as u32
    }

    fn consume(
        &mut self,
        index: u64,
        topic: &str,
        group: &str,
        consumer: &str,
        max: u32,
        visibility: u64,
    ) -> QueueReply {
        if let Some(reply) = self.missing(&topic.into(), Some(&group.into())) {
            return reply;
        }
        let most = self.limits.in_flight_per_consumer_max;
        let has = self.in_flight_of(topic, group, consumer);
        if has >= most {
            return limit_reached();
        }
        let until = self.clock + visibility;
        let topic = self.topics.get_mut(topic).unwrap();
        let mut messages = Vec::new();
        while (messages.len() as u32) < max.min(most - has) {
            let Some(number) = topic.claimable(group).first().copied() else { break };
            let message = topic.find(number).unwrap();
            let attempts = message.share(group).attempts + 1;
            let receipt = Receipt { index, n: messages.len() as u32 };
            let has = Has::InFlight { consumer: consumer.to_owned(), until };
            message.set(group, Share { has, attempts, receipt: Some(receipt) });
            messages.push(Delivery {
                number,
                receipt,
                attempt: attempts,
                visible_at_ms: until,
                message: message.message.clone(),
                key: message.key.clone(),
                published_at_ms: message.published_at,
                wall_ms: number,
            });
            topic.totals.delivered += 1;
            topic.totals.redelivered += u64::from(attempts > 1);
            let totals = &mut topic.groups.get_mut(group).unwrap().totals;
            totals.delivered += 1;
            totals.redelivered += u64::from(attempts > 1);
        }
        QueueReply::Deliveries { messages, more: false }
    }

    fn of_group(&mut self, topic: &str, group: &str, command: &QueueCommand) -> QueueReply {
        let (clock, limits) = (self.clock, self.limits);
        let topic = self.topics.get_mut(topic).unwrap();
        let (handles, what) = match command {
            QueueCommand::Ack { messages, .. } => (messages, What::Ack),
            QueueCommand::Nack { messages, delay_ms, .. } => (messages, What::Nack(*delay_ms)),
            QueueCommand::Extend { messages, visibility_ms, .. } => (messages, What::Extend(*visibility_ms)),
            QueueCommand::Prolong { messages, visibility_ms, .. } => {
                (messages, What::Prolong(*visibility_ms))
            }
            QueueCommand::GiveBack { messages, .. } => (messages, What::GiveBack),
            _ => {
                topic.groups.remove(group);
                topic.messages.iter_mut().for_each(|message| {
                    message.shares.remove(group);
                });
                return QueueReply::GroupDeleted;
            }
        };
        let mut outcomes = Vec::new();
        for handle in handles {
            let outcome = topic.settle(group, handle, what, clock, &limits);
            outcomes.push((handle.number, outcome));
        }
        QueueReply::Outcomes { outcomes }
    }

    fn of_topic(&mut self, topic: &str, group: Option<&ConsumerGroup>, command: &QueueCommand) -> QueueReply {
        let topic = self.topics.get_mut(topic).unwrap();
        let all: Vec<String> = topic.groups.keys().cloned().collect();
        let groups = group.map_or(all, |group| vec![group.to_string()]);
        match command {
            QueueCommand::Redrive { numbers, .. } => {
                let mut redriven = 0;
                for group in &groups {
                    for number in topic.dead(group) {
                        if numbers.as_ref().is_none_or(|numbers| numbers.contains(&number)) {
                            let share = Share { has: Has::Ready, attempts: 0, receipt: None };
                            topic.find(number).unwrap().set(group, share);
                            topic.groups.get_mut(group).unwrap().left.redriven += 1;
                            redriven += 1;
                        }
                    }
                }
                topic.totals.redriven += redriven;
                QueueReply::Redriven { redriven, left: 0 }
            }
            QueueCommand::Purge { what, .. } => {
                let mut purged = 0;
                for name in &groups {
                    for message in topic.messages.iter_mut().filter(|message| message.due.is_none()) {
                        let taken = match message.share(name).has {
                            Has::Done | Has::Skipped => false,
                            Has::Dead { .. } => *what != PurgeWhat::Ready,
                            Has::InFlight { .. } => *what == PurgeWhat::All,
                            Has::Ready | Has::Later { .. } => *what != PurgeWhat::Dead,
                        };
                        if taken {
                            message.set(name, Share { has: Has::Done, attempts: 0, receipt: None });
                            let group = topic.groups.get_mut(name).unwrap();
                            group.gone.insert(message.number, GoneCause::Purged);
                            group.left.purged += 1;
                            purged += 1;
                        }
                    }
                }
                if group.is_none() {
                    let ordered = topic.groups.is_empty() && *what != PurgeWhat::Dead;
                    let delayed = *what == PurgeWhat::All;
                    let goes = |message: &Message| if message.due.is_some() { delayed } else { ordered };
                    let gone: Vec<_> = topic
                        .messages
                        .iter()
                        .filter(|message| goes(message))
                        .map(|message| message.number)
                        .collect();
                    topic.messages.retain(|message| !goes(message));
                    topic.gone.extend(gone.iter().map(|number| (*number, GoneCause::Purged)));
                    topic.left.purged += gone.len() as u64;
                    purged += gone.len() as u64;
                }
                topic.totals.purged += purged;
                QueueReply::Purged { purged, more: false }
            }
            other => panic!("{other:?}"),
        }
    }

    /// Moves the clock and ends what is due.
    pub fn advance(&mut self, to: u64) {
        self.clock = self.clock.max(to);
        let (clock, limits) = (self.clock, self.limits);
        for topic in self.topics.values_mut() {
            for group in topic.groups.keys().cloned().collect::<Vec<_>>() {
                topic.end_visibilities(&group, clock, &limits);
            }
            let mut due: Vec<_> = topic
                .messages
                .iter()
                .filter_map(|m| Some((m.due.filter(|at| *at <= clock)?, m.number)))
                .collect();
            due.sort_unstable();
            for (_, number) in due {
                let place = topic.messages.iter().position(|message| message.number == number).unwrap();
                let mut message = topic.messages.remove(place);
                message.due = None;
                topic.messages.push(message);
            }
            topic.tidy(|left| &mut left.expired);
            let aged =
                |message: &&Message| message.due.is_none() && message.age_from + limits.retention_ms <= clock;
            let aged: Vec<_> = topic.messages.iter().filter(aged).map(|message| message.number).collect();
            aged.into_iter().for_each(|number| topic.expire(number, GoneCause::Age));
            topic.expire_bytes(&limits);
        }
        self.topics.retain(|_, topic| !topic.messages.is_empty() || !topic.groups.is_empty());
    }

    /// Whether a message was given back with a delay. Then the machine may look earlier than it has to.
    pub fn has_postponed(&self) -> bool {
        let mut messages = self.topics.values().flat_map(|topic| &topic.messages);
        messages.any(|message| message.age_from > message.since)
    }

    /// Earliest moment at which something ends; 0 where the retention by bytes is exceeded.
    pub fn next_deadline(&self) -> Option<u64> {
        let mut moments = Vec::new();
        for topic in self.topics.values() {
            if self.limits.retention_bytes.is_some_and(|most| topic.bytes() > most) {
                moments.push(0);
            }
            for message in &topic.messages {
                moments.push(message.due.unwrap_or(message.age_from + self.limits.retention_ms));
                for group in topic.groups.keys() {
                    if let Has::InFlight { until, .. } | Has::Later { until } = message.share(group).has {
                        moments.push(until);
                    }
                }
            }
        }
        moments.into_iter().min()
    }
}

/// Sentences are not compared.
pub fn limit_reached() -> QueueReply {
    QueueReply::LimitReached { what: String::new() }
}

/// What a consumer says.
#[derive(Clone, Copy)]
pub enum What {
    Ack,
    Nack(u64),
    Extend(u64),
    Prolong(u64),
    GiveBack,
}
