//! What the operations of the queues are answered.

use orrery_base::error::{ErrorCode, ShardOutcome};
use orrery_base::ids::{GroupId, NodeName};
use orrery_queue::{GoneCause, MessageId, Receipt};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::json_text::JsonText;
use crate::operation::Outcome;
use crate::request::Answer;

/// 200 of a publish: a majority of the shard's replicas has it on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Published {
    /// `published`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^published$"))]
    pub status: SmolStr,
    /// Its id; it names the shard.
    pub message_id: MessageId,
    /// The shard that keeps it.
    pub shard: GroupId,
    /// The nodes that hold that shard by the shard map, the preferred leader first.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub replicas: Vec<NodeName>,
}

/// 200 of a consume. Without messages none was ready within the time, on any shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Consumed {
    /// `ok`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^ok$"))]
    pub status: SmolStr,
    /// In order.
    pub messages: Vec<Delivered>,
    /// Shards that were asked and gave nothing because they refused, or did not answer: they may have messages, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<ShardOutcome>,
}

/// One delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Delivered {
    /// Its id.
    pub id: MessageId,
    /// As it was published.
    pub message: JsonText,
    /// 1 is the first delivery to this group.
    pub attempt: u32,
    /// For the ack: of this delivery.
    pub receipt: Receipt,
    /// Wall clock of the node that took it, in milliseconds since 1970.
    pub published_at: u64,
    /// Its partition key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub key: Option<SmolStr>,
}

/// What became of a message that an ack, a nack or an extend named. `unknown`: it never was, or the group was never given it.
/// `gone`: it was there, and `cause` says why it is not. `partial`: not the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// The group never gets it again.
    Acknowledged,
    /// The group acknowledged it before; nothing changed.
    AlreadyAcknowledged,
    /// It is ready again, or will be after its delay.
    Nacked,
    /// That was its last attempt: it is in `<topic>.dead` now.
    DeadLettered,
    /// Its visibility was set anew.
    Extended,
    /// That delivery does not count any more, because there was a later one or it was given back; nothing changed.
    Late,
    /// There never was such a message, or the group was never given it; nothing changed.
    Unknown,
    /// It was there and is not any more (`cause` says why); nothing changed.
    Gone,
    /// Its shard has no majority or no leader now; nothing changed.
    ShardUnavailable,
    /// Its shard did not say whether this took effect: ask again under the same idempotency key.
    OutcomeUnknown,
    /// In `status` only: not the same for all of them.
    Partial,
}

/// The answer to an ack, a nack or an extend: what became of the messages. Its status is that of its [`Outcome`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Settled {
    /// What became of all of them.
    pub status: Settlement,
    /// In the order of the request.
    pub messages: Vec<SettledMessage>,
    /// A sentence, where something is other than the caller wished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where an outcome is unknown: the key under which a retry is safe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// With `idempotency_key`: for at least so many seconds from now it is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_holds_s: Option<u64>,
}

/// One message in [`Settled`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettledMessage {
    /// Which.
    pub message_id: MessageId,
    /// What became of it.
    pub status: Settlement,
    /// Where it is gone: why. `forgotten`: so long ago that nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<GoneCause>,
}

impl Answer for Settled {
    /// 200 also where only some took effect; 409 where all came too late, 410 where all are gone, 404 where none ever was.
    fn outcome(&self) -> Outcome {
        match self.status {
            Settlement::Acknowledged => Outcome::Acknowledged,
            Settlement::AlreadyAcknowledged => Outcome::AlreadyAcknowledged,
            Settlement::Nacked => Outcome::Nacked,
            Settlement::DeadLettered => Outcome::DeadLettered,
            Settlement::Extended => Outcome::Extended,
            Settlement::Late => Outcome::Late,
            Settlement::Unknown => Outcome::NoSuchMessage,
            Settlement::Gone => Outcome::Gone,
            Settlement::ShardUnavailable => Outcome::Refused(ErrorCode::ShardUnavailable),
            Settlement::OutcomeUnknown => Outcome::Refused(ErrorCode::OutcomeUnknown),
            Settlement::Partial => Outcome::Partial,
        }
    }
}

/// What became of a consumer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GroupEnd {
    /// It began.
    Created,
    /// It was there, and stays as it is.
    Exists,
    /// It is not there any more.
    Deleted,
}

/// 200 of the operations on groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupAnswer {
    /// What became of it.
    pub status: GroupEnd,
    /// Of which topic.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub topic: SmolStr,
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub group: SmolStr,
}

/// 200 of a redrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Redriven {
    /// `redriven`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^redriven$"))]
    pub status: SmolStr,
    /// The topic in which they wait again.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub topic: SmolStr,
    /// How many.
    pub redriven: u64,
    /// Asked for and still dead, because this call had done as much as one call may: ask again.
    pub left: u64,
    /// Shards where it was not done, or where nobody knows: send it again under the same idempotency key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<ShardOutcome>,
    /// Where some failed: that key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// 200 of a purge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Purged {
    /// `purged`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^purged$"))]
    pub status: SmolStr,
    /// Of which topic.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub topic: SmolStr,
    /// How many messages were taken out, each counted once per group that had it before it.
    pub purged: u64,
    /// There are more, and this call had done as much as one call may: ask again.
    pub more: bool,
    /// Shards where it was not done, or where nobody knows: send it again under the same idempotency key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<ShardOutcome>,
    /// Where some failed: that key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

impl Answer for Published {
    fn outcome(&self) -> Outcome {
        Outcome::Published
    }
}

impl Answer for Consumed {
    fn outcome(&self) -> Outcome {
        if self.messages.is_empty() { Outcome::Nothing } else { Outcome::Delivered }
    }
}

impl Answer for GroupAnswer {
    fn outcome(&self) -> Outcome {
        match self.status {
            GroupEnd::Created => Outcome::Created,
            GroupEnd::Exists => Outcome::Exists,
            GroupEnd::Deleted => Outcome::Deleted,
        }
    }
}

impl Answer for Redriven {
    fn outcome(&self) -> Outcome {
        Outcome::Redriven
    }
}

impl Answer for Purged {
    fn outcome(&self) -> Outcome {
        Outcome::Purged
    }
}
