//! A client that gets what it asks for although nodes die under it: every request has a key, and whatever ends without
//! a known outcome is sent again under the same key, to another node.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use orrery_harness::cluster::{Answer, read};
use orrery_harness::http::Client as Http;
use orrery_lock::view::LockTable;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::history::Held;

/// Length of the locks' leases. Longer than [`ANSWER_MAX`]: nothing expires while its client still learns of it.
const TTL_MS: u64 = 120_000;
/// How long an acquire waits for its lock.
const WAIT_MS: u64 = 2_000;
/// Longest time until an outcome is known.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// One try: a node may be paused.
const TRY_MAX: Duration = Duration::from_millis(WAIT_MS + 1_500);
/// Most acquires of one round that end in "timeout".
const TIMEOUTS_MAX: u32 = 100;

pub struct Client {
    name: String,
    nodes: Vec<String>,
    http: Http,
    rng: StdRng,
    /// Number of its last mutation.
    number: u64,
    pub report: Report,
}

/// What a client saw.
#[derive(Debug, Default)]
pub struct Report {
    pub held: Vec<Held>,
    /// Tries that ended without an outcome and were sent again.
    pub retries: u64,
    /// Acquires that were answered "timeout".
    pub timeouts: u64,
    /// Reads of its own lock, at some node, while it held it.
    pub reads: u64,
}

/// The part of `GET /lock/status` that is looked at.
#[derive(Deserialize)]
struct Table {
    #[serde(flatten)]
    table: LockTable,
}

impl Client {
    pub fn new(name: String, nodes: Vec<String>, seed: u64) -> Result<Client> {
        let http = Http::default();
        let rng = StdRng::seed_from_u64(seed);
        Ok(Client { name, nodes, http, rng, number: 0, report: Report::default() })
    }

    /// Acquires one of the resources, holds it for some milliseconds, gives it back.
    pub async fn round(&mut self, resources: &[&str]) -> Result<()> {
        let resource = resources[self.rng.random_range(0..resources.len())];
        let exclusive = self.rng.random_bool(0.7);
        let mode = if exclusive { "exclusive" } else { "shared" };
        let (token, from) = self.acquire(resource, mode).await?;
        if self.rng.random_bool(0.2) {
            self.read_own(resource, token).await?;
        }
        if self.rng.random_bool(0.2) {
            let body = json!({"resource": resource, "client": self.name, "fencing_token": token});
            let (status, answer) = self.sent("/lock/renew", &body).await?;
            ensure!(status == 200, "{} lost {resource} ({token}) at a renewal: {status} {answer}", self.name);
        }
        tokio::time::sleep(Duration::from_millis(self.rng.random_range(0..8))).await;
        let to = Instant::now();
        let body = json!({"resource": resource, "client": self.name, "fencing_token": token});
        let (status, answer) = self.sent("/lock/release", &body).await?;
        ensure!(
            status == 200 && answer["fencing_token"] == token,
            "{} was granted {resource} ({token}), which was forgotten: {status} {answer}",
            self.name
        );
        let (client, resource) = (self.name.clone(), resource.to_owned());
        self.report.held.push(Held { client, resource, exclusive, token, from, to });
        Ok(())
    }

    async fn acquire(&mut self, resource: &str, mode: &str) -> Result<(u64, Instant)> {
        for _ in 0..TIMEOUTS_MAX {
            let body = json!({
                "resource": resource, "client": self.name, "mode": mode, "ttl_ms": TTL_MS, "wait_ms": WAIT_MS
            });
            let (status, answer) = self.sent("/lock/acquire", &body).await?;
            let known = Instant::now();
            match status {
                200 => {
                    let left = answer["expires_in_ms"].as_u64().unwrap_or_default();
                    ensure!(left > 0, "{} was told of {resource} after it expired: {answer}", self.name);
                    let Some(token) = answer["fencing_token"].as_u64() else { bail!("no token: {answer}") };
                    ensure!(answer["reentrant"] == false, "{} has {resource} already: {answer}", self.name);
                    return Ok((token, known));
                }
                408 => self.report.timeouts += 1,
                _ => bail!("{} asked for {resource}: {status} {answer}", self.name),
            }
        }
        bail!("{} did not get {resource} in {TIMEOUTS_MAX} tries", self.name)
    }

    /// Any node's linearizable read must show a lock that its holder knows of.
    async fn read_own(&mut self, resource: &str, token: u64) -> Result<()> {
        let url = format!("http://{}/lock/status?resource={resource}", self.node());
        let Ok(response) = self.http.get(&url).timeout(TRY_MAX).send().await else { return Ok(()) };
        // A node without a leader answers 503: no answer is no wrong answer.
        let Ok((200, answer)) = read(&response) else { return Ok(()) };
        let Table { table } = serde_json::from_value(answer)?;
        let mut holders = table.resources.iter().flat_map(|locked| &locked.holders);
        let own = holders.any(|held| held.holder.client == *self.name && held.fencing_token == token);
        ensure!(own, "{url} does not show that {} holds it ({token}): {table:?}", self.name);
        self.report.reads += 1;
        Ok(())
    }

    fn node(&mut self) -> String {
        self.nodes[self.rng.random_range(0..self.nodes.len())].clone()
    }

    /// The outcome of a mutation, sent under one key until there is one.
    pub async fn sent(&mut self, path: &str, body: &Value) -> Result<Answer> {
        self.number += 1;
        let key = format!("{}/{}", self.name, self.number);
        let deadline = Instant::now() + ANSWER_MAX;
        let mut last = String::new();
        while Instant::now() < deadline {
            let url = format!("http://{}{path}", self.node());
            let request = self.http.post(&url).header("idempotency-key", &key).json(body).timeout(TRY_MAX);
            match request.send().await {
                Err(error) => last = format!("{url}: {error}"),
                Ok(response) => match read(&response) {
                    Ok((503, answer)) => last = format!("{url}: {answer}"),
                    Ok(answer) => return Ok(answer),
                    // It broke off in the middle of its answer.
                    Err(error) => last = format!("{url}: {error:#}"),
                },
            }
            self.report.retries += 1;
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(10..60))).await;
        }
        bail!("{key} {path} has no outcome after {ANSWER_MAX:?}: {last}")
    }
}
