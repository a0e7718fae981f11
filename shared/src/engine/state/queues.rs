//! What the queue service asks of a shard's state machine beside the state itself.

use std::sync::Arc;

use super::StateMachine;
use crate::engine::host::Host;
use crate::engine::queue_service::{QueueTotals, Rate};
use crate::engine::signal::Signal;
use crate::queue::{ConsumerGroup, TopicName};

impl<H: Host> StateMachine<H> {
    /// A signal for messages that become ready for a consumer group, and whether some may be now.
    pub fn watch_ready(&self, topic: &TopicName, group: &ConsumerGroup) -> (Arc<Signal>, bool) {
        let mut inner = self.inner();
        let signal = inner.wakes.register(topic, group);
        let ready = inner.machine.queue().is_some_and(|queue| queue.ready(topic, group));
        (signal, ready)
    }

    /// What this node counted of the shard's queues while it led.
    pub fn queue_totals(&self) -> QueueTotals {
        self.inner().rates.totals()
    }

    /// How busy a topic is, as this leader counts it.
    pub fn rate(&self, topic: &str) -> Rate {
        self.inner().rates.rate(topic, self.shared.host.monotonic_us())
    }
}
