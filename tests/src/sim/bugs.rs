//! Planted bugs: each is a rule of the protocol that is broken on purpose, to prove that the checks bite.
//! They live in the simulator's disk and clients; the product has no switch for them, but for those of the cache, which its
//! own tests break too.

use orrery_shared::cache::Broken;
use orrery_shared::engine::host::Write;

/// Which rules are broken. All are kept by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bugs {
    /// Entries are acknowledged before they are synced.
    pub ack_before_sync: bool,
    /// A vote is answered and never reaches the disk.
    pub vote_not_synced: bool,
    /// Reads are answered from what the node applied, without a read index.
    pub no_read_index: bool,
    /// Retries carry no idempotency key.
    pub no_dedupe: bool,
    /// Retries of queue requests carry no idempotency key.
    pub no_queue_dedupe: bool,
    /// Consumers count a delivery's visibility from the moment at which they received it.
    pub visibility_from_receipt: bool,
    /// Clients count a lease from the moment at which they received it.
    pub lease_from_receipt: bool,
    /// Rules of the cache.
    pub cache: Broken,
}

impl Bugs {
    /// Whether the disk answers this submission before it is written.
    pub fn acknowledges_early(self, writes: &[Write]) -> bool {
        self.ack_before_sync && writes.iter().any(|write| matches!(write, Write::Entries { .. }))
    }
}
