//! `docs/openapi.json` against the routes: every documented call is made with its example, and answers what is documented.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use orrery_api::ring::RingChange;
use orrery_placement::{Change, Ring, RingNode, ShardMap};
use serde_json::{Map, Value};

use super::super::docs::DOCUMENT;
use super::{Setting, setting};

/// Paths that the document leaves out on purpose: of the document itself.
const UNDOCUMENTED: [&str; 4] = ["/openapi.json", "/docs", "/docs/", "/docs/{*file}"];

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

/// Whether `value` is what `schema` says; otherwise where not. Knows what the document uses.
fn mismatch(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap();
        return mismatch(root, target, value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let all: Option<Vec<String>> =
            choices.iter().map(|choice| mismatch(root, choice, value, at)).collect();
        return all.map(|reasons| reasons.join("; "));
    }
    if schema["type"].is_null() {
        // Any value.
        return None;
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = kinds.iter().any(|allowed| allowed == kind || (allowed == "number" && kind == "integer"));
    if !fits {
        return Some(format!("{at} is {kind}, not {kinds:?}"));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        return Some(format!("{at} is {value}, none of {allowed:?}"));
    }
    match value {
        Value::Array(items) => {
            items.iter().find_map(|item| mismatch(root, &schema["items"], item, &format!("{at}[]")))
        }
        Value::Object(fields) => object_mismatch(root, schema, fields, at),
        _ => None,
    }
}

fn object_mismatch(root: &Value, schema: &Value, fields: &Map<String, Value>, at: &str) -> Option<String> {
    let missing = schema["required"].as_array().into_iter().flatten();
    if let Some(name) = missing.filter_map(Value::as_str).find(|name| !fields.contains_key(*name)) {
        return Some(format!("{at}.{name} is missing"));
    }
    fields.iter().find_map(|(name, value)| match schema["properties"].get(name) {
        Some(schema) => mismatch(root, schema, value, &format!("{at}.{name}")),
        None => Some(format!("{at}.{name} is not documented")),
    })
}

async fn call(setting: &Setting, method: &str, path: &str, operation: &Value) -> (u16, String, Value) {
    let needed = operation["parameters"].as_array().into_iter().flatten();
    let needed = needed.filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
    let query: Vec<String> = needed
        .map(|parameter| {
            let [name, example] = ["name", "example"].map(|field| parameter[field].as_str().unwrap());
            format!("{name}={example}")
        })
        .collect();
    let uri = if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) };
    let mut request = Request::builder().method(method).uri(uri).header("host", "localhost:8001");
    let mut body = Body::empty();
    if let Some(example) = operation.pointer("/requestBody/content/application~1json/example") {
        request = request.header("content-type", "application/json");
        body = Body::from(example.to_string());
    }
    let got = setting.send(request.body(body).unwrap()).await;
    let kind = got.headers.get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
    let value = if kind == "application/json" { got.json() } else { Value::Null };
    (got.status, kind, value)
}

#[tokio::test]
async fn every_documented_call_answers_what_is_documented() {
    let setting = setting().await;
    let document = document();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_uppercase();
            let (status, kind, value) = call(&setting, &method, path, operation).await;
            let response = &operation["responses"][status.to_string()];
            assert!(
                !response.is_null(),
                "{method} {path} answered {status}, which is not documented: {value}"
            );
            if kind == "application/json" {
                let schema = &response["content"]["application/json"]["schema"];
                let wrong = mismatch(&document, schema, &value, "body");
                assert_eq!(wrong, None, "{method} {path} {status}");
            }
            assert!(status < 500, "{method} {path} answered {status}: {value}");
        }
    }
}

#[tokio::test]
async fn every_example_fits_its_schema() {
    let document = document();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for operation in operations.as_object().unwrap().values() {
            let Some(content) = operation.pointer("/requestBody/content/application~1json") else { continue };
            assert_eq!(mismatch(&document, &content["schema"], &content["example"], "body"), None, "{path}");
        }
    }
}

/// The requests of the services are at the paths of their operations, of which a test of the document itself knows.
#[test]
fn every_route_is_documented() {
    let sources = [include_str!("../mod.rs"), include_str!("../serve.rs")];
    let document = document();
    let routes = sources.iter().flat_map(|source| source.split(".route(\"").skip(1));
    let mut count = 0;
    for route in routes.map(|rest| rest.split('"').next().unwrap()) {
        count += 1;
        assert!(
            UNDOCUMENTED.contains(&route) || document["paths"].get(route).is_some(),
            "{route} is not in docs/openapi.json"
        );
    }
    assert!(count > 20, "the routes were not found");
}

#[test]
fn the_binary_has_the_document_that_the_types_make() {
    assert!(
        DOCUMENT == orrery_api::openapi::text(),
        "UPDATE=1 cargo test -p orrery-api --all-features openapi writes docs/openapi.json anew."
    );
}

#[tokio::test]
async fn swagger_ui_comes_from_the_binary_and_may_call_nobody_else() {
    let setting = setting().await;
    let document = setting.get("/openapi.json").await;
    assert_eq!((document.status, document.text.as_str()), (200, DOCUMENT));
    let moved = setting.get("/docs").await;
    assert_eq!((moved.status, moved.headers["location"].to_str().unwrap()), (308, "/docs/"));
    for (path, kind) in [
        ("/docs/", "text/html"),
        ("/docs/swagger-ui.css", "text/css"),
        ("/docs/swagger-ui-bundle.js", "text/javascript"),
        ("/docs/swagger-ui-standalone-preset.js", "text/javascript"),
        ("/docs/swagger-initializer.js", "text/javascript"),
    ] {
        let got = setting.get(path).await;
        assert_eq!((got.status, got.headers["content-type"].to_str().unwrap()), (200, kind), "{path}");
        let policy = got.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(["http", "*", "unsafe"].iter().all(|wide| !policy.contains(wide)), "{policy}");
    }
    let started = setting.get("/docs/swagger-initializer.js").await.text;
    assert!(started.contains("/openapi.json") && !started.contains("http"), "{started}");
    assert_eq!(setting.get("/docs/nothing.js").await.code(), "not_found");
    let stranger = Request::get("/docs/").header("host", "evil.example:8001").body(Body::empty()).unwrap();
    assert_eq!(setting.send(stranger).await.code(), "forbidden_origin");
}

/// A lone node's map never changes: what others answer of a change is held against the document here.
#[test]
fn a_change_of_the_ring_is_documented() {
    let placed = |nodes: u32| {
        let ring = Ring::new((1..=nodes).map(|n| RingNode::new(format!("node{n}")))).unwrap();
        let map = ShardMap::place(u64::from(nodes), &ring, 8, 3, &BTreeSet::new());
        (ring, map)
    };
    let ((few, before), (many, after)) = (placed(4), placed(5));
    let change = Change::between((&few, &before), (&many, &after));
    let told = serde_json::to_value(RingChange { complete: true, change }).unwrap();
    let document = document();
    let schema = &document["components"]["schemas"]["RingChange"];
    assert_eq!(mismatch(&document, schema, &told, "change"), None);
    assert_eq!(schema["required"].as_array().unwrap().len(), told.as_object().unwrap().len());
}
