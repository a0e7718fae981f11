//! What commands, entries and outcomes are called in facts: a few words each.

use openraft::EntryPayload;
use orrery_base::ids::ClientName;
use orrery_cache::{CacheCommand, CacheReply};
use orrery_event::fact::EntrySummary;
use orrery_lock::{LockCommand, LockReply, SessionCommand, SessionReply};
use orrery_machine::{Command, ControlCommand, ControlReply, Operation, Reply, ShardCommand, ShardReply};
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
    match &command.operation {
        Operation::AdvanceClock { .. } => SmolStr::new_static("clock"),
        Operation::Lock(lock) => match lock {
            LockCommand::Acquire { resource, holder, .. } => {
                format_smolstr!("acquire {resource} {}", holder.client)
            }
            LockCommand::Release { resource, holder, .. } => {
                format_smolstr!("release {resource} {}", holder.client)
            }
            LockCommand::Renew { resource, holder, .. } => {
                format_smolstr!("renew {resource} {}", holder.client)
            }
            LockCommand::Cancel { resource, holder, .. } | LockCommand::Withdraw { resource, holder, .. } => {
                format_smolstr!("cancel {resource} {}", holder.client)
            }
        },
        Operation::Session(session) => match session {
            SessionCommand::Open { client, .. } => format_smolstr!("open session {client}"),
            SessionCommand::Renew { session } => format_smolstr!("renew session {}", session.0),
            SessionCommand::Close { session } => format_smolstr!("close session {}", session.0),
        },
        Operation::Control(control) => match control {
            ControlCommand::Form { .. } => SmolStr::new_static("form"),
            ControlCommand::Admit { name, .. } => format_smolstr!("admit {name}"),
            ControlCommand::Dismiss { name } => format_smolstr!("dismiss {name}"),
            ControlCommand::RaiseVersion { to, .. } => format_smolstr!("version {to}"),
            ControlCommand::PlaceShards { base, .. } => format_smolstr!("shard map {}", base + 1),
            ControlCommand::Leave { name } => format_smolstr!("leave {name}"),
            ControlCommand::Move { id, address } => format_smolstr!("move {id} to {address}"),
        },
        Operation::Queue(queue) => queue_command(queue),
        Operation::Cache(cache) => cache_command(cache),
        Operation::Shard(ShardCommand::Place { version, .. }) => format_smolstr!("place by map {version}"),
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
pub fn client(command: &Command) -> ClientName {
    match &command.operation {
        Operation::Lock(
            LockCommand::Acquire { holder, .. }
            | LockCommand::Release { holder, .. }
            | LockCommand::Renew { holder, .. }
            | LockCommand::Cancel { holder, .. }
            | LockCommand::Withdraw { holder, .. },
        ) => holder.client.clone(),
        Operation::Session(SessionCommand::Open { client, .. }) => client.clone(),
        Operation::Queue(QueueCommand::Consume { consumer, .. }) => consumer.clone(),
        Operation::Session(_)
        | Operation::AdvanceClock { .. }
        | Operation::Control(_)
        | Operation::Queue(_)
        | Operation::Cache(_)
        | Operation::Shard(_) => SmolStr::default(),
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
        Reply::Lock(lock) => match lock {
            LockReply::Acquired { .. } => "acquired",
            LockReply::Waiting { .. } => "waiting",
            LockReply::Busy { .. } => "busy",
            LockReply::Deadlock { .. } => "deadlock",
            LockReply::Released { .. } => "released",
            LockReply::Renewed { .. } => "renewed",
            LockReply::Cancelled => "cancelled",
            LockReply::NotWaiting => "not waiting",
            LockReply::NotHolder { .. } => "not holder",
            LockReply::LimitReached { .. } => "limit reached",
            LockReply::SessionExpired => "session expired",
        },
        Reply::Session(session) => match session {
            SessionReply::Opened { .. } => "opened",
            SessionReply::Renewed { .. } => "renewed",
            SessionReply::Closed { .. } => "closed",
            SessionReply::Expired => "expired",
            SessionReply::LimitReached { .. } => "limit reached",
        },
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
