//! `POST /queue/...`, `GET /queue...`: requests, and the answers of the operations. What `GET` shows is in
//! [`super::queue_view`].

use std::ops::RangeInclusive;

use orrery_base::error::{ApiError, ErrorCode, ShardOutcome};
use orrery_base::ids::{GroupId, NodeName};
use orrery_base::key::IdempotencyKey;
use orrery_base::names;
use orrery_base::valid::{Name, NameRule, Number, NumberRule, WaitTime};
use orrery_queue::{GoneCause, MessageId, PurgeWhat, Receipt, StartFrom, dead_letters_of};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use smol_str::{SmolStr, format_smolstr};

use crate::operation::{Operation, Outcome};
use crate::request::{Answer, Request, client_of};

/// Largest message where nobody configured another bound: bytes of its JSON text.
pub const MESSAGE_BYTES_MAX: u64 = 256 * 1024;
/// Visibility time-out where the consumer asks for none.
pub const VISIBILITY_DEFAULT: Visibility = Visibility::known(30_000);
/// Messages that a peek shows where it asks for no number.
pub const LIMIT_DEFAULT: PeekLimit = PeekLimit::known(10);
/// Most messages that one ack, nack, extend or redrive names.
pub const MESSAGE_IDS_MAX: usize = 1_024;

/// The consumer group of those who name none.
pub const GROUP_DEFAULT: &str = "default";

fn default_group() -> Group {
    Group::known(GROUP_DEFAULT)
}

fn one() -> MaxMessages {
    MaxMessages::known(1)
}

/// A topic, or what shows its dead letters.
#[derive(Debug, PartialEq, Eq)]
pub enum AnyTopicRule {}

impl NameRule for AnyTopicRule {
    const FIELD: &'static str = "topic";
}

/// The name of a topic, or of what shows its dead letters.
pub type AnyTopic = Name<AnyTopicRule>;

/// A topic that takes messages.
#[derive(Debug, PartialEq, Eq)]
pub enum TopicRule {}

impl NameRule for TopicRule {
    const FIELD: &'static str = "topic";

    fn also(topic: &str) -> Result<(), String> {
        match dead_letters_of(topic) {
            None => Ok(()),
            Some(of) => Err(format!(
                "{topic} shows the dead letters of {of}: it can be looked at, redriven and purged, but nobody publishes, \
                 consumes or has a group there."
            )),
        }
    }
}

/// The name of a topic that takes messages.
pub type Topic = Name<TopicRule>;

/// A consumer group.
#[derive(Debug, PartialEq, Eq)]
pub enum GroupRule {}

impl NameRule for GroupRule {
    const FIELD: &'static str = "group";
}

/// The name of a consumer group.
pub type Group = Name<GroupRule>;

/// A consumer.
#[derive(Debug, PartialEq, Eq)]
pub enum ConsumerRule {}

impl NameRule for ConsumerRule {
    const FIELD: &'static str = "consumer";
}

/// The name of a consumer.
pub type Consumer = Name<ConsumerRule>;

/// A partition key.
#[derive(Debug, PartialEq, Eq)]
pub enum PartitionRule {}

impl NameRule for PartitionRule {
    const FIELD: &'static str = "key";
}

/// A partition key.
pub type Partition = Name<PartitionRule>;

/// How long a message or a redelivery is held back.
#[derive(Debug, PartialEq, Eq)]
pub enum DelayRule {}

impl NumberRule for DelayRule {
    const FIELD: &'static str = "delay_ms";
    // A day.
    const RANGE: RangeInclusive<u64> = 0..=24 * 60 * 60 * 1_000;
    const UNIT: &'static str = "milliseconds";
}

/// How long a message or a redelivery is held back, in milliseconds.
pub type Delay = Number<DelayRule>;

/// How long a delivery stays invisible.
#[derive(Debug, PartialEq, Eq)]
pub enum VisibilityRule {}

impl NumberRule for VisibilityRule {
    const FIELD: &'static str = "visibility_ms";
    // As short as a lease, up to twelve hours.
    const RANGE: RangeInclusive<u64> = 100..=12 * 60 * 60 * 1_000;
    const UNIT: &'static str = "milliseconds";
}

/// How long a delivery stays invisible to the rest of its group, in milliseconds.
pub type Visibility = Number<VisibilityRule>;

/// How many messages one consume may ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum MaxMessagesRule {}

impl NumberRule for MaxMessagesRule {
    const FIELD: &'static str = "max";
    const RANGE: RangeInclusive<u64> = 1..=100;
}

/// How many messages a consume asks for at most.
pub type MaxMessages = Number<MaxMessagesRule>;

/// How many messages one peek may ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum PeekLimitRule {}

impl NumberRule for PeekLimitRule {
    const FIELD: &'static str = "limit";
    const RANGE: RangeInclusive<u64> = 1..=100;
}

/// How many messages a peek shows at most.
pub type PeekLimit = Number<PeekLimitRule>;

/// Any JSON value, kept as the text that the client sent: numbers keep all of their digits, objects their order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = serde_json::Value))]
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

/// `POST /queue/publish`: put a message into a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Where; it begins to exist if it does not.
    #[serde(alias = "queue")]
    pub topic: Topic,
    /// Any JSON value, at most [`MESSAGE_BYTES_MAX`] bytes of text unless configured otherwise.
    #[serde(alias = "payload")]
    pub message: JsonText,
    /// Messages of one topic with the same key keep their order. Without a key there is no order.
    #[serde(alias = "partition_key", default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Partition>,
    /// It is delivered only after this long, at most a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<Delay>,
    /// The same as the header `Idempotency-Key`: `<client>/<number>`, or any text that no other publish has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// `POST /queue/consume`: claim messages, or wait for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Consume {
    /// From where.
    #[serde(alias = "queue")]
    pub topic: Topic,
    /// For which consumer group; `default` when absent. It begins to exist, from the earliest message and on all shards, if it
    /// does not and the topic does.
    #[serde(alias = "consumer_group", default = "default_group")]
    pub group: Group,
    /// Who.
    #[serde(alias = "consumer_id")]
    pub consumer: Consumer,
    /// Most messages; 1 when absent.
    #[serde(alias = "max_messages", default = "one")]
    pub max: MaxMessages,
    /// How long they stay invisible to the rest of the group; [`VISIBILITY_DEFAULT`] when absent.
    #[serde(alias = "visibility_timeout_ms", default, skip_serializing_if = "Option::is_none")]
    pub visibility_ms: Option<Visibility>,
    /// How long to wait for a message when there is none; 0 (the default) does not wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<WaitTime>,
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

/// `POST /queue/ack`: be done with one message, or with several. Give `message_id` or `message_ids`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// Of which topic.
    #[serde(alias = "queue")]
    pub topic: Topic,
    /// For which consumer group; `default` when absent.
    #[serde(alias = "consumer_group", default = "default_group")]
    pub group: Group,
    /// One message.
    #[serde(alias = "id", default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Several, at most [`MESSAGE_IDS_MAX`].
    #[serde(alias = "ids", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 1_024))]
    pub message_ids: Option<Vec<MessageId>>,
    /// Of which delivery of the one message; without it the group's latest one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Of which deliveries, in the order of `message_ids`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<Vec<Receipt>>,
}

/// `POST /queue/nack`: give deliveries back. They count as failed attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Nack {
    /// Of which topic.
    #[serde(alias = "queue")]
    pub topic: Topic,
    /// For which consumer group; `default` when absent.
    #[serde(alias = "consumer_group", default = "default_group")]
    pub group: Group,
    /// One message.
    #[serde(alias = "id", default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Several, at most [`MESSAGE_IDS_MAX`].
    #[serde(alias = "ids", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 1_024))]
    pub message_ids: Option<Vec<MessageId>>,
    /// Of which delivery of the one message; without it the group's latest one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Of which deliveries, in the order of `message_ids`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<Vec<Receipt>>,
    /// They are ready again only after this long, at most a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<Delay>,
}

/// `POST /queue/extend`: keep deliveries for longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Extend {
    /// Of which topic.
    #[serde(alias = "queue")]
    pub topic: Topic,
    /// For which consumer group; `default` when absent.
    #[serde(alias = "consumer_group", default = "default_group")]
    pub group: Group,
    /// One message.
    #[serde(alias = "id", default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Several, at most [`MESSAGE_IDS_MAX`].
    #[serde(alias = "ids", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 1_024))]
    pub message_ids: Option<Vec<MessageId>>,
    /// Of which delivery of the one message; without it the group's latest one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Of which deliveries, in the order of `message_ids`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<Vec<Receipt>>,
    /// Visible again this long from now, even where that is earlier than before. When
    /// absent: [`VISIBILITY_DEFAULT`], and never earlier than before.
    #[serde(alias = "visibility_timeout_ms", default, skip_serializing_if = "Option::is_none")]
    pub visibility_ms: Option<Visibility>,
}

fn named<'a>(
    one: &'a Option<MessageId>,
    several: &'a Option<Vec<MessageId>>,
    receipt: &'a Option<Receipt>,
    receipts: &'a Option<Vec<Receipt>>,
) -> Result<Named<'a>, ApiError> {
    let wrong = |sentence: &str| Err(ApiError::bad_request(sentence));
    match (one, several) {
        (Some(id), None) if receipts.is_none() => {
            Ok(Named { ids: std::slice::from_ref(id), receipts: receipt.as_slice() })
        }
        (Some(_), None) => wrong("With one \"message_id\" give \"receipt\", not \"receipts\"."),
        (None, Some(ids)) => {
            check_count(ids)?;
            let receipts = receipts.as_deref().unwrap_or_default();
            if receipt.is_some() {
                wrong("With \"message_ids\" give \"receipts\", in their order, not \"receipt\".")
            } else if !receipts.is_empty() && receipts.len() != ids.len() {
                let (count, ids) = (receipts.len(), ids.len());
                wrong(&format!("\"receipts\" has {count} receipts for {ids} ids; give as many, or none."))
            } else {
                Ok(Named { ids, receipts })
            }
        }
        (Some(_), Some(_)) => wrong("Give \"message_id\" or \"message_ids\", not both."),
        (None, None) => wrong("Give the \"message_id\" of a message, or several as \"message_ids\"."),
    }
}

fn check_count(ids: &[MessageId]) -> Result<(), ApiError> {
    let count = ids.len();
    if (1..=MESSAGE_IDS_MAX).contains(&count) {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "\"message_ids\" has {count} ids; it must have 1 to {MESSAGE_IDS_MAX}."
    )))
}

/// A request that names messages.
macro_rules! names_messages {
    ($($body:ident),*) => { $(
        impl $body {
            /// Which messages.
            ///
            /// # Errors
            /// None, too many, or receipts that do not fit.
            pub fn named(&self) -> Result<Named<'_>, ApiError> {
                named(&self.message_id, &self.message_ids, &self.receipt, &self.receipts)
            }
        }

        impl Request for $body {
            type Answer = Settled;

            const OPERATION: Operation = Operation::$body;

            fn check(&self) -> Result<(), ApiError> {
                self.named().map(drop)
            }

            fn subject(&self) -> SmolStr {
                match (self.message_id, &self.message_ids) {
                    (Some(id), _) => format_smolstr!("{} {id}", self.topic),
                    (None, Some(ids)) if ids.len() == 1 => format_smolstr!("{} {}", self.topic, ids[0]),
                    (None, ids) => {
                        let count = ids.as_ref().map_or(0, Vec::len);
                        format_smolstr!("{} {count} messages", self.topic)
                    }
                }
            }
        }
    )* };
}

names_messages!(Ack, Nack, Extend);

/// `POST /queue/groups`: begin a consumer group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateGroup {
    /// Of which topic; it begins to exist if it does not.
    #[serde(alias = "queue")]
    pub topic: Topic,
    /// Its name.
    #[serde(alias = "consumer_group")]
    pub group: Group,
    /// From where it reads; `earliest` when absent.
    #[serde(default)]
    pub from: StartFrom,
}

/// `POST /queue/groups/delete`: end a consumer group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeleteGroup {
    /// Of which topic.
    #[serde(alias = "queue")]
    pub topic: Topic,
    /// Its name.
    #[serde(alias = "consumer_group")]
    pub group: Group,
}

/// `POST /queue/redrive`: dead letters wait again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Redrive {
    /// The topic, or its dead-letter topic `<topic>.dead`.
    #[serde(alias = "queue")]
    pub topic: AnyTopic,
    /// Dead letters of this group only; of every group when absent.
    #[serde(alias = "consumer_group", default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Only these, at most [`MESSAGE_IDS_MAX`]; all when absent.
    #[serde(alias = "ids", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 1_024))]
    pub message_ids: Option<Vec<MessageId>>,
}

/// `POST /queue/purge`: messages go unread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Purge {
    /// The topic, or its dead-letter topic `<topic>.dead`.
    #[serde(alias = "queue")]
    pub topic: AnyTopic,
    /// Which of its messages: all when absent, of a dead-letter topic the dead ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<PurgeWhat>,
    /// For this group, as if it had acknowledged them; for every group when absent.
    #[serde(alias = "consumer_group", default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
}

impl Request for Publish {
    type Answer = Published;

    const OPERATION: Operation = Operation::Publish;

    fn key(&self, header: Option<IdempotencyKey>) -> Result<Option<IdempotencyKey>, ApiError> {
        let Some(text) = self.idempotency_key.as_deref() else { return Ok(header) };
        let key = IdempotencyKey::of(text);
        names::check(&key.client).map_err(|why| why.error("idempotency_key"))?;
        match header {
            Some(header) if header != key => Err(ApiError::bad_request(
                "\"idempotency_key\" and the header Idempotency-Key are not the same; give one of them.",
            )),
            _ => Ok(Some(key)),
        }
    }

    fn client(&self, key: Option<&IdempotencyKey>) -> SmolStr {
        client_of(key)
    }

    fn subject(&self) -> SmolStr {
        match &self.key {
            Some(key) => format_smolstr!("{} {key}", self.topic),
            None => self.topic.clone().into_text(),
        }
    }
}

impl Request for Consume {
    type Answer = Consumed;

    const OPERATION: Operation = Operation::Consume;

    fn client(&self, _: Option<&IdempotencyKey>) -> SmolStr {
        self.consumer.clone().into_text()
    }

    fn subject(&self) -> SmolStr {
        format_smolstr!("{} {}", self.topic, self.group)
    }
}

impl Request for CreateGroup {
    type Answer = GroupAnswer;

    const OPERATION: Operation = Operation::CreateGroup;

    fn subject(&self) -> SmolStr {
        format_smolstr!("{} {}", self.topic, self.group)
    }
}

impl Request for DeleteGroup {
    type Answer = GroupAnswer;

    const OPERATION: Operation = Operation::DeleteGroup;

    fn subject(&self) -> SmolStr {
        format_smolstr!("{} {}", self.topic, self.group)
    }
}

impl Request for Redrive {
    type Answer = Redriven;

    const OPERATION: Operation = Operation::Redrive;

    fn check(&self) -> Result<(), ApiError> {
        self.message_ids.as_deref().map_or(Ok(()), check_count)
    }

    fn subject(&self) -> SmolStr {
        self.topic.clone().into_text()
    }
}

impl Request for Purge {
    type Answer = Purged;

    const OPERATION: Operation = Operation::Purge;

    fn check(&self) -> Result<(), ApiError> {
        match (dead_letters_of(&self.topic), self.what) {
            (Some(_), Some(PurgeWhat::Ready | PurgeWhat::All)) => Err(ApiError::bad_request(
                "A dead-letter topic has dead letters only: leave \"what\" out, or give \"dead\".",
            )),
            _ => Ok(()),
        }
    }

    fn subject(&self) -> SmolStr {
        self.topic.clone().into_text()
    }
}

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

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
