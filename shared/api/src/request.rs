//! What every request of a service has in common, whatever carries it: it can be checked, and it says what is asked, by whom
//! and about what. [`crate::lock`], [`crate::session`], [`crate::queue`] and [`crate::cache`] have the requests.

use orrery_base::error::ApiError;
use orrery_base::key::IdempotencyKey;
use smol_str::SmolStr;

use crate::operation::{Operation, Outcome};

/// A request to a service. Its fields are within their bounds, because their types have no other values.
pub trait Request {
    /// What it is answered.
    type Answer: Answer;

    /// What it asks for; [`Request::operation`] says it more exactly where that depends on the fields.
    const OPERATION: Operation;

    /// What this one asks for.
    fn operation(&self) -> Operation {
        Self::OPERATION
    }

    /// Checks what is about several fields, or about a list.
    ///
    /// # Errors
    /// What does not fit, as a sentence.
    fn check(&self) -> Result<(), ApiError> {
        Ok(())
    }

    /// Its idempotency key, where the header brought this one.
    ///
    /// # Errors
    /// The body brings one, too, and they are not the same.
    fn key(&self, header: Option<IdempotencyKey>) -> Result<Option<IdempotencyKey>, ApiError> {
        Ok(header)
    }

    /// Who asks, as the watchers are told; empty where nobody is named.
    fn client(&self, key: Option<&IdempotencyKey>) -> SmolStr {
        let _ = key;
        SmolStr::default()
    }

    /// About what, short, as the watchers are told: `printer X`.
    fn subject(&self) -> SmolStr;
}

/// What a request is answered that was not refused.
pub trait Answer {
    /// How the request ended.
    fn outcome(&self) -> Outcome;
}

/// Whose request it is where only its key says so.
pub(crate) fn client_of(key: Option<&IdempotencyKey>) -> SmolStr {
    key.map(|key| key.client.clone()).unwrap_or_default()
}
