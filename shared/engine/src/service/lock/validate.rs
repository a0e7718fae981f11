//! What a request may say, and sentences for what it may not.

use std::ops::RangeInclusive;

use orrery_api::lock::{Acquire, TTL_MS_DEFAULT, TTL_MS_RANGE, WAIT_MS_DEFAULT, WAIT_MS_MAX};
use orrery_base::error::ApiError;
use orrery_base::key::IdempotencyKey;
use orrery_base::names;
use orrery_lock::{Holder, SessionId};
use smol_str::SmolStr;

/// A name, by the one rule for all of them.
pub fn name(what: &str, name: &SmolStr) -> Result<(), ApiError> {
    names::check(name).map_err(|why| why.error(what))
}

/// A length within its range.
pub fn length(what: &str, length: u64, range: RangeInclusive<u64>) -> Result<u64, ApiError> {
    if range.contains(&length) {
        return Ok(length);
    }
    let (least, most) = (range.start(), range.end());
    Err(ApiError::bad_request(format!("\"{what}\" is {length}; it must be {least} to {most} milliseconds.")))
}

/// The length of a lease, or its default.
pub fn ttl(ttl_ms: Option<u64>) -> Result<u64, ApiError> {
    length("ttl_ms", ttl_ms.unwrap_or(TTL_MS_DEFAULT), TTL_MS_RANGE)
}

/// How long an acquire waits.
pub fn wait(request: &Acquire) -> Result<u64, ApiError> {
    length("wait_ms", request.wait_ms.unwrap_or(WAIT_MS_DEFAULT), 0..=WAIT_MS_MAX)
}

pub fn holder(client: SmolStr, session: Option<SessionId>) -> Result<Holder, ApiError> {
    name("client", &client)?;
    Ok(Holder { client, session })
}

/// The key that a client sent.
pub fn key(key: &IdempotencyKey) -> Result<(), ApiError> {
    names::check(&key.client).map_err(|why| why.error("Idempotency-Key"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_base::error::ErrorCode;
    use orrery_base::ids::NAME_BYTES_MAX;

    #[test]
    fn names_have_bounds_and_sentences() {
        for bad in ["", "a\nb", "a\u{0}", " a", "a\u{202e}", &"x".repeat(NAME_BYTES_MAX + 1)] {
            let error = name("resource", &bad.into()).expect_err("a bad name");
            assert_eq!(error.code, ErrorCode::BadRequest);
            assert!(error.message.starts_with("\"resource\"") && error.message.ends_with('.'), "{error}");
        }
        assert!(name("resource", &"x".repeat(NAME_BYTES_MAX).into()).is_ok());
        assert!(name("resource", &"a b ü 日本".into()).is_ok());
    }

    #[test]
    fn lengths_have_ranges() {
        assert_eq!(ttl(None).expect("the default"), TTL_MS_DEFAULT);
        assert!(ttl(Some(TTL_MS_RANGE.start() - 1)).is_err());
        assert!(ttl(Some(TTL_MS_RANGE.end() + 1)).is_err());
        assert!(length("wait_ms", 0, 0..=WAIT_MS_MAX).is_ok());
    }
}
