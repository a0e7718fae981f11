//! Write-backs, and making room.

use orrery_base::ids::GroupId;

use super::{Line, Lines};
use crate::fact::Cause;
use crate::message::Ask;
use crate::table::{Action, Stimulus, next};
use crate::{Address, State};

/// Most lines that one message about evictions names.
const EVICTIONS_PER_MESSAGE: usize = 64;

/// Most offers that are under way at one time: after a change of homes there may be thousands, with their values.
pub(super) const OFFERS_MAX: usize = 64;

impl Lines {
    /// Sends what was written here, unless that is under way. With `now` it does not wait until that is due.
    pub(super) fn flush(&mut self, address: &Address, now_us: u64, now: bool) {
        let Some(line) = self.lines.get(address) else { return };
        let soon = now || line.leaving || line.offered || self.stopping;
        let due_us = if soon { 0 } else { line.dirty_us + self.limits.flush_us };
        if !self.may_flush(line) || now_us < line.flush_after_us || now_us < due_us {
            return;
        }
        let (shard, grant, write, offered) = (line.shard, line.stamp, line.writes, line.offered);
        let (address, value) = (address.clone(), line.value.clone().unwrap_or_default());
        let ask = match offered {
            true => Ask::Offer { address: address.clone(), grant, write, value, based_on: line.version },
            false => Ask::WriteBack { address: address.clone(), grant, write, value },
        };
        let asked = self.tell(shard, ask);
        if offered {
            self.offers.insert(asked, address.clone());
        }
        if let Some(line) = self.lines.get_mut(&address) {
            line.flush = Some((asked, write));
        }
    }

    /// Whether a line's write can be sent now. Not while a new home is told what the node holds: the claim says it.
    fn may_flush(&self, line: &Line) -> bool {
        if line.offered {
            return line.flush.is_none() && self.offers.len() < OFFERS_MAX;
        }
        let registering = self.homes.get(&line.shard).is_some_and(|home| home.known > line.stamp.term);
        line.state == State::M && line.flush.is_none() && line.handed.is_none() && !registering
    }

    /// Sends everything that is due; answers when the next is.
    pub(super) fn flush_due(&mut self, now_us: u64) -> Option<u64> {
        let dirty: Vec<Address> = self
            .unsaved_lines()
            .filter(|(_, line)| line.state == State::M || line.offered)
            .map(|(at, _)| at.clone())
            .collect();
        dirty.iter().for_each(|address| self.flush(address, now_us, false));
        self.flush_deadline()
    }

    pub(super) fn flush_deadline(&self) -> Option<u64> {
        // A line that cannot be sent is not due. What it waits for comes first, and then this is asked again.
        let waits = self.unsaved_lines().filter(|(_, line)| self.may_flush(line));
        let soon = self.stopping;
        waits
            .map(|(_, line)| {
                let soon = soon || line.leaving || line.offered;
                let due_us = if soon { line.dirty_us } else { line.dirty_us + self.limits.flush_us };
                due_us.max(line.flush_after_us)
            })
            .min()
    }

    /// Everything goes home; from now on nothing is written here that is not durable.
    pub fn stop(&mut self, now_us: u64) {
        self.stopping = true;
        self.flush_due(now_us);
        self.checked();
    }

    /// Nothing is here that is not written back.
    pub fn is_clean(&self) -> bool {
        !self.lines.values().any(|line| line.state == State::M || line.offered)
    }

    /// Drops what goes first until there is room again. What was written here goes when it is written back.
    pub(super) fn make_room(&mut self, just_used: &Address) {
        let mut told: Vec<(GroupId, Vec<_>)> = Vec::new();
        let full = |lines: &Lines| {
            let leaving = lines.lines.iter().filter(|(_, line)| line.leaving);
            let (count, bytes) = leaving.fold((0, 0), |sum, (at, line)| (sum.0 + 1, sum.1 + line.bytes(at)));
            lines.lines.len() - count > lines.limits.lines_max || lines.bytes - bytes > lines.limits.bytes_max
        };
        while (self.lines.len() > self.limits.lines_max || self.bytes > self.limits.bytes_max) && full(self) {
            let may_go = |address: &Address| {
                let line = self.lines.get(address);
                address != just_used
                    && !self.pending.contains_key(address)
                    && line.is_some_and(|line| !line.leaving && line.handed.is_none())
            };
            let Some(address) = self.order.victim(may_go) else { break };
            let Some(line) = self.lines.get_mut(&address) else { break };
            self.counted.evictions += 1;
            if next(line.state, Stimulus::Evict).action == Action::WriteBack {
                line.leaving = true;
                continue;
            }
            let (shard, stamp) = (line.shard, line.stamp);
            self.drop_line(&address, Cause::Evict);
            match told.iter_mut().find(|(of, lines)| *of == shard && lines.len() < EVICTIONS_PER_MESSAGE) {
                Some((_, lines)) => lines.push((address, stamp)),
                None => told.push((shard, vec![(address, stamp)])),
            }
        }
        for (shard, lines) in told {
            self.tell(shard, Ask::Evict { lines });
        }
    }
}
