//! What a retry is promised: the first outcome under its key, and no sentence that claims more than is known.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use orrery_harness::cluster::{Answer, Cluster, read};
use orrery_harness::http::Client;
use serde_json::{Value, json};

use crate::turn;

/// Longer than a node's own time-out, twice.
const PATIENCE: Duration = Duration::from_secs(20);

struct Sender(Client);

impl Sender {
    fn new() -> Self {
        Sender(Client::new(PATIENCE))
    }

    async fn send(
        &self,
        cluster: &Cluster,
        at: usize,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Result<Answer> {
        let url = format!("http://{}{path}", cluster.address(at));
        let answer = self.0.post(url).header("idempotency-key", key).json(body).send().await?;
        read(&answer)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_was_done_is_never_said_of_a_request_that_may_have_been_done() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start("attempts", 3).await?;
    let outcome = attempts(&mut cluster).await;
    cluster.explained(outcome)
}

async fn attempts(cluster: &mut Cluster) -> Result<()> {
    let sender = Sender::new();
    let leader = cluster.wait_leader().await?;
    let followers: Vec<usize> = (0..cluster.len()).filter(|at| *at != leader).collect();
    let lock = json!({"resource": "printer", "client": "Ayu", "ttl_ms": 600_000, "wait_ms": 0});
    let poll = json!({"resource": "desk", "client": "Ayu", "ttl_ms": 600_000, "wait_ms": 500});
    for at in &followers {
        cluster.pause(*at)?;
    }
    // At once, so that all of them meet the leader before it knows that it is alone; then once more.
    let (one, two, three) = tokio::join!(
        sender.send(cluster, leader, "/lock/acquire", "Ayu/1", &lock),
        sender.send(cluster, leader, "/lock/acquire", "Ayu/1", &lock),
        sender.send(cluster, leader, "/lock/acquire", "any text", &poll),
    );
    let first = [one?, two?, three?];
    let again = [
        sender.send(cluster, leader, "/lock/acquire", "Ayu/1", &lock).await?,
        sender.send(cluster, leader, "/lock/acquire", "any text", &poll).await?,
    ];
    for at in &followers {
        cluster.resume(*at)?;
    }
    for (status, answer) in first.iter().chain(&again) {
        let text = answer.to_string();
        ensure!(*status == 503 && !text.contains("Nothing was done"), "{status} {text}");
    }
    // The poll may have waited behind the others until its time was over, and then surely was not appended.
    for answer in [&first[0].1, &first[1].1, &again[0].1] {
        let error = &answer["error"];
        ensure!(error["code"] == "outcome_unknown" && error["key_holds_s"] == 600, "{answer}");
    }
    cluster.wait_leader().await?;
    let (status, answer) = sender.send(cluster, followers[0], "/lock/acquire", "Ayu/1", &lock).await?;
    ensure!(status == 200 && answer["reentrant"] == false, "{status} {answer}");
    let (_, same) = sender.send(cluster, leader, "/lock/acquire", "Ayu/1", &lock).await?;
    ensure!(same["fencing_token"] == answer["fencing_token"], "{same} after {answer}");
    let other = json!({"resource": "chair", "client": "Ayu", "ttl_ms": 600_000, "wait_ms": 0});
    let (status, answer) = sender.send(cluster, leader, "/lock/acquire", "Ayu/1", &other).await?;
    ensure!(status == 409 && answer["error"]["code"] == "key_reused", "{status} {answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_outlives_a_restart_and_is_forgotten_after_its_window() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start_with("window", 3, &["--retry-window-s", "5"]).await?;
    let outcome = window(&mut cluster).await;
    cluster.explained(outcome)
}

async fn window(cluster: &mut Cluster) -> Result<()> {
    let sender = Sender::new();
    let message = json!({"topic": "orders", "key": "k", "message": 1});
    let publish = async |cluster: &Cluster, at, key: &'static str| {
        let (status, answer) = sender.send(cluster, at, "/queue/publish", key, &message).await?;
        let id = answer["message_id"].as_str().map(str::to_owned);
        anyhow::Ok((status, id, answer))
    };
    let first = publish(cluster, 0, "Ayu/1").await?.1.context("an id")?;
    let text = publish(cluster, 1, "9d1c 77").await?.1.context("an id")?;
    for at in 0..cluster.len() {
        cluster.kill(at)?;
    }
    cluster.heal()?;
    cluster.wait_leader().await?;
    ensure!(publish(cluster, 2, "Ayu/1").await?.1.as_deref() == Some(&first), "another message");
    ensure!(publish(cluster, 0, "9d1c 77").await?.1.as_deref() == Some(&text), "another message");

    // The lease clock runs while the shard has something to do.
    let forgotten = || async {
        let (status, id, answer) = publish(cluster, 1, "Ayu/1").await?;
        ensure!(status == 409 || id.as_deref() == Some(&first), "applied again: {answer}");
        ensure!(status == 409 && answer["error"]["code"] == "key_too_old", "{status} {answer}");
        Ok(())
    };
    orrery_harness::process::until("the number to be too old", orrery_harness::cluster::READY, forgotten)
        .await?;
    let reused = || async {
        let id = publish(cluster, 2, "9d1c 77").await?.1.context("an id")?;
        ensure!(id != text, "it is remembered still");
        Ok(())
    };
    orrery_harness::process::until("the text to be free again", orrery_harness::cluster::READY, reused).await
}
