//! The shards as they are drawn.

use orrery_base::ids::{GroupId, NodeName, Term};
use orrery_placement::Token;

use super::{Leadership, Presence, View};

/// One shard as it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardView {
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

impl View {
    /// The shards in their order, with who leads them and whether they can commit.
    pub fn shards(&self) -> impl Iterator<Item = ShardView> + '_ {
        self.ring.table.shards.iter().map(|placed| {
            let Leadership { term, leader, .. } = self.leadership_of(placed.shard);
            let is_up =
                |name: &&NodeName| self.node(name).is_none_or(|node| self.presence(node) != Presence::Gone);
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
