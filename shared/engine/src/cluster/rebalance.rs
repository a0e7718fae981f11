//! Where every shard belongs: decided by the control group's leader, one shard after the other, whenever members come,
//! go, or are away for long. Each shard's own leader then brings the shard there (`reconfigure`). What was begun under one
//! leader the next one finds in the map, and finishes it or decides otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use orrery_base::ids::{GroupId, NodeId, NodeName};
use orrery_machine::{
    ClusterRecord, Command, ControlCommand, Member, Mutation, Placement, SHARDS_SINCE, ShardReplicas,
};

use crate::cluster::Cluster;
use crate::cluster::shards::placements;
use crate::host::{Host, Urgency};
use crate::peer::message::{PeerRequest, PeerResponse, Standing};
use crate::raft::group::Group;

/// How long a leader waits for its own command.
const PROPOSE_WITHIN: Duration = Duration::from_secs(2);

/// How long one question waits for its answer.
const ASK_WITHIN: Duration = Duration::from_secs(2);

/// A shard that is on its way and whose leader says nothing for so many seconds does not hold the others up.
const PATIENCE_S: u32 = 10;

/// What the control group's leader remembers from second to second. A new leader begins with nothing.
#[derive(Debug, Default)]
pub struct Planner {
    /// For how many seconds nothing was heard of a member.
    silent_s: BTreeMap<NodeId, u32>,
    /// Versions of the map by which shards are known to be where they belong.
    settled: BTreeMap<GroupId, u64>,
    /// For how many seconds shards that are on their way have said nothing.
    waited_s: u32,
    /// The last answer of the ring, and to what: walking it every second would be an idle leader's main work.
    placed: Option<(Vec<Member>, BTreeSet<NodeName>, Vec<Placement>)>,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Rest,
    /// A shard is on its way.
    Wait,
    /// This one is to be placed anew.
    Place(GroupId),
}

impl Planner {
    /// Called once a second at the leader: who is away for so long that it has to be replaced?
    pub fn absent<H: Host>(&mut self, group: &Group<H>) -> BTreeSet<NodeId> {
        let heard = group.heard_of(group.config().heartbeat * 5);
        let members: Vec<NodeId> =
            group.membership().nodes().map(|(id, _)| *id).filter(|id| *id != group.me).collect();
        let before = std::mem::take(&mut self.silent_s);
        for id in members.into_iter().filter(|id| !heard.contains(id)) {
            self.silent_s.insert(id, before.get(&id).map_or(1, |seconds| seconds.saturating_add(1)));
        }
        let Some(patience) = group.config().down_after else { return BTreeSet::new() };
        let patience_s = u32::try_from(patience.as_secs()).unwrap_or(u32::MAX).max(1);
        self.silent_s.iter().filter(|(_, seconds)| **seconds > patience_s).map(|(id, _)| *id).collect()
    }

    /// For how many seconds nothing was heard of whom.
    pub fn silent_s(&self) -> &BTreeMap<NodeId, u32> {
        &self.silent_s
    }

    /// One step, once a second at the leader: at most one shard is placed anew; or, when all are where they belong, a
    /// member that shall go and holds nothing any more is dismissed.
    pub async fn step<H: Host>(&mut self, cluster: &Cluster<H>, group: &Group<H>, absent: &BTreeSet<NodeId>) {
        let record = group.state.read(|machine| machine.cluster().clone());
        if record.version() < SHARDS_SINCE || record.map().version == 0 {
            return;
        }
        let Some(wanted) = self.wanted(&record, absent) else { return };
        let shards = &record.map().shards;
        let open = |planner: &Planner| -> BTreeSet<GroupId> {
            let unsettled = shards.iter().filter(|it| planner.settled.get(&it.shard) != Some(&it.version));
            unsettled.map(|it| it.shard).collect()
        };
        let differing: BTreeSet<GroupId> = shards
            .iter()
            .zip(&wanted)
            .filter(|(shard, wanted)| ids(shard) != wanted.replicas)
            .map(|(shard, _)| shard.shard)
            .collect();
        let in_question: BTreeSet<GroupId> = open(self).union(&differing).copied().collect();
        if in_question.is_empty() && record.leaving().next().is_none() {
            return;
        }
        let asked = shards.iter().filter(|shard| in_question.contains(&shard.shard));
        let standings = join_all(asked.map(|shard| standing(cluster, &record, shard))).await;
        let led: BTreeMap<GroupId, Standing> = standings.into_iter().flatten().collect();
        for shard in shards {
            if led.get(&shard.shard).is_some_and(|it| it.settled && it.version == shard.version) {
                self.settled.insert(shard.shard, shard.version);
            }
        }
        let open = open(self);
        match self.next(&open, &differing, &led.keys().copied().collect()) {
            Next::Wait => {}
            Next::Place(shard) => {
                let placements = wanted.into_iter().filter(|placement| placement.shard == shard).collect();
                let command = ControlCommand::PlaceShards { base: record.map().version, placements };
                propose(group, command).await;
            }
            Next::Rest if open.is_empty() => {
                let leaves = |name: &&NodeName| !shards.iter().any(|shard| holds(shard, name));
                if let Some(name) = record.leaving().find(leaves) {
                    propose(group, ControlCommand::Dismiss { name: name.clone() }).await;
                }
            }
            Next::Rest => {}
        }
    }

    /// Where the ring of those who stay puts every shard now; none where there is no such ring.
    fn wanted(&mut self, record: &ClusterRecord, absent: &BTreeSet<NodeId>) -> Option<Vec<Placement>> {
        let stay: Vec<Member> =
            record.members().filter(|member| !record.is_leaving(&member.name)).cloned().collect();
        let down = stay.iter().filter(|member| absent.contains(&member.id)).map(|member| member.name.clone());
        let down: BTreeSet<NodeName> = down.collect();
        if let Some((of, without, placements)) = &self.placed
            && (of, without) == (&stay, &down)
        {
            return Some(placements.clone());
        }
        match placements(&stay, record.shards(), record.replicas(), &down) {
            Ok(placements) => {
                self.placed = Some((stay, down, placements.clone()));
                Some(placements)
            }
            Err(error) => {
                tracing::warn!(%error, "the shards cannot be placed");
                None
            }
        }
    }

    /// `open` are on their way, `differing` are not placed where they belong, `led` have a leader that says so. A shard
    /// without one is not touched.
    fn next(
        &mut self,
        open: &BTreeSet<GroupId>,
        differing: &BTreeSet<GroupId>,
        led: &BTreeSet<GroupId>,
    ) -> Next {
        // On its way to where it does not belong any more: it turns round.
        if let Some(shard) = open.iter().find(|shard| differing.contains(shard) && led.contains(shard)) {
            return Next::Place(*shard);
        }
        if open.iter().any(|shard| led.contains(shard)) {
            self.waited_s = 0;
            return Next::Wait;
        }
        if !open.is_empty() && self.waited_s < PATIENCE_S {
            self.waited_s += 1;
            return Next::Wait;
        }
        match differing.iter().find(|shard| led.contains(shard)) {
            Some(shard) => Next::Place(*shard),
            None => Next::Rest,
        }
    }
}

fn ids(shard: &ShardReplicas) -> Vec<NodeId> {
    shard.replicas.iter().map(|member| member.id).collect()
}

fn holds(shard: &ShardReplicas, name: &NodeName) -> bool {
    shard.replicas.iter().any(|member| member.name == *name)
}

async fn propose<H: Host>(group: &Group<H>, command: ControlCommand) {
    tracing::info!(?command, "moving shards");
    let mutation = Mutation::Control(command);
    let outcome = group.propose(Command { key: None, mutation }, PROPOSE_WITHIN).await;
    tracing::debug!(?outcome, "moving shards");
}

/// What the shard's leader says, whoever that is: old and new replicas, and whoever is a member, may lead it.
async fn standing<H: Host>(
    cluster: &Cluster<H>,
    record: &ClusterRecord,
    shard: &ShardReplicas,
) -> Option<(GroupId, Standing)> {
    let asked = record.members().map(|member| cluster.ask_standing(shard.shard, member));
    join_all(asked).await.into_iter().flatten().next().map(|standing| (shard.shard, standing))
}

impl<H: Host> Cluster<H> {
    /// Where a shard stands by that member, if it leads the shard.
    pub(crate) async fn ask_standing(&self, shard: GroupId, member: &Member) -> Option<Standing> {
        if member.name == self.inner.local.name {
            return crate::cluster::reconfigure::standing(&*self.group(shard)?).await;
        }
        let call = self.inner.peers.call(shard, member, Urgency::Normal, PeerRequest::Standing, ASK_WITHIN);
        match call.await {
            Ok(PeerResponse::Standing(standing)) => Some(standing),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[u16]) -> BTreeSet<GroupId> {
        ids.iter().map(|id| GroupId(*id)).collect()
    }

    fn next(planner: &mut Planner, open: &[u16], differing: &[u16], led: &[u16]) -> Next {
        planner.next(&set(open), &set(differing), &set(led))
    }

    #[test]
    fn one_at_a_time_and_only_where_there_is_a_leader() {
        let planner = &mut Planner::default();
        for (open, differing, led, expected) in [
            (&[][..], &[][..], &[][..], Next::Rest),
            (&[], &[2, 3], &[2, 3], Next::Place(GroupId(2))),
            (&[2], &[3], &[2, 3], Next::Wait),
            (&[2], &[2, 3], &[2, 3], Next::Place(GroupId(2))),
            (&[], &[2, 3], &[3], Next::Place(GroupId(3))),
            (&[], &[2], &[], Next::Rest),
        ] {
            assert_eq!(next(planner, open, differing, led), expected, "{open:?} {differing:?} {led:?}");
        }
    }

    #[test]
    fn a_shard_that_says_nothing_holds_the_others_up_for_a_while_only() {
        let planner = &mut Planner::default();
        for _ in 0..PATIENCE_S {
            assert_eq!(next(planner, &[2], &[3], &[3]), Next::Wait);
        }
        assert_eq!(next(planner, &[2], &[3], &[3]), Next::Place(GroupId(3)));
        assert_eq!(next(planner, &[2, 3], &[], &[2, 3]), Next::Wait);
    }
}
