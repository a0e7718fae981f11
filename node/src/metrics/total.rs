//! A counter of something that is counted elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::{IntCounter, Registry};

/// Brought up to what was counted when somebody asks.
pub(super) struct Total {
    counter: IntCounter,
    /// The value that the counter has, so that two scrapes at once do not add the same difference twice.
    shown: AtomicU64,
}

impl Total {
    pub fn new(registry: &Registry, name: &str, help: &str) -> Total {
        let counter = IntCounter::new(name, help).expect("names are literals");
        registry.register(Box::new(counter.clone())).expect("names differ");
        Total { counter, shown: AtomicU64::new(0) }
    }

    /// So many since the boot; less than before changes nothing.
    pub fn set(&self, now: u64) {
        let before = self.shown.fetch_max(now, Ordering::Relaxed);
        self.counter.inc_by(now.saturating_sub(before));
    }
}
