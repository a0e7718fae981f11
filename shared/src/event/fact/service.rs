//! What the services report, and the lock table as people see it.

use serde::{Deserialize, Serialize};

use crate::cache::CacheFact;
use crate::ids::{ClientName, LogIndex, ResourceName};
use crate::lock::{FencingToken, Holder, LeaseMs, Mode, SessionId, WaitEdge, WaitId};
use crate::queue::QueueFact;

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

/// What the services' state machines report out of `apply`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceFact {
    /// A lock was granted, re-granted in another mode (upgrade), or answered again (`reentrant`).
    LockGranted {
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
    LockQueued {
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
    LockRenewed {
        /// What.
        resource: ResourceName,
        /// Who.
        holder: Holder,
        /// Lease clock value at which it runs out.
        expires_at_ms: LeaseMs,
    },
    /// A lock was freed.
    LockReleased {
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
    /// A shard's queues.
    Queue(QueueFact),
    /// A shard's cached values.
    Cache(CacheFact),
    /// So much is in a lock table of which a stream shows only a part. Since version 6.
    LocksCounted {
        /// In the whole table.
        counts: LockCounts,
    },
}

/// The lock table as people see it: in stream snapshots and in `GET /lock/status`. Sorted by resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LockTable {
    /// Applied index that it shows.
    pub applied: Option<LogIndex>,
    /// The group's lease clock then.
    pub clock_ms: LeaseMs,
    /// Resources with a holder or a waiter.
    pub resources: Vec<LockedResource>,
    /// Open sessions.
    pub sessions: Vec<SessionView>,
}

/// Most locks of a [`LocksShown`]; the same number of waits, and of sessions. With the bound of a name these are at most
/// 2 MiB, and 0.4 MiB of names as people give them.
pub const LOCKS_SHOWN_MAX: usize = 1_024;

/// How much is in a lock table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockCounts {
    /// Held locks.
    pub locks: u64,
    /// Waits.
    pub waits: u64,
    /// Open sessions.
    pub sessions: u64,
}

impl LockCounts {
    /// Whether a [`LocksShown`] has only a part of such a table.
    pub fn beyond(&self) -> bool {
        self.locks.max(self.waits).max(self.sessions) > LOCKS_SHOWN_MAX as u64
    }
}

/// Which part of a lock table is shown: of each kind the newest ones, so that whatever comes is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocksBeyond {
    /// Locks from this token on.
    pub first_token: FencingToken,
    /// Waits from this one on.
    pub first_wait: WaitId,
    /// Sessions from this one on.
    pub first_session: SessionId,
    /// What the whole table has.
    pub counts: LockCounts,
}

/// The lock table, bounded: in streams.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LocksShown {
    /// What is shown.
    pub table: LockTable,
    /// None where that is everything.
    pub beyond: Option<LocksBeyond>,
}

/// One resource that somebody holds or waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockedResource {
    /// Its name.
    pub resource: ResourceName,
    /// In order of their grants.
    pub holders: Vec<HolderView>,
    /// In order: the first is next.
    pub waiters: Vec<WaiterView>,
}

/// Who holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HolderView {
    /// Who.
    pub holder: Holder,
    /// How.
    pub mode: Mode,
    /// Its token.
    pub fencing_token: FencingToken,
    /// Lease clock value at which it was granted or last renewed.
    pub since_ms: LeaseMs,
    /// Lease clock value at which it runs out; none under a session (the session's counts).
    pub expires_at_ms: Option<LeaseMs>,
}

/// Who waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaiterView {
    /// Who.
    pub holder: Holder,
    /// How.
    pub mode: Mode,
    /// Its wait.
    pub wait: WaitId,
    /// It holds it shared and wants it exclusive: ahead of the others.
    pub upgrade: bool,
}

/// An open session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its id.
    pub session: SessionId,
    /// Whose.
    pub client: ClientName,
    /// Lease clock value at which it runs out.
    pub expires_at_ms: LeaseMs,
}
