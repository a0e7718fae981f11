//! The hash ring as it is drawn: who leads which shard, who has its replicas, where virtual nodes lie.

use orrery_base::ids::{GroupId, NodeName};
use orrery_placement::{RingView, ShardMap, SkipReason, Token};
use orrery_projection::view::{ShardView, View};

/// How a shard fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fare {
    Led,
    /// Nobody leads it yet.
    Leaderless,
    /// Too few of its replicas are there: it cannot be used.
    NoMajority,
}

impl Fare {
    /// Value of `data-state`.
    pub fn name(self) -> &'static str {
        match self {
            Fare::Led => "led",
            Fare::Leaderless => "leaderless",
            Fare::NoMajority => "no-majority",
        }
    }
}

/// One shard. Nodes are places on the circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardLook {
    pub shard: GroupId,
    /// Where its arc ends.
    pub token: Token,
    pub leader: Option<usize>,
    /// Who has a replica: the preferred leader, then the others clockwise.
    pub replicas: Vec<usize>,
    /// Who is to lead it when everybody is there.
    pub preferred: Option<usize>,
    /// Whom the walk passed over, and why.
    pub skips: Vec<(usize, SkipReason)>,
    pub fare: Fare,
}

/// The ring. Without shards there is none to draw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RingLook {
    /// Shards 1 to S.
    pub shards: Vec<ShardLook>,
}

/// A point as a part of a turn, clockwise from 0.
pub fn turn(token: Token) -> f64 {
    token.0 as f64 / 2f64.powi(64)
}

/// Where each node's virtual nodes lie, as parts of a turn; by place on the circle.
pub fn virtual_nodes(ring: &RingView, order: &[NodeName]) -> Vec<Vec<f64>> {
    let mut turns = vec![Vec::new(); order.len()];
    for point in ring.virtual_nodes() {
        if let Some(place) = order.iter().position(|name| *name == point.node) {
            turns[place].push(turn(point.token));
        }
    }
    turns
}

/// What placement makes of the ring's members: it knows whom its walk passed over, which the map of the cluster does
/// not say.
pub fn placement(ring: &RingView) -> ShardMap {
    let replicas = ring.table.shards.iter().map(|placed| placed.replicas.len()).max().unwrap_or_default();
    ShardMap::place_without(ring.table.version, &ring.ring, ring.shards(), replicas as u16, &|_| false)
}

impl RingLook {
    /// Of the view; `map` is the [`placement`] of its ring.
    pub fn of(view: &View, map: &ShardMap) -> RingLook {
        let place = |name: &NodeName| view.order.iter().position(|other| other == name);
        let shard = |shard: ShardView| {
            // Another map was made from other members, or with nodes that are down: its skips are others.
            let placed = map.get(shard.shard).filter(|placed| placed.replicas == shard.replicas);
            let skips = placed.map(|placed| placed.skips.as_slice()).unwrap_or_default();
            let leader = shard.leader.as_ref().filter(|_| shard.has_majority()).and_then(place);
            ShardLook {
                shard: shard.shard,
                token: shard.token,
                leader,
                replicas: shard.replicas.iter().filter_map(place).collect(),
                preferred: shard.replicas.first().and_then(place),
                skips: skips.iter().filter_map(|skip| Some((place(&skip.node)?, skip.why))).collect(),
                fare: match leader {
                    _ if !shard.has_majority() => Fare::NoMajority,
                    Some(_) => Fare::Led,
                    None => Fare::Leaderless,
                },
            }
        };
        RingLook { shards: view.shards().map(shard).collect() }
    }

    /// Where the arc of the shard at this place of the list begins and ends, as parts of a turn.
    pub fn arc(&self, place: usize) -> (f64, f64) {
        let shards = self.shards.len().max(1) as f64;
        (place as f64 / shards, (place as f64 + 1.0) / shards)
    }

    /// A shard by its number, with its place in the list.
    pub fn get(&self, shard: GroupId) -> Option<(usize, &ShardLook)> {
        self.shards.iter().enumerate().find(|(_, look)| look.shard == shard)
    }
}
