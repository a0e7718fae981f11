//! What is accepted, what is refused, and how it is said.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use super::{post, setting};

#[tokio::test]
async fn acquire_and_release_in_all_spellings() {
    let setting = setting().await;
    for (acquire, release) in [
        (json!({"resource": "a", "client": "Ayu"}), json!({"resource": "a", "client": "Ayu"})),
        (
            json!({"resource_id": "a", "client_id": "Ayu", "lock_type": "X"}),
            json!({"resource_id": "a", "owner_id": "Ayu"}),
        ),
        (json!({"key": "a", "owner": "Ayu", "mode": "S"}), json!({"key": "a", "owner": "Ayu"})),
        (
            json!({"resource": "a", "requester_id": "Ayu", "mode": "shared", "ttl_ms": 1000, "wait_ms": 0}),
            json!({"resource": "a", "requester_id": "Ayu"}),
        ),
    ] {
        let got = setting.post("/lock/acquire", acquire.to_string()).await;
        assert_eq!((got.status, &got.json()["status"]), (200, &json!("acquired")), "{acquire}");
        let got = setting.post("/lock/release", release.to_string()).await;
        assert_eq!((got.status, &got.json()["status"]), (200, &json!("released")), "{release}");
    }
    let again = setting.post("/lock/release", json!({"resource": "a", "client": "Ayu"}).to_string()).await;
    assert_eq!((again.status, &again.json()["status"]), (409, &json!("not_holder")));
}

#[tokio::test]
async fn waiting_queueing_and_timing_out() {
    let setting = setting().await;
    let body = |client: &str| json!({"resource": "a", "client": client, "wait_ms": 30}).to_string();
    assert_eq!(setting.post("/lock/acquire", body("Ayu")).await.status, 200);
    let late = setting.post("/lock/acquire", body("Budi")).await;
    assert_eq!((late.status, &late.json()["status"]), (408, &json!("timeout")));
    let queued = json!({"resource": "a", "client": "Citra", "queue": true}).to_string();
    let waiting = setting.post("/lock/acquire", queued.clone()).await;
    assert_eq!((waiting.status, &waiting.json()["position"]), (202, &json!(1)));
    let status = setting.get("/lock/status?resource=a").await.json();
    assert_eq!(status["resources"][0]["waiters"][0]["holder"]["client"], "Citra");
    assert_eq!(
        setting.post("/lock/release", json!({"resource": "a", "client": "Ayu"}).to_string()).await.status,
        200
    );
    assert_eq!(setting.post("/lock/acquire", queued).await.status, 200);
}

#[tokio::test]
async fn a_retry_under_its_key_has_its_first_outcome() {
    let setting = setting().await;
    let keyed = |path: &str, key: &str, body: serde_json::Value| {
        post(path).header("idempotency-key", key).body(Body::from(body.to_string())).unwrap()
    };
    let body = json!({"resource": "a", "client": "Ayu"});
    let first = setting.send(keyed("/lock/acquire", "Ayu/1", body.clone())).await.json();
    assert_eq!(setting.send(keyed("/lock/release", "Ayu/2", body.clone())).await.status, 200);
    let retry = setting.send(keyed("/lock/acquire", "Ayu/1", body.clone())).await.json();
    assert_eq!(retry["fencing_token"], first["fencing_token"], "not acquired anew");
    let free = setting.get("/lock/status").await.json();
    assert_eq!(free["resources"], json!([]));
    let other =
        setting.send(keyed("/lock/acquire", "Ayu/1", json!({"resource": "b", "client": "Ayu"}))).await;
    assert_eq!((other.status, other.code().as_str()), (409, "key_reused"));
    // Any other text is a key too.
    for (number, text) in ["Ayu", "Ayu/", "/1", "Ayu/x", "Ayu/-1", "any text, 7"].into_iter().enumerate() {
        let body = json!({"resource": format!("r{number}"), "client": "Budi"});
        let first = setting.send(keyed("/lock/acquire", text, body.clone())).await.json();
        let again = setting.send(keyed("/lock/acquire", text, body)).await.json();
        assert_eq!(
            (&again["fencing_token"], &again["reentrant"]),
            (&first["fencing_token"], &json!(false)),
            "{text}"
        );
        let other =
            setting.send(keyed("/lock/acquire", text, json!({"resource": "b", "client": "Budi"}))).await;
        assert_eq!((other.status, other.code().as_str()), (409, "key_reused"), "{text}");
    }
    for wrong in ["", "x".repeat(257).as_str()] {
        let got = setting.send(keyed("/lock/acquire", wrong, body.clone())).await;
        assert_eq!((got.status, got.code().as_str()), (400, "bad_request"), "{wrong}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_a_sentence() {
    let setting = setting().await;
    let long = "x".repeat(257);
    for (body, status, code) in [
        ("{".to_owned(), 400, "bad_json"),
        ("".to_owned(), 400, "bad_json"),
        ("[1,".to_owned(), 400, "bad_json"),
        ("\"text\"".to_owned(), 400, "bad_request"),
        ("null".to_owned(), 400, "bad_request"),
        ("[\"a\", \"Ayu\"]".to_owned(), 400, "bad_request"),
        ("{}".to_owned(), 400, "bad_request"),
        (json!({"resource": "a"}).to_string(), 400, "bad_request"),
        (json!({"resource": "a", "client": 7}).to_string(), 400, "bad_request"),
        (json!({"resource": "", "client": "Ayu"}).to_string(), 400, "bad_request"),
        (json!({"resource": "a", "client": ""}).to_string(), 400, "bad_request"),
        (json!({"resource": long, "client": "Ayu"}).to_string(), 400, "bad_request"),
        (json!({"resource": "a", "client": "Ayu", "colour": 1}).to_string(), 400, "bad_request"),
        (json!({"resource": "a", "key": "a", "client": "Ayu"}).to_string(), 400, "bad_request"),
        (json!({"resource": "a", "client": "Ayu", "mode": "Z"}).to_string(), 400, "bad_request"),
        (json!({"resource": "a", "client": "Ayu", "ttl_ms": 1}).to_string(), 400, "bad_request"),
        (json!({"resource": "a", "client": "Ayu", "ttl_ms": -5}).to_string(), 400, "bad_request"),
        (json!({"resource": "a", "client": "Ayu", "wait_ms": 600_001}).to_string(), 400, "bad_request"),
        (json!({"resource": "a", "client": "x".repeat(1 << 20)}).to_string(), 413, "too_large"),
    ] {
        let shown: String = body.chars().take(80).collect();
        let got = setting.post("/lock/acquire", body).await;
        assert_eq!((got.status, got.code().as_str()), (status, code), "{shown}");
    }
    let exact = json!({"resource": "x".repeat(256), "client": "Ayu"}).to_string();
    assert_eq!(setting.post("/lock/acquire", exact).await.status, 200, "the longest name");

    // A body that is too large and does not say so in its header.
    let chunks = futures_util::stream::iter((0..40).map(|_| Ok::<_, std::io::Error>("y".repeat(32_768))));
    let got = setting.post("/lock/acquire", Body::from_stream(chunks)).await;
    assert_eq!((got.status, got.code().as_str()), (413, "too_large"));

    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let request =
            Request::post("/lock/acquire").header("host", "localhost:8001").header("content-type", kind);
        let got = setting.send(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!((got.status, got.code().as_str()), (415, "unsupported_media_type"), "{kind}");
    }
}

#[tokio::test]
async fn unknown_paths_methods_and_queries() {
    let setting = setting().await;
    let got = setting.get("/lock/nothing").await;
    assert_eq!((got.status, got.code().as_str()), (404, "not_found"));
    let got = setting.get("/lock/acquire").await;
    assert_eq!((got.status, got.code().as_str()), (405, "method_not_allowed"));
    let got = setting.post("/health", "{}").await;
    assert_eq!((got.status, got.code().as_str()), (405, "method_not_allowed"));
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        for path in [
            "/no/such/page",
            "/lock/acquire/",
            "/lock",
            "/fault/links",
            "/demo/nodes",
            "//health",
            "/index.htm",
        ] {
            // Neither what a stranger is told, nor a missing content type, nor a preflight comes before it.
            for (header, value) in [("host", "evil.example"), ("origin", "http://evil.example"), ("x", "y")] {
                let request = Request::builder().method(method).uri(path).header(header, value);
                let request = request.header("access-control-request-method", "POST");
                let got = setting.send(request.body(Body::from("{}")).unwrap()).await;
                assert_eq!(got.status, 404, "{method} {path} {header}");
            }
        }
    }
    let got = setting.post("/index.html", "{}").await;
    assert_eq!((got.status, got.code().as_str()), (405, "method_not_allowed"));
    // The cluster's own pages may read that there is nothing.
    let request = Request::get("/nothing").header("origin", "http://localhost:8000");
    let got = setting.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((got.status, got.code().as_str()), (404, "not_found"));
    assert_eq!(got.headers["access-control-allow-origin"], "http://localhost:8000");
    let got = setting.get("/lock/status?colour=red").await;
    assert_eq!((got.status, got.code().as_str()), (400, "bad_request"));
    for wrong in
        ["", "?groups=", "?groups=0,x", "?groups=-1", "?detail=some", "?heartbeats=all", "?color=red"]
    {
        let got = setting.get(&format!("/ws/events{wrong}")).await;
        assert_eq!((got.status, got.code().as_str()), (400, "bad_request"), "{wrong}");
    }
    let got = setting.get("/ws/events?groups=0,x").await;
    assert!(got.json().to_string().contains("numbers of groups"), "{}", got.json());
}

#[tokio::test]
async fn strangers_may_not_call() {
    let setting = setting().await;
    let with = |host: &str, origin: Option<&str>| {
        let mut request = Request::get("/status").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request.body(Body::empty()).unwrap()
    };
    for (host, origin) in [
        ("evil.example:8001", None),
        ("localhost:9999", None),
        ("localhost:8001", Some("http://evil.example")),
        ("localhost:8001", Some("null")),
        ("localhost:8001", Some("http://localhost:9999")),
    ] {
        let got = setting.send(with(host, origin)).await;
        assert_eq!((got.status, got.code().as_str()), (403, "forbidden_origin"), "{host} {origin:?}");
        assert!(got.headers.get("access-control-allow-origin").is_none());
    }
    // The page of the supervisor calls nodes on other ports.
    let got = setting.send(with("127.0.0.1:8001", Some("http://127.0.0.1:8000"))).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.headers["access-control-allow-origin"], "http://127.0.0.1:8000");
    let preflight = Request::options("/lock/acquire")
        .header("host", "localhost:8001")
        .header("origin", "http://localhost:8000")
        .header("access-control-request-method", "POST")
        .body(Body::empty())
        .unwrap();
    let got = setting.send(preflight).await;
    assert_eq!(got.status, 204);
    assert_eq!(got.headers["access-control-allow-headers"], "content-type, idempotency-key");
    // Peers are no pages.
    let peer = Request::get("/peer").header("origin", "http://localhost:8000").body(Body::empty()).unwrap();
    assert_eq!(setting.send(peer).await.status, 403);
}

#[tokio::test]
async fn probes_answer_by_any_name() {
    let setting = setting().await;
    // It serves as soon as the control group has a leader; it is ready when all shards have one, too.
    let ready = async {
        while setting.get("/readyz").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ready).await.expect("all shards get a leader");
    for probe in ["/livez", "/readyz", "/health"] {
        for host in ["10.1.2.3:8001", "node1.some-namespace.svc:8001", "10.1.2.3", "localhost:8001"] {
            let got =
                setting.send(Request::get(probe).header("host", host).body(Body::empty()).unwrap()).await;
            assert_eq!(got.status, 200, "{probe} {host}: {}", got.text);
        }
    }
    let health = setting.get("/health").await.json();
    assert_eq!((&health["status"], &health["quorum"]), (&"ok".into(), &true.into()));
    assert_eq!(setting.get("/readyz").await.json(), json!({"ready": true, "reasons": []}));
}

#[tokio::test]
async fn the_page_is_served_with_its_policy() {
    let setting = setting().await;
    let got = setting.get("/").await;
    assert_eq!(
        (got.status, &got.headers["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    let policy = got.headers["content-security-policy"].to_str().unwrap();
    // Members are on any host, also on one that joins after the page was loaded.
    assert!(policy.contains("connect-src 'self' http: https: ws: wss:;"), "{policy}");
    assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval'"), "{policy}");
    // The page that stands in for one that is not built has no script.
    assert_eq!(policy.contains("'sha256-"), got.text.contains("<script"), "{policy}");
    let etag = got.headers["etag"].clone();
    let again = Request::get("/").header("host", "localhost:8001").header("if-none-match", etag);
    assert_eq!(setting.send(again.body(Body::empty()).unwrap()).await.status, 304);
}

#[tokio::test]
async fn figures_count_what_happened() {
    let setting = setting().await;
    let body = json!({"resource": "a", "client": "Ayu"}).to_string();
    assert_eq!(setting.post("/lock/acquire", body).await.status, 200);
    let got = setting.get("/metrics").await;
    for line in [
        "orrery_role{role=\"leader\"} 1",
        "orrery_group_quorum{group=\"0\"} 1",
        "orrery_requests_total{operation=\"acquire\",outcome=\"acquired\"} 1",
        "orrery_event_readers 0",
    ] {
        assert!(got.text.contains(line), "{line} is not in {}", got.text);
    }
    assert!(!got.text.contains("orrery_sync_seconds_count 0"), "syncs were counted");
}

#[tokio::test]
async fn one_rule_for_every_name() {
    let setting = setting().await;
    let bad = [" x", "x ", "x\ny", "x\u{0}", "x\u{202e}y", "\u{2066}x", "x\u{2028}", "x\u{a0}"];
    for name in bad {
        let bodies = [
            ("/lock/acquire", json!({"resource": name, "client": "a"})),
            ("/lock/acquire", json!({"resource": "r", "client": name})),
            ("/lock/cancel", json!({"resource": name, "client": "a"})),
            ("/session", json!({"client": name})),
            ("/queue/publish", json!({"topic": name, "message": 1})),
            ("/queue/publish", json!({"topic": "t", "message": 1, "key": name})),
            ("/queue/consume", json!({"topic": "t", "consumer": name})),
            ("/queue/groups", json!({"topic": "t", "group": name})),
            ("/queue/purge", json!({"topic": "t", "group": name})),
            ("/cache/write", json!({"address": name, "value": 1})),
            ("/cache/delete", json!({"address": name})),
            ("/cluster/leave", json!({"node": name})),
        ];
        for (path, body) in bodies {
            let got = setting.post(path, body.to_string()).await;
            assert_eq!(got.status, 400, "{path} {body}: {}", got.text);
            assert_eq!(got.code(), "bad_request", "{path} {body}: {}", got.text);
        }
    }
    for good in ["a b", "日本 ü", "a/b:c"] {
        let got = setting.post("/lock/acquire", json!({"resource": good, "client": good}).to_string()).await;
        assert_eq!(got.status, 200, "{}", got.text);
    }
}
