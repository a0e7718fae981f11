//! Who waits on this replica for a message: long polls, and peers that wait for one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use orrery_queue::{ConsumerGroup, TopicName};

use crate::sync::Signal;

/// Above so many topics and groups, those for which nobody waits any more are looked for.
const PRUNE_ABOVE: usize = 1_024;

type Of = (TopicName, ConsumerGroup);

#[derive(Debug, Default)]
pub struct Waiter {
    signal: Signal,
    deleted: AtomicBool,
}

impl Waiter {
    /// Until there is something to look at.
    pub async fn wait(&self) {
        self.signal.wait().await;
    }

    /// The group was deleted since this one waits. One of the same name may exist again.
    pub fn group_was_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }
}

/// The registry. Every method is called under the state machine's lock.
#[derive(Debug, Default)]
pub struct Wakes {
    waiting: BTreeMap<Of, Vec<Weak<Waiter>>>,
}

impl Wakes {
    /// Woken whenever a message becomes ready there, the group is deleted or its topic begins, until it is dropped.
    pub fn register(&mut self, topic: &TopicName, group: &ConsumerGroup) -> Arc<Waiter> {
        if self.waiting.len() > PRUNE_ABOVE {
            self.waiting.retain(|_, waiters| waiters.iter().any(|waiter| waiter.strong_count() > 0));
        }
        let waiter = Arc::new(Waiter::default());
        let waiters = self.waiting.entry((topic.clone(), group.clone())).or_default();
        waiters.retain(|waiter| waiter.strong_count() > 0);
        waiters.push(Arc::downgrade(&waiter));
        waiter
    }

    /// Messages became ready for these.
    pub fn woken<'a>(&mut self, groups: impl IntoIterator<Item = &'a Of>) {
        for of in groups {
            self.wake(of);
        }
    }

    /// These groups were deleted.
    pub fn deleted<'a>(&mut self, groups: impl IntoIterator<Item = &'a Of>) {
        for of in groups {
            for waiter in self.waiting.get(of).into_iter().flatten().filter_map(Weak::upgrade) {
                waiter.deleted.store(true, Ordering::Release);
            }
            self.wake(of);
        }
    }

    pub fn begun<'a>(&mut self, topics: impl IntoIterator<Item = &'a TopicName>) {
        for topic in topics {
            // No group has an empty name: it comes before all of them.
            let from = (topic.clone(), ConsumerGroup::default());
            let of_topic = self.waiting.range(from..).take_while(|((name, _), _)| name == topic);
            let of_topic: Vec<Of> = of_topic.map(|(of, _)| of.clone()).collect();
            of_topic.iter().for_each(|of| self.wake(of));
        }
    }

    /// Whether anybody waits there.
    #[cfg(test)]
    pub fn waits(&self, topic: &TopicName, group: &ConsumerGroup) -> bool {
        let waiters = self.waiting.get(&(topic.clone(), group.clone()));
        waiters.is_some_and(|waiters| waiters.iter().any(|waiter| waiter.strong_count() > 0))
    }

    /// A snapshot replaced the state: everybody looks again.
    pub fn all(&mut self) {
        for waiter in self.waiting.values().flatten().filter_map(Weak::upgrade) {
            waiter.signal.notify();
        }
    }

    fn wake(&mut self, of: &Of) {
        let Some(waiters) = self.waiting.get_mut(of) else { return };
        waiters.retain(|waiter| waiter.upgrade().inspect(|waiter| waiter.signal.notify()).is_some());
        if waiters.is_empty() {
            self.waiting.remove(of);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn who_waits_is_woken_and_who_left_is_forgotten() {
        let mut wakes = Wakes::default();
        let (topic, group): Of = ("t".into(), "g".into());
        let first = wakes.register(&topic, &group);
        let second = wakes.register(&topic, &group);
        let other = wakes.register(&topic, &"h".into());
        assert!(first.wait().now_or_never().is_none());
        wakes.woken([&(topic.clone(), group.clone())]);
        assert!(first.wait().now_or_never().is_some() && second.wait().now_or_never().is_some());
        assert!(first.wait().now_or_never().is_none(), "once");
        assert!(other.wait().now_or_never().is_none());
        wakes.all();
        assert!(other.wait().now_or_never().is_some());
        drop((first, second));
        wakes.woken([&(topic.clone(), group)]);
        assert_eq!(wakes.waiting.len(), 1);
        drop(other);
        for n in 0..=PRUNE_ABOVE {
            drop(wakes.register(&topic, &format!("g{n}").into()));
        }
        drop(wakes.register(&topic, &"last".into()));
        assert!(wakes.waiting.len() <= 2, "{}", wakes.waiting.len());
    }

    #[test]
    fn a_topic_that_begins_wakes_all_who_wait_for_it_and_a_deleted_group_its_own() {
        let mut wakes = Wakes::default();
        let [a, b, other] = [("t", "a"), ("t", "b"), ("u", "a")]
            .map(|(topic, group)| wakes.register(&topic.into(), &group.into()));
        wakes.begun([&TopicName::from("t")]);
        assert!(a.wait().now_or_never().is_some() && b.wait().now_or_never().is_some());
        assert!(other.wait().now_or_never().is_none());
        wakes.deleted([&("t".into(), "a".into())]);
        assert!(a.wait().now_or_never().is_some() && b.wait().now_or_never().is_none());
        assert!(a.group_was_deleted() && !b.group_was_deleted());
    }
}
