//! What a shard's leader counts of its queues: totals since its boot, and per topic what happened in the last seconds.
//!
//! Counted when an entry is applied, at the leader only: every message once in the cluster, and a log that is read
//! again after a restart makes no rate.

use crate::peer::message::Rate;
use std::collections::BTreeMap;
use std::ops::Add;

use orrery_queue::fact::DeadCause;
use orrery_queue::{QueueFact, TopicName};

/// Length of the window in seconds.
const WINDOW_S: u64 = 10;

/// Most topics with a window.
const TOPICS_MAX: usize = 1_024;

/// Counted over all topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueTotals {
    pub published: u64,
    pub delivered: u64,
    /// Of these: second and later attempts.
    pub redelivered: u64,
    pub acknowledged: u64,
    /// Deliveries that failed for good.
    pub dead_lettered: u64,
    /// Deliveries that never arrived, because the consumer hung up.
    pub returned: u64,
    /// Dead letters brought back.
    pub redriven: u64,
    /// Messages that went by retention, or as dead letters above their bound.
    pub expired: u64,
    /// Messages taken out by hand, once per group that had them.
    pub purged: u64,
    /// Messages that went because the only groups that had not acknowledged them were deleted.
    pub group_deleted: u64,
}

impl Add for QueueTotals {
    type Output = QueueTotals;

    fn add(self, other: QueueTotals) -> QueueTotals {
        QueueTotals {
            published: self.published + other.published,
            delivered: self.delivered + other.delivered,
            redelivered: self.redelivered + other.redelivered,
            acknowledged: self.acknowledged + other.acknowledged,
            dead_lettered: self.dead_lettered + other.dead_lettered,
            returned: self.returned + other.returned,
            redriven: self.redriven + other.redriven,
            expired: self.expired + other.expired,
            purged: self.purged + other.purged,
            group_deleted: self.group_deleted + other.group_deleted,
        }
    }
}

/// The counters of one shard at its leader.
#[derive(Debug, Default)]
pub struct Rates {
    totals: QueueTotals,
    windows: BTreeMap<TopicName, Window>,
    /// Monotonic microsecond since which this node leads without a break.
    since_us: u64,
}

/// One counter per second, reused round and round.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    seconds: [Second; WINDOW_S as usize],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// Which second of the monotonic clock.
    second: u64,
    enqueued: u64,
    dequeued: u64,
}

impl Window {
    fn at(&mut self, second: u64) -> &mut Second {
        let found = &mut self.seconds[(second % WINDOW_S) as usize];
        if found.second != second {
            *found = Second { second, ..Second::default() };
        }
        found
    }

    fn last(&self) -> u64 {
        self.seconds.iter().map(|second| second.second).max().unwrap_or_default()
    }
}

impl Rates {
    /// This node begins to lead: what it counted when it led before is no rate of now.
    pub fn begin(&mut self, now_us: u64) {
        self.since_us = now_us;
        self.windows.clear();
    }

    /// Counts what a fact says.
    pub fn count(&mut self, fact: &QueueFact, now_us: u64) {
        match fact {
            QueueFact::Published { topic, .. } => {
                self.totals.published += 1;
                if let Some(second) = self.second(topic, now_us) {
                    second.enqueued += 1;
                }
            }
            QueueFact::Acknowledged { topic, .. } => {
                self.totals.acknowledged += 1;
                if let Some(second) = self.second(topic, now_us) {
                    second.dequeued += 1;
                }
            }
            QueueFact::Delivered { attempt, .. } => {
                self.totals.delivered += 1;
                self.totals.redelivered += u64::from(*attempt > 1);
            }
            QueueFact::DeadLettered { cause, .. } => {
                self.totals.dead_lettered += 1;
                self.totals.returned += u64::from(*cause == DeadCause::HungUp);
            }
            QueueFact::Returned { .. } => self.totals.returned += 1,
            QueueFact::Redriven { .. } => self.totals.redriven += 1,
            QueueFact::Expired { .. } => self.totals.expired += 1,
            QueueFact::Purged { waiting, in_flight, dead, delayed, .. } => {
                self.totals.purged += waiting + in_flight + dead + delayed;
            }
            QueueFact::Freed { freed, .. } => self.totals.group_deleted += freed,
            QueueFact::Entered { .. }
            | QueueFact::Nacked { .. }
            | QueueFact::Extended { .. }
            | QueueFact::RedeliveryDue { .. }
            | QueueFact::GroupCreated { .. }
            | QueueFact::GroupDeleted { .. }
            | QueueFact::Held { .. } => {}
        }
    }

    /// None where there are too many topics at once: theirs read 0.
    fn second(&mut self, topic: &TopicName, now_us: u64) -> Option<&mut Second> {
        let now_s = now_us / 1_000_000;
        if !self.windows.contains_key(topic) {
            if self.windows.len() >= TOPICS_MAX {
                self.windows.retain(|_, window| window.last() + WINDOW_S > now_s);
            }
            if self.windows.len() >= TOPICS_MAX {
                return None;
            }
        }
        Some(self.windows.entry(topic.clone()).or_default().at(now_s))
    }

    pub fn totals(&self) -> QueueTotals {
        self.totals
    }

    /// Of one topic over the last [`WINDOW_S`] seconds, or since this node leads where that is less, but not less than
    /// a second.
    pub fn rate(&self, topic: &str, now_us: u64) -> Rate {
        let Some(window) = self.windows.get(topic) else { return Rate::default() };
        let now_s = now_us / 1_000_000;
        let first_s = (now_s + 1).saturating_sub(WINDOW_S);
        let within = window.seconds.iter().filter(|second| (first_s..=now_s).contains(&second.second));
        let (enqueued, dequeued) =
            within.fold((0, 0), |(e, d), second| (e + second.enqueued, d + second.dequeued));
        let began_us = self.since_us.max(first_s * 1_000_000);
        let seconds = (now_us.saturating_sub(began_us) as f64 / 1e6).max(1.0);
        Rate { enqueued: enqueued as f64 / seconds, dequeued: dequeued as f64 / seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_queue::fact::Had;

    const SECOND_US: u64 = 1_000_000;

    fn acknowledged(topic: &str) -> QueueFact {
        let (topic, group) = (topic.into(), "g".into());
        QueueFact::Acknowledged { topic, number: 1, group, had: Had::InFlight, freed_bytes: None }
    }

    #[test]
    fn a_rate_is_over_the_window_and_forgets_what_is_older() {
        let mut rates = Rates::default();
        rates.begin(100 * SECOND_US);
        for n in 0..100 {
            rates.count(&acknowledged("t"), 100 * SECOND_US + n * SECOND_US / 10);
        }
        let at = |rates: &Rates, s: u64| rates.rate("t", s * SECOND_US).dequeued;
        // 10 a second; the present second has only begun.
        assert_eq!(at(&rates, 105), 60.0 / 5.0, "six seconds have counts, five have passed");
        assert_eq!(at(&rates, 110), 90.0 / 9.0);
        assert_eq!(at(&rates, 115), 40.0 / 9.0);
        assert_eq!(at(&rates, 130), 0.0);
        assert_eq!(rates.rate("u", 105 * SECOND_US), Rate::default());
        assert_eq!(rates.totals().acknowledged, 100);
        rates.begin(131 * SECOND_US);
        rates.count(&acknowledged("t"), 131 * SECOND_US);
        assert_eq!(at(&rates, 131), 1.0, "at least a second");
    }

    #[test]
    fn topics_are_bounded_and_idle_ones_make_room() {
        let mut rates = Rates::default();
        for n in 0..TOPICS_MAX + 5 {
            rates.count(&acknowledged(&format!("t{n}")), SECOND_US);
        }
        assert_eq!(rates.windows.len(), TOPICS_MAX);
        assert_eq!(rates.totals().acknowledged, (TOPICS_MAX + 5) as u64);
        rates.count(&acknowledged("late"), 60 * SECOND_US);
        assert_eq!(rates.windows.len(), 1);
    }
}
