//! What is promised over a whole history.

use std::collections::{BTreeMap, BTreeSet};

use orrery_queue::*;

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
            // It comes for the first time again.
            QueueFact::Returned { topic, number, group, attempts: 0, .. } => {
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
