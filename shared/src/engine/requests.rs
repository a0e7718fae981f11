//! Numbers of a node's requests, and idempotency keys for clients that bring none.

use std::sync::atomic::{AtomicU64, Ordering};

use smol_str::{SmolStr, format_smolstr};

use super::node::Local;
use crate::machine::IdempotencyKey;

/// Keys are minted under this many names in turn: the state machine bounds what it remembers per name.
const LANES: u64 = 4;

/// Counts a boot's requests.
#[derive(Debug)]
pub struct Requests {
    /// `node1.3.9f03c2aa`: no two boots of a cluster share it.
    prefix: SmolStr,
    next: AtomicU64,
}

impl Requests {
    /// None yet.
    pub fn new(local: &Local, random: u64) -> Self {
        // A node that lost its disk begins with boot 1 again; the random part keeps its keys apart.
        let prefix = format_smolstr!("{}.{}.{:08x}", local.name, local.boot, random >> 32);
        Requests { prefix, next: AtomicU64::new(1) }
    }

    /// The next request's number; starts at 1.
    pub fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A key that nobody else has.
    pub fn key(&self) -> IdempotencyKey {
        let number = self.number();
        IdempotencyKey { client: format_smolstr!("{}.{}", self.prefix, number % LANES), number }
    }
}
