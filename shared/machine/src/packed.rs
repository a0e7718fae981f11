//! An answer as it is kept, and what is known of a key.

use orrery_base::ids::LeaseMs;
use serde::{Deserialize, Serialize};

use super::Reply;

/// An answer as it is kept: encoded, because most are a few bytes then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Packed {
    /// Value of the lease clock at which it is over.
    pub expires_ms: LeaseMs,
    fingerprint: u64,
    reply: Box<[u8]>,
}

impl Packed {
    pub(super) fn new(reply: &Reply, fingerprint: u64, expires_ms: LeaseMs) -> Packed {
        let mut packed = Packed { expires_ms, fingerprint, reply: Box::default() };
        packed.replace(reply);
        packed
    }

    pub(super) fn replace(&mut self, reply: &Reply) {
        // Encoding into a growing buffer fails for no type of ours.
        self.reply = postcard::to_stdvec(reply).unwrap_or_default().into_boxed_slice();
    }

    /// Beside the struct itself.
    pub(super) fn bytes(&self) -> u64 {
        self.reply.len() as u64
    }

    /// To an operation of this fingerprint.
    pub(super) fn known(&self, fingerprint: u64) -> Known {
        if self.fingerprint != fingerprint {
            return Known::Reused;
        }
        self.reply().map_or(Known::TooOld, Known::Again)
    }

    /// What was encoded; this program decodes what it encoded.
    pub(super) fn reply(&self) -> Option<Reply> {
        postcard::from_bytes(&self.reply).ok()
    }
}

/// What is known of a key.
pub(super) enum Known {
    /// Nothing: apply the command.
    New,
    /// This operation was applied under it, and this was the answer.
    Again(Reply),
    /// Another operation was applied under it.
    Reused,
    /// It was forgotten, and is refused for good.
    TooOld,
    /// There is no room for one more; the sentence says which bound.
    Full(String),
}
