//! Counters of the queues: each message once in the cluster, at the leader of its shard.

use orrery_shared::engine::QueueTotals;
use parking_lot::Mutex;
use prometheus::{IntCounter, Registry};

/// One counter each. Nothing per topic: how many there are is up to the clients.
pub(super) struct QueueCounters {
    published: IntCounter,
    delivered: IntCounter,
    redelivered: IntCounter,
    acknowledged: IntCounter,
    dead_lettered: IntCounter,
    /// What they stand at, which two readers at once must not add twice.
    shown: Mutex<QueueTotals>,
}

impl QueueCounters {
    pub fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help).expect("names are literals");
            registry.register(Box::new(counter.clone())).expect("names differ");
            counter
        };
        QueueCounters {
            published: counter("orrery_queue_published_total", "Messages in shards that this node led."),
            delivered: counter("orrery_queue_delivered_total", "Deliveries from shards that this node led."),
            redelivered: counter("orrery_queue_redelivered_total", "Of these: second and later attempts."),
            acknowledged: counter("orrery_queue_acknowledged_total", "Acknowledgements, likewise."),
            dead_lettered: counter(
                "orrery_queue_dead_lettered_total",
                "Deliveries that failed for good, likewise.",
            ),
            shown: Mutex::default(),
        }
    }

    /// Brings them up to the engine's totals, which only grow within a boot.
    pub fn set(&self, totals: QueueTotals) {
        let mut shown = self.shown.lock();
        let QueueTotals { published, delivered, redelivered, acknowledged, dead_lettered } = &mut *shown;
        for (counter, before, now) in [
            (&self.published, published, totals.published),
            (&self.delivered, delivered, totals.delivered),
            (&self.redelivered, redelivered, totals.redelivered),
            (&self.acknowledged, acknowledged, totals.acknowledged),
            (&self.dead_lettered, dead_lettered, totals.dead_lettered),
        ] {
            counter.inc_by(now.saturating_sub(*before));
            *before = now.max(*before);
        }
    }
}
