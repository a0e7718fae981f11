//! Clients that do the same thing again and again: as fast as they are answered, or at a given pace.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::work::{Task, Work};
use crate::client::Client;

/// Time before the measurement starts: connections, caches, a settled leader.
const WARM_UP: Duration = Duration::from_secs(1);

/// A client that gets no answer for this long gives its run up.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Errors of one client after which its run is given up.
const ERRORS_MAX: u64 = 100;

/// How many clients do what, for how long.
#[derive(Clone, Copy)]
pub struct Load {
    pub work: Work,
    pub clients: usize,
    pub length: Duration,
    /// Of all clients together; none is as fast as they are answered.
    pub per_second: Option<f64>,
}

/// What one run measured.
#[derive(Clone, Copy)]
pub struct Figures {
    pub per_second: f64,
    /// Of one whole round of what a client does; at a given pace counted from when it was due.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub errors: u64,
}

/// The clients, spread over the nodes.
pub async fn run(addresses: &[String], load: Load) -> Result<Figures> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + load.length;
    let mut running = JoinSet::new();
    for number in 0..load.clients {
        let address = addresses[number % addresses.len()].clone();
        running.spawn(client(load, addresses.to_vec(), address, number, begin, end));
    }
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    let mut errors = 0;
    while let Some(done) = running.join_next().await {
        let (own, failed) = done??;
        times.add(own)?;
        errors += failed;
    }
    ensure!(!times.is_empty(), "nothing succeeded");
    Ok(Figures {
        per_second: times.len() as f64 / load.length.as_secs_f64(),
        p50_ms: times.value_at_quantile(0.5) as f64 / 1e3,
        p99_ms: times.value_at_quantile(0.99) as f64 / 1e3,
        errors,
    })
}

async fn client(
    load: Load,
    addresses: Vec<String>,
    address: String,
    number: usize,
    begin: Instant,
    end: Instant,
) -> Result<(Histogram<u64>, u64)> {
    let mut connection = Client::connect(&address).await?;
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    let mut errors = 0;
    let mut task = Task::new(load.work, &mut connection, number, &addresses).await?;
    let pause = load.per_second.map(|rate| Duration::from_secs_f64(load.clients as f64 / rate));
    // Spread over one pause, so that a given pace is not one burst of all clients.
    let mut due = Instant::now() + pause.unwrap_or_default().mul_f64(number as f64 / load.clients as f64);
    loop {
        let began = match pause {
            Some(pause) => {
                sleep_until(due.min(end)).await;
                let began = due;
                due += pause;
                began
            }
            None => {
                timeout(ANSWER_MAX, task.prepare()).await.context("no answer")??;
                Instant::now()
            }
        };
        if began >= end || Instant::now() >= end {
            return Ok((times, errors));
        }
        let result = timeout(ANSWER_MAX, task.run(&mut connection)).await.context("no answer")?;
        let ended = Instant::now();
        match result {
            Ok(()) if began >= begin && ended <= end => {
                times.saturating_record(u64::try_from((ended - began).as_micros())?);
            }
            Ok(()) => {}
            Err(error) => {
                errors += 1;
                ensure!(errors < ERRORS_MAX, "too many errors, the last one: {error:#}");
                connection = Client::connect(&address).await?;
            }
        }
    }
}
