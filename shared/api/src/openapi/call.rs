//! One method of one path: what it takes, and how it ends.

use std::collections::BTreeMap;

use orrery_base::error::{ErrorBody, ErrorCode};
use orrery_base::ids::NAME_BYTES_MAX;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::refusal;
use super::schemas::Schemas;
use crate::operation::Outcome;
use crate::request::Request;

/// What the edge refuses before it asks a service, of a request with a body.
const EDGE: [ErrorCode; 4] =
    [ErrorCode::BadJson, ErrorCode::BadRequest, ErrorCode::TooLarge, ErrorCode::UnsupportedMediaType];

/// What any change can end with: it is remembered under a key, and a majority has to take it.
const CHANGE: [ErrorCode; 6] = [
    ErrorCode::KeyReused,
    ErrorCode::KeyTooOld,
    ErrorCode::LimitReached,
    ErrorCode::TooManyKeys,
    ErrorCode::OutcomeUnknown,
    ErrorCode::NotReady,
];

/// In the making.
pub struct Call {
    method: &'static str,
    path: &'static str,
    operation: Map<String, Value>,
    parameters: Vec<Value>,
    answers: BTreeMap<u16, Answers>,
    schemas: Schemas,
}

/// Everything that ends with one status.
#[derive(Default)]
struct Answers {
    /// The word of each, and when it comes.
    words: Vec<(String, String)>,
    /// By content type: the schemas, each once.
    bodies: BTreeMap<&'static str, Vec<Value>>,
    /// Of errors, by their codes.
    examples: Map<String, Value>,
}

const JSON: &str = "application/json";

impl Call {
    /// A call that the guard checks.
    pub fn new(method: &'static str, path: &'static str, summary: &str) -> Call {
        let mut operation = Map::new();
        operation.insert("summary".into(), summary.into());
        let call = Call {
            method,
            path,
            operation,
            parameters: Vec::new(),
            answers: BTreeMap::new(),
            schemas: Schemas::default(),
        };
        call.refused(&[ErrorCode::ForbiddenOrigin])
    }

    /// A call that changes nothing.
    pub fn get(path: &'static str, summary: &str) -> Call {
        Call::new("get", path, summary)
    }

    /// A change that a service makes, with the header that makes a retry safe.
    pub fn change<R>(summary: &str, example: Value) -> Call
    where
        R: Request + DeserializeOwned + ToSchema,
    {
        let mut call = Call::new("post", R::OPERATION.path(), summary).body::<R>(true, example);
        call.parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "<client>/<number>, or any other text: a retry under the same key has the first try's outcome, once, for \
                as long as the key is remembered (docs/operations.md, Retries).",
            // A name, a slash and a number.
            "schema": { "type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX + 1 + 20 },
        }));
        call.refused(&CHANGE)
    }

    pub fn path(&self) -> String {
        self.path.to_owned()
    }

    pub fn method(&self) -> &'static str {
        self.method
    }

    pub fn described(mut self, text: &str) -> Call {
        self.operation.insert("description".into(), text.into());
        self
    }

    /// Its query string; examples of those that have to be given.
    pub fn query<Q: DeserializeOwned + ToSchema>(mut self, examples: &[(&str, &str)]) -> Call {
        let schema = self.schemas.request::<Q>();
        let names = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let mut field = field.clone();
            let mut parameter =
                json!({ "name": name, "in": "query", "required": names.contains(&json!(name)) });
            for moved in ["description", "x-aliases"] {
                if let Some(value) = field.as_object_mut().and_then(|field| field.remove(moved)) {
                    parameter[moved] = value;
                }
            }
            parameter["schema"] = field;
            if let Some((_, example)) = examples.iter().find(|(of, _)| of == name) {
                parameter["example"] = (*example).into();
            }
            self.parameters.push(parameter);
        }
        self.refused(&[ErrorCode::BadRequest])
    }

    /// Its body, and one that a node takes.
    ///
    /// # Panics
    /// Where the example is no such body.
    pub fn body<B: DeserializeOwned + ToSchema>(mut self, required: bool, example: Value) -> Call {
        if let Err(error) = serde_json::from_value::<B>(example.clone()) {
            panic!("{} {}: {error}", self.method, self.path);
        }
        let schema = self.schemas.body::<B>();
        let content = json!({ JSON: { "schema": schema, "example": example } });
        self.operation.insert("requestBody".into(), json!({ "required": required, "content": content }));
        self.refused(&EDGE)
    }

    /// How it ends where it is not refused, with when: all have the answer `A`, or the variant of it that has the outcome's word.
    pub fn ends<A: ToSchema>(mut self, outcomes: &[(Outcome, &str)]) -> Call {
        for (outcome, when) in outcomes {
            let schema = self.schemas.answer::<A>(outcome.word());
            self.answer(outcome.status(), outcome.word(), when, JSON, schema);
        }
        self
    }

    /// An answer with this status.
    pub fn shows<A: ToSchema>(mut self, status: u16, when: &str) -> Call {
        let schema = self.schemas.answer::<A>("");
        self.answer(status, "", when, JSON, schema);
        self
    }

    /// An answer that is no JSON.
    pub fn gives(mut self, content_type: &'static str, schema: Value, when: &str) -> Call {
        self.answer(200, "", when, content_type, schema);
        self
    }

    /// The connection is something else from now on.
    pub fn becomes(mut self, when: &str) -> Call {
        self.answers.entry(101).or_default().words.push((String::new(), when.into()));
        self
    }

    /// Errors, each with the sentence that all requests have for it.
    pub fn refused(self, codes: &[ErrorCode]) -> Call {
        codes.iter().fold(self, |call, code| call.refused_where(*code, refusal::sentence(*code)))
    }

    /// An error, with this request's own sentence for it.
    pub fn refused_where(mut self, code: ErrorCode, why: &str) -> Call {
        let schema = self.schemas.answer::<ErrorBody>("");
        self.answer(code.status(), code.word(), why, JSON, schema);
        let answers = self.answers.entry(code.status()).or_default();
        let example = match why == refusal::sentence(code) {
            true => json!({ "$ref": format!("#/components/examples/{}", code.word()) }),
            false => json!({ "value": refusal::example(code, why) }),
        };
        answers.examples.insert(code.word().into(), example);
        self
    }

    fn answer(&mut self, status: u16, word: &str, when: &str, content_type: &'static str, schema: Value) {
        let answers = self.answers.entry(status).or_default();
        match answers.words.iter_mut().find(|(known, _)| known == word) {
            Some((_, known)) => *known = when.into(),
            None => answers.words.push((word.into(), when.into())),
        }
        let bodies = answers.bodies.entry(content_type).or_default();
        if !bodies.contains(&schema) {
            bodies.push(schema);
        }
    }

    /// The operation of the document, and the schemas that it needs.
    pub fn finish(mut self) -> (Value, Schemas) {
        if !self.parameters.is_empty() {
            self.operation.insert("parameters".into(), self.parameters.into());
        }
        let responses: Map<String, Value> = self
            .answers
            .into_iter()
            .map(|(status, answers)| (status.to_string(), answers.finish()))
            .collect();
        self.operation.insert("responses".into(), responses.into());
        (self.operation.into(), self.schemas)
    }
}

impl Answers {
    fn finish(self) -> Value {
        let sentences: Vec<String> = match &self.words[..] {
            [(_, when)] => vec![when.clone()],
            words => words.iter().map(|(word, when)| format!("- `{word}`: {when}")).collect(),
        };
        let mut response = json!({ "description": sentences.join("\n") });
        for (content_type, mut schemas) in self.bodies {
            let schema = match schemas.len() {
                1 => schemas.remove(0),
                _ => json!({ "oneOf": schemas }),
            };
            response["content"][content_type] = json!({ "schema": schema });
            if content_type == JSON && !self.examples.is_empty() {
                response["content"][content_type]["examples"] = self.examples.clone().into();
            }
        }
        response
    }
}
