//! How the view compares with what the nodes say that they have.

use orrery_base::ids::{GroupId, LogIndex, NodeName};
use orrery_base::sorted::SortedMap;
use orrery_event::sums;
use orrery_event::sums::Sums;

use super::{ShardQueues, ShardValues, View};

/// The comparisons of a view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparisons {
    /// Those whose answer did not come yet.
    pub open: SortedMap<GroupId, OpenComparison>,
    /// How many found a difference.
    pub differences: u32,
    /// The last one that did.
    pub last: Option<Difference>,
}

/// What the view had when a node began to compare.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenComparison {
    pub node: NodeName,
    /// The index up to which the node had applied.
    pub index: LogIndex,
    /// What the view had.
    pub sums: Sums,
}

/// A difference between the view and a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub at_us: u64,
    pub node: NodeName,
    pub group: GroupId,
}

impl Comparisons {
    /// Whether a node's sums are others than the view's were at that index.
    pub fn differs(&self, node: &str, group: GroupId, index: LogIndex, sums: &Sums) -> bool {
        let open = self.open.get(&group).filter(|open| open.node == node && open.index == index);
        open.is_some_and(|open| open.sums.differ(sums))
    }
}

impl View {
    /// The sums of a group, and the index up to which it is folded. None where nothing of the group is known.
    pub fn sums(&self, group: GroupId) -> Option<(LogIndex, Sums)> {
        if group == GroupId::CONTROL {
            let locks = &self.locks;
            let index = locks.table.applied.max(locks.whole)?;
            let all = locks.beyond.is_none();
            let locks = all.then(|| sums::of_table(&locks.table)).flatten();
            return Some((index, Sums { locks, ..Sums::default() }));
        }
        let (queues, values) = (self.queues.get(&group), self.cache.values.get(&group));
        let folded = queues.map(|queues| queues.applied.max(queues.whole));
        let index = folded.max(values.map(|values| values.applied.max(values.whole))).flatten()?;
        let queues = queues.and_then(|queues| of_shard_queues(queues));
        Some((index, Sums { locks: None, queues, values: values.and_then(of_shard_values) }))
    }
}

fn of_shard_queues(queues: &ShardQueues) -> Option<u64> {
    let topics = queues.topics.iter();
    let topics = topics.filter(|(_, topic)| topic.messages > 0 || !topic.groups.is_empty());
    let topics = topics.map(|(name, topic)| {
        let groups = topic.groups.iter();
        let groups = groups.map(|(name, at)| (name, at.waiting, at.in_flight, at.dead, at.totals));
        let counters = (topic.messages, topic.bytes, topic.delayed, topic.totals);
        (name, counters, groups.collect::<Vec<_>>())
    });
    sums::sum(&topics.collect::<Vec<_>>()).filter(|_| queues.more_topics == 0)
}

fn of_shard_values(shard: &ShardValues) -> Option<u64> {
    let values = shard.values.iter().map(|(address, value)| (address, value.version));
    sums::sum(&(shard.begun, shard.opened, values.collect::<Vec<_>>())).filter(|_| !shard.more)
}
