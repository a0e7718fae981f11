//! Publish: one message into its shard.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use orrery_api::queue::{Delay, MESSAGE_BYTES_MAX, Publish, Published};
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::GroupId;
use orrery_placement::Token;
use orrery_queue::{MessageId, QueueCommand, QueueReply};
use smol_str::SmolStr;

use super::{QueueService, internal, place};
use crate::host::Host;
use crate::raft::group::Group;
use crate::service::pipeline::{Caller, Serve};
use crate::service::quotas::Asker;
use crate::service::requests::Key;

impl<H: Host> Serve<Publish> for QueueService<H> {
    async fn serve(&self, request: Publish, caller: Caller) -> Result<Published, ApiError> {
        let Publish { topic, message, key: partition, delay_ms, .. } = request;
        let key = caller.key(&self.requests, Duration::ZERO);
        let partition = partition.map(SmolStr::from);
        let point = place::point(&topic, partition.as_deref(), &key.shown());
        let command = QueueCommand::Publish {
            topic: topic.into_text(),
            key: partition,
            message: Bytes::copy_from_slice(message.text().as_bytes()),
            delay_ms: delay_ms.map_or(0, Delay::get),
            wall_ms: self.cluster.host().wall_us() / 1_000,
        };
        self.publish_at(point, command, &key, caller.asker.as_ref()).await
    }
}

impl<H: Host> QueueService<H> {
    async fn publish_at(
        &self,
        point: Token,
        command: QueueCommand,
        key: &Key,
        asker: Option<&Asker>,
    ) -> Result<Published, ApiError> {
        let map = self.map().await?;
        let shard = place::shard(point, map.shards.len()).ok_or_else(internal)?;
        self.check_size(shard, &command)?;
        if let QueueCommand::Publish { topic, .. } = &command {
            self.topic_fits(shard, topic, key, asker).await?;
        }
        let (_, reply) = self.mutate(shard, command, key, self.timeout()).await?;
        let QueueReply::Published { number, .. } = reply else { return Err(internal()) };
        let replicas = map.shard(shard).map(|shard| shard.replicas.as_slice()).unwrap_or_default();
        Ok(Published {
            status: SmolStr::new_static("published"),
            message_id: MessageId { shard, number },
            shard,
            replicas: replicas.iter().map(|replica| replica.name.clone()).collect(),
        })
    }

    /// A shard's limits are its own and committed. Where it has no replica here, another shard's count: they are set
    /// together.
    fn check_size(&self, shard: GroupId, command: &QueueCommand) -> Result<(), ApiError> {
        let QueueCommand::Publish { message, .. } = command else { return Ok(()) };
        let committed = |group: Arc<Group<H>>| {
            group.state.read(|machine| machine.queue().map(|queue| queue.limits().message_bytes_max))
        };
        let most = self.cluster.group(shard).and_then(committed);
        let most = most.or_else(|| self.cluster.groups().into_iter().find_map(committed));
        let most = most.unwrap_or(MESSAGE_BYTES_MAX);
        let bytes = message.len() as u64;
        if bytes <= most {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorCode::TooLarge,
            format!("The message has {bytes} bytes of JSON text; at most {most} are allowed."),
        ))
    }
}
