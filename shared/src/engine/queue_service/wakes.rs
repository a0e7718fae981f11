//! Who waits on this replica for a message: long polls, and peers that wait for one.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use crate::engine::signal::Signal;
use crate::queue::{ConsumerGroup, TopicName};

/// Above so many topics and groups, those for which nobody waits any more are looked for.
const PRUNE_ABOVE: usize = 1_024;

type Of = (TopicName, ConsumerGroup);

/// The registry. Every method is called under the state machine's lock.
#[derive(Debug, Default)]
pub struct Wakes {
    waiting: BTreeMap<Of, Vec<Weak<Signal>>>,
}

impl Wakes {
    /// A signal that is set whenever a message becomes ready there, until it is dropped.
    pub fn register(&mut self, topic: &TopicName, group: &ConsumerGroup) -> Arc<Signal> {
        if self.waiting.len() > PRUNE_ABOVE {
            self.waiting.retain(|_, signals| signals.iter().any(|signal| signal.strong_count() > 0));
        }
        let signal = Arc::new(Signal::default());
        let signals = self.waiting.entry((topic.clone(), group.clone())).or_default();
        signals.retain(|signal| signal.strong_count() > 0);
        signals.push(Arc::downgrade(&signal));
        signal
    }

    /// Messages became ready for these.
    pub fn woken<'a>(&mut self, groups: impl IntoIterator<Item = &'a Of>) {
        for of in groups {
            let Some(signals) = self.waiting.get_mut(of) else { continue };
            signals.retain(|signal| signal.upgrade().inspect(|signal| signal.notify()).is_some());
            if signals.is_empty() {
                self.waiting.remove(of);
            }
        }
    }

    /// A snapshot replaced the state: everybody looks again.
    pub fn all(&mut self) {
        for signal in self.waiting.values().flatten().filter_map(Weak::upgrade) {
            signal.notify();
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
}
