//! Consume: from one shard at a time, in rotating order; a long poll waits without claiming.
//!
//! First the shards of which a hint (the replica here, or the leader's applied state) says that there is something.
//! Where none has, every shard is asked linearizably: an empty answer means that nothing was ready after the request
//! came. A shard that cannot say so makes that answer an error. A long poll then waits for hints.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join_all, select_all};
use openraft::AsyncRuntime;
use openraft::async_runtime::{Select2, Select3, Watch, WatchReceiver};
use orrery_api::queue::{Consume, Consumed, Delivered, JsonText, VISIBILITY_DEFAULT};
use orrery_base::error::{ApiError, ErrorCode, ShardOutcome};
use orrery_base::ids::{GroupId, LogIndex};
use orrery_base::valid::WaitTime;
use orrery_queue::{ConsumerName, Delivery, MessageId, QueueCommand, QueueReply};
use smol_str::SmolStr;

use super::groups::Begun;
use super::known::Of;
use super::wait::Watching;
use super::{QueueService, group_deleted, internal, unavailable};
use crate::cluster::retry_budget::RetryBudget;
use crate::host::Host;
use crate::peer::message::Found;
use crate::peer::message::{Look, QueueAsk, QueueTold, Until};
use crate::service::pipeline::{Caller, Serve};
use crate::service::requests::Key;
use crate::service::verdict;

/// Of a request's time, one claim or one round of questions takes at most this part while others can be asked.
const ROUND_PART: u32 = 5;

/// A long poll looks again at a shard that did not answer, or had nothing after all, no sooner than this.
const SILENT_PAUSE: Duration = Duration::from_millis(500);
const EMPTY_PAUSE: Duration = Duration::from_millis(10);

/// A consume that meets a group which is being deleted looks again this often whether it is there.
const BEGINNINGS_MAX: u32 = 3;

/// Changes when the caller goes away.
type Gone<R> = <<R as AsyncRuntime>::Watch as Watch>::Receiver<()>;

#[derive(Clone, Debug)]
struct Asked {
    of: Of,
    consumer: ConsumerName,
    max: u32,
    visibility_ms: u64,
    wait: Duration,
    /// The client's key. A retry under it has the deliveries of its first try, so those are not given back.
    key: Option<Key>,
}

impl Asked {
    fn new(request: Consume, key: Option<Key>) -> Self {
        let Consume { topic, group, consumer, max, visibility_ms, wait_ms } = request;
        Asked {
            of: (topic.into_text(), group.into_text()),
            consumer: consumer.into_text(),
            max: max.get() as u32,
            visibility_ms: visibility_ms.unwrap_or(VISIBILITY_DEFAULT).get(),
            wait: Duration::from_millis(wait_ms.map_or(0, WaitTime::get)),
            key,
        }
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

impl<H: Host> Serve<Consume> for QueueService<H> {
    /// When the future is dropped, what was claimed for it meanwhile is given back.
    async fn serve(&self, request: Consume, caller: Caller) -> Result<Consumed, ApiError> {
        let key = caller.key.is_some().then(|| caller.key(&self.requests, Duration::ZERO));
        let asked = Asked::new(request, key);
        // A task of its own: when the caller goes away in the middle, what it claimed must go back.
        let (here, mut gone) = <<H::Runtime as AsyncRuntime>::Watch as Watch>::channel(());
        let key = asked.key.clone();
        let service = self.clone();
        let task = H::Runtime::spawn(async move {
            let mut search = Search::new(&service, &asked);
            let found = search.run(&mut gone).await?;
            if asked.key.is_none() && gone.changed().now_or_never().is_some() {
                let (topic, group) = asked.of.clone();
                service.give_back(topic, group, &found).await;
            }
            let refused = search.refusals();
            Ok(Consumed { status: SmolStr::new_static("ok"), messages: found, refused })
        });
        let result = task.await;
        drop(here);
        result.unwrap_or_else(|_| Err(stopping(key.as_ref())))
    }
}

/// The consume broke off here. Without a key of the client's, what was claimed comes back by its visibility time-out.
fn stopping(key: Option<&Key>) -> ApiError {
    match key {
        Some(key) => verdict::unknown(GroupId::CONTROL, "this node is stopping", key),
        None => ApiError::new(ErrorCode::NotReady, "This node is stopping. Consume at another one."),
    }
}

/// One consume on its way through the shards.
struct Search<'a, H: Host> {
    service: &'a QueueService<H>,
    asked: &'a Asked,
    /// The shards that could not say whether they have something.
    silent: BTreeMap<GroupId, ApiError>,
    /// The shards that have something, and gave nothing because a bound is reached.
    refused: BTreeMap<GroupId, ApiError>,
    /// Log index of the command that began the group, by shard.
    began: BTreeMap<GroupId, LogIndex>,
}

/// What a shard gave.
enum Claim {
    Messages(Vec<Delivered>),
    Nothing,
    /// It has no such group.
    NoGroup,
}

/// How the waiting for messages ended.
type Waited = Option<Vec<Delivered>>;

impl<'a, H: Host> Search<'a, H> {
    fn new(service: &'a QueueService<H>, asked: &'a Asked) -> Self {
        let (silent, refused, began) = Default::default();
        Search { service, asked, silent, refused, began }
    }

    async fn run(&mut self, gone: &mut Gone<H::Runtime>) -> Result<Vec<Delivered>, ApiError> {
        let mut end = std::pin::pin!(H::Runtime::sleep(self.asked.wait));
        let shards = self.service.shards().await?;
        if let Some(found) = self.claimed_before(&shards).await? {
            return Ok(found);
        }
        for _ in 0..BEGINNINGS_MAX {
            if !self.begun(&shards, end.as_mut(), gone).await? {
                return self.nothing();
            }
            let order = self.service.memory.rotation(&self.asked.of, &shards);
            match self.look(&order).await? {
                Claim::Messages(found) => return Ok(found),
                // What this node remembered is not so any more: nothing waits yet, so it may begin anew.
                Claim::NoGroup => self.service.memory.deleted(&self.asked.of),
                Claim::Nothing => return self.wait_for_messages(&order, end.as_mut(), gone).await,
            }
        }
        Err(group_deleted(&self.asked.of.0, &self.asked.of.1))
    }

    /// Waits for the topic, if it may wait, and sees to it that the group exists. Whether it does.
    async fn begun(
        &mut self,
        shards: &[GroupId],
        mut end: Pin<&mut <H::Runtime as AsyncRuntime>::Sleep>,
        gone: &mut Gone<H::Runtime>,
    ) -> Result<bool, ApiError> {
        let (topic, group) = &self.asked.of;
        // A replica that is behind may show a topic that is no more: it is not asked again at once.
        let mut pause = Duration::ZERO;
        loop {
            match self.service.begin_to_consume(&self.asked.of, shards).await? {
                Begun::Group => return Ok(true),
                Begun::NoTopic { silent } => self.silent = silent,
            }
            if self.asked.wait.is_zero() {
                return Ok(false);
            }
            let watch = |shard: &GroupId| self.service.watch(*shard, topic, group, Until::Topic, pause);
            let next = select_all(shards.iter().map(watch));
            pause = EMPTY_PAUSE;
            match H::Runtime::select3(next, end.as_mut(), gone.changed()).await {
                Select3::First(_) => self.silent.clear(),
                Select3::Second(()) | Select3::Third(_) => return Ok(false),
            }
        }
    }

    /// One round over all shards.
    async fn look(&mut self, order: &[GroupId]) -> Result<Claim, ApiError> {
        match self.by_hints(order).await? {
            Claim::Nothing => {}
            other => return Ok(other),
        }
        let part = if self.asked.wait.is_zero() { 2 } else { ROUND_PART };
        self.by_questions(order, self.service.timeout() / part).await
    }

    async fn wait_for_messages(
        &mut self,
        order: &[GroupId],
        end: Pin<&mut <H::Runtime as AsyncRuntime>::Sleep>,
        gone: &mut Gone<H::Runtime>,
    ) -> Result<Vec<Delivered>, ApiError> {
        // Who has as much as it may is told at once: waiting brings nothing from there.
        if self.asked.wait.is_zero() || !self.refused.is_empty() {
            return self.nothing();
        }
        if let Some(found) = self.wait(order, end, gone).await? {
            return Ok(found);
        }
        let silent: Vec<GroupId> = self.silent.keys().copied().collect();
        match self.by_questions(&silent, self.service.timeout() / ROUND_PART).await? {
            Claim::Messages(found) => Ok(found),
            Claim::Nothing => self.nothing(),
            Claim::NoGroup => Err(group_deleted(&self.asked.of.0, &self.asked.of.1)),
        }
    }

    /// The answer where nothing was found: empty only where every shard said so.
    fn nothing(&mut self) -> Result<Vec<Delivered>, ApiError> {
        let refused = self.refusals();
        match self.silent.pop_first().or_else(|| self.refused.pop_first()) {
            None => Ok(Vec::new()),
            Some((shard, error)) => {
                let shards = if refused.len() > 1 { refused } else { Vec::new() };
                Err(ApiError { shard: Some(shard), shards, ..error })
            }
        }
    }

    /// The shards that were asked and gave nothing, each with its reason.
    fn refusals(&self) -> Vec<ShardOutcome> {
        let both = self.silent.iter().chain(&self.refused);
        let mut refusals: Vec<_> = both.map(|(shard, error)| verdict::of_shard(*shard, error)).collect();
        refusals.sort_by_key(|refusal| refusal.shard);
        refusals
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

    async fn by_hints(&mut self, order: &[GroupId]) -> Result<Claim, ApiError> {
        let within = self.service.timeout() / ROUND_PART;
        for &shard in order {
            let (topic, group) = &self.asked.of;
            let hint = match self.service.hint(shard, topic, group) {
                Some(hint) => Some(hint),
                None => self.service.hint_from_afar(shard, topic, group, within).await,
            };
            if hint == Some(true) {
                match self.claim(shard, within).await? {
                    Claim::Nothing => {}
                    other => return Ok(other),
                }
            }
        }
        Ok(Claim::Nothing)
    }

    /// Asks these shards all at once, and claims where something is.
    async fn by_questions(&mut self, shards: &[GroupId], within: Duration) -> Result<Claim, ApiError> {
        for (shard, told) in self.ask_all(shards, None, within).await {
            match told {
                Ok(QueueTold::Ready { look: Look::NoTopic | Look::NoGroup, .. }) => {
                    return Ok(Claim::NoGroup);
                }
                Ok(QueueTold::Ready { look, .. }) => {
                    self.silent.remove(&shard);
                    self.began.extend(look.began().map(|began| (shard, began)));
                    if look.is_ready() && !self.refused.contains_key(&shard) {
                        match self.claim(shard, within).await? {
                            Claim::Nothing => {}
                            other => return Ok(other),
                        }
                    }
                }
                Ok(_) => return Err(internal()),
                Err(error) => drop(self.silent.insert(shard, error)),
            }
        }
        Ok(Claim::Nothing)
    }

    async fn ask_all(
        &self,
        shards: &[GroupId],
        key: Option<&Key>,
        within: Duration,
    ) -> Vec<(GroupId, Result<QueueTold, ApiError>)> {
        let (topic, group) = self.asked.of.clone();
        let ask = QueueAsk::Ready { topic, group, key: key.map(Key::shown) };
        let questions = shards.iter().map(|shard| {
            let answered = self.service.ask(*shard, &ask, within);
            answered.map(|told| (*shard, told.map(|(_, told)| told)))
        });
        join_all(questions).await
    }

    /// One shard's claim. A shard that does not answer is silent, one that refuses is refused; the others go on.
    async fn claim(&mut self, shard: GroupId, within: Duration) -> Result<Claim, ApiError> {
        let budget = RetryBudget::<H::Runtime>::new(self.service.timeout());
        while let Some(left) = budget.left() {
            let key = self.asked.key.clone().unwrap_or_else(|| self.service.requests.own());
            match self.service.mutate(shard, self.asked.command(), &key, within.min(left)).await {
                Ok((_, QueueReply::Deliveries { messages, .. })) if !messages.is_empty() => {
                    self.service.memory.left_off(&self.asked.of, shard);
                    return deliveries(shard, messages).map(Claim::Messages);
                }
                Ok((_, QueueReply::Deliveries { more, .. })) => {
                    self.silent.remove(&shard);
                    self.refused.remove(&shard);
                    if !more {
                        return Ok(Claim::Nothing);
                    }
                    // It passed as many messages of held keys as one command may. The next one goes on behind them.
                }
                Ok((_, QueueReply::NoSuchTopic | QueueReply::NoSuchGroup)) => return Ok(Claim::NoGroup),
                Ok(_) => return Err(internal()),
                Err(error) if error.code == ErrorCode::ShardUnavailable => {
                    self.silent.insert(shard, error);
                    return Ok(Claim::Nothing);
                }
                Err(error) if error.code == ErrorCode::LimitReached => {
                    self.refused.insert(shard, error);
                    return Ok(Claim::Nothing);
                }
                Err(error) => return Err(error),
            }
        }
        // So many messages of held keys are before the next ready one that the time was too short to pass them.
        self.silent.insert(shard, unavailable(shard, "many messages of held keys are in front"));
        Ok(Claim::Nothing)
    }

    /// Whether the group for which this one waits is still there, by the shard's leader.
    async fn is_deleted(&mut self, shard: GroupId, within: Duration) -> bool {
        let (topic, group) = self.asked.of.clone();
        let ask = QueueAsk::Ready { topic, group, key: None };
        match self.service.ask(shard, &ask, within).await {
            Ok((_, QueueTold::Ready { look, .. })) => {
                let known = self.began.get(&shard).copied();
                look.began().is_none() || known.is_some_and(|known| look.began() != Some(known))
            }
            // Nobody says: it waits on.
            _ => false,
        }
    }

    /// Until something came, the time is over, or the caller is gone. An error where the group was deleted.
    async fn wait(
        &mut self,
        order: &[GroupId],
        mut end: Pin<&mut <H::Runtime as AsyncRuntime>::Sleep>,
        gone: &mut Gone<H::Runtime>,
    ) -> Result<Waited, ApiError> {
        let (topic, group) = &self.asked.of;
        let within = self.service.timeout() / ROUND_PART;
        let turn = self.service.memory.turn(&self.asked.of);
        let mut watching: Vec<_> = order.iter().map(|shard| self.watch_on(*shard, Duration::ZERO)).collect();
        while !watching.is_empty() {
            let next = select_all(std::mem::take(&mut watching));
            let (shard, found) = match H::Runtime::select3(next, end.as_mut(), gone.changed()).await {
                Select3::First((what, _, rest)) => {
                    watching = rest;
                    what
                }
                Select3::Second(()) | Select3::Third(_) => return Ok(None),
            };
            if found == Found::NoGroup {
                if self.is_deleted(shard, within).await {
                    self.service.memory.deleted(&self.asked.of);
                    return Err(group_deleted(topic, group));
                }
                watching.push(self.watch_on(shard, EMPTY_PAUSE));
                continue;
            }
            // Those who wait here for the same group go one after the other: who finds it taken waits on.
            let Select2::First(mine) = H::Runtime::select2(turn.lock(), end.as_mut()).await else {
                return Ok(None);
            };
            let taken = self.service.hint(shard, topic, group) == Some(false);
            let claimed = if taken { Claim::Nothing } else { self.claim(shard, within).await? };
            drop(mine);
            match claimed {
                Claim::Messages(found) => return Ok(Some(found)),
                Claim::NoGroup => {
                    self.service.memory.deleted(&self.asked.of);
                    return Err(group_deleted(topic, group));
                }
                Claim::Nothing => {}
            }
            let pauses = self.silent.contains_key(&shard) || self.refused.contains_key(&shard);
            watching.push(self.watch_on(shard, if pauses { SILENT_PAUSE } else { EMPTY_PAUSE }));
        }
        Ok(None)
    }

    fn watch_on(&self, shard: GroupId, after: Duration) -> Watching {
        let (topic, group) = &self.asked.of;
        let until = Until::Message { began: self.began.get(&shard).copied() };
        self.service.watch(shard, topic, group, until, after)
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
