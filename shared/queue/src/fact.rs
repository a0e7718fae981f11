//! What the queues report out of `apply`. Facts carry no payload, and enough to keep every counter of
//! [`super::TopicStats`] without asking.

use orrery_base::ids::{LeaseMs, LogIndex};
use serde::{Deserialize, Serialize};

use super::{ConsumerGroup, ConsumerName, PartitionKey, PurgeWhat, Receipt, StartFrom, TopicName};

/// Why a delivery failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeadCause {
    /// The visibility of its last attempt ran out.
    TimedOut,
    /// Its last attempt was given back.
    Nacked,
    /// The consumer of its last delivery hung up before it could be told.
    HungUp,
}

/// Why a message expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryCause {
    /// It is older than the retention.
    Age,
    /// Its topic has more bytes than the retention.
    Bytes,
    /// Its group has more dead letters than it may.
    DeadLetters,
}

/// How a group had a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Had {
    /// It waited: ready, behind its key, or given back.
    Waiting,
    InFlight,
    /// As a dead letter.
    Dead,
}

/// What happened in a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueFact {
    /// A message came in: it waits for every group of the topic, or is delayed.
    Published {
        topic: TopicName,
        number: LogIndex,
        key: Option<PartitionKey>,
        /// Bytes of message and key.
        bytes: u64,
        /// Lease clock value at which it enters the order.
        delayed_until_ms: Option<LeaseMs>,
        /// The beginning of the message, for people.
        preview: String,
    },
    /// The delay of a published message is over: it waits for every group of the topic.
    Entered { topic: TopicName, number: LogIndex },
    /// A consumer got a message.
    Delivered {
        topic: TopicName,
        number: LogIndex,
        key: Option<PartitionKey>,
        group: ConsumerGroup,
        consumer: ConsumerName,
        receipt: Receipt,
        /// 1 is the first.
        attempt: u32,
        /// Lease clock value at which it is visible to the group again.
        visible_at_ms: LeaseMs,
    },
    /// A group has done with a message.
    Acknowledged {
        topic: TopicName,
        number: LogIndex,
        group: ConsumerGroup,
        /// How the group had it: waiting, where its visibility had run out.
        had: Had,
        /// It was the last group: the message is gone and these bytes are free.
        freed_bytes: Option<u64>,
    },
    /// A consumer gave a message back.
    Nacked {
        topic: TopicName,
        number: LogIndex,
        group: ConsumerGroup,
        /// Lease clock value before which it is not ready.
        delayed_until_ms: Option<LeaseMs>,
    },
    /// The visibility of a delivery was set anew.
    Extended {
        topic: TopicName,
        number: LogIndex,
        group: ConsumerGroup,
        /// Lease clock value at which it is visible to the group again.
        visible_at_ms: LeaseMs,
    },
    /// The visibility of a delivery ran out: the message is ready again.
    RedeliveryDue {
        topic: TopicName,
        number: LogIndex,
        group: ConsumerGroup,
        consumer: ConsumerName,
        attempts: u32,
    },
    /// The last attempt failed: the message is a dead letter of the group.
    DeadLettered {
        topic: TopicName,
        number: LogIndex,
        key: Option<PartitionKey>,
        group: ConsumerGroup,
        attempts: u32,
        cause: DeadCause,
    },
    /// A dead letter waits again, its attempts counted anew.
    Redriven { topic: TopicName, number: LogIndex, group: ConsumerGroup },
    /// A message went unacknowledged.
    Expired {
        topic: TopicName,
        number: LogIndex,
        cause: ExpiryCause,
        /// Which groups had it, and how.
        had: Vec<(ConsumerGroup, Had)>,
        /// It was delayed still.
        delayed: bool,
        /// The message is gone and these bytes are free; none where other groups have it still.
        freed_bytes: Option<u64>,
    },
    /// Messages were taken out by hand.
    Purged {
        topic: TopicName,
        what: PurgeWhat,
        /// Of which group; none where no group had them.
        group: Option<ConsumerGroup>,
        /// How many of them waited.
        waiting: u64,
        /// How many were in flight.
        in_flight: u64,
        /// How many were dead.
        dead: u64,
        /// How many were delayed.
        delayed: u64,
        /// Messages that are gone.
        freed: u64,
        /// Their bytes.
        freed_bytes: u64,
    },
    /// Messages went because the only groups that had not acknowledged them were deleted.
    Freed {
        topic: TopicName,
        freed: u64,
        /// Their bytes.
        freed_bytes: u64,
    },
    GroupCreated {
        topic: TopicName,
        group: ConsumerGroup,
        /// From where it reads.
        from: StartFrom,
        /// Messages that wait for it.
        waiting: u64,
    },
    /// A group was deleted.
    GroupDeleted { topic: TopicName, group: ConsumerGroup },
    /// How many of a group's waiting messages are not ready, after a command that changed one of these numbers.
    Held {
        topic: TopicName,
        group: ConsumerGroup,
        /// Behind an earlier message of their key.
        blocked: u64,
        /// Given back with a delay that still runs.
        delayed: u64,
    },
    /// A consumer hung up before it could be told of a delivery: the message is ready again, and that was no attempt.
    Returned {
        topic: TopicName,
        number: LogIndex,
        group: ConsumerGroup,
        consumer: ConsumerName,
        attempts: u32,
    },
}
