//! The lock manager: its words here, its commands in `command.rs`, the pure state machine beside them.
//!
//! [`Table`] changes only by [`LockCommand`], [`SessionCommand`] and the lease clock, one file per operation. It reads no
//! clock and draws nothing: replicas that apply the same commands have the same table and report the same facts.

mod acquire;
mod cancel;
mod command;
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
mod transfer;
pub mod view;

pub use command::{Lease, LockCommand, LockReply, SessionCommand, SessionReply};
pub use fact::{LockFact, ReleaseCause};
pub use table::Step;
pub use table::Table;
pub use view::{After, HOLDER_EDGES_MAX, TablePage, WaitSeen, edges_of};

use std::fmt;

use orrery_base::ids::LogIndex;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Grows with every grant of a resource: a storage service that compares it fences out an old holder.
pub type FencingToken = u64;

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct SessionId(pub u64);

/// A wait: the log index of the acquire that began it. The youngest wait has the largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = u64))]
#[serde(transparent)]
pub struct WaitId(pub LogIndex);

/// Who holds or waits: a client by its name, or a client in one of its sessions. The same name under
/// another session is another holder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Holder {
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub client: SmolStr,
    /// Its session, if it opened one.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
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

/// One edge of the wait-for graph: `waiter` cannot go on before `blocker` does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WaitEdge {
    pub waiter: Holder,
    /// For whom: a conflicting holder or an earlier conflicting waiter.
    pub blocker: Holder,
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub resource: SmolStr,
}
