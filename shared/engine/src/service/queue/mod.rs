//! The queue service of one node: requests as clients make them, over the shards of a topic, with waiting and safe
//! retries.
//!
//! A message lies in one shard: that of its partition key, or where it has none that of its idempotency key, so that
//! a retry meets its first try. Everything else is asked of every shard. One command changes one shard; what is about
//! several is several commands, answered one by one.
//!
//! A consumer group is the same on all shards: it begins on all of them or on none. Before anything is created every
//! shard's leader is asked whether it could be; what fails nevertheless is taken back.

mod ask;
mod consume;
mod give_back;
mod groups;
mod known;
mod limits;
mod peek;
mod place;
mod publish;
mod rates;
mod replica;
mod ring;
mod settle;
mod stats;
mod sweep;
mod wait;
mod wakes;

use std::sync::Arc;
use std::time::Duration;

use openraft::AsyncRuntime;

pub use known::Memory;
pub use rates::QueueTotals;
pub use replica::{Replica, Replicas};

use orrery_base::error::{ApiError, ErrorCode, ShardOutcome};
use orrery_base::ids::{GroupId, LogIndex};
use orrery_machine::{Command, Mutation, Reply, ShardMap};
use orrery_queue::{QueueCommand, QueueReply, QueueUse};

use crate::cluster::Cluster;
use crate::host::Host;
use crate::service::quotas::Quotas;
use crate::service::requests::{Key, Requests};
use crate::service::verdict;

/// Pause between two looks for the first shard map.
const MAP_NAP: Duration = Duration::from_millis(20);

/// The queue service of one node. Cheap to clone.
///
/// A mutation without an `Idempotency-Key` gets one here, and an `outcome_unknown` error carries the key under which a retry is safe. Each
/// request ends within
/// [`crate::config::EngineConfig::request_timeout`], a consume within that plus its `wait_ms`.
pub struct QueueService<H: Host> {
    cluster: Cluster<H>,
    requests: Arc<Requests>,
    quotas: Arc<Quotas>,
    replicas: Arc<Replicas>,
    /// What is remembered between requests.
    memory: Arc<Memory>,
}

impl<H: Host> Clone for QueueService<H> {
    fn clone(&self) -> Self {
        QueueService {
            cluster: self.cluster.clone(),
            requests: self.requests.clone(),
            quotas: self.quotas.clone(),
            replicas: self.replicas.clone(),
            memory: self.memory.clone(),
        }
    }
}

impl<H: Host> QueueService<H> {
    pub(crate) fn new(
        cluster: Cluster<H>,
        requests: Arc<Requests>,
        quotas: Arc<Quotas>,
        replicas: Arc<Replicas>,
    ) -> Self {
        QueueService { cluster, requests, quotas, replicas, memory: Arc::default() }
    }

    /// Whether somebody waits on this node for that group of a shard.
    #[cfg(test)]
    pub(crate) fn waits_for(
        &self,
        shard: GroupId,
        topic: &orrery_queue::TopicName,
        group: &orrery_queue::ConsumerGroup,
    ) -> bool {
        self.replicas.of(shard).waits_for(topic, group)
    }

    /// What the shards that this node leads have now.
    pub fn used(&self) -> QueueUse {
        let mut sum = QueueUse::default();
        let groups = self.cluster.groups();
        for group in groups.iter().filter(|group| group.leads()) {
            let (machine, _) = group.state.fork();
            if let Some(queue) = machine.queue() {
                sum.add(&queue.used());
            }
        }
        sum
    }

    /// What the shards that this node leads counted since this boot.
    pub fn totals(&self) -> QueueTotals {
        let groups = self.cluster.groups();
        groups.iter().fold(QueueTotals::default(), |sum, group| sum + self.replicas.of(group.id).totals())
    }

    fn timeout(&self) -> Duration {
        self.cluster.config().request_timeout
    }

    /// The shard map. Waits, within a request's time, until this node is part of a cluster and there is one.
    async fn map(&self) -> Result<Arc<ShardMap>, ApiError> {
        let within = self.timeout();
        let mut waited = Duration::ZERO;
        loop {
            let map = self.cluster.shard_map();
            if self.cluster.ready() && map.version > 0 {
                return Ok(map);
            }
            if waited >= within || self.cluster.stopping() || self.cluster.halted().is_some() {
                return Err(self.cluster.not_ready(
                    "This node is not ready: it is starting, or the cluster has no shards yet. Try again.",
                ));
            }
            H::Runtime::sleep(MAP_NAP).await;
            waited += MAP_NAP;
        }
    }

    async fn shards(&self) -> Result<Vec<GroupId>, ApiError> {
        Ok(self.map().await?.shards.iter().map(|shard| shard.shard).collect())
    }

    /// One command through a shard's log, once.
    async fn mutate(
        &self,
        shard: GroupId,
        command: QueueCommand,
        key: &Key,
        within: Duration,
    ) -> Result<(LogIndex, QueueReply), ApiError> {
        let command = Command { key: Some(key.request().clone()), mutation: Mutation::Queue(command) };
        key.sent(shard);
        let answered = self.cluster.propose(shard, command, within).await;
        if answered.is_ok() {
            key.answered(shard);
        }
        match answered {
            Ok((_, Reply::Queue(QueueReply::LimitReached { what }))) => {
                Err(verdict::bound_reached(shard, &what, key))
            }
            Ok((index, Reply::Queue(reply))) => Ok((index, reply)),
            Ok((_, reply)) => Err(verdict::key_refused(shard, &reply, key).unwrap_or_else(internal)),
            Err(error) => Err(verdict::unanswered(shard, error, key)),
        }
    }
}

/// The shard does not answer a question.
fn unavailable(shard: GroupId, why: &str) -> ApiError {
    let message = format!("Shard {shard} cannot answer now ({why}); try again.");
    ApiError { shard: Some(shard), ..ApiError::new(ErrorCode::ShardUnavailable, message) }
}

fn group_deleted(topic: &str, group: &str) -> ApiError {
    ApiError::new(
        ErrorCode::GroupDeleted,
        format!(
            "The consumer group {group} of {topic} was deleted while this request waited. A new consume begins it anew."
        ),
    )
}

/// What failed in some of the shards, with what became of it in each.
fn partial(what: &str, done: &[GroupId], failed: Vec<(GroupId, ApiError)>, key: &Key) -> ApiError {
    // Where one is unknown, that is what the caller has to know first.
    let unknown = failed.iter().position(|(_, error)| error.code == ErrorCode::OutcomeUnknown);
    let Some((_, first)) = failed.get(unknown.unwrap_or_default()) else { return internal() };
    if done.is_empty() && (unknown.is_none() || failed.len() == 1) {
        return first.clone();
    }
    let list = |shards: &mut dyn Iterator<Item = GroupId>| {
        shards.map(|shard| shard.to_string()).collect::<Vec<_>>().join(", ")
    };
    let message = format!(
        "{what}: done on {}; not done, or not known, on {}. There: {} Send it again with the header Idempotency-Key: {key} \
         to complete it.",
        if done.is_empty() { "no shard for sure".to_owned() } else { list(&mut done.iter().copied()) },
        list(&mut failed.iter().map(|(shard, _)| *shard)),
        verdict::of_part(&first.message),
    );
    let mut shards: Vec<ShardOutcome> = done.iter().copied().map(ShardOutcome::done).collect();
    shards.extend(failed.iter().map(|(shard, error)| verdict::of_shard(*shard, error)));
    shards.sort_by_key(|outcome| outcome.shard);
    // Also where a part was not done: it is completed under the key.
    let key_holds_s = failed.iter().map(|(shard, _)| key.unknown(*shard)).min();
    let idempotency_key = Some(key.to_string());
    ApiError { idempotency_key, key_holds_s, shards, ..ApiError::new(ErrorCode::OutcomeUnknown, message) }
}

/// The error of a request that took effect nowhere: of the shard whose outcome is unknown, of the first that failed, or
/// `otherwise`.
fn first_of(failed: Vec<(GroupId, ApiError)>, otherwise: ApiError) -> ApiError {
    let unknown = failed.iter().position(|(_, error)| error.code == ErrorCode::OutcomeUnknown);
    failed.into_iter().nth(unknown.unwrap_or_default()).map_or(otherwise, |(_, error)| error)
}

fn no_topic(topic: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("There is no topic {topic}."))
}

/// What no shard has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    Topic,
    Group,
}

impl Missing {
    /// Of the shards' answers; a shard that has the topic knows better than one that has not.
    fn told(missing: Option<Missing>, topic: &str, group: Option<&str>) -> ApiError {
        match (missing, group) {
            (Some(Missing::Group), Some(group)) => no_group(topic, group),
            _ => no_topic(topic),
        }
    }
}

fn no_group(topic: &str, group: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("There is no consumer group {group} of {topic}."))
}

fn internal() -> ApiError {
    ApiError::new(ErrorCode::Internal, "The state machine answered something unexpected.")
}
