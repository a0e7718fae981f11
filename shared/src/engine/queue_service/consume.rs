//! Consume: from one shard at a time, in rotating order; a long poll waits without claiming.
//!
//! First the shards of which a hint (the replica here, or the leader's applied state) says that there is something.
//! Where none has, every shard is asked linearizably: an empty answer means that nothing was ready after the request
//! came. A shard that cannot say so makes that answer an error. A long poll then waits for hints.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join_all, select_all};
use openraft::AsyncRuntime;
use openraft::async_runtime::{Select2, Select3, Watch, WatchReceiver};
use smol_str::{SmolStr, format_smolstr};

use super::known::Of;
use super::{QueueAsk, QueueService, QueueTold, internal, unknown, validate};
use crate::api::queue::{Consume, Consumed, Delivered, JsonText};
use crate::engine::host::Host;
use crate::engine::lock_service::validate::name;
use crate::engine::lock_service::watched::watched;
use crate::error::{ApiError, ErrorCode};
use crate::ids::GroupId;
use crate::machine::IdempotencyKey;
use crate::queue::{ConsumerName, Delivery, MessageId, QueueCommand, QueueReply};

/// A claim that found nothing is repeated this often where the shard says that its search was only bounded.
const CLAIMS_MAX: u32 = 8;

/// Of a request's time, one claim or one round of questions takes at most this part while others can be asked.
const ROUND_PART: u32 = 5;

/// A long poll looks again at a shard that did not answer, or had nothing after all, no sooner than this.
const SILENT_PAUSE: Duration = Duration::from_millis(500);
const EMPTY_PAUSE: Duration = Duration::from_millis(10);

/// Changes when the caller goes away.
type Gone<R> = <<R as AsyncRuntime>::Watch as Watch>::Receiver<()>;

/// A checked consume.
#[derive(Clone, Debug)]
struct Asked {
    of: Of,
    consumer: ConsumerName,
    max: u32,
    visibility_ms: u64,
    wait: Duration,
    /// The client's key. A retry under it has the deliveries of its first try, so those are not given back.
    key: Option<IdempotencyKey>,
}

impl Asked {
    fn new(request: Consume, key: Option<IdempotencyKey>) -> Result<Self, ApiError> {
        validate::group(&request.topic, &request.group)?;
        name("consumer", &request.consumer)?;
        Ok(Asked {
            max: validate::max(request.max)?,
            visibility_ms: validate::visibility(request.visibility_ms)?,
            wait: Duration::from_millis(validate::wait(&request)?),
            of: (request.topic, request.group),
            consumer: request.consumer,
            key,
        })
    }

    fn command(&self) -> QueueCommand {
        let (topic, group) = self.of.clone();
        QueueCommand::Consume {
            topic,
            group,
            consumer: self.consumer.clone(),
            max: self.max,
            visibility_ms: self.visibility_ms,
        }
    }
}

impl<H: Host> QueueService<H> {
    /// `POST /queue/consume`. When the future is dropped, what was claimed for it meanwhile is given back.
    pub async fn consume(&self, request: Consume, key: Option<IdempotencyKey>) -> Result<Consumed, ApiError> {
        if let Some(key) = &key {
            super::check_key(key)?;
        }
        let asked = Asked::new(request, key)?;
        let consumer = asked.consumer.clone();
        let subject = || format_smolstr!("{} {}", asked.of.0, asked.of.1);
        watched(&self.engine, &consumer, "consume", subject, self.consume_checked(asked.clone())).await
    }

    async fn consume_checked(&self, asked: Asked) -> Result<Consumed, ApiError> {
        // A task of its own: when the caller goes away in the middle, what it claimed must go back.
        let (here, mut gone) = <<H::Runtime as AsyncRuntime>::Watch as Watch>::channel(());
        let key = asked.key.clone().unwrap_or_else(|| self.engine.inner.requests.key());
        let unfinished = unknown(GroupId::CONTROL, "this node is stopping", &key);
        let service = self.clone();
        let task = H::Runtime::spawn(async move {
            let mut search = Search { service: &service, asked: &asked, silent: BTreeMap::new() };
            let found = search.run(&mut gone).await?;
            if asked.key.is_none() && gone.changed().now_or_never().is_some() {
                let (topic, group) = asked.of.clone();
                service.give_back(topic, group, &found).await;
            }
            Ok(Consumed { status: SmolStr::new_static("ok"), messages: found })
        });
        let result = task.await;
        drop(here);
        result.unwrap_or(Err(unfinished))
    }
}

/// One consume on its way through the shards.
struct Search<'a, H: Host> {
    service: &'a QueueService<H>,
    asked: &'a Asked,
    /// The shards that could not say whether they have something.
    silent: BTreeMap<GroupId, ApiError>,
}

impl<H: Host> Search<'_, H> {
    async fn run(&mut self, gone: &mut Gone<H::Runtime>) -> Result<Vec<Delivered>, ApiError> {
        let end = H::Runtime::sleep(self.asked.wait);
        let shards = self.service.shards().await?;
        if let Some(found) = self.claimed_before(&shards).await? {
            return Ok(found);
        }
        self.service.spread_group(&self.asked.of, &shards).await;
        let order = self.service.engine.inner.queues.rotation(&self.asked.of, &shards);
        if let Some(found) = self.by_hints(&order).await? {
            return Ok(found);
        }
        let waits = !self.asked.wait.is_zero();
        let part = if waits { ROUND_PART } else { 2 };
        if let Some(found) = self.by_questions(&order, self.service.timeout() / part).await? {
            return Ok(found);
        }
        if waits {
            if let Some(found) = self.wait(&order, end, gone).await? {
                return Ok(found);
            }
            let silent: Vec<GroupId> = self.silent.keys().copied().collect();
            if let Some(found) = self.by_questions(&silent, self.service.timeout() / ROUND_PART).await? {
                return Ok(found);
            }
        }
        match self.silent.pop_first() {
            None => Ok(Vec::new()),
            Some((_, error)) => Err(error),
        }
    }

    /// What a first try under the client's key was given, wherever that was.
    async fn claimed_before(&mut self, shards: &[GroupId]) -> Result<Option<Vec<Delivered>>, ApiError> {
        let Some(key) = &self.asked.key else { return Ok(None) };
        let told = self.ask_all(shards, Some(key), self.service.timeout() / 2).await;
        for (shard, told) in told {
            match told {
                Ok(QueueTold::Ready { known: true, .. }) => {
                    let (_, reply) =
                        self.service.mutate(shard, self.asked.command(), key, self.service.timeout()).await?;
                    return match reply {
                        QueueReply::Deliveries { messages, .. } => deliveries(shard, messages).map(Some),
                        _ => Err(internal()),
                    };
                }
                Ok(QueueTold::Ready { .. }) => {}
                Ok(_) => return Err(internal()),
                // What it would have answered is not known, and a second claim would be one too many.
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn by_hints(&mut self, order: &[GroupId]) -> Result<Option<Vec<Delivered>>, ApiError> {
        let within = self.service.timeout() / ROUND_PART;
        for &shard in order {
            let (topic, group) = &self.asked.of;
            let hint = match self.service.hint(shard, topic, group) {
                Some(hint) => Some(hint),
                None => self.service.hint_from_afar(shard, topic, group, within).await,
            };
            if hint == Some(true)
                && let Some(found) = self.claim(shard, within).await?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Asks these shards all at once, and claims where something is.
    async fn by_questions(
        &mut self,
        shards: &[GroupId],
        within: Duration,
    ) -> Result<Option<Vec<Delivered>>, ApiError> {
        for (shard, told) in self.ask_all(shards, None, within).await {
            match told {
                Ok(QueueTold::Ready { ready: true, .. }) => {
                    if let Some(found) = self.claim(shard, within).await? {
                        return Ok(Some(found));
                    }
                }
                Ok(QueueTold::Ready { .. }) => drop(self.silent.remove(&shard)),
                Ok(_) => return Err(internal()),
                Err(error) => drop(self.silent.insert(shard, error)),
            }
        }
        Ok(None)
    }

    async fn ask_all(
        &self,
        shards: &[GroupId],
        key: Option<&IdempotencyKey>,
        within: Duration,
    ) -> Vec<(GroupId, Result<QueueTold, ApiError>)> {
        let (topic, group) = self.asked.of.clone();
        let ask = QueueAsk::Ready { topic, group, key: key.cloned() };
        let questions = shards.iter().map(|shard| {
            let answered = self.service.ask(*shard, &ask, within);
            answered.map(|told| (*shard, told.map(|(_, told)| told)))
        });
        join_all(questions).await
    }

    /// One shard's claim. None where it has nothing, or does not answer: then it is silent.
    async fn claim(&mut self, shard: GroupId, within: Duration) -> Result<Option<Vec<Delivered>>, ApiError> {
        for _ in 0..CLAIMS_MAX {
            let key = self.asked.key.clone().unwrap_or_else(|| self.service.engine.inner.requests.key());
            match self.service.mutate(shard, self.asked.command(), &key, within).await {
                Ok((_, QueueReply::Deliveries { messages, .. })) if !messages.is_empty() => {
                    self.service.engine.inner.queues.left_off(&self.asked.of, shard);
                    return deliveries(shard, messages).map(Some);
                }
                Ok((_, QueueReply::Deliveries { more, .. })) => {
                    self.silent.remove(&shard);
                    if !more {
                        return Ok(None);
                    }
                }
                Ok(_) => return Err(internal()),
                Err(error) if error.code == ErrorCode::ShardUnavailable => {
                    self.silent.insert(shard, error);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Until something came, the time is over, or the caller is gone.
    async fn wait(
        &mut self,
        order: &[GroupId],
        end: <H::Runtime as AsyncRuntime>::Sleep,
        gone: &mut Gone<H::Runtime>,
    ) -> Result<Option<Vec<Delivered>>, ApiError> {
        let mut end = std::pin::pin!(end);
        let (topic, group) = &self.asked.of;
        let within = self.service.timeout() / ROUND_PART;
        let turn = self.service.engine.inner.queues.turn(&self.asked.of);
        let watch = |shard, after| self.service.watch(shard, topic, group, after);
        let mut watching: Vec<_> = order.iter().map(|shard| watch(*shard, Duration::ZERO)).collect();
        while !watching.is_empty() {
            let next = select_all(std::mem::take(&mut watching));
            let shard = match H::Runtime::select3(next, end.as_mut(), gone.changed()).await {
                Select3::First((shard, _, rest)) => {
                    watching = rest;
                    shard
                }
                Select3::Second(()) | Select3::Third(_) => return Ok(None),
            };
            // Those who wait here for the same group go one after the other: who finds it taken waits on.
            let Select2::First(mine) = H::Runtime::select2(turn.lock(), end.as_mut()).await else {
                return Ok(None);
            };
            let taken = self.service.hint(shard, topic, group) == Some(false);
            let found = if taken { None } else { self.claim(shard, within).await? };
            drop(mine);
            if found.is_some() {
                return Ok(found);
            }
            let silent = self.silent.contains_key(&shard);
            watching.push(watch(shard, if silent { SILENT_PAUSE } else { EMPTY_PAUSE }));
        }
        Ok(None)
    }
}

fn deliveries(shard: GroupId, messages: Vec<Delivery>) -> Result<Vec<Delivered>, ApiError> {
    let delivered = |delivery: Delivery| {
        // Only JSON text is ever published.
        let text = String::from_utf8(delivery.message.into()).map_err(|_| internal())?;
        Ok(Delivered {
            id: MessageId { shard, number: delivery.number },
            message: JsonText::new(text).map_err(|_| internal())?,
            attempt: delivery.attempt,
            receipt: delivery.receipt,
            published_at: delivery.wall_ms,
            key: delivery.key,
        })
    };
    messages.into_iter().map(delivered).collect()
}
