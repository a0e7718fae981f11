//! What homes answer.

use bytes::Bytes;
use orrery_base::ids::{GroupId, Term};

use super::{Done, Line, Lines, Pending, Purpose};
use crate::fact::Cause;
use crate::message::{Ask, Grant, Source, Told};
use crate::{Address, CacheReply, State};

impl Lines {
    /// The answer to a question; none where it is not known whether anybody got it. For a question of a client it says
    /// what came of it.
    pub fn told(&mut self, shard: GroupId, asked: u64, told: Option<Told>, now_us: u64) -> Done {
        self.expire(now_us);
        let done = self.take_answer(shard, asked, told, now_us);
        self.checked();
        done
    }

    fn take_answer(&mut self, shard: GroupId, asked: u64, told: Option<Told>, now_us: u64) -> Done {
        let renewing = self.homes.get(&shard).and_then(|home| home.renewing);
        if let Some((of, sent_us)) = renewing
            && of == asked
        {
            self.home(shard).renewing = None;
            self.told_of_renewal(shard, told, sent_us, now_us);
            return Done::Ignored;
        }
        if let Some(address) = self.offers.remove(&asked) {
            self.told_of_offer(&address, asked, told, now_us);
            return Done::Ignored;
        }
        let flushing = self.unsaved_lines().find(|(_, line)| line.flush.is_some_and(|(of, _)| of == asked));
        if let Some(address) = flushing.map(|(address, _)| address.clone()) {
            self.told_of_flush(&address, told, now_us);
            return Done::Ignored;
        }
        let found = self.pending.iter().find(|(_, pending)| pending.asked == asked);
        let Some(address) = found.map(|(address, _)| address.clone()) else { return Done::Ignored };
        let Some(pending) = self.pending.remove(&address) else { return Done::Ignored };
        let done = self.told_client(&address, &pending, told, now_us);
        self.wake(&address);
        done
    }

    fn told_client(&mut self, address: &Address, pending: &Pending, told: Option<Told>, now_us: u64) -> Done {
        let Pending { shard, purpose, .. } = *pending;
        match (told, purpose) {
            (Some(Told::Filled { term, value, grant, source }), Purpose::Read | Purpose::Own) => {
                self.heard(shard, term, now_us);
                match source {
                    Source::Home => self.counted.fills_from_home += 1,
                    Source::Owner(_) => self.counted.fills_from_owner += 1,
                }
                let copy = value.as_ref().map(|(_, value)| value.clone());
                let state = self.install(address, pending, grant, copy, now_us);
                match purpose {
                    Purpose::Read => Done::Value { value, state, source },
                    _ => Done::Owned,
                }
            }
            (Some(Told::Written { reply, grant }), Purpose::Write) => {
                let state = self.install(address, pending, grant, pending.value.clone(), now_us);
                if state == State::I && !self.is_offered(address) {
                    self.drop_line(address, Cause::LocalWrite);
                }
                Done::Written { reply, state }
            }
            (Some(Told::Opening { term, left_us }), _) => {
                self.heard(shard, term, now_us);
                Done::Again { after_us: left_us.max(1) }
            }
            (Some(Told::Busy), _) => Done::Busy,
            (Some(Told::NotHome), _) | (_, Purpose::Read | Purpose::Own) => Done::Again { after_us: 0 },
            (_, Purpose::Write) => {
                if !self.is_offered(address) {
                    self.drop_line(address, Cause::Unknown);
                }
                Done::Unknown
            }
        }
    }

    /// Keeps what was granted, unless something newer is known of the line by now. The state of the copy that is kept.
    fn install(
        &mut self,
        address: &Address,
        pending: &Pending,
        grant: Option<Grant>,
        value: Option<Bytes>,
        now_us: u64,
    ) -> State {
        let Some(Grant { stamp, state, version }) = grant else { return State::I };
        let shard = pending.shard;
        if pending.overtaken > Some(stamp) || stamp.term < self.home(shard).known || self.is_offered(address)
        {
            return State::I;
        }
        // The answer to a write says of its home's term nothing else than this.
        self.heard(shard, stamp.term, now_us);
        self.extend(shard, stamp.term, pending.sent_us, now_us);
        if !self.leased(shard, now_us) {
            return State::I;
        }
        let line = Line {
            shard,
            state,
            version,
            value,
            stamp,
            writes: 0,
            dirty_us: 0,
            suspended: false,
            handed: None,
            flush: None,
            flush_after_us: 0,
            leaving: false,
            offered: false,
            in_doubt: 0,
        };
        let cause = match pending.purpose {
            Purpose::Read => Cause::LocalRead,
            Purpose::Own | Purpose::Write => Cause::LocalWrite,
        };
        self.put_line(address, line, cause);
        state
    }

    /// There is a home of this term.
    pub(super) fn heard(&mut self, shard: GroupId, term: Term, now_us: u64) {
        let home = self.home(shard);
        if term > home.known {
            home.known = term;
            home.claim = false;
            home.claimed = false;
            home.renew_us = now_us;
        }
    }

    fn told_of_renewal(&mut self, shard: GroupId, told: Option<Told>, sent_us: u64, now_us: u64) {
        let lease_us = self.limits.lease_us;
        let after_us = match told {
            Some(Told::Renewed { stamp, kept }) => {
                self.heard(shard, stamp.term, now_us);
                if stamp.term == self.home(shard).known {
                    self.home(shard).renew_us = now_us + lease_us / 3;
                    self.renewed(shard, stamp, kept, (sent_us, now_us));
                }
                return;
            }
            Some(Told::Register { term }) => {
                self.heard(shard, term, now_us);
                let home = self.home(shard);
                home.claim = home.known == term;
                0
            }
            Some(Told::Opening { term, left_us }) => {
                self.heard(shard, term, now_us);
                left_us.clamp(lease_us / 64, lease_us / 4)
            }
            Some(Told::Later { term }) => {
                self.heard(shard, term, now_us);
                lease_us / 12
            }
            _ => lease_us / 6,
        };
        self.home(shard).renew_us = now_us + after_us;
    }

    fn told_of_flush(&mut self, address: &Address, told: Option<Told>, now_us: u64) {
        let again_us = now_us + self.limits.lease_us / 4;
        let Some(line) = self.lines.get_mut(address) else { return };
        let (shard, write) = (line.shard, line.flush.take().map_or(0, |(_, write)| write));
        if self.told_before_offer(address, write, &told) {
            return;
        }
        let Some(line) = self.lines.get_mut(address) else { return };
        match told {
            Some(Told::Saved { version }) => {
                self.counted.write_backs += 1;
                self.change_line(address, Cause::WriteBack, |line| {
                    line.version = version;
                    line.dirty_us = now_us;
                    if line.writes <= write {
                        line.state = State::E;
                    }
                });
                self.wake(address);
                self.leave(address);
            }
            // That write is committed, and it was the last one.
            Some(Told::NotSaved { committed: true }) if line.writes <= write => {
                line.handed = Some(line.stamp);
                self.drop_line(address, Cause::Refused);
            }
            Some(Told::NotSaved { .. }) => self.offer(address, now_us),
            Some(Told::Opening { term, .. }) => {
                line.flush_after_us = again_us;
                self.heard(shard, term, now_us);
            }
            Some(Told::Busy | Told::NotHome) => line.flush_after_us = again_us,
            _ => {
                line.in_doubt = line.in_doubt.max(write);
                line.flush_after_us = again_us;
            }
        }
    }

    /// A line that was written back because there was no more room goes.
    fn leave(&mut self, address: &Address) {
        let Some(line) = self.lines.get(address) else { return };
        if line.leaving && line.state == State::E && !self.pending.contains_key(address) {
            let (shard, stamp) = (line.shard, line.stamp);
            self.drop_line(address, Cause::Evict);
            self.tell(shard, Ask::Evict { lines: vec![(address.clone(), stamp)] });
        }
    }
}

impl Done {
    /// Whether the state machine wrote.
    pub fn wrote(&self) -> bool {
        let reply = match self {
            Done::Written { reply, .. } => reply,
            _ => return false,
        };
        matches!(reply, CacheReply::Written { .. } | CacheReply::Deleted { .. })
    }
}
