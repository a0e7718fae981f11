//! What clients of this node do.

use bytes::Bytes;
use orrery_base::ids::GroupId;
use orrery_base::key::RequestKey;

use super::{Lines, Looked, Pending, Purpose};
use crate::fact::Cause;
use crate::message::Ask;
use crate::table::{Action, Stimulus, next};
use crate::{Address, State, Version};

impl Lines {
    pub fn read(&mut self, shard: GroupId, address: &Address, now_us: u64) -> Looked {
        self.expire(now_us);
        let looked = self.look_to_read(shard, address, now_us);
        self.checked();
        looked
    }

    fn look_to_read(&mut self, shard: GroupId, address: &Address, now_us: u64) -> Looked {
        if let Some(line) = self.readable(address, now_us) {
            debug_assert_eq!(next(line.state, Stimulus::LocalRead).action, Action::Hit);
            // An owner that has not written yet may know that there is no value.
            let (state, version, value) = (line.state, line.version, line.value.clone());
            self.hit(shard, address, now_us);
            return Looked::Hit { state, version, value };
        }
        if self.must_wait(shard, address, now_us) {
            return Looked::Wait;
        }
        self.begin(shard, Purpose::Read, Ask::GetS { address: address.clone() }, now_us)
    }

    /// A write that is answered before it is committed. Refused (none) while the node stops.
    pub fn write_back(
        &mut self,
        shard: GroupId,
        address: &Address,
        value: &Bytes,
        now_us: u64,
    ) -> Option<Looked> {
        self.expire(now_us);
        if self.stopping {
            return None;
        }
        let looked = self.look_to_write_back(shard, address, value, now_us);
        self.checked();
        Some(looked)
    }

    fn look_to_write_back(
        &mut self,
        shard: GroupId,
        address: &Address,
        value: &Bytes,
        now_us: u64,
    ) -> Looked {
        // A question for a copy tells the home that nothing here is unwritten, so no write is taken while it is open.
        let free = !self.pending.contains_key(address);
        if let Some(line) = self.readable(address, now_us)
            && next(line.state, Stimulus::LocalWrite).action == Action::Hit
            && free
        {
            let version = line.version;
            self.hit(shard, address, now_us);
            self.change_line(address, Cause::LocalWrite, |line| {
                if line.state != State::M {
                    line.dirty_us = now_us;
                    line.flush_after_us = now_us;
                }
                line.state = State::M;
                line.value = Some(Bytes::copy_from_slice(value));
                line.writes += 1;
                line.leaving = false;
            });
            self.make_room(address);
            return Looked::Hit { state: State::M, version, value: None };
        }
        if self.must_wait(shard, address, now_us) {
            return Looked::Wait;
        }
        self.begin(shard, Purpose::Own, Ask::GetM { address: address.clone() }, now_us)
    }

    /// A write that is answered when it is committed; without a value a deletion.
    pub fn write(
        &mut self,
        shard: GroupId,
        address: &Address,
        value: Option<Bytes>,
        if_version: Option<Version>,
        key: RequestKey,
        now_us: u64,
    ) -> Looked {
        self.expire(now_us);
        let ask = Ask::Write { address: address.clone(), value, if_version, key };
        let looked = self.look_to_write(shard, address, ask, now_us);
        self.checked();
        looked
    }

    fn look_to_write(&mut self, shard: GroupId, address: &Address, ask: Ask, now_us: u64) -> Looked {
        if self.must_wait(shard, address, now_us) {
            return Looked::Wait;
        }
        if self.lines.get(address).is_some_and(|line| line.state == State::M) {
            // What was answered before this must not be lost with it.
            self.flush(address, now_us, true);
            return Looked::Wait;
        }
        self.begin(shard, Purpose::Write, ask, now_us)
    }

    /// Counts a client's request by its first look: once, however often it has to look again.
    pub fn count(&mut self, looked: &Looked, now_us: u64) {
        self.counted.looked(matches!(looked, Looked::Hit { .. }), now_us);
    }

    fn hit(&mut self, shard: GroupId, address: &Address, now_us: u64) {
        self.order.used(address);
        self.home(shard).used_us = now_us;
    }

    /// Whether a request has to wait: a question about the address is open, or the home has to say first what becomes of
    /// what was written here.
    fn must_wait(&mut self, shard: GroupId, address: &Address, now_us: u64) -> bool {
        let known = self.homes.get(&shard).map_or(0, |home| home.known);
        let owes = self.lines.get(address).is_some_and(|line| {
            line.unsaved() && (line.suspended || line.handed.is_some() && line.stamp.term < known)
        });
        let offered = self.lines.get(address).is_some_and(|line| line.offered);
        if owes && !offered {
            let home = self.home(shard);
            home.used_us = now_us;
            home.renew_us = home.renew_us.min(now_us);
        }
        owes || self.pending.contains_key(address)
    }

    fn begin(&mut self, shard: GroupId, purpose: Purpose, ask: Ask, now_us: u64) -> Looked {
        let asked = self.number();
        self.home(shard).used_us = now_us;
        let value = match &ask {
            Ask::Write { value, .. } => value.clone(),
            _ => None,
        };
        let pending = Pending { asked, purpose, shard, sent_us: now_us, value, overtaken: None };
        if let Some(address) = ask.address() {
            self.pending.insert(address.clone(), pending);
        }
        Looked::Ask { asked, ask }
    }
}
