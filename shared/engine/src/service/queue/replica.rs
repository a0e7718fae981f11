//! What this node keeps beside each shard's queues: who waits here for a message, and what it counted while it led.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use orrery_base::ids::GroupId;
use orrery_machine::ServiceFact;
use orrery_queue::{ConsumerGroup, TopicName};

use super::rates::{QueueTotals, Rates};
use super::wakes::{Waiter, Wakes};
use crate::host::Host;
use crate::peer::message::{Look, Rate};
use crate::raft::state::StateMachine;
use crate::raft::watch::{News, Watcher};
use crate::sync::lock;

/// Beside one shard's queues.
#[derive(Default)]
pub struct Replica {
    /// Changed and looked at under the state machine's lock.
    wakes: Mutex<Wakes>,
    rates: Mutex<Rates>,
}

impl Replica {
    /// Is woken when messages become ready for a consumer group, it is deleted or its topic begins; and what is there now.
    pub fn watch_ready<H: Host>(
        &self,
        state: &StateMachine<H>,
        topic: &TopicName,
        group: &ConsumerGroup,
    ) -> (Arc<Waiter>, Look) {
        state.read(|machine| {
            let waiter = lock(&self.wakes).register(topic, group);
            (waiter, Look::at(machine, topic, group))
        })
    }

    /// Whether somebody waits here for that group.
    #[cfg(test)]
    pub fn waits_for(&self, topic: &TopicName, group: &ConsumerGroup) -> bool {
        lock(&self.wakes).waits(topic, group)
    }

    /// What was counted while this node led.
    pub fn totals(&self) -> QueueTotals {
        lock(&self.rates).totals()
    }

    /// How busy a topic is, as this leader counts it.
    pub fn rate(&self, topic: &str, now_us: u64) -> Rate {
        lock(&self.rates).rate(topic, now_us)
    }
}

impl Watcher for Replica {
    fn applied(&self, news: &News<'_>) {
        let applied = news.applied;
        if !(applied.woken.is_empty() && applied.begun.is_empty() && applied.deleted.is_empty()) {
            let mut wakes = lock(&self.wakes);
            wakes.woken(&applied.woken);
            wakes.begun(&applied.begun);
            wakes.deleted(&applied.deleted);
        }
        if news.leads && !applied.facts.is_empty() {
            let mut rates = lock(&self.rates);
            for fact in &applied.facts {
                if let ServiceFact::Queue(fact) = fact {
                    rates.count(fact, news.now_us);
                }
            }
        }
    }

    fn replaced(&self) {
        lock(&self.wakes).all();
    }

    fn leads(&self, now_us: u64) {
        lock(&self.rates).begin(now_us);
    }
}

/// Of the shards that run here.
#[derive(Default)]
pub struct Replicas(Mutex<BTreeMap<GroupId, Arc<Replica>>>);

impl Replicas {
    /// Of a group that starts.
    pub fn watch(&self, shard: GroupId) -> Arc<Replica> {
        let replica = Arc::<Replica>::default();
        lock(&self.0).insert(shard, replica.clone());
        replica
    }

    /// Of a group that runs here: it was there before the group was.
    pub fn of(&self, shard: GroupId) -> Arc<Replica> {
        lock(&self.0).entry(shard).or_default().clone()
    }
}
