//! A state that becomes the beginning of another cluster: after a backup was restored, or a majority was lost for ever.
//!
//! What clients hold stays: locks with their tokens, sessions, messages, values, remembered answers. The cluster's id and
//! its members are new, so no node and no link of the old one fits. Tokens are skipped, because the old cluster may have
//! given some after this state: a holder of such a token must not look newer than the next one here.

use orrery_base::ids::{ClusterId, GroupId, NodeId, NodeName};
use orrery_lock::FencingToken;

use super::shards::ShardMap;
use super::{Machine, Member};

/// Fencing tokens that nobody gets: more than any cluster gives between two backups. Log indexes, and with them the ids of
/// messages, sessions and waits and the versions of values, skip as many (see `engine::refound`).
pub const SKIPPED: u64 = 1_000_000_000;

/// The single member with which another cluster begins, and what its shards are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refounded {
    pub cluster: ClusterId,
    pub me: Member,
    /// The shards, all on that member.
    pub map: ShardMap,
}

impl Machine {
    /// Makes the control group's state the beginning of another cluster, whose only member has that name and address.
    ///
    /// # Errors
    /// A sentence, where this is not the state of a cluster.
    pub fn refound(
        &mut self,
        cluster: ClusterId,
        name: NodeName,
        address: String,
    ) -> Result<Refounded, String> {
        if self.group() != GroupId::CONTROL || self.cluster.id().is_none() {
            return Err("this is not the state of a cluster's control group".into());
        }
        self.table.skip_tokens(SKIPPED);
        let (me, map) = self.cluster.refound(cluster, name, address)?;
        Ok(Refounded { cluster, me, map })
    }

    /// Gives a shard's state its place in the cluster that begins.
    pub fn follow_refounded(&mut self, founded: &Refounded) {
        if let Some(shard) = &mut self.shard {
            shard.record.version = founded.map.version;
            shard.record.replicas = vec![founded.me.clone()];
        }
    }

    /// What the state of a group holds, in numbers.
    pub fn census(&self) -> Census {
        let queues = self.queue().map(|queues| queues.census()).unwrap_or_default();
        let (locks, waits, sessions, last_token) = self.table.census();
        Census {
            locks,
            waits,
            sessions,
            last_token,
            topics: queues.0,
            messages: queues.1,
            values: self.values().map_or(0, |values| values.len() as u64),
        }
    }
}

/// What a group's state holds, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub locks: u64,
    pub waits: u64,
    pub sessions: u64,
    /// The last fencing token given.
    pub last_token: FencingToken,
    /// Topics of the shard.
    pub topics: u64,
    /// Messages that are kept, dead letters among them.
    pub messages: u64,
    pub values: u64,
}

impl Refounded {
    /// The identity of its member.
    pub fn id(&self) -> NodeId {
        self.me.id
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Command, ControlCommand, Mutation, Placement};

    fn control(machine: &mut Machine, index: u64, command: ControlCommand) {
        machine.apply(index, &Command { key: None, mutation: Mutation::Control(command) });
    }

    #[test]
    fn a_refounded_cluster_has_one_member_and_gives_nothing_twice() {
        let member = |id: u64| Member {
            id: NodeId(id),
            name: format!("node{id}").into(),
            incarnation: 1,
            address: format!("127.0.0.1:{id}"),
        };
        let mut machine = Machine::of(GroupId::CONTROL);
        let members = vec![member(1), member(2), member(3)];
        let (cluster, shards, replicas) = (ClusterId(7), 2, 2);
        control(&mut machine, 1, ControlCommand::Form { cluster, shards, replicas, members });
        let asked = vec![NodeId(1), NodeId(2), NodeId(3)];
        control(&mut machine, 2, ControlCommand::RaiseVersion { to: 2, members: asked });
        let place = |shard, replicas: &[u64]| Placement {
            shard: GroupId(shard),
            replicas: replicas.iter().map(|id| NodeId(*id)).collect(),
        };
        let placements = vec![place(1, &[1, 2]), place(2, &[2, 3])];
        control(&mut machine, 3, ControlCommand::PlaceShards { base: 0, placements });
        control(&mut machine, 4, ControlCommand::Leave { name: "node3".into() });

        let before = machine.census();
        let founded = machine.refound(ClusterId(8), "node2".into(), "host:1".into()).unwrap();
        assert_eq!(
            founded.me,
            Member { id: NodeId(4), name: "node2".into(), incarnation: 2, address: "host:1".into() }
        );
        assert_eq!(machine.members(), std::slice::from_ref(&founded.me));
        let record = machine.cluster();
        assert_eq!((record.id(), record.shards(), record.replicas()), (Some(ClusterId(8)), 2, 2));
        assert_eq!(record.leaving().count(), 0);
        assert_eq!(**record.map(), founded.map);
        assert!(
            founded
                .map
                .shards
                .iter()
                .all(|shard| shard.version == 2 && shard.replicas == [founded.me.clone()])
        );
        assert_eq!(machine.census().last_token, before.last_token + SKIPPED);

        let mut shard = Machine::of(GroupId(2));
        assert!(shard.clone().refound(ClusterId(9), "node2".into(), String::new()).is_err());
        shard.follow_refounded(&founded);
        let record = shard.shard().unwrap();
        assert_eq!((record.version, record.replicas.len()), (2, 1));
        assert_eq!(Machine::decode(&machine.encode()).unwrap(), machine);
    }
}
