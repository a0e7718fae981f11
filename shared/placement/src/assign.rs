//! Consistent hashing with bounded loads, for leaders and for replicas, so that it always succeeds.
//!
//! Leaders first: in the order of their numbers, each shard prefers the first node clockwise of its token that is
//! below its bound L = ceil(S / N). One always is, as N · L >= S.
//!
//! Then the others. A node with m leaders has room q = ceil(S · R / N) + 1 - m for further replicas, so that no
//! room for a leader is ever taken by a replica. Each shard, in the order of their numbers, takes the first R - 1
//! nodes clockwise that have room and are not its leader. Only one thing can go wrong: early shards use up the room
//! of many nodes, and a later one finds fewer than R - 1 *different* nodes. So a node is taken only while the rest
//! can still be placed.
//!
//! *When the rest can be placed.* Let U be the T shards still to come, m_i(U) how many of them node i leads, and
//! x_i = T - m_i(U) the shards of U in which it could be a further replica. By max-flow min-cut a placement exists
//! exactly if f(A) = Σ min(q_i, |A| - m_i(A)) - |A|(R - 1) >= 0 for every part A of U. It is enough to look at A =
//! U. Take shards away from U one by one, and call a node free when q_i >= |A| - m_i(A). While fewer than R nodes
//! are free, taking one away lowers the sum by at most R - 1, so f does not fall. From R free nodes on, f(A) >= 0
//! by itself: the free ones alone contribute at least R|A| - |A|. And nodes stay free as A shrinks.
//!
//! *In the walk.* Whoever has more room than x_i can be taken at no cost. Everyone else costs 1 of f(U), and is
//! taken only while f(U) > 0; beyond that its room is reserved. As the rest can be placed with some choice of R - 1
//! nodes, and that choice is affordable, one walk finds R - 1.
//!
//! *At the start.* As Σ m_i = S, k free nodes and N - k others make f at least kS + (N - k)(S · R / N + 1) - S -
//! S(R - 1) = kS(1 - R / N) + (N - k) >= 0. That holds without the 1 in the bound too: it leaves the walk
//! more choice.

use orrery_base::ids::GroupId;

use super::bounds::Bounds;
use super::draft::{Draft, SkipReason};
use super::ring::Ring;
use super::shard::shard_token;

/// Places all shards as if every member were up.
pub(super) fn assign(ring: &Ring, shards: u16, replicas: u16) -> Vec<Draft> {
    let nodes = ring.placed();
    let replicas = usize::from(replicas.max(1)).min(nodes);
    // Never cut: at most a u16 came in.
    let bounds = Bounds::new(shards, replicas as u16, nodes);
    let mut drafts: Vec<Draft> = (1..=shards).map(|shard| draft(GroupId(shard), shards)).collect();
    if nodes == 0 {
        return drafts;
    }
    let leads = choose_leaders(ring, bounds.leaders, &mut drafts);
    choose_others(ring, bounds.replicas, leads, replicas - 1, &mut drafts);
    drafts
}

fn draft(shard: GroupId, shards: u16) -> Draft {
    Draft { shard, token: shard_token(shard, shards), replicas: Vec::new(), skips: Vec::new() }
}

/// Gives every shard its leader; how many each node has then.
fn choose_leaders(ring: &Ring, bound: u32, drafts: &mut [Draft]) -> Vec<u32> {
    let mut leads = vec![0_u32; ring.nodes().len()];
    for draft in drafts {
        for node in ring.members_from(draft.token) {
            if leads[node] < bound {
                leads[node] += 1;
                draft.replicas.push(node);
                break;
            }
            draft.skip(node, SkipReason::LeaderBound);
        }
        assert_eq!(draft.replicas.len(), 1, "N · ceil(S / N) leaders have room for S");
    }
    leads
}

/// Gives every shard `others` replicas beside its leader.
fn choose_others(ring: &Ring, bound: u32, leads: Vec<u32>, others: usize, drafts: &mut [Draft]) {
    let placed = |node: usize| ring.nodes()[node].weight > 0;
    let mut room: Vec<u32> = leads.iter().map(|leads| bound - leads).collect();
    // Of the shards still to come, those that a node leads.
    let mut leads_ahead = leads;
    let mut ahead = drafts.len() as u32;
    for draft in drafts {
        let leader = draft.replicas[0];
        leads_ahead[leader] -= 1;
        ahead -= 1;
        let could_take = |node: usize| ahead - leads_ahead[node];
        let capacity = (0..room.len()).filter(|node| placed(*node));
        let capacity: u32 = capacity.map(|node| room[node].min(could_take(node))).sum();
        let mut spare = capacity.checked_sub(ahead * others as u32).expect("the rest could be placed so far");
        for node in ring.members_from(draft.token) {
            if draft.replicas.len() > others {
                break;
            }
            if node == leader {
                continue;
            }
            if room[node] == 0 {
                draft.skip(node, SkipReason::ReplicaBound);
                continue;
            }
            let free = room[node] > could_take(node);
            if !free && spare == 0 {
                draft.skip(node, SkipReason::Reserved);
                continue;
            }
            spare -= u32::from(!free);
            room[node] -= 1;
            draft.replicas.push(node);
        }
        assert_eq!(
            draft.replicas.len(),
            others + 1,
            "one walk finds enough nodes while the rest can be placed"
        );
    }
}
