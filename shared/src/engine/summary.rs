//! What commands, entries and outcomes are called in facts: a few words each.

use openraft::EntryPayload;
use smol_str::{SmolStr, format_smolstr};

use super::types::Entry;
use crate::event::fact::EntrySummary;
use crate::ids::ClientName;
use crate::lock::{LockCommand, LockReply, SessionCommand, SessionReply};
use crate::machine::{Command, ControlCommand, ControlReply, Operation, Reply};

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
            LockCommand::Cancel { resource, holder, .. } => {
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
        },
    }
}

/// For which client a command is; empty for the cluster's own.
pub fn client(command: &Command) -> ClientName {
    match &command.operation {
        Operation::Lock(
            LockCommand::Acquire { holder, .. }
            | LockCommand::Release { holder, .. }
            | LockCommand::Renew { holder, .. }
            | LockCommand::Cancel { holder, .. },
        ) => holder.client.clone(),
        Operation::Session(SessionCommand::Open { client, .. }) => client.clone(),
        Operation::Session(_) | Operation::AdvanceClock { .. } | Operation::Control(_) => SmolStr::default(),
    }
}

/// How a command ended.
pub fn reply(reply: &Reply) -> SmolStr {
    SmolStr::new_static(match reply {
        Reply::None => "done",
        Reply::KeyForgotten => "key forgotten",
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
        Reply::Control(control) => match control {
            ControlReply::Done => "done",
            ControlReply::Admitted { .. } => "admitted",
            ControlReply::Refused { .. } => "refused",
        },
    })
}
