//! The queues of one shard: its topics, and what is kept over all of them.
//!
//! Invariants, kept by [`Shard::edit`] (nothing else touches a topic):
//! - `bytes` and `groups` are the sums over the topics;
//! - `deadlines` has each topic's earliest deadline;
//! - a topic is there as long as it has a message or a group.
//!
//! The maps are persistent: a clone is a cheap fork that a snapshot can be encoded from.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use orrery_base::ids::{LeaseMs, LogIndex};

use super::limits::QueueLimits;
use super::step::{Context, Step};
use super::topic::Topic;
use super::{ConsumerGroup, QueueReply, QueueUse, TopicName};

/// All topics whose messages are in one Raft group. Equal after equal commands, whoever applies them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shard {
    /// The group's lease clock.
    pub(super) clock_ms: LeaseMs,
    pub(super) limits: QueueLimits,
    pub(super) topics: OrdMap<TopicName, Arc<Topic>>,
    /// Earliest deadline of each topic that has one.
    pub(super) deadlines: OrdSet<(LeaseMs, TopicName)>,
    pub(super) bytes: u64,
    pub(super) groups: u64,
}

impl Shard {
    /// Topics, and the messages that they keep.
    pub fn census(&self) -> (u64, u64) {
        let messages = self.topics.values().map(|topic| topic.log.depth());
        (self.topics.len() as u64, messages.sum())
    }

    /// The group's lease clock.
    pub fn clock_ms(&self) -> LeaseMs {
        self.clock_ms
    }

    /// The limits in force.
    pub fn limits(&self) -> &QueueLimits {
        &self.limits
    }

    /// Earliest value of the lease clock at which something ends by itself: an advance is due then. At or before the
    /// clock where a bound of one command left work: an advance to the same value goes on with it.
    pub fn next_deadline(&self) -> Option<LeaseMs> {
        self.deadlines.get_min().map(|(at, _)| *at)
    }

    /// Whether a delay or a visibility runs. Looks at every topic.
    pub fn leases_run(&self) -> bool {
        self.topics.values().any(|topic| topic.leases_run())
    }

    /// Whether a consume may find something for this group; not where there is no such group. A consume that found
    /// nothing although this said so has parked what it met behind its keys.
    pub fn ready(&self, topic: &str, group: &str) -> bool {
        let Some(topic) = self.topics.get(topic) else { return false };
        topic.groups.get(group).is_some_and(|group| group.may_claim(topic.log.in_order()))
    }

    /// Whether there is such a topic here.
    pub fn has_topic(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// Whether the topic has that group.
    pub fn has_group(&self, topic: &str, group: &str) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.groups.contains_key(group))
    }

    /// Log index of the command that began the group; none where there is no such group.
    pub fn group_began(&self, topic: &str, group: &str) -> Option<LogIndex> {
        Some(self.topics.get(topic)?.groups.get(group)?.began)
    }

    /// What of the bounds is used now. O(topics).
    pub fn used(&self) -> QueueUse {
        let mut used = QueueUse {
            topics: self.topics.len() as u64,
            groups: self.groups,
            bytes: self.bytes,
            ..QueueUse::default()
        };
        for topic in self.topics.values() {
            used.messages += topic.log.depth();
            for group in topic.groups.values() {
                used.lag += group.waiting(topic.log.in_order()) + group.in_flight;
                used.in_flight += group.in_flight;
                used.dead += group.dead.len() as u64;
            }
        }
        used
    }

    /// Does something with a topic, which begins to exist if it does not and stays only if something is in it then.
    pub(super) fn edit<T>(
        &mut self,
        name: &TopicName,
        step: &mut Step,
        edit: impl FnOnce(&mut Topic, &mut Context<'_>) -> T,
    ) -> T {
        let mut context = Context { topic: name, limits: &self.limits, clock_ms: self.clock_ms, step };
        if !self.topics.contains_key(name) {
            context.step.begun.insert(name.clone());
        }
        let shared = self.topics.entry(name.clone()).or_default();
        let topic = Arc::make_mut(shared);
        let before = Sums::of(topic, &self.limits);
        let held = topic.held();
        let done = edit(topic, &mut context);
        topic.report_held(held, &mut context);
        let after = Sums::of(topic, &self.limits);
        let idle = topic.is_idle();
        self.note(name, before, after);
        if idle {
            self.topics.remove(name);
        }
        done
    }

    /// Takes a topic's new sums in place of its old ones.
    fn note(&mut self, name: &TopicName, before: Sums, after: Sums) {
        self.bytes = self.bytes - before.bytes + after.bytes;
        self.groups = self.groups - before.groups + after.groups;
        if before.deadline != after.deadline {
            self.set_deadline(name, before.deadline, after.deadline);
        }
    }

    fn set_deadline(&mut self, name: &TopicName, before: Option<LeaseMs>, after: Option<LeaseMs>) {
        if let Some(before) = before {
            self.deadlines.remove(&(before, name.clone()));
        }
        if let Some(after) = after {
            self.deadlines.insert((after, name.clone()));
        }
    }

    /// Takes a topic into the sums that was filled otherwise (from a snapshot).
    pub(super) fn count_in(&mut self, name: &TopicName) {
        let Some(topic) = self.topics.get(name) else { return };
        let sums = Sums::of(topic, &self.limits);
        self.note(name, Sums::default(), sums);
    }

    pub(super) fn set_limits(&mut self, limits: QueueLimits) -> QueueReply {
        // Bounded by the number of topics: each one's deadline depends on the retention.
        let old = std::mem::replace(&mut self.limits, limits);
        let changes: Vec<_> = self
            .topics
            .iter()
            .map(|(name, topic)| (name.clone(), topic.next_deadline(&old), topic.next_deadline(&limits)))
            .filter(|(_, before, after)| before != after)
            .collect();
        for (name, before, after) in changes {
            self.set_deadline(&name, before, after);
        }
        QueueReply::LimitsSet
    }

    /// The refusal of a command that would make one more topic, group or both than there may be.
    pub(super) fn growth_refused(
        &self,
        topic: &TopicName,
        group: Option<&ConsumerGroup>,
    ) -> Option<QueueReply> {
        let limits = &self.limits;
        let found = self.topics.get(topic);
        let known = |group| found.is_some_and(|topic| topic.groups.contains_key(group));
        let what = if found.is_none() && self.topics.len() as u64 >= u64::from(limits.topics_max) {
            format!("this shard has {} topics, which is its bound", limits.topics_max)
        } else if group.is_none_or(known) {
            return None;
        } else if found.map_or(0, |topic| topic.groups.len() as u64) >= u64::from(limits.groups_per_topic_max)
        {
            format!("{topic} has {} consumer groups, which is its bound", limits.groups_per_topic_max)
        } else if self.groups >= u64::from(limits.groups_max) {
            format!("this shard has {} consumer groups, which is its bound", limits.groups_max)
        } else {
            return None;
        };
        Some(QueueReply::LimitReached { what })
    }
}

/// What the shard keeps of each topic.
#[derive(Clone, Copy, Default)]
struct Sums {
    bytes: u64,
    groups: u64,
    deadline: Option<LeaseMs>,
}

impl Sums {
    fn of(topic: &Topic, limits: &QueueLimits) -> Sums {
        Sums {
            bytes: topic.log.bytes,
            groups: topic.groups.len() as u64,
            deadline: topic.next_deadline(limits),
        }
    }
}
