//! What a retry under the same idempotency key is told: the first outcome, with nothing in it that is not true any more.

use super::group::State;
use super::shard::Shard;
use super::step::Step;
use super::{Claimed, Delivery, QueueCommand, QueueReply};

impl Shard {
    /// The remembered answer of a command, asked for again. A consume's deliveries get their payloads again as long as
    /// they are in flight under that receipt; what was settled since, ran out or went is left out. Nothing changes: a
    /// visibility is what is left of it.
    pub fn replay(&mut self, command: &QueueCommand, remembered: QueueReply, _step: &mut Step) -> QueueReply {
        match (command, remembered) {
            (QueueCommand::Consume { topic, group, .. }, QueueReply::Claimed { messages }) => {
                let again = messages.iter().filter_map(|claimed| self.claimed_again(topic, group, *claimed));
                QueueReply::Deliveries { messages: again.collect(), more: self.ready(topic, group) }
            }
            (_, remembered) => remembered,
        }
    }

    fn claimed_again(&self, topic: &str, group: &str, claimed: Claimed) -> Option<Delivery> {
        let topic = self.topics.get(topic)?;
        let open = topic.groups.get(group)?.open.get(&claimed.number)?;
        let State::InFlight { visible_at_ms, .. } = open.state else { return None };
        let stored = topic.log.stored(claimed.number).filter(|_| open.receipt == Some(claimed.receipt))?;
        Some(stored.delivery(claimed.number, claimed.receipt, claimed.attempt, visible_at_ms))
    }
}
