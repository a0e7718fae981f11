//! Who only hears the facts: what they add up to, and what is promised over a whole history.

use std::collections::{BTreeMap, BTreeSet};

use orrery_shared::queue::fact::Had;
use orrery_shared::queue::*;

/// Who only hears the facts.
#[derive(Default)]
pub struct Heard {
    pub topics: BTreeMap<TopicName, HeardTopic>,
}

#[derive(Debug, Default, PartialEq)]
pub struct HeardTopic {
    pub messages: u64,
    pub bytes: u64,
    pub delayed: u64,
    /// Waiting, in flight, dead.
    pub groups: BTreeMap<ConsumerGroup, (u64, u64, u64)>,
}

/// What is promised over the whole history, straight from the facts and answers.
#[derive(Default)]
pub struct Ledger {
    pub keys: BTreeMap<u64, (TopicName, PartitionKey)>,
    /// When a message entered its topic's order.
    entered: BTreeMap<u64, u64>,
    entries: u64,
    pub receipts: BTreeSet<Receipt>,
    redriven: BTreeSet<(TopicName, ConsumerGroup, u64)>,
    acknowledged: BTreeSet<(TopicName, ConsumerGroup, u64)>,
    /// Entry of the last message of a key that a group got for the first time.
    last_of_key: BTreeMap<(TopicName, ConsumerGroup, PartitionKey), u64>,
}

impl HeardTopic {
    fn freed(&mut self, freed: u64, bytes: u64) {
        self.messages -= freed;
        self.bytes -= bytes;
    }

    fn lost(&mut self, group: &str, had: Had) {
        let counts = self.groups.get_mut(group).unwrap();
        *match had {
            Had::Waiting => &mut counts.0,
            Had::InFlight => &mut counts.1,
            Had::Dead => &mut counts.2,
        } -= 1;
    }

    fn hear(&mut self, fact: &QueueFact) {
        match fact {
            QueueFact::Published { bytes, delayed_until_ms, .. } => {
                self.messages += 1;
                self.bytes += bytes;
                match delayed_until_ms {
                    Some(_) => self.delayed += 1,
                    None => self.groups.values_mut().for_each(|counts| counts.0 += 1),
                }
            }
            QueueFact::Entered { .. } => {
                self.delayed -= 1;
                self.groups.values_mut().for_each(|counts| counts.0 += 1);
            }
            QueueFact::Delivered { group, .. } => {
                self.lost(group, Had::Waiting);
                self.groups.get_mut(group).unwrap().1 += 1;
            }
            QueueFact::Acknowledged { group, had, freed_bytes, .. } => {
                self.lost(group, *had);
                freed_bytes.iter().for_each(|bytes| self.freed(1, *bytes));
            }
            QueueFact::Nacked { group, .. } | QueueFact::RedeliveryDue { group, .. } => {
                self.lost(group, Had::InFlight);
                self.groups.get_mut(group).unwrap().0 += 1;
            }
            QueueFact::Extended { .. } => {}
            QueueFact::DeadLettered { group, .. } => {
                self.lost(group, Had::InFlight);
                self.groups.get_mut(group).unwrap().2 += 1;
            }
            QueueFact::Redriven { group, .. } => {
                self.lost(group, Had::Dead);
                self.groups.get_mut(group).unwrap().0 += 1;
            }
            QueueFact::Expired { had, delayed, freed_bytes, .. } => {
                had.iter().for_each(|(group, had)| self.lost(group, *had));
                self.delayed -= u64::from(*delayed);
                freed_bytes.iter().for_each(|bytes| self.freed(1, *bytes));
            }
            QueueFact::Purged { group, waiting, in_flight, dead, delayed, freed, freed_bytes, .. } => {
                if let Some(group) = group {
                    let counts = self.groups.get_mut(group).unwrap();
                    *counts = (counts.0 - waiting, counts.1 - in_flight, counts.2 - dead);
                }
                self.delayed -= delayed;
                self.freed(*freed, *freed_bytes);
            }
            QueueFact::Freed { freed, freed_bytes, .. } => self.freed(*freed, *freed_bytes),
            QueueFact::GroupCreated { group, waiting, .. } => {
                assert!(self.groups.insert(group.clone(), (*waiting, 0, 0)).is_none());
            }
            QueueFact::GroupDeleted { group, .. } => {
                self.groups.remove(group).unwrap();
            }
            QueueFact::Held { group, .. } => assert!(self.groups.contains_key(group)),
        }
    }
}

fn topic_of(fact: &QueueFact) -> TopicName {
    let json = serde_json::to_value(fact).unwrap();
    let of = json.as_object().unwrap().values().next().unwrap();
    of["topic"].as_str().unwrap().into()
}

impl Heard {
    pub fn hear(&mut self, fact: &QueueFact) {
        let topic = topic_of(fact);
        let heard = self.topics.entry(topic.clone()).or_default();
        heard.hear(fact);
        if heard.messages == 0 && heard.groups.is_empty() {
            self.topics.remove(&topic);
        }
    }
}

impl Ledger {
    pub fn note(&mut self, fact: &QueueFact, attempts_max: u32) {
        match fact {
            QueueFact::Published { topic, number, key, delayed_until_ms, .. } => {
                if let Some(key) = key {
                    self.keys.insert(*number, (topic.clone(), key.clone()));
                }
                if delayed_until_ms.is_none() {
                    self.enter(*number);
                }
            }
            QueueFact::Entered { number, .. } => self.enter(*number),
            QueueFact::Delivered { topic, number, group, receipt, attempt, .. } => {
                let id = (topic.clone(), group.clone(), *number);
                assert!(!self.acknowledged.contains(&id), "delivered after its acknowledgement: {fact:?}");
                assert!(self.receipts.insert(*receipt), "a receipt twice: {fact:?}");
                assert!(*attempt <= attempts_max, "more attempts than there may be: {fact:?}");
                let entered = self.entered[number];
                if let Some((_, key)) = self.keys.get(number)
                    && *attempt == 1
                    && !self.redriven.contains(&id)
                {
                    let of_key = (topic.clone(), group.clone(), key.clone());
                    let before = self.last_of_key.insert(of_key, entered);
                    assert!(before.is_none_or(|before| before < entered), "out of order: {fact:?}");
                }
            }
            QueueFact::Acknowledged { topic, number, group, .. } => {
                assert!(self.acknowledged.insert((topic.clone(), group.clone(), *number)), "twice: {fact:?}");
            }
            QueueFact::Redriven { topic, number, group } => {
                self.redriven.insert((topic.clone(), group.clone(), *number));
            }
            QueueFact::GroupCreated { topic, group, .. } => {
                self.acknowledged.retain(|id| (&id.0, &id.1) != (topic, group));
                self.last_of_key.retain(|id, _| (&id.0, &id.1) != (topic, group));
            }
            _ => {}
        }
    }

    fn enter(&mut self, number: u64) {
        self.entries += 1;
        self.entered.insert(number, self.entries);
    }
}
