//! Errors, and who a supervisor runs.

use orrery_api::demo::DemoNodes;
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::GroupId;
use orrery_event::stream::MemberAddress;
use serde::Deserialize;

use super::read;

/// [`ErrorBody`](orrery_base::error::ErrorBody), with a code that this page may not know yet. The sentence names the shards too:
/// nobody on the page asks for their list.
#[derive(Deserialize)]
struct Body {
    error: Said,
}

#[derive(Deserialize)]
struct Said {
    code: String,
    message: String,
    idempotency_key: Option<String>,
    key_holds_s: Option<u64>,
    shard: Option<GroupId>,
    version: Option<u64>,
}

/// The error in a body; none where it is something else.
pub fn error(text: &str) -> Option<ApiError> {
    let Body { error: Said { code, message, idempotency_key, key_holds_s, shard, version } } = read(text)?;
    Some(ApiError {
        code: ErrorCode::of_word(&code).unwrap_or(ErrorCode::Internal),
        message,
        idempotency_key,
        key_holds_s,
        shard,
        version,
        shards: Vec::new(),
    })
}

/// The nodes that a supervisor runs, in order; none where somebody else answered.
pub fn members(text: &str) -> Option<Vec<MemberAddress>> {
    let demo: DemoNodes = read(text)?;
    let member = |state: orrery_event::stream::ProcessState| MemberAddress {
        node: state.node,
        address: state.address,
    };
    Some(demo.nodes.into_iter().map(member).collect())
}

#[cfg(test)]
mod tests {
    use orrery_api::lock::LockAnswer;
    use orrery_base::error::ErrorBody;
    use orrery_event::stream::{ProcessState, ProcessStatus};
    use orrery_lock::Mode;
    use smol_str::SmolStr;

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
            assert_eq!(read(&text), Some(answer), "{text}");
        }
        assert_eq!(read::<LockAnswer>("{\"error\":{\"code\":\"internal\",\"message\":\"x\"}}"), None);
    }
}
