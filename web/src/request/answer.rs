//! Answers, read from JSON by hand: a derived reader for each of them is more code than everything that they say.

use orrery_shared::api::lock::LockAnswer;
use orrery_shared::error::{ApiError, ErrorCode};
use orrery_shared::event::stream::MemberAddress;
use orrery_shared::ids::GroupId;
use orrery_shared::lock::Mode;
use serde::Deserialize as _;
use serde::de::value::{Error, StrDeserializer};
use serde_json::Value;
use smol_str::SmolStr;

/// The answer in a body; none where it is something else. The edges of a deadlock are left out: the page draws them
/// from the event.
pub fn lock_answer(text: &str) -> Option<LockAnswer> {
    let body: Value = serde_json::from_str(text).ok()?;
    let name = |field: &str| body[field].as_str().map(SmolStr::from);
    let number = |field: &str| body[field].as_u64();
    let names = |field: &str| -> Option<Vec<SmolStr>> {
        body[field].as_array()?.iter().map(|name| name.as_str().map(SmolStr::from)).collect()
    };
    let status = body["status"].as_str()?;
    let resource = name("resource")?;
    if status == "deadlock" {
        let (cycle, victim) = (names("cycle")?, name("victim")?);
        return Some(LockAnswer::Deadlock { resource, cycle, edges: Vec::new(), victim });
    }
    let client = name("client")?;
    Some(match status {
        "acquired" => LockAnswer::Acquired {
            resource,
            client,
            mode: if body["mode"] == "shared" { Mode::Shared } else { Mode::Exclusive },
            fencing_token: number("fencing_token")?,
            expires_in_ms: number("expires_in_ms")?,
            reentrant: body["reentrant"].as_bool()?,
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
            message: body["message"].as_str().unwrap_or_default().to_owned(),
        },
        "not_waiting" => LockAnswer::NotWaiting { resource, client },
        _ => return None,
    })
}

/// The error in a body; none where it is something else.
pub fn error(text: &str) -> Option<ApiError> {
    let body: Value = serde_json::from_str(text).ok()?;
    let error = &body["error"];
    let code = StrDeserializer::<Error>::new(error["code"].as_str()?);
    Some(ApiError {
        // A word that this page does not know yet still comes with a sentence that people do.
        code: ErrorCode::deserialize(code).unwrap_or(ErrorCode::Internal),
        message: error["message"].as_str()?.to_owned(),
        idempotency_key: error["idempotency_key"].as_str().map(str::to_owned),
        version: error["version"].as_u64(),
        shard: error["shard"].as_u64().and_then(|shard| shard.try_into().ok()).map(GroupId),
    })
}

/// The nodes that a supervisor runs, in order; none where somebody else answered.
pub fn members(text: &str) -> Option<Vec<MemberAddress>> {
    let body: Value = serde_json::from_str(text).ok()?;
    let node = |state: &Value| {
        let address = state["address"].as_str()?.to_owned();
        Some(MemberAddress { node: state["node"].as_str()?.into(), address })
    };
    body["nodes"].as_array()?.iter().map(node).collect()
}

#[cfg(test)]
mod tests {
    use orrery_shared::api::demo::DemoNodes;
    use orrery_shared::error::ErrorBody;
    use orrery_shared::event::stream::{ProcessState, ProcessStatus};

    use super::*;

    #[test]
    fn errors_and_members_are_read_as_they_were_written() {
        let mut written = ApiError::new(ErrorCode::OutcomeUnknown, "Nobody knows.");
        written.idempotency_key = Some("page-1/2".to_owned());
        written.shard = Some(GroupId(3));
        let text = serde_json::to_string(&ErrorBody { error: written.clone() }).expect("an error is JSON");
        assert_eq!(error(&text), Some(written));
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
