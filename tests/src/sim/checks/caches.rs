//! The cache, as its clients see it and as its copies are at one moment.

use std::collections::BTreeMap;

use orrery_cache::{Address, Cause, LineFact, State, Version};
use smol_str::SmolStr;

use crate::sim::run::Cached;
use orrery_linear::history::Number;
use orrery_linear::{Answer, Call, Histories, Losses};
use orrery_sim::runtime::TaskGroup;

type Verdict = Result<(), String>;

/// What is known of all addresses.
#[derive(Default)]
pub struct Caches {
    histories: Histories,
    /// The last number that was written; each is written once.
    written: u64,
    /// The last moment: no two are equal.
    now: u64,
    counts: Cached,
}

/// A copy that its node may read now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub node: TaskGroup,
    /// M, E or S.
    pub state: State,
    /// Its version; of an M the one that it is based on.
    pub version: Version,
    pub value: Option<String>,
}

/// What any replica has applied of an address: the version of its last change.
pub type Applied = BTreeMap<Address, Version>;

impl Caches {
    /// A number that nobody wrote yet.
    pub fn new_value(&mut self) -> u64 {
        self.written += 1;
        self.written
    }

    /// Later than every moment before, in virtual nanoseconds.
    fn moment(&mut self, now_us: u64) -> u64 {
        self.now = (self.now + 1).max(now_us * 1_000);
        self.now
    }

    pub fn begin(&mut self, now_us: u64, address: &str, who: &str, call: Call) -> Number {
        let now = self.moment(now_us);
        self.histories.at(address).begin(who, now, call)
    }

    pub fn end(&mut self, now_us: u64, address: &str, number: Number, answer: Answer) {
        match answer {
            Answer::Saw { .. } => self.counts.reads += 1,
            Answer::Written { .. } | Answer::Absent { .. } => self.counts.durable += 1,
            Answer::Taken { .. } => self.counts.taken += 1,
            Answer::Wrong { .. } => self.counts.refused += 1,
        }
        let now = self.moment(now_us);
        self.histories.at(address).end(number, now, answer);
    }

    /// Nobody knows whether it was done.
    pub fn unknown(&mut self) {
        self.counts.unknown += 1;
    }

    /// Something happened to a line of a node.
    pub fn line(&mut self, fact: &LineFact) {
        match fact {
            LineFact::Hit { write: false, .. } => self.counts.hits += 1,
            LineFact::Lost { .. } => self.counts.lost += 1,
            LineFact::Unresolved { .. } => self.counts.unresolved += 1,
            // An offer of a write that no home knew any more was applied.
            LineFact::Changed { from: State::I, to: State::I, cause: Cause::WriteBack, .. } => {
                self.counts.offered += 1;
            }
            LineFact::Hit { write: true, .. } | LineFact::Changed { .. } => {}
        }
    }

    pub fn counts(&self) -> Cached {
        self.counts
    }

    /// Somebody used the cache.
    pub fn is_used(&self) -> bool {
        self.written > 0
    }

    /// It surely was not done.
    pub fn forget(&mut self, address: &str, number: Number) {
        self.histories.at(address).forget(number);
    }

    /// Everything that clients were told fits together.
    pub fn check(&self) -> Verdict {
        self.histories.check(Losses::Possible).map_err(|(address, why)| format!("address {address} is {why}"))
    }

    /// All readable copies at one moment, by address: one owner at most, who excludes everybody else; what is shared or owned
    /// without being written is what is committed, and nothing later is.
    pub fn copies(&mut self, copies: &BTreeMap<Address, Vec<Copy>>, applied: &Applied) -> Verdict {
        self.counts.looks += 1;
        for (address, copies) in copies {
            let owners = copies.iter().filter(|copy| copy.state.owns()).count();
            if owners > 1 {
                return Err(format!("{address} has {owners} owners: {copies:?}"));
            }
            if owners == 1 && copies.len() > 1 {
                return Err(format!("{address} has an owner, and others read it: {copies:?}"));
            }
            let differs = |copy: &&Copy| (copy.version, &copy.value) != (copies[0].version, &copies[0].value);
            if let Some(other) = copies.iter().find(differs) {
                return Err(format!("copies of {address} differ: {:?} and {other:?}", copies[0]));
            }
            let last = applied.get(address).copied().unwrap_or_default();
            let old = copies.iter().find(|copy| copy.state != State::M && copy.version < last);
            if let Some(copy) = old {
                return Err(format!("{address} was changed as version {last}, and {copy:?} can be read"));
            }
        }
        Ok(())
    }
}

/// The name of an address that clients share.
pub fn address(number: u64) -> SmolStr {
    SmolStr::from(format!("line{number}"))
}
