//! What must hold of a shard's queues between two commands, checked as a whole.
//!
//! The limits are not checked: the operator may lower them at any time, and what is above them then stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use imbl::{OrdMap, OrdSet};
use orrery_base::ids::LogIndex;

use super::TopicName;
use super::aging::Aging;
use super::gone::Gone;
use super::group::{Group, State};
use super::limits::GONE_KNOWN_MAX;
use super::log::{Entry, Log, Place};
use super::shard::Shard;
use super::topic::Topic;

impl Shard {
    /// Messages, each once more for every group of its topic: what a check looks at. O(topics).
    pub fn items(&self) -> usize {
        let of = |topic: &Topic| (topic.log.depth() as usize + 1) * (topic.groups.len() + 1);
        self.topics.values().map(|topic| of(topic)).sum()
    }

    /// Panics with what is wrong, and of whom. Costs O(n log n) in the number of [`Shard::items`].
    pub fn assert_consistent(&self) {
        let bytes: u64 = self.topics.values().map(|topic| topic.log.bytes).sum();
        assert_eq!(self.bytes, bytes, "the bytes of the shard are not those of its topics");
        let groups: u64 = self.topics.values().map(|topic| topic.groups.len() as u64).sum();
        assert_eq!(self.groups, groups, "the consumer groups of the shard are not those of its topics");
        let deadline = |(name, topic): (&TopicName, &Topic)| {
            topic.next_deadline(&self.limits).map(|at| (at, name.clone()))
        };
        let deadlines: OrdSet<_> =
            self.topics.iter().filter_map(|(name, topic)| deadline((name, topic))).collect();
        assert_eq!(self.deadlines, deadlines, "the deadlines of the shard are not those of its topics");
        for (name, topic) in &self.topics {
            assert!(!topic.is_idle(), "topic {name} has neither a message nor a group");
            topic.log.assert_consistent(name);
            topic.aging.assert_consistent(&topic.log, name);
            topic.gone.assert_consistent(name);
            for (group, state) in &topic.groups {
                let of = format!("group {group} of topic {name}");
                state.assert_open(&topic.log, &of);
                state.assert_indexes(&of);
                state.assert_order(&topic.log, &of);
                state.gone.assert_consistent(&of);
            }
            topic.assert_totals(name);
            topic.assert_wanted(name);
        }
    }
}

impl Topic {
    /// What is kept or left was published. Less than that is known of what left before version 4.
    fn assert_totals(&self, name: &TopicName) {
        let (kept, left, published) = (self.log.depth(), self.left.messages(), self.totals.published);
        assert!(
            kept + left <= published,
            "topic {name} keeps {kept} messages and lost {left}, and {published} were published"
        );
    }

    /// No message stays that every group has done with, unless a sweep that looks for such messages is under way.
    fn assert_wanted(&self, name: &TopicName) {
        if self.sweep.is_some() || self.groups.is_empty() {
            return;
        }
        for (place, number) in self.log.in_places() {
            let key = self.log.stored(number).and_then(|stored| stored.key());
            let done = self.groups.values().all(|group| group.is_done(number, place, key.as_ref()));
            let had = self.groups.values().any(|group| group.wants(place));
            assert!(!(done && had), "topic {name} keeps message {number}, with which every group is done");
        }
    }
}

impl Log {
    /// The messages that are in the order: where, and which.
    fn in_places(&self) -> impl Iterator<Item = (Place, LogIndex)> + '_ {
        let prompt = self.prompt.iter().map(|(number, _)| (Place::prompt(number), number));
        prompt.chain(self.entered.iter().map(|(place, number)| (*place, *number)))
    }

    fn assert_consistent(&self, name: &TopicName) {
        let prompt = self.prompt.iter().map(|(_, stored)| stored.bytes());
        let bytes: u64 = prompt.chain(self.later.values().map(|later| later.stored.bytes())).sum();
        assert_eq!(self.bytes, bytes, "the bytes of topic {name} are not those of its messages");
        let (mut due, mut entered) = (OrdSet::new(), OrdMap::new());
        for (number, later) in &self.later {
            assert!(!self.prompt.contains(*number), "topic {name} keeps message {number} twice");
            match later.entry {
                Entry::Due(at) => drop(due.insert((at, *number))),
                Entry::Since(place, _) => {
                    assert!(
                        place.index > *number && !self.prompt.contains(place.index),
                        "delayed message {number} of topic {name} is at {place:?}, which is not its own"
                    );
                    entered.insert(place, *number);
                }
                Entry::Entered(_) => panic!("message {number} of topic {name} is kept as before version 4"),
            }
        }
        assert_eq!(self.due, due, "the delayed messages of topic {name} do not fit");
        assert_eq!(self.entered, entered, "the messages that entered topic {name} after a delay do not fit");
    }
}

impl Aging {
    fn assert_consistent(&self, log: &Log, name: &TopicName) {
        let by_moment: OrdSet<_> = self.postponed.iter().map(|(number, at)| (*at, *number)).collect();
        assert_eq!(self.by_moment, by_moment, "the postponed messages of topic {name} do not fit");
        let gone = self.postponed.keys().find(|number| log.place_of(**number).is_none());
        assert!(gone.is_none(), "message {gone:?} of topic {name} was postponed and is not in the order");
        let young = |number: &LogIndex| !self.postponed.contains_key(number);
        let passed = log.prompt.iter().map(|(number, _)| number).take_while(|number| *number < self.prompt);
        let missed = passed.into_iter().find(young);
        assert!(missed.is_none(), "message {missed:?} of topic {name} never gets too old");
        let passed = log.entered.iter().take_while(|(place, _)| **place < self.entered);
        let missed = passed.map(|(_, number)| *number).find(young);
        assert!(missed.is_none(), "delayed message {missed:?} of topic {name} never gets too old");
    }
}

impl Gone {
    fn assert_consistent(&self, of: &impl Display) {
        let order: BTreeSet<LogIndex> = self.order.iter().copied().collect();
        assert!(
            order.len() == self.order.len() && order.iter().eq(self.known.keys()),
            "what left {of} is not what its order has"
        );
        assert!(self.known.len() <= GONE_KNOWN_MAX, "{of} knows of {} messages that left", self.known.len());
    }
}

impl Group {
    /// Each open or parked message is in the topic, before the cursor, and not known as gone.
    fn assert_open(&self, log: &Log, of: &str) {
        let open = self.open.iter().map(|(number, open)| (*number, open.place, open.key.as_ref()));
        let parked = self.parked.iter().map(|parked| (parked.number, parked.place, Some(&parked.key)));
        for (number, place, key) in open.chain(parked) {
            let kept = log.place_of(number);
            assert_eq!(
                kept,
                Some(place),
                "{of} has message {number}, which is not at its place in the topic"
            );
            let of_message = log.stored(number).and_then(|stored| stored.key());
            assert_eq!(of_message.as_ref(), key, "{of} has message {number} under another key");
            assert!(place < self.cursor, "{of} has message {number}, at which it has not looked");
            assert!(self.wants(place), "{of} has message {number}, from before the group's start");
            let gone = self.gone.why(number);
            assert!(gone.is_none(), "{of} has message {number}, which left it: {gone:?}");
        }
        for parked in &self.parked {
            let (number, key) = (parked.number, &parked.key);
            assert!(!self.open.contains_key(&number), "{of} has message {number} open and parked");
            assert!(
                self.lanes.contains_key(key),
                "message {number} of {of} waits behind key {key}, which nobody holds"
            );
        }
    }

    /// The indexes follow from the open messages.
    fn assert_indexes(&self, of: &str) {
        let mut expected = Group::default();
        let mut lanes = BTreeMap::new();
        for (number, open) in &self.open {
            if let Some(key) = open.key.as_ref().filter(|_| !open.is_dead()) {
                let other = lanes.insert(key, *number);
                assert!(
                    other.is_none(),
                    "{of} has two messages of key {key} at once: {other:?} and {number}"
                );
            }
            match open.state {
                State::InFlight { .. } => assert!(
                    open.receipt.is_some() && open.attempts > 0,
                    "message {number} of {of} is in flight and was never delivered"
                ),
                State::Dead { .. } | State::Later { .. } => {
                    assert!(
                        open.receipt.is_none(),
                        "message {number} of {of} was given back and has a receipt"
                    );
                }
                State::Ready => {}
            }
            expected.put(*number, open.clone());
        }
        assert_eq!(self.lanes, expected.lanes, "the keys of {of} do not fit");
        assert_eq!(self.ready, expected.ready, "the ready messages of {of} do not fit");
        assert_eq!(self.dead, expected.dead, "the dead letters of {of} do not fit");
        assert_eq!(self.delayed, expected.delayed, "the messages of {of} that were given back do not fit");
        assert_eq!(self.deadlines, expected.deadlines, "the deadlines of {of} do not fit");
        assert_eq!(self.consumers, expected.consumers, "the consumers of {of} do not fit");
        assert_eq!(self.in_flight, expected.in_flight, "what {of} has in flight does not fit");
    }

    /// The cursor, and how much of the order is behind it.
    fn assert_order(&self, log: &Log, of: &str) {
        assert!(self.start <= self.cursor, "the cursor of {of} is before its start");
        let behind = log.in_places().filter(|(place, _)| *place < self.cursor).count() as u64;
        assert_eq!(self.behind, behind, "the messages behind the cursor of {of} are counted wrong");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::step::Step;
    use crate::{QueueCommand, StartFrom};

    /// Group g of topic t has message 2 in flight, 3 parked behind its key, and 4 acknowledged; h has none yet. 5 is
    /// delayed.
    fn shard() -> Shard {
        let mut shard = Shard::default();
        let (topic, group): (TopicName, super::super::ConsumerGroup) = ("t".into(), "g".into());
        let publish = |key: Option<&str>, delay_ms| QueueCommand::Publish {
            topic: topic.clone(),
            key: key.map(Into::into),
            message: Bytes::from_static(b"{}"),
            delay_ms,
            wall_ms: 0,
        };
        let create = |group: &str| QueueCommand::CreateGroup {
            topic: topic.clone(),
            group: group.into(),
            from: StartFrom::Earliest,
        };
        let (topic, consumer) = (topic.clone(), "Ayu".into());
        let consume = QueueCommand::Consume {
            topic: topic.clone(),
            group: group.clone(),
            consumer,
            max: 9,
            visibility_ms: 50,
        };
        let messages = vec![crate::Handle { number: 4, receipt: None }];
        let commands = [
            create("g"),
            publish(Some("k"), 0),
            publish(Some("k"), 0),
            publish(None, 0),
            publish(None, 70),
            consume,
            create("h"),
            QueueCommand::Ack { topic: topic.clone(), group: group.clone(), messages },
        ];
        for (command, index) in commands.iter().zip(1..) {
            shard.apply(command, &mut Step { index, ..Step::default() });
            shard.assert_consistent();
        }
        shard
    }

    fn topic(shard: &mut Shard) -> &mut Topic {
        Arc::make_mut(shard.topics.get_mut("t").expect("it has messages"))
    }

    fn group(shard: &mut Shard) -> &mut Group {
        topic(shard).groups.get_mut("g").expect("it was created")
    }

    #[test]
    #[should_panic(expected = "the bytes of the shard are not those of its topics")]
    fn bytes_that_nobody_has() {
        let mut shard = shard();
        shard.bytes += 1;
        shard.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "the deadlines of the shard are not those of its topics")]
    fn a_deadline_that_nobody_knows() {
        let mut shard = shard();
        shard.deadlines.clear();
        shard.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "the bytes of topic t are not those of its messages")]
    fn a_message_that_is_counted_twice() {
        let mut shard = shard();
        topic(&mut shard).log.bytes += 1;
        shard.bytes += 1;
        shard.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "the delayed messages of topic t do not fit")]
    fn a_delay_that_never_ends() {
        let mut shard = shard();
        topic(&mut shard).log.due.clear();
        shard.deadlines.clear();
        let at = shard.topics["t"].next_deadline(&shard.limits).expect("the visibility ends");
        shard.deadlines.insert((at, "t".into()));
        shard.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "message 3 of group g of topic t waits behind key k, which nobody holds")]
    fn a_message_behind_a_key_that_is_free() {
        let mut shard = shard();
        group(&mut shard).lanes.clear();
        shard.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "what group g of topic t has in flight does not fit")]
    fn a_delivery_that_is_not_counted() {
        let mut shard = shard();
        group(&mut shard).in_flight = 0;
        shard.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "the messages behind the cursor of group g of topic t are counted wrong")]
    fn a_cursor_that_counts_wrong() {
        let mut shard = shard();
        group(&mut shard).behind -= 1;
        shard.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "topic t keeps message 4, with which every group is done")]
    fn a_message_that_nobody_wants() {
        let mut shard = shard();
        topic(&mut shard).groups.remove("h");
        shard.groups -= 1;
        shard.assert_consistent();
    }
}
