//! Purge: messages are taken out unread.

use futures_util::future::join_all;
use orrery_api::queue::{Purge, Purged};
use orrery_base::error::ApiError;
use orrery_base::ids::GroupId;
use orrery_base::key::IdempotencyKey;
use orrery_queue::{PurgeWhat, QueueCommand, QueueReply, dead_letters_of};
use smol_str::SmolStr;

use super::redrive::PASSES_MAX;
use super::{Missing, QueueService, first_of, internal, validate};
use crate::cluster::retry_budget::RetryBudget;
use crate::host::Host;
use crate::service::lock::validate::name;
use crate::service::lock::watched::watched;
use crate::service::requests::Key;
use crate::service::verdict;

impl<H: Host> QueueService<H> {
    /// `POST /queue/purge`. Where a shard fails, the others have done it, and the answer says so: a retry completes it.
    pub async fn purge(&self, request: Purge, key: Option<IdempotencyKey>) -> Result<Purged, ApiError> {
        let key = self.key(key)?;
        validate::any_topic(&request.topic)?;
        if let Some(group) = &request.group {
            name("group", group)?;
        }
        let (topic, what) = match (dead_letters_of(&request.topic), request.what) {
            (None, what) => (request.topic.clone(), what.unwrap_or(PurgeWhat::All)),
            (Some(of), None | Some(PurgeWhat::Dead)) => (of.into(), PurgeWhat::Dead),
            (Some(_), Some(PurgeWhat::Ready | PurgeWhat::All)) => {
                return Err(ApiError::bad_request(
                    "A dead-letter topic has dead letters only: leave \"what\" out, or give \"dead\".",
                ));
            }
        };
        let run = async {
            let shards = self.shards().await?;
            let parts = shards.into_iter().map(async |shard| {
                let (topic, group) = (topic.clone(), request.group.clone());
                let command = QueueCommand::Purge { topic, what, group };
                (shard, self.purge_shard(shard, command, key.clone()).await)
            });
            let (mut purged, mut more, mut there) = (0, false, false);
            let (mut failed, mut missing) = (Vec::new(), None);
            for (shard, done) in join_all(parts).await {
                match done {
                    Ok(Ok((count, rest))) => {
                        there = true;
                        purged += count;
                        more |= rest;
                    }
                    Ok(Err(what)) => missing = missing.max(Some(what)),
                    Err(error) => failed.push((shard, error)),
                }
            }
            if !there {
                return Err(first_of(
                    failed,
                    Missing::told(missing, &request.topic, request.group.as_deref()),
                ));
            }
            let idempotency_key = (!failed.is_empty()).then(|| key.to_string());
            let failed = failed.iter().map(|(shard, error)| verdict::of_shard(*shard, error)).collect();
            let status = SmolStr::new_static("purged");
            Ok(Purged { status, topic: topic.clone(), purged, more, failed, idempotency_key })
        };
        watched(
            self.cluster.host(),
            &self.requests,
            &SmolStr::default(),
            "purge",
            || request.topic.clone(),
            run,
        )
        .await
    }

    /// One command after the other until nothing is left: how many went, and whether there are more. An error where the
    /// shard has no such topic or group.
    async fn purge_shard(
        &self,
        shard: GroupId,
        command: QueueCommand,
        mut key: Key,
    ) -> Result<Result<(u64, bool), Missing>, ApiError> {
        let budget = RetryBudget::<H::Runtime>::new(self.timeout());
        let (mut sum, mut rest) = (0, true);
        for pass in 0..PASSES_MAX {
            let Some(within) = budget.left() else { break };
            match self.mutate(shard, command.clone(), &key, within).await {
                Ok((_, QueueReply::Purged { purged, more })) => {
                    sum += purged;
                    rest = more;
                }
                Ok((_, QueueReply::NoSuchTopic)) if pass == 0 => return Ok(Err(Missing::Topic)),
                Ok((_, QueueReply::NoSuchGroup)) if pass == 0 => return Ok(Err(Missing::Group)),
                Ok((_, QueueReply::NoSuchTopic | QueueReply::NoSuchGroup)) => rest = false,
                Ok(_) => return Err(internal()),
                Err(error) if pass == 0 => return Err(error),
                // What was done is said; the rest is left.
                Err(_) => break,
            }
            if !rest {
                break;
            }
            // The client's key is that of the first command only.
            key = self.requests.own();
        }
        Ok(Ok((sum, rest)))
    }
}
