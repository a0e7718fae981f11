//! `POST /queue/...`, `GET /queue...`: requests, and the answers of the operations. What `GET` shows is in
//! [`super::queue_view`].

use std::ops::RangeInclusive;

use orrery_base::error::ShardOutcome;
use orrery_base::ids::{GroupId, NodeName};
use orrery_queue::{GoneCause, MessageId, PurgeWhat, Receipt, StartFrom};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::lock::TTL_MS_RANGE;

/// Largest message where nobody configured another bound: bytes of its JSON text.
pub const MESSAGE_BYTES_MAX: u64 = 256 * 1024;
/// Longest delay of a publish or a nack: a day.
pub const DELAY_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// How long a delivery may stay invisible to the rest of its group: as short as a lease, up to twelve hours.
pub const VISIBILITY_MS_RANGE: RangeInclusive<u64> = *TTL_MS_RANGE.start()..=12 * 60 * 60 * 1_000;
/// Visibility time-out where the consumer asks for none.
pub const VISIBILITY_MS_DEFAULT: u64 = 30_000;
/// Longest time that a consume waits for a message.
pub const WAIT_MS_MAX: u64 = 600_000;
/// How many messages one consume may ask for.
pub const MAX_RANGE: RangeInclusive<u32> = 1..=100;
/// How many messages one peek may ask for.
pub const LIMIT_RANGE: RangeInclusive<usize> = 1..=100;
/// Messages that a peek shows where it asks for no number.
pub const LIMIT_DEFAULT: usize = 10;
/// Most messages that one ack, nack, extend or redrive names.
pub const MESSAGE_IDS_MAX: usize = 1_024;

/// The consumer group of those who name none.
pub const GROUP_DEFAULT: &str = "default";

fn default_group() -> SmolStr {
    SmolStr::new_static(GROUP_DEFAULT)
}

fn one() -> u32 {
    1
}

/// Any JSON value, kept as the text that the client sent: numbers keep all of their digits, objects their order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonText(Box<RawValue>);

impl JsonText {
    /// Checks that the text is one JSON value.
    ///
    /// # Errors
    /// What is not JSON about it.
    pub fn new(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(JsonText)
    }

    /// The text, without white space around it.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for JsonText {}

/// `POST /queue/publish`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Where; it begins to exist if it does not.
    #[serde(alias = "queue")]
    pub topic: SmolStr,
    /// Any JSON value, at most [`MESSAGE_BYTES_MAX`] bytes of text unless configured otherwise.
    #[serde(alias = "payload")]
    pub message: JsonText,
    /// Messages of one topic with the same key keep their order. Without a key there is no order.
    #[serde(alias = "partition_key", default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SmolStr>,
    /// It is delivered only after this long, at most [`DELAY_MS_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// The same as the header `Idempotency-Key`: `<client>/<number>`, or any text that no other publish has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// `POST /queue/consume`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consume {
    /// From where.
    #[serde(alias = "queue")]
    pub topic: SmolStr,
    /// For which consumer group; it begins to exist, from the earliest message and on all shards, if it does not and the topic
    /// does.
    #[serde(alias = "consumer_group", default = "default_group")]
    pub group: SmolStr,
    /// Who.
    #[serde(alias = "consumer_id")]
    pub consumer: SmolStr,
    /// Most messages, within [`MAX_RANGE`].
    #[serde(alias = "max_messages", default = "one")]
    pub max: u32,
    /// How long they stay invisible to the rest of the group, within [`VISIBILITY_MS_RANGE`];
    /// [`VISIBILITY_MS_DEFAULT`] when absent.
    #[serde(alias = "visibility_timeout_ms", default, skip_serializing_if = "Option::is_none")]
    pub visibility_ms: Option<u64>,
    /// How long to wait for a message when there is none, at most [`WAIT_MS_MAX`]; 0 (the default) does not wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// Which messages an ack, a nack or an extend is about: one `message_id` (with its receipt), or up to
/// [`MESSAGE_IDS_MAX`] `message_ids` (with as many receipts, or none).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named<'a> {
    /// Their ids.
    pub ids: &'a [MessageId],
    /// As many as ids, or none: then the group's latest delivery of each is meant.
    pub receipts: &'a [Receipt],
}

/// `POST /queue/ack`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// Of which topic.
    #[serde(alias = "queue")]
    pub topic: SmolStr,
    /// For which consumer group.
    #[serde(alias = "consumer_group", default = "default_group")]
    pub group: SmolStr,
    /// One message.
    #[serde(alias = "id", default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Several.
    #[serde(alias = "ids", default, skip_serializing_if = "Option::is_none")]
    pub message_ids: Option<Vec<MessageId>>,
    /// Of which delivery of the one message; without it the group's latest one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Of which deliveries, in the order of `message_ids`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<Vec<Receipt>>,
}

/// `POST /queue/nack`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nack {
    /// Of which topic.
    #[serde(alias = "queue")]
    pub topic: SmolStr,
    /// For which consumer group.
    #[serde(alias = "consumer_group", default = "default_group")]
    pub group: SmolStr,
    /// One message.
    #[serde(alias = "id", default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Several.
    #[serde(alias = "ids", default, skip_serializing_if = "Option::is_none")]
    pub message_ids: Option<Vec<MessageId>>,
    /// Of which delivery of the one message; without it the group's latest one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Of which deliveries, in the order of `message_ids`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<Vec<Receipt>>,
    /// They are ready again only after this long, at most [`DELAY_MS_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
}

/// `POST /queue/extend`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extend {
    /// Of which topic.
    #[serde(alias = "queue")]
    pub topic: SmolStr,
    /// For which consumer group.
    #[serde(alias = "consumer_group", default = "default_group")]
    pub group: SmolStr,
    /// One message.
    #[serde(alias = "id", default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Several.
    #[serde(alias = "ids", default, skip_serializing_if = "Option::is_none")]
    pub message_ids: Option<Vec<MessageId>>,
    /// Of which delivery of the one message; without it the group's latest one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Of which deliveries, in the order of `message_ids`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<Vec<Receipt>>,
    /// Visible again this long from now, within [`VISIBILITY_MS_RANGE`], even where that is earlier than before. When
    /// absent: [`VISIBILITY_MS_DEFAULT`], and never earlier than before.
    #[serde(alias = "visibility_timeout_ms", default, skip_serializing_if = "Option::is_none")]
    pub visibility_ms: Option<u64>,
}

/// What is wrong with the fields that name messages, as a sentence.
pub type Unnamed = String;

fn named<'a>(
    one: &'a Option<MessageId>,
    several: &'a Option<Vec<MessageId>>,
    receipt: &'a Option<Receipt>,
    receipts: &'a Option<Vec<Receipt>>,
) -> Result<Named<'a>, Unnamed> {
    match (one, several) {
        (Some(id), None) if receipts.is_none() => {
            Ok(Named { ids: std::slice::from_ref(id), receipts: receipt.as_slice() })
        }
        (Some(_), None) => Err("With one \"message_id\" give \"receipt\", not \"receipts\".".into()),
        (None, Some(ids)) if ids.is_empty() || ids.len() > MESSAGE_IDS_MAX => {
            let count = ids.len();
            Err(format!("\"message_ids\" has {count} ids; it must have 1 to {MESSAGE_IDS_MAX}."))
        }
        (None, Some(ids)) => {
            let receipts = receipts.as_deref().unwrap_or_default();
            if receipt.is_some() {
                Err("With \"message_ids\" give \"receipts\", in their order, not \"receipt\".".into())
            } else if !receipts.is_empty() && receipts.len() != ids.len() {
                let (count, ids) = (receipts.len(), ids.len());
                Err(format!("\"receipts\" has {count} receipts for {ids} ids; give as many, or none."))
            } else {
                Ok(Named { ids, receipts })
            }
        }
        (Some(_), Some(_)) => Err("Give \"message_id\" or \"message_ids\", not both.".into()),
        (None, None) => Err("Give the \"message_id\" of a message, or several as \"message_ids\".".into()),
    }
}

impl Ack {
    /// Which messages.
    ///
    /// # Errors
    /// None, too many, or receipts that do not fit.
    pub fn named(&self) -> Result<Named<'_>, Unnamed> {
        named(&self.message_id, &self.message_ids, &self.receipt, &self.receipts)
    }
}

impl Nack {
    /// Which messages.
    ///
    /// # Errors
    /// None, too many, or receipts that do not fit.
    pub fn named(&self) -> Result<Named<'_>, Unnamed> {
        named(&self.message_id, &self.message_ids, &self.receipt, &self.receipts)
    }
}

impl Extend {
    /// Which messages.
    ///
    /// # Errors
    /// None, too many, or receipts that do not fit.
    pub fn named(&self) -> Result<Named<'_>, Unnamed> {
        named(&self.message_id, &self.message_ids, &self.receipt, &self.receipts)
    }
}

/// `POST /queue/groups`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateGroup {
    /// Of which topic; it begins to exist if it does not.
    #[serde(alias = "queue")]
    pub topic: SmolStr,
    /// Its name.
    #[serde(alias = "consumer_group")]
    pub group: SmolStr,
    /// From where it reads.
    #[serde(default)]
    pub from: StartFrom,
}

/// `POST /queue/groups/delete`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteGroup {
    /// Of which topic.
    #[serde(alias = "queue")]
    pub topic: SmolStr,
    /// Its name.
    #[serde(alias = "consumer_group")]
    pub group: SmolStr,
}

/// `POST /queue/redrive`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redrive {
    /// The topic, or its dead-letter topic `<topic>.dead`.
    #[serde(alias = "queue")]
    pub topic: SmolStr,
    /// Dead letters of this group only; of every group when absent.
    #[serde(alias = "consumer_group", default, skip_serializing_if = "Option::is_none")]
    pub group: Option<SmolStr>,
    /// Only these, at most [`MESSAGE_IDS_MAX`]; all when absent.
    #[serde(alias = "ids", default, skip_serializing_if = "Option::is_none")]
    pub message_ids: Option<Vec<MessageId>>,
}

/// `POST /queue/purge`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purge {
    /// The topic, or its dead-letter topic `<topic>.dead`.
    #[serde(alias = "queue")]
    pub topic: SmolStr,
    /// Which of its messages: all when absent, of a dead-letter topic the dead ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<PurgeWhat>,
    /// For this group, as if it had acknowledged them; for every group when absent.
    #[serde(alias = "consumer_group", default, skip_serializing_if = "Option::is_none")]
    pub group: Option<SmolStr>,
}

/// 200 of a publish: a majority of the shard's replicas has it on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// `published`.
    pub status: SmolStr,
    /// Its id; it names the shard.
    pub message_id: MessageId,
    /// The shard that keeps it.
    pub shard: GroupId,
    /// The nodes that hold that shard by the shard map, the preferred leader first.
    pub replicas: Vec<NodeName>,
}

/// 200 of a consume. Without messages none was ready within the time, on any shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumed {
    /// `ok`.
    pub status: SmolStr,
    /// In order.
    pub messages: Vec<Delivered>,
    /// Shards that were asked and gave nothing because they refused, or did not answer: they may have messages, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<ShardOutcome>,
}

/// One delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    pub key: Option<SmolStr>,
}

/// What became of a message that an ack, a nack or an extend named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// The answer to an ack, a nack or an extend. Its HTTP status is in [`Settled::http_status`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct SettledMessage {
    /// Which.
    pub message_id: MessageId,
    /// What became of it.
    pub status: Settlement,
    /// Where it is gone: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<GoneCause>,
}

impl Settled {
    /// 200 also where only some took effect; 409 where all came too late, 410 where all are gone, 404 where none ever was.
    pub fn http_status(&self) -> u16 {
        match self.status {
            Settlement::Late => 409,
            Settlement::Unknown => 404,
            Settlement::Gone => 410,
            Settlement::ShardUnavailable | Settlement::OutcomeUnknown => 503,
            Settlement::Acknowledged
            | Settlement::AlreadyAcknowledged
            | Settlement::Nacked
            | Settlement::DeadLettered
            | Settlement::Extended
            | Settlement::Partial => 200,
        }
    }
}

/// 200 of the operations on groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupAnswer {
    /// `created`, `exists` (it stays as it is), `deleted`.
    pub status: SmolStr,
    /// Of which topic.
    pub topic: SmolStr,
    /// Its name.
    pub group: SmolStr,
}

/// 200 of a redrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redriven {
    /// `redriven`.
    pub status: SmolStr,
    /// The topic in which they wait again.
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
pub struct Purged {
    /// `purged`.
    pub status: SmolStr,
    /// Of which topic.
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

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
