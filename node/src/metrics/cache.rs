//! Figures of the node's cache: what its copies and its homes counted, brought up to date when somebody asks.

use orrery_api::cache::StatsAnswer;
use parking_lot::Mutex;
use prometheus::{IntCounter, IntGauge, Registry};

/// One counter each. Nothing per address: how many there are is up to the clients.
pub(super) struct CacheCounters {
    counters: [IntCounter; COUNTED.len()],
    lines: IntGauge,
    bytes: IntGauge,
    /// The values that the counters have. Locked, so that two scrapes at once do not add the same difference twice.
    shown: Mutex<[u64; COUNTED.len()]>,
}

/// Name and help of each counter, in the order of [`counts`].
const COUNTED: [(&str, &str); 12] = [
    (
        "orrery_cache_hits_total",
        "Requests (reads, writes, deletions) that were answered from a copy of this node at once.",
    ),
    ("orrery_cache_misses_total", "Requests that needed the home of the line; a durable write always does."),
    ("orrery_cache_fills_from_home_total", "Copies that came from what was committed."),
    ("orrery_cache_fills_from_owner_total", "Copies that another owner gave up."),
    ("orrery_cache_invalidations_received_total", "Copies that a home took away."),
    ("orrery_cache_invalidations_sent_total", "Copies that this node took away as a home."),
    ("orrery_cache_write_backs_total", "Writes that were written back."),
    ("orrery_cache_evictions_total", "Copies that went because there was no more room."),
    ("orrery_cache_lost_writes_total", "Writes that were answered as not durable and are lost."),
    ("orrery_cache_revocations_total", "Owners that lost a line without an answer, at this node as a home."),
    (
        "orrery_cache_offers_total",
        "Writes that were answered as not durable and that no home knew for a time: offered until a home took or refused \
         them.",
    ),
    (
        "orrery_cache_unresolved_writes_total",
        "Writes that were answered as not durable, reached a home, and were overwritten before it was known whether they \
         took effect.",
    ),
];

fn counts(stats: &StatsAnswer) -> [u64; COUNTED.len()] {
    let StatsAnswer { stats, late, invalidations_sent, revocations, .. } = stats;
    [
        stats.hits,
        stats.misses,
        stats.fills_from_home,
        stats.fills_from_owner,
        stats.invalidations_received,
        *invalidations_sent,
        stats.write_backs,
        stats.evictions,
        stats.lost,
        *revocations,
        late.offered,
        late.unresolved,
    ]
}

impl CacheCounters {
    pub fn new(registry: &Registry) -> Self {
        let counters = COUNTED.map(|(name, help)| {
            let counter = IntCounter::new(name, help).expect("names are literals");
            registry.register(Box::new(counter.clone())).expect("names differ");
            counter
        });
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).expect("names are literals");
            registry.register(Box::new(gauge.clone())).expect("names differ");
            gauge
        };
        CacheCounters {
            counters,
            lines: gauge("orrery_cache_lines", "Copies at this node."),
            bytes: gauge("orrery_cache_bytes", "Bytes of their addresses and values."),
            shown: Mutex::default(),
        }
    }

    /// Brings them up to what was counted, which only grows within a boot.
    pub fn set(&self, stats: &StatsAnswer) {
        let mut shown = self.shown.lock();
        for ((counter, before), now) in self.counters.iter().zip(shown.iter_mut()).zip(counts(stats)) {
            counter.inc_by(now.saturating_sub(*before));
            *before = now.max(*before);
        }
        self.lines.set(super::signed(stats.stats.lines));
        self.bytes.set(super::signed(stats.stats.bytes));
    }
}
