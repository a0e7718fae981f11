//! What differs between two placements, and what it is to be measured by.

use orrery_base::ids::{GroupId, NodeName};
use serde::{Deserialize, Serialize};

use super::map::{ShardMap, ShardPlacement};
use super::ring::Ring;

/// One replica of one shard that goes elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Move {
    pub shard: GroupId,
    /// The node that gives it up; none when the set grows.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, required))]
    pub from: Option<NodeName>,
    /// The node that gets it; none when the set shrinks.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, required))]
    pub to: Option<NodeName>,
}

/// What differs between two placements. Shares are parts of 1.
///
/// Over the joins from 3 to 17 nodes named `node1` to `nodeN` (R = 3) the replicas that move are 0.99 times the
/// ideal with 8 shards, 1.06 times with 16, 1.27 times with 64 (a test prints them all). A single join can differ
/// more: 24 replicas are few, and where N comes to divide S, the bound on leaders falls and moves preferences (not
/// data) on top.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Change {
    /// Version of the map before.
    pub from_version: u64,
    /// Version of the map after.
    pub to_version: u64,
    /// Replicas of shards that go elsewhere, by shard: what has to be copied.
    pub moves: Vec<Move>,
    pub replicas_moved: u32,
    /// Of how many replicas (the larger of both maps).
    pub replicas_total: u32,
    /// `replicas_moved` over `replicas_total`.
    pub replicas_share: f64,
    /// Share of all keys whose shard has another set of replicas. Keys are as good as evenly spread over shards.
    pub keys_set_share: f64,
    /// Share of all keys whose shard prefers another leader.
    pub keys_leader_share: f64,
    /// Share of the hash space that has another owner on the bare ring: what consistent hashing without shards and
    /// bounds would move.
    pub ring_share: f64,
    /// The least that can move if everyone is to have what its weight entitles it to: for a join or a leave among
    /// equals 1/N, N the larger number of nodes.
    pub ideal_share: f64,
    /// What hashing modulo the number of nodes would move: for a join or a leave (N-1)/N, N the larger number of
    /// nodes.
    pub modulo_share: f64,
    /// How even the placement was.
    pub balance_before: Balance,
    /// How even it is.
    pub balance_after: Balance,
}

/// How even a placement is: the largest over the mean, 1 where all are equal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Balance {
    /// Of the nodes' shares of the hash space, [`Ring::balance`].
    pub ring: f64,
    /// Of the nodes' numbers of replicas.
    pub replicas: f64,
}

impl Balance {
    fn of(ring: &Ring, map: &ShardMap) -> Self {
        let holds = |name: &NodeName| map.shards.iter().filter(|it| it.replicas.contains(name)).count();
        let loads = || ring.nodes().iter().map(|node| holds(&node.name));
        let mean = part(loads().sum(), ring.placed());
        let largest = loads().max().unwrap_or_default() as f64;
        Balance { ring: ring.balance(), replicas: if mean > 0.0 { largest / mean } else { 1.0 } }
    }
}

impl Change {
    /// From one ring and its map to another. The rings are those that shares are counted on: without the nodes that
    /// are down ([`Ring::without`]), so that a node that is replaced counts as one that left.
    pub fn between(from: (&Ring, &ShardMap), to: (&Ring, &ShardMap)) -> Self {
        let shards = from.1.shards.len().max(to.1.shards.len());
        let pairs = || (0..shards).map(|place| (from.1.shards.get(place), to.1.shards.get(place)));
        let moves: Vec<Move> = pairs().flat_map(|(from, to)| moves(from, to)).collect();
        let leader = |placement: Option<&ShardPlacement>| placement.and_then(|it| it.leader().cloned());
        let led_by_others = pairs().filter(|(from, to)| leader(*from) != leader(*to)).count();
        // The moves are in the order of their shards.
        let mut of_shards: Vec<GroupId> = moves.iter().map(|it| it.shard).collect();
        of_shards.dedup();
        let replicas = |map: &ShardMap| map.shards.iter().map(|it| it.replicas.len()).sum::<usize>();
        let total = replicas(from.1).max(replicas(to.1));
        Change {
            from_version: from.1.version,
            to_version: to.1.version,
            replicas_moved: moves.len() as u32,
            replicas_total: total as u32,
            replicas_share: part(moves.len(), total),
            keys_set_share: part(of_shards.len(), shards),
            keys_leader_share: part(led_by_others, shards),
            ring_share: from.0.moved_share(to.0),
            ideal_share: ideal(from.0, to.0),
            modulo_share: modulo(from.0, to.0),
            balance_before: Balance::of(from.0, from.1),
            balance_after: Balance::of(to.0, to.1),
            moves,
        }
    }
}

fn part(some: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { some as f64 / all as f64 }
}

fn moves(from: Option<&ShardPlacement>, to: Option<&ShardPlacement>) -> Vec<Move> {
    let Some(shard) = to.or(from).map(|placement| placement.shard) else { return Vec::new() };
    let nodes = |placement: Option<&ShardPlacement>| placement.map_or(Vec::new(), |it| it.replicas.clone());
    let (before, after) = (nodes(from), nodes(to));
    let lost: Vec<&NodeName> = before.iter().filter(|node| !after.contains(node)).collect();
    let won: Vec<&NodeName> = after.iter().filter(|node| !before.contains(node)).collect();
    let one = |place: usize| Move {
        shard,
        from: lost.get(place).copied().cloned(),
        to: won.get(place).copied().cloned(),
    };
    (0..lost.len().max(won.len())).map(one).collect()
}

/// What those who are entitled to more than before are entitled to more, together.
fn ideal(from: &Ring, to: &Ring) -> f64 {
    let before = from.owner_share();
    let entitled =
        |name: &NodeName| before.iter().find(|node| node.node == *name).map_or(0.0, |node| node.ideal);
    to.owner_share().iter().map(|node| (node.ideal - entitled(&node.node)).max(0.0)).sum()
}

/// A key stays where it is when its hash is the same modulo both numbers: min(N, M) of lcm(N, M) hashes are. When
/// the numbers are the same, newcomers take the places of those who left.
fn modulo(from: &Ring, to: &Ring) -> f64 {
    fn names(ring: &Ring) -> Vec<&NodeName> {
        ring.nodes().iter().filter(|node| node.weight > 0).map(|node| &node.name).collect()
    }
    let (before, after) = (names(from), names(to));
    let (n, m) = (before.len(), after.len());
    match (n, m) {
        (0, 0) => 0.0,
        (0, _) | (_, 0) => 1.0,
        _ if n == m => part(after.iter().filter(|name| !before.contains(name)).count(), n),
        _ => 1.0 - part(n.min(m), n / gcd(n, m) * m),
    }
}

fn gcd(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
