//! Names of messages, as the literature has them.

use orrery_cache::message::{AskKind, RecallKind};
use orrery_event::fact::Message;

/// The short name of a message, as in the Raft paper.
pub fn message_name(body: &Message) -> &'static str {
    match body {
        Message::Vote { pre: true, .. } => "PreVote",
        Message::Vote { pre: false, .. } => "RequestVote",
        Message::VoteReply { granted: true, .. } => "Vote +",
        Message::VoteReply { granted: false, .. } => "Vote −",
        Message::Append { entries: 0, .. } => "Heartbeat",
        Message::Append { .. } => "AppendEntries",
        Message::AppendReply { success: true, .. } => "Append +",
        Message::AppendReply { success: false, .. } => "Append −",
        Message::Snapshot { .. } => "InstallSnapshot",
        Message::SnapshotReply { .. } => "Snapshot +",
        Message::TransferLeader { .. } => "TransferLeader",
        Message::Forward { .. } => "Forward",
        Message::ForwardReply { .. } => "Forward +",
        Message::ReadIndex => "ReadIndex",
        Message::ReadIndexReply { .. } => "ReadIndex +",
        Message::CacheAsk { ask, .. } => ask_name(*ask),
        Message::CacheAnswer { done: true, .. } => "Line +",
        Message::CacheAnswer { done: false, .. } => "Line −",
        Message::CacheRecall { recall, .. } => recall_name(*recall),
        Message::CacheRecalled { dirty: true, .. } => "Ack, value",
        Message::CacheRecalled { dirty: false, .. } => "Ack",
    }
}

/// What a node asks the home of a cache line for, as the literature has it.
pub fn ask_name(ask: AskKind) -> &'static str {
    match ask {
        AskKind::Read => "GetS",
        AskKind::Own => "GetM",
        AskKind::Write => "Write",
        AskKind::WriteBack => "PutM",
        AskKind::Evict => "Evict",
    }
}

fn recall_name(recall: RecallKind) -> &'static str {
    match recall {
        RecallKind::Invalidate => "Inv",
        RecallKind::Fetch => "Fetch",
        RecallKind::FetchInvalidate => "Fetch-Inv",
        RecallKind::Settled => "Settled",
    }
}
