//! Requests to the coherent cache, and their answers.

use orrery_api::cache as api;
use orrery_api::cache::{ReadAnswer, WriteAnswer};
use orrery_base::ids::ClientName;
use smol_str::SmolStr;

use super::{Answered, get, post, read, typed, understood, written};

/// A home may have to wait for a lease before a write is done: so long in the classroom profile, and some time more.
const ANSWER_TIMEOUT_MS: u64 = 12_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheOperation {
    /// Read a line, linearizable.
    Read,
    Write {
        /// JSON, or else a text.
        value: String,
        /// Answer before it is committed.
        write_back: bool,
    },
    Delete,
}

/// A cache request as one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheAsk {
    pub operation: CacheOperation,
    pub address: SmolStr,
    pub client: ClientName,
}

/// The answer to a [`CacheAsk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheAnswer {
    Read(ReadAnswer),
    /// It is written, or gone.
    Written(WriteAnswer),
}

impl CacheAsk {
    fn body(&self) -> String {
        let (address, if_version) = (self.address.clone(), None);
        match &self.operation {
            CacheOperation::Write { value, write_back } => {
                written(&api::Write { address, value: typed(value), write_back: *write_back, if_version })
            }
            CacheOperation::Read | CacheOperation::Delete => written(&api::Delete { address, if_version }),
        }
    }

    /// Sends it to the node at `base` and waits for the answer.
    pub async fn send(&self, base: &str, key: &str) -> Answered<CacheAnswer> {
        let (answered, answer): (_, fn(&str) -> Option<CacheAnswer>) = match self.operation {
            CacheOperation::Read => {
                let address = String::from(js_sys::encode_uri_component(&self.address));
                let url = [base, "/cache/read?address=", &address].concat();
                (get(&url, ANSWER_TIMEOUT_MS), read_answer)
            }
            _ => {
                let last = if self.operation == CacheOperation::Delete { "delete" } else { "write" };
                let url = [base, "/cache/", last].concat();
                (post(&url, &self.body(), Some(key), ANSWER_TIMEOUT_MS), written_answer)
            }
        };
        let (status, text) = answered.await?;
        understood(status, &text, answer(&text))
    }
}

fn read_answer(text: &str) -> Option<CacheAnswer> {
    read(text).map(CacheAnswer::Read)
}

fn written_answer(text: &str) -> Option<CacheAnswer> {
    read(text).map(CacheAnswer::Written)
}

#[cfg(test)]
mod tests {
    use orrery_api::cache::{ReadSource, ReadStatus, WriteStatus};
    use orrery_cache::State;
    use serde_json::{Value, json};

    use super::*;

    fn read(body: &str) -> Value {
        serde_json::from_str(body).unwrap_or_default()
    }

    fn asking(operation: CacheOperation) -> CacheAsk {
        CacheAsk { operation, address: "price".into(), client: "Ayu".into() }
    }

    #[test]
    fn bodies_are_what_the_nodes_expect() {
        let write =
            |value: &str| asking(CacheOperation::Write { value: value.to_owned(), write_back: true }).body();
        assert_eq!(read(&write("900")), json!({ "address": "price", "value": 900, "write_back": true }));
        assert_eq!(
            read(&write("two words")),
            json!({ "address": "price", "value": "two words", "write_back": true })
        );
        assert_eq!(read(&asking(CacheOperation::Delete).body()), json!({ "address": "price" }));
    }

    #[test]
    fn answers_are_read() {
        let text = "{\"status\":\"fill\",\"address\":\"price\",\"value\":{\"n\":1},\"state\":\"S\",\"version\":7,\
                    \"source\":\"owner\",\"owner\":\"node2\"}";
        let fill = ReadAnswer {
            status: ReadStatus::Fill,
            address: "price".into(),
            value: Some(typed("{\"n\":1}")),
            state: State::S,
            version: Some(7),
            source: ReadSource::Owner,
            owner: Some("node2".into()),
        };
        assert_eq!(read_answer(text), Some(CacheAnswer::Read(fill.clone())));
        let text = "{\"status\":\"miss\",\"address\":\"price\",\"value\":null,\"state\":\"I\",\"version\":null,\
                    \"source\":\"home\"}";
        let miss = ReadAnswer {
            status: ReadStatus::Miss,
            value: None,
            state: State::I,
            version: None,
            source: ReadSource::Home,
            owner: None,
            ..fill
        };
        assert_eq!(read_answer(text), Some(CacheAnswer::Read(miss)));
        let text =
            "{\"status\":\"written\",\"address\":\"price\",\"state\":\"M\",\"version\":7,\"durable\":false}";
        let written = WriteAnswer {
            status: WriteStatus::Written,
            address: "price".into(),
            state: State::M,
            version: 7,
            durable: false,
        };
        assert_eq!(written_answer(text), Some(CacheAnswer::Written(written)));
        for text in ["{\"error\":{\"code\":\"internal\",\"message\":\"x\"}}", "hello"] {
            assert_eq!((read_answer(text), written_answer(text)), (None, None));
        }
    }
}
