//! What readers may see. Per address a list: what is committed, then the writes that were answered without being
//! durable, the newest last. A reader sees the last one. The end of the list may go away with its node. Its newest write may
//! come back, as long as nothing newer was written; any other never does.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::{Address, CacheCommand, CacheReply};

/// A value; none where there is none.
pub type Seen = Option<Bytes>;

#[derive(Debug, Default)]
pub struct Oracle {
    lines: BTreeMap<Address, Vec<(u64, Vec<Seen>)>>,
    /// The newest write that was answered as not durable and is away.
    away: BTreeMap<Address, Bytes>,
    /// The node that wrote last without being durable.
    writer: BTreeMap<Address, usize>,
    /// Everything that was ever committed.
    committed: BTreeSet<(Address, Bytes)>,
    /// What nodes reported as lost.
    lost: BTreeSet<(Address, Bytes)>,
    /// Of which nodes reported that nobody knows.
    unresolved: BTreeSet<(Address, Bytes)>,
    /// Writes that went away, for a time or for good.
    pub hidden: u64,
}

impl Oracle {
    fn present(&self, address: &Address) -> Vec<Seen> {
        self.lines.get(address).and_then(|line| line.last()).map_or(vec![None], |(_, list)| list.clone())
    }

    fn set(&mut self, address: &Address, now: u64, list: Vec<Seen>) {
        self.lines.entry(address.clone()).or_insert_with(|| vec![(0, vec![None])]).push((now, list));
    }

    /// The list ends there: what came later is away.
    fn cut(&mut self, address: &Address, now: u64, mut list: Vec<Seen>, at: usize) {
        self.hidden += (list.len() - 1 - at) as u64;
        if let Some(Some(newest)) = list.get(at + 1..).and_then(<[Seen]>::last) {
            self.away.entry(address.clone()).or_insert_with(|| newest.clone());
        }
        list.truncate(at + 1);
        self.set(address, now, list);
    }

    pub fn applied(&mut self, command: &CacheCommand, reply: &CacheReply, now: u64) {
        match (command, reply) {
            (
                CacheCommand::Write { address, value, saves, .. },
                CacheReply::Written { .. } | CacheReply::Deleted { .. },
            ) => {
                if let Some(value) = value {
                    let write = (address.clone(), value.clone());
                    assert!(!self.lost.contains(&write), "{write:?} was reported as lost, and is applied");
                    self.committed.insert(write);
                }
                let list = self.present(address);
                if saves.is_none() {
                    self.away.remove(address);
                    return self.set(address, now, vec![value.clone()]);
                }
                if let Some(at) = list.iter().position(|seen| seen == value) {
                    return self.set(address, now, list[at..].to_vec());
                }
                let away = self.away.remove(address);
                assert_eq!(&away, value, "{address} is {list:?}, and an overwritten value comes back");
                self.set(address, now, vec![value.clone()]);
            }
            (CacheCommand::Revoke { address, .. }, CacheReply::Revoked { .. }) => {
                let list = self.present(address);
                self.hidden += list.len() as u64 - 1;
                self.away.remove(address);
                self.set(address, now, list[..1].to_vec());
            }
            _ => {}
        }
    }

    /// A write was answered without being durable.
    pub fn wrote(&mut self, address: &Address, value: &Bytes, node: usize, now: u64) {
        let mut list = self.present(address);
        let away = self.away.remove(address);
        // The same node took up again what was away, and this one is on top of it. Another one's is newer.
        let same = self.writer.insert(address.clone(), node) == Some(node);
        list.extend(away.filter(|_| same).map(Some));
        list.push(Some(value.clone()));
        self.set(address, now, list);
    }

    /// The node that wrote it says that it is lost.
    pub fn lost(&mut self, address: &Address, value: &Bytes, now: u64) {
        let write = (address.clone(), value.clone());
        assert!(!self.committed.contains(&write), "{write:?} was committed, and is reported as lost");
        assert!(self.lost.insert(write.clone()), "{write:?} is reported as lost twice");
        if self.away.get(address) == Some(value) {
            self.away.remove(address);
        }
        let mut list = self.present(address);
        list.retain(|seen| seen.as_ref() != Some(value));
        self.set(address, now, list);
    }

    /// The node that wrote it says that nobody knows.
    pub fn unresolved(&mut self, address: &Address, value: &Bytes) {
        let write = (address.clone(), value.clone());
        assert!(self.unresolved.insert(write.clone()), "{write:?} is reported twice");
    }

    /// Whether it is known, or was said, what became of that write.
    pub fn has_fate(&self, address: &Address, value: &Bytes) -> bool {
        let write = (address.clone(), value.clone());
        self.committed.contains(&write) || self.lost.contains(&write) || self.unresolved.contains(&write)
    }

    /// How many writes nodes reported as lost.
    pub fn losses(&self) -> usize {
        self.lost.len()
    }

    /// A read that began then and ends now saw this. A read from a copy begins and ends at once.
    pub fn read(&mut self, address: &Address, seen: &Seen, began: u64, now: u64, who: &str) {
        let history = self.lines.get(address).cloned().unwrap_or_else(|| vec![(0, vec![None])]);
        let list = self.present(address);
        if list.last() == Some(seen) {
            return;
        }
        // What came after it may have been away at some moment since then.
        let mut valid = history.iter().enumerate().filter(|(n, (from, list))| {
            let until = history.get(n + 1).map_or(u64::MAX, |(next, _)| *next);
            *from <= now && until >= began && list.contains(seen)
        });
        if began < now && valid.next().is_some() {
            return;
        }
        if let Some(at) = list.iter().position(|one| one == seen) {
            return self.cut(address, now, list, at);
        }
        let away = self.away.remove(address);
        assert_eq!(&away, seen, "{who} reads {seen:?} at {address}; it is {list:?}");
        self.set(address, now, [list, vec![away]].concat());
    }

    /// A copy that can be read is nothing that was overwritten, or lost.
    pub fn check_copy(&self, address: &Address, seen: &Seen, who: &str) {
        let list = self.present(address);
        let away = seen.is_some() && self.away.get(address) == seen.as_ref();
        assert!(list.contains(seen) || away, "{who} holds {seen:?} at {address}; it is {list:?}");
    }
}
