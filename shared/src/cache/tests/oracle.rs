//! What readers may see. Per address a list: what is committed, then the writes that were answered without being
//! durable, the newest last. A reader sees the last one. The end of the list may get lost, and then never comes back.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::cache::{Address, CacheCommand, CacheReply};

/// A value; none where there is none.
pub type Seen = Option<Bytes>;

#[derive(Debug, Default)]
pub struct Oracle {
    lines: BTreeMap<Address, Vec<(u64, Vec<Seen>)>>,
    /// Writes that got lost.
    pub losses: u64,
}

impl Oracle {
    fn present(&self, address: &Address) -> Vec<Seen> {
        self.lines.get(address).and_then(|line| line.last()).map_or(vec![None], |(_, list)| list.clone())
    }

    fn set(&mut self, address: &Address, now: u64, list: Vec<Seen>) {
        self.lines.entry(address.clone()).or_insert_with(|| vec![(0, vec![None])]).push((now, list));
    }

    /// Something was applied.
    pub fn applied(&mut self, command: &CacheCommand, reply: &CacheReply, now: u64) {
        match (command, reply) {
            (
                CacheCommand::Write { address, value, saves, .. },
                CacheReply::Written { .. } | CacheReply::Deleted { .. },
            ) => {
                let list = self.present(address);
                if saves.is_none() {
                    return self.set(address, now, vec![value.clone()]);
                }
                let at = list.iter().position(|seen| seen == value);
                let at = at.unwrap_or_else(|| panic!("{value:?} at {address} comes back to {list:?}"));
                self.set(address, now, list[at..].to_vec());
            }
            (CacheCommand::Revoke { address, .. }, CacheReply::Revoked { .. }) => {
                let list = self.present(address);
                self.losses += list.len() as u64 - 1;
                self.set(address, now, list[..1].to_vec());
            }
            _ => {}
        }
    }

    /// A write was answered without being durable.
    pub fn wrote(&mut self, address: &Address, value: &Bytes, now: u64) {
        let mut list = self.present(address);
        list.push(Some(value.clone()));
        self.set(address, now, list);
    }

    /// A read that began then and ends now saw this. A read from a copy begins and ends at once.
    pub fn read(&mut self, address: &Address, seen: &Seen, began: u64, now: u64, who: &str) {
        let history = self.lines.get(address).cloned().unwrap_or_else(|| vec![(0, vec![None])]);
        let mut valid = history.iter().enumerate().filter(|(n, (from, list))| {
            let until = history.get(n + 1).map_or(u64::MAX, |(next, _)| *next);
            *from <= now && until >= began && list.last() == Some(seen)
        });
        if valid.next().is_some() && began < now {
            return;
        }
        let list = self.present(address);
        if list.last() == Some(seen) {
            return;
        }
        let at = list.iter().position(|one| one == seen);
        let at = at.unwrap_or_else(|| panic!("{who} reads {seen:?} at {address}; it is {list:?}"));
        // What came after it is lost.
        self.losses += (list.len() - 1 - at) as u64;
        self.set(address, now, list[..=at].to_vec());
    }

    /// A copy that can be read is nothing that was overwritten, or lost.
    pub fn check_copy(&self, address: &Address, seen: &Seen, who: &str) {
        let list = self.present(address);
        assert!(list.contains(seen), "{who} holds {seen:?} at {address}; it is {list:?}");
    }
}
