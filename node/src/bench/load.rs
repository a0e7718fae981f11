//! Clients that acquire and release as fast as they are answered.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use hyper::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::client::Client;

/// Time before the measurement starts: connections, caches, a settled leader.
const WARM_UP: Duration = Duration::from_secs(1);

/// A client that gets no answer for this long gives its run up.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Which lock service, and where.
#[derive(Clone)]
pub struct Locks {
    kind: Kind,
    addresses: Vec<String>,
}

#[derive(Clone, Copy)]
enum Kind {
    Orrery,
    Etcd,
}

/// What one run measured.
pub struct Figures {
    pub pairs_per_second: f64,
    /// Of an acquire and its release together.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub errors: u64,
}

impl Locks {
    /// Orrery's nodes.
    pub fn orrery(addresses: &[String]) -> Locks {
        Locks { kind: Kind::Orrery, addresses: addresses.to_vec() }
    }

    /// etcd's members.
    pub fn etcd(addresses: &[String]) -> Locks {
        Locks { kind: Kind::Etcd, addresses: addresses.to_vec() }
    }
}

/// `clients` at once for `length`, spread over the nodes.
pub async fn run(locks: &Locks, clients: usize, length: Duration) -> Result<Figures> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + length;
    let mut running = JoinSet::new();
    for number in 0..clients {
        let address = locks.addresses[number % locks.addresses.len()].clone();
        running.spawn(client(locks.kind, address, number, begin, end));
    }
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    let mut errors = 0;
    while let Some(done) = running.join_next().await {
        let (own, failed) = done??;
        times.add(own)?;
        errors += failed;
    }
    ensure!(!times.is_empty(), "no pair succeeded");
    Ok(Figures {
        pairs_per_second: times.len() as f64 / length.as_secs_f64(),
        p50_ms: times.value_at_quantile(0.5) as f64 / 1e3,
        p99_ms: times.value_at_quantile(0.99) as f64 / 1e3,
        errors,
    })
}

async fn client(
    kind: Kind,
    address: String,
    number: usize,
    begin: Instant,
    end: Instant,
) -> Result<(Histogram<u64>, u64)> {
    let mut connection = Client::connect(&address).await?;
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    let mut errors = 0;
    let pair = Pair::new(kind, &mut connection, number).await?;
    loop {
        let began = Instant::now();
        if began >= end {
            return Ok((times, errors));
        }
        let result = timeout(ANSWER_MAX, pair.run(&mut connection)).await.context("no answer")?;
        let ended = Instant::now();
        match result {
            Ok(()) if began >= begin && ended <= end => {
                times.saturating_record(u64::try_from((ended - began).as_micros())?);
            }
            Ok(()) => {}
            Err(error) => {
                errors += 1;
                ensure!(errors < 100, "too many errors, the last one: {error:#}");
                connection = Client::connect(&address).await?;
            }
        }
    }
}

/// The requests of one client, made once.
enum Pair {
    Orrery { acquire: Bytes, release: Bytes },
    Etcd { lock: Bytes },
}

#[derive(Deserialize)]
struct Granted {
    #[serde(rename = "ID")]
    id: String,
}

#[derive(Deserialize)]
struct Locked {
    key: String,
}

impl Pair {
    async fn new(kind: Kind, connection: &mut Client, number: usize) -> Result<Pair> {
        let client = format!("client-{number}");
        let resource = format!("resource-{number}");
        Ok(match kind {
            Kind::Orrery => Pair::Orrery {
                acquire: body(&json!({ "resource": resource, "client": client, "ttl_ms": 60_000 }))?,
                release: body(&json!({ "resource": resource, "client": client }))?,
            },
            Kind::Etcd => {
                // One lease for the whole run, as etcd's own clients do it.
                let (status, answer) = connection.post("/v3/lease/grant", &json!({ "TTL": "600" })).await?;
                ensure!(status == 200, "etcd granted no lease: {status}");
                let lease = serde_json::from_slice::<Granted>(&answer)?.id;
                Pair::Etcd { lock: body(&json!({ "name": base64(&resource), "lease": lease }))? }
            }
        })
    }

    async fn run(&self, connection: &mut Client) -> Result<()> {
        match self {
            Pair::Orrery { acquire, release } => {
                expect_ok(connection.send(Method::POST, "/lock/acquire", acquire.clone()).await?)?;
                expect_ok(connection.send(Method::POST, "/lock/release", release.clone()).await?)?;
            }
            Pair::Etcd { lock } => {
                let answer = expect_ok(connection.send(Method::POST, "/v3/lock/lock", lock.clone()).await?)?;
                let key = serde_json::from_slice::<Locked>(&answer)?.key;
                expect_ok(connection.post("/v3/lock/unlock", &json!({ "key": key })).await?)?;
            }
        }
        Ok(())
    }
}

fn expect_ok((status, answer): (u16, Bytes)) -> Result<Bytes> {
    ensure!(status == 200, "status {status}: {}", String::from_utf8_lossy(&answer));
    Ok(answer)
}

fn body(value: &serde_json::Value) -> Result<Bytes> {
    Ok(serde_json::to_vec(value)?.into())
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
