//! Requests to the queues, and their answers read from JSON by hand.

use orrery_base::ids::ClientName;
use smol_str::SmolStr;

use crate::json::{Json, object, quoted, typed};

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
        max: u64,
        /// Each for so long, milliseconds.
        visibility_ms: u64,
    },
    /// Be done with a message, or give it back.
    Settle {
        group: SmolStr,
        id: SmolStr,
        receipt: SmolStr,
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
    pub client: ClientName,
}

impl QueueAsk {
    /// Last part of its path.
    pub fn path(&self) -> &'static str {
        match self.operation {
            QueueOperation::Publish { .. } => "publish",
            QueueOperation::Consume { .. } => "consume",
            QueueOperation::Settle { done: true, .. } => "ack",
            QueueOperation::Settle { .. } => "nack",
            QueueOperation::Redrive { .. } => "redrive",
        }
    }

    pub fn body(&self) -> String {
        let mut fields = vec![("topic", quoted(&self.topic))];
        match &self.operation {
            QueueOperation::Publish { key, message } => {
                fields.push(("message", typed(message)));
                if !key.is_empty() {
                    fields.push(("key", quoted(key)));
                }
            }
            QueueOperation::Consume { group, max, visibility_ms } => {
                fields.push(("group", quoted(group)));
                fields.push(("consumer", quoted(&self.client)));
                fields.push(("max", max.to_string()));
                fields.push(("visibility_ms", visibility_ms.to_string()));
            }
            QueueOperation::Settle { group, id, receipt, .. } => {
                fields.push(("group", quoted(group)));
                fields.push(("message_id", quoted(id)));
                fields.push(("receipt", quoted(receipt)));
            }
            QueueOperation::Redrive { group } => fields.push(("group", quoted(group))),
        }
        object(&fields)
    }
}

/// A message that a consumer got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its id, such as `s3-1234`.
    pub id: SmolStr,
    pub receipt: SmolStr,
    /// 1 is the first.
    pub attempt: u64,
    /// Its partition key; empty is none.
    pub key: SmolStr,
    pub text: String,
}

/// The answer to a [`QueueAsk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueAnswer {
    /// It is on a majority's disks.
    Published { id: SmolStr, replicas: Vec<SmolStr> },
    /// What was claimed; maybe nothing.
    Delivered(Vec<Delivered>),
    /// What became of a message: `acknowledged`, `already_acknowledged`, `nacked`, `dead_lettered`, `late`,
    /// `gone`, `unknown`.
    Settled { id: SmolStr, status: SmolStr },
    /// So many dead letters wait again.
    Redriven(u64),
}

/// The answer in a body; none where it is something else.
pub fn queue_answer(ask: &QueueAsk, text: &str) -> Option<QueueAnswer> {
    let body = Json::parse(text)?;
    let status = body.text_of("status")?;
    Some(match &ask.operation {
        QueueOperation::Publish { .. } => QueueAnswer::Published {
            id: body.text_of("message_id")?,
            replicas: body.items_of("replicas")?.iter().filter_map(Json::text).collect(),
        },
        QueueOperation::Consume { .. } => {
            let delivered = |message: &Json| {
                let said = message.get("message");
                Some(Delivered {
                    id: message.text_of("id")?,
                    receipt: message.text_of("receipt")?,
                    attempt: message.number_of("attempt")?,
                    key: message.text_of("key").unwrap_or_default(),
                    text: said.text().map_or_else(|| said.written(), String::from),
                })
            };
            QueueAnswer::Delivered(body.items_of("messages")?.iter().filter_map(delivered).collect())
        }
        QueueOperation::Settle { id, .. } => QueueAnswer::Settled { id: id.clone(), status },
        QueueOperation::Redrive { .. } => QueueAnswer::Redriven(body.number_of("redriven")?),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: &str) -> Value {
        serde_json::from_str(body).unwrap_or_default()
    }

    fn ask(operation: QueueOperation) -> QueueAsk {
        QueueAsk { operation, topic: "orders".into(), client: "Ayu".into() }
    }

    fn settle(done: bool) -> QueueAsk {
        let (group, id, receipt) = ("default".into(), "s3-12".into(), "r14-0".into());
        ask(QueueOperation::Settle { group, id, receipt, done })
    }

    #[test]
    fn bodies_are_what_the_nodes_expect() {
        let publish = |message: &str, key: &str| {
            ask(QueueOperation::Publish { key: key.into(), message: message.to_owned() }).body()
        };
        assert_eq!(read(&publish("two words", "")), json!({ "topic": "orders", "message": "two words" }));
        assert_eq!(
            read(&publish("{\"n\":1}", "k")),
            json!({ "topic": "orders", "message": { "n": 1 }, "key": "k" })
        );
        let consume = ask(QueueOperation::Consume { group: "g".into(), max: 5, visibility_ms: 2_000 });
        let expected =
            json!({ "topic": "orders", "group": "g", "consumer": "Ayu", "max": 5, "visibility_ms": 2_000 });
        assert_eq!(read(&consume.body()), expected);
        let expected =
            json!({ "topic": "orders", "group": "default", "message_id": "s3-12", "receipt": "r14-0" });
        assert_eq!(read(&settle(true).body()), expected);
        assert_eq!((settle(true).path(), settle(false).path()), ("ack", "nack"));
    }

    #[test]
    fn answers_are_read() {
        let publish = ask(QueueOperation::Publish { key: "".into(), message: "x".to_owned() });
        let text = "{\"status\":\"published\",\"message_id\":\"s3-12\",\"shard\":3,\"replicas\":[\"node1\",\"node2\"]}";
        let published =
            QueueAnswer::Published { id: "s3-12".into(), replicas: vec!["node1".into(), "node2".into()] };
        assert_eq!(queue_answer(&publish, text), Some(published));
        let consume = ask(QueueOperation::Consume { group: "g".into(), max: 1, visibility_ms: 1 });
        let text = "{\"status\":\"ok\",\"messages\":[{\"id\":\"s3-12\",\"message\":{\"n\":1},\"attempt\":2,\
                    \"receipt\":\"r14-0\",\"published_at\":1,\"key\":\"k\"}]}";
        let delivered = Delivered {
            id: "s3-12".into(),
            receipt: "r14-0".into(),
            attempt: 2,
            key: "k".into(),
            text: "{\"n\":1}".to_owned(),
        };
        assert_eq!(queue_answer(&consume, text), Some(QueueAnswer::Delivered(vec![delivered])));
        let text = "{\"status\":\"late\",\"messages\":[{\"message_id\":\"s3-12\",\"status\":\"late\"}]}";
        let late = QueueAnswer::Settled { id: "s3-12".into(), status: "late".into() };
        assert_eq!(queue_answer(&settle(true), text), Some(late));
        let redrive = ask(QueueOperation::Redrive { group: "g".into() });
        let text = "{\"status\":\"redriven\",\"topic\":\"orders\",\"redriven\":3,\"left\":0}";
        assert_eq!(queue_answer(&redrive, text), Some(QueueAnswer::Redriven(3)));
        assert_eq!(queue_answer(&redrive, "{\"error\":{\"code\":\"internal\",\"message\":\"x\"}}"), None);
    }
}
