//! What a request may say, and sentences for what it may not.

use orrery_api::queue::{
    Consume, DELAY_MS_MAX, LIMIT_DEFAULT, LIMIT_RANGE, MAX_RANGE, VISIBILITY_MS_DEFAULT, VISIBILITY_MS_RANGE,
    WAIT_MS_MAX,
};
use orrery_base::error::ApiError;
use orrery_base::key::IdempotencyKey;
use orrery_queue::dead_letters_of;
use smol_str::SmolStr;

use crate::service::lock::validate::{key as check_key, length, name};

/// A topic's name, dead-letter topics too.
pub fn any_topic(topic: &SmolStr) -> Result<(), ApiError> {
    name("topic", topic)
}

/// The name of a topic that takes messages.
pub fn topic(topic: &SmolStr) -> Result<(), ApiError> {
    any_topic(topic)?;
    match dead_letters_of(topic) {
        None => Ok(()),
        Some(of) => Err(ApiError::bad_request(format!(
            "{topic} shows the dead letters of {of}: it can be looked at, redriven and purged, but nobody publishes, \
             consumes or has a group there."
        ))),
    }
}

/// A topic's name, and the name of one of its groups.
pub fn group(of: &SmolStr, group: &SmolStr) -> Result<(), ApiError> {
    topic(of)?;
    name("group", group)
}

/// How long a message or a redelivery is held back.
pub fn delay(delay_ms: Option<u64>) -> Result<u64, ApiError> {
    length("delay_ms", delay_ms.unwrap_or(0), 0..=DELAY_MS_MAX)
}

/// How long a delivery stays invisible.
pub fn visibility(visibility_ms: Option<u64>) -> Result<u64, ApiError> {
    length("visibility_ms", visibility_ms.unwrap_or(VISIBILITY_MS_DEFAULT), VISIBILITY_MS_RANGE)
}

/// How long a consume waits.
pub fn wait(request: &Consume) -> Result<u64, ApiError> {
    length("wait_ms", request.wait_ms.unwrap_or(0), 0..=WAIT_MS_MAX)
}

/// How many messages a consume wants.
pub fn max(max: u32) -> Result<u32, ApiError> {
    if MAX_RANGE.contains(&max) {
        return Ok(max);
    }
    let (least, most) = (MAX_RANGE.start(), MAX_RANGE.end());
    Err(ApiError::bad_request(format!("\"max\" is {max}; it must be {least} to {most}.")))
}

/// How many messages a peek wants.
pub fn limit(limit: Option<usize>) -> Result<usize, ApiError> {
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if LIMIT_RANGE.contains(&limit) {
        return Ok(limit);
    }
    let (least, most) = (LIMIT_RANGE.start(), LIMIT_RANGE.end());
    Err(ApiError::bad_request(format!("\"limit\" is {limit}; it must be {least} to {most}.")))
}

/// The key of a publish: of the header, or of the body, where any text will do. A text that is not
/// `<client>/<number>` is a client of its own whose only number is 0.
pub fn publish_key(
    header: Option<IdempotencyKey>,
    body: Option<&str>,
) -> Result<Option<IdempotencyKey>, ApiError> {
    let Some(text) = body else { return Ok(header) };
    let key = IdempotencyKey::of(text);
    check_key(&key)?;
    match header {
        Some(header) if header != key => Err(ApiError::bad_request(
            "\"idempotency_key\" and the header Idempotency-Key are not the same; give one of them.",
        )),
        _ => Ok(Some(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(client: &str, number: u64) -> IdempotencyKey {
        IdempotencyKey { client: client.into(), number }
    }

    #[test]
    fn any_text_is_a_publish_key() {
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
            assert_eq!(publish_key(header, body).ok(), expected, "{body:?}");
        }
    }

    #[test]
    fn dead_letter_topics_take_nothing() {
        assert!(topic(&"orders".into()).is_ok() && topic(&".dead".into()).is_ok());
        let error = topic(&"orders.dead".into()).expect_err("a view");
        assert!(error.message.contains("dead letters of orders"), "{error}");
        assert!(any_topic(&"orders.dead".into()).is_ok() && any_topic(&"".into()).is_err());
        assert!(group(&"orders".into(), &"".into()).is_err());
    }

    #[test]
    fn numbers_have_ranges() {
        for (limit_asked, fits) in [(Some(0), false), (Some(1), true), (None, true), (Some(101), false)] {
            assert_eq!(limit(limit_asked).is_ok(), fits, "{limit_asked:?}");
        }
        for (max_asked, fits) in [(0, false), (1, true), (100, true), (101, false)] {
            assert_eq!(max(max_asked).is_ok(), fits, "{max_asked}");
        }
        assert_eq!(visibility(None).ok(), Some(VISIBILITY_MS_DEFAULT));
        assert!(visibility(Some(0)).is_err() && delay(Some(DELAY_MS_MAX + 1)).is_err());
    }
}
