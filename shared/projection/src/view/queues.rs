//! The queues: what each shard has of a topic, and the bins of a topic over its shards.

use std::collections::VecDeque;
use std::sync::Arc;

use orrery_base::ids::{GroupId, LeaseMs, LogIndex};
use orrery_base::sorted::SortedMap;
use orrery_queue::fact::DeadCause;
use orrery_queue::view::{GroupTotals, TopicTotals};
use orrery_queue::{ConsumerGroup, ConsumerName, MessageId, PartitionKey, Receipt, TopicName};

use super::View;

/// Most deliveries in flight, and most dead letters, that are known one by one of a topic in one shard. Of more, those
/// that end soonest and the newest are kept; the counters have them all.
pub const DELIVERIES_MAX: usize = 256;

/// The queues of one shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardQueues {
    /// Applied index that it shows.
    pub applied: Option<LogIndex>,
    /// Last service fact (index, number in it) that anybody reported, whether or not it changed anything.
    pub seen: Option<(LogIndex, u32)>,
    /// Everything up to here is in it, because a whole view was taken over.
    pub whole: Option<LogIndex>,
    /// The shard's lease clock at the last report.
    pub clock_ms: LeaseMs,
    pub clock_at_us: u64,
    pub topics: SortedMap<TopicName, Arc<TopicQueue>>,
    /// Topics that the last whole view left out. While there are any, facts about unknown topics are passed over:
    /// their counters cannot be known.
    pub more_topics: u64,
}

/// What one shard has of a topic. The counters are those of `GET /queue/stats`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicQueue {
    /// Messages that are kept, delayed and dead ones too.
    pub messages: u64,
    /// Bytes of messages and keys.
    pub bytes: u64,
    /// Published with a delay that still runs.
    pub delayed: u64,
    /// Since the topic began.
    pub totals: TopicTotals,
    pub groups: SortedMap<ConsumerGroup, GroupQueue>,
    /// Deliveries in flight; at most [`DELIVERIES_MAX`].
    pub in_flight: SortedMap<(ConsumerGroup, LogIndex), InFlight>,
    /// Dead letters, newest last; at most [`DELIVERIES_MAX`].
    pub dead: VecDeque<DeadLetterView>,
}

/// One consumer group in one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupQueue {
    /// Ready, behind their key, or given back with a delay.
    pub waiting: u64,
    /// Of these: behind an earlier message of their key.
    pub blocked: u64,
    /// Of these: given back with a delay that still runs.
    pub delayed: u64,
    pub in_flight: u64,
    pub dead: u64,
    /// Since the group began.
    pub totals: GroupTotals,
}

/// A delivery in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// The message's number in its shard.
    pub number: LogIndex,
    pub key: Option<PartitionKey>,
    pub group: ConsumerGroup,
    pub consumer: ConsumerName,
    pub receipt: Receipt,
    /// 1 is the first.
    pub attempt: u32,
    /// Lease clock value at which its visibility was set, or at which a snapshot showed it first.
    pub since_ms: LeaseMs,
    /// Lease clock value at which it is visible to the group again.
    pub visible_at_ms: LeaseMs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterView {
    /// The message's number in its shard.
    pub number: LogIndex,
    pub key: Option<PartitionKey>,
    pub group: ConsumerGroup,
    /// How often it was delivered.
    pub attempts: u32,
    /// How the last delivery failed.
    pub cause: DeadCause,
    /// Lease clock value at which it did.
    pub dead_at_ms: LeaseMs,
}

impl GroupQueue {
    /// For the next consumes. What nobody has looked at yet counts as ready, and may turn out to be behind its key.
    pub fn ready(&self) -> u64 {
        self.waiting.saturating_sub(self.blocked + self.delayed)
    }

    /// Messages that the group has neither acknowledged nor given up.
    pub fn lag(&self) -> u64 {
        self.waiting + self.in_flight
    }
}

impl TopicQueue {
    /// For the next consumes, over all groups; without a group the messages in order.
    pub fn ready(&self) -> u64 {
        if self.groups.is_empty() {
            self.messages.saturating_sub(self.delayed)
        } else {
            self.sum(GroupQueue::ready)
        }
    }

    /// The sum of something over the groups.
    pub fn sum(&self, of: impl Fn(&GroupQueue) -> u64) -> u64 {
        self.groups.values().map(of).sum()
    }

    /// Consumers of a group with what they have in flight, by name, as far as deliveries are known one by one.
    pub fn consumers(&self, group: &str) -> SortedMap<ConsumerName, u64> {
        let mut consumers = SortedMap::default();
        for flight in self.in_flight.values().filter(|flight| flight.group == group) {
            *consumers.get_or_default(&flight.consumer) += 1;
        }
        consumers
    }
}

impl ShardQueues {
    /// The shard's lease clock at a moment: it goes on at one millisecond per millisecond while a leader leads. An
    /// estimate between the values that facts carry.
    pub fn clock_ms(&self, now_us: u64) -> LeaseMs {
        self.clock_ms + now_us.saturating_sub(self.clock_at_us) / 1_000
    }

    /// What is left of a delivery's visibility, from 1 to 0.
    pub fn visibility_left(&self, flight: &InFlight, now_us: u64) -> f64 {
        let whole = flight.visible_at_ms.saturating_sub(flight.since_ms).max(1);
        let left = flight.visible_at_ms.saturating_sub(self.clock_ms(now_us));
        (left as f64 / whole as f64).clamp(0.0, 1.0)
    }
}

/// A topic over all shards: the bins as they are drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicBins {
    pub topic: TopicName,
    pub all: Bins,
    pub totals: TopicTotals,
    /// Its consumer groups by name.
    pub groups: Vec<GroupBins>,
    /// The shards that have something of it, in order.
    pub shards: Vec<ShardBins>,
}

/// Numbers of messages. With several consumer groups a message counts once in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bins {
    /// For the next consumes.
    pub ready: u64,
    /// Behind an earlier message of their key.
    pub blocked: u64,
    /// Given back with a delay that still runs.
    pub given_back: u64,
    pub in_flight: u64,
    /// Published with a delay that still runs. Of no group.
    pub delayed: u64,
    /// Acknowledged since the beginning.
    pub acknowledged: u64,
    pub dead: u64,
}

/// A consumer group over all shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupBins {
    pub group: ConsumerGroup,
    pub all: Bins,
    /// Messages that it has neither acknowledged nor given up.
    pub lag: u64,
    /// Deliveries since it began, again-deliveries too.
    pub delivered: u64,
    /// Deliveries after the first one of their message.
    pub redelivered: u64,
    /// Consumers by name with what they have in flight, as far as it is known one by one: where the sum is less than
    /// `all.in_flight`, the rest is not named.
    pub consumers: SortedMap<ConsumerName, u64>,
}

/// What one shard has of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardBins {
    pub shard: GroupId,
    pub all: Bins,
    /// Messages that it keeps.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Something that one shard has of one message: a delivery in flight, or a dead letter.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery<'a, T> {
    pub id: MessageId,
    /// Its shard, for the clock.
    pub shard: &'a ShardQueues,
    pub what: &'a T,
}

impl View {
    /// The topics that anybody reported, by name.
    pub fn topics(&self) -> Vec<TopicName> {
        let mut names = Vec::new();
        for name in self.queues.values().flat_map(|shard| shard.topics.keys()) {
            if let Err(place) = names.binary_search(name) {
                names.insert(place, name.clone());
            }
        }
        names
    }

    /// A topic's bins over all shards; empty where nobody reported it.
    pub fn bins(&self, topic: &str) -> TopicBins {
        let mut bins = TopicBins { topic: topic.into(), ..TopicBins::default() };
        let mut groups = SortedMap::<ConsumerGroup, GroupBins>::default();
        for (shard, queue) in self.parts(topic) {
            let mut here = Bins {
                ready: queue.ready(),
                delayed: queue.delayed,
                acknowledged: queue.totals.acknowledged,
                ..Bins::default()
            };
            for (name, group) in &queue.groups {
                here.blocked += group.blocked;
                here.given_back += group.delayed;
                here.in_flight += group.in_flight;
                here.dead += group.dead;
                groups.get_or_default(name).add(group, &queue.consumers(name));
            }
            bins.all.add(&here);
            bins.totals.add(&queue.totals);
            bins.shards.push(ShardBins { shard, all: here, messages: queue.messages, bytes: queue.bytes });
        }
        bins.groups =
            groups.iter().map(|(group, bins)| GroupBins { group: group.clone(), ..bins.clone() }).collect();
        bins
    }

    /// A topic's deliveries in flight that are known one by one, by shard.
    pub fn in_flight<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = Delivery<'a, InFlight>> {
        self.parts(topic).flat_map(move |(shard, queue)| {
            let queues = self.queues.get(&shard).into_iter();
            queues.flat_map(move |queues| {
                queue.in_flight.values().map(move |what| Delivery {
                    id: MessageId { shard, number: what.number },
                    shard: queues,
                    what,
                })
            })
        })
    }

    /// A topic's newest dead letters, by shard, newest last in each.
    pub fn dead_letters<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = Delivery<'a, DeadLetterView>> {
        self.parts(topic).flat_map(move |(shard, queue)| {
            let queues = self.queues.get(&shard).into_iter();
            queues.flat_map(move |queues| {
                queue.dead.iter().map(move |what| Delivery {
                    id: MessageId { shard, number: what.number },
                    shard: queues,
                    what,
                })
            })
        })
    }

    fn parts<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = (GroupId, &'a TopicQueue)> {
        self.queues
            .iter()
            .filter_map(move |(shard, queues)| Some((*shard, queues.topics.get(topic)?.as_ref())))
    }
}

impl Bins {
    fn add(&mut self, more: &Bins) {
        self.ready += more.ready;
        self.blocked += more.blocked;
        self.given_back += more.given_back;
        self.in_flight += more.in_flight;
        self.delayed += more.delayed;
        self.acknowledged += more.acknowledged;
        self.dead += more.dead;
    }
}

impl GroupBins {
    fn add(&mut self, group: &GroupQueue, consumers: &SortedMap<ConsumerName, u64>) {
        self.all.add(&Bins {
            ready: group.ready(),
            blocked: group.blocked,
            given_back: group.delayed,
            in_flight: group.in_flight,
            delayed: 0,
            acknowledged: group.totals.acknowledged,
            dead: group.dead,
        });
        self.lag += group.lag();
        self.delivered += group.totals.delivered;
        self.redelivered += group.totals.redelivered;
        for (consumer, count) in consumers {
            *self.consumers.get_or_default(consumer) += count;
        }
    }
}
