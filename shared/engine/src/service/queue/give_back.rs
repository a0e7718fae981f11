//! Deliveries whose consumer went away before it could be told.

use orrery_api::queue::Delivered;
use orrery_base::ids::GroupId;
use orrery_machine::GIVE_BACK_SINCE;
use orrery_queue::{ConsumerGroup, Handle, QueueCommand, TopicName};

use super::QueueService;
use crate::host::Host;

impl<H: Host> QueueService<H> {
    /// Gives them back at once instead of after their visibility time-out. The consumer hung up before the answer was
    /// written: they do not count as attempts. Where this fails, the time-out ends them later, and they do.
    pub(super) async fn give_back(&self, topic: TopicName, group: ConsumerGroup, deliveries: &[Delivered]) {
        let Some(shard) = deliveries.first().map(|delivery| delivery.id.shard) else { return };
        let handle =
            |delivery: &Delivered| Handle { number: delivery.id.number, receipt: Some(delivery.receipt) };
        let messages = deliveries.iter().map(handle).collect();
        // A member that does not know the command yet could not apply it.
        let command = if self.command_version() >= GIVE_BACK_SINCE {
            QueueCommand::GiveBack { topic, group, messages }
        } else {
            QueueCommand::Nack { topic, group, messages, delay_ms: 0 }
        };
        let key = self.requests.own();
        if let Err(error) = self.mutate(shard, command, &key, self.timeout()).await {
            tracing::debug!(%shard, %error, "deliveries come back by their visibility time-out");
        }
    }

    /// The version of the commands that the cluster uses, as far as this node knows.
    pub(super) fn command_version(&self) -> u16 {
        let control = self.cluster.group(GroupId::CONTROL);
        control.map_or(0, |control| control.state.read(|machine| machine.cluster().version()))
    }
}
