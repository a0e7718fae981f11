//! Which message is too old next. Age counts from the moment at which a message became due: of its publish, of the end of
//! its delay, of the end of the delay with which it was given back.
//!
//! Messages became due in the order of their numbers (without a delay) or of their places (with one), so the oldest of each
//! kind is the first one. Those that were given back with a delay are the exceptions: they have an index of their own, and
//! the marks below have passed them.

use imbl::{OrdMap, OrdSet};
use orrery_base::ids::{LeaseMs, LogIndex};
use serde::{Deserialize, Serialize};

use super::log::{Log, Place};

/// What is kept for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Aging {
    /// Of those without a delay, all before this number are gone or postponed.
    pub prompt: LogIndex,
    /// Of those with one, all before this place are gone or postponed.
    pub entered: Place,
    /// Given back with a delay: from when their age counts.
    pub postponed: OrdMap<LogIndex, LeaseMs>,
    pub by_moment: OrdSet<(LeaseMs, LogIndex)>,
}

/// As it stands in a snapshot. The order of the fields is part of the format.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct AgingRecord {
    prompt: LogIndex,
    entered: Place,
    postponed: Vec<(LogIndex, LeaseMs)>,
}

/// The message that is the oldest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Oldest {
    /// From when its age counts.
    pub since_ms: LeaseMs,
    pub number: LogIndex,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Prompt,
    Entered(Place),
    Postponed,
}

impl Aging {
    /// A message was given back and is due again then. The latest moment counts, whichever group it was.
    pub(super) fn postpone(&mut self, number: LogIndex, until_ms: LeaseMs) {
        let before = self.postponed.get(&number).copied();
        if before >= Some(until_ms) {
            return;
        }
        if let Some(before) = before {
            self.by_moment.remove(&(before, number));
        }
        self.postponed.insert(number, until_ms);
        self.by_moment.insert((until_ms, number));
    }

    /// A message is gone.
    pub(super) fn left(&mut self, number: LogIndex) {
        if let Some(at) = self.postponed.remove(&number) {
            self.by_moment.remove(&(at, number));
        }
    }

    /// The oldest message in the order. One that was postponed may come earlier than it should: [`Aging::passes`] says so.
    pub(super) fn oldest(&self, log: &Log) -> Option<Oldest> {
        let prompt = log.next_prompt(self.prompt);
        let prompt = prompt.map(|(number, since_ms)| Oldest { since_ms, number, kind: Kind::Prompt });
        let entered = log.next_entered(self.entered);
        let entered =
            entered.map(|(place, number, since_ms)| Oldest { since_ms, number, kind: Kind::Entered(place) });
        let postponed = self.by_moment.get_min().map(|(since_ms, number)| Oldest {
            since_ms: *since_ms,
            number: *number,
            kind: Kind::Postponed,
        });
        let all = [prompt, entered, postponed].into_iter().flatten();
        all.min_by_key(|oldest| (oldest.since_ms, oldest.number))
    }

    /// Where that one was postponed, passes it: its age counts from later on.
    pub(super) fn passes(&mut self, oldest: Oldest) -> bool {
        if oldest.kind == Kind::Postponed || !self.postponed.contains_key(&oldest.number) {
            return false;
        }
        match oldest.kind {
            Kind::Prompt => self.prompt = oldest.number + 1,
            Kind::Entered(place) => self.entered = place.after(),
            Kind::Postponed => {}
        }
        true
    }

    pub(super) fn record(&self) -> AgingRecord {
        let postponed = self.postponed.iter().map(|(number, at)| (*number, *at));
        AgingRecord { prompt: self.prompt, entered: self.entered, postponed: postponed.collect() }
    }
}

impl From<AgingRecord> for Aging {
    fn from(AgingRecord { prompt, entered, postponed }: AgingRecord) -> Self {
        let mut aging = Aging { prompt, entered, ..Aging::default() };
        postponed.into_iter().for_each(|(number, at)| aging.postpone(number, at));
        aging
    }
}
