//! Counters of the queues: each message once in the cluster, at the leader of its shard. They are counted where entries are
//! applied, so they do not depend on whether events are recorded.

use orrery_shared::engine::QueueTotals;
use orrery_shared::queue::QueueUse;
use parking_lot::Mutex;
use prometheus::{IntCounter, IntGauge, Registry};

/// One counter or gauge each. Nothing per topic: how many there are is up to the clients.
pub(super) struct QueueCounters {
    counters: [IntCounter; COUNTED.len()],
    gauges: [IntGauge; SHOWN.len()],
    /// What the counters stand at, which two readers at once must not add twice.
    shown: Mutex<[u64; COUNTED.len()]>,
}

/// Name and help of each counter, in the order of [`counts`].
const COUNTED: [(&str, &str); 10] = [
    ("orrery_queue_published_total", "Messages in shards that this node led."),
    ("orrery_queue_delivered_total", "Deliveries from shards that this node led."),
    ("orrery_queue_redelivered_total", "Of these: second and later attempts."),
    ("orrery_queue_acknowledged_total", "Acknowledgements, likewise."),
    ("orrery_queue_dead_lettered_total", "Deliveries that failed for good, likewise."),
    ("orrery_queue_returned_total", "Deliveries whose consumer hung up before it was told, likewise."),
    ("orrery_queue_redriven_total", "Dead letters that were brought back, likewise."),
    (
        "orrery_queue_expired_total",
        "Messages that went by retention or above a bound of dead letters, likewise.",
    ),
    ("orrery_queue_purged_total", "Messages that were purged, once per group that had them, likewise."),
    (
        "orrery_queue_group_deleted_total",
        "Messages that went because only deleted groups had not acknowledged them, likewise.",
    ),
];

fn counts(totals: QueueTotals) -> [u64; COUNTED.len()] {
    // Named one by one, so that a new total is not forgotten here.
    let QueueTotals {
        published,
        delivered,
        redelivered,
        acknowledged,
        dead_lettered,
        returned,
        redriven,
        expired,
        purged,
        group_deleted,
    } = totals;
    [
        published,
        delivered,
        redelivered,
        acknowledged,
        dead_lettered,
        returned,
        redriven,
        expired,
        purged,
        group_deleted,
    ]
}

/// Name and help of each gauge, in the order of [`uses`].
const SHOWN: [(&str, &str); 7] = [
    ("orrery_queue_topics", "Topics in shards that this node leads, once per shard."),
    ("orrery_queue_groups", "Consumer groups there, once per shard."),
    ("orrery_queue_messages", "Messages that are kept there (depth), delayed and dead ones too."),
    ("orrery_queue_bytes", "Bytes of messages and keys there."),
    ("orrery_queue_lag", "Neither acknowledged nor dead there, summed over the groups."),
    ("orrery_queue_in_flight", "With consumers, summed over the groups."),
    ("orrery_queue_dead", "Dead letters there, summed over the groups."),
];

fn uses(used: QueueUse) -> [u64; SHOWN.len()] {
    let QueueUse { topics, groups, messages, bytes, lag, in_flight, dead } = used;
    [topics, groups, messages, bytes, lag, in_flight, dead]
}

impl QueueCounters {
    pub fn new(registry: &Registry) -> Self {
        let counters = COUNTED.map(|(name, help)| {
            let counter = IntCounter::new(name, help).expect("names are literals");
            registry.register(Box::new(counter.clone())).expect("names differ");
            counter
        });
        let gauges = SHOWN.map(|(name, help)| {
            let gauge = IntGauge::new(name, help).expect("names are literals");
            registry.register(Box::new(gauge.clone())).expect("names differ");
            gauge
        });
        QueueCounters { counters, gauges, shown: Mutex::default() }
    }

    /// Brings the counters up to the engine's totals, which only grow within a boot, and the gauges to what there is.
    pub fn set(&self, totals: QueueTotals, used: QueueUse) {
        let mut shown = self.shown.lock();
        for ((counter, before), now) in self.counters.iter().zip(shown.iter_mut()).zip(counts(totals)) {
            counter.inc_by(now.saturating_sub(*before));
            *before = now.max(*before);
        }
        for (gauge, now) in self.gauges.iter().zip(uses(used)) {
            gauge.set(super::signed(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_grow_to_the_totals_and_gauges_show_what_there_is() {
        let registry = Registry::new();
        let queues = QueueCounters::new(&registry);
        let totals = QueueTotals { expired: 3, purged: 2, redriven: 1, ..QueueTotals::default() };
        let used = QueueUse { messages: 9, lag: 7, ..QueueUse::default() };
        queues.set(totals, used);
        queues.set(totals, QueueUse { messages: 4, ..used });
        let counted = |name: &str| COUNTED.iter().position(|(counted, _)| *counted == name);
        let counter = |name| counted(name).map(|at| queues.counters[at].get());
        assert_eq!(counter("orrery_queue_expired_total"), Some(3));
        assert_eq!(counter("orrery_queue_purged_total"), Some(2));
        let shown = |name: &str| SHOWN.iter().position(|(shown, _)| *shown == name);
        let gauge = |name| shown(name).map(|at| queues.gauges[at].get());
        assert_eq!((gauge("orrery_queue_messages"), gauge("orrery_queue_lag")), (Some(4), Some(7)));
    }
}
