//! What must hold of a machine between two commands, checked as a whole: its tables, and the cluster's record.
//!
//! The one place that calls the checks: after every command in debug builds, and seldomer for large tables
//! ([`orrery_base::consistency`]). A panic here is right: it is a bug of ours, and not of any request.

use std::collections::BTreeSet;

use orrery_base::consistency;
use orrery_base::ids::LogIndex;

use super::cluster::{ClusterRecord, MEMBERS_MAX, NAMES_MAX};
use super::{Machine, Member};

impl Machine {
    /// After the command of that index, in debug builds.
    pub(super) fn checked(&self, index: LogIndex) {
        if cfg!(debug_assertions) {
            self.check_after(index);
        }
    }

    /// [`Machine::assert_consistent`], where it is due after the command of that index.
    pub fn check_after(&self, index: LogIndex) {
        if consistency::is_due(index, self.items()) {
            self.assert_consistent();
        }
    }

    /// What a check looks at.
    fn items(&self) -> usize {
        match &self.shard {
            Some(shard) => shard.queues.items() + shard.values.items(),
            None => self.table.items() + self.cluster.map().shards.len(),
        }
    }

    /// Panics with what is wrong, and of whom. Costs O(n log n) in what the machine has.
    pub fn assert_consistent(&self) {
        match &self.shard {
            Some(shard) => {
                shard.queues.assert_consistent();
                shard.values.assert_consistent();
                assert_eq!(self.table.items(), 0, "{} has locks", shard.record.shard);
            }
            None => {
                self.table.assert_consistent();
                self.cluster.assert_consistent();
            }
        }
    }
}

impl ClusterRecord {
    fn assert_consistent(&self) {
        let mut ids = BTreeSet::new();
        for (name, member) in self.by_name() {
            assert_eq!(*name, member.name, "the member {name} has another name");
            assert!(self.gave(member.id), "the identity of {member} was never given");
            assert!(ids.insert(member.id), "{member} has the identity of another member");
            let last = self.incarnation(name);
            assert_eq!(last, Some(member.incarnation), "{member} is not the last incarnation of its name");
        }
        let missing = self.leaving().find(|name| self.member(name).is_none());
        assert!(missing.is_none(), "{missing:?} shall go and is no member");
        let (members, names) = (ids.len(), self.names());
        assert!(members <= MEMBERS_MAX, "{members} members are above the bound");
        assert!(names <= NAMES_MAX, "{names} names are above the bound");
        self.shard_table().assert_consistent();
        for shard in &self.map().shards {
            let stranger = |member: &&Member| !self.gave(member.id);
            let stranger = shard.replicas.iter().chain(&shard.founders).find(stranger);
            assert!(
                stranger.is_none(),
                "{} is placed on {stranger:?}, whose identity was never given",
                shard.shard
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use orrery_base::ids::{ClusterId, GroupId, NodeId};

    use super::*;
    use crate::shards::{Placement, ShardMap};
    use crate::{Command, ControlCommand, Mutation};

    fn machine() -> Machine {
        let member = |id: u64| Member {
            id: NodeId(id),
            name: format!("node{id}").into(),
            incarnation: 1,
            address: format!("127.0.0.1:800{id}"),
        };
        let members: Vec<Member> = (1..=3).map(member).collect();
        let ids: Vec<NodeId> = members.iter().map(|member| member.id).collect();
        let place = |shard| Placement { shard: GroupId(shard), replicas: ids.clone() };
        let placements = vec![place(1), place(2)];
        let commands = [
            ControlCommand::Form { cluster: ClusterId(7), shards: 2, replicas: 3, members },
            ControlCommand::RaiseVersion { to: 4, members: ids.clone() },
            ControlCommand::PlaceShards { base: 0, placements },
        ];
        let mut machine = Machine::default();
        for (command, index) in commands.into_iter().zip(1..) {
            machine.apply(index, &Command { key: None, mutation: Mutation::Control(command) });
        }
        machine.assert_consistent();
        assert_eq!(machine.cluster.map().shards.len(), 2);
        machine
    }

    #[test]
    #[should_panic(expected = "Some(\"node9\") shall go and is no member")]
    fn a_stranger_that_shall_go() {
        let mut machine = machine();
        machine.cluster.restore_leaving(vec!["node9".into()]);
        machine.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "s1 is placed on Some(Member { id: NodeId(9)")]
    fn a_shard_on_a_stranger() {
        let mut machine = machine();
        let mut map = ShardMap::clone(machine.cluster.map());
        map.shards[0].replicas[0].id = NodeId(9);
        machine.cluster.restore_map(map);
        machine.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "s2 is in the place of shard 1")]
    fn a_map_in_another_order() {
        let mut machine = machine();
        let mut map = ShardMap::clone(machine.cluster.map());
        map.shards.swap(0, 1);
        machine.cluster.restore_map(map);
        machine.assert_consistent();
    }
}
