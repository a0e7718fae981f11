//! What must hold of a node's copies between two calls, checked as a whole.

use std::collections::{BTreeMap, BTreeSet};

use orrery_base::ids::GroupId;

use super::flush::OFFERS_MAX;
use super::{Line, Lines};
use crate::{Address, State};

impl Lines {
    /// Called after everything that changes them, in debug builds and where the caller asks for it.
    pub(super) fn checked(&mut self) {
        if !cfg!(debug_assertions) && !self.limits.broken.checked {
            return;
        }
        self.changes += 1;
        if orrery_base::consistency::is_due(self.changes, self.lines.len() + self.pending.len()) {
            self.assert_consistent();
        }
    }

    /// Panics with what is wrong, and of whom. Costs O(n log n) in the number of lines.
    pub fn assert_consistent(&self) {
        let bytes: u64 = self.lines.iter().map(|(address, line)| line.bytes(address)).sum();
        assert_eq!(self.bytes, bytes, "the bytes of the node are not those of its lines");
        let unsaved = self.lines.iter().filter(|(_, line)| line.unsaved());
        let unsaved: BTreeSet<_> = unsaved.map(|(address, line)| (line.shard, address.clone())).collect();
        assert_eq!(self.unsaved, unsaved, "the lines that are not written back do not fit");
        self.order.assert_consistent(self.lines.keys());
        for (address, line) in &self.lines {
            self.assert_line(address, line);
        }
        self.assert_homes();
        self.assert_questions();
    }

    fn assert_line(&self, address: &Address, line: &Line) {
        let Line { state, stamp, .. } = line;
        assert!(
            *state != State::I || line.handed.is_some(),
            "{address} is kept in I, and nothing of it was handed to a home"
        );
        assert!(
            !line.unsaved() || line.value.is_some() && line.writes > 0,
            "{address} is not written back, and nothing was written"
        );
        assert!(
            line.flush.is_none_or(|(_, write)| line.unsaved() && write <= line.writes),
            "write {:?} of {address} is being written back, of {} that were made",
            line.flush,
            line.writes
        );
        assert!(
            !line.offered || line.suspended && line.unsaved(),
            "{address} is offered, and readable or without a write"
        );
        let home = self.homes.get(&line.shard);
        assert!(
            line.suspended || home.is_some_and(|home| home.lease.is_some()),
            "{address} is not suspended, and its shard {} has no lease",
            line.shard
        );
        let known = home.map_or(0, |home| home.known);
        assert!(
            stamp.term <= known,
            "{address} is held under stamp {stamp}, and the newest known term of its home is {known}"
        );
    }

    fn assert_homes(&self) {
        let mut held: BTreeMap<GroupId, usize> = BTreeMap::new();
        self.lines.values().for_each(|line| *held.entry(line.shard).or_default() += 1);
        for (shard, home) in &self.homes {
            let lines = held.remove(shard).unwrap_or_default();
            assert_eq!(home.held, lines, "the lines of {shard} are counted wrong");
            let asked = home.renewing.map_or(0, |(asked, _)| asked);
            assert!(asked <= self.asked, "the renewal {asked} of {shard} was never asked");
        }
        assert!(held.is_empty(), "there are lines of {:?}, of which no home is known", held.keys().next());
    }

    fn assert_questions(&self) {
        let pending = self.pending.iter().map(|(address, pending)| (pending.asked, address));
        let offers = self.offers.iter().map(|(asked, address)| (*asked, address));
        let mut numbers: BTreeMap<u64, &Address> = BTreeMap::new();
        for (asked, address) in pending.chain(offers) {
            assert!(asked <= self.asked, "question {asked} about {address} was never asked");
            let other = numbers.insert(asked, address);
            assert!(other.is_none(), "question {asked} is about {address} and about {other:?}");
        }
        assert!(self.offers.len() <= OFFERS_MAX, "{} offers are above the bound", self.offers.len());
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::{Grant, Source, Told};
    use crate::node::{Limits, Looked, Policy};
    use crate::{Broken, Stamp};

    const SHARD: GroupId = GroupId(1);

    /// `a` is written here and not written back.
    fn lines(policy: Policy) -> Lines {
        let limits = Limits {
            lines_max: 4,
            bytes_max: 1_000,
            policy,
            lease_us: 1_000_000,
            flush_us: 500_000,
            idle_us: 500_000,
            broken: Broken::default(),
        };
        let (mut lines, address, value) = (Lines::new(limits), Address::from("a"), Bytes::from_static(b"1"));
        let looked = lines.write_back(SHARD, &address, &value, 10);
        let Some(Looked::Ask { asked, .. }) = looked else { panic!("not asked: {looked:?}") };
        let grant = Grant { stamp: Stamp { term: 3, n: 1 }, state: State::E, version: 7 };
        let told = Told::Filled { term: 3, value: None, grant: Some(grant), source: Source::Home };
        lines.told(SHARD, asked, Some(told), 20);
        lines.write_back(SHARD, &address, &value, 30);
        lines.assert_consistent();
        assert_eq!(lines.lines["a"].state, State::M);
        lines
    }

    #[test]
    #[should_panic(expected = "the bytes of the node are not those of its lines")]
    fn bytes_that_nobody_has() {
        let mut lines = lines(Policy::Lru);
        lines.bytes += 1;
        lines.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "the lines that are not written back do not fit")]
    fn a_write_that_is_never_written_back() {
        let mut lines = lines(Policy::Lru);
        lines.unsaved.clear();
        lines.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "the order of use has 0 lines of 1")]
    fn a_line_that_never_goes() {
        let mut lines = lines(Policy::Lru);
        lines.order.remove(&"a".into());
        lines.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "the order of use has 0 lines of 1")]
    fn a_line_that_never_goes_by_number_of_uses() {
        let mut lines = lines(Policy::Lfu);
        lines.order.remove(&"a".into());
        lines.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "a is not suspended, and its shard s1 has no lease")]
    fn a_copy_without_a_lease() {
        let mut lines = lines(Policy::Lru);
        lines.home(SHARD).lease = None;
        lines.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "the lines of s1 are counted wrong")]
    fn a_line_that_is_not_counted() {
        let mut lines = lines(Policy::Lru);
        lines.home(SHARD).held = 0;
        lines.assert_consistent();
    }
}
