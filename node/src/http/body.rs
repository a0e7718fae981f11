//! Strict bodies: JSON by content type, bounded, no unknown fields, with sentences that say what is wrong.

use std::net::{IpAddr, Ipv6Addr};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Query, Request};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use orrery_base::error::ErrorCode;
use orrery_base::ids::NAME_BYTES_MAX;
use orrery_base::key::IdempotencyKey;
use orrery_base::names;
use orrery_base::valid::sentence_in;
use orrery_engine::Caller;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use smol_str::{SmolStr, format_smolstr};
use tokio::time::timeout;

use super::discard::{discard, discard_body};
use super::{BODY_BYTES_MAX, BODY_TIME_MAX};
use crate::answer::Failure;
use crate::server::Caller as Connection;

/// How deep lists and objects of a body may be nested, its own braces counted. A message is delivered as it came, and many
/// readers of JSON end at some depth: such a message would become a dead letter together with its whole batch.
const DEPTH_MAX: usize = 64;

/// The header that makes a retry safe.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A request's body, and from whom it comes.
pub struct Keyed<T> {
    pub body: T,
    pub caller: Caller,
}

impl<T, S> FromRequest<S> for Keyed<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let key = idempotency_key(request.headers())?;
        let connection = request.extensions().get::<Connection>();
        let asker = connection.map(|connection| asker(connection.from.ip()));
        Ok(Keyed { body: read_json(request).await?, caller: Caller { key, asker } })
    }
}

/// A query string, or what is wrong with it.
pub type Asked<T> = Result<Query<T>, QueryRejection>;

/// The query, or an error with a sentence.
pub fn query<T>(asked: Asked<T>) -> Result<T, Failure> {
    let rejected = match asked {
        Ok(Query(query)) => return Ok(query),
        Err(rejected) => rejected,
    };
    let mut cause: &dyn std::error::Error = &rejected;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let cause = cause.to_string();
    Err(match sentence_in(&cause) {
        Some(sentence) => Failure::bad_request(without_path(sentence)),
        None => Failure::bad_request(format!("{}.", rejected.body_text())),
    })
}

/// The sentence without the name of the field, which a reader of queries puts in front: the sentence says it itself.
fn without_path(sentence: &str) -> &str {
    match sentence.split_once(": ") {
        Some((path, rest)) if rest.starts_with('"') && !path.contains(' ') => rest,
        _ => sentence,
    }
}

/// The name under which a client's address is counted. For IPv6 it is the network of 64 bits: a client may use every
/// address of its network.
fn asker(from: IpAddr) -> SmolStr {
    match from.to_canonical() {
        IpAddr::V4(address) => format_smolstr!("{address}"),
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            format_smolstr!("{}/64", Ipv6Addr::from(network))
        }
    }
}

/// A JSON body, or none where the request has none.
pub async fn optional_json<T: DeserializeOwned>(request: Request) -> Result<Option<T>, Failure> {
    if request.body().is_end_stream() {
        return Ok(None);
    }
    read_json(request).await.map(Some)
}

/// Reads and decodes a JSON body.
pub async fn read_json<T: DeserializeOwned>(request: Request) -> Result<T, Failure> {
    if !is_json(request.headers()) {
        discard_body(request).await;
        return Err(not_announced_as_json());
    }
    let (parts, body) = request.into_parts();
    let caller = parts.extensions.get::<Connection>();
    let bytes = read(&parts.headers, body, caller).await?;
    if is_deeper_than(&bytes, DEPTH_MAX) {
        return Err(Failure::bad_request(format!(
            "The body is nested deeper than {DEPTH_MAX} levels; many JSON readers give up at such a depth."
        )));
    }
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        // A list would otherwise be taken for the fields in their order.
        return Err(match serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
            Ok(_) => {
                Failure::bad_request("The body is a JSON value, but no object: { \"field\": value, … }.")
            }
            Err(error) => not_json(&error),
        });
    }
    serde_json::from_slice(&bytes).map_err(|error| match error.classify() {
        Category::Data => {
            let error = error.to_string();
            let sentence = sentence_in(&error).map(str::to_owned);
            Failure::bad_request(sentence.unwrap_or_else(|| format!("The body does not fit: {error}.")))
        }
        Category::Syntax | Category::Eof | Category::Io => not_json(&error),
    })
}

/// Whether lists and objects are nested deeper than that. Looks at brackets outside of strings only: of what is no JSON, the
/// parser says so.
fn is_deeper_than(json: &[u8], depth_max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        match (byte, in_string) {
            _ if escaped => escaped = false,
            (b'\\', true) => escaped = true,
            (b'"', _) => in_string = !in_string,
            (b'[' | b'{', false) => {
                depth += 1;
                if depth > depth_max {
                    return true;
                }
            }
            (b']' | b'}', false) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

fn not_json(error: &serde_json::Error) -> Failure {
    Failure::new(ErrorCode::BadJson, format!("The body is not JSON: {error}."))
}

/// Whatever changes something says in its header that its body is JSON, also where there is none: no page of another
/// site can send such a request without being asked first.
pub async fn json_only(request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && !is_json(request.headers()) {
        discard_body(request).await;
        return not_announced_as_json().into_response();
    }
    next.run(request).await
}

fn not_announced_as_json() -> Failure {
    Failure::new(
        ErrorCode::UnsupportedMediaType,
        "Send the body as JSON, with the header Content-Type: application/json.",
    )
}

async fn read(headers: &HeaderMap, mut body: Body, caller: Option<&Connection>) -> Result<Bytes, Failure> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut bytes = BytesMut::new();
    let all = async {
        if announced.is_some_and(|length: u64| length > BODY_BYTES_MAX as u64) {
            return Some(Err(too_large()));
        }
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Some(Err(Failure::bad_request("The body broke off."))) };
            let Ok(part) = frame.into_data() else { continue };
            if bytes.len() + part.len() > BODY_BYTES_MAX {
                return Some(Err(too_large()));
            }
            if bytes.is_empty() && body.is_end_stream() {
                return Some(Ok(part));
            }
            bytes.extend_from_slice(&part);
        }
        None
    };
    let read = match timeout(BODY_TIME_MAX, all).await {
        Ok(read) => read,
        Err(_) => Some(Err(Failure::bad_request("The body did not come in time."))),
    };
    match read {
        None => Ok(bytes.freeze()),
        Some(Ok(whole)) => Ok(whole),
        Some(Err(failure)) => {
            discard(headers, body, caller).await;
            Err(failure)
        }
    }
}

fn too_large() -> Failure {
    Failure::new(ErrorCode::TooLarge, format!("The body is larger than {BODY_BYTES_MAX} bytes (1 MiB)."))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Failure> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = || {
        Failure::bad_request(format!(
            "The header Idempotency-Key comes once, as <client>/<number>, for example Ayu/17, or as any other text, of 1 to \
             {NAME_BYTES_MAX} bytes, without control characters and spaces around it."
        ))
    };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| wrong())?.trim();
    let key = IdempotencyKey::of(text);
    if values.next().is_some() || names::check(&key.client).is_err() {
        return Err(wrong());
    }
    Ok(Some(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_about_a_query_names_its_field_once() {
        let too_small = "\"limit\" is 0; it must be from 1 to 100.";
        assert_eq!(without_path(&format!("limit: {too_small}")), too_small);
        assert_eq!(without_path(too_small), too_small);
    }

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!is_deeper_than(nested(DEPTH_MAX).as_bytes(), DEPTH_MAX));
        assert!(is_deeper_than(nested(DEPTH_MAX + 1).as_bytes(), DEPTH_MAX));
        assert!(is_deeper_than(r#"{"a":[{"b":1}]}"#.as_bytes(), 2));
        for shallow in [r#"{"a":"[[[[{{{{"}"#, r#"{"a":"\"[[[["}"#, r#"["\\",[1],[2],[3]]"#, "]]]][[[]]]"] {
            assert!(!is_deeper_than(shallow.as_bytes(), 3), "{shallow}");
        }
        assert!(is_deeper_than(r#"["\\",[[[1]]]]"#.as_bytes(), 3), "the string ended");
    }
}
