//! Answers, read from JSON by hand: a derived reader for each of them is more code than everything that they say.

use orrery_api::lock::LockAnswer;
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::GroupId;
use orrery_event::stream::MemberAddress;
use orrery_lock::Mode;
use smol_str::SmolStr;

use crate::json::Json;

/// The answer in a body; none where it is something else. The edges of a deadlock are left out: the page draws them
/// from the event.
pub fn lock_answer(text: &str) -> Option<LockAnswer> {
    let body = Json::parse(text)?;
    let name = |field: &str| body.text_of(field);
    let number = |field: &str| body.number_of(field);
    let names =
        |field: &str| -> Option<Vec<SmolStr>> { body.items_of(field)?.iter().map(Json::text).collect() };
    let status = name("status")?;
    let resource = name("resource")?;
    if status == "deadlock" {
        let (cycle, victim) = (names("cycle")?, name("victim")?);
        return Some(LockAnswer::Deadlock { resource, cycle, edges: Vec::new(), victim });
    }
    let client = name("client")?;
    Some(match status.as_str() {
        "acquired" => LockAnswer::Acquired {
            resource,
            client,
            mode: if name("mode")? == "shared" { Mode::Shared } else { Mode::Exclusive },
            fencing_token: number("fencing_token")?,
            expires_in_ms: number("expires_in_ms")?,
            reentrant: body.flag_of("reentrant")?,
        },
        "waiting" => {
            LockAnswer::Waiting { resource, client, position: u32::try_from(number("position")?).ok()? }
        }
        "timeout" => LockAnswer::Timeout { resource, client, holders: names("holders")? },
        "released" => LockAnswer::Released { resource, client, fencing_token: number("fencing_token")? },
        "renewed" => LockAnswer::Renewed {
            resource,
            client,
            expires_in_ms: number("expires_in_ms")?,
            fencing_token: number("fencing_token")?,
        },
        "cancelled" => LockAnswer::Cancelled { resource, client },
        "not_holder" => LockAnswer::NotHolder {
            resource,
            client,
            holders: names("holders")?,
            message: name("message").unwrap_or_default().into(),
        },
        "not_waiting" => LockAnswer::NotWaiting { resource, client },
        _ => return None,
    })
}

/// The error in a body; none where it is something else.
pub fn error(text: &str) -> Option<ApiError> {
    let error = Json::parse(text)?.get("error");
    Some(ApiError {
        // A word that this page does not know yet still comes with a sentence that people do.
        code: ErrorCode::of_word(&error.text_of("code")?).unwrap_or(ErrorCode::Internal),
        message: error.text_of("message")?.into(),
        idempotency_key: error.text_of("idempotency_key").map(String::from),
        version: error.number_of("version"),
        shard: error.number_of("shard").and_then(|shard| shard.try_into().ok()).map(GroupId),
        key_holds_s: error.number_of("key_holds_s"),
        // The sentence says it too; nobody on the page asks for the list.
        shards: Vec::new(),
    })
}

/// The nodes that a supervisor runs, in order; none where somebody else answered.
pub fn members(text: &str) -> Option<Vec<MemberAddress>> {
    let node = |state: &Json| {
        let (node, address) = (state.text_of("node")?, state.text_of("address")?);
        Some(MemberAddress { node, address: address.into() })
    };
    Json::parse(text)?.items_of("nodes")?.iter().map(node).collect()
}

#[cfg(test)]
mod tests {
    use orrery_api::demo::DemoNodes;
    use orrery_base::error::ErrorBody;
    use orrery_event::stream::{ProcessState, ProcessStatus};

    use super::*;

    #[test]
    fn errors_and_members_are_read_as_they_were_written() {
        let mut written = ApiError::new(ErrorCode::OutcomeUnknown, "Nobody knows.");
        written.idempotency_key = Some("page-1/2".to_owned());
        written.shard = Some(GroupId(3));
        let text = serde_json::to_string(&ErrorBody { error: written.clone() }).expect("an error is JSON");
        assert_eq!(error(&text), Some(written));
        for (code, word) in ErrorCode::WORDS {
            assert_eq!(serde_json::to_value(code).expect("a code is JSON"), word);
        }
        let newer = error("{\"error\":{\"code\":\"from_tomorrow\",\"message\":\"x\"}}");
        assert_eq!(newer.map(|error| error.code), Some(ErrorCode::Internal));
        assert_eq!(error("<html>"), None);
        let node = ProcessState {
            node: "node1".into(),
            address: "127.0.0.1:8001".to_owned(),
            status: ProcessStatus::Running,
            pid: Some(7),
            since_us: 1,
        };
        let demo = DemoNodes { profile: "realistic".into(), nodes: vec![node.clone()] };
        let text = serde_json::to_string(&demo).expect("a list of nodes is JSON");
        let read = members(&text).expect("the members");
        assert_eq!(read, [MemberAddress { node: node.node, address: node.address }]);
        assert_eq!(members("{\"nodes\":[{}]}"), None);
    }

    #[test]
    fn every_answer_is_read_as_it_was_written() {
        let (resource, client) = (SmolStr::from("printer"), SmolStr::from("Ayu"));
        let holders = vec![SmolStr::from("Budi")];
        let (r, c) = (|| resource.clone(), || client.clone());
        let answers = [
            LockAnswer::Acquired {
                resource: r(),
                client: c(),
                mode: Mode::Shared,
                fencing_token: 41,
                expires_in_ms: 30_000,
                reentrant: true,
            },
            LockAnswer::Waiting { resource: r(), client: c(), position: 2 },
            LockAnswer::Timeout { resource: r(), client: c(), holders: holders.clone() },
            LockAnswer::Deadlock { resource: r(), cycle: holders.clone(), edges: Vec::new(), victim: c() },
            LockAnswer::Released { resource: r(), client: c(), fencing_token: 41 },
            LockAnswer::Renewed { resource: r(), client: c(), expires_in_ms: 5, fencing_token: 41 },
            LockAnswer::Cancelled { resource: r(), client: c() },
            LockAnswer::NotHolder {
                resource: r(),
                client: c(),
                holders,
                message: "It is Budi's.".to_owned(),
            },
            LockAnswer::NotWaiting { resource: r(), client: c() },
        ];
        for answer in answers {
            let text = serde_json::to_string(&answer).expect("an answer is JSON");
            assert_eq!(lock_answer(&text), Some(answer), "{text}");
        }
        assert_eq!(lock_answer("{\"error\":{\"code\":\"internal\",\"message\":\"x\"}}"), None);
    }
}
