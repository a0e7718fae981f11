//! Bodies as clients send them, and what is wrong with others.

use orrery_base::ids::GroupId;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::request::Answer as _;

fn fits<T: DeserializeOwned>(body: &Value) -> bool {
    serde_json::from_str::<T>(&body.to_string()).is_ok()
}

#[test]
fn every_body_takes_its_aliases_and_no_other_field() {
    type Fits = fn(&Value) -> bool;
    let table: [(Fits, Value); 16] = [
        (fits::<Publish>, json!({"topic": "t", "message": null})),
        (fits::<Publish>, json!({"queue": "t", "payload": [1], "partition_key": "k"})),
        (
            fits::<Publish>,
            json!({"topic": "t", "message": {}, "key": "k", "delay_ms": 1, "idempotency_key": "a/1"}),
        ),
        (fits::<Consume>, json!({"topic": "t", "consumer": "c"})),
        (
            fits::<Consume>,
            json!({"topic": "t", "group": "g", "consumer_id": "c", "max": 2, "visibility_ms": 100, "wait_ms": 0}),
        ),
        (
            fits::<Consume>,
            json!({"topic": "t", "consumer_group": "g", "consumer": "c", "max_messages": 2, "visibility_timeout_ms": 100}),
        ),
        (fits::<Ack>, json!({"topic": "t", "message_id": "s1-2", "receipt": "r3-0"})),
        (fits::<Ack>, json!({"topic": "t", "consumer_group": "g", "message_ids": ["s1-2", "s2-9"]})),
        (fits::<Nack>, json!({"topic": "t", "group": "g", "id": "s1-2", "delay_ms": 5})),
        (fits::<Extend>, json!({"topic": "t", "group": "g", "ids": ["s1-2"], "visibility_ms": 500})),
        (fits::<CreateGroup>, json!({"topic": "t", "consumer_group": "g", "from": "latest"})),
        (fits::<CreateGroup>, json!({"topic": "t", "group": "g"})),
        (fits::<DeleteGroup>, json!({"topic": "t", "group": "g"})),
        (fits::<Redrive>, json!({"topic": "t.dead", "group": "g", "message_ids": ["s1-2"]})),
        (fits::<Purge>, json!({"topic": "t", "what": "ready", "consumer_group": "g"})),
        (fits::<Purge>, json!({"topic": "t"})),
    ];
    for (fits, body) in table {
        assert!(fits(&body), "{body}");
        let mut other = body.clone();
        other["colour"] = json!("red");
        assert!(!fits(&other), "{other}");
        let mut missing = body;
        let fields = missing.as_object_mut().expect("an object");
        fields.remove("topic");
        fields.remove("queue");
        assert!(!fits(&missing), "{missing}");
    }
}

#[test]
fn dead_letter_topics_take_nothing_and_are_looked_at() {
    type Fits = fn(&Value) -> bool;
    let refused: [(Fits, Value); 3] = [
        (fits::<Publish>, json!({"topic": "orders.dead", "message": 1})),
        (fits::<Consume>, json!({"topic": "orders.dead", "consumer": "c"})),
        (fits::<CreateGroup>, json!({"topic": "orders.dead", "group": "g"})),
    ];
    for (fits, body) in refused {
        assert!(!fits(&body), "{body}");
    }
    let error = Topic::new("orders.dead").expect_err("a view");
    assert!(error.message.contains("dead letters of orders"), "{error}");
    // `.dead` is a topic like any other, and those can be redriven and purged.
    assert!(Topic::new(".dead").is_ok() && AnyTopic::new("orders.dead").is_ok());
    let purge = |what| Purge { topic: AnyTopic::known("orders.dead"), what, group: None };
    assert!(purge(None).check().is_ok() && purge(Some(PurgeWhat::Dead)).check().is_ok());
    assert!(purge(Some(PurgeWhat::All)).check().is_err());
}

#[test]
fn the_key_of_a_publish_is_that_of_its_header_or_of_its_body() {
    let key = |client: &str, number| IdempotencyKey { client: client.into(), number };
    let table = [
        (None, None, Some(None)),
        (Some(key("a", 1)), None, Some(Some(key("a", 1)))),
        (None, Some("a/1"), Some(Some(key("a", 1)))),
        (Some(key("a", 1)), Some("a/1"), Some(Some(key("a", 1)))),
        (Some(key("a", 1)), Some("a/2"), None),
        (None, Some("9d1c-77"), Some(Some(IdempotencyKey::of("9d1c-77")))),
        (None, Some("a/b"), Some(Some(IdempotencyKey::of("a/b")))),
        (None, Some("/7"), Some(Some(IdempotencyKey::of("/7")))),
        (None, Some(""), None),
        (None, Some("a\n"), None),
    ];
    for (header, body, expected) in table {
        let publish = Publish {
            topic: Topic::known("t"),
            message: JsonText::new("1".into()).expect("JSON"),
            key: None,
            delay_ms: None,
            idempotency_key: body.map(str::to_owned),
        };
        assert_eq!(publish.key(header).ok(), expected, "{body:?}");
    }
}

#[test]
fn what_is_absent_has_its_default() {
    let consume: Consume = serde_json::from_str(r#"{"topic":"t","consumer":"c"}"#).expect("a consume");
    assert_eq!((consume.group.as_str(), consume.max.get()), (GROUP_DEFAULT, 1));
    assert_eq!((consume.visibility_ms, consume.wait_ms), (None, None));
    let group: CreateGroup = serde_json::from_str(r#"{"topic":"t","group":"g"}"#).expect("a group");
    assert_eq!(group.from, StartFrom::Earliest);
    assert!(serde_json::from_str::<Consume>(r#"{"topic":"t"}"#).is_err(), "somebody consumes");
    assert!(serde_json::from_str::<Publish>(r#"{"topic":"t"}"#).is_err(), "something is published");
}

#[test]
fn a_message_is_kept_as_its_text() {
    for text in [
        "null",
        "\"\"",
        "[ 1,  2 ]",
        r#"{"b":1,"a":2,"b":3}"#,
        "123456789012345678901234567890.10",
        r#""\u00e4 ä 日本""#,
    ] {
        let body = format!(r#"{{"topic":"t","message": {text} }}"#);
        let publish: Publish = serde_json::from_str(&body).expect(text);
        assert_eq!(publish.message.text(), text);
        let answer = serde_json::to_string(&publish.message).expect("JSON");
        assert_eq!(answer, text);
        assert_eq!(JsonText::new(text.to_owned()).expect(text), publish.message);
    }
    for wrong in ["", "{", "1 2", "nul", "{'a': 1}"] {
        assert!(JsonText::new(wrong.to_owned()).is_err(), "{wrong}");
    }
}

#[test]
fn messages_are_named_in_one_way() {
    let (id, receipt) = (r#""s3-1""#, r#""r9-0""#);
    let table = [
        (format!(r#""message_id":{id}"#), Some((1, 0))),
        (format!(r#""message_id":{id},"receipt":{receipt}"#), Some((1, 1))),
        (format!(r#""message_ids":[{id},{id}]"#), Some((2, 0))),
        (format!(r#""message_ids":[{id},{id}],"receipts":[{receipt},{receipt}]"#), Some((2, 2))),
        (String::new(), None),
        (format!(r#""receipt":{receipt}"#), None),
        (r#""message_ids":[]"#.into(), None),
        (format!(r#""message_id":{id},"message_ids":[{id}]"#), None),
        (format!(r#""message_id":{id},"receipts":[{receipt}]"#), None),
        (format!(r#""message_ids":[{id}],"receipt":{receipt}"#), None),
        (format!(r#""message_ids":[{id},{id}],"receipts":[{receipt}]"#), None),
        (format!(r#""message_ids":[{}]"#, vec![id; MESSAGE_IDS_MAX + 1].join(",")), None),
    ];
    for (fields, expected) in table {
        let comma = if fields.is_empty() { "" } else { "," };
        let body = format!(r#"{{"topic":"t"{comma}{fields}}}"#);
        let ack: Ack = serde_json::from_str(&body).expect(&body);
        let nack: Nack = serde_json::from_str(&body).expect(&body);
        let extend: Extend = serde_json::from_str(&body).expect(&body);
        let named = ack.named();
        assert_eq!(named, nack.named());
        assert_eq!(named, extend.named());
        match (&named, expected) {
            (Ok(named), Some(counts)) => {
                assert_eq!((named.ids.len(), named.receipts.len()), counts, "{body}")
            }
            (Err(ApiError { message: sentence, .. }), None) => {
                assert!(sentence.ends_with('.') && sentence.len() > 20, "{sentence}")
            }
            _ => panic!("{body}: {named:?}"),
        }
    }
    for wrong in [r#""3-1""#, "31", r#""r3-1""#] {
        let body = format!(r#"{{"topic":"t","message_id":{wrong}}}"#);
        assert!(serde_json::from_str::<Ack>(&body).is_err(), "{body}");
    }
}

#[test]
fn answers_read_as_the_api_says() {
    let published = Published {
        status: "published".into(),
        message_id: "s3-7".parse().expect("an id"),
        shard: GroupId(3),
        replicas: vec!["node1".into()],
    };
    let expected = json!({"status": "published", "message_id": "s3-7", "shard": 3, "replicas": ["node1"]});
    assert_eq!(serde_json::to_value(&published).expect("JSON"), expected);
    let consumed = Consumed {
        status: "ok".into(),
        messages: vec![Delivered {
            id: "s3-7".parse().expect("an id"),
            message: JsonText::new(r#"{"a":1.50}"#.into()).expect("JSON"),
            attempt: 2,
            receipt: "r8-0".parse().expect("a receipt"),
            published_at: 5,
            key: None,
        }],
        refused: Vec::new(),
    };
    let text = serde_json::to_string(&consumed).expect("JSON");
    let expected = r#"{"status":"ok","messages":[{"id":"s3-7","message":{"a":1.50},"attempt":2,"receipt":"r8-0","published_at":5}]}"#;
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<Consumed>(&text).expect("the same"), consumed);
    let settled = |status| Settled {
        status,
        messages: Vec::new(),
        message: None,
        idempotency_key: None,
        key_holds_s: None,
    };
    for (status, word, http) in [
        (Settlement::Acknowledged, "acknowledged", 200),
        (Settlement::AlreadyAcknowledged, "already_acknowledged", 200),
        (Settlement::DeadLettered, "dead_lettered", 200),
        (Settlement::Partial, "partial", 200),
        (Settlement::Late, "late", 409),
        (Settlement::Unknown, "unknown", 404),
        (Settlement::Gone, "gone", 410),
        (Settlement::OutcomeUnknown, "outcome_unknown", 503),
    ] {
        assert_eq!(serde_json::to_value(status).expect("JSON"), json!(word));
        assert_eq!(settled(status).outcome().status(), http, "{word}");
    }
}
