//! What a lock table reports out of `apply`.

use orrery_base::ids::LeaseMs;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

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
    /// The lock on which the wait stood was handed to somebody else. Since version 7 of the streams.
    Transferred,
}

/// What happened to locks, waits and sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockFact {
    /// A lock was granted, re-granted in another mode (upgrade), or answered again (`reentrant`).
    #[serde(rename = "lock_granted")]
    Granted {
        resource: SmolStr,
        holder: Holder,
        mode: Mode,
        fencing_token: FencingToken,
        /// Lease clock value at which it runs out; none under a session.
        expires_at_ms: Option<LeaseMs>,
        /// The wait that this ends, if there was one.
        wait: Option<WaitId>,
        /// It had it already.
        reentrant: bool,
    },
    #[serde(rename = "lock_queued")]
    Queued {
        resource: SmolStr,
        holder: Holder,
        mode: Mode,
        wait: WaitId,
        /// 1 is next.
        position: u32,
        /// It holds it shared and wants it exclusive.
        upgrade: bool,
    },
    /// A lock's lease was lengthened.
    #[serde(rename = "lock_renewed")]
    Renewed {
        resource: SmolStr,
        holder: Holder,
        /// Lease clock value at which it runs out.
        expires_at_ms: LeaseMs,
    },
    /// A lock was freed.
    #[serde(rename = "lock_released")]
    Released {
        resource: SmolStr,
        holder: Holder,
        fencing_token: FencingToken,
        cause: ReleaseCause,
    },
    /// A wait ended without a grant.
    WaitEnded {
        resource: SmolStr,
        holder: Holder,
        wait: WaitId,
        cause: ReleaseCause,
    },
    /// A cycle was found and its youngest waiter refused.
    Deadlock {
        /// Its edges, in order.
        cycle: Vec<WaitEdge>,
        victim: Holder,
        /// The wait that was refused.
        wait: WaitId,
    },
    SessionOpened {
        session: SessionId,
        client: SmolStr,
        /// Lease clock value at which it runs out.
        expires_at_ms: LeaseMs,
    },
    /// A session's lease was lengthened.
    SessionRenewed {
        session: SessionId,
        /// Lease clock value at which it runs out.
        expires_at_ms: LeaseMs,
    },
    SessionEnded {
        session: SessionId,
        client: SmolStr,
        cause: ReleaseCause,
    },
    /// A lock was handed over, ahead of the queue. Since version 7 of the streams.
    #[serde(rename = "lock_transferred")]
    Transferred {
        resource: SmolStr,
        /// Who had it.
        holder: Holder,
        /// Who has it now.
        to: Holder,
        mode: Mode,
        /// The new one.
        fencing_token: FencingToken,
        /// Lease clock value at which it runs out; none under a session.
        expires_at_ms: Option<LeaseMs>,
        /// The wait of the new holder that this ends, if there was one.
        wait: Option<WaitId>,
    },
}

/// A lock that somebody has now, by whatever fact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewHold<'a> {
    pub resource: &'a SmolStr,
    pub holder: &'a Holder,
    pub mode: Mode,
    pub fencing_token: FencingToken,
    /// Lease clock value at which it runs out; none under a session.
    pub expires_at_ms: Option<LeaseMs>,
    /// The wait that this ends, if there was one.
    pub wait: Option<WaitId>,
    /// It had it already.
    pub reentrant: bool,
}

impl LockFact {
    /// Whether somebody has what somebody else had, or what it waited for.
    pub fn is_handover(&self) -> bool {
        matches!(self, LockFact::Granted { wait: Some(_), .. } | LockFact::Transferred { .. })
    }

    /// The lock that somebody has from now on; none where the fact gives nobody one.
    pub fn new_hold(&self) -> Option<NewHold<'_>> {
        match self {
            LockFact::Granted { resource, holder, mode, fencing_token, expires_at_ms, wait, .. }
            | LockFact::Transferred {
                resource, to: holder, mode, fencing_token, expires_at_ms, wait, ..
            } => {
                let (mode, fencing_token, expires_at_ms) = (*mode, *fencing_token, *expires_at_ms);
                let reentrant = matches!(self, LockFact::Granted { reentrant: true, .. });
                Some(NewHold { resource, holder, mode, fencing_token, expires_at_ms, wait: *wait, reentrant })
            }
            _ => None,
        }
    }
}
