//! A client of the cache that writes down what it asked for and what it was answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use orrery_base::error::{ApiError, ErrorBody};
use orrery_harness::cluster::{Answer as Response, read};
use orrery_harness::http::Client;
use orrery_linear::api::{self, Came};
use orrery_linear::{Answer, Call, Histories, Version};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::de::DeserializeOwned;
use smol_str::SmolStr;

/// One try: a node may stand still.
const TRY_MAX: Duration = Duration::from_secs(3);
/// How often a durable write is sent under its key until its outcome is known.
const TRIES_MAX: u32 = 6;

/// What all users write down together.
pub struct Notes {
    began: Instant,
    histories: Mutex<Histories>,
    written: AtomicU64,
    pub counts: Counts,
}

#[derive(Debug, Default)]
pub struct Counts {
    pub reads: AtomicU64,
    pub hits: AtomicU64,
    pub durable: AtomicU64,
    pub taken: AtomicU64,
    pub refused: AtomicU64,
    pub nothing: AtomicU64,
    pub unknown: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Notes {
    pub fn new() -> Arc<Notes> {
        Arc::new(Notes {
            began: Instant::now(),
            histories: Mutex::default(),
            written: AtomicU64::new(0),
            counts: Counts::default(),
        })
    }

    /// Everything so far, and from here on anew: nothing may be under way.
    pub fn take(&self) -> Histories {
        std::mem::take(&mut self.histories.lock().unwrap())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// What a user does, and how often.
#[derive(Clone, Copy)]
pub struct Mix {
    /// Of a hundred requests.
    pub reads: u32,
    /// Longest pause between two.
    pub think: Duration,
    /// A request that is not answered with success or a refusal of its version is an error.
    pub strict: bool,
}

pub struct User {
    name: SmolStr,
    nodes: Vec<String>,
    http: Client,
    rng: StdRng,
    notes: Arc<Notes>,
    mix: Mix,
    /// Number of its last durable write.
    number: u64,
}

impl User {
    pub fn new(
        name: String,
        nodes: Vec<String>,
        http: Client,
        seed: u64,
        notes: Arc<Notes>,
        mix: Mix,
    ) -> User {
        let rng = StdRng::seed_from_u64(seed);
        User { name: name.into(), nodes, http, rng, notes, mix, number: 0 }
    }

    /// Reads and writes these addresses until the time is over.
    pub async fn live(&mut self, addresses: &[String], until: Instant) -> Result<()> {
        let mut known: Vec<Version> = vec![0; addresses.len()];
        while Instant::now() < until {
            let at = self.rng.random_range(0..addresses.len());
            let call = self.choose(known[at]);
            let seen = self.ask(&addresses[at], call).await?;
            known[at] = seen.unwrap_or(known[at]);
            if !self.mix.think.is_zero() {
                let pause = self.rng.random_range(Duration::ZERO..self.mix.think);
                tokio::time::sleep(pause).await;
            }
        }
        Ok(())
    }

    fn choose(&mut self, known: Version) -> Call {
        if self.rng.random_range(0..100) < self.mix.reads {
            return Call::Read;
        }
        let value = self.notes.written.fetch_add(1, Ordering::Relaxed) + 1;
        match self.rng.random_range(0..20) {
            0 => Call::Write { value: None, if_version: None },
            1..5 => Call::Write { value: Some(value), if_version: Some(known) },
            5..12 => Call::WriteBack { value },
            _ => Call::Write { value: Some(value), if_version: None },
        }
    }

    /// A durable write that nothing else is under way with: what comes after it does not depend on what came before.
    pub async fn fence(&mut self, address: &str) -> Result<()> {
        let value = self.notes.written.fetch_add(1, Ordering::Relaxed) + 1;
        self.ask(address, Call::Write { value: Some(value), if_version: None }).await.map(drop)
    }

    /// One operation. The version that its answer speaks of, 0 where there is no value.
    pub async fn ask(&mut self, address: &str, call: Call) -> Result<Option<Version>> {
        let node = self.rng.random_range(0..self.nodes.len());
        let who = SmolStr::from(format!("{}@node{}", self.name, node + 1));
        let number = {
            let mut histories = self.notes.histories.lock().unwrap();
            let now = self.notes.now();
            histories.at(address).begin(who, now, call)
        };
        let came = match call {
            Call::Write { .. } => self.durably(node, address, call).await?,
            Call::Read | Call::WriteBack { .. } => self.once(node, address, call, None).await?,
        };
        let counts = &self.notes.counts;
        match &came {
            Came::Answer(answer) => {
                let mut histories = self.notes.histories.lock().unwrap();
                let now = self.notes.now();
                histories.at(address).end(number, now, *answer);
                drop(histories);
                match answer {
                    Answer::Saw { .. } => count(&counts.reads),
                    Answer::Written { .. } | Answer::Absent { .. } => count(&counts.durable),
                    Answer::Taken { .. } => count(&counts.taken),
                    Answer::Wrong { .. } => count(&counts.refused),
                }
                return Ok(Some(match answer {
                    Answer::Saw { value: None, .. } | Answer::Absent { .. } => 0,
                    Answer::Written { .. } if matches!(call, Call::Write { value: None, .. }) => 0,
                    Answer::Saw { version, .. } => version.unwrap_or(0),
                    Answer::Written { version } | Answer::Taken { version } | Answer::Wrong { version } => {
                        *version
                    }
                }));
            }
            Came::Nothing => {
                count(&counts.nothing);
                self.notes.histories.lock().unwrap().at(address).forget(number);
            }
            Came::Unknown => count(&counts.unknown),
            Came::Odd(why) => bail!("{} asked `{call}` of {address}: {why}", self.name),
        }
        if self.mix.strict {
            bail!("{} asked `{call}` of {address}, without faults: {came:?}", self.name);
        }
        Ok(None)
    }

    /// Under one key, at any node, until the outcome is known.
    async fn durably(&mut self, node: usize, address: &str, call: Call) -> Result<Came> {
        self.number += 1;
        let key = format!("{}/{}", self.name, self.number);
        let mut last = Came::Nothing;
        for attempt in 0..TRIES_MAX {
            let node = if attempt == 0 { node } else { self.rng.random_range(0..self.nodes.len()) };
            match self.once(node, address, call, Some(&key)).await? {
                Came::Unknown => last = Came::Unknown,
                Came::Nothing => {}
                came => return Ok(came),
            }
            if self.mix.strict {
                break;
            }
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(10..100))).await;
        }
        Ok(last)
    }

    async fn once(&self, node: usize, address: &str, call: Call, key: Option<&str>) -> Result<Came> {
        let node = &self.nodes[node];
        let request = if let Some(body) = api::write_body(address, call) {
            self.http.post(format!("http://{node}/cache/write")).json(&body)
        } else if let Some(body) = api::delete_body(address, call) {
            self.http.post(format!("http://{node}/cache/delete")).json(&body)
        } else {
            self.http.get(format!("http://{node}/cache/read?address={address}"))
        };
        let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        let response = match request.timeout(TRY_MAX).send().await {
            Ok(response) => response,
            // Nobody listens there: it did not even arrive.
            Err(error) if error.is_connect() => return Ok(Came::Nothing),
            Err(_) => return Ok(Came::Unknown),
        };
        let Ok(response) = read(&response) else { return Ok(Came::Unknown) };
        match call {
            Call::Read => {
                let answer = parsed(response)?;
                if let Ok(orrery_api::cache::ReadAnswer {
                    status: orrery_api::cache::ReadStatus::Hit, ..
                }) = &answer
                {
                    count(&self.notes.counts.hits);
                }
                Ok(api::read(answer))
            }
            _ => Ok(api::wrote(parsed(response)?)),
        }
    }
}

/// A success, or a miss, which is one too.
fn parsed<T: DeserializeOwned>((status, body): Response) -> Result<Result<T, ApiError>> {
    if status == 200 || status == 404 && body["error"].is_null() {
        return Ok(Ok(serde_json::from_value(body)?));
    }
    let ErrorBody { error } = serde_json::from_value(body)?;
    Ok(Err(error))
}
