//! The bounds of a shard's queues. A command that would pass one is answered with `LimitReached` and changes nothing.
//!
//! [`QueueLimits`] is part of the shard's state and changes only by [`super::QueueCommand::SetLimits`]: a committed
//! command, so that every replica compares with the same numbers, also after a restart with other flags and when it
//! replays an old log. The constants bound the work of one command; they belong to the version of the commands.

use orrery_base::names;
use serde::{Deserialize, Serialize};

use super::{QueueReply, Shard, TopicName};

/// Most deliveries of one consume.
pub const CONSUME_MAX: u32 = 100;

/// Most payload bytes of one consume's answer, unless its first message alone has more.
pub const CONSUME_BYTES_MAX: u64 = 1024 * 1024;

/// Most messages that one consume looks at: those of a busy key are parked on the way, and a later consume goes on.
pub const SCAN_MAX: usize = 1_024;

/// Most messages that one ack, nack, extend or redrive names.
pub const BATCH_MAX: usize = 1_024;

/// Most things that end in one command by themselves: visibility, delay, retention, freed messages.
pub const SWEEP_MAX: usize = 1_024;

/// Most dead letters that one redrive brings back.
pub const REDRIVE_MAX: usize = 1_024;

/// Most messages that one purge takes out.
pub const PURGE_MAX: usize = 4_096;

/// Numbers of which each group, and each topic, still knows why they left: acknowledged, expired, purged.
pub const GONE_KNOWN_MAX: usize = 1_024;

/// Most messages that a publish makes room for where the retention by bytes is exceeded; the clock goes on.
pub const EVICTIONS_MAX: usize = 16;

/// Most messages in an answer to a peek.
pub const PEEK_MAX: usize = 100;

/// Longest text of a message in a fact, in bytes.
pub const PREVIEW_BYTES_MAX: usize = 64;

/// What the operator may set; one value for the whole shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueueLimits {
    /// Longest message, in bytes. The queue service compares it before it proposes; what is committed is taken.
    pub message_bytes_max: u64,
    /// Most topics of the cluster. This shard has no more; the serving node asks all shards before a topic begins.
    pub topics_max: u32,
    /// Most consumer groups of one topic.
    pub groups_per_topic_max: u32,
    /// Most consumer groups of the cluster: each is on every shard.
    pub groups_max: u32,
    /// Most messages of one topic in this shard, delayed and dead ones too.
    pub depth_per_topic_max: u64,
    /// Most bytes (messages and keys) of one topic in this shard.
    pub bytes_per_topic_max: u64,
    /// Most bytes (messages and keys) of this shard.
    pub bytes_max: u64,
    /// Most unacknowledged deliveries of one consumer, per topic and group.
    pub in_flight_per_consumer_max: u32,
    /// Deliveries of a message to one group that may fail before it is a dead letter.
    pub attempts_max: u32,
    /// Most dead letters of one group; the oldest goes (counted as expired) where one more comes.
    pub dead_per_group_max: u32,
    /// Age at which a message expires, in milliseconds of the lease clock.
    pub retention_ms: u64,
    /// Bytes of one topic above which its oldest messages expire. None (the default) refuses new messages at
    /// `bytes_per_topic_max` rather than losing old ones.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub retention_bytes: Option<u64>,
}

impl Default for QueueLimits {
    fn default() -> Self {
        QueueLimits {
            message_bytes_max: 256 * 1024,
            topics_max: 1_024,
            groups_per_topic_max: 64,
            groups_max: 4_096,
            depth_per_topic_max: 2_000_000,
            bytes_per_topic_max: 1024 * 1024 * 1024,
            bytes_max: 2 * 1024 * 1024 * 1024,
            in_flight_per_consumer_max: 1_000,
            attempts_max: 5,
            dead_per_group_max: 10_000,
            retention_ms: 7 * 24 * 60 * 60 * 1_000,
            retention_bytes: None,
        }
    }
}

/// The refusal of what is no name.
pub(super) fn name_refused(what: &str, name: &str) -> Option<QueueReply> {
    let why = names::check(name).err()?;
    Some(QueueReply::LimitReached { what: format!("the name of the {what} {why}") })
}

/// The refusal of a batch that is too long.
pub(super) fn batch_refused(length: usize) -> Option<QueueReply> {
    (length > BATCH_MAX)
        .then(|| QueueReply::LimitReached { what: format!("{length} messages at once; at most {BATCH_MAX}") })
}

impl Shard {
    /// The refusal of a message of `bytes` in this topic (which may not be there yet).
    pub(super) fn publish_refused(&self, topic: &TopicName, bytes: u64) -> Option<QueueReply> {
        let limits = &self.limits;
        let found = self.topics.get(topic).map(|topic| &topic.log);
        let (depth, held) = found.map_or((0, 0), |log| (log.depth(), log.bytes));
        let what = if depth >= limits.depth_per_topic_max {
            format!("{topic} has {depth} messages in this shard, which is its bound")
        } else if held.saturating_add(bytes) > limits.bytes_per_topic_max {
            format!("{topic} would have more than {} bytes in this shard", limits.bytes_per_topic_max)
        } else if self.bytes.saturating_add(bytes) > limits.bytes_max {
            format!("this shard would have more than {} bytes", limits.bytes_max)
        } else {
            return None;
        };
        Some(QueueReply::LimitReached { what })
    }
}
