//! `GET /livez`, `/readyz`, `/health`, `/status`, `/cluster`, `/metrics`, `POST /cluster/leader`, `/cluster/leave` and
//! `/cluster/compare`.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use orrery_api::node::{
    Cluster, Compare, Comparison, Health, Leave, Live, Readiness, Status, TransferLeader,
};

use super::body::Keyed;
use super::{Failure, Json, NodeState};

/// `GET /livez`: this process runs and answers.
pub async fn livez() -> Json<Live> {
    Json(200, Live { status: "ok".into() })
}

/// `GET /readyz`: 503 with the reasons where a request sent here may have to wait or fail.
pub async fn readyz(State(state): State<NodeState>) -> Json<Readiness> {
    let readiness = state.engine.readiness();
    Json(if readiness.ready { 200 } else { 503 }, readiness)
}

/// `GET /health`: 503 until the node serves requests.
pub async fn health(State(state): State<NodeState>) -> Json<Health> {
    let health = state.engine.health();
    Json(if state.engine.ready() { 200 } else { 503 }, health)
}

/// `GET /status`
pub async fn status(State(state): State<NodeState>) -> Json<Status> {
    Json(200, state.engine.status())
}

/// `GET /cluster`
pub async fn cluster(State(state): State<NodeState>) -> Json<Cluster> {
    Json(200, state.engine.cluster())
}

/// `POST /cluster/leader`: hands leadership over; answers once it has moved.
pub async fn transfer_leader(
    State(state): State<NodeState>,
    Keyed { body, .. }: Keyed<TransferLeader>,
) -> Result<Json<Cluster>, Failure> {
    let within = state.engine.config().request_timeout;
    state.engine.transfer_leader(&body.node, within).await?;
    Ok(Json(200, state.engine.cluster()))
}

/// `POST /cluster/leave`: a member goes as soon as its shards moved away. `GET /cluster` shows how far that is.
pub async fn leave(
    State(state): State<NodeState>,
    Keyed { body, .. }: Keyed<Leave>,
) -> Result<Json<Cluster>, Failure> {
    let within = state.engine.config().request_timeout;
    state.engine.leave(&body.node, within).await?;
    Ok(Json(200, state.engine.cluster()))
}

/// `POST /cluster/compare`: compares the replicas of the groups that this node leads now, instead of within a minute.
pub async fn compare(State(state): State<NodeState>, _: Keyed<Compare>) -> Json<Comparison> {
    Json(200, Comparison { groups: state.engine.compare().await })
}

/// `GET /metrics`, in the text format of Prometheus.
pub async fn metrics(State(state): State<NodeState>) -> Response {
    let queue = state.engine.queue();
    let (queues, caches) = ((queue.totals(), queue.used()), state.engine.cache().stats());
    let text = state.metrics.text(&state.engine.status(), queues, &caches, state.hub.figures());
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}
