//! From a command to the file that does it, and to the one that refuses it beforehand.

use super::consume::Ask;
use super::limits::batch_refused;
use super::publish::Publish;
use super::settle::Settle;
use super::shard::Shard;
use super::step::Step;
use super::{QueueCommand, QueueReply};

impl Shard {
    /// Does what a command says. Log indexes grow from call to call: numbers and receipts come from them.
    pub fn apply(&mut self, command: &QueueCommand, step: &mut Step) -> QueueReply {
        match command {
            QueueCommand::Publish { topic, key, message, delay_ms, wall_ms } => {
                let publish = Publish { key: key.as_ref(), message, delay_ms: *delay_ms, wall_ms: *wall_ms };
                self.publish(topic, &publish, step)
            }
            QueueCommand::Consume { topic, group, consumer, max, visibility_ms } => {
                let ask = Ask { group, consumer, max: *max, visibility_ms: *visibility_ms };
                self.consume(topic, &ask, step)
            }
            QueueCommand::Ack { topic, group, messages } => {
                self.settle(topic, group, messages, Settle::Ack, step)
            }
            QueueCommand::Nack { topic, group, messages, delay_ms } => {
                let how = Settle::Nack { delay_ms: *delay_ms };
                self.settle(topic, group, messages, how, step)
            }
            QueueCommand::Extend { topic, group, messages, visibility_ms } => {
                let how = Settle::Extend { visibility_ms: *visibility_ms, never_shorter: false };
                self.settle(topic, group, messages, how, step)
            }
            QueueCommand::Prolong { topic, group, messages, visibility_ms } => {
                let how = Settle::Extend { visibility_ms: *visibility_ms, never_shorter: true };
                self.settle(topic, group, messages, how, step)
            }
            QueueCommand::CreateGroup { topic, group, from } => self.create_group(topic, group, *from, step),
            QueueCommand::DeleteGroup { topic, group } => self.delete_group(topic, group, step),
            QueueCommand::Redrive { topic, group, numbers } => {
                self.redrive(topic, group.as_ref(), numbers.as_deref(), step)
            }
            QueueCommand::Purge { topic, what, group } => self.purge(topic, *what, group.as_ref(), step),
            QueueCommand::SetLimits { limits } => self.set_limits(*limits),
            QueueCommand::GiveBack { topic, group, messages } => {
                self.settle(topic, group, messages, Settle::GiveBack, step)
            }
        }
    }

    /// The answer to a command that would be refused as things stand, before it is applied: it would change nothing.
    pub fn refusal(&self, command: &QueueCommand) -> Option<QueueReply> {
        match command {
            QueueCommand::Publish { topic, key, message, .. } => {
                self.refuse_publish(topic, key.as_ref(), message)
            }
            QueueCommand::Consume { topic, group, consumer, max, visibility_ms } => {
                let ask = Ask { group, consumer, max: *max, visibility_ms: *visibility_ms };
                self.consume_refused(topic, &ask)
            }
            QueueCommand::CreateGroup { topic, group, .. } => self.group_refused(topic, group),
            QueueCommand::Ack { topic, group, messages }
            | QueueCommand::Nack { topic, group, messages, .. }
            | QueueCommand::Extend { topic, group, messages, .. }
            | QueueCommand::Prolong { topic, group, messages, .. }
            | QueueCommand::GiveBack { topic, group, messages } => {
                batch_refused(messages.len()).or_else(|| self.not_there(topic, Some(group)))
            }
            QueueCommand::DeleteGroup { topic, group } => self.not_there(topic, Some(group)),
            QueueCommand::Redrive { topic, group, numbers } => {
                batch_refused(numbers.as_ref().map_or(0, Vec::len))
                    .or_else(|| self.not_there(topic, group.as_ref()))
            }
            QueueCommand::Purge { topic, group, .. } => self.not_there(topic, group.as_ref()),
            QueueCommand::SetLimits { .. } => None,
        }
    }
}
