//! The lock table out of service facts, each counted once by (index, n).

use std::sync::Arc;

use orrery_base::ids::{LeaseMs, LogIndex};
use orrery_base::sorted::sort_long;
use orrery_lock::fact::{NewHold, ReleaseCause};
use orrery_lock::view::{
    HolderView, LOCKS_SHOWN_MAX, LockCounts, LockTable, LockedResource, LocksBeyond, SessionView, WaiterView,
};
use orrery_lock::{Holder, LockFact, SessionId, WaitId};
use orrery_machine::ServiceFact;

use super::effect::Effect;
use super::view::{DeadlockView, LockChange, LockMoment, LocksView, RECENT_MAX, View};

/// Takes over a table that somebody read at an applied index, unless a newer state is in the view.
pub(super) fn install(view: &mut View, table: &LockTable, beyond: Option<LocksBeyond>, now_us: u64) {
    if table.applied < view.locks.table.applied {
        return;
    }
    let locks = Arc::make_mut(&mut view.locks);
    if locks.table.applied.is_none() {
        // The first table of a recording: what it contains is not news.
        locks.seen = locks.seen.max(table.applied.map(|index| (index, u32::MAX)));
    }
    let clock_ms = locks.table.clock_ms;
    locks.table = table.clone();
    locks.beyond = beyond;
    locks.whole = table.applied;
    if table.clock_ms >= clock_ms {
        locks.clock_at_us = now_us;
    } else {
        locks.table.clock_ms = clock_ms;
    }
}

/// A new leader's state. The facts that led to it may still come: they are news, but change nothing.
pub(super) fn resume(
    view: &mut View,
    index: LogIndex,
    table: &LockTable,
    beyond: Option<LocksBeyond>,
    now_us: u64,
) {
    let mut table = table.clone();
    table.applied = table.applied.max(Some(index));
    install(view, &table, beyond, now_us);
}

/// Folds one service fact in.
pub(super) fn fact(
    view: &mut View,
    place: (LogIndex, u32),
    clock_ms: LeaseMs,
    fact: &ServiceFact,
    now_us: u64,
) -> Effect {
    if view.locks.seen.is_some_and(|seen| place <= seen) {
        return Effect::Known;
    }
    let inside = view.locks.whole.is_some_and(|whole| place.0 <= whole);
    let locks = Arc::make_mut(&mut view.locks);
    locks.seen = Some(place);
    if !inside {
        locks.table.applied = Some(place.0);
        if clock_ms >= locks.table.clock_ms {
            locks.table.clock_ms = clock_ms;
            locks.clock_at_us = now_us;
        }
        match fact {
            ServiceFact::LocksCounted { counts } => count(locks, *counts),
            _ if locks.beyond.is_some_and(|beyond| is_hidden(fact, &beyond)) => {}
            _ => change(&mut locks.table, clock_ms, fact),
        }
    }
    remember(locks, place.0, fact, now_us);
    if let ServiceFact::Lock(LockFact::Deadlock { cycle, victim, wait }) = fact {
        view.deadlock = Some(Arc::new(DeadlockView {
            at_us: now_us,
            index: place.0,
            cycle: cycle.clone(),
            victim: victim.clone(),
            wait: *wait,
        }));
    }
    Effect::New
}

/// Whether a fact is about what is not shown. What ends, or is renewed, is looked for and not found there.
fn is_hidden(fact: &ServiceFact, beyond: &LocksBeyond) -> bool {
    match fact {
        ServiceFact::Lock(LockFact::Granted { fencing_token, .. }) => *fencing_token < beyond.first_token,
        ServiceFact::Lock(LockFact::Queued { wait, .. }) => *wait < beyond.first_wait,
        _ => false,
    }
}

/// How much the whole table has now. Where more is shown than twice what a whole view has, the oldest go.
fn count(locks: &mut LocksView, counts: LockCounts) {
    let table = &mut locks.table;
    let holders = table.resources.iter().map(|at| at.holders.len() as u64).sum();
    let waiters = table.resources.iter().map(|at| at.waiters.len() as u64).sum();
    let shown = LockCounts { locks: holders, waits: waiters, sessions: table.sessions.len() as u64 };
    if shown == counts && !counts.beyond() {
        locks.beyond = None;
        return;
    }
    if shown.locks.max(shown.waits).max(shown.sessions) <= 2 * LOCKS_SHOWN_MAX as u64 {
        locks.beyond = Some(LocksBeyond { counts, ..locks.beyond.unwrap_or_default() });
        return;
    }
    let mut tokens = Vec::new();
    let mut waits = Vec::new();
    for at in &table.resources {
        tokens.extend(at.holders.iter().map(|held| held.fencing_token));
        waits.extend(at.waiters.iter().map(|waiter| waiter.wait.0));
    }
    let mut sessions: Vec<u64> = table.sessions.iter().map(|open| open.session.0).collect();
    let mut beyond = LocksBeyond { counts, ..locks.beyond.unwrap_or_default() };
    if let Some(first) = first_kept(&mut tokens) {
        beyond.first_token = first;
        table.resources.iter_mut().for_each(|at| at.holders.retain(|held| held.fencing_token >= first));
    }
    if let Some(first) = first_kept(&mut waits) {
        beyond.first_wait = WaitId(first);
        table.resources.iter_mut().for_each(|at| at.waiters.retain(|waiter| waiter.wait.0 >= first));
    }
    if let Some(first) = first_kept(&mut sessions) {
        beyond.first_session = SessionId(first);
        table.sessions.retain(|open| open.session.0 >= first);
    }
    drop_idle(table);
    locks.beyond = Some(beyond);
}

/// Of more than twice as many as a whole view shows: the first one of the newest.
fn first_kept(list: &mut [u64]) -> Option<u64> {
    if list.len() <= 2 * LOCKS_SHOWN_MAX {
        return None;
    }
    sort_long(list);
    list.get(list.len() - LOCKS_SHOWN_MAX).copied()
}

fn change(table: &mut LockTable, clock_ms: LeaseMs, fact: &ServiceFact) {
    match fact {
        ServiceFact::Lock(LockFact::Granted {
            resource,
            holder,
            mode,
            fencing_token,
            expires_at_ms,
            wait,
            ..
        }) => {
            let at = resource_mut(table, resource);
            at.waiters.retain(|waiter| Some(waiter.wait) != *wait);
            let granted = HolderView {
                holder: holder.clone(),
                mode: *mode,
                fencing_token: *fencing_token,
                since_ms: clock_ms,
                expires_at_ms: *expires_at_ms,
            };
            // An upgrade comes under a new token. Holders are in the order of their tokens.
            at.holders.retain(|held| held.holder != *holder);
            let place = at.holders.partition_point(|held| held.fencing_token < *fencing_token);
            at.holders.insert(place, granted);
        }
        ServiceFact::Lock(LockFact::Transferred {
            resource,
            holder,
            to,
            mode,
            fencing_token,
            expires_at_ms,
            wait,
        }) => {
            let at = resource_mut(table, resource);
            at.waiters.retain(|waiter| Some(waiter.wait) != *wait);
            at.holders.retain(|held| held.holder != *holder);
            at.holders.push(HolderView {
                holder: to.clone(),
                mode: *mode,
                fencing_token: *fencing_token,
                since_ms: clock_ms,
                expires_at_ms: *expires_at_ms,
            });
        }
        ServiceFact::Lock(LockFact::Queued { resource, holder, mode, wait, position, upgrade }) => {
            let at = resource_mut(table, resource);
            let waiter = WaiterView { holder: holder.clone(), mode: *mode, wait: *wait, upgrade: *upgrade };
            // One that asks for more stays in its place, which is not the one that is told where others are not shown.
            if let Some(known) = at.waiters.iter_mut().find(|known| known.wait == *wait) {
                *known = waiter;
                return;
            }
            let place = (position.saturating_sub(1) as usize).min(at.waiters.len());
            at.waiters.insert(place, waiter);
        }
        ServiceFact::Lock(LockFact::Renewed { resource, holder, expires_at_ms }) => {
            let at = resource_mut(table, resource);
            if let Some(held) = at.holders.iter_mut().find(|held| held.holder == *holder) {
                held.expires_at_ms = Some(*expires_at_ms);
                held.since_ms = clock_ms;
            }
            drop_free(table, resource);
        }
        ServiceFact::Lock(LockFact::Released { resource, holder, .. }) => {
            resource_mut(table, resource).holders.retain(|held| held.holder != *holder);
            drop_free(table, resource);
        }
        ServiceFact::Lock(LockFact::WaitEnded { resource, wait, .. }) => {
            resource_mut(table, resource).waiters.retain(|waiter| waiter.wait != *wait);
            drop_free(table, resource);
        }
        ServiceFact::Lock(LockFact::Deadlock { wait, .. }) => end_wait(table, *wait),
        ServiceFact::Lock(LockFact::SessionOpened { session, client, expires_at_ms }) => {
            table.sessions.retain(|open| open.session != *session);
            let open =
                SessionView { session: *session, client: client.clone(), expires_at_ms: *expires_at_ms };
            let place = table.sessions.partition_point(|other| other.session < *session);
            table.sessions.insert(place, open);
        }
        ServiceFact::Lock(LockFact::SessionRenewed { session, expires_at_ms }) => {
            if let Some(open) = table.sessions.iter_mut().find(|open| open.session == *session) {
                open.expires_at_ms = *expires_at_ms;
            }
        }
        ServiceFact::Lock(LockFact::SessionEnded { session, .. }) => {
            table.sessions.retain(|open| open.session != *session)
        }
        // The control group has no queues.
        ServiceFact::Queue(_) | ServiceFact::Cache(_) | ServiceFact::LocksCounted { .. } => {}
    }
}

/// The table is sorted by resource.
fn resource_mut<'a>(table: &'a mut LockTable, resource: &str) -> &'a mut LockedResource {
    let place = match table.resources.binary_search_by(|at| at.resource.as_str().cmp(resource)) {
        Ok(place) => place,
        Err(place) => {
            let free = LockedResource { resource: resource.into(), holders: Vec::new(), waiters: Vec::new() };
            table.resources.insert(place, free);
            place
        }
    };
    &mut table.resources[place]
}

fn drop_free(table: &mut LockTable, resource: &str) {
    table.resources.retain(|at| at.resource != resource || !at.holders.is_empty() || !at.waiters.is_empty());
}

fn end_wait(table: &mut LockTable, wait: WaitId) {
    for at in &mut table.resources {
        at.waiters.retain(|waiter| waiter.wait != wait);
    }
    drop_idle(table);
}

fn drop_idle(table: &mut LockTable) {
    table.resources.retain(|at| !at.holders.is_empty() || !at.waiters.is_empty());
}

fn remember(locks: &mut LocksView, index: LogIndex, fact: &ServiceFact, now_us: u64) {
    let new_hold = match fact {
        ServiceFact::Lock(fact) => fact.new_hold(),
        _ => None,
    };
    let (resource, holder, what): (&str, &Holder, LockChange) = match (new_hold, fact) {
        (Some(NewHold { resource, holder, mode, fencing_token, wait, .. }), _) => {
            (resource, holder, LockChange::Granted { mode, fencing_token, waited: wait.is_some() })
        }
        (None, ServiceFact::Lock(LockFact::Queued { resource, holder, mode, position, .. })) => {
            (resource, holder, LockChange::Queued { mode: *mode, position: *position })
        }
        (None, ServiceFact::Lock(LockFact::Released { resource, holder, cause, .. })) => {
            (resource, holder, LockChange::Released { cause: *cause })
        }
        (None, ServiceFact::Lock(LockFact::WaitEnded { resource, holder, cause, .. })) => {
            (resource, holder, LockChange::WaitEnded { cause: *cause })
        }
        (None, ServiceFact::Lock(LockFact::Deadlock { cycle, victim, .. })) => {
            let edge = cycle.iter().find(|edge| edge.waiter == *victim);
            (edge.map_or("", |edge| edge.resource.as_str()), victim, LockChange::Refused)
        }
        _ => return,
    };
    let moment = LockMoment { at_us: now_us, index, resource: resource.into(), holder: holder.clone(), what };
    if locks.recent.len() >= RECENT_MAX {
        locks.recent.remove(0);
    }
    locks.recent.push(moment);
}

/// Whether a lock or a wait ended against its client's will.
pub fn is_forced(cause: ReleaseCause) -> bool {
    cause != ReleaseCause::Client
}
