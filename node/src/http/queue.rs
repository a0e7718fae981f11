//! `POST /queue/...` and `GET /queue...`.

use std::future::Future;
use std::time::Instant;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use orrery_api::queue::{
    Ack, Consume, Consumed, CreateGroup, DELAY_MS_MAX, DeleteGroup, Extend, GroupAnswer, LIMIT_RANGE,
    MAX_RANGE, Nack, Publish, Published, Purge, Purged, Redrive, Redriven, Settled, VISIBILITY_MS_RANGE,
};
use orrery_api::queue_limits::{LimitsAnswer, SetLimits};
use orrery_api::queue_view::{Groups, Peek, QueueStats, Topics};
use orrery_base::error::ApiError;
use orrery_queue::QueueLimits;
use serde::Deserialize;
use smol_str::SmolStr;

use super::body::{Check, Checked, check_name, check_range, check_wait};
use super::{Answer, Failure, NodeState};

impl Check for Publish {
    fn check(&self) -> Result<(), Failure> {
        check_name("topic", &self.topic)?;
        if let Some(key) = &self.key {
            check_name("key", key)?;
        }
        if let Some(key) = &self.idempotency_key {
            check_name("idempotency_key", key)?;
        }
        check_range("delay_ms", self.delay_ms, 0..=DELAY_MS_MAX)
    }
}

impl Check for Consume {
    fn check(&self) -> Result<(), Failure> {
        check_name("topic", &self.topic)?;
        check_name("group", &self.group)?;
        check_name("consumer", &self.consumer)?;
        check_range(
            "max",
            Some(u64::from(self.max)),
            u64::from(*MAX_RANGE.start())..=u64::from(*MAX_RANGE.end()),
        )?;
        check_range("visibility_ms", self.visibility_ms, VISIBILITY_MS_RANGE)?;
        check_wait(self.wait_ms)
    }
}

impl Check for Ack {
    fn check(&self) -> Result<(), Failure> {
        check_name("topic", &self.topic)?;
        check_name("group", &self.group)?;
        self.named().map(drop).map_err(Failure::bad_request)
    }
}

impl Check for Nack {
    fn check(&self) -> Result<(), Failure> {
        check_name("topic", &self.topic)?;
        check_name("group", &self.group)?;
        check_range("delay_ms", self.delay_ms, 0..=DELAY_MS_MAX)?;
        self.named().map(drop).map_err(Failure::bad_request)
    }
}

impl Check for Extend {
    fn check(&self) -> Result<(), Failure> {
        check_name("topic", &self.topic)?;
        check_name("group", &self.group)?;
        check_range("visibility_ms", self.visibility_ms, VISIBILITY_MS_RANGE)?;
        self.named().map(drop).map_err(Failure::bad_request)
    }
}

impl Check for CreateGroup {
    fn check(&self) -> Result<(), Failure> {
        check_name("topic", &self.topic)?;
        check_name("group", &self.group)
    }
}

impl Check for DeleteGroup {
    fn check(&self) -> Result<(), Failure> {
        check_name("topic", &self.topic)?;
        check_name("group", &self.group)
    }
}

impl Check for Redrive {
    fn check(&self) -> Result<(), Failure> {
        check_name("topic", &self.topic)?;
        self.group.as_ref().map_or(Ok(()), |group| check_name("group", group))
    }
}

impl Check for Purge {
    fn check(&self) -> Result<(), Failure> {
        check_name("topic", &self.topic)?;
        self.group.as_ref().map_or(Ok(()), |group| check_name("group", group))
    }
}

/// `POST /queue/publish`
pub async fn publish(
    State(state): State<NodeState>,
    Checked { body, key, asker }: Checked<Publish>,
) -> Result<Answer<Published>, Failure> {
    let asked = state.engine.queue().asked_by(asker);
    counted(&state, "publish", asked.publish(body, key), |_| (200, "published")).await
}

/// `POST /queue/consume`
pub async fn consume(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<Consume>,
) -> Result<Answer<Consumed>, Failure> {
    let word =
        |consumed: &Consumed| (200, if consumed.messages.is_empty() { "nothing" } else { "delivered" });
    counted(&state, "consume", state.engine.queue().consume(body, key), word).await
}

/// `POST /queue/ack`
pub async fn ack(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<Ack>,
) -> Result<Answer<Settled>, Failure> {
    counted(&state, "ack", state.engine.queue().ack(body, key), settled).await
}

/// `POST /queue/nack`
pub async fn nack(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<Nack>,
) -> Result<Answer<Settled>, Failure> {
    counted(&state, "nack", state.engine.queue().nack(body, key), settled).await
}

/// `POST /queue/extend`
pub async fn extend(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<Extend>,
) -> Result<Answer<Settled>, Failure> {
    counted(&state, "extend", state.engine.queue().extend(body, key), settled).await
}

/// `POST /queue/groups`
pub async fn create_group(
    State(state): State<NodeState>,
    Checked { body, key, asker }: Checked<CreateGroup>,
) -> Result<Answer<GroupAnswer>, Failure> {
    let asked = state.engine.queue().asked_by(asker);
    let word = |answer: &GroupAnswer| (200, if answer.status == "exists" { "exists" } else { "created" });
    counted(&state, "create_group", asked.create_group(body, key), word).await
}

/// `POST /queue/groups/delete`
pub async fn delete_group(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<DeleteGroup>,
) -> Result<Answer<GroupAnswer>, Failure> {
    let asked = state.engine.queue();
    counted(&state, "delete_group", asked.delete_group(body, key), |_| (200, "deleted")).await
}

/// `POST /queue/redrive`
pub async fn redrive(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<Redrive>,
) -> Result<Answer<Redriven>, Failure> {
    counted(&state, "redrive", state.engine.queue().redrive(body, key), |_| (200, "redriven")).await
}

/// `POST /queue/purge`
pub async fn purge(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<Purge>,
) -> Result<Answer<Purged>, Failure> {
    counted(&state, "purge", state.engine.queue().purge(body, key), |_| (200, "purged")).await
}

impl Check for SetLimits {
    fn check(&self) -> Result<(), Failure> {
        self.apply(QueueLimits::default()).map(drop).map_err(Failure::bad_request)
    }
}

/// `GET /queue/limits`
pub async fn limits(State(state): State<NodeState>) -> Result<Answer<LimitsAnswer>, Failure> {
    Ok(Answer(200, state.engine.queue().limits().await?))
}

/// `POST /queue/limits`
pub async fn set_limits(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<SetLimits>,
) -> Result<Answer<LimitsAnswer>, Failure> {
    counted(&state, "queue_limits", state.engine.queue().set_limits(body, key), |_| (200, "set")).await
}

/// The query string of `GET /queue/stats`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatsQuery {
    #[serde(alias = "queue")]
    topic: Option<SmolStr>,
}

/// The query string of `GET /queue/groups`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupsQuery {
    #[serde(alias = "queue")]
    topic: SmolStr,
}

/// The query string of `GET /queue/peek`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeekQuery {
    #[serde(alias = "queue")]
    topic: SmolStr,
    /// Most messages.
    limit: Option<usize>,
}

/// A query string, or what is wrong with it.
pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

/// The query, or an error with a sentence.
pub(super) fn query<T>(asked: Asked<T>) -> Result<T, Failure> {
    let Query(query) = asked.map_err(|error| Failure::bad_request(format!("{}.", error.body_text())))?;
    Ok(query)
}

/// `GET /queue`
pub async fn topics(State(state): State<NodeState>) -> Result<Answer<Topics>, Failure> {
    Ok(Answer(200, state.engine.queue().topics().await?))
}

/// `GET /queue/stats[?topic=]`
pub async fn stats(
    State(state): State<NodeState>,
    asked: Asked<StatsQuery>,
) -> Result<Answer<QueueStats>, Failure> {
    let StatsQuery { topic } = query(asked)?;
    if let Some(topic) = &topic {
        check_name("topic", topic)?;
    }
    Ok(Answer(200, state.engine.queue().stats(topic.as_ref()).await?))
}

/// `GET /queue/groups?topic=`
pub async fn groups(
    State(state): State<NodeState>,
    asked: Asked<GroupsQuery>,
) -> Result<Answer<Groups>, Failure> {
    let GroupsQuery { topic } = query(asked)?;
    check_name("topic", &topic)?;
    Ok(Answer(200, state.engine.queue().groups(&topic).await?))
}

/// `GET /queue/peek?topic=&limit=`
pub async fn peek(State(state): State<NodeState>, asked: Asked<PeekQuery>) -> Result<Answer<Peek>, Failure> {
    let PeekQuery { topic, limit } = query(asked)?;
    check_name("topic", &topic)?;
    let range = *LIMIT_RANGE.start() as u64..=*LIMIT_RANGE.end() as u64;
    check_range("limit", limit.map(|limit| limit as u64), range)?;
    Ok(Answer(200, state.engine.queue().peek(&topic, limit).await?))
}

fn settled(settled: &Settled) -> (u16, &'static str) {
    use orrery_api::queue::Settlement;
    let word = match settled.status {
        Settlement::Acknowledged => "acknowledged",
        Settlement::AlreadyAcknowledged => "already_acknowledged",
        Settlement::Nacked => "nacked",
        Settlement::DeadLettered => "dead_lettered",
        Settlement::Extended => "extended",
        Settlement::Late => "late",
        Settlement::Unknown => "unknown",
        Settlement::Gone => "gone",
        Settlement::Partial => "partial",
        Settlement::ShardUnavailable | Settlement::OutcomeUnknown => "error",
    };
    (settled.http_status(), word)
}

/// Runs a mutation and counts how it ended.
pub(super) async fn counted<T>(
    state: &NodeState,
    operation: &'static str,
    asked: impl Future<Output = Result<T, ApiError>>,
    word: impl FnOnce(&T) -> (u16, &'static str),
) -> Result<Answer<T>, Failure> {
    let began = Instant::now();
    let result = asked.await;
    let (status, outcome) = result.as_ref().map_or((0, "error"), word);
    state.metrics.request(operation, outcome, began.elapsed());
    Ok(Answer(status, result?))
}
