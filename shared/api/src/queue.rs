//! `POST /queue/...`: the requests. Their names and numbers are in `queue_bounds.rs`, their answers in
//! `queue_answers.rs`, and what `GET` shows in [`super::queue_view`].

use orrery_base::error::ApiError;
use orrery_base::key::IdempotencyKey;
use orrery_base::names;
use orrery_base::valid::WaitTime;
use orrery_queue::{MessageId, PurgeWhat, Receipt, StartFrom, dead_letters_of};
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

pub use super::json_text::JsonText;
pub use super::queue_answers::{
    Consumed, Delivered, GroupAnswer, GroupEnd, Published, Purged, Redriven, Settled, SettledMessage,
    Settlement,
};
pub use super::queue_bounds::{
    AnyTopic, Consumer, Delay, Group, MaxMessages, Partition, PeekLimit, Topic, Visibility,
};
use crate::operation::Operation;
use crate::request::{Request, client_of};

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

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
