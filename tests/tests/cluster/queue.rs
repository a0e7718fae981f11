//! Twenty thousand messages, published and consumed while nodes are killed, restarted, added and removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use orrery_api::node::Cluster;
use orrery_api::queue::Consumed;
use orrery_harness::demo::{Demo, DemoOptions};
use orrery_harness::http::Client;
use orrery_harness::process::until;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::{seed, turn};

const NODES: u16 = 5;
/// Numbers that nodes may have: one is added, and takes the first that is free.
const NUMBERS: u16 = NODES + 1;
const PRODUCERS: u64 = 8;
const CONSUMERS: u64 = 8;
/// How long everything may take.
const LONGEST: Duration = Duration::from_secs(400);
/// How long one step of the faults may take: shards move one by one.
const MOVE_MAX: Duration = Duration::from_secs(90);

/// Messages altogether: `ORRERY_MESSAGES`, or 20,000.
fn messages() -> u64 {
    std::env::var("ORRERY_MESSAGES").map_or(20_000, |text| text.parse().expect("ORRERY_MESSAGES is a number"))
}

#[derive(Default)]
struct Known {
    /// Values whose publish was acknowledged.
    published: Mutex<BTreeSet<u64>>,
    /// Receipts of each value's deliveries, with the number of the attempt.
    deliveries: Mutex<BTreeMap<u64, BTreeMap<String, u32>>>,
    /// Tries without an answer that said what became of them.
    retries: AtomicU64,
    /// All producers are done.
    produced: AtomicBool,
    /// Everything that was published was consumed and acknowledged.
    consumed: AtomicBool,
}

/// Somebody who asks any node, again under the same key until the outcome is known.
struct Caller {
    name: String,
    http: Client,
    first_port: u16,
    rng: StdRng,
    number: u64,
    known: Arc<Known>,
    deadline: Instant,
}

impl Caller {
    async fn ask(&mut self, path: &str, body: &Value) -> Result<Value> {
        self.number += 1;
        let key = format!("{}/{}", self.name, self.number);
        loop {
            ensure!(Instant::now() < self.deadline, "{} got no answer to {path} {body} in time", self.name);
            let port = self.first_port + self.rng.random_range(0..NUMBERS);
            let url = format!("http://127.0.0.1:{port}{path}");
            let sent = self.http.post(&url).header("idempotency-key", &key).json(body).send().await;
            if let Ok(answer) = sent {
                let (status, text) = (answer.status, answer.text());
                match status {
                    200 => return serde_json::from_str(&text).with_context(|| format!("{url}: {text}")),
                    503 => {}
                    _ => bail!("{url} answered {status} to {body}: {text}"),
                }
            }
            self.known.retries.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(self.rng.random_range(5..100))).await;
        }
    }

    async fn produce(mut self, values: std::ops::Range<u64>) -> Result<()> {
        for value in values {
            let mut body = json!({"topic": "work", "message": value});
            if value % 2 == 0 {
                body["key"] = json!(format!("k{}", value % 32));
            }
            self.ask("/queue/publish", &body).await?;
            self.known.published.lock().unwrap().insert(value);
        }
        Ok(())
    }

    async fn consume(mut self) -> Result<()> {
        while !self.known.consumed.load(Ordering::Relaxed) {
            let body = json!({
                "topic": "work", "group": "all", "consumer": self.name, "max": 20,
                "visibility_ms": 20_000, "wait_ms": 300,
            });
            let consumed: Consumed = serde_json::from_value(self.ask("/queue/consume", &body).await?)?;
            if consumed.messages.is_empty() {
                continue;
            }
            let mut ids = Vec::new();
            let mut receipts = Vec::new();
            for delivered in &consumed.messages {
                let value: u64 = delivered.message.text().parse()?;
                let mut deliveries = self.known.deliveries.lock().unwrap();
                deliveries.entry(value).or_default().insert(delivered.receipt.to_string(), delivered.attempt);
                ids.push(delivered.id.to_string());
                receipts.push(delivered.receipt.to_string());
            }
            let body = json!({"topic": "work", "group": "all", "message_ids": ids, "receipts": receipts});
            self.ask("/queue/ack", &body).await?;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_is_consumed_while_nodes_come_and_go() -> Result<()> {
    let _turn = turn().await;
    let rng = StdRng::seed_from_u64(seed());
    let options = DemoOptions { nodes: NODES, ..DemoOptions::default() };
    let mut demo = Demo::start("queue", options).await?;
    let outcome = scenario(&demo, rng).await;
    outcome.map_err(|error| error.context(demo.report()))
}

async fn scenario(demo: &Demo, mut rng: StdRng) -> Result<()> {
    let known = Arc::new(Known::default());
    let first = demo.node_url("node1")?;
    let first_port: u16 = first.rsplit_once(':').context("a port")?.1.parse()?;
    let deadline = Instant::now() + LONGEST;
    let mut caller = |name: String| -> Result<Caller> {
        Ok(Caller {
            name,
            http: Client::new(Duration::from_secs(8)),
            first_port,
            rng: StdRng::seed_from_u64(rng.random()),
            number: 0,
            known: known.clone(),
            deadline,
        })
    };
    let began = Instant::now();
    let (mut producers, mut consumers) = (JoinSet::new(), JoinSet::new());
    let each = messages() / PRODUCERS;
    for number in 0..PRODUCERS {
        producers.spawn(caller(format!("producer{number}"))?.produce(number * each..(number + 1) * each));
    }
    for number in 0..CONSUMERS {
        consumers.spawn(caller(format!("consumer{number}"))?.consume());
    }
    let faults = faults(demo, &known);
    let produce = async {
        while let Some(produced) = producers.join_next().await {
            produced??;
        }
        known.produced.store(true, Ordering::Relaxed);
        anyhow::Ok(began.elapsed())
    };
    let (rounds, produced_in) = tokio::try_join!(faults, produce)?;
    let published = known.published.lock().unwrap().clone();
    until("everything to be consumed", LONGEST, || async {
        let seen = known.deliveries.lock().unwrap().len();
        ensure!(seen >= published.len(), "{seen} of {}", published.len());
        Ok(())
    })
    .await?;
    until("everything to be acknowledged", MOVE_MAX, || async {
        // Any node that is there: the first one may have left.
        let node = demo.processes().await?.into_iter().next().context("a node")?;
        let stats: Value = demo.get(&format!("http://{}/queue/stats?topic=work", node.address)).await?;
        let topic = &stats["topics"][0];
        ensure!(topic["lag"] == 0 && stats["unavailable"].is_null(), "{topic}");
        Ok(())
    })
    .await?;
    known.consumed.store(true, Ordering::Relaxed);
    while let Some(consumed) = consumers.join_next().await {
        consumed??;
    }
    let took = began.elapsed();

    let deliveries = known.deliveries.lock().unwrap().clone();
    let lost: Vec<_> = published.iter().filter(|value| !deliveries.contains_key(value)).collect();
    ensure!(lost.is_empty(), "published and never delivered: {lost:?}");
    ensure!(published.len() as u64 == each * PRODUCERS, "{} published", published.len());
    let again: usize = deliveries.values().map(|receipts| receipts.len() - 1).sum();
    // A delivery is another one than the first only because its visibility ran out before its ack.
    let unexplained = deliveries.values().filter(|receipts| {
        let attempts: BTreeSet<u32> = receipts.values().copied().collect();
        attempts.len() != receipts.len()
    });
    ensure!(unexplained.count() == 0, "two first deliveries of one message");
    eprintln!(
        "{} messages published in {produced_in:.1?} and consumed in {took:.1?}; {again} delivered once more; {} tries \
         without an outcome; {rounds} rounds of: kill, start, add, remove",
        published.len(),
        known.retries.load(Ordering::Relaxed),
    );
    Ok(())
}

/// Kills and starts a node, adds one, and removes one, until everything is published; at least once.
async fn faults(demo: &Demo, known: &Known) -> Result<u32> {
    let mut rounds = 0;
    while rounds == 0 || !known.produced.load(Ordering::Relaxed) {
        let victim = demo.wait_leader().await?.node_id;
        demo.act(&victim, "kill").await?;
        demo.wait_leader().await?;
        demo.act(&victim, "start").await?;
        demo.wait_leader().await?;
        let before = present(demo).await?;
        let url = format!("{}/demo/nodes", demo.url());
        let answer = demo.http().post(&url).json(&json!({})).send().await?;
        ensure!(answer.status == 200, "{}", answer.text());
        let added = present(demo).await?.difference(&before).next().cloned().context("no new node")?;
        in_place(demo, |holders| holders.contains(&added)).await?;
        // One that was there from the start goes.
        let gone = before.iter().find(|name| *name != victim.as_str()).context("another node")?.clone();
        let answer = demo.http().delete(format!("{url}/{gone}")).json(&json!({})).send().await?;
        ensure!(answer.status == 202, "{}", answer.text());
        until("the node to be gone", MOVE_MAX, || async {
            ensure!(!present(demo).await?.contains(&gone), "{gone} is there");
            Ok(())
        })
        .await?;
        in_place(demo, |holders| !holders.contains(&gone)).await?;
        rounds += 1;
    }
    Ok(rounds)
}

async fn cluster(demo: &Demo) -> Result<Cluster> {
    let mut last = None;
    for process in demo.processes().await? {
        match demo.get(&format!("http://{}/cluster", process.address)).await {
            Ok(cluster) => return Ok(cluster),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("no node runs")))
}

async fn present(demo: &Demo) -> Result<BTreeSet<String>> {
    Ok(demo.processes().await?.into_iter().map(|process| process.node.to_string()).collect())
}

/// Waits until those who hold shards by the map are as they should be.
async fn in_place(demo: &Demo, right: impl Fn(&BTreeSet<String>) -> bool) -> Result<()> {
    until("the shards to move", MOVE_MAX, || async {
        let cluster = cluster(demo).await?;
        let holders: BTreeSet<String> =
            cluster.map.iter().flat_map(|shard| &shard.replicas).map(|node| node.to_string()).collect();
        ensure!(right(&holders), "{holders:?}");
        Ok(())
    })
    .await
}
