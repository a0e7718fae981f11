//! The model's acquire.

use orrery_lock::{Holder, LockFact, LockReply, Mode, Wait, WaitId};
use orrery_machine::ServiceFact;

use super::{Model, Refused, Waiting};

impl Model {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn acquire(
        &mut self,
        index: u64,
        resource: &str,
        holder: &Holder,
        mode: Mode,
        ttl: u64,
        wait: Wait,
        facts: &[ServiceFact],
    ) -> LockReply {
        if let Some(refused) = self.refusal_of(resource, holder).cloned() {
            if !refused.queued || refused.mode == mode {
                self.refused.retain(|other| other.id != refused.id);
            }
            if refused.queued && refused.mode == mode {
                return LockReply::Deadlock { cycle: refused.cycle, victim: refused.holder };
            }
        }
        let held = self.lock_of(resource, holder).map(|lock| (lock.token, lock.mode));
        if let Some((token, has)) = held
            && (has == Mode::Exclusive || mode == Mode::Shared)
        {
            return self.again(token, has, ttl);
        }
        if let Some(pending) = self.wait_of(resource, holder).cloned() {
            return self.poll(&pending, mode, ttl, wait, facts);
        }
        let free =
            self.free_for(resource, holder, mode) && (held.is_some() || self.waiters(resource).is_empty());
        if free {
            self.grant(resource, holder, mode, ttl, None, false);
            let token = self.last_token;
            return LockReply::Acquired {
                fencing_token: token,
                expires_in_ms: self.left(token),
                mode,
                reentrant: false,
            };
        }
        if wait == Wait::No {
            return LockReply::Busy { holders: self.holders(resource) };
        }
        let id = WaitId(index);
        self.waits.push(Waiting {
            resource: resource.into(),
            holder: holder.clone(),
            mode,
            id,
            ttl,
            upgrade: held.is_some(),
            queued: false,
            deadline: 0,
            expires: None,
            key: None,
        });
        let key = self.key.clone();
        self.renew_wait(id, wait, key.as_ref());
        self.settle(id, resource, holder, facts)
    }

    fn again(&mut self, token: u64, mode: Mode, ttl: u64) -> LockReply {
        let clock = self.clock;
        if self.read(token) {
            let lock = self.locks.iter_mut().find(|lock| lock.token == token).unwrap();
            if lock.expires.is_some_and(|at| clock + ttl > at) {
                (lock.expires, lock.ttl, lock.since) = (Some(clock + ttl), ttl, clock);
            }
            let expires_in_ms = self.left(token);
            return LockReply::Acquired { fencing_token: token, expires_in_ms, mode, reentrant: false };
        }
        let lock = self.locks.iter_mut().find(|lock| lock.token == token).unwrap();
        lock.since = clock;
        if let Some(at) = lock.expires
            && clock + ttl >= at
        {
            lock.expires = Some(clock + ttl);
            lock.ttl = ttl;
        }
        LockReply::Acquired { fencing_token: token, expires_in_ms: self.left(token), mode, reentrant: true }
    }

    fn poll(
        &mut self,
        pending: &Waiting,
        mode: Mode,
        ttl: u64,
        wait: Wait,
        facts: &[ServiceFact],
    ) -> LockReply {
        let weaker = pending.mode == Mode::Shared && mode == Mode::Exclusive;
        // Sent before what the wait knows already.
        let late = pending.key.as_ref().zip(self.key.as_ref());
        let late =
            late.is_some_and(|(newest, asked)| newest.client == asked.client && newest.number > asked.number);
        if weaker && (late || wait == Wait::No) {
            return LockReply::Busy { holders: self.holders(&pending.resource) };
        }
        if !late {
            let key = self.key.clone();
            self.renew_wait(pending.id, wait, key.as_ref());
        }
        if weaker {
            let waiting = self.waits.iter_mut().find(|waiting| waiting.id == pending.id).unwrap();
            waiting.mode = Mode::Exclusive;
            waiting.ttl = ttl;
        }
        self.settle(pending.id, &pending.resource, &pending.holder, facts)
    }

    /// Follows the refusals that the real one reported, then says what became of this wait.
    fn settle(&mut self, own: WaitId, resource: &str, holder: &Holder, facts: &[ServiceFact]) -> LockReply {
        if let Some(reply) = self.follow_refusals(Some(own), facts) {
            return reply;
        }
        if let Some(place) = self.waiters(resource).iter().position(|waiting| waiting.id == own) {
            return LockReply::Waiting { wait: own, position: place as u32 + 1 };
        }
        let (token, mode) = self.lock_of(resource, holder).map(|lock| (lock.token, lock.mode)).unwrap();
        self.read(token);
        LockReply::Acquired { fencing_token: token, expires_in_ms: self.left(token), mode, reentrant: false }
    }

    /// Checks and follows the refusals that the real one reported. The answer is that of `own`.
    pub(super) fn follow_refusals(
        &mut self,
        own: Option<WaitId>,
        facts: &[ServiceFact],
    ) -> Option<LockReply> {
        let mut reply = None;
        for fact in facts {
            let ServiceFact::Lock(LockFact::Deadlock { cycle, victim, wait }) = fact else { continue };
            self.check_cycle(cycle, *wait);
            let refused = self.waits.iter().find(|waiting| waiting.id == *wait).cloned().unwrap();
            assert_eq!(refused.holder, *victim);
            self.waits.retain(|waiting| waiting.id != *wait);
            if Some(*wait) == own {
                reply = Some(LockReply::Deadlock { cycle: cycle.clone(), victim: victim.clone() });
            } else {
                self.refused.push(Refused {
                    resource: refused.resource,
                    holder: refused.holder,
                    mode: refused.mode,
                    id: *wait,
                    cycle: cycle.clone(),
                    queued: refused.queued,
                    expires: self.clock + refused.deadline,
                });
            }
            self.hand_over();
        }
        reply
    }
}
