//! `POST /lock/acquire`, `/lock/release`, `/lock/renew`, `/lock/cancel`, `/lock/transfer`, `GET /lock/status`.
//!
//! The aliases are the field names that existing clients of such systems send.

use std::ops::RangeInclusive;

use orrery_base::error::ApiError;
use orrery_base::ids::LeaseMs;
use orrery_base::key::IdempotencyKey;
use orrery_base::valid::{ClientName, Number, NumberRule, ReceiverName, ResourceName, Ttl, WaitTime};
use orrery_lock::view::LockTable;
use orrery_lock::{FencingToken, Mode, SessionId, WaitEdge};
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

use crate::operation::{Operation, Outcome};
use crate::request::{Answer, Request};

/// Default length of a lock's lease.
pub const TTL_DEFAULT: Ttl = Ttl::known(30_000);
/// Default time to wait for a lock.
pub const WAIT_DEFAULT: WaitTime = WaitTime::known(10_000);

/// `POST /lock/acquire`: take a lock, wait for it, poll a wait, upgrade from shared to exclusive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Acquire {
    /// What.
    #[serde(alias = "resource_id", alias = "key")]
    pub resource: ResourceName,
    /// Who.
    #[serde(alias = "client_id", alias = "requester_id", alias = "owner")]
    pub client: ClientName,
    /// In which of its sessions; the client's name alone is the holder when absent.
    #[serde(alias = "session_id", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// How.
    #[serde(alias = "lock_type", default = "exclusive")]
    pub mode: Mode,
    /// Length of the lease; [`TTL_DEFAULT`] when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<Ttl>,
    /// How long to wait; [`WAIT_DEFAULT`] when absent, 0 does not wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<WaitTime>,
    /// Answer 202 at once when it is not free, and keep the place in the queue.
    #[serde(default)]
    pub queue: bool,
}

fn exclusive() -> Mode {
    Mode::Exclusive
}

/// `POST /lock/release`: give a lock back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// What.
    #[serde(alias = "resource_id", alias = "key")]
    pub resource: ResourceName,
    /// Who.
    #[serde(alias = "client_id", alias = "requester_id", alias = "owner", alias = "owner_id")]
    pub client: ClientName,
    /// In which of its sessions.
    #[serde(alias = "session_id", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// When given, it must be the present token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fencing_token: Option<FencingToken>,
}

/// `POST /lock/renew`: lengthen the lease of a held lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// What.
    #[serde(alias = "resource_id", alias = "key")]
    pub resource: ResourceName,
    /// Who.
    #[serde(alias = "client_id", alias = "requester_id", alias = "owner", alias = "owner_id")]
    pub client: ClientName,
    /// In which of its sessions.
    #[serde(alias = "session_id", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// When given, it must be the present token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fencing_token: Option<FencingToken>,
    /// Length of the lease from now, also where it ends earlier then: that is the client's own decision, and it
    /// should name the token. When absent: the length asked for last, and the lease never ends earlier than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<Ttl>,
}

/// `POST /lock/transfer`: hand a lock to another client, ahead of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// What.
    #[serde(alias = "resource_id", alias = "key")]
    pub resource: ResourceName,
    /// Who has it.
    #[serde(alias = "client_id", alias = "requester_id", alias = "owner", alias = "owner_id")]
    pub client: ClientName,
    /// In which of its sessions.
    #[serde(alias = "session_id", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The present token: a late retry hands nothing over that was got since.
    pub fencing_token: FencingToken,
    /// Who shall have it.
    pub to: ReceiverName,
    /// In which of its sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_session: Option<SessionId>,
}

/// `POST /lock/cancel`: end a wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// What.
    #[serde(alias = "resource_id", alias = "key")]
    pub resource: ResourceName,
    /// Who.
    #[serde(alias = "client_id", alias = "requester_id", alias = "owner", alias = "owner_id")]
    pub client: ClientName,
    /// In which of its sessions.
    #[serde(alias = "session_id", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

impl Request for Acquire {
    type Answer = LockAnswer;

    const OPERATION: Operation = Operation::Acquire;

    fn client(&self, _: Option<&IdempotencyKey>) -> SmolStr {
        self.client.clone().into_text()
    }

    fn subject(&self) -> SmolStr {
        format_smolstr!("{} {}", self.resource, self.mode.letter())
    }
}

/// A request about a lock that only says which: its client and its resource are what the watchers are told.
macro_rules! about_a_lock {
    ($($body:ident),*) => { $(
        impl Request for $body {
            type Answer = LockAnswer;

            const OPERATION: Operation = Operation::$body;

            fn client(&self, _: Option<&IdempotencyKey>) -> SmolStr {
                self.client.clone().into_text()
            }

            fn subject(&self) -> SmolStr {
                self.resource.clone().into_text()
            }
        }
    )* };
}

about_a_lock!(Release, Renew, Cancel);

impl Request for Transfer {
    type Answer = LockAnswer;

    const OPERATION: Operation = Operation::Transfer;

    fn check(&self) -> Result<(), ApiError> {
        if self.client.as_str() == self.to.as_str() && self.session == self.to_session {
            return Err(ApiError::bad_request(
                "\"to\" is who has the lock already: a lock is handed to another client, or to another session.",
            ));
        }
        Ok(())
    }

    fn client(&self, _: Option<&IdempotencyKey>) -> SmolStr {
        self.client.clone().into_text()
    }

    fn subject(&self) -> SmolStr {
        format_smolstr!("{} {}", self.resource, self.to)
    }
}

/// Every answer of the lock service that is not an error body. Its status is that of its [`Outcome`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum LockAnswer {
    /// 200: the client has the lock.
    Acquired {
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        resource: SmolStr,
        /// Who.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        client: SmolStr,
        /// How.
        mode: Mode,
        /// Grows with every grant: compare it where the lock protects something.
        fencing_token: FencingToken,
        /// What is left of the lease.
        expires_in_ms: u64,
        /// The client had been told that it has it when it made the request. A request that waited for the lock is
        /// answered `false`, also where it was not the only one (all with one token), and so is the first poll after the grant;
        /// every later request is answered `true`.
        reentrant: bool,
    },
    /// 202: the place in the queue is kept. Ask again with the same body to learn the outcome.
    Waiting {
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        resource: SmolStr,
        /// Who.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        client: SmolStr,
        /// 1 is next.
        position: u32,
    },
    /// 408: not free within `wait_ms`, and the wait is gone.
    Timeout {
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        resource: SmolStr,
        /// Who.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        client: SmolStr,
        /// Who has it.
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
        holders: Vec<SmolStr>,
    },
    /// 409: waiting would never have ended.
    Deadlock {
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        resource: SmolStr,
        /// Names in order; the first waits for the second, the last for the first.
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
        cycle: Vec<SmolStr>,
        /// The same with what each waits on.
        edges: Vec<WaitEdge>,
        /// Who was refused: the youngest waiter.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        victim: SmolStr,
    },
    /// 200: the lock was given back.
    Released {
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        resource: SmolStr,
        /// Who.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        client: SmolStr,
        /// Under which token.
        fencing_token: FencingToken,
    },
    /// 200: the lease is longer.
    Renewed {
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        resource: SmolStr,
        /// Who.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        client: SmolStr,
        /// What is left of the lease.
        expires_in_ms: u64,
        /// Under which token.
        fencing_token: FencingToken,
    },
    /// 200: the wait ended without a grant.
    Cancelled {
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        resource: SmolStr,
        /// Who.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        client: SmolStr,
    },
    /// 200: somebody else has it now.
    Transferred {
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        resource: SmolStr,
        /// Who had it.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        client: SmolStr,
        /// Who has it.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        to: SmolStr,
        /// The new token; the old one is worth nothing any more.
        fencing_token: FencingToken,
        /// What is left of the new holder's lease.
        expires_in_ms: u64,
    },
    /// 409: that client does not hold it, or not under that token.
    NotHolder {
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        resource: SmolStr,
        /// Who asked.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        client: SmolStr,
        /// Who has it.
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
        holders: Vec<SmolStr>,
        /// The same as a sentence.
        message: String,
    },
    /// 404: that client does not wait for it.
    NotWaiting {
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        resource: SmolStr,
        /// Who asked.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        client: SmolStr,
    },
}

impl Answer for LockAnswer {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Acquired { .. } => Outcome::Acquired,
            Self::Waiting { .. } => Outcome::Waiting,
            Self::Timeout { .. } => Outcome::Timeout,
            Self::Deadlock { .. } => Outcome::Deadlock,
            Self::Released { .. } => Outcome::Released,
            Self::Renewed { .. } => Outcome::Renewed,
            Self::Cancelled { .. } => Outcome::Cancelled,
            Self::Transferred { .. } => Outcome::Transferred,
            Self::NotHolder { .. } => Outcome::NotHolder,
            Self::NotWaiting { .. } => Outcome::NotWaiting,
        }
    }
}

/// Most holders and waiters together, and most sessions, of one answer to `GET /lock/status`; its default.
pub const STATUS_LIMIT_MAX: usize = 1_000;

/// How much one answer shows.
#[derive(Debug, PartialEq, Eq)]
pub enum StatusLimitRule {}

impl NumberRule for StatusLimitRule {
    const FIELD: &'static str = "limit";
    const RANGE: RangeInclusive<u64> = 1..=STATUS_LIMIT_MAX as u64;
    const UNIT: &'static str = "holders and waiters";
}

/// How many holders and waiters one answer to `GET /lock/status` shows.
pub type StatusLimit = Number<StatusLimitRule>;

/// The query string of `GET /lock/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StatusQuery {
    /// Only this resource, whole.
    #[serde(alias = "resource_id", alias = "key")]
    pub resource: Option<ResourceName>,
    /// The answer ends after the resource with which it has so many holders and waiters, and after so many sessions.
    pub limit: Option<StatusLimit>,
    /// Resources after this one: `next` of the answer before.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub after: Option<SmolStr>,
    /// Sessions after this one: `next_session` of the answer before.
    pub session_after: Option<SessionId>,
}

impl StatusQuery {
    /// Only this resource.
    pub fn of(resource: ResourceName) -> StatusQuery {
        StatusQuery { resource: Some(resource), ..StatusQuery::default() }
    }
}

/// `GET /lock/status`, read linearizably: a part of the lock table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockStatus {
    /// Holders, waiters in order, sessions.
    #[serde(flatten)]
    pub table: LockTable,
    /// The wait-for graph of these resources, without the edges that follow from the others: each waiter to conflicting
    /// holders (where more than 4 hold it, only the first waiter names them all) and to the next conflicting waiters ahead.
    pub edges: Vec<WaitEdge>,
    /// The leader's lease clock, from which remaining times are counted. The table has the committed one, which stands still
    /// in between.
    pub now_ms: LeaseMs,
    /// Where more resources follow: ask for those `after` it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, required))]
    pub next: Option<SmolStr>,
    /// Where more sessions follow: ask for those with `session_after` it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub next_session: Option<SessionId>,
}
