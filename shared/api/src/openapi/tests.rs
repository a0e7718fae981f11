//! `docs/openapi.json` is what the types say. `UPDATE=1 cargo test -p orrery-api --all-features openapi` writes it anew.

use std::collections::BTreeSet;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::names::aliases;
use super::{calls, document, text};
use crate::operation::Operation;

const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

/// A test of shared code that reads and writes a file of the repository.
#[test]
#[allow(clippy::disallowed_methods)]
fn the_document_is_what_the_types_say() {
    let now = text();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(Path::new(CHECKED_IN), &now).expect("docs/ can be written");
    }
    let before = std::fs::read_to_string(CHECKED_IN).expect("docs/openapi.json");
    assert!(
        before == now,
        "docs/openapi.json is not what the types say: UPDATE=1 cargo test -p orrery-api --all-features openapi writes it anew."
    );
}

#[test]
fn every_operation_is_in_it_once() {
    let document = document();
    for operation in Operation::ALL {
        assert!(document["paths"].get(operation.path()).is_some(), "{operation} is missing");
    }
    let all: Vec<(String, &str)> = calls().iter().map(|call| (call.path(), call.method())).collect();
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!(all.len(), different.len(), "a call is there twice");
}

#[test]
fn every_schema_that_is_named_is_there() {
    let text = text();
    let document: Value = serde_json::from_str(&text).expect("JSON");
    for name in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["components"]["schemas"].get(name).is_some(), "{name} is missing");
    }
}

/// With every field under each of its other names the example is the same request.
#[test]
fn other_names_are_taken() {
    use crate::lock::{Acquire, Cancel, Release};
    use crate::queue::{Ack, Consume, Publish};
    fn check<T: DeserializeOwned + PartialEq + std::fmt::Debug>(json: &str, expected: &[(&str, &[&str])]) {
        let plain: T = serde_json::from_str(json).expect("an example");
        let found = aliases::<T>();
        let found: Vec<(&str, Vec<&str>)> = found
            .iter()
            .map(|(field, names)| (field.as_str(), names.iter().map(String::as_str).collect()))
            .collect();
        let expected: Vec<(&str, Vec<&str>)> =
            expected.iter().map(|(field, names)| (*field, names.to_vec())).collect();
        assert_eq!(found, expected);
        for (field, names) in found {
            for name in names {
                let other = json.replace(&format!("\"{field}\":"), &format!("\"{name}\":"));
                assert_eq!(serde_json::from_str::<T>(&other).expect(name), plain, "{name}");
            }
        }
    }
    let lock = r#"{"resource":"printer","client":"Ayu"}"#;
    let resource: (&str, &[&str]) = ("resource", &["key", "resource_id"]);
    let owners: (&str, &[&str]) = ("client", &["client_id", "owner", "owner_id", "requester_id"]);
    let session: (&str, &[&str]) = ("session", &["session_id"]);
    check::<Acquire>(
        lock,
        &[resource, ("client", &["client_id", "owner", "requester_id"]), session, ("mode", &["lock_type"])],
    );
    check::<Release>(lock, &[resource, owners, session]);
    check::<Cancel>(lock, &[resource, owners, session]);
    check::<Publish>(
        r#"{"topic":"orders","message":1,"key":"a"}"#,
        &[("topic", &["queue"]), ("message", &["payload"]), ("key", &["partition_key"])],
    );
    check::<Consume>(
        r#"{"topic":"orders","consumer":"Budi"}"#,
        &[
            ("topic", &["queue"]),
            ("group", &["consumer_group"]),
            ("consumer", &["consumer_id"]),
            ("max", &["max_messages"]),
            ("visibility_ms", &["visibility_timeout_ms"]),
        ],
    );
    check::<Ack>(
        r#"{"topic":"orders","message_id":"s1-2"}"#,
        &[
            ("topic", &["queue"]),
            ("group", &["consumer_group"]),
            ("message_id", &["id"]),
            ("message_ids", &["ids"]),
        ],
    );
}
