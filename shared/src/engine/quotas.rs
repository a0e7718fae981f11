//! What one address of clients may take of what the whole cluster has: topics, and bytes of cached values.
//!
//! A publish and a write name no client, so the address of their connection stands for it, and each node counts what came
//! through it. That is not the last word (a client may use another node), but one loop does not take everything. Locks and
//! sessions name their client: their bounds are the lock table's own.

use std::collections::BTreeMap;
use std::sync::Mutex;

use smol_str::SmolStr;

use super::publish::lock;
use crate::cache::Address;
use crate::queue::TopicName;

/// A topic that was begun and that no shard shows yet counts for so long.
const BEGINNING_US: u64 = 10_000_000;

/// Most topics, and most addresses of cached values, of which a node remembers who began them; beyond them the first by
/// name is forgotten.
const REMEMBERED_MAX: usize = 65_536;

/// Whose bytes are at their bound has its lines looked for again after so long: others may have deleted some. It may be
/// thousands of lines.
const LOOK_AGAIN_US: u64 = 1_000_000;

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
    /// Who wrote it last, and how many bytes it has.
    lines: BTreeMap<Address, (Asker, u64)>,
    shares: BTreeMap<Asker, Share>,
}

/// What one of them has.
#[derive(Default)]
struct Share {
    bytes: u64,
    /// When its lines were last looked for: monotonic microsecond.
    looked_us: Option<u64>,
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

    /// Whether a value of so many bytes (its address included) may be written; `exists` says which addresses may still have
    /// one. The error is the bound that it would pass.
    pub fn may_write(
        &self,
        asker: &Asker,
        address: &Address,
        bytes: u64,
        (most, now_us): (u64, u64),
        exists: impl Fn(&Address) -> bool,
    ) -> Result<(), String> {
        let mut written = lock(&self.written);
        if written.with(asker, address, bytes) > most && written.may_look(asker, now_us) {
            let own = written.lines.iter().filter(|(_, (whose, _))| whose == asker);
            let gone: Vec<Address> =
                own.filter(|(address, _)| !exists(address)).map(|(address, _)| address.clone()).collect();
            gone.iter().for_each(|address| written.forget(address));
        }
        let now = written.with(asker, address, bytes);
        if now > most {
            return Err(format!(
                "the values written from {asker} through this node would have {now} bytes; one client's address has at \
                 most {most}"
            ));
        }
        Ok(())
    }

    /// It was written; without bytes it was deleted.
    pub fn wrote(&self, asker: Option<&Asker>, address: &Address, bytes: Option<u64>) {
        let mut written = lock(&self.written);
        written.forget(address);
        let Some((asker, bytes)) = asker.zip(bytes) else { return };
        written.shares.entry(asker.clone()).or_default().bytes += bytes;
        written.lines.insert(address.clone(), (asker.clone(), bytes));
        if written.lines.len() > REMEMBERED_MAX
            && let Some(first) = written.lines.keys().next().cloned()
        {
            written.forget(&first);
        }
    }
}

impl Written {
    /// The bytes that this one would have with that value.
    fn with(&self, asker: &Asker, address: &Address, bytes: u64) -> u64 {
        let before = self.lines.get(address).filter(|(whose, _)| whose == asker);
        let now = self.shares.get(asker).map_or(0, |share| share.bytes);
        now.saturating_sub(before.map_or(0, |(_, before)| *before)) + bytes
    }

    /// Whether it is time to look for what others deleted.
    fn may_look(&mut self, asker: &Asker, now_us: u64) -> bool {
        let Some(share) = self.shares.get_mut(asker) else { return false };
        let due = share.looked_us.is_none_or(|looked_us| now_us >= looked_us + LOOK_AGAIN_US);
        if due {
            share.looked_us = Some(now_us);
        }
        due
    }

    fn forget(&mut self, address: &Address) {
        let Some((asker, bytes)) = self.lines.remove(address) else { return };
        let Some(share) = self.shares.get_mut(&asker) else { return };
        share.bytes = share.bytes.saturating_sub(bytes);
        if share.bytes == 0 {
            self.shares.remove(&asker);
        }
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
        let at = |now_us, asker: &Asker, address: &str, bytes, exists: bool| {
            let may = quotas.may_write(asker, &address.into(), bytes, (100, now_us), |_| exists);
            may.inspect(|()| quotas.wrote(Some(asker), &address.into(), Some(bytes)))
        };
        let write = |asker: &Asker, address: &str, bytes, exists: bool| at(7, asker, address, bytes, exists);
        assert_eq!(write(&LOOP, "a", 60, true), Ok(()));
        assert_eq!(write(&LOOP, "a", 70, true), Ok(()), "in its place");
        let refused = write(&LOOP, "b", 40, true).expect_err("110");
        assert!(refused.contains("110 bytes") && refused.contains("at most 100"), "{refused}");
        assert_eq!(write(&AYU, "b", 40, true), Ok(()));
        assert_eq!(write(&AYU, "a", 50, true), Ok(()), "whose it is now");
        assert_eq!(write(&LOOP, "c", 100, true), Ok(()));
        quotas.wrote(Some(&LOOP), &"c".into(), None);
        assert_eq!(write(&LOOP, "d", 100, true), Ok(()), "deleted");
        let looked = 8 + LOOK_AGAIN_US;
        assert_eq!(at(looked, &LOOP, "e", 100, false), Ok(()), "deleted elsewhere");
        assert!(at(looked, &LOOP, "f", 100, true).is_err(), "it is there");
        assert!(at(looked + LOOK_AGAIN_US - 1, &LOOP, "f", 100, false).is_err(), "looked for a moment ago");
        assert_eq!(at(looked + LOOK_AGAIN_US, &LOOP, "f", 100, false), Ok(()));
    }
}
