//! What must hold of a shard's committed values between two commands, checked as a whole. Copies and directories have
//! their checks beside them.

use std::collections::BTreeSet;

use imbl::OrdMap;

use super::values::size;
use super::{BYTES_PER_SHARD_MAX, LINES_PER_SHARD_MAX, TOMBSTONES_MAX, Values, Version};

impl Values {
    /// Values and tombstones: what a check looks at.
    pub fn items(&self) -> usize {
        self.entries.len() + self.tombstones.len()
    }

    /// Panics with what is wrong, and of whom. Costs O(n log n) in the number of [`Values::items`].
    pub fn assert_consistent(&self) {
        let bytes: u64 = self.entries.iter().map(|(address, entry)| size(address, &entry.value)).sum();
        assert_eq!(self.bytes, bytes, "the bytes of the shard are not those of its values");
        let by_age: OrdMap<_, _> =
            self.tombstones.iter().map(|(at, version)| (*version, at.clone())).collect();
        assert_eq!(self.by_age, by_age, "the order of the deleted addresses does not fit");
        let mut versions: BTreeSet<Version> = BTreeSet::new();
        let values = self.entries.iter().map(|(address, entry)| (address, entry.version));
        let buried = self.tombstones.iter().map(|(address, version)| (address, *version));
        for (address, version) in values.chain(buried) {
            assert!(versions.insert(version), "{address} has version {version}, as another address has");
            assert!(
                version <= self.last,
                "{address} has version {version}, and the last command was {}",
                self.last
            );
        }
        for (address, version) in &self.tombstones {
            assert!(!self.entries.contains_key(address), "{address} has a value and is deleted");
            assert!(*version > self.floor, "{address} was deleted as {version}, which is forgotten");
        }
        assert!(
            self.opened <= self.begun,
            "tenure {} granted, and {} is the last that began",
            self.opened,
            self.begun
        );
        let (lines, buried) = (self.entries.len(), self.tombstones.len());
        assert!(lines <= LINES_PER_SHARD_MAX, "{lines} values are above the bound");
        assert!(buried <= TOMBSTONES_MAX, "{buried} deleted addresses are above the bound");
        assert!(bytes <= BYTES_PER_SHARD_MAX, "{bytes} bytes of values are above the bound");
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::CacheCommand;
    use crate::values::Step;

    /// A value at `a` and a deleted one at `b`.
    fn values() -> Values {
        let mut values = Values::default();
        let write = |address: &str, value: Option<&'static [u8]>| CacheCommand::Write {
            address: address.into(),
            value: value.map(Bytes::from_static),
            tenure: 1,
            by: "node1".into(),
            based_on: None,
            if_version: None,
            saves: None,
        };
        let begin = [CacheCommand::Begin { tenure: 1 }, CacheCommand::Open { tenure: 1 }];
        let writes = [write("a", Some(b"1")), write("b", Some(b"2")), write("b", None)];
        for (command, index) in begin.iter().chain(&writes).zip(1..) {
            values.apply(command, &mut Step { index, ..Step::default() });
            values.assert_consistent();
        }
        values
    }

    #[test]
    #[should_panic(expected = "the bytes of the shard are not those of its values")]
    fn bytes_that_nobody_has() {
        let mut values = values();
        values.bytes += 1;
        values.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "the order of the deleted addresses does not fit")]
    fn a_deleted_address_that_is_never_forgotten() {
        let mut values = values();
        values.by_age.clear();
        values.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "a has version 3, and the last command was 2")]
    fn a_version_that_was_never_given() {
        let mut values = values();
        values.last = 2;
        values.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "tenure 2 granted, and 1 is the last that began")]
    fn a_tenure_that_granted_and_never_began() {
        let mut values = values();
        values.opened = 2;
        values.assert_consistent();
    }
}
