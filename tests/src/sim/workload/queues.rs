//! Clients of the queue service: they publish, consume, and settle what they have, through random nodes.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use openraft::rt::AsyncRuntime;
use orrery_api::queue::{Ack, Consume, Delivered, JsonText, Nack, Publish, Settlement};
use orrery_api::queue_view::{PeekQuery, QueueStats, StatsQuery};
use orrery_api::request::Request;
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::key::IdempotencyKey;
use orrery_base::valid::{Name, Number};
use orrery_engine::{Engine, Serve};
use smol_str::SmolStr;

use super::LEASE_GRAIN_US;
use crate::sim::SimHost;
use crate::sim::checks::Value;
use crate::sim::cluster::Cluster;
use orrery_sim::runtime::{SimRuntime, SplitMix};

pub const TOPIC: &str = "jobs";
/// For whom everybody consumes.
pub const GROUP: &str = "workers";
/// How long deliveries are invisible, milliseconds.
const VISIBILITY_MS: Range<u64> = 200..3_000;
/// How often one request is tried under its key.
const ATTEMPTS_MAX: u32 = 30;
/// Most deliveries that a client keeps in hand.
const IN_HAND_MAX: usize = 4;
/// How long the last consumers may take until everything is settled, virtual.
const DRAIN_US_MAX: u64 = 120_000_000;

/// One client: one operation after the other.
pub struct QueueClient {
    cluster: Arc<Cluster>,
    name: SmolStr,
    rng: SplitMix,
    next_number: u64,
    in_hand: Vec<(Value, Delivered)>,
}

impl QueueClient {
    /// A client that did nothing yet.
    pub fn new(cluster: Arc<Cluster>, number: u32, seed: u64) -> Self {
        let rng = SplitMix::new(seed, 0x9e0e_0000 + u64::from(number));
        let name = SmolStr::from(format!("worker{number}"));
        QueueClient { cluster, name, rng, next_number: 1, in_hand: Vec::new() }
    }

    /// Thinks, then does something.
    pub async fn step(&mut self) {
        let think_us = self.rng.range(0..150_000);
        self.cluster.sleep_us(think_us).await;
        match self.rng.range(0..100) {
            0..40 => self.publish().await,
            40..70 if self.in_hand.len() < IN_HAND_MAX => self.consume(VISIBILITY_MS).await,
            _ => self.settle_one().await,
        }
    }

    /// After the others stopped: consumes and acknowledges until nothing is left, then compares.
    pub async fn drain(&mut self) {
        let deadline_us = self.cluster.sim.now_us() + DRAIN_US_MAX;
        loop {
            if self.cluster.checks.failure().is_some() {
                return;
            }
            self.consume(5_000..5_001).await;
            while let Some((value, delivered)) = self.in_hand.pop() {
                self.ack(value, delivered).await;
            }
            if self.nothing_left().await {
                break;
            }
            if self.cluster.sim.now_us() > deadline_us {
                return self.cluster.checks.fail("the queues do not become empty".into());
            }
        }
        let Some(dead) = self.dead_letters().await else { return };
        self.cluster.checks.queues(|queues| queues.ended(&dead));
    }

    async fn publish(&mut self) {
        let key = if self.rng.chance(500) { Some(self.rng.range(0..2) as u8) } else { None };
        let delay_ms = self.rng.chance(100).then(|| self.rng.range(1..1_000));
        let now_us = self.cluster.sim.now_us();
        // It enters the order of its key only after the delay.
        let ordered = key.filter(|_| delay_ms.is_none());
        let value = self.cluster.checks.queues(|queues| Ok(queues.next(now_us, ordered))).unwrap_or_default();
        let request = Publish {
            topic: Name::known(TOPIC),
            message: JsonText::new(value.to_string()).expect("a number is JSON"),
            key: key.map(|key| Name::known(&format!("k{key}"))),
            delay_ms: delay_ms.map(Number::known),
            idempotency_key: None,
        };
        let ask = asked(request);
        if let Some(published) = self.ask(ask).await {
            let now_us = self.cluster.sim.now_us();
            self.cluster.checks.queues(|queues| queues.published(now_us, value, published.message_id));
        }
    }

    async fn consume(&mut self, visibility_ms: Range<u64>) {
        let visibility_ms = self.rng.range(visibility_ms);
        let request = Consume {
            topic: Name::known(TOPIC),
            group: Name::known(GROUP),
            consumer: Name::known(&self.name),
            max: Number::known(1 + self.rng.range(0..3)),
            visibility_ms: Some(Number::known(visibility_ms)),
            wait_ms: self.rng.chance(300).then(|| Number::known(self.rng.range(0..1_000))),
        };
        let sent_us = self.cluster.sim.now_us();
        let ask = asked(request);
        let Some(consumed) = self.ask(ask).await else {
            self.cluster.checks.queues(|queues| {
                queues.unseen();
                Ok(())
            });
            return;
        };
        let now_us = self.cluster.sim.now_us();
        // The claim came after the first question, so it ends no earlier than this.
        let counted_from_us = if self.cluster.bugs.visibility_from_receipt { now_us } else { sent_us };
        let until_us = counted_from_us + visibility_ms * 1_000 - LEASE_GRAIN_US;
        for delivered in consumed.messages {
            let Ok(value) = delivered.message.text().parse() else {
                return self.cluster.checks.fail(format!("nobody published {:?}", delivered.message));
            };
            let (id, attempt) = (delivered.id, delivered.attempt);
            self.cluster
                .checks
                .queues(|queues| queues.delivered(sent_us, now_us, value, id, attempt, until_us));
            self.in_hand.push((value, delivered));
        }
    }

    async fn settle_one(&mut self) {
        if self.in_hand.is_empty() {
            return;
        }
        let at = self.rng.range(0..self.in_hand.len() as u64) as usize;
        let (value, delivered) = self.in_hand.swap_remove(at);
        match self.rng.range(0..100) {
            0..75 => self.ack(value, delivered).await,
            75..88 => self.nack(value, delivered).await,
            // It crashed over it.
            _ => self.lets_go(value, delivered.attempt),
        }
    }

    fn lets_go(&self, value: Value, attempt: u32) {
        self.cluster.checks.queues(|queues| {
            queues.lets_go(value, attempt);
            Ok(())
        });
    }

    async fn ack(&mut self, value: Value, delivered: Delivered) {
        self.cluster.checks.queues(|queues| {
            queues.acks(value);
            Ok(())
        });
        let request = Ack {
            topic: Name::known(TOPIC),
            group: Name::known(GROUP),
            message_id: Some(delivered.id),
            message_ids: None,
            receipt: Some(delivered.receipt),
            receipts: None,
        };
        let ask = move |engine: Engine<SimHost>, key: Option<IdempotencyKey>| {
            let request = request.clone();
            async move { known(engine.ask(request, key).await?) }
        };
        let settled = self.ask(ask).await;
        self.settled(value, delivered.attempt, settled);
    }

    async fn nack(&mut self, value: Value, delivered: Delivered) {
        self.lets_go(value, delivered.attempt);
        let request = Nack {
            topic: Name::known(TOPIC),
            group: Name::known(GROUP),
            message_id: Some(delivered.id),
            message_ids: None,
            receipt: Some(delivered.receipt),
            receipts: None,
            delay_ms: None,
        };
        let ask = move |engine: Engine<SimHost>, key: Option<IdempotencyKey>| {
            let request = request.clone();
            async move { known(engine.ask(request, key).await?) }
        };
        let settled = self.ask(ask).await;
        self.settled(value, delivered.attempt, settled);
    }

    fn settled(&self, value: Value, attempt: u32, settled: Option<Settlement>) {
        let now_us = self.cluster.sim.now_us();
        self.cluster.checks.queues(|queues| {
            match settled {
                Some(Settlement::Acknowledged | Settlement::AlreadyAcknowledged) => {
                    queues.acknowledged(now_us, value)
                }
                Some(Settlement::Late) => queues.late(now_us, value, attempt)?,
                _ => {}
            }
            queues.lets_go(value, attempt);
            Ok(())
        });
    }

    async fn nothing_left(&mut self) -> bool {
        let ask = |engine: Engine<SimHost>, _| async move {
            match engine.queue().stats(StatsQuery { topic: Some(Name::known(TOPIC)) }).await {
                // Nobody published anything: a consume makes no topic.
                Err(error) if error.code == ErrorCode::NotFound => Ok(QueueStats::default()),
                stats => stats,
            }
        };
        let Some(stats) = self.ask(ask).await else { return false };
        let left = stats.topics.iter().map(|topic| topic.sum.ready + topic.sum.in_flight + topic.sum.delayed);
        stats.unavailable.is_empty() && left.sum::<u64>() == 0
    }

    /// None when nobody says.
    async fn dead_letters(&mut self) -> Option<Vec<Value>> {
        let ask = |engine: Engine<SimHost>, _| async move {
            let topic = Name::known(&format!("{TOPIC}.dead"));
            engine.queue().peek(PeekQuery { topic, limit: Some(Number::known(100)) }).await
        };
        let peek = self.ask(ask).await.filter(|peek| peek.unavailable.is_empty())?;
        peek.messages.iter().map(|message| message.message.text().parse().ok()).collect()
    }

    /// The same request under the same key until its outcome is known, each time through any node.
    async fn ask<T, Fut>(
        &mut self,
        request: impl Fn(Engine<SimHost>, Option<IdempotencyKey>) -> Fut,
    ) -> Option<T>
    where
        T: Send + 'static,
        Fut: Future<Output = Result<T, ApiError>> + Send + 'static,
    {
        let key = IdempotencyKey { client: self.name.clone(), number: self.next_number };
        self.next_number += 1;
        for _ in 0..ATTEMPTS_MAX {
            if self.cluster.checks.failure().is_some() {
                return None;
            }
            let node = self.cluster.any_node(&mut self.rng);
            if let Some(engine) = self.cluster.network.engine(node) {
                let key = (!self.cluster.bugs.no_queue_dedupe).then(|| key.clone());
                let call = request(engine, key);
                let sent = self.cluster.sim.spawn_in(node, call);
                match SimRuntime::timeout(Duration::from_secs(6), sent).await {
                    Ok(Ok(Ok(answer))) => return Some(answer),
                    Ok(Ok(Err(error))) if is_open(error.code) => {}
                    Ok(Ok(Err(error))) => {
                        let (name, code) = (&self.name, error.code);
                        self.cluster.checks.fail(format!("{name} was answered {code:?}: {}", error.message));
                        return None;
                    }
                    // The node died, or stands still.
                    Ok(Err(_)) | Err(_) => {}
                }
            }
            let pause_us = self.rng.range(1_000..200_000);
            self.cluster.sleep_us(pause_us).await;
        }
        None
    }
}

/// An answer that is waited for.
type Answered<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send>>;

/// One request at whichever node it goes to.
fn asked<Q>(request: Q) -> impl Fn(Engine<SimHost>, Option<IdempotencyKey>) -> Answered<Q::Answer>
where
    Q: Request + Clone + Send + 'static,
    Engine<SimHost>: Serve<Q>,
{
    move |engine, key| {
        let request = request.clone();
        Box::pin(async move { engine.ask(request, key).await })
    }
}

fn is_open(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::OutcomeUnknown
            | ErrorCode::Unavailable
            | ErrorCode::ShardUnavailable
            | ErrorCode::NotReady
    )
}

/// The outcome of the one message that was named; one that is not known is asked for again.
fn known(settled: orrery_api::queue::Settled) -> Result<Settlement, ApiError> {
    match settled.status {
        Settlement::ShardUnavailable | Settlement::OutcomeUnknown => {
            Err(ApiError::new(ErrorCode::OutcomeUnknown, "The shard did not say."))
        }
        status => Ok(status),
    }
}
