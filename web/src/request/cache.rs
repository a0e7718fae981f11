//! Requests to the coherent cache, and their answers.

use orrery_api::cache as api;
use orrery_api::cache::{ReadAnswer, WriteAnswer};
use orrery_api::operation::Operation;
use orrery_base::error::ApiError;
use orrery_base::valid::Name;
use smol_str::SmolStr;

use super::{Answered, Prepared, ask, get, prepared, read, refused_here, typed, understood};

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
    pub client: SmolStr,
}

/// The answer to a [`CacheAsk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheAnswer {
    Read(ReadAnswer),
    /// It is written, or gone.
    Written(WriteAnswer),
}

impl CacheAsk {
    /// As the nodes read it; what is wrong with what was typed. None of a read, which has no body.
    fn prepared(&self) -> Result<Option<Prepared>, ApiError> {
        let (address, if_version) = (Name::new(self.address.clone())?, None);
        Ok(match &self.operation {
            CacheOperation::Read => None,
            CacheOperation::Write { value, write_back } => {
                let (value, write_back) = (typed(value), *write_back);
                Some(prepared(&api::Write { address, value, write_back, if_version }))
            }
            CacheOperation::Delete => Some(prepared(&api::Delete { address, if_version })),
        })
    }

    /// Sends it to the node at `base` and waits for the answer.
    pub async fn send(&self, base: &str, key: &str) -> Answered<CacheAnswer> {
        match self.prepared().map_err(refused_here)? {
            None => {
                let address = String::from(js_sys::encode_uri_component(&self.address));
                let url = [base, Operation::Read.path(), "?address=", &address].concat();
                let (status, text) = get(&url, ANSWER_TIMEOUT_MS).await?;
                understood(status, &text, read(&text).map(CacheAnswer::Read))
            }
            Some(request) => {
                let answer = |text: &str| read(text).map(CacheAnswer::Written);
                ask(base, Ok(request), key, ANSWER_TIMEOUT_MS, answer).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use orrery_api::cache::{ReadSource, ReadStatus, WriteStatus};
    use orrery_cache::State;
    use serde_json::{Value, json};

    use super::*;

    fn asking(operation: CacheOperation) -> CacheAsk {
        CacheAsk { operation, address: "price".into(), client: "Ayu".into() }
    }

    #[test]
    fn bodies_are_what_the_nodes_expect() {
        let body = |operation| {
            let request = asking(operation).prepared().expect("a good name").expect("a body");
            (request.path, serde_json::from_str::<Value>(&request.body).expect("JSON"))
        };
        let write = |value: &str| body(CacheOperation::Write { value: value.to_owned(), write_back: true }).1;
        assert_eq!(write("900"), json!({ "address": "price", "value": 900, "write_back": true }));
        assert_eq!(
            write("two words"),
            json!({ "address": "price", "value": "two words", "write_back": true })
        );
        assert_eq!(body(CacheOperation::Delete), ("/cache/delete", json!({ "address": "price" })));
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
        assert_eq!(read(text), Some(fill.clone()));
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
        assert_eq!(read(text), Some(miss));
        let text =
            "{\"status\":\"written\",\"address\":\"price\",\"state\":\"M\",\"version\":7,\"durable\":false}";
        let written = WriteAnswer {
            status: WriteStatus::Written,
            address: "price".into(),
            state: State::M,
            version: 7,
            durable: false,
        };
        assert_eq!(read(text), Some(written));
        for text in ["{\"error\":{\"code\":\"internal\",\"message\":\"x\"}}", "hello"] {
            assert_eq!((read::<ReadAnswer>(text), read::<WriteAnswer>(text)), (None, None));
        }
    }
}
