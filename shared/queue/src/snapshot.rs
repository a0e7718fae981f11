//! The queues in a snapshot: what is kept, in records of a bounded size. The indexes are rebuilt.

use std::sync::Arc;

use orrery_base::ids::{LeaseMs, LogIndex};
use serde::{Deserialize, Serialize};

use super::aging::AgingRecord;
use super::gone::{GoneCause, GoneRecord};
use super::group::{Group, GroupLeft, GroupTotals, Open, Parked};
use super::limits::QueueLimits;
use super::log::{Entry, Later, Place};
use super::shard::Shard;
use super::step::Step;
use super::stored::Stored;
use super::topic::{LeftTotals, Topic, TopicTotals};
use super::{ConsumerGroup, TopicName};

/// Most items of one record.
const ITEMS_MAX: usize = 256;

/// Bytes of messages after which a record ends.
const BYTES_MAX: u64 = 32 * 1024;

/// One piece of the queues. What is inside belongs to this program; a snapshot is written and read record by record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QueueRecord(Record);

/// The order of the variants is part of the snapshot format: add at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Record {
    /// First.
    Shard {
        clock_ms: LeaseMs,
        limits: QueueLimits,
    },
    /// Up to version 3; [`Record::Begin`] since.
    Topic {
        topic: TopicName,
        totals: TopicTotals,
        sweep: Option<Place>,
    },
    Prompt {
        topic: TopicName,
        messages: Vec<(LogIndex, Stored)>,
    },
    Later {
        topic: TopicName,
        messages: Vec<(LogIndex, Entry, Stored)>,
    },
    /// Up to version 3; [`Record::Reader`] since.
    Group {
        topic: TopicName,
        group: ConsumerGroup,
        state: OldGroupRecord,
    },
    Open {
        topic: TopicName,
        group: ConsumerGroup,
        open: Vec<(LogIndex, Open)>,
    },
    Parked {
        topic: TopicName,
        group: ConsumerGroup,
        parked: Vec<Parked>,
    },
    /// Since version 4: before everything of that topic.
    Begin {
        topic: TopicName,
        state: Box<TopicRecord>,
    },
    /// Since version 4: after the topic's messages, before everything of that group.
    Reader {
        topic: TopicName,
        group: ConsumerGroup,
        state: Box<GroupRecord>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TopicRecord {
    totals: TopicTotals,
    left: LeftTotals,
    sweep: Option<Place>,
    aging: AgingRecord,
    gone: GoneRecord,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct GroupRecord {
    began: LogIndex,
    start: Place,
    cursor: Place,
    behind: u64,
    gone: GoneRecord,
    totals: GroupTotals,
    left: GroupLeft,
}

/// [`GroupRecord`] up to version 3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OldGroupRecord {
    cursor: Place,
    behind: u64,
    acknowledged: Vec<LogIndex>,
    totals: GroupTotals,
}

impl OldGroupRecord {
    fn group(self) -> Group {
        let mut group =
            Group { cursor: self.cursor, behind: self.behind, totals: self.totals, ..Group::default() };
        for number in self.acknowledged {
            group.gone.note(number, GoneCause::Acknowledged);
        }
        group
    }
}

/// Collects items into records: a new one when the last is full.
fn grouped<'a, T: 'a>(
    items: impl Iterator<Item = T> + 'a,
    bytes: impl Fn(&T) -> u64 + 'a,
    record: impl Fn(Vec<T>) -> Record + 'a,
) -> impl Iterator<Item = Record> + 'a {
    let mut items = items.peekable();
    std::iter::from_fn(move || {
        items.peek()?;
        let mut full = 0;
        let mut taken = Vec::new();
        while taken.len() < ITEMS_MAX
            && full < BYTES_MAX
            && let Some(item) = items.next()
        {
            full += bytes(&item);
            taken.push(item);
        }
        Some(record(taken))
    })
}

impl Shard {
    /// Everything that has to be kept, in an order in which [`Shard::restore`] takes it.
    pub fn records(&self) -> impl Iterator<Item = QueueRecord> + '_ {
        let first = Record::Shard { clock_ms: self.clock_ms, limits: self.limits };
        let topics = self.topics.iter().flat_map(|(name, topic)| topic.records(name));
        std::iter::once(first).chain(topics).map(QueueRecord)
    }

    /// Takes one record in. The error says what does not fit.
    pub fn restore(&mut self, record: QueueRecord) -> Result<(), &'static str> {
        match record.0 {
            Record::Shard { clock_ms, limits } => {
                if !self.topics.is_empty() {
                    return Err("the record of the shard is not the first one");
                }
                self.clock_ms = clock_ms;
                self.limits = limits;
                Ok(())
            }
            Record::Topic { topic, totals, sweep } => {
                self.begin(topic, Topic { totals, sweep, ..Topic::default() })
            }
            Record::Begin { topic, state } => {
                let TopicRecord { totals, left, sweep, aging, gone } = *state;
                let (aging, gone) = (aging.into(), gone.into());
                let state = Topic { totals, left, sweep, aging, gone, ..Topic::default() };
                self.begin(topic, state)
            }
            Record::Prompt { topic, messages } => self.fill(&topic, |topic| {
                messages.into_iter().try_for_each(|(number, stored)| {
                    topic.is_new(number)?;
                    topic.log.insert_prompt(number, stored);
                    Ok(())
                })
            }),
            Record::Later { topic, messages } => self.fill(&topic, |topic| {
                messages.into_iter().try_for_each(|(number, entry, stored)| {
                    topic.is_new(number)?;
                    topic.log.insert_later(number, Later { stored, entry });
                    Ok(())
                })
            }),
            Record::Group { topic, group, state } => {
                self.fill(&topic, |topic| topic.restore_group(group, state.group()))
            }
            Record::Reader { topic, group, state } => {
                self.fill(&topic, |topic| topic.restore_group(group, state.group()))
            }
            Record::Open { topic, group, open } => {
                self.fill(&topic, |topic| topic.restore_open(&group, open))
            }
            Record::Parked { topic, group, parked } => self.fill(&topic, |topic| {
                let group = topic.groups.get_mut(&group).ok_or("a consumer group is missing")?;
                group.parked.extend(parked);
                Ok(())
            }),
        }
    }

    fn begin(&mut self, name: TopicName, topic: Topic) -> Result<(), &'static str> {
        if self.topics.insert(name.clone(), Arc::new(topic)).is_some() {
            return Err("a topic is there twice");
        }
        self.count_in(&name);
        Ok(())
    }

    fn fill(
        &mut self,
        name: &TopicName,
        fill: impl FnOnce(&mut Topic) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        if !self.topics.contains_key(name) {
            return Err("a topic is missing");
        }
        self.edit(name, &mut Step::default(), |topic, _| fill(topic))
    }
}

impl Topic {
    fn is_new(&self, number: LogIndex) -> Result<(), &'static str> {
        if self.log.stored(number).is_some() { Err("a message is there twice") } else { Ok(()) }
    }

    fn restore_group(&mut self, name: ConsumerGroup, group: Group) -> Result<(), &'static str> {
        match self.groups.insert(name, group) {
            None => Ok(()),
            Some(_) => Err("a consumer group is there twice"),
        }
    }

    fn restore_open(
        &mut self,
        group: &ConsumerGroup,
        open: Vec<(LogIndex, Open)>,
    ) -> Result<(), &'static str> {
        for (number, open) in open {
            if self.log.place_of(number) != Some(open.place) {
                return Err("a message that a consumer group has is missing");
            }
            let group = self.groups.get_mut(group).ok_or("a consumer group is missing")?;
            if group.open.contains_key(&number) {
                return Err("a consumer group has a message twice");
            }
            group.put(number, open);
        }
        Ok(())
    }

    fn records<'a>(&'a self, name: &'a TopicName) -> impl Iterator<Item = Record> + 'a {
        let state = TopicRecord {
            totals: self.totals,
            left: self.left,
            sweep: self.sweep,
            aging: self.aging.record(),
            gone: self.gone.record(),
        };
        let first = Record::Begin { topic: name.clone(), state: Box::new(state) };
        let prompt = grouped(
            self.log.prompt.iter().map(|(number, stored)| (number, stored.clone())),
            |(_, stored)| stored.bytes(),
            |messages| Record::Prompt { topic: name.clone(), messages },
        );
        let later = grouped(
            self.log.later.iter().map(|(number, later)| (*number, later.entry, later.stored.clone())),
            |(_, _, stored)| stored.bytes(),
            |messages| Record::Later { topic: name.clone(), messages },
        );
        let groups = self.groups.iter().flat_map(move |(group, state)| state.records(name, group));
        std::iter::once(first).chain(prompt).chain(later).chain(groups)
    }
}

impl Group {
    fn records<'a>(
        &'a self,
        topic: &'a TopicName,
        group: &'a ConsumerGroup,
    ) -> impl Iterator<Item = Record> + 'a {
        let state = GroupRecord {
            began: self.began,
            start: self.start,
            cursor: self.cursor,
            behind: self.behind,
            gone: self.gone.record(),
            totals: self.totals,
            left: self.left,
        };
        let first = Record::Reader { topic: topic.clone(), group: group.clone(), state: Box::new(state) };
        let open = grouped(
            self.open.iter().map(|(number, open)| (*number, open.clone())),
            |_| 0,
            |open| Record::Open { topic: topic.clone(), group: group.clone(), open },
        );
        let parked = grouped(
            self.parked.iter().cloned(),
            |_| 0,
            |parked| Record::Parked { topic: topic.clone(), group: group.clone(), parked },
        );
        std::iter::once(first).chain(open).chain(parked)
    }
}

impl GroupRecord {
    fn group(self) -> Group {
        Group {
            began: self.began,
            start: self.start,
            cursor: self.cursor,
            behind: self.behind,
            gone: self.gone.into(),
            totals: self.totals,
            left: self.left,
            ..Group::default()
        }
    }
}
