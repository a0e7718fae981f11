//! The messages of a topic and their order.
//!
//! Invariants:
//! - a message is in `prompt` (it entered the order with its publish) or in `later` (it was published with a delay);
//! - the order is that of [`Place`]: `prompt` under the log index of the publish, and `entered` under the log index of
//!   the clock's advance that ended the delay. Places only grow, so a cursor never misses one;
//! - `bytes` is what all messages and keys have together.

use imbl::{OrdMap, OrdSet};
use orrery_base::ids::{LeaseMs, LogIndex};
use orrery_base::pages::Pages;
use serde::{Deserialize, Serialize};

use super::stored::Stored;

/// A place in a topic's order: the log index of the command by which the message entered it, and which one of those
/// that entered by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    pub index: LogIndex,
    pub n: u32,
}

impl Place {
    /// Of a message that is published without a delay.
    pub(super) fn prompt(number: LogIndex) -> Place {
        Place { index: number, n: 0 }
    }

    /// The first place after this one.
    pub(super) fn after(self) -> Place {
        Place { index: self.index, n: self.n + 1 }
    }
}

/// A message that was published with a delay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Later {
    pub stored: Stored,
    pub entry: Entry,
}

/// Whether a delayed message is in the order. The order of the variants is part of the snapshot format: add at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Entry {
    Due(LeaseMs),
    /// Of a snapshot before version 4. In memory it is [`Entry::Since`], from the publish on.
    Entered(Place),
    /// In the order, at this place, since this moment.
    Since(Place, LeaseMs),
}

/// All messages of one topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Log {
    pub prompt: Pages<Stored>,
    pub later: OrdMap<LogIndex, Later>,
    pub entered: OrdMap<Place, LogIndex>,
    /// Delayed messages that are not in the order yet.
    pub due: OrdSet<(LeaseMs, LogIndex)>,
    pub bytes: u64,
}

/// A message in the order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub place: Place,
    pub number: LogIndex,
    pub stored: &'a Stored,
}

impl Log {
    /// Messages of every kind.
    pub(super) fn depth(&self) -> u64 {
        (self.prompt.len() + self.later.len()) as u64
    }

    /// Messages in the order.
    pub(super) fn in_order(&self) -> u64 {
        (self.prompt.len() + self.entered.len()) as u64
    }

    /// Nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.prompt.is_empty() && self.later.is_empty()
    }

    /// A message by its number.
    pub(super) fn stored(&self, number: LogIndex) -> Option<&Stored> {
        self.prompt.get(number).or_else(|| self.later.get(&number).map(|later| &later.stored))
    }

    /// Where a message is in the order; none where it is not there (yet).
    pub(super) fn place_of(&self, number: LogIndex) -> Option<Place> {
        if self.prompt.contains(number) {
            return Some(Place::prompt(number));
        }
        match self.later.get(&number)?.entry {
            Entry::Entered(place) | Entry::Since(place, _) => Some(place),
            Entry::Due(_) => None,
        }
    }

    /// The first message at or after a place of the order.
    pub(super) fn next_from(&self, from: Place) -> Option<Found<'_>> {
        let first = if from.n == 0 { from.index } else { from.index.saturating_add(1) };
        let prompt = self.prompt.next_from(first);
        let entered = self.entered.get_next(&from);
        if let Some((place, number)) = entered
            && prompt.is_none_or(|(prompt, _)| *place < Place::prompt(prompt))
        {
            let stored = &self.later.get(number)?.stored;
            return Some(Found { place: *place, number: *number, stored });
        }
        prompt.map(|(number, stored)| Found { place: Place::prompt(number), number, stored })
    }

    /// The first message without a delay from that number on, and when it was published.
    pub(super) fn next_prompt(&self, from: LogIndex) -> Option<(LogIndex, LeaseMs)> {
        self.prompt.next_from(from).map(|(number, stored)| (number, stored.published_at_ms()))
    }

    /// The first message with a delay from that place of the order on, and when its delay was over.
    pub(super) fn next_entered(&self, from: Place) -> Option<(Place, LogIndex, LeaseMs)> {
        let (place, number) = self.entered.get_next(&from)?;
        let later = self.later.get(number)?;
        let since_ms = match later.entry {
            Entry::Since(_, since_ms) => since_ms,
            Entry::Due(_) | Entry::Entered(_) => later.stored.published_at_ms(),
        };
        Some((*place, *number, since_ms))
    }

    /// The message that was published first, delayed ones too.
    pub(super) fn oldest(&self) -> Option<(LogIndex, &Stored)> {
        let prompt = self.prompt.first();
        let later = self.later.get_min().map(|(number, later)| (*number, &later.stored));
        match (prompt, later) {
            (Some(prompt), Some(later)) => Some(if prompt.0 < later.0 { prompt } else { later }),
            (one, other) => one.or(other),
        }
    }

    /// Files a message; `due_ms` is when it enters the order, if not now.
    pub(super) fn insert(&mut self, number: LogIndex, stored: Stored, due_ms: Option<LeaseMs>) {
        match due_ms {
            None => self.insert_prompt(number, stored),
            Some(due_ms) => self.insert_later(number, Later { stored, entry: Entry::Due(due_ms) }),
        }
    }

    pub(super) fn insert_prompt(&mut self, number: LogIndex, stored: Stored) {
        self.bytes += stored.bytes();
        self.prompt.insert(number, stored);
    }

    pub(super) fn insert_later(&mut self, number: LogIndex, mut later: Later) {
        self.bytes += later.stored.bytes();
        match later.entry {
            Entry::Due(at) => {
                self.due.insert((at, number));
            }
            Entry::Entered(place) => {
                later.entry = Entry::Since(place, later.stored.published_at_ms());
                self.entered.insert(place, number);
            }
            Entry::Since(place, _) => {
                self.entered.insert(place, number);
            }
        }
        self.later.insert(number, later);
    }

    /// Puts a delayed message into the order.
    pub(super) fn enter(&mut self, number: LogIndex, place: Place) {
        let Some(later) = self.later.get_mut(&number) else { return };
        if let Entry::Due(at) = later.entry {
            later.entry = Entry::Since(place, at);
            self.due.remove(&(at, number));
            self.entered.insert(place, number);
        }
    }

    /// Takes a message out. What it was, and its place if it was in the order.
    pub(super) fn remove(&mut self, number: LogIndex) -> Option<(Stored, Option<Place>)> {
        let (stored, place) = match self.prompt.remove(number) {
            Some(stored) => (stored, Some(Place::prompt(number))),
            None => {
                let later = self.later.remove(&number)?;
                match later.entry {
                    Entry::Due(at) => {
                        self.due.remove(&(at, number));
                        (later.stored, None)
                    }
                    Entry::Entered(place) | Entry::Since(place, _) => {
                        self.entered.remove(&place);
                        (later.stored, Some(place))
                    }
                }
            }
        };
        self.bytes -= stored.bytes();
        Some((stored, place))
    }
}
