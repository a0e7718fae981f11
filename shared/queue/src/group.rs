//! A consumer group: a cursor in its topic's order, and what is exceptional behind it.
//!
//! Invariants, kept by [`Group::put`], [`Group::take`] and [`Group::promote`] (nothing else touches an index):
//! - a message is open (in `open`), parked (in `parked`), ahead of the cursor, or acknowledged: exactly one of them;
//! - `lanes` has, per partition key, the one open message that is not dead; behind it the later ones are parked;
//! - `ready`, `dead`, `delayed`, `deadlines`, `consumers` and `in_flight` follow from `open`.

use imbl::{OrdMap, OrdSet};
use orrery_base::ids::{LeaseMs, LogIndex};
use serde::{Deserialize, Serialize};

use super::fact::{DeadCause, Had};
use super::gone::{Gone, GoneCause};
use super::log::Place;
use super::{ConsumerName, PartitionKey, Receipt};

/// One consumer group of a topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Group {
    /// Log index of the command that began it: another one of its name has another.
    pub began: LogIndex,
    /// The first place of the order that it wants. What is before was never its: it neither has it nor is done with it.
    pub start: Place,
    /// The first place of the order that it has not looked at.
    pub cursor: Place,
    /// Messages that are still in the order before the cursor: so that what is ahead needs no counting.
    pub behind: u64,
    pub open: OrdMap<LogIndex, Open>,
    pub ready: OrdMap<Place, LogIndex>,
    pub lanes: OrdMap<PartitionKey, LogIndex>,
    pub parked: OrdSet<Parked>,
    pub dead: OrdSet<LogIndex>,
    /// Given back with a delay that still runs.
    pub delayed: OrdSet<LogIndex>,
    /// When a visibility or the delay of a message that was given back ends.
    pub deadlines: OrdSet<(LeaseMs, LogIndex)>,
    /// In-flight messages of each consumer that has some.
    pub consumers: OrdMap<ConsumerName, u32>,
    pub in_flight: u64,
    /// What it acknowledged, or lost otherwise while the message may be there for others.
    pub gone: Gone,
    pub totals: GroupTotals,
    pub left: GroupLeft,
}

/// What a group did since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupTotals {
    pub delivered: u64,
    /// Deliveries after the first one of their message.
    pub redelivered: u64,
    pub acknowledged: u64,
    /// Messages that became dead letters.
    pub dead_lettered: u64,
}

/// What else a group counts since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLeft {
    /// Dead letters brought back.
    pub redriven: u64,
    /// Messages that it had and that went by retention, or above the bound of its dead letters.
    pub expired: u64,
    /// Messages that it had and that were taken out by hand.
    pub purged: u64,
}

/// A message that the group has claimed at least once (or that it will get next) and not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    pub place: Place,
    pub key: Option<PartitionKey>,
    pub attempts: u32,
    /// Of the last delivery, as long as an ack of it counts: until it is given back or there is a newer one.
    pub receipt: Option<Receipt>,
    pub state: State,
}

/// Where an open message is. The order of the variants is part of the snapshot format: add at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    InFlight {
        consumer: ConsumerName,
        visible_at_ms: LeaseMs,
    },
    /// For the next consume.
    Ready,
    /// Given back with a delay.
    Later {
        at_ms: LeaseMs,
    },
    Dead {
        cause: DeadCause,
        at_ms: LeaseMs,
    },
}

/// A message that waits because an earlier one of its key is not acknowledged. Ordered by key, then by place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Parked {
    pub key: PartitionKey,
    pub place: Place,
    pub number: LogIndex,
}

impl Open {
    /// A message that was never delivered (or is brought back).
    pub(super) fn fresh(place: Place, key: Option<PartitionKey>) -> Open {
        Open { place, key, attempts: 0, receipt: None, state: State::Ready }
    }

    fn lane(&self) -> Option<&PartitionKey> {
        self.key.as_ref().filter(|_| !self.is_dead())
    }

    pub(super) fn is_dead(&self) -> bool {
        matches!(self.state, State::Dead { .. })
    }

    pub(super) fn had(&self) -> Had {
        match self.state {
            State::InFlight { .. } => Had::InFlight,
            State::Ready | State::Later { .. } => Had::Waiting,
            State::Dead { .. } => Had::Dead,
        }
    }

    fn deadline(&self) -> Option<LeaseMs> {
        match self.state {
            State::InFlight { visible_at_ms: at, .. } | State::Later { at_ms: at } => Some(at),
            State::Ready | State::Dead { .. } => None,
        }
    }
}

impl Group {
    /// Files an open message under its number.
    pub(super) fn put(&mut self, number: LogIndex, open: Open) {
        if let Some(key) = open.lane() {
            self.lanes.insert(key.clone(), number);
        }
        if let Some(at) = open.deadline() {
            self.deadlines.insert((at, number));
        }
        match &open.state {
            State::InFlight { consumer, .. } => {
                *self.consumers.entry(consumer.clone()).or_insert(0) += 1;
                self.in_flight += 1;
            }
            State::Ready => {
                self.ready.insert(open.place, number);
            }
            State::Later { .. } => {
                self.delayed.insert(number);
            }
            State::Dead { .. } => {
                self.dead.insert(number);
            }
        }
        self.open.insert(number, open);
    }

    /// Takes an open message out. Whoever does not put it back alive calls [`Group::promote`] with its key.
    pub(super) fn take(&mut self, number: LogIndex) -> Option<Open> {
        let open = self.open.remove(&number)?;
        if let Some(key) = open.lane() {
            self.lanes.remove(key);
        }
        if let Some(at) = open.deadline() {
            self.deadlines.remove(&(at, number));
        }
        match &open.state {
            State::InFlight { consumer, .. } => {
                if let Some(count) = self.consumers.get_mut(consumer) {
                    *count -= 1;
                    if *count == 0 {
                        self.consumers.remove(consumer);
                    }
                }
                self.in_flight -= 1;
            }
            State::Ready => {
                self.ready.remove(&open.place);
            }
            State::Later { .. } => {
                self.delayed.remove(&number);
            }
            State::Dead { .. } => {
                self.dead.remove(&number);
            }
        }
        Some(open)
    }

    /// Where nobody holds this key any more, its first parked message is ready. (One ahead of the cursor
    /// may be claimable then, too.)
    pub(super) fn promote(&mut self, key: Option<&PartitionKey>) {
        let Some(key) = key.filter(|key| !self.lanes.contains_key(*key)) else { return };
        let Some(next) = self.first_parked(key).cloned() else { return };
        self.parked.remove(&next);
        self.put(next.number, Open::fresh(next.place, Some(next.key)));
    }

    /// The first message that waits behind this key.
    pub(super) fn first_parked(&self, key: &PartitionKey) -> Option<&Parked> {
        let first = Parked { key: key.clone(), place: Place::default(), number: 0 };
        self.parked.get_next(&first).filter(|next| next.key == *key)
    }

    /// Makes the group done with a message that it has not acknowledged, and says how it had it. None where it had it
    /// not: ahead of the cursor nothing is filed.
    pub(super) fn drop_message(
        &mut self,
        number: LogIndex,
        place: Place,
        key: Option<&PartitionKey>,
    ) -> Option<Had> {
        if let Some(open) = self.take(number) {
            self.promote(open.key.as_ref());
            return Some(open.had());
        }
        let parked = Parked { key: key?.clone(), place, number };
        self.parked.remove(&parked).map(|_| Had::Waiting)
    }

    /// Whether the group does not want (any more) what is at that place: it acknowledged it, lost it or skipped it.
    pub(super) fn is_done(&self, number: LogIndex, place: Place, key: Option<&PartitionKey>) -> bool {
        place < self.cursor
            && !self.open.contains_key(&number)
            && !key.is_some_and(|key| self.parked.contains(&Parked { key: key.clone(), place, number }))
    }

    /// Whether a message at that place was for this group at all.
    pub(super) fn wants(&self, place: Place) -> bool {
        place >= self.start
    }

    /// Notes an acknowledged number.
    pub(super) fn acknowledge(&mut self, number: LogIndex) {
        self.totals.acknowledged += 1;
        self.gone.note(number, GoneCause::Acknowledged);
    }

    /// A message at this place of the order is not there any more.
    pub(super) fn message_left(&mut self, place: Place) {
        if place < self.cursor {
            self.behind -= 1;
        }
    }

    /// In-flight messages of a consumer.
    pub(super) fn in_flight_of(&self, consumer: &str) -> u32 {
        self.consumers.get(consumer).copied().unwrap_or(0)
    }

    /// Messages ahead of the cursor, where `entered` are in the order.
    pub(super) fn ahead(&self, entered: u64) -> u64 {
        entered - self.behind
    }

    /// A consume may find something, where `entered` are in the order.
    pub(super) fn may_claim(&self, entered: u64) -> bool {
        !self.ready.is_empty() || self.ahead(entered) > 0
    }

    /// Messages that wait: ahead, ready, behind their key, given back with a delay.
    pub(super) fn waiting(&self, entered: u64) -> u64 {
        self.ahead(entered) + (self.ready.len() + self.delayed.len() + self.parked.len()) as u64
    }

    /// Whether a message of that key could be claimed at once.
    pub(super) fn is_free(&self, key: Option<&PartitionKey>) -> bool {
        key.is_none_or(|key| !self.lanes.contains_key(key))
    }

    /// The earliest moment at which something ends.
    pub(super) fn next_deadline(&self) -> Option<LeaseMs> {
        self.deadlines.get_min().map(|(at, _)| *at)
    }
}
