//! The lock table as people see it.

use super::table::{Resource, Table};
use super::{FencingToken, Mode, WaitEdge, WaitId};
use crate::event::fact::{HolderView, LockTable, LockedResource, SessionView, WaiterView};
use crate::ids::{LogIndex, ResourceName};

impl Table {
    /// Everything that is held or waited for (or only `resource`), sorted by resource, and the open sessions.
    pub fn view(&self, applied: Option<LogIndex>, resource: Option<&str>) -> LockTable {
        let resources = match resource {
            None => self.resources.iter().map(|(name, found)| self.view_resource(name, found)).collect(),
            Some(name) => self
                .resources
                .get_key_value(name)
                .map(|(name, found)| self.view_resource(name, found))
                .into_iter()
                .collect(),
        };
        let sessions = self
            .sessions
            .iter()
            .map(|(session, open)| SessionView {
                session: *session,
                client: open.client.clone(),
                expires_at_ms: open.expires_at_ms,
            })
            .collect();
        LockTable { applied, clock_ms: self.clock_ms, resources, sessions }
    }

    fn view_resource(&self, name: &ResourceName, resource: &Resource) -> LockedResource {
        let holders = resource.holders.iter().filter_map(|token| {
            let hold = self.holds.get(token)?;
            Some(HolderView {
                holder: hold.holder.clone(),
                mode: hold.mode,
                fencing_token: *token,
                since_ms: hold.since_ms,
                expires_at_ms: hold.expires_at_ms,
            })
        });
        let waiters = resource.waiters().filter_map(|wait| {
            let waiter = self.waits.get(&wait)?;
            Some(WaiterView {
                holder: waiter.holder.clone(),
                mode: waiter.mode,
                wait,
                upgrade: waiter.upgrade,
            })
        });
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

    /// The wait-for graph (or only its edges on `resource`): by resource, then by place in its queue.
    pub fn edges(&self, resource: Option<&str>) -> Vec<WaitEdge> {
        edges_of(&self.view(None, resource))
    }
}

/// The wait-for graph of a lock table: each waiter waits for every conflicting holder and for every conflicting waiter
/// before it. Ordered by resource, then by place in its queue.
pub fn edges_of(table: &LockTable) -> Vec<WaitEdge> {
    let mut edges = Vec::new();
    for locked in &table.resources {
        for (place, waiter) in locked.waiters.iter().enumerate() {
            let holders = locked.holders.iter().map(|holder| (&holder.holder, holder.mode));
            // An earlier upgrade is a holder too: once is enough where both conflict.
            let twice = |earlier: &WaiterView| earlier.upgrade && !Mode::Shared.compatible(waiter.mode);
            let earlier = locked.waiters[..place].iter().filter(|earlier| !twice(earlier));
            let earlier = earlier.map(|earlier| (&earlier.holder, earlier.mode));
            for (blocker, mode) in holders.chain(earlier) {
                if *blocker != waiter.holder && !mode.compatible(waiter.mode) {
                    edges.push(WaitEdge {
                        waiter: waiter.holder.clone(),
                        blocker: blocker.clone(),
                        resource: locked.resource.clone(),
                    });
                }
            }
        }
    }
    edges
}
