//! The limits of the queues: read from every shard, and changed in every shard by a committed command.

use futures_util::future::join_all;
use smol_str::SmolStr;

use super::stats::Read;
use super::{QueueAsk, QueueService, QueueTold, internal};
use crate::api::queue_limits::{LimitsAnswer, SetLimits, ShardLimits};
use crate::engine::host::Host;
use crate::engine::lock_service::watched::watched;
use crate::error::ApiError;
use crate::machine::IdempotencyKey;
use crate::queue::{QueueCommand, QueueReply};

impl<H: Host> QueueService<H> {
    /// `GET /queue/limits`
    pub async fn limits(&self) -> Result<LimitsAnswer, ApiError> {
        let Read { found, unavailable } = self.read_all(&QueueAsk::Limits).await?;
        let limits = found.into_iter().map(|(shard, _, told)| match told {
            QueueTold::Limits { limits } => Ok(ShardLimits { shard, limits }),
            _ => Err(internal()),
        });
        Ok(LimitsAnswer { shards: limits.collect::<Result<_, _>>()?, unavailable })
    }

    /// `POST /queue/limits`. Where a shard fails, the others have the new ones: a retry completes it.
    pub async fn set_limits(
        &self,
        request: SetLimits,
        key: Option<IdempotencyKey>,
    ) -> Result<LimitsAnswer, ApiError> {
        let key = self.key(key)?;
        let run = async {
            let LimitsAnswer { mut shards, unavailable } = self.limits().await?;
            for shard in &mut shards {
                shard.limits = request.apply(shard.limits).map_err(ApiError::bad_request)?;
            }
            let within = self.timeout();
            let changes = shards.iter().map(async |shard| {
                let command = QueueCommand::SetLimits { limits: shard.limits };
                match self.mutate(shard.shard, command, &key, within).await?.1 {
                    QueueReply::LimitsSet => Ok(()),
                    _ => Err(internal()),
                }
            });
            join_all(changes).await.into_iter().collect::<Result<(), ApiError>>()?;
            Ok(LimitsAnswer { shards, unavailable })
        };
        let empty = SmolStr::default;
        watched(&self.engine, &empty(), "queue limits", empty, run).await
    }
}
