//! A naive lock table: plain lists, everything looked up by scanning and computed anew. Only what it shares with the
//! real one is the rules. Where the real one refuses a wait as a deadlock, the model checks that this was right instead
//! of choosing itself: the cycle is there, and the victim is its youngest wait.

mod acquire;
mod graph;

use orrery_base::ids::LeaseMs;
use orrery_base::key::{IdempotencyKey, RequestKey};
use orrery_lock::view::{HolderView, LockTable, LockedResource, SessionView, WaiterView};
use orrery_lock::{
    Holder, LockCommand, LockReply, Mode, SessionCommand, SessionId, SessionReply, Wait, WaitEdge, WaitId,
};
use orrery_machine::{Command, Mutation, Reply, ServiceFact};
use smol_str::SmolStr;

pub use graph::{cycle_in, reached_on};

#[derive(Clone, Debug)]
pub struct Lock {
    pub resource: SmolStr,
    pub holder: Holder,
    pub mode: Mode,
    pub token: u64,
    pub since: LeaseMs,
    pub ttl: u64,
    pub expires: Option<LeaseMs>,
    pub wait: Option<WaitId>,
    pub unread: bool,
}

#[derive(Clone, Debug)]
pub struct Waiting {
    pub resource: SmolStr,
    pub holder: Holder,
    pub mode: Mode,
    pub id: WaitId,
    pub ttl: u64,
    pub upgrade: bool,
    pub queued: bool,
    pub deadline: u64,
    pub expires: Option<LeaseMs>,
    /// Of the newest ask.
    pub key: Option<IdempotencyKey>,
}

#[derive(Clone, Debug)]
pub struct Refused {
    pub resource: SmolStr,
    pub holder: Holder,
    pub mode: Mode,
    pub id: WaitId,
    pub cycle: Vec<WaitEdge>,
    pub queued: bool,
    pub expires: LeaseMs,
}

#[derive(Clone, Debug)]
pub struct Open {
    pub id: SessionId,
    pub client: SmolStr,
    pub ttl: u64,
    pub expires: LeaseMs,
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub clock: LeaseMs,
    pub last_token: u64,
    /// In order of their tokens.
    pub locks: Vec<Lock>,
    pub waits: Vec<Waiting>,
    pub refused: Vec<Refused>,
    pub sessions: Vec<Open>,
    /// Of the command that is applied.
    pub key: Option<IdempotencyKey>,
}

impl Model {
    /// Applies a command, given what the real one reported, and says what it should have replied.
    pub fn apply(&mut self, index: u64, command: &Command, facts: &[ServiceFact]) -> Reply {
        self.key = command.key.as_ref().map(RequestKey::shown);
        match &command.mutation {
            Mutation::AdvanceClock { to_ms } => {
                self.advance(*to_ms);
                Reply::None
            }
            Mutation::Lock(command) => Reply::Lock(self.lock(index, command, facts)),
            Mutation::Session(command) => Reply::Session(self.session(index, command)),
            Mutation::Control(_) | Mutation::Shard(_) | Mutation::Queue(_) | Mutation::Cache(_) => {
                unreachable!("the model has only locks and sessions")
            }
        }
    }

    fn lock(&mut self, index: u64, command: &LockCommand, facts: &[ServiceFact]) -> LockReply {
        let (resource, holder) = command.about();
        if !self.session_open(holder) {
            return LockReply::SessionExpired;
        }
        match command {
            LockCommand::Acquire { mode, ttl_ms, wait, .. } => {
                self.acquire(index, resource, holder, *mode, *ttl_ms, *wait, facts)
            }
            LockCommand::Release { fencing_token, .. } => match self.own(resource, holder, *fencing_token) {
                None => LockReply::NotHolder { holders: self.holders(resource) },
                Some(token) => {
                    self.take_back(token);
                    self.hand_over();
                    LockReply::Released { fencing_token: token }
                }
            },
            LockCommand::Renew { fencing_token, ttl_ms, .. } => {
                self.renew(resource, holder, *fencing_token, *ttl_ms)
            }
            LockCommand::Transfer { fencing_token, to, .. } => {
                self.transfer(resource, holder, *fencing_token, to, facts)
            }
            LockCommand::Cancel { wait, .. } => self.cancel(resource, holder, *wait),
            LockCommand::Withdraw { wait, key, .. } => {
                let pending = self.waits.iter().find(|waiting| waiting.id == *wait);
                if pending.is_some_and(|waiting| waiting.key.as_ref() != Some(key)) {
                    return LockReply::Cancelled;
                }
                self.cancel(resource, holder, Some(*wait))
            }
        }
    }

    fn own(&self, resource: &str, holder: &Holder, token: Option<u64>) -> Option<u64> {
        let lock = self.lock_of(resource, holder)?;
        token.is_none_or(|token| token == lock.token).then_some(lock.token)
    }

    fn renew(&mut self, resource: &str, holder: &Holder, token: Option<u64>, ttl: Option<u64>) -> LockReply {
        let Some(fencing_token) = self.own(resource, holder, token) else {
            return LockReply::NotHolder { holders: self.holders(resource) };
        };
        let clock = self.clock;
        let lock = self.locks.iter_mut().find(|lock| lock.token == fencing_token).unwrap();
        if holder.session.is_none() {
            let asked = clock + ttl.unwrap_or(lock.ttl);
            lock.expires = if ttl.is_some() { Some(asked) } else { lock.expires.max(Some(asked)) };
            lock.ttl = ttl.unwrap_or(lock.ttl);
            lock.since = clock;
        }
        LockReply::Renewed { expires_in_ms: self.left(fencing_token), fencing_token }
    }

    fn transfer(
        &mut self,
        resource: &str,
        holder: &Holder,
        token: u64,
        to: &Holder,
        facts: &[ServiceFact],
    ) -> LockReply {
        let Some(token) = self.own(resource, holder, Some(token)) else {
            return LockReply::NotHolder { holders: self.holders(resource) };
        };
        if !self.session_open(to) {
            return LockReply::SessionExpired;
        }
        let lock = self.locks.iter().find(|lock| lock.token == token).unwrap().clone();
        if self.lock_of(resource, to).is_some() {
            return LockReply::NotTransferable { why: format!("{to} holds {resource} already") };
        }
        let waiting = self.wait_of(resource, to).cloned();
        if waiting
            .as_ref()
            .is_some_and(|waiting| waiting.mode == Mode::Exclusive && lock.mode == Mode::Shared)
        {
            let why = format!("{to} waits for {resource} exclusively, and this lock is shared");
            return LockReply::NotTransferable { why };
        }
        self.take_back(token);
        self.waits.retain(|other| Some(other.id) != waiting.as_ref().map(|waiting| waiting.id));
        let unread = waiting.as_ref().is_none_or(|waiting| waiting.queued);
        let ttl = waiting.as_ref().map_or(lock.ttl, |waiting| waiting.ttl);
        self.grant(resource, to, lock.mode, ttl, waiting.map(|waiting| waiting.id), unread);
        let fencing_token = self.last_token;
        self.follow_refusals(None, facts);
        self.hand_over();
        LockReply::Transferred { fencing_token, expires_in_ms: self.left(fencing_token) }
    }

    fn cancel(&mut self, resource: &str, holder: &Holder, wait: Option<WaitId>) -> LockReply {
        let meant = |id: WaitId| wait.is_none_or(|wait| wait == id);
        let pending = self.wait_of(resource, holder).map(|waiting| waiting.id);
        if let Some(id) = pending.filter(|id| meant(*id)) {
            self.waits.retain(|waiting| waiting.id != id);
            self.hand_over();
            return LockReply::Cancelled;
        }
        if let Some(refused) = self.refusal_of(resource, holder).cloned().filter(|refused| meant(refused.id))
        {
            self.refused.retain(|other| other.id != refused.id);
            return LockReply::Deadlock { cycle: refused.cycle, victim: refused.holder };
        }
        match self.lock_of(resource, holder).map(|lock| (lock.token, lock.mode, lock.wait)) {
            Some((token, mode, Some(id))) if meant(id) => {
                self.read(token);
                LockReply::Acquired {
                    fencing_token: token,
                    expires_in_ms: self.left(token),
                    mode,
                    reentrant: false,
                }
            }
            _ => LockReply::NotWaiting,
        }
    }

    fn session(&mut self, index: u64, command: &SessionCommand) -> SessionReply {
        let clock = self.clock;
        match command {
            SessionCommand::Open { client, ttl_ms } => {
                let id = SessionId(index);
                let client = client.clone();
                self.sessions.push(Open { id, client, ttl: *ttl_ms, expires: clock + ttl_ms });
                SessionReply::Opened { session: id, expires_in_ms: *ttl_ms }
            }
            SessionCommand::Renew { session } => {
                match self.sessions.iter_mut().find(|open| open.id == *session) {
                    None => SessionReply::Expired,
                    Some(open) => {
                        open.expires = clock + open.ttl;
                        SessionReply::Renewed { expires_in_ms: open.ttl }
                    }
                }
            }
            SessionCommand::Close { session } => {
                if !self.sessions.iter().any(|open| open.id == *session) {
                    return SessionReply::Expired;
                }
                let before = (self.locks.len(), self.waits.len());
                self.end_session(*session);
                let released = (before.0 - self.locks.len()) as u32;
                let cancelled = (before.1 - self.waits.len()) as u32;
                self.hand_over();
                SessionReply::Closed { released, cancelled }
            }
        }
    }

    fn end_session(&mut self, id: SessionId) {
        self.sessions.retain(|open| open.id != id);
        self.locks.retain(|lock| lock.holder.session != Some(id));
        self.waits.retain(|waiting| waiting.holder.session != Some(id));
        self.refused.retain(|refused| refused.holder.session != Some(id));
    }

    fn advance(&mut self, to: LeaseMs) {
        self.clock = self.clock.max(to);
        let now = self.clock;
        self.waits.retain(|waiting| waiting.expires.is_none_or(|at| at > now));
        self.refused.retain(|refused| refused.expires > now);
        for open in self.sessions.clone() {
            if open.expires <= now {
                self.end_session(open.id);
            }
        }
        for lock in self.locks.clone() {
            if lock.expires.is_some_and(|at| at <= now) {
                self.take_back(lock.token);
            }
        }
        self.hand_over();
    }

    /// Earliest moment at which something ends.
    pub fn next_deadline(&self) -> Option<LeaseMs> {
        let locks = self.locks.iter().filter_map(|lock| lock.expires);
        let waits = self.waits.iter().filter_map(|waiting| waiting.expires);
        let refused = self.refused.iter().map(|refused| refused.expires);
        let sessions = self.sessions.iter().map(|open| open.expires);
        locks.chain(waits).chain(refused).chain(sessions).min()
    }

    fn take_back(&mut self, token: u64) {
        let Some(place) = self.locks.iter().position(|lock| lock.token == token) else { return };
        let lock = self.locks.remove(place);
        self.waits.retain(|waiting| {
            !(waiting.upgrade && waiting.holder == lock.holder && waiting.resource == lock.resource)
        });
    }

    pub fn grant(
        &mut self,
        resource: &str,
        holder: &Holder,
        mode: Mode,
        ttl: u64,
        wait: Option<WaitId>,
        unread: bool,
    ) {
        let upgraded = self.lock_of(resource, holder).and_then(|lock| lock.expires);
        self.locks.retain(|lock| !(lock.resource == resource && lock.holder == *holder));
        self.refused.retain(|refused| !(refused.resource == resource && refused.holder == *holder));
        self.last_token += 1;
        let expires = holder.session.is_none().then_some(self.clock + ttl).max(upgraded);
        self.locks.push(Lock {
            resource: resource.into(),
            holder: holder.clone(),
            mode,
            token: self.last_token,
            since: self.clock,
            ttl,
            expires,
            wait,
            unread,
        });
    }

    /// Grants, by name of resource, whatever first waiter nobody stands in the way of.
    pub fn hand_over(&mut self) {
        for resource in self.resources() {
            while let Some(first) = self.waiters(&resource).first().cloned() {
                if !self.free_for(&resource, &first.holder, first.mode) {
                    break;
                }
                self.waits.retain(|waiting| waiting.id != first.id);
                self.grant(&resource, &first.holder, first.mode, first.ttl, Some(first.id), first.queued);
            }
        }
    }

    /// Nobody else holds it in a conflicting mode.
    pub fn free_for(&self, resource: &str, holder: &Holder, mode: Mode) -> bool {
        self.locks
            .iter()
            .all(|lock| lock.resource != resource || lock.holder == *holder || lock.mode.compatible(mode))
    }

    pub fn resources(&self) -> Vec<SmolStr> {
        let held = self.locks.iter().map(|lock| lock.resource.clone());
        let mut all: Vec<_> = held.chain(self.waits.iter().map(|waiting| waiting.resource.clone())).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Upgrades first, then by arrival.
    pub fn waiters(&self, resource: &str) -> Vec<Waiting> {
        let mut found: Vec<_> =
            self.waits.iter().filter(|waiting| waiting.resource == resource).cloned().collect();
        found.sort_by_key(|waiting| (!waiting.upgrade, waiting.id));
        found
    }

    pub fn lock_of(&self, resource: &str, holder: &Holder) -> Option<&Lock> {
        self.locks.iter().find(|lock| lock.resource == resource && lock.holder == *holder)
    }

    pub fn wait_of(&self, resource: &str, holder: &Holder) -> Option<&Waiting> {
        self.waits.iter().find(|waiting| waiting.resource == resource && waiting.holder == *holder)
    }

    pub fn refusal_of(&self, resource: &str, holder: &Holder) -> Option<&Refused> {
        self.refused.iter().find(|refused| refused.resource == resource && refused.holder == *holder)
    }

    pub fn holders(&self, resource: &str) -> Vec<Holder> {
        self.locks.iter().filter(|lock| lock.resource == resource).map(|lock| lock.holder.clone()).collect()
    }

    fn session_open(&self, holder: &Holder) -> bool {
        holder
            .session
            .is_none_or(|id| self.sessions.iter().any(|open| open.id == id && open.client == holder.client))
    }

    /// What is left of a lock's lease; 0 where it is not held under that token any more.
    pub fn left(&self, token: u64) -> u64 {
        let Some(lock) = self.locks.iter().find(|lock| lock.token == token) else { return 0 };
        let session = self.sessions.iter().find(|open| Some(open.id) == lock.holder.session);
        lock.expires.or(session.map(|open| open.expires)).map_or(0, |at| at.saturating_sub(self.clock))
    }

    /// The client of this lock was told. Whether it had not been before.
    pub fn read(&mut self, token: u64) -> bool {
        let lock = self.locks.iter_mut().find(|lock| lock.token == token);
        lock.is_some_and(|lock| std::mem::take(&mut lock.unread))
    }

    /// A poll (or a retry) renews the wait.
    pub fn renew_wait(&mut self, id: WaitId, wait: Wait, key: Option<&IdempotencyKey>) {
        let (deadline, queued) = match wait {
            Wait::No => return,
            Wait::LongPoll { deadline_ms } => (deadline_ms, false),
            Wait::Queue { deadline_ms } => (deadline_ms, true),
        };
        let clock = self.clock;
        if let Some(waiting) = self.waits.iter_mut().find(|waiting| waiting.id == id) {
            waiting.key = key.cloned().or(waiting.key.take());
            waiting.queued = queued;
            waiting.deadline = deadline;
            let covered = queued && waiting.holder.session.is_some();
            waiting.expires = (!covered).then(|| waiting.expires.unwrap_or(0).max(clock + deadline));
        }
    }

    /// The table as the real one should show it.
    pub fn table(&self) -> LockTable {
        let resources = self.resources().into_iter().map(|resource| {
            let holders = self.locks.iter().filter(|lock| lock.resource == resource).map(|lock| HolderView {
                holder: lock.holder.clone(),
                mode: lock.mode,
                fencing_token: lock.token,
                since_ms: lock.since,
                expires_at_ms: lock.expires,
            });
            let waiters = self.waiters(&resource).into_iter().map(|waiting| WaiterView {
                holder: waiting.holder,
                mode: waiting.mode,
                wait: waiting.id,
                upgrade: waiting.upgrade,
            });
            let (holders, waiters) = (holders.collect(), waiters.collect());
            LockedResource { resource, holders, waiters }
        });
        let sessions = self.sessions.iter().map(|open| SessionView {
            session: open.id,
            client: open.client.clone(),
            expires_at_ms: open.expires,
        });
        LockTable {
            applied: None,
            clock_ms: self.clock,
            resources: resources.collect(),
            sessions: sessions.collect(),
        }
    }
}
