//! What a reader of an event stream wants of it: which groups, and how much detail.

use std::collections::BTreeSet;

use orrery_base::ids::GroupId;
use orrery_lock::view::LockTable;
use orrery_placement::ShardTable;
use serde::{Deserialize, Serialize};

use super::Fact;
use super::stream::NodeSnapshot;

/// How much of what happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    #[default]
    All,
    /// What changes a state: roles, logs, services, links, processes. No messages, timers and requests. Folding it gives
    /// the nodes' state as folding everything does.
    States,
    /// What the services did, for whom, and which processes there are.
    Services,
}

/// What a reader wants. The default is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Facts of these groups (all, where none are named), and facts that are of no group.
    pub groups: Option<BTreeSet<GroupId>>,
    /// How much of them.
    pub detail: Detail,
}

impl Choice {
    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        *self == Choice::default()
    }

    /// Whether a fact is sent. A burst always is: it says what is not sent one by one.
    pub fn takes(&self, fact: &Fact) -> bool {
        let group = match (&self.groups, group(fact)) {
            (Some(chosen), Some(group)) => chosen.contains(&group),
            _ => true,
        };
        group && self.detail.takes(fact)
    }

    /// Leaves out of a snapshot what is of other groups.
    pub fn narrow(&self, snapshot: &mut NodeSnapshot) {
        let Some(chosen) = &self.groups else { return };
        snapshot.groups.retain(|group| chosen.contains(&group.group));
        snapshot.queues.retain(|shard| chosen.contains(&shard.group));
        snapshot.caches.copies.retain(|copy| chosen.contains(&copy.shard));
        snapshot.caches.homes.retain(|home| chosen.contains(&home.group));
        snapshot.caches.values.retain(|shard| chosen.contains(&shard.group));
        if !chosen.contains(&GroupId::CONTROL) {
            snapshot.locks = LockTable::default();
            snapshot.locks_beyond = None;
            snapshot.shards = ShardTable::default();
            snapshot.shards_before = None;
        }
    }
}

impl Detail {
    fn takes(self, fact: &Fact) -> bool {
        match fact {
            Fact::Sent { .. }
            | Fact::Received { .. }
            | Fact::Lost { .. }
            | Fact::Heartbeats { .. }
            | Fact::TimerStarted { .. } => self == Detail::All,
            Fact::RequestBegun { .. } | Fact::RequestEnded { .. } => self != Detail::States,
            Fact::RoleChanged { .. }
            | Fact::MembershipChanged { .. }
            | Fact::Appended { .. }
            | Fact::Synced { .. }
            | Fact::Truncated { .. }
            | Fact::Purged { .. }
            | Fact::Committed { .. }
            | Fact::Applied { .. }
            | Fact::Snapshotted { .. }
            | Fact::LinkUp { .. }
            | Fact::LinkDown { .. }
            | Fact::LinkFault { .. }
            | Fact::LinkImpaired { .. }
            | Fact::LinkFaultSet { .. } => self != Detail::Services,
            Fact::Started { .. }
            | Fact::Service { .. }
            | Fact::ServiceResumed { .. }
            | Fact::LocksResumed { .. }
            | Fact::QueuesResumed { .. }
            | Fact::CachesResumed { .. }
            | Fact::CacheLine { .. }
            | Fact::CacheHome { .. }
            | Fact::CacheUse { .. }
            | Fact::ShardsPlaced { .. }
            | Fact::NodeStarted { .. }
            | Fact::NodeExited { .. }
            | Fact::NodePaused { .. }
            | Fact::NodeResumed { .. }
            | Fact::Comparing { .. }
            | Fact::Compared { .. }
            | Fact::Burst { .. } => true,
        }
    }
}

/// The group that a fact is of; none where it is the node's, or a burst's.
fn group(fact: &Fact) -> Option<GroupId> {
    match fact {
        Fact::RoleChanged { group, .. }
        | Fact::MembershipChanged { group, .. }
        | Fact::TimerStarted { group, .. }
        | Fact::Sent { group, .. }
        | Fact::Received { group, .. }
        | Fact::Lost { group, .. }
        | Fact::Appended { group, .. }
        | Fact::Synced { group, .. }
        | Fact::Truncated { group, .. }
        | Fact::Purged { group, .. }
        | Fact::Committed { group, .. }
        | Fact::Applied { group, .. }
        | Fact::Snapshotted { group, .. }
        | Fact::Service { group, .. }
        | Fact::ServiceResumed { group, .. }
        | Fact::LocksResumed { group, .. }
        | Fact::QueuesResumed { group, .. }
        | Fact::CachesResumed { group, .. }
        | Fact::CacheLine { group, .. }
        | Fact::CacheHome { group, .. }
        | Fact::ShardsPlaced { group, .. }
        | Fact::Comparing { group, .. }
        | Fact::Compared { group, .. } => Some(*group),
        Fact::Started { .. }
        | Fact::Heartbeats { .. }
        | Fact::CacheUse { .. }
        | Fact::RequestBegun { .. }
        | Fact::RequestEnded { .. }
        | Fact::LinkUp { .. }
        | Fact::LinkDown { .. }
        | Fact::LinkFault { .. }
        | Fact::LinkImpaired { .. }
        | Fact::LinkFaultSet { .. }
        | Fact::NodeStarted { .. }
        | Fact::NodeExited { .. }
        | Fact::NodePaused { .. }
        | Fact::NodeResumed { .. }
        | Fact::Burst { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{GroupQueues, GroupSnapshot};
    use orrery_lock::view::LocksBeyond;
    use orrery_queue::QueueView;

    fn committed(group: u16) -> Fact {
        Fact::Committed { group: GroupId(group), index: 1 }
    }

    fn ended() -> Fact {
        Fact::RequestEnded { request: 1, outcome: "acquired".into(), status: 200, took_us: 1 }
    }

    #[test]
    fn groups_and_detail_are_chosen_apart() {
        let timer = Fact::TimerStarted { group: GroupId(1), due_us: 1 };
        let burst = Fact::Burst { group: GroupId(0), first: 1, last: 2, counts: Vec::new() };
        let shard = |detail| Choice { groups: Some([GroupId(1)].into()), detail };
        for (choice, taken) in [
            (Choice::default(), [true, true, true, true, true]),
            (shard(Detail::All), [false, true, true, true, true]),
            (shard(Detail::States), [false, true, false, false, true]),
            (shard(Detail::Services), [false, false, false, true, true]),
        ] {
            let facts = [&committed(0), &committed(1), &timer, &ended(), &burst];
            assert_eq!(facts.map(|fact| choice.takes(fact)), taken, "{choice:?}");
        }
    }

    #[test]
    fn a_snapshot_has_only_the_chosen_groups() {
        let group = |id| GroupSnapshot { group: GroupId(id), ..GroupSnapshot::default() };
        let locks = LockTable { clock_ms: 5, ..LockTable::default() };
        let mut snapshot = NodeSnapshot {
            node: "node1".into(),
            boot: 1,
            seq: 1,
            hlc: Default::default(),
            wall_us: 1,
            groups: vec![group(0), group(1)],
            locks,
            processes: Vec::new(),
            cut_links: Vec::new(),
            shards: ShardTable { version: 4, ..ShardTable::default() },
            queues: [1, 2]
                .map(|group| GroupQueues { group: GroupId(group), queues: QueueView::default() })
                .into(),
            caches: Default::default(),
            shards_before: Some(ShardTable::default()),
            locks_beyond: Some(LocksBeyond::default()),
            impaired_links: Vec::new(),
            faulty_links: Vec::new(),
        };
        let whole = snapshot.clone();
        Choice::default().narrow(&mut snapshot);
        assert_eq!(snapshot, whole);
        Choice { groups: Some([GroupId(1)].into()), detail: Detail::All }.narrow(&mut snapshot);
        assert_eq!((snapshot.groups.len(), snapshot.groups[0].group), (1, GroupId(1)));
        assert_eq!((snapshot.queues.len(), snapshot.queues[0].group), (1, GroupId(1)));
        assert_eq!((snapshot.locks, snapshot.shards), (LockTable::default(), ShardTable::default()));
        assert_eq!((snapshot.shards_before, snapshot.locks_beyond), (None, None));
    }
}
