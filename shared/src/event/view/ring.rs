//! The ring, the shard map, and what the last change of it moved.

use super::{Leadership, Process, View};
use crate::event::fact::{PlacedShard, ShardTable};
use crate::ids::{GroupId, NodeName, Term};
use crate::placement::{
    Change, Ring, ShardMap, ShardPlacement, Token, VirtualNode, partition_hash, shard_of, shard_token,
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
    /// The one that the present change began with: shards move one by one, each with a map of its own.
    pub before: Option<Box<PastRing>>,
}

/// A map that was replaced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PastRing {
    /// It.
    pub table: ShardTable,
    /// The ring of its members.
    pub ring: Ring,
}

/// One shard as it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardView {
    /// Which.
    pub shard: GroupId,
    /// Where its arc ends and the search for its replicas begins.
    pub token: Token,
    /// Who holds it, the preferred leader first.
    pub replicas: Vec<NodeName>,
    /// Who leads it, where somebody does whose process is there.
    pub leader: Option<NodeName>,
    /// The newest term that anybody reported.
    pub term: Term,
    /// Replicas whose process is neither down nor stopped, as far as anybody said.
    pub up: usize,
    /// How many have to be up, so that it can commit.
    pub quorum: usize,
}

impl ShardView {
    /// Whether enough replicas are up.
    pub fn has_majority(&self) -> bool {
        self.up >= self.quorum
    }
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

    /// What a new map is to be compared with: where it has the same nodes, the map with which that change began.
    pub(in crate::event) fn base_of(&self, next: &ShardTable) -> PastRing {
        match &self.before {
            Some(before) if next.nodes == self.table.nodes => (**before).clone(),
            _ => PastRing { table: self.table.clone(), ring: self.ring.clone() },
        }
    }

    /// What moved since the nodes of the ring changed last; none where this reader saw no change.
    pub fn change(&self) -> Option<Change> {
        self.before.as_ref().map(|before| change((&before.ring, &before.table), (&self.ring, &self.table)))
    }
}

impl View {
    /// The shards in their order, with who leads them and whether they can commit.
    pub fn shards(&self) -> impl Iterator<Item = ShardView> + '_ {
        self.ring.table.shards.iter().map(|placed| {
            let Leadership { term, leader, .. } = self.leadership_of(placed.shard);
            let is_up = |name: &&NodeName| {
                let process = self.node(name).map_or(Process::Unknown, |node| node.process);
                !matches!(process, Process::Down | Process::Paused)
            };
            ShardView {
                shard: placed.shard,
                token: self.ring.token(placed.shard),
                replicas: placed.replicas.clone(),
                leader,
                term,
                up: placed.replicas.iter().filter(is_up).count(),
                quorum: placed.replicas.len() / 2 + 1,
            }
        })
    }
}

/// The ring of a map's members; an empty one where they make none.
pub(in crate::event) fn ring_of(table: &ShardTable) -> Ring {
    Ring::new(table.nodes.iter().cloned()).unwrap_or_default()
}

/// What differs between two maps. On the ring, members that hold no shard count as gone: they are down or leaving.
pub(in crate::event) fn change(from: (&Ring, &ShardTable), to: (&Ring, &ShardTable)) -> Change {
    let (from_ring, to_ring) = (in_use(from.0, from.1), in_use(to.0, to.1));
    Change::between((&from_ring, &map_of(from.1)), (&to_ring, &map_of(to.1)))
}

fn in_use(ring: &Ring, table: &ShardTable) -> Ring {
    let holds = |name: &NodeName| table.shards.iter().any(|placed| placed.replicas.contains(name));
    ring.without(|name| !holds(name))
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
