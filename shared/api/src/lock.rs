//! `POST /lock/acquire`, `/lock/release`, `/lock/renew`, `/lock/cancel`, `GET /lock/status`.
//!
//! The aliases are the field names that existing clients of such systems send.

use orrery_base::ids::LeaseMs;
use orrery_lock::view::LockTable;
use orrery_lock::{FencingToken, Mode, SessionId, WaitEdge};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Default length of a lock's lease.
pub const TTL_MS_DEFAULT: u64 = 30_000;
/// Shortest and longest lease.
pub const TTL_MS_RANGE: std::ops::RangeInclusive<u64> = 100..=86_400_000;
/// Default time to wait for a lock.
pub const WAIT_MS_DEFAULT: u64 = 10_000;
/// Longest time to wait for a lock.
pub const WAIT_MS_MAX: u64 = 600_000;

/// `POST /lock/acquire`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acquire {
    /// What.
    #[serde(alias = "resource_id", alias = "key")]
    pub resource: SmolStr,
    /// Who.
    #[serde(alias = "client_id", alias = "requester_id", alias = "owner")]
    pub client: SmolStr,
    /// In which of its sessions; the client's name alone is the holder when absent.
    #[serde(alias = "session_id", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// How.
    #[serde(alias = "lock_type", default = "exclusive")]
    pub mode: Mode,
    /// Length of the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// How long to wait; 0 does not wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// Answer 202 at once when it is not free, and keep the place in the queue.
    #[serde(default)]
    pub queue: bool,
}

fn exclusive() -> Mode {
    Mode::Exclusive
}

/// `POST /lock/release`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// What.
    #[serde(alias = "resource_id", alias = "key")]
    pub resource: SmolStr,
    /// Who.
    #[serde(alias = "client_id", alias = "requester_id", alias = "owner", alias = "owner_id")]
    pub client: SmolStr,
    /// In which of its sessions.
    #[serde(alias = "session_id", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// When given, it must be the present token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fencing_token: Option<FencingToken>,
}

/// `POST /lock/renew`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// What.
    #[serde(alias = "resource_id", alias = "key")]
    pub resource: SmolStr,
    /// Who.
    #[serde(alias = "client_id", alias = "requester_id", alias = "owner", alias = "owner_id")]
    pub client: SmolStr,
    /// In which of its sessions.
    #[serde(alias = "session_id", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// When given, it must be the present token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fencing_token: Option<FencingToken>,
    /// Length of the lease from now, also where it ends earlier then: that is the client's own decision. When absent:
    /// the length asked for last, and the lease never ends earlier than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
}

/// `POST /lock/cancel`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// What.
    #[serde(alias = "resource_id", alias = "key")]
    pub resource: SmolStr,
    /// Who.
    #[serde(alias = "client_id", alias = "requester_id", alias = "owner", alias = "owner_id")]
    pub client: SmolStr,
    /// In which of its sessions.
    #[serde(alias = "session_id", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// Every answer of the lock service that is not an error body. Its status is in [`LockAnswer::http_status`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum LockAnswer {
    /// 200
    Acquired {
        /// What.
        resource: SmolStr,
        /// Who.
        client: SmolStr,
        /// How.
        mode: Mode,
        /// Compare it where the lock protects something.
        fencing_token: FencingToken,
        /// What is left of the lease.
        expires_in_ms: u64,
        /// The client had been told that it has it when it made the request. A request that waited for the lock is
        /// answered `false`, also where it was not the only one, and so is the first poll after the grant.
        reentrant: bool,
    },
    /// 202: the place in the queue is kept. Ask again with the same body to learn the outcome.
    Waiting {
        /// What.
        resource: SmolStr,
        /// Who.
        client: SmolStr,
        /// 1 is next.
        position: u32,
    },
    /// 408: not free within `wait_ms`, and the wait is gone.
    Timeout {
        /// What.
        resource: SmolStr,
        /// Who.
        client: SmolStr,
        /// Who has it.
        holders: Vec<SmolStr>,
    },
    /// 409: waiting would never have ended.
    Deadlock {
        /// What.
        resource: SmolStr,
        /// Names in order; the first waits for the second, the last for the first.
        cycle: Vec<SmolStr>,
        /// The same with what each waits on.
        edges: Vec<WaitEdge>,
        /// Who was refused: the youngest waiter.
        victim: SmolStr,
    },
    /// 200
    Released {
        /// What.
        resource: SmolStr,
        /// Who.
        client: SmolStr,
        /// Under which token.
        fencing_token: FencingToken,
    },
    /// 200
    Renewed {
        /// What.
        resource: SmolStr,
        /// Who.
        client: SmolStr,
        /// What is left of the lease.
        expires_in_ms: u64,
        /// Under which token.
        fencing_token: FencingToken,
    },
    /// 200: the wait ended without a grant.
    Cancelled {
        /// What.
        resource: SmolStr,
        /// Who.
        client: SmolStr,
    },
    /// 409: that client does not hold it, or not under that token.
    NotHolder {
        /// What.
        resource: SmolStr,
        /// Who asked.
        client: SmolStr,
        /// Who has it.
        holders: Vec<SmolStr>,
        /// The same as a sentence.
        message: String,
    },
    /// 404: that client does not wait for it.
    NotWaiting {
        /// What.
        resource: SmolStr,
        /// Who asked.
        client: SmolStr,
    },
}

impl LockAnswer {
    /// The HTTP status of the answer.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Acquired { .. } | Self::Released { .. } | Self::Renewed { .. } | Self::Cancelled { .. } => {
                200
            }
            Self::Waiting { .. } => 202,
            Self::NotWaiting { .. } => 404,
            Self::Timeout { .. } => 408,
            Self::Deadlock { .. } | Self::NotHolder { .. } => 409,
        }
    }
}

/// Most holders and waiters together, and most sessions, of one answer to `GET /lock/status`; its default.
pub const STATUS_LIMIT_MAX: usize = 1_000;

/// The query string of `GET /lock/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusQuery {
    /// Only this resource, whole.
    #[serde(alias = "resource_id", alias = "key")]
    pub resource: Option<SmolStr>,
    /// The answer ends after the resource with which it has so many holders and waiters, and after so many sessions.
    pub limit: Option<usize>,
    /// Resources after this one: `next` of the answer before.
    pub after: Option<SmolStr>,
    /// Sessions after this one: `next_session` of the answer before.
    pub session_after: Option<SessionId>,
}

impl StatusQuery {
    /// Only this resource.
    pub fn of(resource: impl Into<SmolStr>) -> StatusQuery {
        StatusQuery { resource: Some(resource.into()), ..StatusQuery::default() }
    }
}

/// `GET /lock/status`, read linearizably: a part of the lock table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockStatus {
    /// Holders, waiters in order, sessions.
    #[serde(flatten)]
    pub table: LockTable,
    /// The wait-for graph of these resources, without the edges that follow from the others.
    pub edges: Vec<WaitEdge>,
    /// The leader's lease clock, from which remaining times are counted. The table has the committed one, which stands still
    /// in between.
    pub now_ms: LeaseMs,
    /// Where more resources follow: ask for those `after` it.
    #[serde(default)]
    pub next: Option<SmolStr>,
    /// Where more sessions follow: ask for those with `session_after` it.
    #[serde(default)]
    pub next_session: Option<SessionId>,
}
