//! Requests to the lock service.

use orrery_api::lock::{Acquire, Cancel, LockAnswer, Release, Renew, Transfer, WAIT_DEFAULT};
use orrery_base::error::ApiError;
use orrery_base::valid::{Name, Number};
use orrery_lock::{FencingToken, Mode};
use smol_str::SmolStr;

use super::{Answered, Prepared, ask, prepared, read};

/// On top of the time that the node itself may wait.
const ANSWER_SLACK_MS: u64 = 6_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockOperation {
    /// Take it, waiting at most ten seconds.
    Acquire,
    /// Take it or keep a place in the queue.
    Queue,
    Release,
    /// Begin its lease anew.
    Renew,
    Cancel,
    /// Hand it to somebody else.
    Transfer {
        fencing_token: FencingToken,
        to: SmolStr,
    },
}

/// One request as one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockAsk {
    pub operation: LockOperation,
    pub resource: SmolStr,
    pub client: SmolStr,
    pub mode: Mode,
    /// Length of the lease.
    pub ttl_ms: u64,
}

impl LockAsk {
    /// As the nodes read it; what is wrong with what was typed.
    pub fn prepared(&self) -> Result<Prepared, ApiError> {
        let (resource, client) = (Name::new(self.resource.clone())?, Name::new(self.client.clone())?);
        let (session, fencing_token) = (None, None);
        let ttl_ms = || Number::new(self.ttl_ms).map(Some);
        Ok(match &self.operation {
            LockOperation::Acquire | LockOperation::Queue => {
                let (mode, queue) = (self.mode, self.operation == LockOperation::Queue);
                let ttl_ms = ttl_ms()?;
                prepared(&Acquire { resource, client, session, mode, ttl_ms, wait_ms: None, queue })
            }
            LockOperation::Renew => {
                let ttl_ms = ttl_ms()?;
                prepared(&Renew { resource, client, session, fencing_token, ttl_ms })
            }
            LockOperation::Release => prepared(&Release { resource, client, session, fencing_token }),
            LockOperation::Cancel => prepared(&Cancel { resource, client, session }),
            LockOperation::Transfer { fencing_token, to } => {
                let (fencing_token, to, to_session) = (*fencing_token, Name::new(to.clone())?, None);
                prepared(&Transfer { resource, client, session, fencing_token, to, to_session })
            }
        })
    }

    /// Sends it to the node at `base` and waits for the answer.
    pub async fn send(&self, base: &str, key: &str) -> Answered<LockAnswer> {
        let waits = self.operation == LockOperation::Acquire;
        let timeout_ms = ANSWER_SLACK_MS + if waits { WAIT_DEFAULT.get() } else { 0 };
        ask(base, self.prepared(), key, timeout_ms, read).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn asking(operation: LockOperation, resource: &str) -> LockAsk {
        let (resource, client) = (resource.into(), "Ayu".into());
        LockAsk { operation, resource, client, mode: Mode::Shared, ttl_ms: 30_000 }
    }

    #[test]
    fn bodies_are_what_the_nodes_expect() {
        let written = |operation| {
            let Prepared { path, body } = asking(operation, "printer").prepared().expect("good names");
            (path, serde_json::from_str::<Value>(&body).expect("JSON"))
        };
        let queue = json!({
            "resource": "printer", "client": "Ayu", "mode": "shared", "ttl_ms": 30_000, "queue": true
        });
        assert_eq!(written(LockOperation::Queue), ("/lock/acquire", queue));
        let cancel = json!({ "resource": "printer", "client": "Ayu" });
        assert_eq!(written(LockOperation::Cancel), ("/lock/cancel", cancel));
        let hand_over = LockOperation::Transfer { fencing_token: 7, to: "Budi".into() };
        let transfer = json!({ "resource": "printer", "client": "Ayu", "fencing_token": 7, "to": "Budi" });
        assert_eq!(written(hand_over), ("/lock/transfer", transfer));
    }

    /// Who ends a wait gives no length of a lease.
    #[test]
    fn a_length_counts_only_where_there_is_a_lease() {
        let with = |operation| LockAsk { ttl_ms: 0, ..asking(operation, "printer") }.prepared();
        for operation in [LockOperation::Cancel, LockOperation::Release] {
            assert!(with(operation.clone()).is_ok(), "{operation:?}");
        }
        assert!(with(LockOperation::Renew).is_err());
    }

    #[test]
    fn what_was_typed_wrong_is_said_before_it_is_sent() {
        let error = asking(LockOperation::Acquire, " printer").prepared().expect_err("a space");
        assert_eq!(error.message, "\"resource\" must not begin or end with a space.");
    }
}
