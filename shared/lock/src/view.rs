//! The lock table as people see it.

use std::collections::BTreeMap;
use std::ops::Bound;

use orrery_base::ids::{LeaseMs, LogIndex};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::table::{Hold, Resource, Session, Table, Waiter};
use super::{FencingToken, Holder, Mode, SessionId, WaitEdge, WaitId};

/// The lock table or a part of it: in stream snapshots and in `GET /lock/status`. Sorted by resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockTable {
    /// Applied index that it shows.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub applied: Option<LogIndex>,
    /// The group's lease clock then.
    pub clock_ms: LeaseMs,
    /// Resources with a holder or a waiter.
    pub resources: Vec<LockedResource>,
    pub sessions: Vec<SessionView>,
}

/// Most locks of a [`LocksShown`]; the same number of waits, and of sessions. With the bound of a name these are at most
/// 2 MiB, and 0.4 MiB of names as people give them.
pub const LOCKS_SHOWN_MAX: usize = 1_024;

/// How much is in a lock table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockCounts {
    pub locks: u64,
    pub waits: u64,
    pub sessions: u64,
}

impl LockCounts {
    /// Whether a [`LocksShown`] has only a part of such a table.
    pub fn beyond(&self) -> bool {
        self.locks.max(self.waits).max(self.sessions) > LOCKS_SHOWN_MAX as u64
    }
}

/// Which part of a lock table is shown: of each kind the newest ones, so that whatever comes is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocksBeyond {
    /// Locks from this token on.
    pub first_token: FencingToken,
    /// Waits from this one on.
    pub first_wait: WaitId,
    /// Sessions from this one on.
    pub first_session: SessionId,
    /// What the whole table has.
    pub counts: LockCounts,
}

/// The lock table, bounded: in streams.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LocksShown {
    pub table: LockTable,
    /// None where that is everything.
    pub beyond: Option<LocksBeyond>,
}

/// One resource that somebody holds or waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockedResource {
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub resource: SmolStr,
    /// In order of their grants.
    pub holders: Vec<HolderView>,
    /// In order: the first is next.
    pub waiters: Vec<WaiterView>,
}

/// Who holds a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HolderView {
    pub holder: Holder,
    pub mode: Mode,
    /// Grows with every grant.
    pub fencing_token: FencingToken,
    /// Lease clock value at which it was granted or last renewed.
    pub since_ms: LeaseMs,
    /// Lease clock value at which it runs out; none under a session (the session's counts).
    #[cfg_attr(feature = "openapi", schema(required))]
    pub expires_at_ms: Option<LeaseMs>,
}

/// Who waits for a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WaiterView {
    pub holder: Holder,
    pub mode: Mode,
    pub wait: WaitId,
    /// It holds it shared and wants it exclusive: ahead of the others.
    pub upgrade: bool,
}

/// An open session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionView {
    pub session: SessionId,
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub client: SmolStr,
    /// Lease clock value at which it runs out.
    pub expires_at_ms: LeaseMs,
}

/// A queued wait, as a poll of it finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitSeen {
    pub wait: WaitId,
    /// 1 is next.
    pub position: u32,
    /// What is left of its own lease; none where a session keeps it.
    pub left_ms: Option<u64>,
}

/// A part of the lock table, so that no answer grows with the whole of it.
#[derive(Clone, Debug, PartialEq)]
pub struct TablePage {
    pub table: LockTable,
    /// The last resource of it, where more follow.
    pub next: Option<SmolStr>,
    /// The last session of it, where more follow.
    pub next_session: Option<SessionId>,
}

/// Where a part of the lock table begins. Without either it is the beginning of both lists; with one of them only that
/// list goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct After<'a> {
    pub resource: Option<&'a str>,
    pub session: Option<SessionId>,
}

impl Table {
    /// Everything that is held or waited for (or only `resource`), sorted by resource, and the open sessions.
    pub fn view(&self, applied: Option<LogIndex>, resource: Option<&str>) -> LockTable {
        let resources = match resource {
            None => self.resources.iter().map(|(name, found)| self.view_resource(name, found)).collect(),
            Some(name) => self.one_resource(name),
        };
        let sessions = self.sessions.iter().map(|(id, session)| view_session(*id, session)).collect();
        LockTable { applied, clock_ms: self.clock_ms, resources, sessions }
    }

    /// How much is in it.
    pub fn counts(&self) -> LockCounts {
        let count = |length: usize| length as u64;
        LockCounts {
            locks: count(self.holds.len()),
            waits: count(self.waits.len()),
            sessions: count(self.sessions.len()),
        }
    }

    /// The newest locks, waits and sessions of it, at most [`LOCKS_SHOWN_MAX`] of each, with what is around them left
    /// out: in streams. Whatever comes is newer, so a reader that follows always sees it.
    pub fn shown(&self, applied: Option<LogIndex>) -> LocksShown {
        let counts = self.counts();
        if !counts.beyond() {
            return LocksShown { table: self.view(applied, None), beyond: None };
        }
        let mut resources: BTreeMap<&SmolStr, LockedResource> = BTreeMap::new();
        let mut beyond = LocksBeyond { counts, ..LocksBeyond::default() };
        for (token, hold) in self.holds.iter().rev().take(LOCKS_SHOWN_MAX) {
            at(&mut resources, &hold.resource).holders.push(view_hold(*token, hold));
            beyond.first_token = *token;
        }
        for (wait, waiter) in self.waits.iter().rev().take(LOCKS_SHOWN_MAX) {
            at(&mut resources, &waiter.resource).waiters.push(view_wait(*wait, waiter));
            beyond.first_wait = *wait;
        }
        let mut resources: Vec<LockedResource> = resources.into_values().collect();
        for at in &mut resources {
            at.holders.reverse();
            // Upgrades are ahead; both in the order of their arrival.
            at.waiters.sort_by_key(|waiter| (!waiter.upgrade, waiter.wait));
        }
        let newest = self.sessions.iter().rev().take(LOCKS_SHOWN_MAX);
        let mut sessions: Vec<SessionView> = newest.map(|(id, session)| view_session(*id, session)).collect();
        sessions.reverse();
        beyond.first_session = sessions.first().map_or(SessionId(0), |first| first.session);
        let table = LockTable { applied, clock_ms: self.clock_ms, resources, sessions };
        LocksShown { table, beyond: Some(beyond) }
    }

    /// A part of it: resources with `limit` holders and waiters together (the last one is whole, and may have more), and
    /// `limit` sessions. With a resource: that one only.
    pub fn page(
        &self,
        applied: Option<LogIndex>,
        resource: Option<&str>,
        after: After<'_>,
        limit: usize,
    ) -> TablePage {
        let mut page = TablePage {
            table: LockTable { applied, clock_ms: self.clock_ms, ..LockTable::default() },
            next: None,
            next_session: None,
        };
        match resource {
            Some(name) => page.table.resources = self.one_resource(name),
            None if after.resource.is_some() || after.session.is_none() => {
                let first = after.resource.map_or(Bound::Unbounded, Bound::Excluded);
                let mut left = limit;
                for (name, found) in self.resources.range::<_, str>((first, Bound::Unbounded)) {
                    if left == 0 {
                        page.next = page.table.resources.last().map(|locked| locked.resource.clone());
                        break;
                    }
                    let locked = self.view_resource(name, found);
                    left = left.saturating_sub(locked.holders.len() + locked.waiters.len());
                    page.table.resources.push(locked);
                }
            }
            None => {}
        }
        if after.session.is_some() || after.resource.is_none() {
            let first = after.session.map_or(Bound::Unbounded, Bound::Excluded);
            let mut following = self.sessions.range((first, Bound::Unbounded));
            let listed = following.by_ref().take(limit);
            page.table.sessions.extend(listed.map(|(id, session)| view_session(*id, session)));
            if following.next().is_some() {
                page.next_session = page.table.sessions.last().map(|listed| listed.session);
            }
        }
        page
    }

    /// Its holders, at most as many as an answer names.
    pub fn holders_of(&self, resource: &SmolStr) -> Vec<Holder> {
        self.holders_shown(resource)
    }

    /// The wait of that holder for that resource: its id and its place (1 is next), where asking for it in that mode is
    /// only a look. `left_ms` is what it has of a lease of its own on the lease clock at `now_ms`; none where its
    /// session keeps it.
    pub fn wait_seen(
        &self,
        resource: &SmolStr,
        holder: &Holder,
        mode: Mode,
        now_ms: LeaseMs,
    ) -> Option<WaitSeen> {
        let claim = self.claim(holder, resource);
        let wait = claim.wait.filter(|_| claim.outcome.is_none() && self.session_is_open(holder))?;
        let waiter = self.waits.get(&wait).filter(|waiter| waiter.queued && waiter.mode.covers(mode))?;
        Some(WaitSeen {
            wait,
            position: self.position(resource, wait),
            left_ms: waiter.expires_at_ms.map(|at| at.saturating_sub(now_ms)),
        })
    }

    fn one_resource(&self, name: &str) -> Vec<LockedResource> {
        let found = self.resources.get_key_value(name);
        found.map(|(name, found)| self.view_resource(name, found)).into_iter().collect()
    }

    fn view_resource(&self, name: &SmolStr, resource: &Resource) -> LockedResource {
        let holders = resource.holders.iter();
        let holders = holders.filter_map(|token| Some(view_hold(*token, self.holds.get(token)?)));
        let waiters = resource.waiters();
        let waiters = waiters.filter_map(|wait| Some(view_wait(wait, self.waits.get(&wait)?)));
        LockedResource { resource: name.clone(), holders: holders.collect(), waiters: waiters.collect() }
    }

    /// Whether that wait has not ended.
    pub fn is_waiting(&self, wait: WaitId) -> bool {
        self.waits.contains_key(&wait)
    }

    /// What is left of the lease of the lock with that token; none where nobody holds it any more.
    pub fn lease_left_ms(&self, token: FencingToken) -> Option<u64> {
        self.holds.get(&token).map(|hold| self.hold_left(hold))
    }

    /// The wait-for graph: by resource, then by place in its queue.
    pub fn edges(&self) -> Vec<WaitEdge> {
        edges_of(&self.view(None, None))
    }
}

/// The resource of that name, put in where it is not there yet.
fn at<'a, 'b>(
    resources: &'b mut BTreeMap<&'a SmolStr, LockedResource>,
    name: &'a SmolStr,
) -> &'b mut LockedResource {
    let free = || LockedResource { resource: name.clone(), holders: Vec::new(), waiters: Vec::new() };
    resources.entry(name).or_insert_with(free)
}

fn view_hold(token: FencingToken, hold: &Hold) -> HolderView {
    HolderView {
        holder: hold.holder.clone(),
        mode: hold.mode,
        fencing_token: token,
        since_ms: hold.since_ms,
        expires_at_ms: hold.expires_at_ms,
    }
}

fn view_wait(wait: WaitId, waiter: &Waiter) -> WaiterView {
    WaiterView { holder: waiter.holder.clone(), mode: waiter.mode, wait, upgrade: waiter.upgrade }
}

fn view_session(session: SessionId, open: &Session) -> SessionView {
    SessionView { session, client: open.client.clone(), expires_at_ms: open.expires_at_ms }
}

/// Of a resource that many hold, only the first waiter names them all; everybody behind it names so many.
pub const HOLDER_EDGES_MAX: usize = 4;

/// The wait-for graph of a lock table, without what follows from the rest of it: their number grows with the number of
/// claims, and not with its square. A waiter has an edge to conflicting holders and to the next conflicting waiters
/// ahead of it: a shared one to the nearest exclusive one, an exclusive one to the one before it, or to all of the shared
/// ones right before it, which are granted together. Whoever is farther ahead is reached through them.
/// Ordered by resource, then by place in its queue.
pub fn edges_of(table: &LockTable) -> Vec<WaitEdge> {
    let mut edges = Vec::new();
    for locked in &table.resources {
        let mut nearest_exclusive = None;
        let mut shared_since = 0;
        for (place, waiter) in locked.waiters.iter().enumerate() {
            let exclusive = waiter.mode == Mode::Exclusive;
            let next = match nearest_exclusive {
                _ if exclusive && shared_since < place => shared_since..place,
                Some(nearest) => nearest..nearest + 1,
                None => 0..0,
            };
            let holders_max = if next.is_empty() { usize::MAX } else { HOLDER_EDGES_MAX };
            let holders = locked.holders.iter().filter(|holder| !holder.mode.compatible(waiter.mode));
            let holders = holders.map(|holder| &holder.holder).filter(|holder| **holder != waiter.holder);
            let ahead = locked.waiters[next].iter().map(|earlier| &earlier.holder);
            let first = edges.len();
            for blocker in holders.take(holders_max).chain(ahead) {
                // An earlier upgrade is a holder too.
                if edges[first..].iter().all(|edge: &WaitEdge| edge.blocker != *blocker) {
                    let (waiter, blocker) = (waiter.holder.clone(), blocker.clone());
                    edges.push(WaitEdge { waiter, blocker, resource: locked.resource.clone() });
                }
            }
            if exclusive {
                nearest_exclusive = Some(place);
                shared_since = place + 1;
            }
        }
    }
    edges
}
