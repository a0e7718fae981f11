//! What is committed of a shard's cache lines. Part of the shard's state machine.
//!
//! Invariants:
//! - an address has an entry or a tombstone or neither; what has neither changed last at `floor` or before;
//! - `bytes` is what all addresses and values have together;
//! - nothing is written but by the tenure that began last.
//!
//! The maps are persistent: a clone is a cheap fork that a snapshot can be encoded from.

use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;
use orrery_base::ids::{LogIndex, NodeName, Term};

use super::fact::PREVIEW_BYTES_MAX;
use super::{
    Address, BYTES_PER_SHARD_MAX, CacheCommand, CacheFact, CacheReply, LINES_PER_SHARD_MAX, Saves,
    TOMBSTONES_MAX, VALUE_BYTES_MAX, Version, is_address,
};

/// A value as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Index of the log entry that wrote it, or that took it from an owner.
    pub version: Version,
    /// JSON text, in memory of its own: a slice of a received frame would keep the frame.
    pub value: Bytes,
    /// The write-back that brought it, if it was one.
    pub saved: Option<Saves>,
}

/// All values of one shard. Equal after equal commands, whoever applies them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    pub(super) entries: OrdMap<Address, Arc<Entry>>,
    pub(super) tombstones: OrdMap<Address, Version>,
    /// The tombstones by version: the oldest goes first.
    pub(super) by_age: OrdMap<Version, Address>,
    pub(super) floor: Version,
    pub(super) last: Version,
    pub(super) bytes: u64,
    pub(super) begun: Term,
    pub(super) opened: Term,
}

/// What one command does, collected while it is applied.
#[derive(Debug, Default)]
pub struct Step {
    /// Its log index.
    pub index: LogIndex,
    /// What happened, in order.
    pub facts: Vec<CacheFact>,
}

/// A write as it is applied.
struct Write<'a> {
    address: &'a Address,
    value: Option<&'a Bytes>,
    by: &'a NodeName,
    saves: Option<Saves>,
}

impl Values {
    /// Does what a command says. Log indexes grow from call to call: versions come from them.
    pub fn apply(&mut self, command: &CacheCommand, step: &mut Step) -> CacheReply {
        self.last = step.index;
        match command {
            CacheCommand::Begin { tenure } => self.begin(*tenure, step),
            CacheCommand::Open { tenure } => match self.refused(*tenure) {
                Some(refused) => refused,
                None => {
                    self.opened = *tenure;
                    step.facts.push(CacheFact::Opened { tenure: *tenure });
                    CacheReply::Opened
                }
            },
            CacheCommand::Write { address, value, tenure, by, based_on, if_version, saves } => {
                if let Some(refused) = self.refused(*tenure) {
                    return refused;
                }
                let changed = self.last_change(address);
                if based_on.is_some_and(|based_on| changed > based_on) {
                    return CacheReply::Stale { version: changed };
                }
                let present = self.version(address).unwrap_or(0);
                if if_version.is_some_and(|wanted| wanted != present) {
                    return CacheReply::WrongVersion { version: present };
                }
                self.write(&Write { address, value: value.as_ref(), by, saves: *saves }, step)
            }
            CacheCommand::Revoke { address, tenure } => {
                if let Some(refused) = self.refused(*tenure) {
                    return refused;
                }
                let version = step.index;
                match self.entries.get(address) {
                    Some(entry) => {
                        let entry = Entry { version, value: entry.value.clone(), saved: None };
                        self.entries.insert(address.clone(), Arc::new(entry));
                    }
                    None => self.bury(address, version),
                }
                step.facts.push(CacheFact::Revoked { address: address.clone(), version });
                CacheReply::Revoked { version }
            }
        }
    }

    fn begin(&mut self, tenure: Term, step: &mut Step) -> CacheReply {
        if tenure < self.begun {
            return CacheReply::OldTenure { begun: self.begun };
        }
        if tenure > self.begun {
            self.begun = tenure;
            step.facts.push(CacheFact::Begun { tenure });
        }
        CacheReply::Begun { opened: self.opened }
    }

    fn refused(&self, tenure: Term) -> Option<CacheReply> {
        (tenure != self.begun).then_some(CacheReply::OldTenure { begun: self.begun })
    }

    fn write(&mut self, write: &Write<'_>, step: &mut Step) -> CacheReply {
        let Write { address, value, by, saves } = *write;
        let version = step.index;
        let Some(value) = value else { return self.delete(address, by, step) };
        if let Some(what) = self.no_room(address, value) {
            return CacheReply::Full { what };
        }
        self.unbury(address);
        let entry = Entry { version, value: Bytes::copy_from_slice(value), saved: saves };
        self.bytes += size(address, value);
        if let Some(before) = self.entries.insert(address.clone(), Arc::new(entry)) {
            self.bytes -= size(address, &before.value);
        }
        step.facts.push(CacheFact::Committed {
            address: address.clone(),
            version,
            deleted: false,
            by: by.clone(),
            write_back: saves.is_some(),
            preview: preview(value),
        });
        CacheReply::Written { version }
    }

    fn delete(&mut self, address: &Address, by: &NodeName, step: &mut Step) -> CacheReply {
        let version = step.index;
        let Some(before) = self.entries.remove(address) else {
            return CacheReply::Deleted { version: self.last_change(address), existed: false };
        };
        self.bytes -= size(address, &before.value);
        self.bury(address, version);
        step.facts.push(CacheFact::Committed {
            address: address.clone(),
            version,
            deleted: true,
            by: by.clone(),
            write_back: false,
            preview: String::new(),
        });
        CacheReply::Deleted { version, existed: true }
    }

    /// Why a value cannot be written, as a sentence.
    pub fn no_room(&self, address: &Address, value: &Bytes) -> Option<String> {
        let before = self.entries.get(address);
        let freed = before.map_or(0, |before| size(address, &before.value));
        if !is_address(address) {
            Some("an address has 1 to 256 bytes, no control characters and no space around it".into())
        } else if value.len() > VALUE_BYTES_MAX {
            Some(format!("a value has at most {VALUE_BYTES_MAX} bytes"))
        } else if before.is_none() && self.entries.len() >= LINES_PER_SHARD_MAX {
            Some(format!("this shard has values at {LINES_PER_SHARD_MAX} addresses, which is its bound"))
        } else if self.bytes - freed + size(address, value) > BYTES_PER_SHARD_MAX {
            Some(format!("this shard would have more than {BYTES_PER_SHARD_MAX} bytes of cached values"))
        } else {
            None
        }
    }

    pub(super) fn bury(&mut self, address: &Address, version: Version) {
        self.unbury(address);
        self.tombstones.insert(address.clone(), version);
        self.by_age.insert(version, address.clone());
        if self.tombstones.len() > TOMBSTONES_MAX
            && let Some((oldest, address)) = self.by_age.get_min().cloned()
        {
            self.by_age.remove(&oldest);
            self.tombstones.remove(&address);
            self.floor = oldest;
        }
    }

    fn unbury(&mut self, address: &Address) {
        if let Some(version) = self.tombstones.remove(address) {
            self.by_age.remove(&version);
        }
    }

    /// What an address has.
    pub fn get(&self, address: &str) -> Option<&Entry> {
        self.entries.get(address).map(|entry| &**entry)
    }

    /// Its version; none without a value.
    pub fn version(&self, address: &str) -> Option<Version> {
        self.get(address).map(|entry| entry.version)
    }

    /// No change of the address has a later version than this.
    pub fn last_change(&self, address: &str) -> Version {
        let known = self.version(address).or_else(|| self.tombstones.get(address).copied());
        known.unwrap_or(self.floor)
    }

    /// Index of the last command: every later change of any address has a later version.
    pub fn last(&self) -> Version {
        self.last
    }

    /// The tenure that began last; 0 before the first.
    pub fn begun(&self) -> Term {
        self.begun
    }

    /// The last tenure that granted; 0 where none ever did.
    pub fn opened(&self) -> Term {
        self.opened
    }

    /// Addresses with a value.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// No address has a value.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of addresses and values.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The addresses with a value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, &Entry)> {
        self.entries.iter().map(|(address, entry)| (address, &**entry))
    }
}

pub(super) fn size(address: &Address, value: &Bytes) -> u64 {
    (address.len() + value.len()) as u64
}

/// The beginning of a value, for people.
pub(super) fn preview(value: &Bytes) -> String {
    let text = String::from_utf8_lossy(&value[..value.len().min(PREVIEW_BYTES_MAX + 4)]).into_owned();
    let mut end = text.len().min(PREVIEW_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
