//! The lock service of one node: requests as clients make them, with waiting, time-outs and safe retries, on top
//! of the replicated lock table.

mod acquire;
mod ends;
pub(crate) mod validate;
pub(crate) mod watched;

use std::sync::Arc;
use std::time::Duration;

use orrery_api::lock::{
    Acquire, Cancel, LockAnswer, LockStatus, Release, Renew, STATUS_LIMIT_MAX, StatusQuery, TTL_MS_RANGE,
};
use orrery_api::session::{OneSession, OpenSession, SESSION_TTL_MS_DEFAULT, SessionAnswer};
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::{ClientName, GroupId, ResourceName};
use orrery_base::key::IdempotencyKey;
use orrery_lock::{
    After, Holder, LockCommand, LockReply, SessionCommand, SessionId, SessionReply, TablePage, edges_of,
};
use orrery_machine::{Command, Operation, Reply};
use smol_str::{SmolStr, format_smolstr};
use watched::watched;

pub use ends::Ends;

use crate::cluster::Cluster;
use crate::host::Host;
use crate::service::requests::{Key, Requests};
use crate::service::verdict;

/// The lock service of one node. Cheap to clone.
///
/// Every mutation takes the client's `Idempotency-Key`, if it sent one; without one the service mints it, and an
/// `outcome_unknown` error carries the key under which a retry is safe. Each request ends within
/// [`crate::config::EngineConfig::request_timeout`], an acquire within that plus its `wait_ms`, or twice that
/// where its wait has to be cancelled.
pub struct LockService<H: Host> {
    cluster: Cluster<H>,
    requests: Arc<Requests>,
    ends: Arc<Ends<H::Runtime>>,
}

impl<H: Host> Clone for LockService<H> {
    fn clone(&self) -> Self {
        LockService {
            cluster: self.cluster.clone(),
            requests: self.requests.clone(),
            ends: self.ends.clone(),
        }
    }
}

impl<H: Host> LockService<H> {
    pub(crate) fn new(cluster: Cluster<H>, requests: Arc<Requests>, ends: Arc<Ends<H::Runtime>>) -> Self {
        LockService { cluster, requests, ends }
    }

    /// `POST /lock/acquire`. Dropping the future cancels its wait in the background.
    pub async fn acquire(
        &self,
        request: Acquire,
        key: Option<IdempotencyKey>,
    ) -> Result<LockAnswer, ApiError> {
        let asked = acquire::Asked::new(request)?;
        let key = self.key(key, asked.waits())?;
        let client = asked.holder.client.clone();
        let subject = || format_smolstr!("{} {}", asked.resource, asked.mode.letter());
        watched(
            self.cluster.host(),
            &self.requests,
            &client,
            "acquire",
            subject,
            self.acquire_checked(asked.clone(), key),
        )
        .await
    }

    /// `POST /lock/release`
    pub async fn release(
        &self,
        request: Release,
        key: Option<IdempotencyKey>,
    ) -> Result<LockAnswer, ApiError> {
        let Release { resource, client, session, fencing_token } = request;
        let (key, holder) = self.checked(key, &resource, client, session)?;
        let subject = resource.clone();
        let client = holder.client.clone();
        let run = async {
            let command =
                LockCommand::Release { resource: resource.clone(), holder: holder.clone(), fencing_token };
            match self.lock(command, &key).await? {
                LockReply::Released { fencing_token } => {
                    Ok(LockAnswer::Released { resource, client: holder.client, fencing_token })
                }
                LockReply::NotHolder { holders } => Ok(not_holder(resource, holder, holders)),
                other => Err(refused(other)),
            }
        };
        watched(self.cluster.host(), &self.requests, &client, "release", || subject, run).await
    }

    /// `POST /lock/renew`
    pub async fn renew(&self, request: Renew, key: Option<IdempotencyKey>) -> Result<LockAnswer, ApiError> {
        let Renew { resource, client, session, fencing_token, ttl_ms } = request;
        let (key, holder) = self.checked(key, &resource, client, session)?;
        let ttl_ms = ttl_ms.map(|ttl_ms| validate::length("ttl_ms", ttl_ms, TTL_MS_RANGE)).transpose()?;
        let subject = resource.clone();
        let client = holder.client.clone();
        let run = async {
            let command = LockCommand::Renew {
                resource: resource.clone(),
                holder: holder.clone(),
                fencing_token,
                ttl_ms,
            };
            match self.lock(command, &key).await? {
                LockReply::Renewed { expires_in_ms, fencing_token } => {
                    Ok(LockAnswer::Renewed { resource, client: holder.client, expires_in_ms, fencing_token })
                }
                LockReply::NotHolder { holders } => Ok(not_holder(resource, holder, holders)),
                other => Err(refused(other)),
            }
        };
        watched(self.cluster.host(), &self.requests, &client, "renew", || subject, run).await
    }

    /// `POST /lock/cancel`
    pub async fn cancel(&self, request: Cancel, key: Option<IdempotencyKey>) -> Result<LockAnswer, ApiError> {
        let Cancel { resource, client, session } = request;
        let (key, holder) = self.checked(key, &resource, client, session)?;
        let subject = resource.clone();
        let client = holder.client.clone();
        let run = async {
            let command =
                LockCommand::Cancel { resource: resource.clone(), holder: holder.clone(), wait: None };
            match self.lock(command, &key).await? {
                LockReply::Cancelled => Ok(LockAnswer::Cancelled { resource, client: holder.client }),
                LockReply::NotWaiting => Ok(LockAnswer::NotWaiting { resource, client: holder.client }),
                LockReply::Acquired { fencing_token, expires_in_ms, mode, reentrant } => {
                    Ok(LockAnswer::Acquired {
                        resource,
                        client: holder.client,
                        mode,
                        fencing_token,
                        expires_in_ms,
                        reentrant,
                    })
                }
                LockReply::Deadlock { cycle, victim } => Ok(acquire::deadlock(resource, cycle, &victim)),
                other => Err(refused(other)),
            }
        };
        watched(self.cluster.host(), &self.requests, &client, "cancel", || subject, run).await
    }

    /// `POST /session`
    pub async fn open_session(
        &self,
        request: OpenSession,
        key: Option<IdempotencyKey>,
    ) -> Result<SessionAnswer, ApiError> {
        let OpenSession { client, ttl_ms } = request;
        let key = self.key(key, Duration::ZERO)?;
        validate::name("client", &client)?;
        let ttl_ms = validate::length("ttl_ms", ttl_ms.unwrap_or(SESSION_TTL_MS_DEFAULT), TTL_MS_RANGE)?;
        let command = SessionCommand::Open { client: client.clone(), ttl_ms };
        self.session("open session", client, SmolStr::default(), command, key).await
    }

    /// `POST /session/renew`
    pub async fn renew_session(
        &self,
        request: OneSession,
        key: Option<IdempotencyKey>,
    ) -> Result<SessionAnswer, ApiError> {
        let OneSession { session } = request;
        let key = self.key(key, Duration::ZERO)?;
        let subject = format_smolstr!("{}", session.0);
        self.session("renew session", SmolStr::default(), subject, SessionCommand::Renew { session }, key)
            .await
    }

    /// `POST /session/close`
    pub async fn close_session(
        &self,
        request: OneSession,
        key: Option<IdempotencyKey>,
    ) -> Result<SessionAnswer, ApiError> {
        let OneSession { session } = request;
        let key = self.key(key, Duration::ZERO)?;
        let subject = format_smolstr!("{}", session.0);
        self.session("close session", SmolStr::default(), subject, SessionCommand::Close { session }, key)
            .await
    }

    /// `GET /lock/status[?resource=&limit=&after=&session_after=]`, linearizable.
    pub async fn status(&self, query: StatusQuery) -> Result<LockStatus, ApiError> {
        self.member().await?;
        let StatusQuery { resource, limit, after, session_after } = query;
        if let Some(resource) = &resource {
            validate::name("resource", resource)?;
        }
        let limit = limit.unwrap_or(STATUS_LIMIT_MAX);
        if !(1..=STATUS_LIMIT_MAX).contains(&limit) {
            return Err(ApiError::bad_request(format!(
                "\"limit\" is {limit}; it must be 1 to {STATUS_LIMIT_MAX} holders and waiters."
            )));
        }
        let within = self.cluster.config().request_timeout;
        let unavailable = |why: String| ApiError::new(ErrorCode::Unavailable, why);
        let (_, clock_ms) = self
            .cluster
            .read_index_and_clock(GroupId::CONTROL, within)
            .await
            .map_err(|error| unavailable(format!("The lock table cannot be read now ({}).", error.0)))?;
        let group = self
            .cluster
            .group(GroupId::CONTROL)
            .ok_or_else(|| unavailable("The node is stopping.".into()))?;
        // A fork, so that showing a part of the table holds nobody up.
        let (machine, applied) = group.state.fork();
        let after = After { resource: after.as_deref(), session: session_after };
        let TablePage { table, next, next_session } =
            machine.locks().page(applied, resource.as_deref(), after, limit);
        let edges = edges_of(&table);
        // What is left of a lease is counted from the leader's clock: the committed one stands still in between.
        let now_ms = table.clock_ms.max(clock_ms.unwrap_or_default());
        Ok(LockStatus { now_ms, table, edges, next, next_session })
    }

    /// The request's key, and for whom it is; the resource's name is checked too.
    fn checked(
        &self,
        key: Option<IdempotencyKey>,
        resource: &ResourceName,
        client: ClientName,
        session: Option<SessionId>,
    ) -> Result<(Key, Holder), ApiError> {
        let key = self.key(key, Duration::ZERO)?;
        validate::name("resource", resource)?;
        Ok((key, validate::holder(client, session)?))
    }

    /// The client's key, checked, or a new one, for a request that may wait for so long.
    fn key(&self, key: Option<IdempotencyKey>, wait: Duration) -> Result<Key, ApiError> {
        if let Some(key) = &key {
            validate::key(key)?;
        }
        Ok(self.requests.key(key, wait))
    }

    /// Waits, within a request's time, until this node is part of a cluster.
    async fn member(&self) -> Result<(), ApiError> {
        let within = self.cluster.config().request_timeout;
        if self.cluster.ready() || self.cluster.wait_ready(within).await {
            return Ok(());
        }
        Err(self
            .cluster
            .not_ready("This node is not ready: it is starting and has not heard from a majority."))
    }

    async fn session(
        &self,
        operation: &'static str,
        client: ClientName,
        subject: SmolStr,
        command: SessionCommand,
        key: Key,
    ) -> Result<SessionAnswer, ApiError> {
        let session = match &command {
            SessionCommand::Open { .. } => None,
            SessionCommand::Renew { session } | SessionCommand::Close { session } => Some(*session),
        };
        let run = async {
            match (self.mutate(Operation::Session(command), &key).await?, session) {
                (Reply::Session(SessionReply::Opened { session, expires_in_ms }), _) => {
                    Ok(SessionAnswer::Opened { session, expires_in_ms })
                }
                (Reply::Session(SessionReply::Renewed { expires_in_ms }), Some(session)) => {
                    Ok(SessionAnswer::Renewed { session, expires_in_ms })
                }
                (Reply::Session(SessionReply::Closed { released, cancelled }), Some(session)) => {
                    Ok(SessionAnswer::Closed { session, released, cancelled })
                }
                (Reply::Session(SessionReply::Expired), _) => Err(session_expired()),
                (Reply::Session(SessionReply::LimitReached { what }), _) => {
                    Err(verdict::limit_reached(&what))
                }
                _ => Err(internal()),
            }
        };
        watched(self.cluster.host(), &self.requests, &client, operation, || subject, run).await
    }

    async fn lock(&self, command: LockCommand, key: &Key) -> Result<LockReply, ApiError> {
        match self.mutate(Operation::Lock(command), key).await? {
            Reply::Lock(reply) => Ok(reply),
            _ => Err(internal()),
        }
    }

    /// One command through the log, once.
    async fn mutate(&self, operation: Operation, key: &Key) -> Result<Reply, ApiError> {
        self.member()
            .await
            .map_err(|error| verdict::refused(GroupId::CONTROL, error.code, &error.message, key))?;
        let within = self.cluster.config().request_timeout;
        let command = Command { key: Some(key.request().clone()), operation };
        key.sent(GroupId::CONTROL);
        match self.cluster.propose(GroupId::CONTROL, command, within).await {
            Ok((_, reply)) => {
                key.answered(GroupId::CONTROL);
                verdict::key_refused(GroupId::CONTROL, &reply, key).map_or(Ok(reply), Err)
            }
            Err(error) => Err(verdict::unanswered(GroupId::CONTROL, error, key)),
        }
    }
}

fn session_expired() -> ApiError {
    ApiError::new(ErrorCode::SessionExpired, "That session is unknown, closed or expired.")
}

fn internal() -> ApiError {
    ApiError::new(ErrorCode::Internal, "The state machine answered something unexpected.")
}

/// Replies that no answer of the calling operation stands for.
fn refused(reply: LockReply) -> ApiError {
    match reply {
        LockReply::LimitReached { what } => verdict::limit_reached(&what),
        LockReply::SessionExpired => session_expired(),
        _ => internal(),
    }
}

fn not_holder(resource: ResourceName, asked: Holder, holders: Vec<Holder>) -> LockAnswer {
    let holders: Vec<SmolStr> = holders.into_iter().map(|holder| holder.client).collect();
    let message = match holders.as_slice() {
        [] => format!("{asked} does not hold {resource}: nobody does."),
        names if names.contains(&asked.client) => {
            format!("{asked} does not hold {resource} under that token or session.")
        }
        names => format!("{asked} does not hold {resource}: {} does.", names.join(", ")),
    };
    LockAnswer::NotHolder { resource, client: asked.client, holders, message }
}
