//! The edge, called as a client calls it, on a real cluster of one node.
#![allow(clippy::unwrap_used)]

mod edge;
mod openapi;
mod queue;
mod transfer;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::app::{self, Running};
use crate::cli::ProfileName;
use crate::config::{Credentials, NodeConfig};

/// A node on a folder of its own; both go when it is dropped.
struct Setting {
    router: Router,
    folder: PathBuf,
    _running: Running,
}

impl Drop for Setting {
    fn drop(&mut self) {
        // Left behind on a failure to remove: the system's folder for temporary files is emptied anyway.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn setting() -> Setting {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("orrery-http-{}-{number}", std::process::id()));
    let config = NodeConfig {
        id: "node1".into(),
        listen: ([127, 0, 0, 1], 8001).into(),
        advertise: "127.0.0.1:8001".into(),
        peers: Vec::new(),
        join: Vec::new(),
        replace: false,
        down_after: None,
        retry_window: Duration::from_secs(600),
        client_share_percent: 10,
        data: folder.clone(),
        profile: ProfileName::Realistic,
        heartbeat: None,
        election: None,
        credentials: Credentials::None,
        allow_origins: vec!["127.0.0.1:8000".into()],
        request_timeout: None,
        shards: 8,
        replicas: 3,
        cache_lines: 1_024,
        cache_bytes: 16 << 20,
        cache_policy: crate::cli::CachePolicy::Lru,
        connections_max: 64,
        faults: true,
        events: true,
        events_kept: 1_024,
        end_with_stdin: false,
    };
    let running = app::assemble(&config).await.unwrap();
    assert!(running.engine.wait_ready(Duration::from_secs(20)).await, "a node alone forms a cluster");
    Setting { router: running.router.clone(), folder, _running: running }
}

/// Status, headers and body of an answer.
struct Got {
    status: u16,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }

    /// The error's code, having checked that there is a sentence, too.
    fn code(&self) -> String {
        let body = self.json();
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.ends_with('.') && message.len() > 15, "{message:?} is no sentence");
        body["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl Setting {
    async fn send(&self, request: Request<Body>) -> Got {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Got { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Got {
        self.send(post(path).body(body.into()).unwrap()).await
    }

    async fn get(&self, path: &str) -> Got {
        self.send(Request::get(path).header("host", "localhost:8001").body(Body::empty()).unwrap()).await
    }
}

fn post(path: &str) -> axum::http::request::Builder {
    Request::post(path).header("host", "localhost:8001").header("content-type", "application/json")
}
