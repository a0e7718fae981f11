//! What a client is told where a mutation has no answer: the one place that decides the sentence, from what is known of all
//! attempts under the request's key. "Nothing was done" is said of the request only, never of one attempt.

use orrery_base::error::{ApiError, Came, ErrorCode, ShardOutcome};
use orrery_base::ids::GroupId;
use orrery_machine::Reply;

use crate::error::ProposeError;
use crate::service::requests::{Key, Others};

/// The group as a sentence begins with it.
fn subject(group: GroupId) -> String {
    if group == GroupId::CONTROL { "The cluster".into() } else { format!("Shard {group}") }
}

fn shard(group: GroupId) -> Option<GroupId> {
    (group != GroupId::CONTROL).then_some(group)
}

/// A proposal that has no reply.
pub fn unanswered(group: GroupId, error: ProposeError, key: &Key) -> ApiError {
    match error {
        ProposeError::NotApplied(why) => not_taken(group, &why, key),
        ProposeError::Unknown(why) => unknown(group, &why, key),
    }
}

/// This attempt surely came to nothing.
pub fn not_taken(group: GroupId, why: &str, key: &Key) -> ApiError {
    let others = key.others(group);
    if others == Others::Unknown {
        return unknown(group, why, key);
    }
    key.answered(group);
    let code = if group == GroupId::CONTROL { ErrorCode::Unavailable } else { ErrorCode::ShardUnavailable };
    let message = format!("{} cannot take this now ({why}). {}", subject(group), of_request(others, key));
    ApiError { shard: shard(group), ..ApiError::new(code, message) }
}

/// This attempt was refused before it went anywhere.
pub fn refused(group: GroupId, code: ErrorCode, why: &str, key: &Key) -> ApiError {
    ApiError::new(code, format!("{why} {}", of_request(key.others(group), key)))
}

/// What is said of one shard where others did their parts: its outcome says what was done there.
pub fn of_shard(shard: GroupId, error: &ApiError) -> ShardOutcome {
    let unknown = error.code == ErrorCode::OutcomeUnknown;
    let outcome = if unknown { Came::Unknown } else { Came::NotDone };
    ShardOutcome { shard, outcome, message: Some(of_part(&error.message).to_owned()) }
}

/// The end of a sentence of which nothing was done.
const NOTHING: &str = "Nothing was done; try again.";

/// What such a sentence says of a part of a request, whose other parts were done.
pub fn of_part(message: &str) -> &str {
    let ends = [NOTHING, "Nothing was done."];
    ends.iter().find_map(|end| message.strip_suffix(end)).unwrap_or(message).trim_end()
}

/// What is true of the request where this attempt did nothing.
fn of_request(others: Others, key: &Key) -> String {
    match others {
        Others::None => NOTHING.into(),
        Others::NotKnownHere => format!(
            "This attempt did nothing; whether an earlier one under the key {key} did is not known here. Try again under \
             the same key."
        ),
        Others::Unknown => format!(
            "This attempt did nothing; what another one under the key {key} did is not known. Try again under the same key."
        ),
    }
}

/// Nobody knows whether the request took effect.
pub fn unknown(group: GroupId, why: &str, key: &Key) -> ApiError {
    let holds_s = key.unknown(group);
    let place = match shard(group) {
        Some(shard) => format!(" in shard {shard}"),
        None => String::new(),
    };
    let message = format!(
        "It is not known whether this took effect{place} ({why}). Send it again with the header Idempotency-Key: {key} to learn its \
         outcome; it takes effect at most once. {}",
        holds(holds_s)
    );
    ApiError {
        shard: shard(group),
        idempotency_key: Some(key.to_string()),
        key_holds_s: Some(holds_s),
        ..ApiError::new(ErrorCode::OutcomeUnknown, message)
    }
}

fn holds(seconds: u64) -> String {
    let (count, unit) = if seconds >= 120 { (seconds / 60, "minutes") } else { (seconds, "seconds") };
    format!("That holds for at least {count} {unit}.")
}

/// The replies that stand for a key which was not taken; none for all others.
pub fn key_refused(group: GroupId, reply: &Reply, key: &Key) -> Option<ApiError> {
    let (code, message) = match reply {
        Reply::KeyReused => (
            ErrorCode::KeyReused,
            format!("The idempotency key {key} was used with another request. This one was not applied."),
        ),
        Reply::KeyForgotten => (
            ErrorCode::KeyTooOld,
            format!(
                "The idempotency key {key} is older than what is remembered of its client. This request was not applied now; \
                 whether it was before is not known any more."
            ),
        ),
        Reply::TooManyKeys { what } => return Some(too_many_keys(group, what, key)),
        _ => return None,
    };
    Some(ApiError::new(code, message))
}

/// The bound on remembered keys is reached.
pub fn too_many_keys(group: GroupId, what: &str, key: &Key) -> ApiError {
    let why = format!("No more keys can be remembered now: {what}. Each goes when its time is over.");
    refused(group, ErrorCode::TooManyKeys, &why, key)
}

/// A bound is reached, and this attempt went no further.
pub fn bound_reached(group: GroupId, what: &str, key: &Key) -> ApiError {
    match key.others(group) {
        Others::None => limit_reached(what),
        others => {
            let message = format!("A bound is reached: {what}. {}", of_request(others, key));
            ApiError::new(ErrorCode::LimitReached, message)
        }
    }
}

/// A bound is reached. The reply came out of the log, and is the outcome under this key from now on.
pub fn limit_reached(what: &str) -> ApiError {
    ApiError::new(ErrorCode::LimitReached, format!("A bound is reached: {what}. Nothing was done."))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::local::Local;
    use crate::service::requests::Requests;
    use crate::{EngineConfig, Profile};
    use orrery_base::key::IdempotencyKey;

    fn requests() -> Requests {
        let local = Local { name: "node1".into(), address: String::new(), boot: 1, peers: Vec::new() };
        Requests::new(&local, &EngineConfig::new(Profile::Realistic), 7)
    }

    #[test]
    fn nothing_was_done_is_said_of_a_request_and_never_of_one_attempt() {
        let requests = requests();
        let not_applied = || ProposeError::NotApplied("there is no leader now".into());
        let in_doubt = || ProposeError::Unknown("no majority confirmed it in time".into());
        let groups = [(GroupId::CONTROL, ErrorCode::Unavailable), (GroupId(3), ErrorCode::ShardUnavailable)];
        for (group, code) in groups {
            let own = requests.own();
            let error = unanswered(group, not_applied(), &own);
            assert_eq!(error.code, code);
            assert!(error.message.contains("Nothing was done"), "nobody else has its key: {error}");

            let key = || requests.key(Some(IdempotencyKey::of(&format!("{group}/1"))), Duration::ZERO);
            let error = unanswered(group, not_applied(), &key());
            assert_eq!(error.code, code);
            assert!(!error.message.contains("Nothing was done"), "it may have been sent elsewhere: {error}");
            assert_eq!(unanswered(group, in_doubt(), &key()).code, ErrorCode::OutcomeUnknown);
            let error = unanswered(group, not_applied(), &key());
            assert_eq!(error.code, ErrorCode::OutcomeUnknown, "an earlier attempt is open: {error}");
            assert!(!error.message.contains("Nothing was done"), "{error}");
            assert_eq!(error.key_holds_s, Some(600));

            assert_eq!(unanswered(group, in_doubt(), &own).code, ErrorCode::OutcomeUnknown);
            let error = unanswered(group, not_applied(), &own);
            assert_eq!(error.code, ErrorCode::OutcomeUnknown);
            assert!(!error.message.contains("Nothing was done"), "{error}");
        }
    }

    /// An answer in which other shards did their parts.
    #[test]
    fn of_a_part_it_is_not_said_that_nothing_was_done() {
        let key = requests().own();
        let not_taken = not_taken(GroupId(3), "there is no leader now", &key);
        assert!(not_taken.message.contains("Nothing was done"), "{not_taken}");
        for error in [not_taken, limit_reached("so many"), too_many_keys(GroupId(3), "so many", &key)] {
            let ShardOutcome { outcome, message, .. } = of_shard(GroupId(3), &error);
            let message = message.expect("it says why");
            assert_eq!((outcome, message.contains("Nothing")), (Came::NotDone, false), "{message}");
            assert!(message.ends_with('.'), "{message}");
        }
        let in_doubt = unknown(GroupId(3), "no answer", &key);
        assert_eq!(of_shard(GroupId(3), &in_doubt).outcome, Came::Unknown);
    }

    #[test]
    fn a_refused_key_says_what_is_true_of_its_request() {
        let requests = requests();
        let key = requests.key(Some(IdempotencyKey::of("Ayu/1")), Duration::ZERO);
        let code = |reply| key_refused(GroupId(1), &reply, &key).map(|error| error.code);
        assert_eq!(code(Reply::KeyReused), Some(ErrorCode::KeyReused));
        assert_eq!(code(Reply::KeyForgotten), Some(ErrorCode::KeyTooOld));
        assert_eq!(code(Reply::TooManyKeys { what: "so many".into() }), Some(ErrorCode::TooManyKeys));
        assert_eq!(code(Reply::None), None);
    }
}
