//! The values in a snapshot: what is kept, in records of a bounded size.

use std::sync::Arc;

use bytes::Bytes;
use orrery_base::ids::Term;
use serde::{Deserialize, Serialize};

use super::values::{Entry, Values, size};
use super::{Address, Saves, Version};

/// Most tombstones of one record.
const TOMBSTONES_PER_RECORD: usize = 256;

/// One piece of the values. What is inside belongs to this program; a snapshot is written and read record by record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ValuesRecord(Record);

/// The order of the variants is part of the snapshot format: add at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Record {
    /// First.
    Tenures {
        begun: Term,
        opened: Term,
        floor: Version,
        last: Version,
    },
    /// One value: it may be long.
    Value {
        address: Address,
        version: Version,
        value: Bytes,
        saved: Option<Saves>,
    },
    Tombstones {
        versions: Vec<(Address, Version)>,
    },
}

impl Values {
    /// Everything that has to be kept, in an order in which [`Values::restore`] takes it. Nothing, where no cache was
    /// ever used: then a program that knows no caches can read the snapshot.
    pub fn records(&self) -> impl Iterator<Item = ValuesRecord> + '_ {
        let Values { begun, opened, floor, last, .. } = *self;
        let first = (last > 0).then_some(Record::Tenures { begun, opened, floor, last });
        let values = self.entries.iter().map(|(address, entry)| Record::Value {
            address: address.clone(),
            version: entry.version,
            value: entry.value.clone(),
            saved: entry.saved,
        });
        let mut buried = self.tombstones.iter().peekable();
        let tombstones = std::iter::from_fn(move || {
            buried.peek()?;
            let some = buried.by_ref().take(TOMBSTONES_PER_RECORD);
            Some(Record::Tombstones {
                versions: some.map(|(address, version)| (address.clone(), *version)).collect(),
            })
        });
        first.into_iter().chain(values).chain(tombstones).map(ValuesRecord)
    }

    /// Takes one record in. The error says what does not fit.
    pub fn restore(&mut self, record: ValuesRecord) -> Result<(), &'static str> {
        match record.0 {
            Record::Tenures { begun, opened, floor, last } => {
                if *self != Values::default() {
                    return Err("the record of the cache's tenures is not its first one");
                }
                *self = Values { begun, opened, floor, last, ..Values::default() };
            }
            Record::Value { address, version, value, saved } => {
                self.bytes += size(&address, &value);
                let value = Bytes::copy_from_slice(&value);
                let entry = Arc::new(Entry { version, value, saved });
                if self.entries.insert(address, entry).is_some() {
                    return Err("an address has two values");
                }
            }
            Record::Tombstones { versions } => {
                for (address, version) in versions {
                    if self.entries.contains_key(&address)
                        || self.by_age.insert(version, address.clone()).is_some()
                        || self.tombstones.insert(address, version).is_some()
                    {
                        return Err("a deleted address is there twice");
                    }
                }
            }
        }
        Ok(())
    }
}
