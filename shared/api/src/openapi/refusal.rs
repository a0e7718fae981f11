//! What each error says, and how it looks.

use orrery_base::error::{ApiError, ErrorBody, ErrorCode};
use orrery_base::ids::GroupId;
use serde_json::{Map, Value, json};

/// Why a request is refused with this code, where the request says nothing of its own.
pub fn sentence(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::BadJson => "The body is not JSON.",
        ErrorCode::BadRequest => "The body or the query does not fit.",
        ErrorCode::UnsupportedMediaType => "Not JSON by its content type.",
        ErrorCode::NotFound => "There is no such thing.",
        ErrorCode::MethodNotAllowed => "That method is not for that path.",
        ErrorCode::ForbiddenOrigin => "Host or Origin is not the cluster's.",
        ErrorCode::TooLarge => "The body is over 1 MiB.",
        ErrorCode::NotHolder => "The client does not hold it.",
        ErrorCode::Conflict => "It does not fit the present state.",
        ErrorCode::SessionExpired => "The session is unknown, closed or expired.",
        ErrorCode::KeyReused => "The idempotency key came with another request.",
        ErrorCode::KeyTooOld => "The idempotency key is older than what is remembered of its client.",
        ErrorCode::WrongVersion => "The line has another version; nothing changed.",
        ErrorCode::GroupDeleted => "The consumer group was deleted while the request waited.",
        ErrorCode::LimitReached => "A bound is reached.",
        ErrorCode::TooManyKeys => "No more idempotency keys can be remembered now.",
        ErrorCode::Unavailable => "The control group has no majority or no leader now; nothing was done.",
        ErrorCode::ShardUnavailable => "A shard has no majority or no leader now; the error names it.",
        ErrorCode::OutcomeUnknown => {
            "It may or may not have taken effect: retry under the same idempotency key."
        }
        ErrorCode::NotReady => "The node is starting, stopping or not a member.",
        ErrorCode::NotImplemented => "The platform cannot do this.",
        ErrorCode::Internal => "A bug of the node.",
    }
}

/// One of each code, for the requests that say nothing of their own.
pub fn examples() -> Value {
    let all = ErrorCode::WORDS
        .map(|(code, word)| (word.to_owned(), json!({ "value": example(code, sentence(code)) })));
    all.into_iter().collect::<Map<_, _>>().into()
}

/// An error with this code, as a client gets it.
pub fn example(code: ErrorCode, why: &str) -> ErrorBody {
    let mut error = ApiError::new(code, why);
    match code {
        ErrorCode::OutcomeUnknown => {
            error.idempotency_key = Some("Ayu/17".into());
            error.key_holds_s = Some(600);
        }
        ErrorCode::ShardUnavailable => error.shard = Some(GroupId(3)),
        ErrorCode::WrongVersion => error.version = Some(7),
        _ => {}
    }
    ErrorBody { error }
}
