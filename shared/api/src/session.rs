//! `POST /session`, `/session/renew`, `/session/close`.

use orrery_base::key::IdempotencyKey;
use orrery_base::valid::{ClientName, Ttl};
use orrery_lock::SessionId;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr as _};

use crate::operation::{Operation, Outcome};
use crate::request::{Answer, Request};

/// Default length of a session's lease.
pub const SESSION_TTL_DEFAULT: Ttl = Ttl::known(30_000);

/// `POST /session`: one renewal covers all locks and waits of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenSession {
    /// Whose.
    #[serde(alias = "client_id")]
    pub client: ClientName,
    /// Length of its lease; [`SESSION_TTL_DEFAULT`] when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<Ttl>,
}

/// `POST /session/renew`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RenewSession {
    /// Which.
    #[serde(alias = "session_id")]
    pub session: SessionId,
}

/// `POST /session/close`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CloseSession {
    /// Which.
    #[serde(alias = "session_id")]
    pub session: SessionId,
}

impl Request for OpenSession {
    type Answer = SessionAnswer;

    const OPERATION: Operation = Operation::OpenSession;

    fn client(&self, _: Option<&IdempotencyKey>) -> SmolStr {
        self.client.clone().into_text()
    }

    fn subject(&self) -> SmolStr {
        SmolStr::default()
    }
}

impl Request for RenewSession {
    type Answer = SessionAnswer;

    const OPERATION: Operation = Operation::RenewSession;

    fn subject(&self) -> SmolStr {
        self.session.0.to_smolstr()
    }
}

impl Request for CloseSession {
    type Answer = SessionAnswer;

    const OPERATION: Operation = Operation::CloseSession;

    fn subject(&self) -> SmolStr {
        self.session.0.to_smolstr()
    }
}

/// 200 of all three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

impl Answer for SessionAnswer {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Opened { .. } => Outcome::Opened,
            Self::Renewed { .. } => Outcome::Renewed,
            Self::Closed { .. } => Outcome::Closed,
        }
    }
}
