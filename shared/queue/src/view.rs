//! The queues as people see them. Figures cost O(groups), never O(messages): they are kept, or follow from what is kept.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::fact::DeadCause;
use super::group::{Group, Open, State};
pub use super::group::{GroupLeft, GroupTotals};
use super::limits::{CONSUME_BYTES_MAX, PEEK_MAX};
use super::log::Place;
use super::publish::preview;
use super::stored::Stored;
use super::topic::Topic;
pub use super::topic::{LeftTotals, TopicTotals};
use orrery_base::ids::{LeaseMs, LogIndex};

use super::{ConsumerGroup, ConsumerName, PartitionKey, Receipt, Shard, TopicName};

/// Most topics in a view.
pub const TOPICS_SHOWN_MAX: usize = 256;

/// Most messages of each kind that a view shows of one topic.
pub const MESSAGES_SHOWN_MAX: usize = 16;

/// Most deliveries in flight, and most dead letters, that a view shows of one group.
pub const DELIVERIES_SHOWN_MAX: usize = 64;

/// Most consumers of one group that the figures name.
pub const CONSUMERS_SHOWN_MAX: usize = 64;

/// The queues of a shard, bounded: in stream snapshots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueView {
    /// Applied index that it shows.
    pub applied: Option<LogIndex>,
    /// The group's lease clock then.
    pub clock_ms: LeaseMs,
    /// By name, at most [`TOPICS_SHOWN_MAX`].
    pub topics: Vec<TopicView>,
    pub more_topics: u64,
}

/// One topic in a [`QueueView`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopicView {
    pub stats: TopicStats,
    /// Its first messages in order, at most [`MESSAGES_SHOWN_MAX`].
    pub first: Vec<MessageView>,
    /// What is in flight, the earliest to be visible again first: at most [`DELIVERIES_SHOWN_MAX`] of each group.
    pub in_flight: Vec<FlightView>,
    /// The newest dead letters by number: at most [`DELIVERIES_SHOWN_MAX`] of each group.
    pub dead: Vec<DeadView>,
}

/// A message without its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    pub number: LogIndex,
    pub key: Option<PartitionKey>,
    /// Bytes of message and key.
    pub bytes: u64,
    pub preview: String,
}

/// A dead letter without its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadView {
    pub number: LogIndex,
    pub key: Option<PartitionKey>,
    /// Of whom and why.
    pub letter: DeadLetter,
}

/// A delivery that is not settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightView {
    pub number: LogIndex,
    pub key: Option<PartitionKey>,
    pub group: ConsumerGroup,
    pub consumer: ConsumerName,
    pub receipt: Receipt,
    /// 1 is the first.
    pub attempt: u32,
    /// Lease clock value at which it is visible to the group again.
    pub visible_at_ms: LeaseMs,
}

/// The figures of one topic in one shard. With several groups the sums are over the groups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TopicStats {
    pub topic: TopicName,
    /// Messages that are kept, delayed and dead ones too.
    pub messages: u64,
    /// Bytes of messages and keys.
    pub bytes: u64,
    /// Age of the oldest message on the lease clock, in milliseconds. It counts from the end of a delay; what is delayed
    /// still has none.
    pub oldest_age_ms: Option<u64>,
    /// For the next consumes: as [`GroupStats::ready`], over all groups; without a group the messages in order.
    pub ready: u64,
    pub in_flight: u64,
    /// Published with a delay that still runs.
    pub delayed: u64,
    pub dead: u64,
    /// Since the topic began.
    pub totals: TopicTotals,
    /// What left since then. Not in streams: a reader counts it out of the facts.
    #[serde(skip)]
    pub left: LeftTotals,
    pub groups: Vec<GroupStats>,
}

/// The figures of one group of a topic in one shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupStats {
    pub group: ConsumerGroup,
    /// Messages that it has neither acknowledged nor given up: `waiting` and `in_flight`.
    pub lag: u64,
    /// Ready, behind their key, or given back with a delay.
    pub waiting: u64,
    /// Of these: what nobody has looked at yet or is ready again. What nobody has looked at may turn out to be behind
    /// its key.
    pub ready: u64,
    /// Of these: behind an earlier message of their key.
    pub blocked: u64,
    /// Of these: given back with a delay that still runs.
    pub delayed: u64,
    pub in_flight: u64,
    pub dead: u64,
    /// Since the group began.
    pub totals: GroupTotals,
    /// What else it counted since then. Not in streams, likewise.
    #[serde(skip)]
    pub left: GroupLeft,
    /// Consumers with something in flight.
    pub consumers: u64,
    /// The first of them by name, at most [`CONSUMERS_SHOWN_MAX`].
    pub in_flight_of: Vec<ConsumerStats>,
}

/// A consumer that has something in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerStats {
    pub consumer: ConsumerName,
    pub in_flight: u32,
}

/// What of a shard's bounds is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueueUse {
    pub topics: u64,
    pub groups: u64,
    /// Messages that are kept, delayed and dead ones too.
    pub messages: u64,
    /// Bytes of messages and keys.
    pub bytes: u64,
    /// Neither acknowledged nor dead, summed over the groups.
    pub lag: u64,
    /// With consumers, summed over the groups.
    pub in_flight: u64,
    /// Dead letters, summed over the groups.
    pub dead: u64,
}

impl QueueUse {
    /// Adds that of another shard.
    pub fn add(&mut self, more: &QueueUse) {
        let QueueUse { topics, groups, messages, bytes, lag, in_flight, dead } = more;
        self.topics += topics;
        self.groups += groups;
        self.messages += messages;
        self.bytes += bytes;
        self.lag += lag;
        self.in_flight += in_flight;
        self.dead += dead;
    }
}

/// A message as a peek shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peeked {
    pub number: LogIndex,
    pub key: Option<PartitionKey>,
    /// JSON text.
    pub message: Bytes,
    /// Lease clock value of its publish.
    pub published_at_ms: LeaseMs,
    /// Wall clock of the node that took it, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Lease clock value at which it enters the order, if it has not.
    pub delayed_until_ms: Option<LeaseMs>,
    /// Where it is a dead letter: of whom and why.
    pub dead: Option<DeadLetter>,
}

/// Why a message is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub group: ConsumerGroup,
    /// How often it was delivered.
    pub attempts: u32,
    /// How the last delivery failed.
    pub cause: DeadCause,
    /// Lease clock value at which it did.
    pub dead_at_ms: LeaseMs,
}

impl Shard {
    /// The names of the topics, in order.
    pub fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.keys()
    }

    /// The figures of every topic, by name. O(topics and groups).
    pub fn stats(&self) -> Vec<TopicStats> {
        self.topics.iter().map(|(name, topic)| topic.stats(name, self.clock_ms)).collect()
    }

    /// The figures of one topic.
    pub fn stats_of(&self, topic: &str) -> Option<TopicStats> {
        self.topics.get_key_value(topic).map(|(name, topic)| topic.stats(name, self.clock_ms))
    }

    /// Everything for people, bounded.
    pub fn view(&self, applied: Option<LogIndex>) -> QueueView {
        let topics = self.topics.iter().take(TOPICS_SHOWN_MAX);
        let topics = topics.map(|(name, topic)| topic.view(name, self.clock_ms)).collect();
        let more_topics = self.topics.len().saturating_sub(TOPICS_SHOWN_MAX) as u64;
        QueueView { applied, clock_ms: self.clock_ms, topics, more_topics }
    }

    /// The first messages of a topic in order, then the delayed ones by their moments; at most `limit` and
    /// [`PEEK_MAX`], and [`CONSUME_BYTES_MAX`] bytes unless the first alone has more. Claims nothing.
    pub fn peek(&self, topic: &str, limit: usize) -> Vec<Peeked> {
        let Some(topic) = self.topics.get(topic) else { return Vec::new() };
        let delayed = topic.log.due.iter().filter_map(|(at, number)| {
            let stored = topic.log.stored(*number)?;
            Some(stored.peeked(*number, Some(*at), None))
        });
        let ordered = topic.ordered().map(|(number, stored)| stored.peeked(number, None, None));
        bounded(ordered.chain(delayed), limit)
    }

    /// The dead letters of a topic, by group and number, bounded like [`Shard::peek`].
    pub fn peek_dead(&self, topic: &str, limit: usize) -> Vec<Peeked> {
        let Some(topic) = self.topics.get(topic) else { return Vec::new() };
        let dead = topic.groups.iter().flat_map(|(name, group)| {
            group.dead.iter().filter_map(|number| {
                let letter = group.open.get(number)?.letter(name)?;
                Some(topic.log.stored(*number)?.peeked(*number, None, Some(letter)))
            })
        });
        bounded(dead, limit)
    }
}

/// The first of them, as many as a peek may show.
fn bounded(found: impl Iterator<Item = Peeked>, limit: usize) -> Vec<Peeked> {
    let mut bytes = 0;
    let within = |peeked: &Peeked| {
        let first = bytes == 0;
        bytes += peeked.message.len() as u64;
        first || bytes <= CONSUME_BYTES_MAX
    };
    found.take(limit.min(PEEK_MAX)).take_while(within).collect()
}

impl Topic {
    /// The messages in their order.
    fn ordered(&self) -> impl Iterator<Item = (LogIndex, &Stored)> {
        let mut from = Place::default();
        std::iter::from_fn(move || {
            let found = self.log.next_from(from)?;
            from = found.place.after();
            Some((found.number, found.stored))
        })
    }

    fn stats(&self, name: &TopicName, clock_ms: LeaseMs) -> TopicStats {
        let in_order = self.log.in_order();
        let groups: Vec<_> = self.groups.iter().map(|(name, group)| group.stats(name, in_order)).collect();
        let sum = |of: fn(&GroupStats) -> u64| groups.iter().map(of).sum();
        let oldest = [
            self.log.next_prompt(0).map(|(_, since_ms)| since_ms),
            self.log.next_entered(Place::default()).map(|(_, _, since_ms)| since_ms),
        ];
        let oldest = oldest.into_iter().flatten().min();
        TopicStats {
            topic: name.clone(),
            messages: self.log.depth(),
            bytes: self.log.bytes,
            oldest_age_ms: oldest.map(|since_ms| clock_ms.saturating_sub(since_ms)),
            ready: if groups.is_empty() { in_order } else { sum(|group| group.ready) },
            in_flight: sum(|group| group.in_flight),
            delayed: self.log.due.len() as u64,
            dead: sum(|group| group.dead),
            totals: self.totals,
            left: self.left,
            groups,
        }
    }

    fn view(&self, name: &TopicName, clock_ms: LeaseMs) -> TopicView {
        let first = self.ordered().take(MESSAGES_SHOWN_MAX).map(|(number, stored)| MessageView {
            number,
            key: stored.key(),
            bytes: stored.bytes(),
            preview: preview(stored.message()),
        });
        let in_flight = self.groups.iter().flat_map(|(name, group)| group.flights(name));
        let dead = self.groups.iter().flat_map(|(name, group)| group.dead_letters(name));
        TopicView {
            stats: self.stats(name, clock_ms),
            first: first.collect(),
            in_flight: in_flight.collect(),
            dead: dead.collect(),
        }
    }
}

impl Group {
    fn stats(&self, name: &ConsumerGroup, in_order: u64) -> GroupStats {
        let waiting = self.waiting(in_order);
        let consumers = self.consumers.iter().take(CONSUMERS_SHOWN_MAX);
        GroupStats {
            group: name.clone(),
            lag: waiting + self.in_flight,
            waiting,
            ready: self.ahead(in_order) + self.ready.len() as u64,
            blocked: self.parked.len() as u64,
            delayed: self.delayed.len() as u64,
            in_flight: self.in_flight,
            dead: self.dead.len() as u64,
            totals: self.totals,
            left: self.left,
            consumers: self.consumers.len() as u64,
            in_flight_of: consumers
                .map(|(consumer, count)| ConsumerStats { consumer: consumer.clone(), in_flight: *count })
                .collect(),
        }
    }

    /// The first deliveries in flight. What was given back with a delay is passed over, a bounded number.
    fn flights<'a>(&'a self, name: &'a ConsumerGroup) -> impl Iterator<Item = FlightView> + 'a {
        let soonest = self.deadlines.iter().take(4 * DELIVERIES_SHOWN_MAX);
        let flights = soonest.filter_map(move |(_, number)| {
            let open = self.open.get(number)?;
            let State::InFlight { consumer, visible_at_ms } = &open.state else { return None };
            Some(FlightView {
                number: *number,
                key: open.key.clone(),
                group: name.clone(),
                consumer: consumer.clone(),
                receipt: open.receipt?,
                attempt: open.attempts,
                visible_at_ms: *visible_at_ms,
            })
        });
        flights.take(DELIVERIES_SHOWN_MAX)
    }

    /// The newest dead letters.
    fn dead_letters<'a>(&'a self, name: &'a ConsumerGroup) -> impl Iterator<Item = DeadView> + 'a {
        let newest = self.dead.iter().rev().take(DELIVERIES_SHOWN_MAX);
        newest.filter_map(move |number| {
            let open = self.open.get(number)?;
            let letter = open.letter(name)?;
            Some(DeadView { number: *number, key: open.key.clone(), letter })
        })
    }
}

impl Open {
    /// Why it is a dead letter of that group, where it is one.
    fn letter(&self, group: &ConsumerGroup) -> Option<DeadLetter> {
        let State::Dead { cause, at_ms } = self.state else { return None };
        Some(DeadLetter { group: group.clone(), attempts: self.attempts, cause, dead_at_ms: at_ms })
    }
}

impl Stored {
    fn peeked(
        &self,
        number: LogIndex,
        delayed_until_ms: Option<LeaseMs>,
        dead: Option<DeadLetter>,
    ) -> Peeked {
        Peeked {
            number,
            key: self.key(),
            message: Bytes::copy_from_slice(self.message()),
            published_at_ms: self.published_at_ms(),
            wall_ms: self.wall_ms(),
            delayed_until_ms,
            dead,
        }
    }
}
