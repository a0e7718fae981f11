//! Who stands in for nodes that are down.
//!
//! The placement of all members stays as it is, and only the replicas of down nodes are given away. The
//! alternative, placing anew among those that are up, changes the bounds and with them the replicas of nodes that
//! are well: the worst moment to copy more than is needed.

use orrery_base::ids::NodeName;

use super::bounds::Bounds;
use super::draft::{Draft, SkipReason};
use super::ring::Ring;

/// Replaces the replicas of nodes that are down.
pub(super) fn stand_in(
    ring: &Ring,
    drafts: &mut [Draft],
    replicas: u16,
    is_down: &dyn Fn(&NodeName) -> bool,
) {
    let up: Vec<bool> = ring.nodes().iter().map(|node| !is_down(&node.name)).collect();
    if up.iter().all(|up| *up) {
        return;
    }
    let nodes_up = ring.nodes().iter().zip(&up).filter(|(node, up)| **up && node.weight > 0).count();
    // Never cut: shards are numbered by a u16.
    let bounds = Bounds::new(drafts.len() as u16, replicas.max(1), nodes_up);
    let mut work = StandIn::new(ring, up, bounds, drafts);
    for draft in drafts {
        if draft.replicas.iter().any(|node| !work.up[*node]) {
            work.replace(draft);
        }
    }
}

struct StandIn<'a> {
    ring: &'a Ring,
    up: Vec<bool>,
    bounds: Bounds,
    /// Replicas of every node.
    loads: Vec<u32>,
    /// Shards that prefer every node as their leader.
    leads: Vec<u32>,
}

impl<'a> StandIn<'a> {
    fn new(ring: &'a Ring, up: Vec<bool>, bounds: Bounds, drafts: &[Draft]) -> Self {
        let mut loads = vec![0; ring.nodes().len()];
        let mut leads = loads.clone();
        for draft in drafts {
            draft.replicas.iter().for_each(|node| loads[*node] += 1);
            draft.replicas.first().into_iter().for_each(|node| leads[*node] += 1);
        }
        StandIn { ring, up, bounds, loads, leads }
    }

    fn replace(&mut self, draft: &mut Draft) {
        let before = std::mem::take(&mut draft.replicas);
        let (mut set, lost): (Vec<usize>, Vec<usize>) = before.iter().partition(|node| self.up[**node]);
        for node in &lost {
            draft.skip(*node, SkipReason::Down);
        }
        let mut kept = Vec::new();
        for node in lost {
            match self.find(draft, &set) {
                Some(stand_in) => {
                    self.loads[node] -= 1;
                    self.loads[stand_in] += 1;
                    set.push(stand_in);
                }
                None => kept.push(node),
            }
        }
        if !self.up[before[0]] && !set.is_empty() {
            self.leads[before[0]] -= 1;
            let leader = self.lead(draft, &mut set);
            self.leads[leader] += 1;
        }
        set.extend(kept);
        draft.replicas = set;
    }

    /// The next node clockwise that is up, not in the set and has room. When none has room, the one with the fewest
    /// replicas, the first of them clockwise. None when all that are up are in the set.
    fn find(&self, draft: &mut Draft, set: &[usize]) -> Option<usize> {
        let mut full = Vec::new();
        for node in self.ring.members_from(draft.token) {
            if set.contains(&node) {
                continue;
            }
            if !self.up[node] {
                draft.skip(node, SkipReason::Down);
            } else if self.loads[node] < self.bounds.replicas {
                // The bound over fewer nodes is wider: what it was passed over for no longer holds.
                let gone = [SkipReason::ReplicaBound, SkipReason::Reserved];
                draft.skips.retain(|(other, why)| *other != node || !gone.contains(why));
                return Some(node);
            } else {
                draft.skip(node, SkipReason::ReplicaBound);
                full.push(node);
            }
        }
        let chosen = full.into_iter().min_by_key(|node| self.loads[*node])?;
        draft.skips.retain(|skip| *skip != (chosen, SkipReason::Reserved));
        Some(chosen)
    }

    /// Moves the new preferred leader to the front: the first one below its bound, survivors before stand-ins,
    /// because they have the data. When none is below, the one with the fewest.
    fn lead(&self, draft: &mut Draft, set: &mut [usize]) -> usize {
        let below = set.iter().position(|node| self.leads[*node] < self.bounds.leaders);
        for node in &set[..below.unwrap_or(set.len())] {
            draft.skip(*node, SkipReason::LeaderBound);
        }
        let fewest = || (0..set.len()).min_by_key(|place| self.leads[set[*place]]);
        let chosen = below.or_else(fewest).unwrap_or(0);
        set[..=chosen].rotate_right(1);
        set[0]
    }
}
