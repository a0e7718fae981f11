//! Purge and redrive: in every shard one command after the other, until nothing is left to do or the time is over.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use orrery_api::queue::{AnyTopic, Group, Purge, Purged, Redrive, Redriven};
use orrery_base::error::{ApiError, ShardOutcome};
use orrery_base::ids::{GroupId, LogIndex};
use orrery_queue::{ConsumerGroup, PurgeWhat, QueueCommand, QueueReply, TopicName, dead_letters_of};
use smol_str::SmolStr;

use super::{Missing, QueueService, first_of, internal};
use crate::cluster::retry_budget::RetryBudget;
use crate::host::Host;
use crate::service::pipeline::{Caller, Serve};
use crate::service::requests::Key;
use crate::service::verdict;

/// Most commands of one call in one shard.
const PASSES_MAX: u32 = 256;

/// What is swept, as the client named it.
struct Swept<'a> {
    topic: &'a AnyTopic,
    group: Option<&'a Group>,
}

impl Swept<'_> {
    /// The topic itself, also where its dead letters were named.
    fn topic(&self) -> TopicName {
        dead_letters_of(self.topic).unwrap_or(self.topic).into()
    }

    fn group(&self) -> Option<ConsumerGroup> {
        self.group.map(|group| group.clone().into_text())
    }
}

/// What one command came to.
struct Pass {
    done: u64,
    left: u64,
    goes_on: bool,
}

/// What all of them came to.
struct Sum {
    done: u64,
    left: u64,
    failed: Vec<ShardOutcome>,
    /// Where some failed: under it a retry completes the rest.
    idempotency_key: Option<String>,
}

impl<H: Host> Serve<Redrive> for QueueService<H> {
    /// Where a shard fails, the others have done it, and the answer says so: a retry completes it.
    async fn serve(&self, request: Redrive, caller: Caller) -> Result<Redriven, ApiError> {
        let key = caller.key(&self.requests, Duration::ZERO);
        let swept = Swept { topic: &request.topic, group: request.group.as_ref() };
        let mut numbers = BTreeMap::<GroupId, Vec<LogIndex>>::new();
        for id in request.message_ids.iter().flatten() {
            numbers.entry(id.shard).or_default().push(id.number);
        }
        let all = request.message_ids.is_none();
        let command = |shard: GroupId| {
            let numbers = numbers.get(&shard).cloned();
            let is_asked = all || numbers.is_some();
            is_asked.then(|| QueueCommand::Redrive { topic: swept.topic(), group: swept.group(), numbers })
        };
        let read = |reply| match reply {
            QueueReply::Redriven { redriven, left } => {
                // Nothing done: the rest cannot be brought back at all.
                Some(Pass { done: redriven, left, goes_on: left > 0 && redriven > 0 })
            }
            _ => None,
        };
        let Sum { done, left, failed, idempotency_key } = self.sweep(&swept, command, read, &key).await?;
        let status = SmolStr::new_static("redriven");
        Ok(Redriven { status, topic: swept.topic(), redriven: done, left, failed, idempotency_key })
    }
}

impl<H: Host> Serve<Purge> for QueueService<H> {
    /// Where a shard fails, the others have done it, and the answer says so: a retry completes it.
    async fn serve(&self, request: Purge, caller: Caller) -> Result<Purged, ApiError> {
        let key = caller.key(&self.requests, Duration::ZERO);
        let swept = Swept { topic: &request.topic, group: request.group.as_ref() };
        let what = match dead_letters_of(&request.topic) {
            Some(_) => PurgeWhat::Dead,
            None => request.what.unwrap_or(PurgeWhat::All),
        };
        let command = |_| Some(QueueCommand::Purge { topic: swept.topic(), what, group: swept.group() });
        let read = |reply| match reply {
            QueueReply::Purged { purged, more } => {
                Some(Pass { done: purged, left: u64::from(more), goes_on: more })
            }
            _ => None,
        };
        let Sum { done, left, failed, idempotency_key } = self.sweep(&swept, command, read, &key).await?;
        let status = SmolStr::new_static("purged");
        Ok(Purged { status, topic: swept.topic(), purged: done, more: left > 0, failed, idempotency_key })
    }
}

impl<H: Host> QueueService<H> {
    /// Sweeps every shard for which there is a command, all at once.
    async fn sweep(
        &self,
        swept: &Swept<'_>,
        command: impl Fn(GroupId) -> Option<QueueCommand>,
        read: impl Fn(QueueReply) -> Option<Pass>,
        key: &Key,
    ) -> Result<Sum, ApiError> {
        let commands = self.shards().await?.into_iter().filter_map(|shard| Some((shard, command(shard)?)));
        let parts: Vec<_> = commands.collect();
        let parts = parts.into_iter().map(async |(shard, command)| {
            (shard, self.sweep_shard(shard, command, &read, key.clone()).await)
        });
        let (mut done, mut left, mut there) = (0, 0, false);
        let (mut failed, mut missing) = (Vec::new(), None);
        for (shard, part) in join_all(parts).await {
            match part {
                Ok(Ok((done_there, left_there))) => {
                    there = true;
                    done += done_there;
                    left += left_there;
                }
                Ok(Err(what)) => missing = missing.max(Some(what)),
                Err(error) => failed.push((shard, error)),
            }
        }
        if !there {
            let group = swept.group.map(|group| group.as_str());
            return Err(first_of(failed, Missing::told(missing, swept.topic, group)));
        }
        let idempotency_key = (!failed.is_empty()).then(|| key.to_string());
        let failed = failed.iter().map(|(shard, error)| verdict::of_shard(*shard, error)).collect();
        Ok(Sum { done, left, failed, idempotency_key })
    }

    /// One command after the other: how much was done, and how much is left. An error where the shard has no such topic or
    /// group.
    async fn sweep_shard(
        &self,
        shard: GroupId,
        command: QueueCommand,
        read: &impl Fn(QueueReply) -> Option<Pass>,
        mut key: Key,
    ) -> Result<Result<(u64, u64), Missing>, ApiError> {
        let budget = RetryBudget::<H::Runtime>::new(self.timeout());
        let (mut sum, mut rest) = (0, 0);
        for pass in 0..PASSES_MAX {
            let Some(within) = budget.left() else { break };
            match self.mutate(shard, command.clone(), &key, within).await {
                Ok((_, QueueReply::NoSuchTopic)) if pass == 0 => return Ok(Err(Missing::Topic)),
                Ok((_, QueueReply::NoSuchGroup)) if pass == 0 => return Ok(Err(Missing::Group)),
                Ok((_, QueueReply::NoSuchTopic | QueueReply::NoSuchGroup)) => {
                    rest = 0;
                    break;
                }
                Ok((_, reply)) => {
                    let Pass { done, left, goes_on } = read(reply).ok_or_else(internal)?;
                    sum += done;
                    rest = left;
                    if !goes_on {
                        break;
                    }
                }
                Err(error) if pass == 0 => return Err(error),
                // What was done is said; the rest is left.
                Err(_) => break,
            }
            // The client's key is that of the first command only.
            key = self.requests.own();
        }
        Ok(Ok((sum, rest)))
    }
}
