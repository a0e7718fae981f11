//! A topic: its messages and its groups.

use std::collections::BTreeMap;

use orrery_base::ids::{LeaseMs, LogIndex};
use serde::{Deserialize, Serialize};

use super::aging::Aging;
use super::gone::Gone;
use super::group::Group;
use super::limits::QueueLimits;
use super::log::{Log, Place};
use super::step::Context;
use super::{ConsumerGroup, QueueFact};

/// What happened in a topic since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopicTotals {
    pub published: u64,
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

/// What left since the topic began: each message once, so that what was published is what is kept and what left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeftTotals {
    /// The last group that wanted it acknowledged it.
    pub acknowledged: u64,
    /// By retention (age or bytes), or as a dead letter above the bound.
    pub expired: u64,
    pub purged: u64,
    /// The only groups that had not acknowledged it were deleted.
    pub group_deleted: u64,
    /// No message, but deliveries: their consumer hung up before it could be told. `delivered` counts them, too.
    pub returned: u64,
}

impl LeftTotals {
    /// Messages that are gone.
    pub fn messages(&self) -> u64 {
        self.acknowledged + self.expired + self.purged + self.group_deleted
    }

    /// Adds those of another shard.
    pub fn add(&mut self, more: &LeftTotals) {
        let LeftTotals { acknowledged, expired, purged, group_deleted, returned } = more;
        self.acknowledged += acknowledged;
        self.expired += expired;
        self.purged += purged;
        self.group_deleted += group_deleted;
        self.returned += returned;
    }
}

impl TopicTotals {
    /// Adds those of another shard.
    pub fn add(&mut self, more: &TopicTotals) {
        // Named one by one, so that a new total is not forgotten here.
        let TopicTotals {
            published,
            delivered,
            redelivered,
            acknowledged,
            dead_lettered,
            redriven,
            expired,
            purged,
        } = more;
        self.published += published;
        self.delivered += delivered;
        self.redelivered += redelivered;
        self.acknowledged += acknowledged;
        self.dead_lettered += dead_lettered;
        self.redriven += redriven;
        self.expired += expired;
        self.purged += purged;
    }
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

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Topic {
    pub log: Log,
    /// A handful, bounded by `groups_per_topic_max`: a fork copies it.
    pub groups: BTreeMap<ConsumerGroup, Group>,
    pub totals: TopicTotals,
    pub left: LeftTotals,
    /// Messages before the groups' cursors may be wanted by nobody: they are looked for from this place on.
    pub sweep: Option<Place>,
    pub aging: Aging,
    /// What left whichever groups had it.
    pub gone: Gone,
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
        let oldest = self.aging.oldest(&self.log);
        let age = oldest.map(|oldest| oldest.since_ms.saturating_add(limits.retention_ms));
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
        self.aging.left(number);
        if let Some(place) = place {
            self.groups.values_mut().for_each(|group| group.message_left(place));
        }
        Some(stored.bytes())
    }

    /// Takes a message out if every group has done with it and at least one had it: a message that no group ever had
    /// stays for one that comes. The bytes that are free now.
    pub(super) fn remove_if_done(&mut self, number: LogIndex) -> Option<u64> {
        let place = self.log.place_of(number)?;
        let key = self.log.stored(number)?.key();
        let done = |group: &Group| group.is_done(number, place, key.as_ref());
        let had = |group: &Group| group.wants(place);
        if !self.groups.values().any(had) || !self.groups.values().all(done) {
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
