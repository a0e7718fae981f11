//! `POST /lock/...` and `GET /lock/status`.

use std::future::Future;
use std::time::Instant;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use orrery_api::lock::{Acquire, Cancel, LockAnswer, LockStatus, Release, Renew, StatusQuery};
use orrery_base::error::ApiError;

use super::body::{Check, Checked, check_name, check_ttl, check_wait};
use super::{Answer, Failure, NodeState};

type Answered = Result<Answer<LockAnswer>, Failure>;

impl Check for Acquire {
    fn check(&self) -> Result<(), Failure> {
        check_name("resource", &self.resource)?;
        check_name("client", &self.client)?;
        check_ttl(self.ttl_ms)?;
        check_wait(self.wait_ms)
    }
}

impl Check for Release {
    fn check(&self) -> Result<(), Failure> {
        check_name("resource", &self.resource)?;
        check_name("client", &self.client)
    }
}

impl Check for Renew {
    fn check(&self) -> Result<(), Failure> {
        check_name("resource", &self.resource)?;
        check_name("client", &self.client)?;
        check_ttl(self.ttl_ms)
    }
}

impl Check for Cancel {
    fn check(&self) -> Result<(), Failure> {
        check_name("resource", &self.resource)?;
        check_name("client", &self.client)
    }
}

/// `POST /lock/acquire`
pub async fn acquire(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<Acquire>,
) -> Answered {
    answer(&state, "acquire", state.engine.locks().acquire(body, key)).await
}

/// `POST /lock/release`
pub async fn release(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<Release>,
) -> Answered {
    answer(&state, "release", state.engine.locks().release(body, key)).await
}

/// `POST /lock/renew`
pub async fn renew(State(state): State<NodeState>, Checked { body, key, .. }: Checked<Renew>) -> Answered {
    answer(&state, "renew", state.engine.locks().renew(body, key)).await
}

/// `POST /lock/cancel`
pub async fn cancel(State(state): State<NodeState>, Checked { body, key, .. }: Checked<Cancel>) -> Answered {
    answer(&state, "cancel", state.engine.locks().cancel(body, key)).await
}

/// `GET /lock/status[?resource=&limit=&after=&session_after=]`
pub async fn status(
    State(state): State<NodeState>,
    query: Result<Query<StatusQuery>, QueryRejection>,
) -> Result<Answer<LockStatus>, Failure> {
    let Query(query) = query.map_err(|error| Failure::bad_request(format!("{}.", error.body_text())))?;
    if let Some(resource) = &query.resource {
        check_name("resource", resource)?;
    }
    let status = state.engine.locks().status(query).await?;
    Ok(Answer(200, status))
}

async fn answer(
    state: &NodeState,
    operation: &'static str,
    asked: impl Future<Output = Result<LockAnswer, ApiError>>,
) -> Answered {
    let began = Instant::now();
    let result = asked.await;
    let outcome = match &result {
        Ok(answer) => outcome(answer),
        Err(_) => "error",
    };
    state.metrics.request(operation, outcome, began.elapsed());
    let answer = result?;
    Ok(Answer(answer.http_status(), answer))
}

fn outcome(answer: &LockAnswer) -> &'static str {
    match answer {
        LockAnswer::Acquired { .. } => "acquired",
        LockAnswer::Waiting { .. } => "waiting",
        LockAnswer::Timeout { .. } => "timeout",
        LockAnswer::Deadlock { .. } => "deadlock",
        LockAnswer::Released { .. } => "released",
        LockAnswer::Renewed { .. } => "renewed",
        LockAnswer::Cancelled { .. } => "cancelled",
        LockAnswer::NotHolder { .. } => "not_holder",
        LockAnswer::NotWaiting { .. } => "not_waiting",
    }
}
