//! Requests to the queues, and their answers.

use orrery_api::queue as api;
use orrery_api::queue::Settlement;
use orrery_base::error::ApiError;
use orrery_base::ids::NodeName;
use orrery_base::valid::{Name, Number};
use orrery_queue::{MessageId, Receipt};
use smol_str::SmolStr;

use super::{Prepared, prepared, read, typed};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueOperation {
    /// Put a message into the topic.
    Publish {
        /// Messages with the same key keep their order; empty is none.
        key: SmolStr,
        /// JSON, or else a text.
        message: String,
    },
    Consume {
        group: SmolStr,
        /// At most so many.
        max: u32,
        /// Each for so long, milliseconds.
        visibility_ms: u64,
    },
    /// Be done with a message, or give it back.
    Settle {
        group: SmolStr,
        id: MessageId,
        receipt: Receipt,
        /// Done; given back otherwise.
        done: bool,
    },
    /// Bring a group's dead letters back.
    Redrive { group: SmolStr },
}

/// A queue request as one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueAsk {
    pub operation: QueueOperation,
    pub topic: SmolStr,
    /// As whom: the consumer's name.
    pub client: SmolStr,
}

impl QueueAsk {
    /// As the nodes read it; what is wrong with what was typed.
    pub fn prepared(&self) -> Result<Prepared, ApiError> {
        let topic = || Name::new(self.topic.clone());
        Ok(match &self.operation {
            QueueOperation::Publish { key, message } => {
                let key = (!key.is_empty()).then(|| Name::new(key.clone())).transpose()?;
                let (topic, message) = (topic()?, typed(message));
                prepared(&api::Publish { topic, message, key, delay_ms: None, idempotency_key: None })
            }
            QueueOperation::Consume { group, max, visibility_ms } => {
                let (topic, group) = (topic()?, Name::new(group.clone())?);
                let consumer = Name::new(self.client.clone())?;
                let (max, visibility_ms) =
                    (Number::new(u64::from(*max))?, Some(Number::new(*visibility_ms)?));
                prepared(&api::Consume { topic, group, consumer, max, visibility_ms, wait_ms: None })
            }
            QueueOperation::Settle { group, id, receipt, done } => {
                let (topic, group) = (topic()?, Name::new(group.clone())?);
                let (message_id, receipt) = (Some(*id), Some(*receipt));
                let (message_ids, receipts) = (None, None);
                if *done {
                    prepared(&api::Ack { topic, group, message_id, message_ids, receipt, receipts })
                } else {
                    let delay_ms = None;
                    prepared(&api::Nack {
                        topic,
                        group,
                        message_id,
                        message_ids,
                        receipt,
                        receipts,
                        delay_ms,
                    })
                }
            }
            QueueOperation::Redrive { group } => {
                let (topic, group) = (Name::new(self.topic.clone())?, Some(Name::new(group.clone())?));
                prepared(&api::Redrive { topic, group, message_ids: None })
            }
        })
    }
}

/// A message that a consumer got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    pub id: MessageId,
    pub receipt: Receipt,
    /// 1 is the first.
    pub attempt: u32,
    /// The words of a string; JSON text of anything else.
    pub text: String,
}

/// The answer to a [`QueueAsk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueAnswer {
    /// It is on a majority's disks.
    Published { id: MessageId, replicas: Vec<NodeName> },
    /// What was claimed; maybe nothing.
    Delivered(Vec<Delivered>),
    /// What became of a message.
    Settled { id: MessageId, status: Settlement },
    /// So many dead letters wait again.
    Redriven(u64),
}

/// The answer in a body; none where it is something else.
pub fn queue_answer(ask: &QueueAsk, text: &str) -> Option<QueueAnswer> {
    Some(match ask.operation {
        QueueOperation::Publish { .. } => {
            let api::Published { message_id, replicas, .. } = read(text)?;
            QueueAnswer::Published { id: message_id, replicas }
        }
        QueueOperation::Consume { .. } => {
            let consumed: api::Consumed = read(text)?;
            QueueAnswer::Delivered(consumed.messages.into_iter().map(delivered).collect())
        }
        QueueOperation::Settle { id, .. } => {
            let settled: api::Settled = read(text)?;
            QueueAnswer::Settled { id, status: settled.status }
        }
        QueueOperation::Redrive { .. } => {
            let redriven: api::Redriven = read(text)?;
            QueueAnswer::Redriven(redriven.redriven)
        }
    })
}

fn delivered(message: api::Delivered) -> Delivered {
    let api::Delivered { id, receipt, attempt, message, .. } = message;
    let text = read(message.text()).unwrap_or_else(|| message.text().to_owned());
    Delivered { id, receipt, attempt, text }
}

#[cfg(test)]
mod tests {
    use orrery_base::ids::GroupId;
    use serde_json::{Value, json};

    use super::*;

    const ID: MessageId = MessageId { shard: GroupId(3), number: 12 };
    const RECEIPT: Receipt = Receipt { index: 14, n: 0 };

    fn read(body: &str) -> Value {
        serde_json::from_str(body).unwrap_or_default()
    }

    fn body(ask: &QueueAsk) -> String {
        ask.prepared().expect("good names").body
    }

    fn ask(operation: QueueOperation) -> QueueAsk {
        QueueAsk { operation, topic: "orders".into(), client: "Ayu".into() }
    }

    fn settle(done: bool) -> QueueAsk {
        ask(QueueOperation::Settle { group: "default".into(), id: ID, receipt: RECEIPT, done })
    }

    #[test]
    fn bodies_are_what_the_nodes_expect() {
        let publish = |message: &str, key: &str| {
            body(&ask(QueueOperation::Publish { key: key.into(), message: message.to_owned() }))
        };
        assert_eq!(read(&publish("two words", "")), json!({ "topic": "orders", "message": "two words" }));
        assert_eq!(
            read(&publish("{\"n\":1}", "k")),
            json!({ "topic": "orders", "message": { "n": 1 }, "key": "k" })
        );
        let consume = ask(QueueOperation::Consume { group: "g".into(), max: 5, visibility_ms: 2_000 });
        let expected =
            json!({ "topic": "orders", "group": "g", "consumer": "Ayu", "max": 5, "visibility_ms": 2_000 });
        assert_eq!(read(&body(&consume)), expected);
        let expected =
            json!({ "topic": "orders", "group": "default", "message_id": "s3-12", "receipt": "r14-0" });
        assert_eq!(read(&body(&settle(true))), expected);
        let path = |done| settle(done).prepared().expect("good names").path;
        assert_eq!((path(true), path(false)), ("/queue/ack", "/queue/nack"));
    }

    #[test]
    fn answers_are_read() {
        let publish = ask(QueueOperation::Publish { key: "".into(), message: "x".to_owned() });
        let text = "{\"status\":\"published\",\"message_id\":\"s3-12\",\"shard\":3,\"replicas\":[\"node1\",\"node2\"]}";
        let published = QueueAnswer::Published { id: ID, replicas: vec!["node1".into(), "node2".into()] };
        assert_eq!(queue_answer(&publish, text), Some(published));
        let consume = ask(QueueOperation::Consume { group: "g".into(), max: 1, visibility_ms: 1 });
        let text = "{\"status\":\"ok\",\"messages\":[{\"id\":\"s3-12\",\"message\":{\"n\":1},\"attempt\":2,\
                    \"receipt\":\"r14-0\",\"published_at\":1,\"key\":\"k\"}]}";
        let delivered = Delivered { id: ID, receipt: RECEIPT, attempt: 2, text: "{\"n\":1}".to_owned() };
        assert_eq!(queue_answer(&consume, text), Some(QueueAnswer::Delivered(vec![delivered.clone()])));
        let words = Delivered { text: "two \"words\"".to_owned(), ..delivered };
        let text = text.replace("{\"n\":1}", "\"two \\\"words\\\"\"");
        assert_eq!(queue_answer(&consume, &text), Some(QueueAnswer::Delivered(vec![words])));
        let text = "{\"status\":\"late\",\"messages\":[{\"message_id\":\"s3-12\",\"status\":\"late\"}]}";
        let late = QueueAnswer::Settled { id: ID, status: Settlement::Late };
        assert_eq!(queue_answer(&settle(true), text), Some(late));
        let redrive = ask(QueueOperation::Redrive { group: "g".into() });
        let text = "{\"status\":\"redriven\",\"topic\":\"orders\",\"redriven\":3,\"left\":0}";
        assert_eq!(queue_answer(&redrive, text), Some(QueueAnswer::Redriven(3)));
        assert_eq!(queue_answer(&redrive, "{\"error\":{\"code\":\"internal\",\"message\":\"x\"}}"), None);
    }
}
