//! The lock service of one node: requests as clients make them, with waiting, time-outs and safe retries, on top
//! of the replicated lock table.

mod acquire;
mod ends;

use std::sync::Arc;
use std::time::Duration;

use orrery_api::lock::{
    Cancel, LockAnswer, LockStatus, Release, Renew, STATUS_LIMIT_MAX, StatusQuery, Transfer,
};
use orrery_api::session::{CloseSession, OpenSession, RenewSession, SESSION_TTL_DEFAULT, SessionAnswer};
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::GroupId;
use orrery_base::valid::{ClientName, Ttl};
use orrery_lock::{
    After, Holder, LockCommand, LockReply, SessionCommand, SessionId, SessionReply, TablePage, edges_of,
};
use orrery_machine::{Command, Mutation, Reply, TRANSFER_SINCE};
use smol_str::SmolStr;

pub use ends::Ends;

use crate::cluster::Cluster;
use crate::host::Host;
use crate::service::pipeline::{Caller, Serve};
use crate::service::requests::{Key, Requests};
use crate::service::verdict;

/// The lock service of one node. Cheap to clone.
///
/// A mutation without an `Idempotency-Key` gets one here, and an `outcome_unknown` error carries the key under which a retry is safe.
/// Each request ends within [`crate::config::EngineConfig::request_timeout`], an acquire within that plus its `wait_ms`, or twice that
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

    /// `GET /lock/status[?resource=&limit=&after=&session_after=]`, linearizable.
    pub async fn status(&self, query: StatusQuery) -> Result<LockStatus, ApiError> {
        self.member().await?;
        let StatusQuery { resource, limit, after, session_after } = query;
        let limit = limit.map_or(STATUS_LIMIT_MAX, |limit| limit.get() as usize);
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
            machine.locks().page(applied, resource.as_ref().map(|name| name.as_str()), after, limit);
        let edges = edges_of(&table);
        // What is left of a lease is counted from the leader's clock: the committed one stands still in between.
        let now_ms = table.clock_ms.max(clock_ms.unwrap_or_default());
        Ok(LockStatus { now_ms, table, edges, next, next_session })
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

    async fn session(&self, command: SessionCommand, caller: Caller) -> Result<SessionAnswer, ApiError> {
        let key = caller.key(&self.requests, Duration::ZERO);
        let session = match &command {
            SessionCommand::Open { .. } => None,
            SessionCommand::Renew { session } | SessionCommand::Close { session } => Some(*session),
        };
        match (self.mutate(Mutation::Session(command), &key).await?, session) {
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
            (Reply::Session(SessionReply::LimitReached { what }), _) => Err(verdict::limit_reached(&what)),
            _ => Err(internal()),
        }
    }

    async fn lock(&self, command: LockCommand, key: &Key) -> Result<LockReply, ApiError> {
        match self.mutate(Mutation::Lock(command), key).await? {
            Reply::Lock(reply) => Ok(reply),
            _ => Err(internal()),
        }
    }

    /// A member that does not know a newer command could not apply it. The version that was committed only grows.
    async fn known_since(&self, version: u16, what: &str, key: &Key) -> Result<(), ApiError> {
        self.member()
            .await
            .map_err(|error| verdict::refused(GroupId::CONTROL, error.code, &error.message, key))?;
        let group = self.cluster.group(GroupId::CONTROL);
        let now = group.map_or(0, |group| group.state.read(|machine| machine.cluster().version()));
        if now >= version {
            return Ok(());
        }
        let why = format!("Some member of the cluster runs a version that cannot {what}.");
        Err(verdict::refused(GroupId::CONTROL, ErrorCode::NotReady, &why, key))
    }

    /// One command through the log, once.
    async fn mutate(&self, mutation: Mutation, key: &Key) -> Result<Reply, ApiError> {
        self.member()
            .await
            .map_err(|error| verdict::refused(GroupId::CONTROL, error.code, &error.message, key))?;
        let within = self.cluster.config().request_timeout;
        let command = Command { key: Some(key.request().clone()), mutation };
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

impl<H: Host> Serve<Release> for LockService<H> {
    async fn serve(&self, request: Release, caller: Caller) -> Result<LockAnswer, ApiError> {
        let Release { resource, client, session, fencing_token } = request;
        let (resource, holder) = (resource.into_text(), holder(client, session));
        let key = caller.key(&self.requests, Duration::ZERO);
        let command =
            LockCommand::Release { resource: resource.clone(), holder: holder.clone(), fencing_token };
        match self.lock(command, &key).await? {
            LockReply::Released { fencing_token } => {
                Ok(LockAnswer::Released { resource, client: holder.client, fencing_token })
            }
            LockReply::NotHolder { holders } => Ok(not_holder(resource, holder, holders)),
            other => Err(refused(other)),
        }
    }
}

impl<H: Host> Serve<Renew> for LockService<H> {
    async fn serve(&self, request: Renew, caller: Caller) -> Result<LockAnswer, ApiError> {
        let Renew { resource, client, session, fencing_token, ttl_ms } = request;
        let (resource, holder) = (resource.into_text(), holder(client, session));
        let key = caller.key(&self.requests, Duration::ZERO);
        let command = LockCommand::Renew {
            resource: resource.clone(),
            holder: holder.clone(),
            fencing_token,
            ttl_ms: ttl_ms.map(Ttl::get),
        };
        match self.lock(command, &key).await? {
            LockReply::Renewed { expires_in_ms, fencing_token } => {
                Ok(LockAnswer::Renewed { resource, client: holder.client, expires_in_ms, fencing_token })
            }
            LockReply::NotHolder { holders } => Ok(not_holder(resource, holder, holders)),
            other => Err(refused(other)),
        }
    }
}

impl<H: Host> Serve<Cancel> for LockService<H> {
    async fn serve(&self, request: Cancel, caller: Caller) -> Result<LockAnswer, ApiError> {
        let Cancel { resource, client, session } = request;
        let (resource, holder) = (resource.into_text(), holder(client, session));
        let key = caller.key(&self.requests, Duration::ZERO);
        let command = LockCommand::Cancel { resource: resource.clone(), holder: holder.clone(), wait: None };
        match self.lock(command, &key).await? {
            LockReply::Cancelled => Ok(LockAnswer::Cancelled { resource, client: holder.client }),
            LockReply::NotWaiting => Ok(LockAnswer::NotWaiting { resource, client: holder.client }),
            LockReply::Acquired { fencing_token, expires_in_ms, mode, reentrant } => {
                let client = holder.client;
                Ok(LockAnswer::Acquired { resource, client, mode, fencing_token, expires_in_ms, reentrant })
            }
            LockReply::Deadlock { cycle, victim } => Ok(acquire::deadlock(resource, cycle, &victim)),
            other => Err(refused(other)),
        }
    }
}

impl<H: Host> Serve<Transfer> for LockService<H> {
    async fn serve(&self, request: Transfer, caller: Caller) -> Result<LockAnswer, ApiError> {
        let Transfer { resource, client, session, fencing_token, to, to_session } = request;
        let (resource, holder) = (resource.into_text(), holder(client, session));
        let to = Holder { client: to.into_text(), session: to_session };
        let key = caller.key(&self.requests, Duration::ZERO);
        self.known_since(TRANSFER_SINCE, "hand locks over", &key).await?;
        let command = LockCommand::Transfer {
            resource: resource.clone(),
            holder: holder.clone(),
            fencing_token,
            to: to.clone(),
        };
        match self.lock(command, &key).await? {
            LockReply::Transferred { fencing_token, expires_in_ms } => Ok(LockAnswer::Transferred {
                resource,
                client: holder.client,
                to: to.client,
                fencing_token,
                expires_in_ms,
            }),
            LockReply::NotHolder { holders } => Ok(not_holder(resource, holder, holders)),
            LockReply::NotTransferable { why } => Err(ApiError::new(
                ErrorCode::Conflict,
                format!("{resource} is not handed over: {why}. Nothing changed."),
            )),
            // Whoever holds the lock has its session: it is the receiver's that is gone.
            LockReply::SessionExpired if to.session.is_some() => Err(ApiError::new(
                ErrorCode::SessionExpired,
                format!("\"to_session\" is no open session of {}. Nothing changed.", to.client),
            )),
            other => Err(refused(other)),
        }
    }
}

impl<H: Host> Serve<OpenSession> for LockService<H> {
    async fn serve(&self, request: OpenSession, caller: Caller) -> Result<SessionAnswer, ApiError> {
        let OpenSession { client, ttl_ms } = request;
        let ttl_ms = ttl_ms.unwrap_or(SESSION_TTL_DEFAULT).get();
        self.session(SessionCommand::Open { client: client.into_text(), ttl_ms }, caller).await
    }
}

impl<H: Host> Serve<RenewSession> for LockService<H> {
    async fn serve(&self, request: RenewSession, caller: Caller) -> Result<SessionAnswer, ApiError> {
        self.session(SessionCommand::Renew { session: request.session }, caller).await
    }
}

impl<H: Host> Serve<CloseSession> for LockService<H> {
    async fn serve(&self, request: CloseSession, caller: Caller) -> Result<SessionAnswer, ApiError> {
        self.session(SessionCommand::Close { session: request.session }, caller).await
    }
}

fn holder(client: ClientName, session: Option<SessionId>) -> Holder {
    Holder { client: client.into_text(), session }
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

fn not_holder(resource: SmolStr, asked: Holder, holders: Vec<Holder>) -> LockAnswer {
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
