//! What a home takes away.

use orrery_base::ids::GroupId;

use super::{Lines, State};
use crate::fact::Cause;
use crate::message::{Recall, Recalled};
use crate::table::{Action, Stimulus, next};
use crate::{Address, Stamp, Version};

impl Lines {
    pub fn recall(&mut self, shard: GroupId, recall: &Recall, now_us: u64) -> Recalled {
        self.expire(now_us);
        let recalled = self.take_recall(shard, recall, now_us);
        self.checked();
        recalled
    }

    fn take_recall(&mut self, shard: GroupId, recall: &Recall, now_us: u64) -> Recalled {
        let (address, stamp) = (recall.address(), recall.stamp());
        let known = self.home(shard).known;
        if stamp.term < known {
            return Recalled::NewerTerm { term: known };
        }
        self.heard(shard, stamp.term, now_us);
        if let Recall::Settled { version, .. } = recall {
            self.settled(address, stamp, *version);
            return Recalled::Acknowledged;
        }
        if let Some(pending) = self.pending.get_mut(address) {
            pending.overtaken = pending.overtaken.max(Some(stamp));
        }
        // A late repeat must not take what was granted since.
        let newer = self.lines.get(address).is_some_and(|line| stamp < line.stamp);
        // What is offered is no copy: the home speaks of one that was granted and not kept.
        let offered = self.lines.get(address).is_some_and(|line| line.offered);
        match recall {
            Recall::Invalidate { .. } if newer || offered => Recalled::Acknowledged,
            Recall::Fetch { .. } if newer => Recalled::NotHeld,
            Recall::Invalidate { .. } => self.invalidate(address),
            Recall::Fetch { invalidate, .. } => self.fetch(address, stamp, *invalidate),
            Recall::Settled { .. } => Recalled::Acknowledged,
        }
    }

    fn invalidate(&mut self, address: &Address) -> Recalled {
        if let Some(line) = self.lines.get(address) {
            let action = next(line.state, Stimulus::Inv).action;
            debug_assert_ne!(action, Action::Impossible, "an owner is fetched from");
            self.counted.invalidations_received += 1;
            self.drop_line(address, Cause::Inv);
        }
        Recalled::Acknowledged
    }

    fn fetch(&mut self, address: &Address, stamp: Stamp, invalidate: bool) -> Recalled {
        let Some(line) = self.lines.get_mut(address) else { return Recalled::NotHeld };
        self.counted.invalidations_received += 1;
        // A copy that its readers do not see is not shared either.
        let gives_up = invalidate || line.suspended;
        let (stimulus, cause) = match gives_up {
            true => (Stimulus::FetchInv, Cause::FetchInv),
            false => (Stimulus::Fetch, Cause::Fetch),
        };
        if line.unsaved() {
            let (grant, write) = (line.stamp, line.writes);
            let value = line.value.clone().unwrap_or_default();
            let to = if line.handed.is_some() && gives_up { State::I } else { next(line.state, stimulus).to };
            self.change_line(address, cause, |line| {
                line.state = to;
                line.handed = Some(stamp);
                // The home has it now: what the write-back's answer says does not matter any more.
                line.abandon_flush();
            });
            self.wake(address);
            return Recalled::Dirty { grant, write, value };
        }
        let to = next(line.state, stimulus).to;
        if to == State::I {
            self.drop_line(address, cause);
        } else {
            self.change_line(address, cause, |line| {
                line.state = to;
                line.stamp = stamp;
                line.leaving = false;
            });
        }
        Recalled::Clean
    }

    /// What the node handed to the home is committed: a copy that is shared can be read again.
    fn settled(&mut self, address: &Address, stamp: Stamp, version: Version) {
        let Some(line) = self.lines.get(address) else { return };
        // Older than the last fetch it is about an earlier one.
        if line.handed.is_none_or(|handed| stamp < handed) || stamp < line.stamp {
            return;
        }
        self.counted.write_backs += 1;
        if line.state == State::I || line.suspended {
            self.drop_line(address, Cause::WriteBack);
            return;
        }
        self.change_line(address, Cause::WriteBack, |line| {
            line.handed = None;
            line.version = version;
            line.stamp = stamp;
        });
        self.wake(address);
    }
}
