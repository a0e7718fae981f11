//! A reader's view against what the nodes have.
//!
//! Every 10 s the leader of a group says between two facts that it compares ([`Fact::Comparing`](super::Fact::Comparing)),
//! and a moment later which sums its state had then ([`Fact::Compared`](super::Fact::Compared)). A reader that folded
//! the same facts has the same sums. Compared is what a fold reproduces: holders, waiters and sessions of the lock table;
//! counters of topics and their consumer groups; addresses and versions of cached values. Not compared is what a view
//! shows only in part: a lock table, queues or values beyond its bounds have no sum.

use orrery_base::fnv::Fnv;
use orrery_cache::view::ValuesView;
use orrery_lock::view::{LockTable, LocksShown};
use orrery_queue::QueueView;
use serde::{Deserialize, Serialize};

/// Sums of one group's state; none of what the group does not have, or what is shown only in part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    pub locks: Option<u64>,
    pub queues: Option<u64>,
    pub values: Option<u64>,
}

impl Sums {
    /// Whether both have a sum of the same thing, and not the same one.
    pub fn differ(&self, other: &Sums) -> bool {
        let pairs = [(self.locks, other.locks), (self.queues, other.queues), (self.values, other.values)];
        pairs.into_iter().any(|(one, other)| one.is_some() && other.is_some() && one != other)
    }
}

/// Of a lock table as a node shows it.
pub fn of_locks(shown: &LocksShown) -> Option<u64> {
    shown.beyond.is_none().then(|| of_table(&shown.table)).flatten()
}

/// Of a whole lock table.
pub fn of_table(table: &LockTable) -> Option<u64> {
    let resources = table.resources.iter().map(|at| {
        let holders = at.holders.iter();
        let holders = holders.map(|held| (&held.holder, held.mode, held.fencing_token, held.expires_at_ms));
        let waiters = at.waiters.iter();
        let waiters = waiters.map(|waiter| (&waiter.holder, waiter.mode, waiter.wait, waiter.upgrade));
        (&at.resource, holders.collect::<Vec<_>>(), waiters.collect::<Vec<_>>())
    });
    sum(&(resources.collect::<Vec<_>>(), &table.sessions))
}

/// Of queues as a node shows them.
pub fn of_queues(view: &QueueView) -> Option<u64> {
    let topics = view.topics.iter().map(|topic| &topic.stats);
    // A topic that has nothing any more need not be known to everybody.
    let topics = topics.filter(|topic| topic.messages > 0 || !topic.groups.is_empty());
    let topics = topics.map(|topic| {
        let groups = topic.groups.iter();
        let groups = groups.map(|at| (&at.group, at.waiting, at.in_flight, at.dead, at.totals));
        let counters = (topic.messages, topic.bytes, topic.delayed, topic.totals);
        (&topic.topic, counters, groups.collect::<Vec<_>>())
    });
    sum(&topics.collect::<Vec<_>>()).filter(|_| view.more_topics == 0)
}

/// Of cached values as a node shows them.
pub fn of_values(view: &ValuesView) -> Option<u64> {
    let values = view.values.iter().map(|value| (&value.address, value.version));
    sum(&(view.begun, view.opened, values.collect::<Vec<_>>())).filter(|_| view.more == 0)
}

/// What postcard writes of it, as one number. Only against mistakes, not against adversaries.
pub fn sum(what: &impl Serialize) -> Option<u64> {
    postcard::serialize_with_flavor(what, Fnv::default()).ok()
}
