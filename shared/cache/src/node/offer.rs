//! Writes that no home knows any more: offered to the home of now, with the version that they are based on.
//!
//! The home was away for longer than its lease, or this node was, and what the node owned counts no more. What a client wrote
//! there is still worth something as long as nothing was written since. So it is offered until a home applies it or says that
//! it never will; meanwhile nobody reads it and nobody here writes over it. An offer that is on its way twice is harmless:
//! value and number stay the same.

use super::Lines;
use crate::fact::{Cause, LineFact};
use crate::message::{Ask, Told};
use crate::{Address, State, Version};

impl Lines {
    /// No home knows the copy: what was written there is offered from now on.
    pub(super) fn offer(&mut self, address: &Address, now_us: u64) {
        if self.is_offered(address) {
            return;
        }
        self.counted.late.offered += 1;
        self.change_line(address, Cause::LeaseOut, |line| {
            line.offered = true;
            line.suspended = true;
            line.flush_after_us = now_us;
        });
    }

    pub(super) fn is_offered(&self, address: &Address) -> bool {
        self.lines.get(address).is_some_and(|line| line.offered)
    }

    /// A home's answer to an offer; none where it is not known whether anybody got it.
    pub(super) fn told_of_offer(&mut self, address: &Address, asked: u64, told: Option<Told>, now_us: u64) {
        let Some(line) = self.lines.get_mut(address) else { return };
        // A home may have named the copy meanwhile, or fetched it: then its word counts.
        let Some((_, write)) = line.flush.filter(|(of, _)| line.offered && *of == asked) else { return };
        line.flush = None;
        let shard = line.shard;
        line.flush_after_us = now_us + self.limits.lease_us / 4;
        match told {
            Some(Told::Saved { version }) => self.offer_applied(address, version),
            Some(Told::NotSaved { committed: true }) => {
                let version = line.version;
                self.offer_applied(address, version);
            }
            Some(Told::NotSaved { committed: false }) => self.offer_refused(address),
            Some(Told::Opening { term, left_us }) => {
                let lease_us = self.limits.lease_us;
                line.flush_after_us = now_us + left_us.clamp(lease_us / 64, lease_us / 4);
                self.heard(shard, term, now_us);
            }
            Some(Told::Busy | Told::NotHome) => {}
            _ => line.in_doubt = line.in_doubt.max(write),
        }
    }

    /// The answer to a write-back that was under way when no home knew the copy any more; whether it says all.
    pub(super) fn told_before_offer(&mut self, address: &Address, write: u64, told: &Option<Told>) -> bool {
        let Some(line) = self.lines.get_mut(address).filter(|line| line.offered) else { return false };
        let last = line.writes <= write;
        match told {
            Some(Told::Saved { version }) if last => self.offer_applied(address, *version),
            // What was written after it is still to be offered.
            Some(Told::Saved { version }) => line.version = *version,
            Some(Told::NotSaved { committed: true }) if last => {
                let version = line.version;
                self.offer_applied(address, version);
            }
            _ => return false,
        }
        true
    }

    /// It is committed. The home does not note this node: whoever wants the line asks for it.
    fn offer_applied(&mut self, address: &Address, version: Version) {
        self.counted.write_backs += 1;
        let Some(line) = self.settle(address) else { return };
        let (from, to) = (State::I, State::I);
        let fact = LineFact::Changed { address: address.clone(), from, to, cause: Cause::WriteBack, version };
        self.out.push_back(super::Out::Fact(line.shard, fact));
        self.tell(line.shard, Ask::Evict { lines: vec![(address.clone(), line.stamp)] });
    }

    /// Something newer is there.
    fn offer_refused(&mut self, address: &Address) {
        let Some(line) = self.settle(address) else { return };
        let (address, version) = (address.clone(), line.version);
        let fact = if line.handed.is_some() || line.in_doubt >= line.writes {
            self.counted.late.unresolved += 1;
            LineFact::Unresolved { address, version }
        } else {
            self.counted.lost += 1;
            LineFact::Lost { address, version }
        };
        self.out.push_back(super::Out::Fact(line.shard, fact));
    }

    /// The line goes, as it was, without a report.
    fn settle(&mut self, address: &Address) -> Option<super::Line> {
        let line = self.lines.get(address)?.clone();
        self.change_line(address, Cause::Refused, |line| {
            line.state = State::I;
            line.handed = None;
            line.offered = false;
        });
        self.drop_line(address, Cause::Refused);
        Some(line)
    }
}
