//! The lock service's answers, read from JSON by hand: the derived reader of an internally tagged enum keeps whole
//! answers in a generic form first, and is the largest single function that a browser would download.

use orrery_shared::api::lock::LockAnswer;
use orrery_shared::lock::Mode;
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

#[cfg(test)]
mod tests {
    use super::*;

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
