//! The limit: a handler that answers a body of the same kind as a read of a cache line, and does nothing else. In a process
//! of its own, with as many threads as a node.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::extract::Query;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use super::cluster::stop;
use super::work::MESSAGE_BYTES;
use crate::client::Client;
use crate::demo::process;
use crate::http::Json;

const READY_MAX: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Asked {
    address: String,
}

/// `orrery bench bare`: serves until the standard input ends.
pub async fn serve(port: u16) -> Result<()> {
    let value = "v".repeat(MESSAGE_BYTES - 2);
    let answer = async move |Query(Asked { address }): Query<Asked>| -> Json<Value> {
        Json(
            200,
            json!({
                "status": "hit", "address": address, "value": value, "state": "S", "version": 7, "source": "local",
            }),
        )
    };
    let app = Router::new().route("/cache/read", get(answer));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, app).with_graceful_shutdown(crate::app::asked_to_stop(true)).await?;
    Ok(())
}

pub struct Bare {
    /// `host:port`
    pub address: String,
    child: Child,
}

impl Bare {
    /// Starts it and waits until it answers.
    pub async fn start(folder: &Path, port: u16) -> Result<Bare> {
        std::fs::create_dir_all(folder)?;
        let arguments = ["bench", "bare", "--port", &port.to_string()].map(str::to_owned);
        let child = process::start(&std::env::current_exe()?, &arguments, &[], &folder.join("bare.log"))?;
        let bare = Bare { address: format!("127.0.0.1:{port}"), child };
        if timeout(READY_MAX, bare.ready()).await.is_err() {
            bail!("the bare handler does not answer; see the log in {}", folder.display());
        }
        Ok(bare)
    }

    async fn ready(&self) {
        let asked = async || -> Result<Value> {
            let mut client = Client::connect(&self.address).await.context("not yet")?;
            client.get("/cache/read?address=a").await
        };
        while asked().await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn stop(self) {
        stop(vec![self.child]).await;
    }
}
