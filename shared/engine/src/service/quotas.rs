//! What one address of clients may take of what the whole cluster has: topics, and bytes of cached values.
//!
//! A publish and a write name no client, so the address of their connection stands for it, and each node counts what came
//! through it. That is not the last word (a client may use another node), but one loop does not take everything. Locks and
//! sessions name their client: their bounds are the lock table's own.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;

use orrery_cache::Address;
use orrery_queue::TopicName;
use smol_str::SmolStr;

use crate::sync::lock;

/// A topic that was begun and that no shard shows yet counts for so long.
const BEGINNING_US: u64 = 10_000_000;

/// Most topics, and most addresses of cached values, of which a node remembers who began them; beyond them the first by
/// name is forgotten.
const REMEMBERED_MAX: usize = 65_536;

/// Whose bytes are at their bound has its values looked for again after so long: others may have deleted some.
const LOOK_AGAIN_US: u64 = 1_000_000;

/// So many values are looked for at a time; the next look goes on after them.
const LOOK_MAX: usize = 4_096;

/// A value is there or not only after so long: it may be on its way, or not be written back yet.
const UNDECIDED_US: u64 = 10_000_000;

/// A value of a shard that this node has no part in counts for so long, whatever becomes of it.
const UNSEEN_US: u64 = 600_000_000;

/// The address from which somebody asks.
pub type Asker = SmolStr;

/// What a node remembers until it stops.
#[derive(Default)]
pub struct Quotas {
    /// Who began it, and the monotonic microsecond at which.
    topics: Mutex<BTreeMap<TopicName, (Asker, u64)>>,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    /// Who wrote there last.
    values: BTreeMap<Address, Value>,
    shares: BTreeMap<Asker, Share>,
}

/// What counted at an address before a value was written there, and when that one began.
#[derive(Debug)]
pub struct Before {
    value: Option<Value>,
    began_us: u64,
}

/// A value that counts.
#[derive(Debug)]
struct Value {
    asker: Asker,
    bytes: u64,
    /// When the write began: monotonic microsecond.
    wrote_us: u64,
}

/// What one of them has.
#[derive(Default)]
struct Share {
    bytes: u64,
    /// When its values were last looked for: monotonic microsecond.
    looked_us: Option<u64>,
    looked_to: Option<Address>,
}

impl Quotas {
    /// A topic that is not there yet begins; `exists` says which are. The error is the bound that it would pass.
    pub fn begin_topic(
        &self,
        asker: &Asker,
        topic: &TopicName,
        most: u64,
        now_us: u64,
        exists: impl Fn(&TopicName) -> bool,
    ) -> Result<(), String> {
        let mut topics = lock(&self.topics);
        topics.retain(|topic, (_, begun_us)| now_us < *begun_us + BEGINNING_US || exists(topic));
        let own = topics.iter().filter(|(other, (whose, _))| whose == asker && *other != topic).count();
        if own as u64 >= most {
            return Err(format!(
                "{own} topics were begun from {asker} through this node, which is the bound of one client's address"
            ));
        }
        topics.insert(topic.clone(), (asker.clone(), now_us));
        if topics.len() > REMEMBERED_MAX {
            topics.pop_first();
        }
        Ok(())
    }

    /// A value of so many bytes (its address included) is about to be written, and counts from now on; `exists` says which
    /// addresses have one, where this node knows. What counted there before; the error is the bound that it would pass.
    pub fn begin_write(
        &self,
        asker: &Asker,
        address: &Address,
        bytes: u64,
        (most, now_us): (u64, u64),
        exists: impl Fn(&Address) -> Option<bool>,
    ) -> Result<Before, String> {
        let mut written = lock(&self.written);
        if written.with(asker, address, bytes) > most {
            written.look(asker, now_us, exists);
        }
        let now = written.with(asker, address, bytes);
        if now > most {
            return Err(format!(
                "the values written from {asker} through this node would have {now} bytes; one client's address has at \
                 most {most}"
            ));
        }
        let value = Value { asker: asker.clone(), bytes, wrote_us: now_us };
        Ok(Before { value: written.put(address, Some(value)), began_us: now_us })
    }

    /// It surely was not written.
    pub fn undo_write(&self, asker: &Asker, address: &Address, before: Before) {
        let mut written = lock(&self.written);
        // Another one may have begun since.
        let own = |value: &Value| value.asker == *asker && value.wrote_us == before.began_us;
        if written.values.get(address).is_some_and(own) {
            written.put(address, before.value);
        }
    }

    pub fn deleted(&self, address: &Address) {
        lock(&self.written).put(address, None);
    }
}

impl Written {
    /// The bytes that this one would have with that value.
    fn with(&self, asker: &Asker, address: &Address, bytes: u64) -> u64 {
        let before = self.values.get(address).filter(|value| value.asker == *asker);
        let now = self.shares.get(asker).map_or(0, |share| share.bytes);
        now.saturating_sub(before.map_or(0, |before| before.bytes)) + bytes
    }

    /// Forgets some of what is not there any more.
    fn look(&mut self, asker: &Asker, now_us: u64, exists: impl Fn(&Address) -> Option<bool>) {
        let Some(share) = self.shares.get_mut(asker) else { return };
        if share.looked_us.is_some_and(|looked_us| now_us < looked_us + LOOK_AGAIN_US) {
            return;
        }
        share.looked_us = Some(now_us);
        let from = share.looked_to.take().map_or(Bound::Unbounded, Bound::Excluded);
        let looked: Vec<_> = self.values.range((from, Bound::Unbounded)).take(LOOK_MAX).collect();
        let to = looked.get(LOOK_MAX - 1).map(|(address, _)| (*address).clone());
        let gone = |address: &Address, value: &Value| {
            let age_us = now_us.saturating_sub(value.wrote_us);
            age_us >= UNDECIDED_US && !exists(address).unwrap_or(age_us < UNSEEN_US)
        };
        let own = looked.into_iter().filter(|(address, value)| value.asker == *asker && gone(address, value));
        let gone: Vec<Address> = own.map(|(address, _)| address.clone()).collect();
        gone.iter().for_each(|address| drop(self.put(address, None)));
        if let Some(share) = self.shares.get_mut(asker) {
            share.looked_to = to;
        }
    }

    /// Replaces what counts there.
    fn put(&mut self, address: &Address, value: Option<Value>) -> Option<Value> {
        let before = self.values.remove(address);
        if let Some(before) = &before
            && let Some(share) = self.shares.get_mut(&before.asker)
        {
            share.bytes = share.bytes.saturating_sub(before.bytes);
            if share.bytes == 0 {
                self.shares.remove(&before.asker);
            }
        }
        if let Some(value) = value {
            self.shares.entry(value.asker.clone()).or_default().bytes += value.bytes;
            self.values.insert(address.clone(), value);
        }
        if self.values.len() > REMEMBERED_MAX
            && let Some(first) = self.values.keys().next().cloned()
        {
            self.put(&first, None);
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOP: Asker = Asker::new_static("10.0.0.7");
    const AYU: Asker = Asker::new_static("10.0.0.8");

    #[test]
    fn one_address_begins_a_bounded_number_of_topics_and_others_are_not_touched() {
        let quotas = Quotas::default();
        let begin = |asker: &Asker, topic: &str, now_us, exists: bool| {
            quotas.begin_topic(asker, &topic.into(), 3, now_us, |_| exists)
        };
        for n in 0..3 {
            assert_eq!(begin(&LOOP, &format!("t{n}"), n, false), Ok(()), "at once, none shown yet");
        }
        let refused = begin(&LOOP, "t3", 9, true).expect_err("a fourth");
        assert!(refused.contains("10.0.0.7") && refused.contains('3'), "{refused}");
        assert_eq!(begin(&LOOP, "t2", 9, true), Ok(()), "a retry of one that was begun");
        assert_eq!(begin(&AYU, "mine", 9, true), Ok(()));
        // Topics that are gone, or never came to be, count no more.
        assert_eq!(begin(&LOOP, "t4", 9 + BEGINNING_US, false), Ok(()));
        assert_eq!(begin(&LOOP, "t5", 10 + BEGINNING_US, false), Ok(()));
    }

    #[test]
    fn one_address_writes_a_bounded_number_of_bytes() {
        let quotas = Quotas::default();
        let write = |now_us, asker: &Asker, address: &str, bytes, exists: Option<bool>| {
            quotas.begin_write(asker, &address.into(), bytes, (100, now_us), |_| exists)
        };
        let there = Some(true);
        assert!(write(7, &LOOP, "a", 60, there).is_ok());
        assert!(write(7, &LOOP, "a", 70, there).is_ok(), "in its place");
        let refused = write(7, &LOOP, "b", 40, there).expect_err("110");
        assert!(refused.contains("110 bytes") && refused.contains("at most 100"), "{refused}");
        assert!(write(7, &AYU, "b", 40, there).is_ok());
        assert!(write(7, &AYU, "a", 50, there).is_ok(), "whose it is now");
        assert!(write(7, &LOOP, "c", 100, there).is_ok());
        quotas.deleted(&"c".into());
        assert!(write(7, &LOOP, "d", 100, there).is_ok(), "deleted");
        assert!(write(8 + LOOK_AGAIN_US, &LOOP, "e", 100, Some(false)).is_err(), "it may be on its way");
        let looked = 7 + UNDECIDED_US;
        assert!(write(looked, &LOOP, "e", 100, Some(false)).is_ok(), "deleted elsewhere");
        let looked = looked + UNDECIDED_US;
        assert!(write(looked, &LOOP, "f", 100, there).is_err(), "it is there");
        assert!(
            write(looked + LOOK_AGAIN_US - 1, &LOOP, "f", 100, Some(false)).is_err(),
            "looked a moment ago"
        );
        assert!(write(looked + LOOK_AGAIN_US, &LOOP, "f", 100, None).is_err(), "nobody knows here");
        assert!(write(looked + UNSEEN_US, &LOOP, "f", 100, None).is_ok(), "for long");
    }

    #[test]
    fn writes_that_are_under_way_count_until_they_surely_came_to_nothing() {
        let quotas = Quotas::default();
        let write = |address: &str, bytes| {
            quotas.begin_write(&LOOP, &address.into(), bytes, (100, 7), |_| Some(false))
        };
        let before = write("a", 60).expect("60");
        assert!(write("b", 60).is_err(), "both at once");
        quotas.undo_write(&LOOP, &"a".into(), before);
        assert!(write("b", 60).is_ok());
        let before = write("b", 90).expect("90");
        quotas.undo_write(&LOOP, &"b".into(), before);
        assert!(write("c", 41).is_err() && write("c", 40).is_ok(), "what was there before counts again");
    }

    #[test]
    fn a_look_is_bounded_and_goes_on_where_the_last_one_ended() {
        let quotas = Quotas::default();
        let count = LOOK_MAX as u64 + 9;
        for n in 0..count {
            let address = format!("a{n:06}").as_str().into();
            assert!(quotas.begin_write(&LOOP, &address, 1, (count, 7), |_| None).is_ok());
        }
        let mut now_us = 7 + UNDECIDED_US;
        let mut looked = |address: &str| {
            let looked = std::cell::Cell::new(0);
            let gone = |_: &Address| {
                looked.set(looked.get() + 1);
                Some(true)
            };
            now_us += LOOK_AGAIN_US;
            assert!(quotas.begin_write(&LOOP, &address.into(), 1, (count, now_us), gone).is_err());
            looked.get()
        };
        assert_eq!([looked("b"), looked("b"), looked("b")], [LOOK_MAX, 9, LOOK_MAX]);
    }
}
