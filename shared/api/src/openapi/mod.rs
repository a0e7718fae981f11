//! The document of the API (`docs/openapi.json`), made of the types of this crate.
//!
//! Schemas come from the derives beside the types, bounds from their rules, other names of a field from serde, statuses from
//! [`Outcome::status`](crate::operation::Outcome::status) and [`ErrorCode::status`](orrery_base::error::ErrorCode::status).
//! What is written here is what no type says: sentences, examples, and which outcomes and errors a request can have.

mod call;
mod names;
mod node;
mod refusal;
mod schemas;
mod services;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use call::Call;

/// The document as it is checked in: with sorted keys, whatever order a build of serde_json keeps.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&sorted(document())).expect("keys are strings");
    text.push('\n');
    text
}

fn calls() -> Vec<Call> {
    services::calls().into_iter().chain(node::calls()).collect()
}

/// The document.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas = schemas::Schemas::default();
    for call in calls() {
        let (path, method) = (call.path(), call.method());
        let (operation, used) = call.finish();
        schemas.add(used);
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[method] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Orrery node",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Locks, queues and a coherent cache on a replicated cluster",
            "license": { "name": "MIT", "identifier": "MIT" },
            "description": DESCRIPTION,
        },
        "servers": [
            { "url": "/", "description": "The node that shows this document." },
            { "url": "http://127.0.0.1:8001", "description": "A node with the usual settings." },
        ],
        "paths": paths,
        "components": { "schemas": schemas.finish(), "examples": refusal::examples() },
    })
}

const DESCRIPTION: &str = "Any node takes any request. A mutation is answered after a majority has it on disk; a 503 with code \
    outcome_unknown may have taken effect and is retried under the same Idempotency-Key.\n\nAn answer that is no success has the \
    body `Error`, where nothing else is said. Beside what a request lists, any can be refused: `not_found` (404) for a path that \
    there is not, `method_not_allowed` (405), and `internal` (500), which is a bug of the node. `x-aliases` are other names under \
    which a field is accepted.";

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            fields.into_iter().map(|(name, value)| (name, sorted(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        plain => plain,
    }
}
