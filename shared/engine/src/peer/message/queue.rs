//! What nodes ask the leader of a shard about its queues: questions, which change nothing and may be asked again and again.

use orrery_base::ids::{LeaseMs, LogIndex};
use orrery_base::key::IdempotencyKey;
use orrery_machine::{Machine, Member};
use orrery_queue::view::{GroupLeft, LeftTotals, Peeked};
use orrery_queue::{ConsumerGroup, QueueLimits, QueueUse, TopicName, TopicStats};
use serde::{Deserialize, Serialize};

/// What a shard's leader is asked. The order of the variants is part of the peers' format: add at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum QueueAsk {
    /// Is something ready for the group? Linearizable.
    Ready {
        topic: TopicName,
        group: ConsumerGroup,
        /// Is the answer to a command under this key remembered, too?
        key: Option<IdempotencyKey>,
    },
    /// The same as a hint, as soon as there is something, or at the end of the asker's time.
    Await {
        topic: TopicName,
        group: ConsumerGroup,
        /// What the asker waits for.
        until: Until,
    },
    /// The figures of one topic, or of all. Linearizable.
    Stats { topic: Option<TopicName> },
    /// The first messages. Linearizable.
    Peek {
        topic: TopicName,
        dead: bool,
        /// How many at most.
        limit: u16,
    },
    /// The shard's limits and what of them is used. Linearizable.
    Limits,
    /// Is the group there, and could it begin? Linearizable.
    Begin { topic: TopicName, group: ConsumerGroup },
    /// The names of the topics. Linearizable.
    Topics,
}

/// The answer. The order of the variants is part of the peers' format: add at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum QueueTold {
    /// It does not lead, or cannot confirm that it does.
    NotLeader {
        /// Who leads, as far as it knows.
        leader: Option<Member>,
    },
    /// To `Ready` and `Await`.
    Ready {
        look: Look,
        /// The answer to a command under that key is remembered.
        known: bool,
    },
    /// To `Stats`.
    Stats { topics: Vec<TopicHere> },
    /// To `Peek`.
    Peek {
        /// In their order.
        messages: Vec<Peeked>,
        /// The shard's lease clock.
        clock_ms: LeaseMs,
    },
    /// To `Limits`.
    Limits {
        limits: QueueLimits,
        /// What of it is used.
        used: QueueUse,
    },
    /// To `Begin`.
    Begin {
        look: Look,
        /// Why the group could not begin.
        refused: Option<String>,
    },
    /// To `Topics`.
    Topics {
        topics: Vec<TopicName>,
        /// How many there may be.
        topics_max: u32,
    },
}

/// For what a request waits at a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Until {
    /// For a message of the group, or for the group's end.
    Message {
        /// The log index that began it there, where that is known.
        began: Option<LogIndex>,
    },
    /// For the topic to begin.
    Topic,
}

/// What a shard has for a consumer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Look {
    /// There is no such topic.
    NoTopic,
    /// The topic has no such group.
    NoGroup,
    /// Nothing is ready. With the log index of the command that began the group.
    Idle(LogIndex),
    /// A consume may find something. With that index, too.
    Ready(LogIndex),
}

impl Look {
    /// What a state says.
    pub fn at(machine: &Machine, topic: &str, group: &str) -> Look {
        let Some(queue) = machine.queue().filter(|queue| queue.has_topic(topic)) else {
            return Look::NoTopic;
        };
        match queue.group_began(topic, group) {
            None => Look::NoGroup,
            Some(began) if queue.ready(topic, group) => Look::Ready(began),
            Some(began) => Look::Idle(began),
        }
    }

    /// A consume may find something.
    pub fn is_ready(self) -> bool {
        matches!(self, Look::Ready(_))
    }

    /// When the group began; none where there is none.
    pub fn began(self) -> Option<LogIndex> {
        match self {
            Look::NoTopic | Look::NoGroup => None,
            Look::Idle(began) | Look::Ready(began) => Some(began),
        }
    }
}

/// Why the waiting at a shard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A consume may find something.
    Message,
    /// The group may have been deleted: the shard's leader has to be asked.
    NoGroup,
    /// The topic is there.
    Topic,
}

impl Until {
    /// What a look at the shard's state means; none: go on waiting.
    pub fn found(self, look: Look) -> Option<Found> {
        match (self, look) {
            (Until::Topic, Look::NoTopic) => None,
            (Until::Topic, _) => Some(Found::Topic),
            (Until::Message { .. }, Look::NoTopic | Look::NoGroup) => Some(Found::NoGroup),
            (Until::Message { began: Some(began) }, look) if look.began() > Some(began) => {
                Some(Found::NoGroup)
            }
            (Until::Message { .. }, Look::Ready(_)) => Some(Found::Message),
            (Until::Message { .. }, Look::Idle(_)) => None,
        }
    }
}

/// One topic in one shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopicHere {
    /// What the shard's state says.
    pub stats: TopicStats,
    /// Of it: what left. Streams do not carry it, so it has to be said here.
    pub left: LeftTotals,
    /// Of its groups, in their order.
    pub groups_left: Vec<GroupLeft>,
    /// What its leader counted.
    pub rate: Rate,
}

/// Per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub enqueued: f64,
    pub dequeued: f64,
}
