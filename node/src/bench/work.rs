//! What a client of a benchmark does again and again.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;

/// Bytes of a message's or value's text.
pub const MESSAGE_BYTES: usize = 100;

/// How long a consume waits for the message that its own client just published.
const CONSUME_WAIT_MS: u64 = 10_000;

/// What is done, and with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Acquire and release a lock of one's own.
    Lock,
    /// The same with etcd's lock service.
    EtcdLock,
    /// Publish a message without a key to the topic of all clients.
    Publish,
    /// Publish a message, consume it and acknowledge it, in a topic of one's own.
    Cycle,
    /// Put a value under a key of one's own into etcd.
    EtcdPut,
    /// Read such a value from etcd, linearizably.
    EtcdRange,
    /// Read a line that the node has a copy of.
    CacheHit,
    /// Write a line of one's own, durably.
    CacheWrite,
    /// Write a line of which two other nodes have just read a copy.
    CacheTakeOver,
    /// Of 20 requests 19 read and one writes, on 50 lines of all clients.
    CacheMix,
    /// Read from a handler that does nothing else.
    Bare,
}

/// A line of all clients.
pub const SHARED_ADDRESS: &str = "bench";

/// Lines of the mix.
const MIX_LINES: u64 = 50;
/// Of so many requests of the mix one writes.
const MIX_READS: u64 = 20;

/// The requests of one client; what does not change is made once.
pub enum Task {
    Lock { acquire: Bytes, release: Bytes },
    EtcdLock { lock: Bytes },
    Publish { publish: Bytes },
    Cycle { topic: String, publish: Bytes, consume: Bytes },
    EtcdPut { put: Bytes },
    EtcdRange { range: Bytes },
    Read { path: String },
    Write { write: Bytes },
    TakeOver { write: Bytes, path: String, others: Vec<Client> },
    Mix { message: String, random: SmallRng },
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

#[derive(Deserialize)]
struct Consumed {
    messages: Vec<Delivered>,
}

#[derive(Deserialize)]
struct Delivered {
    id: String,
    receipt: String,
}

impl Task {
    /// Of client `number`.
    pub async fn new(
        work: Work,
        connection: &mut Client,
        number: usize,
        addresses: &[String],
    ) -> Result<Task> {
        let client = format!("client-{number}");
        let resource = format!("resource-{number}");
        let message = "m".repeat(MESSAGE_BYTES - 2);
        Ok(match work {
            Work::Lock => Task::Lock {
                acquire: body(&json!({ "resource": resource, "client": client, "ttl_ms": 60_000 }))?,
                release: body(&json!({ "resource": resource, "client": client }))?,
            },
            Work::EtcdLock => {
                // One lease for the whole run, as etcd's own clients do it.
                let (status, answer) = connection.post("/v3/lease/grant", &json!({ "TTL": "600" })).await?;
                ensure!(status == 200, "etcd granted no lease: {status}");
                let lease = serde_json::from_slice::<Granted>(&answer)?.id;
                Task::EtcdLock { lock: body(&json!({ "name": STANDARD.encode(&resource), "lease": lease }))? }
            }
            Work::Publish => {
                Task::Publish { publish: body(&json!({ "topic": "bench", "message": message }))? }
            }
            Work::Cycle => {
                let topic = format!("cycle-{number}");
                let publish = body(&json!({ "topic": topic, "key": client, "message": message }))?;
                let consume = body(&json!({
                    "topic": topic, "consumer": client, "max": 1, "wait_ms": CONSUME_WAIT_MS,
                }))?;
                Task::Cycle { topic, publish, consume }
            }
            Work::EtcdPut => {
                let put = json!({ "key": STANDARD.encode(&resource), "value": STANDARD.encode(&message) });
                Task::EtcdPut { put: body(&put)? }
            }
            Work::EtcdRange => {
                let (key, value) = (STANDARD.encode(&resource), STANDARD.encode(&message));
                connection.post("/v3/kv/put", &json!({ "key": key, "value": value })).await?;
                Task::EtcdRange { range: body(&json!({ "key": key }))? }
            }
            Work::CacheHit => {
                let write = json!({ "address": SHARED_ADDRESS, "value": message });
                if number == 0 {
                    post(connection, "/cache/write", &body(&write)?).await?;
                }
                Task::Read { path: format!("/cache/read?address={SHARED_ADDRESS}") }
            }
            Work::Bare => Task::Read { path: format!("/cache/read?address={SHARED_ADDRESS}") },
            Work::CacheWrite => {
                Task::Write { write: body(&json!({ "address": resource, "value": message }))? }
            }
            Work::CacheTakeOver => {
                let own = number % addresses.len();
                let mut others = Vec::new();
                for (at, address) in addresses.iter().enumerate() {
                    if at != own && others.len() < 2 {
                        others.push(Client::connect(address).await?);
                    }
                }
                let write = body(&json!({ "address": resource, "value": message }))?;
                Task::TakeOver { write, path: format!("/cache/read?address={resource}"), others }
            }
            Work::CacheMix => Task::Mix { message, random: SmallRng::seed_from_u64(number as u64) },
        })
    }

    pub async fn run(&mut self, connection: &mut Client) -> Result<()> {
        match self {
            Task::Lock { acquire, release } => {
                post(connection, "/lock/acquire", acquire).await?;
                post(connection, "/lock/release", release).await?;
            }
            Task::EtcdLock { lock } => {
                let answer = post(connection, "/v3/lock/lock", lock).await?;
                let key = serde_json::from_slice::<Locked>(&answer)?.key;
                post(connection, "/v3/lock/unlock", &body(&json!({ "key": key }))?).await?;
            }
            Task::Publish { publish } => {
                post(connection, "/queue/publish", publish).await?;
            }
            Task::Cycle { topic, publish, consume } => {
                post(connection, "/queue/publish", publish).await?;
                let answer = post(connection, "/queue/consume", consume).await?;
                let consumed: Consumed = serde_json::from_slice(&answer)?;
                let message = consumed.messages.first().context("the message was not delivered in time")?;
                let ack = json!({
                    "topic": topic, "group": "default", "message_id": message.id, "receipt": message.receipt,
                });
                post(connection, "/queue/ack", &body(&ack)?).await?;
            }
            Task::EtcdPut { put } => {
                post(connection, "/v3/kv/put", put).await?;
            }
            Task::EtcdRange { range } => {
                post(connection, "/v3/kv/range", range).await?;
            }
            Task::Read { path } => read(connection, path).await?,
            Task::Write { write } => {
                post(connection, "/cache/write", write).await?;
            }
            Task::TakeOver { write, .. } => {
                post(connection, "/cache/write", write).await?;
            }
            Task::Mix { message, random } => {
                let address = format!("mix-{}", random.random_range(0..MIX_LINES));
                if random.random_range(0..MIX_READS) == 0 {
                    let write = json!({ "address": address, "value": message });
                    post(connection, "/cache/write", &body(&write)?).await?;
                } else {
                    read(connection, &format!("/cache/read?address={address}")).await?;
                }
            }
        }
        Ok(())
    }

    /// What comes before, and is not measured.
    pub async fn prepare(&mut self) -> Result<()> {
        if let Task::TakeOver { path, others, .. } = self {
            for other in others {
                read(other, path).await?;
            }
        }
        Ok(())
    }
}

/// A line without a value is an answer, too.
async fn read(connection: &mut Client, path: &str) -> Result<()> {
    let (status, answer) = connection.send(Method::GET, path, Bytes::new()).await?;
    ensure!(matches!(status, 200 | 404), "{path}: status {status}: {}", String::from_utf8_lossy(&answer));
    Ok(())
}

async fn post(connection: &mut Client, path: &str, body: &Bytes) -> Result<Bytes> {
    let (status, answer) = connection.send(Method::POST, path, body.clone()).await?;
    ensure!(status == 200, "{path}: status {status}: {}", String::from_utf8_lossy(&answer));
    Ok(answer)
}

fn body(value: &Value) -> Result<Bytes> {
    Ok(serde_json::to_vec(value)?.into())
}
