//! What a lock table reports out of `apply`.

use orrery_base::ids::{ClientName, LeaseMs, ResourceName};
use serde::{Deserialize, Serialize};

use super::{FencingToken, Holder, Mode, SessionId, WaitEdge, WaitId};

/// Why a lock or a wait ended without its client saying so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseCause {
    /// The client released it.
    Client,
    /// Its lease ran out.
    Expired,
    /// Its session was closed.
    SessionClosed,
    /// Its session's lease ran out.
    SessionExpired,
}

/// What happened to locks, waits and sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockFact {
    /// A lock was granted, re-granted in another mode (upgrade), or answered again (`reentrant`).
    #[serde(rename = "lock_granted")]
    Granted {
        /// What.
        resource: ResourceName,
        /// Who.
        holder: Holder,
        /// How.
        mode: Mode,
        /// Its token.
        fencing_token: FencingToken,
        /// Lease clock value at which it runs out; none under a session.
        expires_at_ms: Option<LeaseMs>,
        /// The wait that this ends, if there was one.
        wait: Option<WaitId>,
        /// It had it already.
        reentrant: bool,
    },
    /// A wait began.
    #[serde(rename = "lock_queued")]
    Queued {
        /// What.
        resource: ResourceName,
        /// Who.
        holder: Holder,
        /// How.
        mode: Mode,
        /// Its wait.
        wait: WaitId,
        /// 1 is next.
        position: u32,
        /// It holds it shared and wants it exclusive.
        upgrade: bool,
    },
    /// A lock's lease was lengthened.
    #[serde(rename = "lock_renewed")]
    Renewed {
        /// What.
        resource: ResourceName,
        /// Who.
        holder: Holder,
        /// Lease clock value at which it runs out.
        expires_at_ms: LeaseMs,
    },
    /// A lock was freed.
    #[serde(rename = "lock_released")]
    Released {
        /// What.
        resource: ResourceName,
        /// Who had it.
        holder: Holder,
        /// Under which token.
        fencing_token: FencingToken,
        /// Why.
        cause: ReleaseCause,
    },
    /// A wait ended without a grant.
    WaitEnded {
        /// What.
        resource: ResourceName,
        /// Who waited.
        holder: Holder,
        /// Which wait.
        wait: WaitId,
        /// Why.
        cause: ReleaseCause,
    },
    /// A cycle was found and its youngest waiter refused.
    Deadlock {
        /// Its edges, in order.
        cycle: Vec<WaitEdge>,
        /// Who was refused.
        victim: Holder,
        /// The wait that was refused.
        wait: WaitId,
    },
    /// A session began.
    SessionOpened {
        /// Which.
        session: SessionId,
        /// Whose.
        client: ClientName,
        /// Lease clock value at which it runs out.
        expires_at_ms: LeaseMs,
    },
    /// A session's lease was lengthened.
    SessionRenewed {
        /// Which.
        session: SessionId,
        /// Lease clock value at which it runs out.
        expires_at_ms: LeaseMs,
    },
    /// A session ended.
    SessionEnded {
        /// Which.
        session: SessionId,
        /// Whose.
        client: ClientName,
        /// Why.
        cause: ReleaseCause,
    },
}
