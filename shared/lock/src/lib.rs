//! The lock manager: words and commands here, the pure state machine beside it.
//!
//! [`Table`] changes only by [`LockCommand`], [`SessionCommand`] and the lease clock, one file per operation. It reads no
//! clock and draws nothing: replicas that apply the same commands have the same table and report the same facts.

mod acquire;
mod apply;
mod cancel;
mod consistency;
mod deadlock;
mod expiry;
pub mod fact;
mod grant;
pub mod limits;
mod release;
mod renew;
mod replay;
mod session;
pub mod snapshot;
mod table;
pub mod view;

pub use fact::{LockFact, ReleaseCause};
pub use table::Step;
pub use table::Table;
pub use view::{After, HOLDER_EDGES_MAX, TablePage, WaitSeen, edges_of};

use std::fmt;

use orrery_base::ids::{ClientName, LogIndex, ResourceName};
use orrery_base::key::IdempotencyKey;
use serde::{Deserialize, Serialize};

/// Grows with every grant of a resource: a storage service that compares it fences out an old holder.
pub type FencingToken = u64;

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Together with other shared holders.
    #[serde(alias = "S", alias = "s", alias = "SHARED", alias = "Shared", alias = "read")]
    Shared,
    #[serde(alias = "X", alias = "x", alias = "EXCLUSIVE", alias = "Exclusive", alias = "write")]
    Exclusive,
}

impl Mode {
    /// Whether two different holders may hold these modes of one resource at once.
    pub fn compatible(self, other: Mode) -> bool {
        self == Mode::Shared && other == Mode::Shared
    }

    /// `X` or `S`, as on the dashboard.
    pub fn letter(self) -> &'static str {
        match self {
            Mode::Shared => "S",
            Mode::Exclusive => "X",
        }
    }
}

/// A session: the log index of the entry that opened it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);

/// A wait: the log index of the acquire that began it. The youngest wait has the largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WaitId(pub LogIndex);

/// Who holds or waits: a client by its name, or a client in one of its sessions. The same name under
/// another session is another holder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Holder {
    pub client: ClientName,
    /// Its session, if it opened one.
    #[serde(default)]
    pub session: Option<SessionId>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.session {
            None => f.write_str(&self.client),
            Some(session) => write!(f, "{}/{}", self.client, session.0),
        }
    }
}

/// How a wait ends when nobody asks for it any more. Both are lengths on the lease clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wait {
    /// Do not wait: answer `Busy` at once.
    No,
    /// A long poll of the serving node: it cancels at its time-out; the deadline covers a node that dies.
    LongPoll {
        /// Lease length of the wait.
        deadline_ms: u64,
    },
    /// The client polls (`"queue": true`) or keeps a session alive; each poll renews the wait.
    Queue {
        /// Lease length of the wait and of its unread outcome.
        deadline_ms: u64,
    },
}

/// What changes the lock table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockCommand {
    /// Take a lock, wait for it, poll a wait, upgrade.
    Acquire {
        resource: ResourceName,
        holder: Holder,
        mode: Mode,
        /// Length of the lease from its grant; with a session the session's lease counts instead.
        ttl_ms: u64,
        /// What to do when it is not free.
        wait: Wait,
    },
    /// Give a lock back.
    Release {
        resource: ResourceName,
        holder: Holder,
        /// When given, it must be the holder's present token.
        fencing_token: Option<FencingToken>,
    },
    /// Lengthen the lease of a held lock.
    Renew {
        resource: ResourceName,
        holder: Holder,
        /// When given, it must be the holder's present token.
        fencing_token: Option<FencingToken>,
        /// Length of the lease from now, even where that is earlier than before. When absent: the length asked for last,
        /// and never an earlier end than before.
        ttl_ms: Option<u64>,
    },
    /// End a wait. Answered with what became of it, which may be "acquired".
    Cancel {
        resource: ResourceName,
        holder: Holder,
        /// Only this wait; any wait of the holder when absent.
        wait: Option<WaitId>,
    },
    /// One request does not wait any more (its time is over, or its caller is gone). Ends the wait where no newer ask
    /// waits for it too; answered with what became of the request. Since version 4.
    Withdraw {
        resource: ResourceName,
        holder: Holder,
        /// For which wait it asked.
        wait: WaitId,
        key: IdempotencyKey,
    },
}

/// What changes the sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionCommand {
    Open {
        client: ClientName,
        /// Length of its lease.
        ttl_ms: u64,
    },
    /// Lengthen its lease: covers all its locks and waits.
    Renew { session: SessionId },
    /// Close it: frees all its locks and ends all its waits.
    Close { session: SessionId },
}

/// One edge of the wait-for graph: `waiter` cannot go on before `blocker` does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WaitEdge {
    pub waiter: Holder,
    /// For whom: a conflicting holder or an earlier conflicting waiter.
    pub blocker: Holder,
    pub resource: ResourceName,
}

/// The answer to a [`LockCommand`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockReply {
    /// The holder has the lock.
    Acquired {
        fencing_token: FencingToken,
        /// What is left of the lease.
        expires_in_ms: u64,
        /// How it holds it now.
        mode: Mode,
        /// The holder had been told that it has it when the request was applied.
        reentrant: bool,
    },
    Waiting {
        wait: WaitId,
        /// 1 is next.
        position: u32,
    },
    /// `Wait::No` and not free.
    Busy { holders: Vec<Holder> },
    /// The wait would close (or closed) a cycle, and this one was its youngest waiter.
    Deadlock {
        /// The edges of the cycle, in order.
        cycle: Vec<WaitEdge>,
        victim: Holder,
    },
    /// The lock was given back.
    Released {
        /// The token that it had.
        fencing_token: FencingToken,
    },
    /// The lease was lengthened.
    Renewed {
        /// What is left of it.
        expires_in_ms: u64,
        fencing_token: FencingToken,
    },
    /// The wait was ended before it was granted.
    Cancelled,
    /// There was no such wait.
    NotWaiting,
    /// The caller does not hold that lock, or not under that token.
    NotHolder { holders: Vec<Holder> },
    /// A bound of the table is reached; nothing changed.
    LimitReached {
        /// Which, as a sentence.
        what: String,
    },
    /// The session is unknown, closed or expired; nothing changed.
    SessionExpired,
}

/// The answer to a [`SessionCommand`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionReply {
    /// The session is open.
    Opened {
        session: SessionId,
        /// What is left of its lease.
        expires_in_ms: u64,
    },
    /// Its lease was lengthened.
    Renewed {
        /// What is left of its lease.
        expires_in_ms: u64,
    },
    Closed {
        /// Locks that it freed.
        released: u32,
        /// Waits that it ended.
        cancelled: u32,
    },
    /// The session is unknown, closed or expired; nothing changed.
    Expired,
    /// A bound of the table is reached; nothing changed.
    LimitReached {
        /// Which, as a sentence.
        what: String,
    },
}
