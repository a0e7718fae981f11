//! What commands, entries and outcomes are called in facts: a few words each.

use openraft::EntryPayload;
use orrery_cache::{CacheCommand, CacheReply};
use orrery_event::fact::EntrySummary;
use orrery_lock::SessionCommand;
use orrery_machine::{Command, ControlCommand, ControlReply, Mutation, Reply, ShardCommand, ShardReply};
use orrery_queue::{QueueCommand, QueueReply};
use smol_str::{SmolStr, format_smolstr};

use crate::types::Entry;

/// What an entry is about.
pub fn entry(entry: &Entry) -> EntrySummary {
    let what = match &entry.payload {
        EntryPayload::Blank => SmolStr::new_static("blank"),
        EntryPayload::Membership(_) => SmolStr::new_static("membership"),
        EntryPayload::Normal(command) => self::command(command),
    };
    EntrySummary { index: entry.log_id.index, term: entry.log_id.leader_id.term, what }
}

/// What a command asks: `acquire printer Ayu`.
pub fn command(command: &Command) -> SmolStr {
    match &command.mutation {
        Mutation::AdvanceClock { .. } => SmolStr::new_static("clock"),
        Mutation::Lock(lock) => lock.summary(),
        Mutation::Session(session) => session.summary(),
        Mutation::Control(control) => match control {
            ControlCommand::Form { .. } => SmolStr::new_static("form"),
            ControlCommand::Admit { name, .. } => format_smolstr!("admit {name}"),
            ControlCommand::Dismiss { name } => format_smolstr!("dismiss {name}"),
            ControlCommand::RaiseVersion { to, .. } => format_smolstr!("version {to}"),
            ControlCommand::PlaceShards { base, .. } => format_smolstr!("shard map {}", base + 1),
            ControlCommand::Leave { name } => format_smolstr!("leave {name}"),
            ControlCommand::Move { id, address } => format_smolstr!("move {id} to {address}"),
        },
        Mutation::Queue(queue) => queue_command(queue),
        Mutation::Cache(cache) => cache_command(cache),
        Mutation::Shard(ShardCommand::Place { version, .. }) => format_smolstr!("place by map {version}"),
    }
}

/// What a command asks of the queues: `publish orders`.
fn queue_command(command: &QueueCommand) -> SmolStr {
    match command {
        QueueCommand::Publish { topic, key: Some(key), .. } => format_smolstr!("publish {topic} {key}"),
        QueueCommand::Publish { topic, .. } => format_smolstr!("publish {topic}"),
        QueueCommand::Consume { topic, consumer, .. } => format_smolstr!("consume {topic} {consumer}"),
        QueueCommand::Ack { topic, messages, .. } => format_smolstr!("ack {topic} {}", messages.len()),
        QueueCommand::Nack { topic, messages, .. } => format_smolstr!("nack {topic} {}", messages.len()),
        QueueCommand::Extend { topic, messages, .. } | QueueCommand::Prolong { topic, messages, .. } => {
            format_smolstr!("extend {topic} {}", messages.len())
        }
        QueueCommand::CreateGroup { topic, group, .. } => format_smolstr!("create group {topic} {group}"),
        QueueCommand::DeleteGroup { topic, group } => format_smolstr!("delete group {topic} {group}"),
        QueueCommand::Redrive { topic, .. } => format_smolstr!("redrive {topic}"),
        QueueCommand::Purge { topic, .. } => format_smolstr!("purge {topic}"),
        QueueCommand::SetLimits { .. } => SmolStr::new_static("queue limits"),
        QueueCommand::GiveBack { topic, messages, .. } => {
            format_smolstr!("give back {topic} {}", messages.len())
        }
    }
}

/// What a command asks of the cached values: `write user:7`.
fn cache_command(command: &CacheCommand) -> SmolStr {
    match command {
        CacheCommand::Begin { tenure } => format_smolstr!("home of term {tenure}"),
        CacheCommand::Open { tenure } => format_smolstr!("home of term {tenure} grants"),
        CacheCommand::Write { address, saves: Some(_), .. } => format_smolstr!("write back {address}"),
        CacheCommand::Write { address, value: None, .. } => format_smolstr!("delete {address}"),
        CacheCommand::Write { address, .. } => format_smolstr!("write {address}"),
        CacheCommand::Revoke { address, .. } => format_smolstr!("revoke {address}"),
    }
}

/// For which client a command is; empty for the cluster's own.
pub fn client(command: &Command) -> SmolStr {
    match &command.mutation {
        Mutation::Lock(lock) => lock.about().1.client.clone(),
        Mutation::Session(SessionCommand::Open { client, .. }) => client.clone(),
        Mutation::Queue(QueueCommand::Consume { consumer, .. }) => consumer.clone(),
        Mutation::Session(_)
        | Mutation::AdvanceClock { .. }
        | Mutation::Control(_)
        | Mutation::Queue(_)
        | Mutation::Cache(_)
        | Mutation::Shard(_) => SmolStr::default(),
    }
}

/// How a command ended.
pub fn reply(reply: &Reply) -> SmolStr {
    SmolStr::new_static(match reply {
        Reply::None => "done",
        Reply::KeyForgotten => "key too old",
        Reply::KeyReused => "key reused",
        Reply::TooManyKeys { .. } => "too many keys",
        Reply::Misplaced => "not for this group",
        Reply::Shard(ShardReply::Placed) => "placed",
        Reply::Shard(ShardReply::Older { .. }) => "older map",
        Reply::Lock(lock) => lock.word(),
        Reply::Session(session) => session.word(),
        Reply::Queue(queue) => queue_reply(queue),
        Reply::Cache(cache) => cache_reply(cache),
        Reply::Control(control) => match control {
            ControlReply::Done => "done",
            ControlReply::Admitted { .. } => "admitted",
            ControlReply::Refused { .. } => "refused",
        },
    })
}

fn cache_reply(reply: &CacheReply) -> &'static str {
    match reply {
        CacheReply::Begun { .. } => "begun",
        CacheReply::Opened => "opened",
        CacheReply::Written { .. } => "written",
        CacheReply::Deleted { .. } => "deleted",
        CacheReply::Revoked { .. } => "revoked",
        CacheReply::Stale { .. } => "stale",
        CacheReply::WrongVersion { .. } => "wrong version",
        CacheReply::OldTenure { .. } => "old tenure",
        CacheReply::Full { .. } => "limit reached",
        CacheReply::KeyForgotten => "key too old",
        CacheReply::KeyReused => "key reused",
        CacheReply::TooManyKeys { .. } => "too many keys",
    }
}

fn queue_reply(reply: &QueueReply) -> &'static str {
    match reply {
        QueueReply::Published { .. } => "published",
        QueueReply::Deliveries { messages, .. } if messages.is_empty() => "nothing",
        QueueReply::Deliveries { .. } | QueueReply::Claimed { .. } => "delivered",
        QueueReply::Outcomes { .. } => "settled",
        QueueReply::Group { existed: true } => "exists",
        QueueReply::Group { existed: false } => "created",
        QueueReply::GroupDeleted => "deleted",
        QueueReply::Redriven { .. } => "redriven",
        QueueReply::Purged { .. } => "purged",
        QueueReply::LimitsSet => "limits set",
        QueueReply::NoSuchTopic => "no such topic",
        QueueReply::NoSuchGroup => "no such group",
        QueueReply::LimitReached { .. } => "limit reached",
    }
}
