//! From a key to its nodes, step by step.

use orrery_base::ids::{GroupId, NodeName};
use serde::{Deserialize, Serialize};

use super::draft::SkipReason;
use super::hash::Token;
use super::map::ShardMap;
use super::ring::{Ring, VirtualNode};

/// What a virtual node that the walk passed meant for the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// Its node is the preferred leader.
    Leader,
    /// Its node is a further replica.
    Replica,
    /// Its node was passed over; the reasons are beside it.
    Skipped,
    /// Its node was met before on this walk.
    Duplicate,
    /// Its node came to the ring after this map was made.
    Newer,
}

/// One virtual node on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WalkStep {
    pub token: Token,
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub node: NodeName,
    /// Its number, from 0.
    pub n: u32,
    /// What became of it.
    pub outcome: StepOutcome,
    /// Why its node was passed over, at its first step. A replica that was passed over as the leader has a reason
    /// too.
    pub why: Vec<SkipReason>,
}

/// How a point on the ring comes to its shard, and the shard to its nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Walk {
    /// The point that was asked for.
    pub hash: Token,
    /// The shard that it belongs to.
    pub shard: GroupId,
    /// The shard's token: where the walk begins.
    pub token: Token,
    /// Every virtual node that the walk passed, in order, to the last replica (a whole turn at most).
    pub steps: Vec<WalkStep>,
    /// The replicas, the preferred leader first. One that is not among the steps has left the ring since.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub replicas: Vec<NodeName>,
}

impl Walk {
    /// As one line: hash, shard and token, then each step (its token, the node and the number of its virtual node, the first
    /// letter of what became of it), with blanks between them. The same text wherever this code runs.
    pub fn words(&self) -> String {
        let mut words = vec![self.hash.to_string(), self.shard.0.to_string(), self.token.to_string()];
        for step in &self.steps {
            let letter = match step.outcome {
                StepOutcome::Leader => "l",
                StepOutcome::Replica => "r",
                StepOutcome::Skipped => "s",
                StepOutcome::Duplicate => "d",
                StepOutcome::Newer => "n",
            };
            words.extend([
                step.token.to_string(),
                step.node.to_string(),
                step.n.to_string(),
                letter.to_owned(),
            ]);
        }
        words.join(" ")
    }
}

impl ShardMap {
    /// The walk of a point over the ring of this map. None without shards.
    pub fn walk(&self, ring: &Ring, hash: Token) -> Option<Walk> {
        let placement = self.locate(hash)?;
        let reasons = |name: &NodeName| -> Vec<SkipReason> {
            placement.skips.iter().filter(|skip| skip.node == *name).map(|skip| skip.why).collect()
        };
        let on_ring =
            |name: &&NodeName| ring.nodes().iter().any(|node| node.name == **name && node.weight > 0);
        // A node that left the ring is never met: waiting for it would be a whole turn.
        let mut missing = placement.replicas.iter().filter(on_ring).count();
        let mut met = vec![false; ring.nodes().len()];
        let mut steps = Vec::new();
        for point in ring.points_from(placement.token) {
            if missing == 0 {
                break;
            }
            let fresh = !std::mem::replace(&mut met[point.node], true);
            let at = ring.virtual_node(point);
            let why = if fresh { reasons(&at.node) } else { Vec::new() };
            let outcome = match placement.replicas.iter().position(|node| *node == at.node) {
                _ if !fresh => StepOutcome::Duplicate,
                Some(0) => StepOutcome::Leader,
                Some(_) => StepOutcome::Replica,
                None if why.is_empty() => StepOutcome::Newer,
                None => StepOutcome::Skipped,
            };
            missing -= usize::from(matches!(outcome, StepOutcome::Leader | StepOutcome::Replica));
            let VirtualNode { token, node, n } = at;
            steps.push(WalkStep { token, node, n, outcome, why });
        }
        let (shard, token, replicas) = (placement.shard, placement.token, placement.replicas.clone());
        Some(Walk { hash, shard, token, steps, replicas })
    }
}
