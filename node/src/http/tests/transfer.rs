//! Handing a lock over, on a node alone.

use serde_json::{Value, json};

use super::{Setting, setting};

impl Setting {
    async fn lock(&self, operation: &str, body: Value) -> (u16, Value) {
        let got = self.post(&format!("/lock/{operation}"), body.to_string()).await;
        (got.status, got.json())
    }
}

#[tokio::test]
async fn a_lock_goes_to_whom_its_holder_names_ahead_of_the_queue() {
    let setting = setting().await;
    let (_, held) = setting.lock("acquire", json!({"resource": "printer", "client": "Ayu"})).await;
    let token = held["fencing_token"].as_u64().unwrap();
    let queued = json!({"resource": "printer", "client": "Budi", "queue": true});
    assert_eq!(setting.lock("acquire", queued).await.0, 202);
    let to = |client: &str, token: u64, to: &str| json!({"resource": "printer", "client": client, "fencing_token": token, "to": to});

    let (status, answer) = setting.lock("transfer", to("Ayu", token, "Citra")).await;
    let new = answer["fencing_token"].as_u64().unwrap();
    assert_eq!((status, &answer["status"], &answer["to"]), (200, &json!("transferred"), &json!("Citra")));
    assert!(new > token && answer["expires_in_ms"].as_u64().unwrap() > 20_000, "{answer}");

    // The old holder and the old token are worth nothing.
    let (status, answer) = setting.lock("transfer", to("Ayu", token, "Dewi")).await;
    assert_eq!(
        (status, &answer["status"], &answer["holders"]),
        (409, &json!("not_holder"), &json!(["Citra"]))
    );
    // The new one learns of it by asking.
    let (_, answer) = setting.lock("acquire", json!({"resource": "printer", "client": "Citra"})).await;
    assert_eq!((&answer["fencing_token"], &answer["reentrant"]), (&json!(new), &json!(false)));
    // To who waits, and from there to nobody who has it.
    assert_eq!(setting.lock("transfer", to("Citra", new, "Budi")).await.0, 200);
    let status = setting.get("/lock/status?resource=printer").await.json();
    assert_eq!(status["resources"][0]["waiters"], json!([]), "{status}");
    assert_eq!(status["resources"][0]["holders"][0]["holder"]["client"], "Budi");
}

#[tokio::test]
async fn what_cannot_be_handed_over_changes_nothing() {
    let setting = setting().await;
    let mut tokens = Vec::new();
    for client in ["Ayu", "Budi"] {
        let body = json!({"resource": "scanner", "client": client, "mode": "shared"});
        tokens.push(setting.lock("acquire", body).await.1["fencing_token"].clone());
    }
    let body =
        |to: &str| json!({"resource": "scanner", "client": "Ayu", "fencing_token": tokens[0], "to": to});
    for (to, status, code) in [
        ("Budi", 409, "conflict"),
        ("Ayu", 400, "bad_request"),
        ("", 400, "bad_request"),
        (" a", 400, "bad_request"),
    ] {
        let got = setting.post("/lock/transfer", body(to).to_string()).await;
        assert_eq!((got.status, got.code().as_str()), (status, code), "{to:?}: {}", got.text);
    }
    let without = json!({"resource": "scanner", "client": "Ayu", "to": "Citra"});
    assert_eq!(setting.lock("transfer", without).await.0, 400, "under which token?");
    let gone = json!({"resource": "scanner", "client": "Ayu", "fencing_token": tokens[0], "to": "Citra", "to_session": 99});
    let got = setting.post("/lock/transfer", gone.to_string()).await;
    assert_eq!((got.status, got.code().as_str()), (409, "session_expired"));
    let status = setting.get("/lock/status?resource=scanner").await.json();
    assert_eq!(status["resources"][0]["holders"].as_array().unwrap().len(), 2, "{status}");
}
