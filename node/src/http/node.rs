//! `GET /livez`, `/readyz`, `/health`, `/status`, `/cluster`, `/metrics`, `POST /cluster/leader`, `/cluster/leave` and
//! `/cluster/compare`.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use orrery_api::node::{Cluster, Comparison, Health, Live, Readiness, Status};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::body::{Check, Checked, check_name};
use super::{Answer, Failure, NodeState};

/// `GET /livez`: this process runs and answers.
pub async fn livez() -> Answer<Live> {
    Answer(200, Live { status: "ok".into() })
}

/// `GET /readyz`: 503 with the reasons where a request sent here may have to wait or fail.
pub async fn readyz(State(state): State<NodeState>) -> Answer<Readiness> {
    let readiness = state.engine.readiness();
    Answer(if readiness.ready { 200 } else { 503 }, readiness)
}

/// `GET /health`: 503 until the node serves requests.
pub async fn health(State(state): State<NodeState>) -> Answer<Health> {
    let health = state.engine.health();
    Answer(if state.engine.ready() { 200 } else { 503 }, health)
}

/// `GET /status`
pub async fn status(State(state): State<NodeState>) -> Answer<Status> {
    Answer(200, state.engine.status())
}

/// `GET /cluster`
pub async fn cluster(State(state): State<NodeState>) -> Answer<Cluster> {
    Answer(200, state.engine.cluster())
}

/// `POST /cluster/leader`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferLeader {
    /// Who shall lead the control group.
    #[serde(alias = "to", alias = "node_id")]
    node: SmolStr,
}

impl Check for TransferLeader {
    fn check(&self) -> Result<(), Failure> {
        check_name("node", &self.node)
    }
}

/// `POST /cluster/leader`: hands leadership over; answers once it has moved.
pub async fn transfer_leader(
    State(state): State<NodeState>,
    Checked { body, .. }: Checked<TransferLeader>,
) -> Result<Answer<Cluster>, Failure> {
    let within = state.engine.config().request_timeout;
    state.engine.transfer_leader(&body.node, within).await?;
    Ok(Answer(200, state.engine.cluster()))
}

/// `POST /cluster/leave`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leave {
    #[serde(alias = "node_id")]
    node: SmolStr,
}

impl Check for Leave {
    fn check(&self) -> Result<(), Failure> {
        check_name("node", &self.node)
    }
}

/// `POST /cluster/leave`: a member goes as soon as its shards moved away. `GET /cluster` shows how far that is.
pub async fn leave(
    State(state): State<NodeState>,
    Checked { body, .. }: Checked<Leave>,
) -> Result<Answer<Cluster>, Failure> {
    let within = state.engine.config().request_timeout;
    state.engine.leave(&body.node, within).await?;
    Ok(Answer(200, state.engine.cluster()))
}

/// `POST /cluster/compare`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compare {}

impl Check for Compare {
    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// `POST /cluster/compare`: compares the replicas of the groups that this node leads now, instead of within a minute.
pub async fn compare(State(state): State<NodeState>, _: Checked<Compare>) -> Answer<Comparison> {
    Answer(200, Comparison { groups: state.engine.compare().await })
}

/// `GET /metrics`, in the text format of Prometheus.
pub async fn metrics(State(state): State<NodeState>) -> Response {
    let queue = state.engine.queue();
    let (queues, caches) = ((queue.totals(), queue.used()), state.engine.cache().stats());
    let text = state.metrics.text(&state.engine.status(), queues, &caches, state.hub.figures());
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}
