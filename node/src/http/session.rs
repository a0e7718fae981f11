//! `POST /session`, `/session/renew`, `/session/close`.

use std::future::Future;
use std::time::Instant;

use axum::extract::State;
use orrery_api::session::{OneSession, OpenSession, SessionAnswer};
use orrery_base::error::ApiError;

use super::body::{Check, Checked, check_name, check_ttl};
use super::{Answer, Failure, NodeState};

type Answered = Result<Answer<SessionAnswer>, Failure>;

impl Check for OpenSession {
    fn check(&self) -> Result<(), Failure> {
        check_name("client", &self.client)?;
        check_ttl(self.ttl_ms)
    }
}

impl Check for OneSession {
    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// `POST /session`
pub async fn open(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<OpenSession>,
) -> Answered {
    answer(&state, "session_open", state.engine.locks().open_session(body, key)).await
}

/// `POST /session/renew`
pub async fn renew(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<OneSession>,
) -> Answered {
    answer(&state, "session_renew", state.engine.locks().renew_session(body, key)).await
}

/// `POST /session/close`
pub async fn close(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<OneSession>,
) -> Answered {
    answer(&state, "session_close", state.engine.locks().close_session(body, key)).await
}

async fn answer(
    state: &NodeState,
    operation: &'static str,
    asked: impl Future<Output = Result<SessionAnswer, ApiError>>,
) -> Answered {
    let began = Instant::now();
    let result = asked.await;
    state.metrics.request(operation, if result.is_ok() { "ok" } else { "error" }, began.elapsed());
    Ok(Answer(200, result?))
}
