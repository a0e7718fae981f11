//! The queues over HTTP, on a node alone.

use axum::body::Body;
use serde_json::{Value, json};

use super::{Got, Setting, post, setting};

impl Setting {
    async fn ok(&self, path: &str, body: Value) -> Value {
        let got = self.post(path, body.to_string()).await;
        assert_eq!(got.status, 200, "{path} {body}: {}", got.text);
        got.json()
    }

    async fn read(&self, path: &str) -> Value {
        let got = self.get(path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        got.json()
    }

    async fn keyed(&self, path: &str, key: &str, body: &Value) -> Got {
        let request = post(path).header("idempotency-key", key);
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

#[tokio::test]
async fn a_message_goes_its_way() {
    let setting = setting().await;
    let body = r#"{"topic":"orders","key":"k","message":{"b": 1.50, "a": 12345678901234567890123}}"#;
    let published = setting.post("/queue/publish", body).await;
    assert_eq!(published.status, 200, "{}", published.text);
    let published = published.json();
    assert_eq!(published["status"], "published");
    assert_eq!(published["replicas"], json!(["node1"]));
    let id = published["message_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with(&format!("s{}-", published["shard"])), "{id}");

    let want =
        json!({"topic": "orders", "consumer_group": "billing", "consumer_id": "Budi", "wait_ms": 5000});
    let got = setting.post("/queue/consume", want.to_string()).await;
    // The message as it was sent, and not as somebody reads it.
    assert!(got.text.contains(r#""message":{"b": 1.50, "a": 12345678901234567890123}"#), "{}", got.text);
    let delivery = got.json()["messages"][0].clone();
    assert_eq!(
        (&delivery["id"], &delivery["attempt"], &delivery["key"]),
        (&json!(id), &json!(1), &json!("k"))
    );
    assert!(delivery["published_at"].as_u64().unwrap() > 1_600_000_000_000);

    let stats = setting.read("/queue/stats?topic=orders").await;
    let topic = &stats["topics"][0];
    assert_eq!(
        (&topic["in_flight"], &topic["ready"], &topic["consumers"]),
        (&json!(1), &json!(0), &json!(1))
    );
    let group = &setting.read("/queue/groups?topic=orders").await["groups"][0];
    assert_eq!((&group["group"], &group["lag"]), (&json!("billing"), &json!(1)));
    assert_eq!(group["shards"].as_array().unwrap().len(), 8, "on all shards");

    let settle =
        |receipt: &Value| json!({"topic": "orders", "group": "billing", "id": id, "receipt": receipt});
    let longer = setting.ok("/queue/extend", settle(&delivery["receipt"])).await;
    assert_eq!(longer["status"], "extended");
    let back = setting.ok("/queue/nack", settle(&delivery["receipt"])).await;
    assert_eq!(back["messages"][0], json!({"message_id": id, "status": "nacked"}));
    let late = setting.post("/queue/ack", settle(&delivery["receipt"]).to_string()).await;
    assert_eq!((late.status, &late.json()["status"]), (409, &json!("late")));
    let again = setting.ok("/queue/consume", want.clone()).await["messages"][0].clone();
    assert_eq!(again["attempt"], 2);
    let done = setting.ok("/queue/ack", settle(&again["receipt"])).await;
    assert_eq!(done["status"], "acknowledged");
    let empty =
        setting.ok("/queue/consume", json!({"topic": "orders", "group": "billing", "consumer": "c"})).await;
    assert_eq!(empty, json!({"status": "ok", "messages": []}));

    let figures = setting.get("/metrics").await.text;
    for line in [
        "orrery_queue_published_total 1",
        "orrery_queue_delivered_total 2",
        "orrery_queue_redelivered_total 1",
        "orrery_queue_acknowledged_total 1",
        "orrery_queue_dead_lettered_total 0",
        "orrery_queue_expired_total 0",
        "orrery_queue_topics 8",
        "orrery_queue_groups 8",
        "orrery_queue_messages 0",
        "orrery_queue_lag 0",
        "orrery_requests_total{operation=\"ack\",outcome=\"late\"} 1",
    ] {
        assert!(figures.contains(line), "{line} is not in {figures}");
    }
}

#[tokio::test]
async fn a_consume_creates_no_topic_and_what_is_gone_says_why() {
    let setting = setting().await;
    let want = json!({"topic": "orders", "consumer": "c"});
    let nothing = json!({"status": "ok", "messages": []});
    assert_eq!(setting.ok("/queue/consume", want.clone()).await, nothing);
    assert_eq!(setting.read("/queue").await, json!({"topics": []}));
    let limits = setting.read("/queue/limits").await;
    assert_eq!((&limits["used"]["topics"], &limits["shards"][0]["used"]["groups"]), (&json!(0), &json!(0)));
    let published = setting.ok("/queue/publish", json!({"topic": "orders", "message": 1})).await;
    let delivery = setting.ok("/queue/consume", want).await["messages"][0].clone();
    assert_eq!(delivery["id"], published["message_id"]);
    let stats = setting.read("/queue/stats?topic=orders").await;
    assert_eq!(stats["topics"][0]["left"]["purged"], json!(0));
    setting.ok("/queue/purge", json!({"topic": "orders"})).await;
    let ack = json!({"topic": "orders", "message_id": delivery["id"], "receipt": delivery["receipt"]});
    let gone = setting.post("/queue/ack", ack.to_string()).await;
    assert_eq!((gone.status, &gone.json()["status"]), (410, &json!("gone")), "{}", gone.text);
    assert_eq!(gone.json()["messages"][0]["cause"], "purged");
    let never =
        setting.post("/queue/ack", json!({"topic": "orders", "message_id": "s1-999999"}).to_string()).await;
    assert_eq!((never.status, &never.json()["status"]), (404, &json!("unknown")), "{}", never.text);
    let stats = setting.read("/queue/stats?topic=orders").await;
    let topic = &stats["topics"][0];
    assert_eq!((&topic["messages"], &topic["left"]["purged"]), (&json!(0), &json!(1)));
    assert_eq!(topic["groups"][0]["purged"], json!(1));
    let figures = setting.get("/metrics").await.text;
    assert!(figures.contains("orrery_queue_purged_total 1"), "{figures}");
}

#[tokio::test]
async fn a_retry_over_http_has_the_first_outcome() {
    let setting = setting().await;
    let body = json!({"topic": "orders", "message": [1]});
    let first = setting.keyed("/queue/publish", "Ayu/7", &body).await.json();
    assert_eq!(setting.keyed("/queue/publish", "Ayu/7", &body).await.json(), first);
    let in_body = json!({"topic": "orders", "message": [1], "idempotency_key": "Ayu/7"});
    assert_eq!(setting.ok("/queue/publish", in_body).await, first);
    let other = setting.keyed("/queue/publish", "Ayu/7", &json!({"topic": "orders", "message": [2]})).await;
    assert_eq!((other.status, other.code().as_str()), (409, "key_reused"));
    let any = json!({"topic": "orders", "message": 3, "idempotency_key": "9d1c"});
    let third = setting.ok("/queue/publish", any.clone()).await;
    assert_eq!(setting.ok("/queue/publish", any).await, third);
    let peek = setting.read("/queue/peek?topic=orders&limit=5").await;
    assert_eq!(peek["messages"].as_array().unwrap().len(), 2, "{peek}");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_a_sentence() {
    let setting = setting().await;
    let long = "x".repeat(257);
    let large = format!(r#"{{"topic":"t","message":"{}"}}"#, "x".repeat(256 * 1024));
    let ids = json!(vec!["s1-1"; 1_025]);
    let table = [
        ("/queue/publish", json!({"topic": "", "message": 1}), 400),
        ("/queue/publish", json!({"topic": long, "message": 1}), 400),
        ("/queue/publish", json!({"topic": "t"}), 400),
        ("/queue/publish", json!({"topic": " t", "message": 1}), 400),
        ("/queue/publish", json!({"topic": "t", "message": 1, "key": "a\u{202e}b"}), 400),
        ("/queue/consume", json!({"topic": "t", "consumer": "c\n"}), 400),
        ("/queue/consume", json!({"topic": "t", "consumer": "c", "group": "g "}), 400),
        ("/queue/publish", json!({"topic": "t", "message": 1, "key": ""}), 400),
        ("/queue/publish", json!({"topic": "t", "message": 1, "delay_ms": 86_400_001}), 400),
        ("/queue/publish", json!({"topic": "t", "message": 1, "colour": "red"}), 400),
        ("/queue/publish", json!({"topic": "t.dead", "message": 1}), 400),
        ("/queue/publish", json!({"topic": "t", "message": 1, "idempotency_key": ""}), 400),
        ("/queue/consume", json!({"topic": "t"}), 400),
        ("/queue/consume", json!({"topic": "t", "consumer": "c", "max": 0}), 400),
        ("/queue/consume", json!({"topic": "t", "consumer": "c", "max": 101}), 400),
        ("/queue/consume", json!({"topic": "t", "consumer": "c", "visibility_ms": 99}), 400),
        ("/queue/consume", json!({"topic": "t", "consumer": "c", "wait_ms": 600_001}), 400),
        ("/queue/consume", json!({"topic": "t.dead", "consumer": "c"}), 400),
        ("/queue/ack", json!({"topic": "t"}), 400),
        ("/queue/ack", json!({"topic": "t", "message_id": "1"}), 400),
        ("/queue/ack", json!({"topic": "t", "message_ids": ids}), 400),
        ("/queue/nack", json!({"topic": "t", "message_id": "s1-1", "delay_ms": 86_400_001}), 400),
        ("/queue/extend", json!({"topic": "t", "message_id": "s1-1", "visibility_ms": 0}), 400),
        ("/queue/groups", json!({"topic": "t.dead", "group": "g"}), 400),
        ("/queue/groups", json!({"topic": "t", "group": "g", "from": "now"}), 400),
        ("/queue/groups/delete", json!({"topic": "none", "group": "g"}), 404),
        ("/queue/redrive", json!({"topic": "none"}), 404),
        ("/queue/redrive", json!({"topic": "t", "message_ids": []}), 400),
        ("/queue/purge", json!({"topic": "none"}), 404),
        ("/queue/purge", json!({"topic": "t.dead", "what": "all"}), 400),
    ];
    for (path, body, status) in table {
        let got = setting.post(path, body.to_string()).await;
        assert_eq!(got.status, status, "{path} {body}: {}", got.text);
        got.code();
    }
    // Its own braces are one level.
    for (depth, status) in [(63, 200), (64, 400), (2_000, 400)] {
        let body = format!(r#"{{"topic":"deep","message":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        let got = setting.post("/queue/publish", body).await;
        assert_eq!(got.status, status, "{depth}: {}", got.text);
    }
    let got = setting.post("/queue/publish", large).await;
    assert_eq!((got.status, got.code().as_str()), (413, "too_large"));
    for (path, status) in [
        ("/queue/peek", 400),
        ("/queue/peek?topic=t&limit=0", 400),
        ("/queue/peek?topic=t&limit=101", 400),
        ("/queue/groups", 400),
        ("/queue/stats?colour=red", 400),
        ("/queue/stats?topic=none", 404),
        ("/ring?topic=t", 400),
        ("/ring?token=t", 400),
    ] {
        let got = setting.get(path).await;
        assert_eq!(got.status, status, "{path}: {}", got.text);
        got.code();
    }
}

#[tokio::test]
async fn limits_are_configured_and_answered_with_429() {
    let setting = setting().await;
    let set =
        setting.ok("/queue/limits", json!({"in_flight_per_consumer_max": 1, "depth_per_topic_max": 1})).await;
    assert_eq!(set["shards"].as_array().unwrap().len(), 8);
    assert_eq!(setting.read("/queue/limits").await, set);
    let publish = json!({"topic": "t", "key": "k", "message": 1});
    setting.ok("/queue/publish", publish.clone()).await;
    let full = setting.post("/queue/publish", publish.to_string()).await;
    assert_eq!((full.status, full.code().as_str()), (429, "limit_reached"));
    let wrong = setting.post("/queue/limits", json!({"attempts_max": 0}).to_string()).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "bad_request"));
}

#[tokio::test]
async fn the_ring_tells_the_whole_walk() {
    let setting = setting().await;
    let published = setting.ok("/queue/publish", json!({"topic": "orders", "key": "k", "message": 1})).await;
    let ring = setting.read("/ring?key=k&topic=orders").await;
    assert_eq!(ring["walk"]["shard"], published["shard"]);
    assert_eq!(ring["walk"]["steps"][0]["outcome"], "leader");
    assert_eq!(ring["walk"]["hash"].as_str().unwrap().len(), 16);
    assert_eq!(ring["virtual_nodes"].as_array().unwrap().len(), 64);
    assert_eq!(ring["shards"].as_array().unwrap().len(), 8);
    assert_eq!(ring["balance"], json!(1.0));
}
