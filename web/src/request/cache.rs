//! Requests to the coherent cache, and their answers read from JSON by hand.

use orrery_base::ids::ClientName;
use orrery_cache::State;
use smol_str::SmolStr;

use super::{Answered, get, post, understood};
use crate::json::{Json, object, quoted, typed};

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
    Read {
        /// JSON text; none where the line has no value.
        value: Option<SmolStr>,
        /// The state of the asked node's copy now.
        state: State,
        /// `local`, `owner`, `home`, `replica`.
        source: SmolStr,
        /// Who owned it, where it came from an owner.
        owner: SmolStr,
    },
    /// It is written, or gone.
    Written {
        /// `written`, `deleted`, `absent`.
        status: SmolStr,
        /// The state of the asked node's copy now.
        state: State,
        /// The version; where it is not durable yet, the one that it is based on.
        version: u64,
        /// It is on a majority's disks.
        durable: bool,
    },
}

impl CacheAsk {
    fn body(&self) -> String {
        let mut fields = vec![("address", quoted(&self.address))];
        if let CacheOperation::Write { value, write_back } = &self.operation {
            fields.push(("value", typed(value)));
            fields.push(("write_back", write_back.to_string()));
        }
        object(&fields)
    }

    /// Sends it to the node at `base` and waits for the answer.
    pub async fn send(&self, base: &str, key: &str) -> Answered<CacheAnswer> {
        let (answered, read): (_, fn(&str) -> Option<CacheAnswer>) = match self.operation {
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
        understood(status, &text, read(&text))
    }
}

fn state_of(body: &Json) -> Option<State> {
    let word = body.text_of("state")?;
    State::ALL.into_iter().find(|state| state.letter() == word)
}

fn read_answer(text: &str) -> Option<CacheAnswer> {
    let body = Json::parse(text)?;
    let miss = body.text_of("status")? == "miss";
    Some(CacheAnswer::Read {
        value: (!miss).then(|| body.get("value").written().into()),
        state: state_of(&body).unwrap_or_default(),
        source: body.text_of("source").unwrap_or_default(),
        owner: body.text_of("owner").unwrap_or_default(),
    })
}

fn written_answer(text: &str) -> Option<CacheAnswer> {
    let body = Json::parse(text)?;
    Some(CacheAnswer::Written {
        status: body.text_of("status")?,
        state: state_of(&body)?,
        version: body.number_of("version")?,
        durable: body.flag_of("durable")?,
    })
}

#[cfg(test)]
mod tests {
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
        let fill = CacheAnswer::Read {
            value: Some("{\"n\":1}".into()),
            state: State::S,
            source: "owner".into(),
            owner: "node2".into(),
        };
        assert_eq!(read_answer(text), Some(fill));
        let miss = read_answer("{\"status\":\"miss\",\"value\":null}");
        let nothing = CacheAnswer::Read { value: None, state: State::I, source: "".into(), owner: "".into() };
        assert_eq!(miss, Some(nothing));
        let text =
            "{\"status\":\"written\",\"address\":\"price\",\"state\":\"M\",\"version\":7,\"durable\":false}";
        let written =
            CacheAnswer::Written { status: "written".into(), state: State::M, version: 7, durable: false };
        assert_eq!(written_answer(text), Some(written));
        for text in ["{\"error\":{\"code\":\"internal\",\"message\":\"x\"}}", "hello"] {
            assert_eq!((read_answer(text), written_answer(text)), (None, None));
        }
    }
}
