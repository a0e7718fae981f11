//! What the queue service asks of a shard's state machine beside the state itself.

use std::sync::Arc;

use orrery_queue::{ConsumerGroup, QueueUse, TopicName};

use super::StateMachine;
use crate::host::Host;
use crate::queue_service::{Look, QueueTotals, Rate, Waiter};

impl<H: Host> StateMachine<H> {
    /// Is woken when messages become ready for a consumer group, it is deleted or its topic begins; and what is there now.
    pub fn watch_ready(&self, topic: &TopicName, group: &ConsumerGroup) -> (Arc<Waiter>, Look) {
        let mut inner = self.inner();
        let waiter = inner.wakes.register(topic, group);
        let look = Look::at(&inner.machine, topic, group);
        (waiter, look)
    }

    /// Whether somebody waits here for that group.
    #[cfg(test)]
    pub fn waits_for(&self, topic: &TopicName, group: &ConsumerGroup) -> bool {
        self.inner().wakes.waits(topic, group)
    }

    /// What this node counted of the shard's queues while it led.
    pub fn queue_totals(&self) -> QueueTotals {
        self.inner().rates.totals()
    }

    /// What the shard's queues have now; none where this node does not lead it.
    pub fn queue_use(&self) -> Option<QueueUse> {
        let leads = self.inner().leading.is_some();
        let (machine, _) = self.fork();
        machine.queue().filter(|_| leads).map(|queue| queue.used())
    }

    /// How busy a topic is, as this leader counts it.
    pub fn rate(&self, topic: &str) -> Rate {
        self.inner().rates.rate(topic, self.shared.host.monotonic_us())
    }
}
