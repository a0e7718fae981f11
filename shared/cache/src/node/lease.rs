//! Leases: their end, their renewal, and what a new home is told.

use orrery_base::ids::{GroupId, Term};

use super::Lines;
use crate::fact::Cause;
use crate::message::{Ask, Claim, Kept};
use crate::{Address, Stamp, State};

impl Lines {
    /// Does what is due.
    pub fn tick(&mut self, now_us: u64) {
        self.expire(now_us);
        let shards: Vec<GroupId> = self.homes.keys().copied().collect();
        shards.into_iter().for_each(|shard| self.renew(shard, now_us));
        self.flush_due(now_us);
        self.checked();
    }

    /// When to call [`Lines::tick`] again at the latest.
    pub fn deadline(&self) -> Option<u64> {
        let of = |(shard, home): (&GroupId, &super::Home)| {
            let end_us = home.lease.map(|(_, until_us)| until_us);
            let renew_us = (home.renewing.is_none() && self.wants_renewal(*shard, home.renew_us))
                .then_some(home.renew_us);
            [end_us, renew_us]
        };
        let leases = self.homes.iter().flat_map(of).flatten();
        leases.chain(self.flush_deadline()).min()
    }

    /// Ends what is over. From here on nothing of such a shard is readable.
    pub(super) fn expire(&mut self, now_us: u64) {
        let over = |home: &super::Home| home.lease.is_some_and(|(_, until_us)| until_us <= now_us);
        if !self.homes.values().any(over) {
            return;
        }
        let shards: Vec<GroupId> =
            self.homes.iter().filter(|(_, home)| over(home)).map(|(shard, _)| *shard).collect();
        shards.into_iter().for_each(|shard| self.lease_out(shard));
    }

    /// No copy of the shard is readable from now on. An owned one is kept for the home, or the next one, to name it
    /// again; a shared one is worth something only to a new home that was told of it in time.
    fn lease_out(&mut self, shard: GroupId) {
        let home = self.home(shard);
        home.lease = None;
        let claimed = home.claimed;
        for address in self.of_shard(shard) {
            let Some(line) = self.lines.get(&address) else { continue };
            if line.unsaved() || line.state == State::E || claimed {
                self.change_line(&address, Cause::LeaseOut, |line| line.suspended = true);
            } else {
                self.drop_line(&address, Cause::LeaseOut);
            }
        }
    }

    fn of_shard(&self, shard: GroupId) -> Vec<Address> {
        let mine = self.lines.iter().filter(|(_, line)| line.shard == shard);
        mine.map(|(address, _)| address.clone()).collect()
    }

    /// Whether the shard's lease is worth a message at that time.
    fn wants_renewal(&self, shard: GroupId, at_us: u64) -> bool {
        let Some(home) = self.homes.get(&shard) else { return false };
        let used = home.used_us + self.limits.idle_us > at_us;
        let unsaved = || {
            let first = (shard, Address::default());
            self.unsaved.range(first..).next().is_some_and(|(of, _)| *of == shard)
        };
        home.held > 0 && (used || home.claim || unsaved())
    }

    /// Asks the home to let it go on, when that is due.
    fn renew(&mut self, shard: GroupId, now_us: u64) {
        if !self.wants_renewal(shard, now_us) {
            // Not wanted now: its time moves on, so that it is not due in the past.
            let home = self.home(shard);
            home.renew_us = home.renew_us.max(now_us);
            return;
        }
        let suspended = self.lines.values().any(|line| {
            // What is offered waits for the answer to the offer.
            line.shard == shard && line.suspended && !line.offered
        });
        let home = self.home(shard);
        if home.renewing.is_some() || now_us < home.renew_us {
            return;
        }
        let lease = home.lease.map(|(term, _)| term);
        // Without one the home says what it knows of, which is what a suspended copy waits for.
        let lease = lease.filter(|_| !suspended);
        let claims = std::mem::take(&mut home.claim).then(|| self.claims(shard));
        if claims.is_some() {
            self.home(shard).claimed = true;
        }
        let asked = self.tell(shard, Ask::Renew { lease, claims });
        self.home(shard).renewing = Some((asked, now_us));
    }

    /// What a new home may take over: everything that the node owns, and what it may read now.
    fn claims(&self, shard: GroupId) -> Vec<Claim> {
        let known = self.homes.get(&shard).map_or(0, |home| home.known);
        let mine = self.lines.iter().filter(|(_, line)| line.shard == shard && line.stamp.term < known);
        let claim = |(address, line): (&Address, &super::Line)| {
            let owned = line.unsaved() || line.state == State::E;
            (owned || !line.suspended).then(|| Claim {
                address: address.clone(),
                owned,
                version: line.version,
                stamp: line.stamp,
                writes: line.writes,
            })
        };
        mine.filter_map(claim).collect()
    }

    /// A home granted something that was asked for then.
    pub(super) fn extend(&mut self, shard: GroupId, term: Term, sent_us: u64, now_us: u64) {
        let from_us = if self.limits.broken.lease_from_receipt { now_us } else { sent_us };
        let until_us = from_us + self.limits.lease_us;
        if self.home(shard).lease.is_some_and(|(before, _)| before < term) {
            // The new home grants only when all leases of the old one are over.
            self.lease_out(shard);
        }
        let lease_us = self.limits.lease_us;
        let home = self.home(shard);
        if until_us <= now_us || home.known > term {
            return;
        }
        let until_us = home.lease.map_or(until_us, |(_, before_us)| before_us.max(until_us));
        home.lease = Some((term, until_us));
        home.renew_us = home.renew_us.max(until_us - lease_us + lease_us / 3);
    }

    /// The home lets the lease go on, or says what it knows of.
    pub(super) fn renewed(
        &mut self,
        shard: GroupId,
        stamp: Stamp,
        kept: Option<Vec<Kept>>,
        (sent_us, now_us): (u64, u64),
    ) {
        self.counted.renewals += 1;
        let lease = self.home(shard).lease;
        let Some(kept) = kept else {
            if lease.is_some_and(|(term, _)| term == stamp.term) {
                self.extend(shard, stamp.term, sent_us, now_us);
            } else {
                // It ended meanwhile: only the home knows what is left of the copies.
                self.home(shard).renew_us = now_us;
            }
            return;
        };
        self.extend(shard, stamp.term, sent_us, now_us);
        self.home(shard).claimed = false;
        let live = self.leased(shard, now_us);
        for address in self.of_shard(shard) {
            let Some(line) = self.lines.get(&address) else { continue };
            if line.stamp >= stamp {
                continue;
            }
            let named = kept.iter().find(|kept| kept.address == address);
            let named = named.filter(|kept| [kept.stamp, kept.was].contains(&line.stamp));
            match named {
                // It was fetched after the home said so.
                Some(kept) if line.handed > Some(kept.stamp) => {}
                Some(kept) => self.take_back(&address, kept, live),
                // What was handed over may have come too late for the home that asked.
                None if line.unsaved() => self.offer(&address, now_us),
                None => drop(self.drop_line(&address, Cause::Refused)),
            }
        }
    }

    /// The home names a copy: it counts again.
    fn take_back(&mut self, address: &Address, kept: &Kept, live: bool) {
        self.change_line(address, Cause::Registered, |line| {
            let saved = line.writes <= kept.saved;
            if line.unsaved() {
                line.state = if saved { State::E } else { State::M };
            }
            line.handed = None;
            line.abandon_flush();
            line.offered = false;
            line.suspended = !live;
            line.stamp = kept.stamp;
            // A write-back that was answered meanwhile may know a later one.
            line.version = line.version.max(kept.version);
        });
        self.wake(address);
    }
}
