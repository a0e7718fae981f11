//! Deliveries whose consumer went away before it could be told.

use super::QueueService;
use crate::api::queue::Delivered;
use crate::engine::host::Host;
use crate::queue::{ConsumerGroup, Handle, QueueCommand, TopicName};

impl<H: Host> QueueService<H> {
    /// Gives them back at once instead of after their visibility time-out. They count as attempts: whether the
    /// consumer got the answer is not known for sure. Where this fails, the time-out does the same later.
    pub(super) async fn give_back(&self, topic: TopicName, group: ConsumerGroup, deliveries: &[Delivered]) {
        let Some(shard) = deliveries.first().map(|delivery| delivery.id.shard) else { return };
        let handle =
            |delivery: &Delivered| Handle { number: delivery.id.number, receipt: Some(delivery.receipt) };
        let messages = deliveries.iter().map(handle).collect();
        let command = QueueCommand::Nack { topic, group, messages, delay_ms: 0 };
        let key = self.engine.inner.requests.key();
        if let Err(error) = self.mutate(shard, command, &key, self.timeout()).await {
            tracing::debug!(%shard, %error, "deliveries come back by their visibility time-out");
        }
    }
}
