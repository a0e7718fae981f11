//! The requests of the services: one handler for all of them, and what is shown without changing anything.

use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use orrery_api::cache::{DirectoryAnswer, DirectoryQuery, LinesAnswer, Read, ReadAnswer, StatsAnswer};
use orrery_api::for_each_request;
use orrery_api::lock::{LockStatus, StatusQuery};
use orrery_api::operation::Outcome;
use orrery_api::queue_limits::LimitsAnswer;
use orrery_api::queue_view::{Groups, GroupsQuery, Peek, PeekQuery, QueueStats, StatsQuery, Topics};
use orrery_api::request::{Answer, Request};
use orrery_api::ring::{RingAnswer, RingQuery};
use orrery_engine::{Caller, Engine, Serve};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::body::{Asked, Keyed, query};
use super::{Failure, Json, NodeState};
use crate::host::NodeHost;

type Shown<T> = Result<Json<T>, Failure>;

/// The routes of the services.
pub fn routes() -> Router<NodeState> {
    /// Adds the route of each request at its path.
    macro_rules! posted {
        ($($service:ident $kind:ident: $($request:ty),+;)+) => {
            Router::new()$($(.route(<$request as Request>::OPERATION.path(), post(serve::<$request>)))+)+
        };
    }
    let posted = for_each_request!(posted);
    posted
        .route(Read::OPERATION.path(), get(read))
        .route("/lock/status", get(lock_status))
        .route("/cache/lines", get(lines))
        .route("/cache/directory", get(directory))
        .route("/cache/stats", get(cache_stats))
        .route("/queue", get(topics))
        .route("/queue/groups", get(groups))
        .route("/queue/stats", get(queue_stats))
        .route("/queue/peek", get(peek))
        .route("/queue/limits", get(limits))
        .route("/ring", get(ring))
}

/// Does what a request asks for, and counts how it ended.
async fn serve<R>(State(state): State<NodeState>, Keyed { body, caller }: Keyed<R>) -> Shown<R::Answer>
where
    R: Request + DeserializeOwned,
    R::Answer: Serialize,
    Engine<NodeHost>: Serve<R>,
{
    let (operation, began) = (body.operation(), Instant::now());
    let result = state.engine.ask(body, caller).await;
    let outcome = result.as_ref().map_or_else(|error| Outcome::Refused(error.code), Answer::outcome);
    state.metrics.request(operation, outcome, began.elapsed());
    Ok(Json(outcome.status(), result?))
}

/// `GET /cache/read`. Hits are counted by the cache itself: what happens to a hit here is most of its time.
async fn read(State(state): State<NodeState>, asked: Asked<Read>) -> Shown<ReadAnswer> {
    let answer = state.engine.ask(query(asked)?, Caller::default()).await?;
    Ok(Json(answer.outcome().status(), answer))
}

/// `GET /lock/status[?resource=&limit=&after=&session_after=]`
async fn lock_status(State(state): State<NodeState>, asked: Asked<StatusQuery>) -> Shown<LockStatus> {
    Ok(Json(200, state.engine.locks().status(query(asked)?).await?))
}

/// `GET /cache/lines`
async fn lines(State(state): State<NodeState>) -> Json<LinesAnswer> {
    Json(200, state.engine.cache().lines())
}

/// `GET /cache/directory?address=`
async fn directory(State(state): State<NodeState>, asked: Asked<DirectoryQuery>) -> Shown<DirectoryAnswer> {
    Ok(Json(200, state.engine.cache().directory(query(asked)?).await?))
}

/// `GET /cache/stats`
async fn cache_stats(State(state): State<NodeState>) -> Json<StatsAnswer> {
    Json(200, state.engine.cache().stats())
}

/// `GET /queue`
async fn topics(State(state): State<NodeState>) -> Shown<Topics> {
    Ok(Json(200, state.engine.queue().topics().await?))
}

/// `GET /queue/groups?topic=`
async fn groups(State(state): State<NodeState>, asked: Asked<GroupsQuery>) -> Shown<Groups> {
    Ok(Json(200, state.engine.queue().groups(query(asked)?).await?))
}

/// `GET /queue/stats[?topic=]`
async fn queue_stats(State(state): State<NodeState>, asked: Asked<StatsQuery>) -> Shown<QueueStats> {
    Ok(Json(200, state.engine.queue().stats(query(asked)?).await?))
}

/// `GET /queue/peek?topic=&limit=`
async fn peek(State(state): State<NodeState>, asked: Asked<PeekQuery>) -> Shown<Peek> {
    Ok(Json(200, state.engine.queue().peek(query(asked)?).await?))
}

/// `GET /queue/limits`
async fn limits(State(state): State<NodeState>) -> Shown<LimitsAnswer> {
    Ok(Json(200, state.engine.queue().limits().await?))
}

/// `GET /ring[?key=[&topic=]]`: what this node knows, without asking anybody.
async fn ring(State(state): State<NodeState>, asked: Asked<RingQuery>) -> Shown<RingAnswer> {
    Ok(Json(200, state.engine.queue().ring(query(asked)?)?))
}
