//! The ring, the shard map, and what the last change of it moved, as who follows them sees it.

use orrery_base::ids::{GroupId, NodeName};

use crate::{
    Change, PlacedShard, Ring, ShardMap, ShardPlacement, ShardTable, Token, VirtualNode, partition_hash,
    shard_of, shard_token,
};

/// The ring and the shard map.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RingView {
    /// The newest map that anybody reported.
    pub table: ShardTable,
    /// The ring of its members.
    pub ring: Ring,
    /// When it replaced the one before; 0 where it is the first that this reader saw.
    pub since_us: u64,
    /// The one that the last change began with: shards move one by one, each with a map of its own.
    pub before: Option<Box<PastRing>>,
    /// Every shard is placed where its members call for: no further map belongs to this change.
    pub complete: bool,
    /// How far shards 1 to S are on their way to where the map says.
    pub ways: Vec<Way>,
}

/// A map that was replaced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PastRing {
    pub table: ShardTable,
    /// The ring of its members.
    pub ring: Ring,
}

impl PastRing {
    /// A map with the ring of its members.
    pub fn of(table: ShardTable) -> PastRing {
        PastRing { ring: ring_of(&table), table }
    }
}

/// A shard's way to its replica set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// When the map gave it another set; 0 where this reader did not see that.
    pub placed_us: u64,
    /// When its leader said that this set votes and nobody else takes part; none while it is on its way.
    pub arrived_us: Option<u64>,
}

impl RingView {
    /// Number of shards; 0 before there is a map.
    pub fn shards(&self) -> u16 {
        count(&self.table)
    }

    /// One shard of the map.
    pub fn placed(&self, shard: GroupId) -> Option<&PlacedShard> {
        self.table.shards.get(usize::from(shard.0.checked_sub(1)?))
    }

    /// Where a shard's arc ends.
    pub fn token(&self, shard: GroupId) -> Token {
        shard_token(shard, self.shards())
    }

    /// All virtual nodes, clockwise from 0.
    pub fn virtual_nodes(&self) -> impl Iterator<Item = VirtualNode> + '_ {
        self.ring.virtual_nodes()
    }

    /// The shard of a topic's partition key; none without shards.
    pub fn shard_of(&self, topic: &str, key: &str) -> Option<&PlacedShard> {
        self.placed(shard_of(partition_hash(topic, key), self.shards()))
    }

    /// What a new map is to be compared with: the map with which the present change began, unless that one is over or
    /// the members are others.
    pub fn base_of(&self, next: &ShardTable) -> PastRing {
        match &self.before {
            Some(before) if next.nodes == self.table.nodes && !self.complete => (**before).clone(),
            _ => PastRing { table: self.table.clone(), ring: self.ring.clone() },
        }
    }

    /// The same with the newer map; none where one at least as new is known. The first map is no change.
    pub fn followed_by(&self, table: &ShardTable, now_us: u64) -> Option<RingView> {
        if table.version <= self.table.version {
            return None;
        }
        let known = self.table.version > 0;
        let ring = ring_of(table);
        let way = |placed: &PlacedShard| {
            if !known {
                return Way { placed_us: 0, arrived_us: Some(0) };
            }
            let same = self.placed(placed.shard).is_some_and(|old| same_set(&old.replicas, &placed.replicas));
            let old = self.way(placed.shard).filter(|_| same);
            old.unwrap_or(Way { placed_us: now_us, arrived_us: None })
        };
        Some(RingView {
            since_us: if known { now_us } else { 0 },
            before: known.then(|| Box::new(self.base_of(table))),
            complete: is_complete(&ring, table),
            ways: table.shards.iter().map(way).collect(),
            table: table.clone(),
            ring,
        })
    }

    pub fn way(&self, shard: GroupId) -> Option<Way> {
        self.ways.get(usize::from(shard.0.checked_sub(1)?)).copied()
    }

    /// What moved in the last change; none where this reader saw none.
    pub fn change(&self) -> Option<Change> {
        self.before.as_ref().map(|before| change((&before.ring, &before.table), (&self.ring, &self.table)))
    }

    /// When the last change was over; none while there is more to place or a shard is on its way.
    pub fn ended_us(&self) -> Option<u64> {
        let arrived = self.ways.iter().map(|way| way.arrived_us);
        let last = arrived.collect::<Option<Vec<u64>>>()?.into_iter().max().unwrap_or_default();
        self.complete.then_some(last.max(self.since_us))
    }

    /// Whether a shard is where the map says once these vote and learn.
    pub fn arrives(&self, shard: GroupId, voters: &[NodeName], learners: &[NodeName]) -> bool {
        let on_its_way = self.way(shard).is_some_and(|way| way.arrived_us.is_none());
        let placed = |placed: &PlacedShard| same_set(&placed.replicas, voters);
        on_its_way && learners.is_empty() && self.placed(shard).is_some_and(placed)
    }
}

/// Of replicas, each of which is there once.
fn same_set(some: &[NodeName], others: &[NodeName]) -> bool {
    some.len() == others.len() && some.iter().all(|name| others.contains(name))
}

/// Whether placement makes just this of the map's members. Those that hold nothing count as down: whoever is replaced
/// loses all its replicas, one after the other.
fn is_complete(ring: &Ring, table: &ShardTable) -> bool {
    let replicas = table.shards.iter().map(|placed| placed.replicas.len()).max().unwrap_or_default();
    let idle = |name: &NodeName| !holds(table, name);
    let placed = ShardMap::place_without(table.version, ring, count(table), replicas as u16, &idle);
    placed.shards.iter().map(|it| &it.replicas).eq(table.shards.iter().map(|it| &it.replicas))
}

fn holds(table: &ShardTable, name: &NodeName) -> bool {
    table.shards.iter().any(|placed| placed.replicas.contains(name))
}

/// The ring of a map's members; an empty one where they make none.
pub fn ring_of(table: &ShardTable) -> Ring {
    Ring::new(table.nodes.iter().cloned()).unwrap_or_default()
}

/// What differs between two maps. On the ring, members that hold no shard count as gone: they are down or leaving.
pub fn change(from: (&Ring, &ShardTable), to: (&Ring, &ShardTable)) -> Change {
    let (from_ring, to_ring) = (in_use(from.0, from.1), in_use(to.0, to.1));
    Change::between((&from_ring, &map_of(from.1)), (&to_ring, &map_of(to.1)))
}

fn in_use(ring: &Ring, table: &ShardTable) -> Ring {
    ring.without(|name| !holds(table, name))
}

fn map_of(table: &ShardTable) -> ShardMap {
    let placements = table.shards.iter().map(|placed| ShardPlacement {
        shard: placed.shard,
        token: shard_token(placed.shard, count(table)),
        replicas: placed.replicas.clone(),
        skips: Vec::new(),
    });
    ShardMap { version: table.version, shards: placements.collect() }
}

fn count(table: &ShardTable) -> u16 {
    u16::try_from(table.shards.len()).unwrap_or(u16::MAX)
}
