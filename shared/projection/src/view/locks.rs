//! The lock table and what happened in it last.

use orrery_base::ids::{LeaseMs, LogIndex};
use orrery_lock::fact::ReleaseCause;
use orrery_lock::view::{HolderView, LockTable, LocksBeyond};
use orrery_lock::{FencingToken, Holder, Mode, WaitEdge, WaitId};
use smol_str::SmolStr;

/// The lock table with what is needed to let arcs drain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocksView {
    /// Holders, waiters, sessions; the newest ones of each, where `beyond` is there.
    pub table: LockTable,
    /// Which part of the lock table is shown, and how much there is of it. None where all of it is shown.
    pub beyond: Option<LocksBeyond>,
    /// Last service fact (index, number in it) that anybody reported, whether or not it changed the table.
    pub seen: Option<(LogIndex, u32)>,
    /// The table contains every fact up to here, because a whole table was taken over.
    pub whole: Option<LogIndex>,
    /// When [`LockTable::clock_ms`] was read.
    pub clock_at_us: u64,
    /// The last things that happened to locks, newest last; at most
    /// [`RECENT_MAX`](super::RECENT_MAX).
    pub recent: Vec<LockMoment>,
}

impl LocksView {
    /// The group's lease clock at a moment: it goes on at one millisecond per millisecond while a leader
    /// leads. An estimate between the values that facts carry.
    pub fn clock_ms(&self, now_us: u64) -> LeaseMs {
        self.table.clock_ms + now_us.saturating_sub(self.clock_at_us) / 1_000
    }

    /// When the lease of a holder under a session or of its own runs out.
    pub fn expires_at_ms(&self, holder: &HolderView) -> Option<LeaseMs> {
        holder.expires_at_ms.or_else(|| {
            let session = holder.holder.session?;
            self.table.sessions.iter().find(|open| open.session == session).map(|open| open.expires_at_ms)
        })
    }

    /// What is left of a holder's lease, from 1 to 0; none where no lease is known.
    pub fn lease_left(&self, holder: &HolderView, now_us: u64) -> Option<f64> {
        let end = self.expires_at_ms(holder)?;
        let whole = end.saturating_sub(holder.since_ms).max(1);
        Some((end.saturating_sub(self.clock_ms(now_us)) as f64 / whole as f64).clamp(0.0, 1.0))
    }
}

/// Something that happened to a lock, for transitions and the narrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockMoment {
    pub at_us: u64,
    /// At which log index.
    pub index: LogIndex,
    pub resource: SmolStr,
    pub holder: Holder,
    pub what: LockChange,
}

/// What happened to a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockChange {
    Granted {
        mode: Mode,
        fencing_token: FencingToken,
        waited: bool,
    },
    Queued {
        mode: Mode,
        /// 1 is next.
        position: u32,
    },
    Released {
        cause: ReleaseCause,
    },
    /// Its wait ended without a grant.
    WaitEnded {
        cause: ReleaseCause,
    },
    /// Refused: it was the victim of a deadlock.
    Refused,
}

/// A deadlock that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadlockView {
    pub at_us: u64,
    /// At which log index.
    pub index: LogIndex,
    /// Its edges, in order.
    pub cycle: Vec<WaitEdge>,
    pub victim: Holder,
    pub wait: WaitId,
}
