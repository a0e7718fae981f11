//! The queue: words, commands and replies here, the pure state machine of one shard beside it.
//!
//! [`Shard`] holds every topic whose messages are in one Raft group. It changes only by [`QueueCommand`] and by the
//! lease clock, one file per operation. It reads no clock and draws nothing: replicas that apply the same commands have
//! the same messages and report the same facts.
//!
//! A topic is one order of messages. A consumer group is a cursor in that order and what is exceptional behind the
//! cursor: in flight, ready again, waiting behind its partition key, dead. What is behind the cursor and not
//! exceptional is acknowledged. So a message that no group has touched costs its place in the order and nothing else.

mod aging;
mod apply;
mod consistency;
mod consume;
mod expiry;
pub mod fact;
mod give_back;
mod gone;
mod group;
mod groups;
mod ids;
pub mod limits;
mod log;
mod publish;
mod purge;
mod redrive;
mod replay;
mod settle;
mod shard;
pub mod snapshot;
mod step;
mod stored;
mod topic;
pub mod view;

pub use fact::QueueFact;
pub use gone::GoneCause;
pub use ids::{MessageId, NotAMessageId, NotAReceipt, Receipt};
pub use limits::QueueLimits;
pub use shard::Shard;
pub use step::Step;
pub use view::{QueueUse, QueueView, TopicStats};

use bytes::Bytes;
use orrery_base::ids::{LeaseMs, LogIndex};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The name of a topic.
pub type TopicName = SmolStr;

/// Messages of one topic with the same key keep their order.
pub type PartitionKey = SmolStr;

/// The name of a consumer group of a topic.
pub type ConsumerGroup = SmolStr;

/// The name of a consumer inside its group.
pub type ConsumerName = SmolStr;

/// What the dead-letter topic's name ends with: `<topic>.dead` is a view over the dead letters of `<topic>`.
pub const DEAD_SUFFIX: &str = ".dead";

/// The topic whose dead letters `name` shows, if it is a dead-letter topic's name. The queue service refuses
/// to publish there; the state machine knows no such topics.
pub fn dead_letters_of(name: &str) -> Option<&str> {
    name.strip_suffix(DEAD_SUFFIX).filter(|topic| !topic.is_empty())
}

/// From where a new group reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StartFrom {
    /// From the oldest message that is still there.
    #[default]
    Earliest,
    /// Only what enters the order from now on.
    Latest,
}

/// Which messages a purge takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PurgeWhat {
    /// What waits: ready, behind its key, or given back with a delay. Not what is in flight, dead, or published with a
    /// delay that still runs.
    Ready,
    Dead,
    /// All of it: also what is in flight and, where every group is meant, what was published with a delay.
    All,
}

/// A message as an ack, a nack or an extend names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    pub number: LogIndex,
    /// Of which delivery; without one the latest delivery of the group is meant.
    pub receipt: Option<Receipt>,
}

/// What changes the queues of a shard. The order of the variants is part of the log's format: add at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueCommand {
    /// Put a message into a topic, which begins to exist if it does not.
    Publish {
        topic: TopicName,
        /// Messages with the same key keep their order.
        key: Option<PartitionKey>,
        /// JSON text, not looked into.
        message: Bytes,
        /// It enters the order only after this long; 0 is at once.
        delay_ms: u64,
        /// Wall clock of the node that took it, in milliseconds since 1970: shown, never compared.
        wall_ms: u64,
    },
    /// Claim ready messages of a group that exists.
    Consume {
        topic: TopicName,
        group: ConsumerGroup,
        consumer: ConsumerName,
        /// Most messages; at most [`limits::CONSUME_MAX`] are given.
        max: u32,
        /// How long they stay invisible to the rest of the group.
        visibility_ms: u64,
    },
    /// The group has done with these messages.
    Ack {
        topic: TopicName,
        group: ConsumerGroup,
        /// Which; at most [`limits::BATCH_MAX`].
        messages: Vec<Handle>,
    },
    /// The consumer gives these deliveries back: they count as failed.
    Nack {
        topic: TopicName,
        group: ConsumerGroup,
        /// Which; at most [`limits::BATCH_MAX`].
        messages: Vec<Handle>,
        /// They are ready again only after this long.
        delay_ms: u64,
    },
    /// The consumer needs longer for these deliveries.
    Extend {
        topic: TopicName,
        group: ConsumerGroup,
        /// Which; at most [`limits::BATCH_MAX`].
        messages: Vec<Handle>,
        /// Visible again this long from now, which may be earlier than before.
        visibility_ms: u64,
    },
    /// Create a group (and its topic). One that exists stays as it is.
    CreateGroup {
        topic: TopicName,
        group: ConsumerGroup,
        /// From where it reads.
        from: StartFrom,
    },
    /// Delete a group: what only it had not acknowledged goes (unless it is the topic's last group).
    DeleteGroup { topic: TopicName, group: ConsumerGroup },
    /// Bring dead letters back, their attempts counted anew: the oldest first, at most [`limits::REDRIVE_MAX`].
    Redrive {
        topic: TopicName,
        /// Of one group; of every group when absent.
        group: Option<ConsumerGroup>,
        /// Only these, at most [`limits::BATCH_MAX`]; all when absent.
        numbers: Option<Vec<LogIndex>>,
    },
    /// Take messages out unread, at most [`limits::PURGE_MAX`].
    Purge {
        topic: TopicName,
        what: PurgeWhat,
        /// For one group, as if it had acknowledged them; for every group when absent.
        group: Option<ConsumerGroup>,
    },
    /// Set the shard's limits.
    SetLimits { limits: QueueLimits },
    /// These deliveries never reached their consumer, which hung up: they do not count. Since version 4 of the commands.
    GiveBack {
        topic: TopicName,
        group: ConsumerGroup,
        /// Which; at most [`limits::BATCH_MAX`].
        messages: Vec<Handle>,
    },
    /// The consumer needs longer and says not how much: as [`QueueCommand::Extend`], and never an earlier end than before.
    /// Since version 4 of the commands.
    Prolong {
        topic: TopicName,
        group: ConsumerGroup,
        /// Which; at most [`limits::BATCH_MAX`].
        messages: Vec<Handle>,
        /// Visible again at the earliest this long from now.
        visibility_ms: u64,
    },
}

/// One delivery of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub number: LogIndex,
    /// What an ack of this delivery carries.
    pub receipt: Receipt,
    /// 1 is the first.
    pub attempt: u32,
    /// Lease clock value at which it is visible to the group again.
    pub visible_at_ms: LeaseMs,
    /// JSON text.
    pub message: Bytes,
    pub key: Option<PartitionKey>,
    /// Lease clock value of its publish.
    pub published_at_ms: LeaseMs,
    /// Wall clock of the node that took it, in milliseconds since 1970.
    pub wall_ms: u64,
}

/// A delivery without its payload: what is remembered of it for a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    pub number: LogIndex,
    pub receipt: Receipt,
    /// 1 is the first.
    pub attempt: u32,
}

/// What became of one message of an ack, a nack or an extend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettleOutcome {
    /// The group never gets it again.
    Acknowledged,
    /// It is ready again, or will be after its delay.
    Nacked,
    /// That was its last attempt: it is a dead letter now.
    DeadLettered,
    /// Its visibility was set anew.
    Extended,
    /// That delivery does not count any more: it was given back, redelivered or dead-lettered since, or (for a nack or
    /// an extend) its visibility ran out. Nothing changed.
    Late,
    /// The group acknowledged it before. Nothing changed.
    Already,
    /// No such message here, or it was never delivered to this group. Nothing changed.
    Unknown,
    /// It was there, and is not any more. Nothing changed.
    Gone(GoneCause),
}

/// The answer to a [`QueueCommand`]. The order of the variants is part of the snapshot's format: add at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueReply {
    /// The message is in its topic.
    Published {
        number: LogIndex,
        /// Lease clock value at which it enters the order; none if it is there.
        delayed_until_ms: Option<LeaseMs>,
    },
    /// What a consume claimed; maybe nothing.
    Deliveries {
        /// In order.
        messages: Vec<Delivery>,
        /// More may be ready: the answer was full, or a bound of the work ended the search. Ask again at once.
        more: bool,
    },
    /// What is remembered of [`QueueReply::Deliveries`]; a client never sees it.
    Claimed {
        /// In order.
        messages: Vec<Claimed>,
    },
    /// What became of each message that an ack, a nack or an extend named, in its order.
    Outcomes {
        outcomes: Vec<(LogIndex, SettleOutcome)>,
    },
    Group {
        existed: bool,
    },
    /// The group was deleted.
    GroupDeleted,
    /// Dead letters were brought back.
    Redriven {
        redriven: u64,
        /// Asked for and still dead because of the bound of one command: ask again.
        left: u64,
    },
    /// Messages were taken out.
    Purged {
        /// How many: counted once per group that had them before it, once where there is no group.
        purged: u64,
        /// The bound of one command was reached: ask again.
        more: bool,
    },
    /// The limits are set.
    LimitsSet,
    /// There is no such topic here; nothing changed.
    NoSuchTopic,
    /// The topic has no such group here; nothing changed.
    NoSuchGroup,
    /// A bound is reached; nothing changed.
    LimitReached {
        /// Which, as a sentence.
        what: String,
    },
}

impl QueueReply {
    /// What is kept for a retry: the same without payloads. [`Shard::replay`] fills them in again.
    pub fn remembered(&self) -> QueueReply {
        match self {
            QueueReply::Deliveries { messages, .. } => QueueReply::Claimed {
                messages: messages
                    .iter()
                    .map(|delivery| Claimed {
                        number: delivery.number,
                        receipt: delivery.receipt,
                        attempt: delivery.attempt,
                    })
                    .collect(),
            },
            other => other.clone(),
        }
    }
}
