//! `POST /session`, `/session/renew`, `/session/close`.

use orrery_lock::SessionId;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Default length of a session's lease.
pub const SESSION_TTL_MS_DEFAULT: u64 = 30_000;

/// `POST /session`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSession {
    /// Whose.
    #[serde(alias = "client_id")]
    pub client: SmolStr,
    /// Length of its lease; [`SESSION_TTL_MS_DEFAULT`] when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
}

/// `POST /session/renew` and `POST /session/close`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneSession {
    /// Which.
    #[serde(alias = "session_id")]
    pub session: SessionId,
}

/// 200 of all three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum SessionAnswer {
    /// Opened.
    Opened {
        /// Its id.
        session: SessionId,
        /// What is left of its lease.
        expires_in_ms: u64,
    },
    /// Renewed.
    Renewed {
        /// Its id.
        session: SessionId,
        /// What is left of its lease.
        expires_in_ms: u64,
    },
    /// Closed.
    Closed {
        /// Its id.
        session: SessionId,
        /// Locks that it freed.
        released: u32,
        /// Waits that it ended.
        cancelled: u32,
    },
}
