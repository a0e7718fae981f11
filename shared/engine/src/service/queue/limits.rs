//! The limits of the queues: read from every shard, and changed in every shard by a committed command.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use orrery_api::queue_limits::{LimitsAnswer, SetLimits, ShardLimits};
use orrery_base::error::ApiError;
use orrery_base::ids::GroupId;
use orrery_queue::{QueueCommand, QueueReply, QueueUse, TopicName};

use super::stats::Read;
use super::{QueueService, internal, partial};
use crate::host::Host;
use crate::peer::message::{QueueAsk, QueueTold};
use crate::raft::group::Group;
use crate::service::pipeline::{Caller, Serve};
use crate::service::quotas::Asker;
use crate::service::requests::Key;
use crate::service::verdict;

impl<H: Host> QueueService<H> {
    /// `GET /queue/limits`
    pub async fn limits(&self) -> Result<LimitsAnswer, ApiError> {
        let Read { found, unavailable } = self.read_all(&QueueAsk::Limits).await?;
        let limits = found.into_iter().map(|(shard, _, told)| match told {
            QueueTold::Limits { limits, used } => Ok(ShardLimits { shard, limits, used }),
            _ => Err(internal()),
        });
        let shards = limits.collect::<Result<Vec<_>, _>>()?;
        let mut used = QueueUse::default();
        shards.iter().for_each(|shard| used.add(&shard.used));
        let Read { found: figures, unavailable: silent } = self.figures(None).await?;
        used.topics = figures.len() as u64;
        used.groups = figures.iter().map(|topic| topic.groups.len() as u64).sum();
        let mut unavailable: BTreeSet<GroupId> = unavailable.into_iter().collect();
        unavailable.extend(silent);
        Ok(LimitsAnswer { used, shards, unavailable: unavailable.into_iter().collect() })
    }

    /// Before a topic begins: the cluster has no more than it may. Two that begin at once in the last place may both do so;
    /// the bound of each shard is the last word.
    pub(super) async fn topic_fits(
        &self,
        shard: GroupId,
        topic: &TopicName,
        key: &Key,
        asker: Option<&Asker>,
    ) -> Result<(), ApiError> {
        let here = |group: Arc<Group<H>>| {
            group.state.read(|machine| machine.queue().is_some_and(|queue| queue.has_topic(topic)))
        };
        // Mostly the first look says that the topic is there.
        if self.cluster.group(shard).is_some_and(here) || self.cluster.groups().into_iter().any(here) {
            return Ok(());
        }
        let memory = &self.memory;
        let now_us = self.cluster.host().monotonic_us();
        if memory.knows_topic(topic, now_us) {
            return Ok(());
        }
        // Where nobody answers, the shard itself says what it thinks of the message.
        let Ok(Read { found, unavailable }) = self.read_all(&QueueAsk::Topics).await else { return Ok(()) };
        let (mut names, mut most) = (BTreeSet::new(), u32::MAX);
        for (_, _, told) in found {
            let QueueTold::Topics { topics, topics_max } = told else { return Err(internal()) };
            names.extend(topics);
            most = most.min(topics_max);
        }
        if names.contains(topic) {
            memory.has_topic(topic, now_us);
            return Ok(());
        }
        if names.len() as u64 >= u64::from(most) {
            let what = format!("the cluster has {most} topics, which is its bound");
            return Err(verdict::bound_reached(shard, &what, key));
        }
        let Some(asker) = asker else { return Ok(()) };
        let share = self.cluster.config().client_share(u64::from(most));
        let quotas = &self.quotas;
        let begun = quotas.begin_topic(asker, topic, share, now_us, |topic| {
            // A shard that is silent may have it.
            !unavailable.is_empty() || names.contains(topic)
        });
        begun.map_err(|what| verdict::bound_reached(shard, &what, key))
    }
}

impl<H: Host> Serve<SetLimits> for QueueService<H> {
    /// Nothing is changed unless every shard answers; where one fails then, the error says what became of it in each, and a retry
    /// completes it.
    async fn serve(&self, request: SetLimits, caller: Caller) -> Result<LimitsAnswer, ApiError> {
        let key = caller.key(&self.requests, Duration::ZERO);
        let mut answer = self.limits().await?;
        if let Some(shard) = answer.unavailable.first() {
            let why = "it does not answer, and limits are the same on all shards";
            return Err(verdict::not_taken(*shard, why, &key));
        }
        for shard in &mut answer.shards {
            shard.limits = request.apply(shard.limits)?;
        }
        let within = self.timeout();
        let changes = answer.shards.iter().map(async |shard| {
            let command = QueueCommand::SetLimits { limits: shard.limits };
            (shard.shard, self.mutate(shard.shard, command, &key, within).await)
        });
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for (shard, reply) in join_all(changes).await {
            match reply {
                Ok((_, QueueReply::LimitsSet)) => done.push(shard),
                Ok(_) => failed.push((shard, internal())),
                Err(error) => failed.push((shard, error)),
            }
        }
        if failed.is_empty() {
            return Ok(answer);
        }
        Err(partial("The limits are not set everywhere", &done, failed, &key))
    }
}
