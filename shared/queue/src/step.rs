//! What one command does, and what an operation on one topic needs to know.

use std::collections::BTreeSet;

use orrery_base::ids::{LeaseMs, LogIndex};

use super::limits::QueueLimits;
use super::{ConsumerGroup, QueueFact, TopicName};

/// What one command does, collected while it is applied.
#[derive(Debug, Default)]
pub struct Step {
    /// Its log index.
    pub index: LogIndex,
    /// What happened, in order.
    pub facts: Vec<QueueFact>,
    /// Groups for which a message became ready: a long poll that waits there should consume again.
    pub woken: BTreeSet<(TopicName, ConsumerGroup)>,
    /// Groups that were deleted: a long poll that waits there ends.
    pub deleted: BTreeSet<(TopicName, ConsumerGroup)>,
    /// Topics that began: a long poll that waits for one of them may begin its group.
    pub begun: BTreeSet<TopicName>,
}

/// What an operation on one topic needs to know and where it reports.
pub(super) struct Context<'a> {
    pub topic: &'a TopicName,
    pub limits: &'a QueueLimits,
    pub clock_ms: LeaseMs,
    pub step: &'a mut Step,
}

impl Context<'_> {
    /// The moment `length_ms` from now on the lease clock.
    pub(super) fn after(&self, length_ms: u64) -> LeaseMs {
        self.clock_ms.saturating_add(length_ms)
    }

    /// Something became ready for that group.
    pub(super) fn wake(&mut self, group: &ConsumerGroup) {
        self.step.woken.insert((self.topic.clone(), group.clone()));
    }

    pub(super) fn report(&mut self, fact: QueueFact) {
        self.step.facts.push(fact);
    }
}
