//! Every request as two facts: it began, it ended. A request whose caller goes away ends too.

use orrery_api::lock::LockAnswer;
use orrery_api::session::SessionAnswer;
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::ClientName;
use orrery_event::Fact;
use smol_str::SmolStr;

use crate::host::Host;
use crate::service::requests::Requests;

/// Status in `RequestEnded` of a request whose caller went away before its answer.
const GONE: u16 = 499;

/// How an answer is called and numbered in a fact.
pub trait Outcome {
    /// `acquired`, `timeout`, ...
    fn word(&self) -> &'static str;
    fn status(&self) -> u16;
}

impl Outcome for LockAnswer {
    fn word(&self) -> &'static str {
        match self {
            LockAnswer::Acquired { .. } => "acquired",
            LockAnswer::Waiting { .. } => "waiting",
            LockAnswer::Timeout { .. } => "timeout",
            LockAnswer::Deadlock { .. } => "deadlock",
            LockAnswer::Released { .. } => "released",
            LockAnswer::Renewed { .. } => "renewed",
            LockAnswer::Cancelled { .. } => "cancelled",
            LockAnswer::NotHolder { .. } => "not holder",
            LockAnswer::NotWaiting { .. } => "not waiting",
        }
    }

    fn status(&self) -> u16 {
        self.http_status()
    }
}

impl Outcome for SessionAnswer {
    fn word(&self) -> &'static str {
        match self {
            SessionAnswer::Opened { .. } => "opened",
            SessionAnswer::Renewed { .. } => "renewed",
            SessionAnswer::Closed { .. } => "closed",
        }
    }

    fn status(&self) -> u16 {
        200
    }
}

impl Outcome for ApiError {
    fn word(&self) -> &'static str {
        match self.code {
            ErrorCode::OutcomeUnknown => "unknown",
            ErrorCode::Unavailable | ErrorCode::ShardUnavailable => "unavailable",
            ErrorCode::NotReady => "not ready",
            ErrorCode::SessionExpired => "session expired",
            ErrorCode::KeyReused => "key reused",
            ErrorCode::KeyTooOld => "key too old",
            ErrorCode::TooManyKeys => "too many keys",
            ErrorCode::LimitReached => "limit reached",
            ErrorCode::GroupDeleted => "group deleted",
            _ => "refused",
        }
    }

    fn status(&self) -> u16 {
        self.code.status()
    }
}

/// A request under way.
struct Watched<H: Host> {
    host: H,
    request: u64,
    begun_us: u64,
    ended: bool,
}

impl<H: Host> Watched<H> {
    fn end(&mut self, outcome: &'static str, status: u16) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let host = &self.host;
        let took_us = host.monotonic_us().saturating_sub(self.begun_us);
        let outcome = SmolStr::new_static(outcome);
        host.emit(Fact::RequestEnded { request: self.request, outcome, status, took_us });
    }
}

impl<H: Host> Drop for Watched<H> {
    fn drop(&mut self) {
        self.end("gone", GONE);
    }
}

/// Runs a request between its two facts.
pub async fn watched<H: Host, T: Outcome>(
    host: &H,
    requests: &Requests,
    client: &ClientName,
    operation: &'static str,
    subject: impl FnOnce() -> SmolStr,
    run: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    if !host.records() {
        return run.await;
    }
    let request = requests.number();
    let operation = SmolStr::new_static(operation);
    host.emit(Fact::RequestBegun { request, client: client.clone(), operation, subject: subject() });
    let mut watched = Watched { host: host.clone(), request, begun_us: host.monotonic_us(), ended: false };
    let result = run.await;
    let (outcome, status) = match &result {
        Ok(answer) => (answer.word(), answer.status()),
        Err(error) => (error.word(), error.status()),
    };
    watched.end(outcome, status);
    result
}
