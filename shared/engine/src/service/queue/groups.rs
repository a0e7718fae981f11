//! Consumer groups: created and deleted on all shards.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use orrery_api::queue::{CreateGroup, DeleteGroup, GroupAnswer, GroupEnd};
use orrery_api::queue_view::{Groups, GroupsQuery};
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::GroupId;
use orrery_queue::{QueueCommand, QueueReply, StartFrom};

use super::known::Of;
use super::stats::Read;
use super::{QueueService, internal, no_group, partial};
use crate::host::Host;
use crate::peer::message::{Look, QueueAsk, QueueTold};
use crate::service::pipeline::{Caller, Serve};
use crate::service::requests::Key;
use crate::service::verdict;

/// Of a request's time, asking all shards about a group takes at most this part.
const ASK_PART: u32 = 2;

/// What the shards say of a group.
#[derive(Default)]
pub(super) struct Standing {
    /// Shards that have it.
    pub has: Vec<GroupId>,
    /// Shards that have it not.
    pub lacks: Vec<GroupId>,
    /// Some shard has the topic.
    pub topic: bool,
    /// The first shard's reason why it could not begin there.
    pub refused: Option<(GroupId, String)>,
    /// Shards that did not answer.
    pub silent: BTreeMap<GroupId, ApiError>,
}

impl<H: Host> Serve<CreateGroup> for QueueService<H> {
    /// On all shards or on none; where that cannot be kept, the error says what became of it in each.
    async fn serve(&self, request: CreateGroup, caller: Caller) -> Result<GroupAnswer, ApiError> {
        let CreateGroup { topic, group, from } = request;
        let of = (topic.into_text(), group.into_text());
        let given = caller.key.is_some();
        let key = caller.key(&self.requests, Duration::ZERO);
        let shards = self.shards().await?;
        let standing = self.standing(&of, &shards).await?;
        may_begin(&standing, &key)?;
        if let Some(first) = shards.first().filter(|_| !standing.topic) {
            self.topic_fits(*first, &of.0, &key, caller.asker.as_ref()).await?;
        }
        let existed = self.begin(&of, from, &shards, &key, given).await?;
        let status = if existed { GroupEnd::Exists } else { GroupEnd::Created };
        let (topic, group) = of;
        Ok(GroupAnswer { status, topic, group })
    }
}

impl<H: Host> Serve<DeleteGroup> for QueueService<H> {
    /// Nothing is deleted unless every shard answers; where one fails then, the error says what became of it in each, and a retry
    /// under the key completes it.
    async fn serve(&self, request: DeleteGroup, caller: Caller) -> Result<GroupAnswer, ApiError> {
        let DeleteGroup { topic, group } = request;
        let of = (topic.into_text(), group.into_text());
        let key = caller.key(&self.requests, Duration::ZERO);
        let shards = self.shards().await?;
        answers(&self.standing(&of, &shards).await?, &key)?;
        let (topic, group) = of.clone();
        let command = QueueCommand::DeleteGroup { topic, group };
        self.memory.deleted(&of);
        let (mut existed, mut done, mut failed) = (false, Vec::new(), Vec::new());
        for (shard, reply) in self.everywhere(&command, &shards, &key).await {
            match reply {
                Ok(QueueReply::GroupDeleted) => {
                    existed = true;
                    done.push(shard);
                }
                Ok(QueueReply::NoSuchTopic | QueueReply::NoSuchGroup) => done.push(shard),
                Ok(_) => failed.push((shard, internal())),
                Err(error) => failed.push((shard, error)),
            }
        }
        if !failed.is_empty() {
            return Err(partial("The group is not deleted everywhere", &done, failed, &key));
        }
        let (topic, group) = of;
        if !existed {
            return Err(no_group(&topic, &group));
        }
        Ok(GroupAnswer { status: GroupEnd::Deleted, topic, group })
    }
}

impl<H: Host> QueueService<H> {
    /// `GET /queue/groups?topic=`
    pub async fn groups(&self, query: GroupsQuery) -> Result<Groups, ApiError> {
        let topic = query.topic.into_text();
        let Read { found, unavailable } = self.figures(Some(&topic)).await?;
        let groups = found.into_iter().next().map(|topic| topic.groups).unwrap_or_default();
        Ok(Groups { topic, groups, unavailable })
    }

    /// The same command on these shards at once, each under the same key: they remember apart.
    async fn everywhere(
        &self,
        command: &QueueCommand,
        shards: &[GroupId],
        key: &Key,
    ) -> Vec<(GroupId, Result<QueueReply, ApiError>)> {
        let within = self.timeout();
        let replies = shards.iter().map(async |shard| {
            let reply = self.mutate(*shard, command.clone(), key, within).await;
            (*shard, reply.map(|(_, reply)| reply))
        });
        join_all(replies).await
    }

    /// What all shards say of a group, each linearizably.
    pub(super) async fn standing(&self, of: &Of, shards: &[GroupId]) -> Result<Standing, ApiError> {
        let (topic, group) = of.clone();
        let ask = QueueAsk::Begin { topic, group };
        let within = self.timeout() / ASK_PART;
        let questions = shards
            .iter()
            .map(|shard| self.ask(*shard, &ask, within).map(|told| (*shard, told.map(|(_, told)| told))));
        let mut standing = Standing::default();
        for (shard, told) in join_all(questions).await {
            match told {
                Ok(QueueTold::Begin { look, refused }) => {
                    standing.topic |= look != Look::NoTopic;
                    match look.began() {
                        Some(_) => standing.has.push(shard),
                        None => standing.lacks.push(shard),
                    }
                    if let Some(what) = refused {
                        standing.refused.get_or_insert((shard, what));
                    }
                }
                Ok(_) => return Err(internal()),
                Err(error) => drop(standing.silent.insert(shard, error)),
            }
        }
        Ok(standing)
    }

    /// Creates the group on these shards; whether it existed on all of them. Where one refuses it is taken back, unless the
    /// client gave the key; where one does not answer the next consume, or a retry, completes it.
    async fn begin(
        &self,
        of: &Of,
        from: StartFrom,
        shards: &[GroupId],
        key: &Key,
        given: bool,
    ) -> Result<bool, ApiError> {
        let (topic, group) = of.clone();
        let command = QueueCommand::CreateGroup { topic, group, from };
        let (mut existed, mut done, mut failed) = (true, Vec::new(), Vec::new());
        let mut created = Vec::new();
        for (shard, reply) in self.everywhere(&command, shards, key).await {
            match reply {
                Ok(QueueReply::Group { existed: here }) => {
                    existed &= here;
                    done.push(shard);
                    if !here {
                        created.push(shard);
                    }
                }
                Ok(_) => failed.push((shard, internal())),
                Err(error) => failed.push((shard, error)),
            }
        }
        if failed.is_empty() {
            let now_us = self.cluster.host().monotonic_us();
            for shard in done {
                self.memory.created(of, shard, now_us);
            }
            return Ok(existed);
        }
        let refused = failed.iter().all(|(_, error)| error.code == ErrorCode::LimitReached);
        if refused && !given {
            done = self.take_back(of, created).await;
        }
        Err(partial("The group did not begin everywhere", &done, failed, key))
    }

    /// Deletes what was just created. The shards where nobody knows whether that worked.
    async fn take_back(&self, of: &Of, shards: Vec<GroupId>) -> Vec<GroupId> {
        let (topic, group) = of.clone();
        let command = QueueCommand::DeleteGroup { topic, group };
        let key = self.requests.own();
        self.memory.deleted(of);
        let replies = self.everywhere(&command, &shards, &key).await;
        replies.into_iter().filter(|(_, reply)| reply.is_err()).map(|(shard, _)| shard).collect()
    }

    /// Sees to it that a group which consumes exists on all shards, so that what other groups acknowledge stays for it.
    /// Whether it does: not where there is no such topic.
    pub(super) async fn begin_to_consume(&self, of: &Of, shards: &[GroupId]) -> Result<Begun, ApiError> {
        let memory = &self.memory;
        let host = self.cluster.host();
        let shown = |shard| {
            let replica = self.replica(shard)?;
            Some(replica.state.read(|machine| Look::at(machine, &of.0, &of.1)).began().is_some())
        };
        if memory.missing(of, shards, shown, host.monotonic_us()).is_empty() {
            return Ok(Begun::Group);
        }
        let standing = self.standing(of, shards).await?;
        let now_us = host.monotonic_us();
        let key = self.requests.own();
        if standing.has.is_empty() {
            if !standing.topic {
                return Ok(Begun::NoTopic { silent: standing.silent });
            }
            may_begin(&standing, &key)?;
            self.begin(of, StartFrom::Earliest, shards, &key, false).await?;
            return Ok(Begun::Group);
        }
        for shard in &standing.has {
            memory.created(of, *shard, now_us);
        }
        if !standing.silent.is_empty() {
            memory.silent(of, now_us);
        }
        // It exists: where it is missing, a beginning or an end was interrupted, or goes on right now.
        if !standing.lacks.is_empty() {
            self.begin(of, StartFrom::Earliest, &standing.lacks, &key, false).await?;
            let again = self.standing(of, shards).await?;
            if let Some(has) = again.has.first().filter(|_| !again.lacks.is_empty()) {
                tracing::debug!(shard = %has, topic = %of.0, group = %of.1, "a group is being deleted");
                self.take_back(of, standing.lacks).await;
                return Err(super::group_deleted(&of.0, &of.1));
            }
        }
        Ok(Begun::Group)
    }
}

/// Why the group cannot begin on all shards that lack it.
fn may_begin(standing: &Standing, key: &Key) -> Result<(), ApiError> {
    answers(standing, key)?;
    match &standing.refused {
        Some((shard, what)) => {
            Err(ApiError { shard: Some(*shard), ..verdict::bound_reached(*shard, what, key) })
        }
        None => Ok(()),
    }
}

/// Nothing is sent to any shard while one does not answer.
fn answers(standing: &Standing, key: &Key) -> Result<(), ApiError> {
    match standing.silent.keys().next() {
        Some(shard) => Err(verdict::not_taken(*shard, "it does not answer", key)),
        None => Ok(()),
    }
}

/// What a consume finds before it looks for messages.
pub(super) enum Begun {
    Group,
    /// No shard that answered has such a topic.
    NoTopic {
        silent: BTreeMap<GroupId, ApiError>,
    },
}
