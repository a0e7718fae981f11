//! Redrive: dead letters wait again in their topic.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use orrery_api::queue::{MESSAGE_IDS_MAX, Redrive, Redriven};
use orrery_base::error::ApiError;
use orrery_base::ids::{GroupId, LogIndex};
use orrery_base::key::IdempotencyKey;
use orrery_queue::{QueueCommand, QueueReply, dead_letters_of};
use smol_str::SmolStr;

use super::{Missing, QueueService, first_of, internal, validate};
use crate::cluster::retry_budget::RetryBudget;
use crate::host::Host;
use crate::service::lock::validate::name;
use crate::service::lock::watched::watched;
use crate::service::requests::Key;
use crate::service::verdict;

/// Most commands of one call in one shard.
pub(super) const PASSES_MAX: u32 = 256;

/// What came of one shard.
type Done = Result<(u64, u64), Missing>;

impl<H: Host> QueueService<H> {
    /// `POST /queue/redrive`. Where a shard fails, the others have done it, and the answer says so: a retry completes it.
    pub async fn redrive(&self, request: Redrive, key: Option<IdempotencyKey>) -> Result<Redriven, ApiError> {
        let key = self.key(key)?;
        validate::any_topic(&request.topic)?;
        if let Some(group) = &request.group {
            name("group", group)?;
        }
        let ids = request.message_ids.as_deref();
        if let Some(count) = ids.map(<[_]>::len).filter(|count| !(1..=MESSAGE_IDS_MAX).contains(count)) {
            return Err(ApiError::bad_request(format!(
                "\"message_ids\" has {count} ids; it must have 1 to {MESSAGE_IDS_MAX}."
            )));
        }
        let topic: SmolStr = dead_letters_of(&request.topic).unwrap_or(&request.topic).into();
        let run = async {
            let shards = self.shards().await?;
            let mut numbers = BTreeMap::<GroupId, Vec<LogIndex>>::new();
            for id in ids.unwrap_or_default() {
                numbers.entry(id.shard).or_default().push(id.number);
            }
            let is_asked = |shard: &GroupId| ids.is_none() || numbers.contains_key(shard);
            let parts = shards.into_iter().filter(is_asked).map(async |shard| {
                let numbers = numbers.get(&shard).cloned();
                let (topic, group) = (topic.clone(), request.group.clone());
                let command = QueueCommand::Redrive { topic, group, numbers };
                (shard, self.redrive_shard(shard, command, key.clone()).await)
            });
            let (mut redriven, mut left, mut there) = (0, 0, false);
            let (mut failed, mut missing) = (Vec::new(), None);
            for (shard, done) in join_all(parts).await {
                match done {
                    Ok(Ok((more_redriven, more_left))) => {
                        there = true;
                        redriven += more_redriven;
                        left += more_left;
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
            let status = SmolStr::new_static("redriven");
            Ok(Redriven { status, topic: topic.clone(), redriven, left, failed, idempotency_key })
        };
        watched(
            self.cluster.host(),
            &self.requests,
            &SmolStr::default(),
            "redrive",
            || request.topic.clone(),
            run,
        )
        .await
    }

    /// One command after the other until nothing is left: how many came back, and how many are left.
    async fn redrive_shard(
        &self,
        shard: GroupId,
        command: QueueCommand,
        mut key: Key,
    ) -> Result<Done, ApiError> {
        let budget = RetryBudget::<H::Runtime>::new(self.timeout());
        let (mut sum, mut rest) = (0, 0);
        for pass in 0..PASSES_MAX {
            let Some(within) = budget.left() else { break };
            match self.mutate(shard, command.clone(), &key, within).await {
                Ok((_, QueueReply::Redriven { redriven, left })) => {
                    sum += redriven;
                    rest = left;
                    // Nothing done: the rest cannot be brought back at all.
                    if left == 0 || redriven == 0 {
                        break;
                    }
                }
                Ok((_, QueueReply::NoSuchTopic)) if pass == 0 => return Ok(Err(Missing::Topic)),
                Ok((_, QueueReply::NoSuchGroup)) if pass == 0 => return Ok(Err(Missing::Group)),
                Ok((_, QueueReply::NoSuchTopic | QueueReply::NoSuchGroup)) => break,
                Ok(_) => return Err(internal()),
                Err(error) if pass == 0 => return Err(error),
                // What was done is said; the rest is left.
                Err(_) => break,
            }
            // The client's key is that of the first command only.
            key = self.requests.own();
        }
        Ok(Ok((sum, rest)))
    }
}
