//! Counters of the queues: each message once in the cluster, at the leader of its shard. They are counted where entries are
//! applied, so they do not depend on whether events are recorded.

use orrery_engine::QueueTotals;
use orrery_queue::QueueUse;
use parking_lot::Mutex;
use prometheus::{IntCounter, IntGauge, Registry};

/// One counter or gauge each. Nothing per topic: how many there are is up to the clients.
pub(super) struct QueueCounters {
    counters: [IntCounter; COUNTED.len()],
    gauges: [IntGauge; SHOWN.len()],
    /// The values that the counters have. Locked, so that two scrapes at once do not add the same difference twice.
    shown: Mutex<[u64; COUNTED.len()]>,
}

/// Name, help and value of one counter or gauge.
type Figure<T> = (&'static str, &'static str, fn(&T) -> u64);

const COUNTED: [Figure<QueueTotals>; 10] = [
    ("orrery_queue_published_total", "Messages in shards that this node led.", |totals| totals.published),
    ("orrery_queue_delivered_total", "Deliveries from shards that this node led.", |totals| totals.delivered),
    ("orrery_queue_redelivered_total", "Of these: second and later attempts.", |totals| totals.redelivered),
    ("orrery_queue_acknowledged_total", "Acknowledgements, likewise.", |totals| totals.acknowledged),
    ("orrery_queue_dead_lettered_total", "Deliveries that failed for good, likewise.", |totals| {
        totals.dead_lettered
    }),
    (
        "orrery_queue_returned_total",
        "Deliveries whose consumer hung up before it was told, likewise.",
        |totals| totals.returned,
    ),
    ("orrery_queue_redriven_total", "Dead letters that were brought back, likewise.", |totals| {
        totals.redriven
    }),
    (
        "orrery_queue_expired_total",
        "Messages that went by retention or above a bound of dead letters, likewise.",
        |totals| totals.expired,
    ),
    (
        "orrery_queue_purged_total",
        "Messages that were purged, once per group that had them, likewise.",
        |totals| totals.purged,
    ),
    (
        "orrery_queue_group_deleted_total",
        "Messages that went because only deleted groups had not acknowledged them, likewise.",
        |totals| totals.group_deleted,
    ),
];

const SHOWN: [Figure<QueueUse>; 7] = [
    ("orrery_queue_topics", "Topics in shards that this node leads, once per shard.", |used| used.topics),
    ("orrery_queue_groups", "Consumer groups there, once per shard.", |used| used.groups),
    ("orrery_queue_messages", "Messages that are kept there (depth), delayed and dead ones too.", |used| {
        used.messages
    }),
    ("orrery_queue_bytes", "Bytes of messages and keys there.", |used| used.bytes),
    ("orrery_queue_lag", "Neither acknowledged nor dead there, summed over the groups.", |used| used.lag),
    ("orrery_queue_in_flight", "With consumers, summed over the groups.", |used| used.in_flight),
    ("orrery_queue_dead", "Dead letters there, summed over the groups.", |used| used.dead),
];

impl QueueCounters {
    pub fn new(registry: &Registry) -> Self {
        let counters = COUNTED.map(|(name, help, _)| {
            let counter = IntCounter::new(name, help).expect("names are literals");
            registry.register(Box::new(counter.clone())).expect("names differ");
            counter
        });
        let gauges = SHOWN.map(|(name, help, _)| {
            let gauge = IntGauge::new(name, help).expect("names are literals");
            registry.register(Box::new(gauge.clone())).expect("names differ");
            gauge
        });
        QueueCounters { counters, gauges, shown: Mutex::default() }
    }

    /// Brings the counters up to the engine's totals, which only grow within a boot, and the gauges to what there is.
    pub fn set(&self, totals: QueueTotals, used: QueueUse) {
        let mut shown = self.shown.lock();
        for ((counter, before), (_, _, now)) in self.counters.iter().zip(shown.iter_mut()).zip(COUNTED) {
            let now = now(&totals);
            counter.inc_by(now.saturating_sub(*before));
            *before = now.max(*before);
        }
        for (gauge, (_, _, now)) in self.gauges.iter().zip(SHOWN) {
            gauge.set(super::signed(now(&used)));
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
        let counted = |name: &str| COUNTED.iter().position(|(counted, _, _)| *counted == name);
        let counter = |name| counted(name).map(|at| queues.counters[at].get());
        assert_eq!(counter("orrery_queue_expired_total"), Some(3));
        assert_eq!(counter("orrery_queue_purged_total"), Some(2));
        let shown = |name: &str| SHOWN.iter().position(|(shown, _, _)| *shown == name);
        let gauge = |name| shown(name).map(|at| queues.gauges[at].get());
        assert_eq!((gauge("orrery_queue_messages"), gauge("orrery_queue_lag")), (Some(4), Some(7)));
    }

    /// A total that is added has to be added here, and then to the counters.
    #[test]
    fn every_total_and_every_use_has_one_figure() {
        let totals = QueueTotals {
            published: 1,
            delivered: 2,
            redelivered: 4,
            acknowledged: 8,
            dead_lettered: 16,
            returned: 32,
            redriven: 64,
            expired: 128,
            purged: 256,
            group_deleted: 512,
        };
        assert_eq!(COUNTED.iter().map(|(_, _, value)| value(&totals)).sum::<u64>(), (1 << COUNTED.len()) - 1);
        let used = QueueUse { topics: 1, groups: 2, messages: 4, bytes: 8, lag: 16, in_flight: 32, dead: 64 };
        assert_eq!(SHOWN.iter().map(|(_, _, value)| value(&used)).sum::<u64>(), (1 << SHOWN.len()) - 1);
    }
}
