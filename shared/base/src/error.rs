//! The errors that a client sees. The HTTP edge turns them into a status and a body; internal text
//! stays internal.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::GroupId;

/// What went wrong, in one word that programs can match. Written in snake case on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The body is not JSON. 400
    BadJson,
    /// A field is missing, unknown, of the wrong type, empty or out of its range. 400
    BadRequest,
    /// Not JSON by its content type. 415
    UnsupportedMediaType,
    /// No such path, node, session or resource. 404
    NotFound,
    /// That method is not for that path. 405
    MethodNotAllowed,
    /// Host or Origin is not one of the cluster's. 403
    ForbiddenOrigin,
    /// The body is over its bound. 413
    TooLarge,
    /// The caller does not hold what it wants to release or renew. 409
    NotHolder,
    /// An upgrade, token or session does not fit the present state. 409
    Conflict,
    /// The session is unknown, closed or expired. 409
    SessionExpired,
    /// This idempotency key came with another request before; this one is never applied under it. 409
    KeyReused,
    /// This idempotency number is older than what is remembered of its client: never applied again. 409
    KeyTooOld,
    /// The cache line has another version than the one that was asked for; nothing changed. 409
    WrongVersion,
    /// The consumer group was deleted while the request waited for a message. 409
    GroupDeleted,
    /// A bound (waiters, sessions, locks of one client) is reached. 429
    LimitReached,
    /// No more idempotency keys can be remembered in that group now; nothing is forgotten early. 429
    TooManyKeys,
    /// The group has no majority or no leader now; this attempt did nothing. 503
    Unavailable,
    /// The shard that the request is for has no majority or no leader now; this attempt did nothing. 503
    ShardUnavailable,
    /// The request may or may not have taken effect: retry under the same idempotency key. 503
    OutcomeUnknown,
    /// This node is starting, stopping or not a member. 503
    NotReady,
    /// The platform cannot do this (pause without SIGSTOP). 501
    NotImplemented,
    /// A bug on our side. 500
    Internal,
}

impl ErrorCode {
    /// All of them, each with its word on the wire: a page that has to read them carries no more than this.
    pub const WORDS: [(ErrorCode, &'static str); 22] = [
        (Self::BadJson, "bad_json"),
        (Self::BadRequest, "bad_request"),
        (Self::UnsupportedMediaType, "unsupported_media_type"),
        (Self::NotFound, "not_found"),
        (Self::MethodNotAllowed, "method_not_allowed"),
        (Self::ForbiddenOrigin, "forbidden_origin"),
        (Self::TooLarge, "too_large"),
        (Self::NotHolder, "not_holder"),
        (Self::Conflict, "conflict"),
        (Self::SessionExpired, "session_expired"),
        (Self::KeyReused, "key_reused"),
        (Self::KeyTooOld, "key_too_old"),
        (Self::WrongVersion, "wrong_version"),
        (Self::GroupDeleted, "group_deleted"),
        (Self::LimitReached, "limit_reached"),
        (Self::TooManyKeys, "too_many_keys"),
        (Self::Unavailable, "unavailable"),
        (Self::ShardUnavailable, "shard_unavailable"),
        (Self::OutcomeUnknown, "outcome_unknown"),
        (Self::NotReady, "not_ready"),
        (Self::NotImplemented, "not_implemented"),
        (Self::Internal, "internal"),
    ];

    /// Its word on the wire.
    pub fn word(self) -> &'static str {
        let known = Self::WORDS.iter().find(|(code, _)| *code == self);
        known.map_or("internal", |(_, word)| word)
    }

    /// The code of a word; none for a word that this release does not know.
    pub fn of_word(word: &str) -> Option<ErrorCode> {
        Self::WORDS.into_iter().find(|(_, known)| *known == word).map(|(code, _)| code)
    }

    /// The HTTP status of the code.
    pub fn status(self) -> u16 {
        match self {
            Self::BadJson | Self::BadRequest => 400,
            Self::ForbiddenOrigin => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotHolder
            | Self::Conflict
            | Self::SessionExpired
            | Self::GroupDeleted
            | Self::KeyReused
            | Self::KeyTooOld
            | Self::WrongVersion => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::LimitReached | Self::TooManyKeys => 429,
            Self::Internal => 500,
            Self::NotImplemented => 501,
            Self::Unavailable | Self::ShardUnavailable | Self::OutcomeUnknown | Self::NotReady => 503,
        }
    }
}

/// An error with a sentence that a student understands.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{message}")]
pub struct ApiError {
    /// The word for programs.
    pub code: ErrorCode,
    /// The sentence for people.
    pub message: String,
    /// With `outcome_unknown`: the key under which a retry is safe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// With `outcome_unknown`: for at least so many seconds from now that key is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_holds_s: Option<u64>,
    /// The shard that is not available, or whose answer is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<GroupId>,
    /// With `wrong_version`: the version that the line has; 0 without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// What became of it in each shard, where that differs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardOutcome>,
}

/// What became of a request in one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShardOutcome {
    /// Which.
    pub shard: GroupId,
    /// What the request came to there.
    pub outcome: Came,
    /// Where it was not done: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a request came to in a shard. `unknown`: send it again under the same idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// It took effect.
    Done,
    /// It did not.
    NotDone,
    /// Nobody knows: ask again under the same idempotency key.
    Unknown,
}

impl ShardOutcome {
    /// Of a shard where it took effect.
    pub fn done(shard: GroupId) -> Self {
        ShardOutcome { shard, outcome: Came::Done, message: None }
    }
}

impl ApiError {
    /// An error of a code with its sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        ApiError {
            code,
            message: message.into(),
            idempotency_key: None,
            key_holds_s: None,
            shard: None,
            version: None,
            shards: Vec::new(),
        }
    }

    /// The most frequent one.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }
}

/// The body of every answer that is not a success: `{"error":{"code","message"}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// The error.
    pub error: ApiError,
}
