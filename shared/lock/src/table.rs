//! The lock table: what is stored, and the indexes that keep every command O(log n) in its size.
//!
//! Invariants, kept by the primitives at the end of this file (nothing else touches an index):
//! - `resources` has exactly the resources with a holder or a waiter;
//! - `claims` has exactly one entry per (holder, resource) that holds, waits, or has an unread outcome;
//! - `deadlines` has every moment at which something ends by itself.
//!
//! The maps are persistent: a clone is a cheap fork that a snapshot can be encoded from.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use orrery_base::ids::{LeaseMs, LogIndex};
use orrery_base::key::IdempotencyKey;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::fact::LockFact;
use super::limits::{CLAIMS_MAX, CLAIMS_PER_CLIENT_MAX, CLAIMS_PER_RESOURCE_MAX, WAITS_PER_HOLDER_MAX};
use super::{FencingToken, Holder, LockReply, Mode, SessionId, WaitEdge, WaitId};

/// The lock table and its sessions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The group's lease clock.
    pub(super) clock_ms: LeaseMs,
    /// The last fencing token given. One counter for all resources: it grows per resource without
    /// remembering the resources that are free.
    pub(super) last_token: FencingToken,
    pub(super) holds: OrdMap<FencingToken, Hold>,
    pub(super) waits: OrdMap<WaitId, Waiter>,
    pub(super) outcomes: OrdMap<WaitId, RefusedWait>,
    pub(super) sessions: OrdMap<SessionId, Session>,
    pub(super) resources: OrdMap<SmolStr, Arc<Resource>>,
    pub(super) claims: OrdMap<(Holder, SmolStr), Claim>,
    pub(super) parties: OrdMap<Holder, Party>,
    pub(super) session_counts: OrdMap<SmolStr, u32>,
    pub(super) deadlines: OrdSet<(LeaseMs, Due)>,
}

/// A granted lock; its key is its fencing token, so that the order of tokens is the order of grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub resource: SmolStr,
    pub holder: Holder,
    pub mode: Mode,
    /// Lease clock value of the grant or of the last renewal.
    pub since_ms: LeaseMs,
    /// Length of the lease: what a renewal without a length uses again.
    pub ttl_ms: u64,
    /// None under a session: the session's lease counts.
    pub expires_at_ms: Option<LeaseMs>,
    /// The wait that led to it.
    pub wait: Option<WaitId>,
    /// Granted to a queued wait, or handed over, and no request has been answered "acquired" yet.
    pub unread: bool,
}

/// Who waits. Its key is the log index of the acquire that began it: their order is the order of arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    pub resource: SmolStr,
    pub holder: Holder,
    pub mode: Mode,
    /// Length of the lease of the lock, once it is granted.
    pub ttl_ms: u64,
    /// It holds the resource shared and wants it exclusive: ahead of the others.
    pub upgrade: bool,
    /// The client polls: an outcome that it has not read is kept.
    pub queued: bool,
    /// Length of the wait's own lease, and of its unread outcome.
    pub deadline_ms: u64,
    /// None where a session's lease covers it.
    pub expires_at_ms: Option<LeaseMs>,
    /// Of the newest ask for this wait: it decides how the wait goes on, and what becomes of the wait replaces its
    /// remembered answer `Waiting`.
    pub key: Option<IdempotencyKey>,
}

impl Waiter {
    /// Whether an ask that is applied for the first time was sent before the newest one that this wait knows: the same
    /// client numbered it lower. Keys of different clients have no order but the log's.
    pub fn supersedes(&self, key: Option<&IdempotencyKey>) -> bool {
        let newest = self.key.as_ref().zip(key);
        newest.is_some_and(|(newest, asked)| newest.client == asked.client && asked.number < newest.number)
    }
}

/// A refused wait whose client has not read it yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedWait {
    pub resource: SmolStr,
    pub holder: Holder,
    pub mode: Mode,
    pub cycle: Vec<WaitEdge>,
    /// The client polls. Otherwise only a cancel of that very wait reads it.
    pub queued: bool,
    pub expires_at_ms: LeaseMs,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub client: SmolStr,
    pub ttl_ms: u64,
    pub expires_at_ms: LeaseMs,
}

/// Everything about one resource that somebody holds or waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resource {
    /// Somebody holds it exclusively (and is its only holder).
    pub exclusive: bool,
    /// In order of their grants.
    pub holders: Vec<FencingToken>,
    /// Ahead of the others; at most one outlives a command, because two of them are a deadlock.
    pub upgrades: Vec<WaitId>,
    /// In order of arrival.
    pub queue: Vec<WaitId>,
    /// Those of `queue` that want it exclusively.
    pub exclusives: Vec<WaitId>,
    /// Those of `upgrades` and `queue`, by arrival, whose holders wait for something else too: only they can lead the
    /// search for deadlocks from this queue to another one.
    pub elsewhere: Vec<WaitId>,
}

/// What one holder has to do with one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Claim {
    pub hold: Option<FencingToken>,
    pub wait: Option<WaitId>,
    pub outcome: Option<WaitId>,
}

/// A holder: a vertex of the wait-for graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Party {
    pub locks: usize,
    /// In order of arrival.
    pub waits: Vec<WaitId>,
}

/// What ends by itself. At one moment waits end first, so that no lock is handed to a wait that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Wait(WaitId),
    RefusedWait(WaitId),
    Session(SessionId),
    Lock(FencingToken),
}

/// What one command does, collected while it is applied.
#[derive(Debug, Default)]
pub struct Step {
    /// Its log index.
    pub index: LogIndex,
    pub key: Option<IdempotencyKey>,
    /// What happened, in order.
    pub facts: Vec<LockFact>,
    /// Earlier commands' answers `Waiting` that are settled now.
    pub settled: Vec<(IdempotencyKey, LockReply)>,
    /// Resources whose first waiter may be grantable now.
    pub freed: BTreeSet<SmolStr>,
}

impl Step {
    /// Remembers that the first waiter of `resource` may be grantable.
    pub(super) fn free(&mut self, resource: &SmolStr) {
        self.freed.insert(resource.clone());
    }

    /// Says what became of a wait to whoever asks again under its key.
    pub(super) fn settle(&mut self, waiter: &Waiter, reply: LockReply) {
        if let Some(key) = &waiter.key {
            self.settled.push((key.clone(), reply));
        }
    }
}

impl Resource {
    /// Nobody holds it and nobody waits.
    pub fn is_idle(&self) -> bool {
        self.holders.is_empty() && !self.has_waiters()
    }

    pub fn has_waiters(&self) -> bool {
        !self.upgrades.is_empty() || !self.queue.is_empty()
    }

    /// Waiters, first to last.
    pub fn waiters(&self) -> impl Iterator<Item = WaitId> + '_ {
        self.upgrades.iter().chain(&self.queue).copied()
    }

    /// How many waiters are before this one.
    pub fn waiters_before(&self, wait: WaitId) -> usize {
        match self.upgrades.binary_search(&wait) {
            Ok(place) => place,
            Err(_) => self.upgrades.len() + self.queue.partition_point(|other| *other < wait),
        }
    }
}

/// Puts a wait in its place in a line.
fn file(line: &mut Vec<WaitId>, wait: WaitId) {
    if let Err(place) = line.binary_search(&wait) {
        line.insert(place, wait);
    }
}

/// Takes a wait out of a line, where it is there.
fn unfile(line: &mut Vec<WaitId>, wait: WaitId) {
    if let Ok(place) = line.binary_search(&wait) {
        line.remove(place);
    }
}

impl Table {
    /// Held locks, waits, sessions, and the last fencing token.
    pub fn census(&self) -> (u64, u64, u64, FencingToken) {
        let count = |length: usize| length as u64;
        let (holds, waits) = (count(self.holds.len()), count(self.waits.len()));
        (holds, waits, count(self.sessions.len()), self.last_token)
    }

    /// Leaves out the next tokens, because another cluster may have given them.
    pub fn skip_tokens(&mut self, skipped: u64) {
        self.last_token = self.last_token.saturating_add(skipped);
    }

    /// The group's lease clock.
    pub fn clock_ms(&self) -> LeaseMs {
        self.clock_ms
    }

    /// Earliest value of the lease clock at which something ends by itself.
    pub fn next_deadline(&self) -> Option<LeaseMs> {
        self.deadlines.get_min().map(|(at, _)| *at)
    }

    /// The moment `length_ms` from now on the lease clock.
    pub(super) fn after(&self, length_ms: u64) -> LeaseMs {
        self.clock_ms.saturating_add(length_ms)
    }

    /// What is left until `at`.
    pub(super) fn left(&self, at: LeaseMs) -> u64 {
        at.saturating_sub(self.clock_ms)
    }

    /// What is left of a lock's lease: its own, or its session's.
    pub(super) fn hold_left(&self, hold: &Hold) -> u64 {
        match (hold.expires_at_ms, hold.holder.session) {
            (Some(at), _) => self.left(at),
            (None, Some(session)) => self.sessions.get(&session).map_or(0, |s| self.left(s.expires_at_ms)),
            (None, None) => 0,
        }
    }

    /// The holder is told of a lock now. Whether it had not been told before.
    pub(super) fn read_hold(&mut self, token: FencingToken) -> bool {
        self.holds.get_mut(&token).is_some_and(|hold| std::mem::take(&mut hold.unread))
    }

    /// Whether the holder names no session, or an open one of its client.
    pub(super) fn session_is_open(&self, holder: &Holder) -> bool {
        holder
            .session
            .is_none_or(|session| self.sessions.get(&session).is_some_and(|s| s.client == holder.client))
    }

    pub(super) fn claim(&self, holder: &Holder, resource: &SmolStr) -> Claim {
        self.claims.get(&(holder.clone(), resource.clone())).copied().unwrap_or_default()
    }

    /// The lock that `holder` has on `resource`.
    pub(super) fn hold_of(&self, holder: &Holder, resource: &SmolStr) -> Option<(FencingToken, &Hold)> {
        let token = self.claim(holder, resource).hold?;
        self.holds.get(&token).map(|hold| (token, hold))
    }

    /// Place of a wait: 1 is next.
    pub(super) fn position(&self, resource: &SmolStr, wait: WaitId) -> u32 {
        let before = self.resources.get(resource).map_or(0, |r| r.waiters_before(wait));
        u32::try_from(before).unwrap_or(u32::MAX - 1) + 1
    }

    /// The first holders of a resource, for an answer.
    pub(super) fn holders_shown(&self, resource: &SmolStr) -> Vec<Holder> {
        let tokens = self.resources.get(resource).map_or(&[][..], |r| &r.holders);
        let holds = tokens.iter().filter_map(|token| self.holds.get(token));
        holds.take(super::limits::HOLDERS_SHOWN_MAX).map(|hold| hold.holder.clone()).collect()
    }

    /// Which bound one more lock (or wait) of this holder would pass, as a sentence.
    pub(super) fn bound_reached(&self, holder: &Holder, resource: &SmolStr, waits: bool) -> Option<String> {
        if self.holds.len() + self.waits.len() >= CLAIMS_MAX {
            return Some(format!("the lock table has {CLAIMS_MAX} locks and waits, which is its bound"));
        }
        if let Some(what) = self.client_bound_reached(&holder.client) {
            return Some(what);
        }
        let party = self.parties.get(holder);
        if waits && party.is_some_and(|p| p.waits.len() >= WAITS_PER_HOLDER_MAX) {
            return Some(format!(
                "{holder} waits for {WAITS_PER_HOLDER_MAX} locks, which is the bound of one client"
            ));
        }
        let of_resource =
            self.resources.get(resource).map_or(0, |r| r.holders.len() + r.upgrades.len() + r.queue.len());
        (of_resource >= CLAIMS_PER_RESOURCE_MAX).then(|| {
            format!("{resource} has {CLAIMS_PER_RESOURCE_MAX} holders and waiters, which is the bound of one resource")
        })
    }

    /// The bound of one client, where it is reached.
    pub(super) fn client_bound_reached(&self, client: &SmolStr) -> Option<String> {
        (self.claims_of(client) >= CLAIMS_PER_CLIENT_MAX).then(|| {
            format!("{client} has {CLAIMS_PER_CLIENT_MAX} locks and waits, which is the bound of one client")
        })
    }

    /// Locks and waits of a client, by its name and in its sessions, whose number is bounded.
    fn claims_of(&self, client: &SmolStr) -> usize {
        let first = Holder { client: client.clone(), session: None };
        let own = self.parties.range(first..).take_while(|(holder, _)| holder.client == *client);
        own.map(|(_, party)| party.locks + party.waits.len()).sum()
    }

    // Primitives: each keeps every index.

    fn edit_claim(&mut self, holder: &Holder, resource: &SmolStr, edit: impl FnOnce(&mut Claim)) {
        let key = (holder.clone(), resource.clone());
        match self.claims.get_mut(&key) {
            Some(claim) => {
                edit(claim);
                if *claim == Claim::default() {
                    self.claims.remove(&key);
                }
            }
            None => {
                let mut claim = Claim::default();
                edit(&mut claim);
                if claim != Claim::default() {
                    self.claims.insert(key, claim);
                }
            }
        }
    }

    fn edit_party(&mut self, holder: &Holder, edit: impl FnOnce(&mut Party)) {
        match self.parties.get_mut(holder) {
            Some(party) => {
                edit(party);
                if party.locks == 0 && party.waits.is_empty() {
                    self.parties.remove(holder);
                }
            }
            None => {
                let mut party = Party::default();
                edit(&mut party);
                self.parties.insert(holder.clone(), party);
            }
        }
    }

    fn edit_resource(&mut self, name: &SmolStr, edit: impl FnOnce(&mut Resource)) {
        match self.resources.get_mut(name) {
            Some(shared) => {
                let resource = Arc::make_mut(shared);
                edit(resource);
                if resource.is_idle() {
                    self.resources.remove(name);
                }
            }
            None => {
                let mut resource = Resource::default();
                edit(&mut resource);
                self.resources.insert(name.clone(), Arc::new(resource));
            }
        }
    }

    /// Files a lock under its token.
    pub(super) fn insert_hold(&mut self, token: FencingToken, hold: Hold) {
        let exclusive = hold.mode == Mode::Exclusive;
        self.edit_resource(&hold.resource, |resource| {
            let place = resource.holders.partition_point(|other| *other < token);
            resource.holders.insert(place, token);
            resource.exclusive = exclusive;
        });
        self.edit_claim(&hold.holder, &hold.resource, |claim| claim.hold = Some(token));
        self.edit_party(&hold.holder, |party| party.locks += 1);
        if let Some(at) = hold.expires_at_ms {
            self.deadlines.insert((at, Due::Lock(token)));
        }
        self.holds.insert(token, hold);
    }

    /// Takes a lock out.
    pub(super) fn remove_hold(&mut self, token: FencingToken) -> Option<Hold> {
        let hold = self.holds.remove(&token)?;
        if let Some(at) = hold.expires_at_ms {
            self.deadlines.remove(&(at, Due::Lock(token)));
        }
        self.edit_resource(&hold.resource, |resource| {
            if let Ok(place) = resource.holders.binary_search(&token) {
                resource.holders.remove(place);
            }
            // A shared lock never stands beside an exclusive one.
            resource.exclusive = false;
        });
        self.edit_claim(&hold.holder, &hold.resource, |claim| claim.hold = None);
        self.edit_party(&hold.holder, |party| party.locks -= 1);
        Some(hold)
    }

    /// Sets until when a lock is held.
    pub(super) fn set_hold_lease(&mut self, token: FencingToken, expires_at_ms: LeaseMs) {
        let now = self.clock_ms;
        if let Some(hold) = self.holds.get_mut(&token) {
            hold.since_ms = now;
            if let Some(before) = hold.expires_at_ms.replace(expires_at_ms) {
                self.deadlines.remove(&(before, Due::Lock(token)));
            }
            self.deadlines.insert((expires_at_ms, Due::Lock(token)));
        }
    }

    pub(super) fn insert_wait(&mut self, wait: WaitId, waiter: Waiter) {
        let (upgrade, exclusive) = (waiter.upgrade, waiter.mode == Mode::Exclusive);
        self.edit_resource(&waiter.resource, |resource| {
            file(if upgrade { &mut resource.upgrades } else { &mut resource.queue }, wait);
            if exclusive && !upgrade {
                file(&mut resource.exclusives, wait);
            }
        });
        self.edit_claim(&waiter.holder, &waiter.resource, |claim| claim.wait = Some(wait));
        self.edit_party(&waiter.holder, |party| file(&mut party.waits, wait));
        if let Some(at) = waiter.expires_at_ms {
            self.deadlines.insert((at, Due::Wait(wait)));
        }
        let holder = waiter.holder.clone();
        self.waits.insert(wait, waiter);
        match self.waits_of(&holder) {
            &[first, second] => {
                self.note_elsewhere(first, true);
                self.note_elsewhere(second, true);
            }
            more => {
                if more.len() > 2 {
                    self.note_elsewhere(wait, true);
                }
            }
        }
    }

    /// A wait for shared becomes one for exclusive, in its place.
    pub(super) fn strengthen_wait(&mut self, wait: WaitId, ttl_ms: u64) {
        let Some(waiter) = self.waits.get_mut(&wait) else { return };
        waiter.mode = Mode::Exclusive;
        waiter.ttl_ms = ttl_ms;
        let (resource, upgrade) = (waiter.resource.clone(), waiter.upgrade);
        if !upgrade {
            self.edit_resource(&resource, |resource| file(&mut resource.exclusives, wait));
        }
    }

    /// A wait's lease becomes another one.
    pub(super) fn set_wait_lease(&mut self, wait: WaitId, expires_at_ms: Option<LeaseMs>) {
        let Some(waiter) = self.waits.get_mut(&wait) else { return };
        let before = std::mem::replace(&mut waiter.expires_at_ms, expires_at_ms);
        if let Some(at) = before {
            self.deadlines.remove(&(at, Due::Wait(wait)));
        }
        if let Some(at) = expires_at_ms {
            self.deadlines.insert((at, Due::Wait(wait)));
        }
    }

    fn waits_of(&self, holder: &Holder) -> &[WaitId] {
        self.parties.get(holder).map_or(&[], |party| &party.waits)
    }

    /// Whether the holder of that wait waits elsewhere too.
    fn note_elsewhere(&mut self, wait: WaitId, elsewhere: bool) {
        let Some(resource) = self.waits.get(&wait).map(|waiter| waiter.resource.clone()) else { return };
        self.edit_resource(&resource, |resource| {
            if elsewhere {
                file(&mut resource.elsewhere, wait);
            } else {
                unfile(&mut resource.elsewhere, wait);
            }
        });
    }

    /// Takes a wait out.
    pub(super) fn remove_wait(&mut self, wait: WaitId) -> Option<Waiter> {
        let waiter = self.waits.remove(&wait)?;
        if let Some(at) = waiter.expires_at_ms {
            self.deadlines.remove(&(at, Due::Wait(wait)));
        }
        self.edit_resource(&waiter.resource, |resource| {
            for line in [
                &mut resource.upgrades,
                &mut resource.queue,
                &mut resource.exclusives,
                &mut resource.elsewhere,
            ] {
                unfile(line, wait);
            }
        });
        self.edit_claim(&waiter.holder, &waiter.resource, |claim| claim.wait = None);
        self.edit_party(&waiter.holder, |party| unfile(&mut party.waits, wait));
        if let &[last] = self.waits_of(&waiter.holder) {
            self.note_elsewhere(last, false);
        }
        Some(waiter)
    }

    /// Keeps a refused wait's answer until it is read.
    pub(super) fn insert_outcome(&mut self, wait: WaitId, outcome: RefusedWait) {
        while self.outcomes.len() >= super::limits::OUTCOMES_MAX {
            let Some(oldest) = self.outcomes.get_min().map(|(wait, _)| *wait) else { break };
            self.remove_outcome(oldest);
        }
        self.edit_claim(&outcome.holder, &outcome.resource, |claim| claim.outcome = Some(wait));
        self.deadlines.insert((outcome.expires_at_ms, Due::RefusedWait(wait)));
        self.outcomes.insert(wait, outcome);
    }

    /// Takes a refused wait's answer out.
    pub(super) fn remove_outcome(&mut self, wait: WaitId) -> Option<RefusedWait> {
        let outcome = self.outcomes.remove(&wait)?;
        self.deadlines.remove(&(outcome.expires_at_ms, Due::RefusedWait(wait)));
        self.edit_claim(&outcome.holder, &outcome.resource, |claim| claim.outcome = None);
        Some(outcome)
    }

    pub(super) fn insert_session(&mut self, id: SessionId, session: Session) {
        *self.session_counts.entry(session.client.clone()).or_insert(0) += 1;
        self.deadlines.insert((session.expires_at_ms, Due::Session(id)));
        self.sessions.insert(id, session);
    }

    /// Takes a session out (its locks and waits are the caller's business).
    pub(super) fn remove_session(&mut self, id: SessionId) -> Option<Session> {
        let session = self.sessions.remove(&id)?;
        self.deadlines.remove(&(session.expires_at_ms, Due::Session(id)));
        if let Some(count) = self.session_counts.get_mut(&session.client) {
            *count -= 1;
            if *count == 0 {
                self.session_counts.remove(&session.client);
            }
        }
        Some(session)
    }
}
