//! What a node remembers of topics and consumer groups between requests. All of it may be forgotten at any time: then
//! a rotation begins anew, and a group is created once more where it exists.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use futures_util::lock::Mutex as Turn;
use orrery_base::ids::GroupId;
use orrery_queue::{ConsumerGroup, TopicName};

use crate::sync::lock;

/// Most topics and groups of which something is remembered; beyond them it begins anew.
const PAIRS_MAX: usize = 4_096;

/// How long a group that was created counts as there although the replica here does not show it (yet).
const SEEN_HERE_US: u64 = 1_000_000;

/// How long a group that was created counts as there where no replica is here: somebody may have deleted it.
const SEEN_AFAR_US: u64 = 30_000_000;

/// After some shard did not answer, a group that others have is not looked for again for so long.
const AGAIN_US: u64 = 5_000_000;

/// A topic and one of its groups.
pub type Of = (TopicName, ConsumerGroup);

/// The memory. Shared by all requests of a node.
#[derive(Default)]
pub struct Memory {
    rotations: Mutex<BTreeMap<Of, GroupId>>,
    groups: Mutex<BTreeMap<Of, Spread>>,
    turns: Mutex<BTreeMap<Of, Weak<Turn<()>>>>,
    /// Topics that no replica here shows and that are elsewhere, with the monotonic microsecond at which that was so.
    topics: Mutex<BTreeMap<TopicName, u64>>,
}

/// Where a group was created.
#[derive(Debug, Default)]
struct Spread {
    /// With the monotonic microsecond.
    shards: BTreeMap<GroupId, u64>,
    /// When some shard did not answer last.
    silent_us: Option<u64>,
}

impl Memory {
    /// The shards in the order in which this consume asks them: from the one behind that which gave something last.
    pub fn rotation(&self, of: &Of, shards: &[GroupId]) -> Vec<GroupId> {
        let last = lock(&self.rotations).get(of).copied();
        let first = last.and_then(|last| shards.iter().position(|shard| *shard > last)).unwrap_or_default();
        shards[first..].iter().chain(&shards[..first]).copied().collect()
    }

    /// That shard gave something.
    pub fn left_off(&self, of: &Of, shard: GroupId) {
        let mut rotations = lock(&self.rotations);
        if rotations.len() >= PAIRS_MAX && !rotations.contains_key(of) {
            rotations.clear();
        }
        rotations.insert(of.clone(), shard);
    }

    /// What those who wait for the same group on this node take in turn, so that one message makes one of them claim.
    pub fn turn(&self, of: &Of) -> Arc<Turn<()>> {
        let mut turns = lock(&self.turns);
        if let Some(turn) = turns.get(of).and_then(Weak::upgrade) {
            return turn;
        }
        // Bounded by the requests that wait.
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::new(()));
        turns.insert(of.clone(), Arc::downgrade(&turn));
        turn
    }

    /// The shards on which the group has to be created. `shown` says whether the replica here shows it, where one is.
    pub fn missing(
        &self,
        of: &Of,
        shards: &[GroupId],
        shown: impl Fn(GroupId) -> Option<bool>,
        now_us: u64,
    ) -> Vec<GroupId> {
        let groups = lock(&self.groups);
        let spread = groups.get(of);
        let later = |since: Option<u64>, us: u64| since.is_some_and(|since| now_us < since + us);
        if later(spread.and_then(|spread| spread.silent_us), AGAIN_US) {
            return Vec::new();
        }
        let created = |shard: &GroupId| spread.and_then(|spread| spread.shards.get(shard).copied());
        let is_missing = |shard: &&GroupId| match shown(**shard) {
            Some(true) => false,
            Some(false) => !later(created(shard), SEEN_HERE_US),
            None => !later(created(shard), SEEN_AFAR_US),
        };
        shards.iter().filter(is_missing).copied().collect()
    }

    pub fn created(&self, of: &Of, shard: GroupId, now_us: u64) {
        let mut groups = lock(&self.groups);
        if groups.len() >= PAIRS_MAX && !groups.contains_key(of) {
            groups.clear();
        }
        groups.entry(of.clone()).or_default().shards.insert(shard, now_us);
    }

    /// It exists, but some shard did not answer.
    pub fn silent(&self, of: &Of, now_us: u64) {
        if let Some(spread) = lock(&self.groups).get_mut(of) {
            spread.silent_us = Some(now_us);
        }
    }

    /// Somebody has that topic.
    pub fn has_topic(&self, topic: &TopicName, now_us: u64) {
        let mut topics = lock(&self.topics);
        if topics.len() >= PAIRS_MAX {
            topics.clear();
        }
        topics.insert(topic.clone(), now_us);
    }

    /// Whether somebody had it a moment ago.
    pub fn knows_topic(&self, topic: &TopicName, now_us: u64) -> bool {
        lock(&self.topics).get(topic).is_some_and(|since_us| now_us < since_us + SEEN_HERE_US)
    }

    pub fn deleted(&self, of: &Of) {
        lock(&self.groups).remove(of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: [GroupId; 3] = [GroupId(1), GroupId(2), GroupId(3)];

    fn of(group: &str) -> Of {
        ("t".into(), group.into())
    }

    #[test]
    fn a_rotation_goes_on_where_the_last_one_left_off() {
        let memory = Memory::default();
        assert_eq!(memory.rotation(&of("g"), &S), [1, 2, 3].map(GroupId));
        memory.left_off(&of("g"), GroupId(1));
        assert_eq!(memory.rotation(&of("g"), &S), [2, 3, 1].map(GroupId));
        assert_eq!(memory.rotation(&of("h"), &S), [1, 2, 3].map(GroupId));
        memory.left_off(&of("g"), GroupId(3));
        assert_eq!(memory.rotation(&of("g"), &S), [1, 2, 3].map(GroupId));
        for n in 0..=PAIRS_MAX {
            memory.left_off(&of(&format!("g{n}")), GroupId(1));
        }
        assert!(lock(&memory.rotations).len() <= PAIRS_MAX);
    }

    #[test]
    fn a_group_is_created_where_it_is_not_and_again_where_it_went() {
        let memory = Memory::default();
        // Replicas of 1 and 2 are here; 1 shows the group.
        let shown = |shard: GroupId| (shard.0 < 3).then_some(shard.0 == 1);
        let missing = |now_us| memory.missing(&of("g"), &S, shown, now_us);
        assert_eq!(missing(0), [GroupId(2), GroupId(3)]);
        memory.created(&of("g"), GroupId(2), 10);
        memory.created(&of("g"), GroupId(3), 10);
        assert_eq!(missing(20), []);
        assert_eq!(missing(10 + SEEN_HERE_US), [GroupId(2)]);
        assert_eq!(missing(10 + SEEN_AFAR_US), [GroupId(2), GroupId(3)]);
        let now_us = SEEN_AFAR_US * 2;
        memory.created(&of("g"), GroupId(3), now_us);
        assert_eq!(missing(now_us + 1), [GroupId(2)]);
        memory.silent(&of("g"), now_us);
        assert_eq!(missing(now_us + 1), [], "not at once again");
        assert_eq!(missing(now_us + AGAIN_US), [GroupId(2)]);
        memory.deleted(&of("g"));
        assert_eq!(missing(now_us + 1), [GroupId(2), GroupId(3)]);
    }

    #[test]
    fn a_topic_is_known_for_a_moment() {
        let memory = Memory::default();
        let topic = TopicName::from("t");
        assert!(!memory.knows_topic(&topic, 5));
        memory.has_topic(&topic, 5);
        assert!(memory.knows_topic(&topic, 6) && !memory.knows_topic(&topic, 5 + SEEN_HERE_US));
    }

    #[test]
    fn turns_are_shared_and_go_with_those_who_wait() {
        let memory = Memory::default();
        let (first, second) = (memory.turn(&of("g")), memory.turn(&of("g")));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(!Arc::ptr_eq(&first, &memory.turn(&of("h"))));
        drop((first, second));
        let _other = memory.turn(&of("i"));
        assert_eq!(lock(&memory.turns).len(), 1);
    }
}
