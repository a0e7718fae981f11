//! Consumer groups: created and deleted on all shards.

use futures_util::future::join_all;
use smol_str::{SmolStr, format_smolstr};

use super::known::Of;
use super::stats::Read;
use super::{QueueService, internal, no_group, validate};
use crate::api::queue::{CreateGroup, DeleteGroup, GroupAnswer};
use crate::api::queue_view::Groups;
use crate::engine::host::Host;
use crate::engine::lock_service::watched::watched;
use crate::error::ApiError;
use crate::ids::GroupId;
use crate::machine::IdempotencyKey;
use crate::queue::{QueueCommand, QueueReply, StartFrom};

/// Of a request's time, the first consume of a group waits at most this part for shards that do not answer.
const SPREAD_PART: u32 = 5;

impl<H: Host> QueueService<H> {
    /// `POST /queue/groups`. Where a shard fails, the others have the group: a retry completes it.
    pub async fn create_group(
        &self,
        request: CreateGroup,
        key: Option<IdempotencyKey>,
    ) -> Result<GroupAnswer, ApiError> {
        let CreateGroup { topic, group, from } = request;
        let key = self.key(key)?;
        validate::group(&topic, &group)?;
        let subject = || format_smolstr!("{topic} {group}");
        let run = async {
            let command = QueueCommand::CreateGroup { topic: topic.clone(), group: group.clone(), from };
            let of = (topic.clone(), group.clone());
            let mut existed = true;
            for (shard, reply) in self.everywhere(&command, &key).await? {
                let QueueReply::Group { existed: here } = reply? else { return Err(internal()) };
                self.engine.inner.queues.created(&of, shard, true, self.engine.host().monotonic_us());
                existed &= here;
            }
            let status = SmolStr::new_static(if existed { "exists" } else { "created" });
            Ok(GroupAnswer { status, topic: topic.clone(), group: group.clone() })
        };
        watched(&self.engine, &SmolStr::default(), "create group", subject, run).await
    }

    /// `POST /queue/groups/delete`. Where a shard fails, the others have deleted it: a retry completes it.
    pub async fn delete_group(
        &self,
        request: DeleteGroup,
        key: Option<IdempotencyKey>,
    ) -> Result<GroupAnswer, ApiError> {
        let DeleteGroup { topic, group } = request;
        let key = self.key(key)?;
        validate::group(&topic, &group)?;
        let subject = || format_smolstr!("{topic} {group}");
        let run = async {
            let command = QueueCommand::DeleteGroup { topic: topic.clone(), group: group.clone() };
            self.engine.inner.queues.deleted(&(topic.clone(), group.clone()));
            let mut existed = false;
            for (_, reply) in self.everywhere(&command, &key).await? {
                match reply? {
                    QueueReply::GroupDeleted => existed = true,
                    QueueReply::NoSuchTopic | QueueReply::NoSuchGroup => {}
                    _ => return Err(internal()),
                }
            }
            if !existed {
                return Err(no_group(&topic, &group));
            }
            let status = SmolStr::new_static("deleted");
            Ok(GroupAnswer { status, topic: topic.clone(), group: group.clone() })
        };
        watched(&self.engine, &SmolStr::default(), "delete group", subject, run).await
    }

    /// `GET /queue/groups?topic=`
    pub async fn groups(&self, topic: &SmolStr) -> Result<Groups, ApiError> {
        validate::any_topic(topic)?;
        let Read { found, unavailable } = self.figures(Some(topic)).await?;
        let groups = found.into_iter().next().map(|topic| topic.groups).unwrap_or_default();
        Ok(Groups { topic: topic.clone(), groups, unavailable })
    }

    /// The same command on all shards at once, each under the same key: they remember apart.
    async fn everywhere(
        &self,
        command: &QueueCommand,
        key: &IdempotencyKey,
    ) -> Result<Vec<(GroupId, Result<QueueReply, ApiError>)>, ApiError> {
        let shards = self.shards().await?;
        let within = self.timeout();
        let replies = shards.into_iter().map(async |shard| {
            let reply = self.mutate(shard, command.clone(), key, within).await;
            (shard, reply.map(|(_, reply)| reply))
        });
        Ok(join_all(replies).await)
    }

    /// Sees to it that a group which consumes exists on all shards, so that what other groups acknowledge stays for it.
    /// A shard that does not answer gets it at a later consume; until then only what is claimed there creates it.
    pub(super) async fn spread_group(&self, of: &Of, shards: &[GroupId]) {
        let memory = &self.engine.inner.queues;
        let host = self.engine.host();
        let shown = |shard| {
            let replica = self.replica(shard)?;
            Some(
                replica
                    .state
                    .read(|machine| machine.queue().is_some_and(|queue| queue.has_group(&of.0, &of.1))),
            )
        };
        let missing = memory.missing(of, shards, shown, host.monotonic_us());
        let within = self.timeout() / SPREAD_PART;
        let created = missing.into_iter().map(async |shard| {
            let (topic, group) = of.clone();
            let command = QueueCommand::CreateGroup { topic, group, from: StartFrom::Earliest };
            let key = self.engine.inner.requests.key();
            let done = self.mutate(shard, command, &key, within).await.is_ok();
            memory.created(of, shard, done, host.monotonic_us());
        });
        join_all(created).await;
    }
}
