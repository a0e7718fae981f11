//! A topic: its messages and its groups.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::group::Group;
use super::limits::QueueLimits;
use super::log::{Log, Place};
use super::shard::Context;
use super::{ConsumerGroup, QueueFact};
use crate::ids::LogIndex;
use crate::lock::LeaseMs;

/// What happened in a topic since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicTotals {
    /// Messages published.
    pub published: u64,
    /// Deliveries, again-deliveries too.
    pub delivered: u64,
    /// Deliveries after the first one of their message to that group.
    pub redelivered: u64,
    /// Acknowledgements, once per message and group.
    pub acknowledged: u64,
    /// Messages that became dead letters, once per group.
    pub dead_lettered: u64,
    /// Dead letters brought back.
    pub redriven: u64,
    /// Messages (or, above the bound of dead letters, one group's share in them) that went by retention.
    pub expired: u64,
    /// Messages taken out by hand, as [`super::QueueReply::Purged`] counts them.
    pub purged: u64,
}

/// Waiting messages of a group that are not ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    blocked: u64,
    delayed: u64,
}

impl Held {
    fn of(group: &Group) -> Held {
        Held { blocked: group.parked.len() as u64, delayed: group.delayed.len() as u64 }
    }
}

/// One topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Topic {
    pub log: Log,
    /// A handful, bounded by `groups_per_topic_max`: a fork copies it.
    pub groups: BTreeMap<ConsumerGroup, Group>,
    pub totals: TopicTotals,
    /// Messages before the groups' cursors may be wanted by nobody: they are looked for from this place on.
    pub sweep: Option<Place>,
}

impl Topic {
    /// Nothing is in it and nobody reads it.
    pub(super) fn is_idle(&self) -> bool {
        self.groups.is_empty() && self.log.is_empty()
    }

    /// Earliest value of the lease clock at which something ends; 0 where work was left.
    pub(super) fn next_deadline(&self, limits: &QueueLimits) -> Option<LeaseMs> {
        if self.sweep.is_some() || self.is_over(limits) {
            return Some(0);
        }
        let due = self.log.due.get_min().map(|(at, _)| *at);
        let age = self.log.oldest().map(|(_, old)| old.published_at_ms().saturating_add(limits.retention_ms));
        let groups = self.groups.values().filter_map(Group::next_deadline);
        groups.chain(due).chain(age).min()
    }

    /// Whether a delay or a visibility runs.
    pub(super) fn leases_run(&self) -> bool {
        !self.log.due.is_empty() || self.groups.values().any(|group| group.next_deadline().is_some())
    }

    /// It has more bytes than the retention keeps.
    pub(super) fn is_over(&self, limits: &QueueLimits) -> bool {
        limits.retention_bytes.is_some_and(|most| self.log.bytes > most)
    }

    /// Takes a message out, of which no group has anything filed. The bytes that are free now.
    pub(super) fn remove(&mut self, number: LogIndex) -> Option<u64> {
        let (stored, place) = self.log.remove(number)?;
        if let Some(place) = place {
            self.groups.values_mut().for_each(|group| group.message_left(place));
        }
        Some(stored.bytes())
    }

    /// Takes a message out if every group has done with it (and there is one). The bytes that are free now.
    pub(super) fn remove_if_done(&mut self, number: LogIndex) -> Option<u64> {
        let place = self.log.place_of(number)?;
        let key = self.log.stored(number)?.key();
        let done = |group: &Group| group.is_done(number, place, key.as_ref());
        if self.groups.is_empty() || !self.groups.values().all(done) {
            return None;
        }
        self.remove(number)
    }

    /// What of each group's waiting messages is not ready: those behind their key, those given back with a delay. Groups
    /// without either are left out.
    pub(super) fn held(&self) -> Vec<(ConsumerGroup, Held)> {
        let held = self.groups.iter().map(|(name, group)| (name, Held::of(group)));
        held.filter(|(_, held)| *held != Held::default()).map(|(name, held)| (name.clone(), held)).collect()
    }

    /// Reports every group for which that is not what it was.
    pub(super) fn report_held(&self, before: Vec<(ConsumerGroup, Held)>, context: &mut Context<'_>) {
        for (name, group) in &self.groups {
            let was =
                before.iter().find(|(before, _)| before == name).map_or(Held::default(), |(_, was)| *was);
            let now = Held::of(group);
            if now != was {
                let (topic, group) = (context.topic.clone(), name.clone());
                let Held { blocked, delayed } = now;
                context.report(QueueFact::Held { topic, group, blocked, delayed });
            }
        }
    }

    /// The place before which every group has looked at everything; none where there is no group.
    pub(super) fn slowest(&self) -> Option<Place> {
        self.groups.values().map(|group| group.cursor).min()
    }
}
