//! What a node says about itself: `GET /health`, `/status`, `/cluster`, and the snapshots of its event stream.

use std::time::Duration;

use orrery_api::node::{
    Cluster as ClusterShown, ClusterMember, Diverged, GroupStatus, Health, NotReady, Peer, Readiness,
    ShardPlace, Status,
};
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::{GroupId, LogIndex, NodeName};
use orrery_event::fact::Role;
use orrery_event::stream::{GroupQueues, GroupSnapshot};
use orrery_lock::view::{LockTable, LocksShown};
use orrery_machine::{Machine, Member, ShardMap, ShardReplicas};
use orrery_placement::ShardTable;
use orrery_queue::QueueView;

use crate::cluster::Cluster;
use crate::cluster::identity::Identity;
use crate::host::{CallError, Host, Transport};
use crate::peer::message::{PeerRequest, PeerResponse, millis};
use crate::raft::confirm::Leadership;
use crate::raft::group::Group;
use crate::sync::lock;

impl<H: Host> Cluster<H> {
    /// The lock table as this node applied it, without a read index.
    pub fn lock_table(&self) -> LockTable {
        self.group(GroupId::CONTROL).map(|group| group.state.lock_table()).unwrap_or_default()
    }

    /// The same, bounded: for streams.
    pub fn locks_shown(&self) -> LocksShown {
        self.group(GroupId::CONTROL).map(|group| group.state.locks_shown()).unwrap_or_default()
    }

    /// The shard map as this node applied it, without a read index; empty before there is one.
    pub fn shard_table(&self) -> ShardTable {
        let table = |machine: &Machine| machine.cluster().shard_table();
        let control = self.group(GroupId::CONTROL);
        let table = control.map(|group| group.state.read(table)).unwrap_or_default();
        if table.version > 0 { table } else { ShardTable::default() }
    }

    /// The shard map that the last change of it began with, where this node saw one since it started.
    pub fn shard_table_before(&self) -> Option<ShardTable> {
        let ring = self.group(GroupId::CONTROL)?.state.ring();
        ring.before.map(|before| before.table)
    }

    /// The queues of the shards that run here, bounded, as they were applied here.
    pub fn queues(&self) -> Vec<GroupQueues> {
        let groups = self.groups();
        groups
            .iter()
            .filter_map(|group| Some(GroupQueues { group: group.id, queues: queues(group)? }))
            .collect()
    }

    /// The same of one shard; none where it does not run here.
    pub fn queues_of(&self, shard: GroupId) -> Option<QueueView> {
        queues(&*self.group(shard)?)
    }

    /// A group's whole state and the index up to which it was applied here: equal on all replicas at equal indices.
    /// A cheap fork; none where the group does not run here.
    pub fn applied_state(&self, group: GroupId) -> Option<(Machine, Option<LogIndex>)> {
        self.group(group).map(|group| group.state.fork())
    }

    /// The groups as the facts emitted so far describe them, and the lock table, bounded. `at` runs while no such fact
    /// can be emitted: the head sequence that it returns fits the groups exactly. The table may be newer; the
    /// service facts that it has already are known by its applied index.
    pub fn snapshot<T>(&self, at: impl FnOnce() -> T) -> (T, Vec<GroupSnapshot>, LocksShown) {
        let (at, groups) = self.inner.publisher.snapshot(at);
        (at, groups, self.locks_shown())
    }

    /// Says in the event stream what the groups that this node leads have now, so that readers can compare.
    pub fn tell_sums(&self) {
        self.groups().iter().for_each(|group| group.state.tell_sums());
    }

    /// `GET /health`
    pub fn health(&self) -> Health {
        let shown = self.shown(GroupId::CONTROL);
        Health {
            status: match (self.ready(), self.halted().is_some()) {
                (true, _) => "ok",
                (_, true) => "halted",
                (false, false) => "starting",
            }
            .into(),
            node: self.inner.local.name.clone(),
            role: shown.role,
            term: shown.term,
            quorum: self.has_quorum(GroupId::CONTROL),
        }
    }

    /// Whether a majority confirmed the group's leader lately, as far as this node knows.
    fn has_quorum(&self, group: GroupId) -> bool {
        self.group(group).is_some_and(|group| group.leadership().confirmed)
    }

    /// `GET /readyz`
    pub fn readiness(&self) -> Readiness {
        let mut reasons: Vec<NotReady> = Vec::new();
        if !self.ready() {
            let reason =
                self.not_ready("This node is not part of a cluster yet, or still reads its log.").message;
            reasons.push(NotReady { group: None, reason });
        }
        let lacking = |leadership: Leadership| {
            let reason = leadership.lacks()?;
            Some(NotReady { group: Some(leadership.group), reason })
        };
        reasons.extend(self.leaderships().into_iter().filter_map(lacking));
        let diverged = self.diverged().into_iter();
        reasons.extend(
            diverged.map(|Diverged { group, message }| NotReady { group: Some(group), reason: message }),
        );
        Readiness { ready: reasons.is_empty(), reasons }
    }

    /// `GET /status`
    pub fn status(&self) -> Status {
        let shown = self.shown(GroupId::CONTROL);
        let group = self.group(GroupId::CONTROL);
        let log = group.as_ref().map(|group| group.log.summary()).unwrap_or_default();
        let formed = self.formed();
        let silent_us = group.as_ref().and_then(|group| group.silent_us());
        Status {
            node_id: self.inner.local.name.clone(),
            raft_id: formed.as_ref().map(|formed| formed.me.id),
            boot: self.inner.local.boot,
            cluster: formed.as_ref().map(|formed| formed.cluster),
            role: shown.role,
            term: shown.term,
            leader_id: shown.leader,
            quorum: self.has_quorum(GroupId::CONTROL),
            voted_for: shown.voted_for,
            commit_index: shown.commit,
            last_applied: shown.applied,
            last_log_index: log.last,
            log_length: log.length,
            purged: log.purged,
            peers: self.peers(),
            groups: self.groups().iter().map(|group| self.group_status(group)).collect(),
            uptime_seconds: self.uptime_us() as f64 / 1e6,
            time_since_last_contact: silent_us.map(|us| us as f64 / 1e6),
            profile: self.inner.config.profile.name().into(),
            diverged: self.diverged(),
            halted: self.halted(),
        }
    }

    /// What was published of a group. Who halted leads nothing and follows nobody.
    fn shown(&self, group: GroupId) -> GroupSnapshot {
        let shown = self.inner.publisher.group(group);
        if self.halted().is_none() {
            return shown;
        }
        GroupSnapshot { role: Role::default(), leader: None, ..shown }
    }

    fn group_status(&self, group: &Group<H>) -> GroupStatus {
        let shown = self.shown(group.id);
        GroupStatus {
            group: group.id,
            role: shown.role,
            term: shown.term,
            leader: shown.leader,
            quorum: group.leadership().confirmed,
            voters: shown.voters,
            commit: shown.commit,
            applied: shown.applied,
            log_length: group.log.summary().length,
            compared: self.compared(group.id),
        }
    }

    /// Where the shards are, by the map that this node applied, and who leads them, as far as it knows.
    fn shard_places(&self, map: &ShardMap) -> Vec<ShardPlace> {
        let leader = |shard: GroupId| match self.group(shard) {
            Some(_) => self.confirmed_leader(shard),
            None => lock(&self.inner.leaders).get(&shard).map(|leader| leader.name.clone()),
        };
        let place = |shard: &ShardReplicas| ShardPlace {
            shard: shard.shard,
            replicas: shard.replicas.iter().map(|replica| replica.name.clone()).collect(),
            leader: leader(shard.shard),
        };
        map.shards.iter().map(place).collect()
    }

    /// Whom this node takes for the leader of a group that runs here, where a majority confirmed it.
    fn confirmed_leader(&self, group: GroupId) -> Option<NodeName> {
        self.group(group)?.leadership().confirmed_leader()
    }

    fn peers(&self) -> Vec<Peer> {
        let group = self.group(GroupId::CONTROL);
        let matching = group.as_ref().map(|group| group.matching()).unwrap_or_default();
        let membership = group.as_ref().map(|group| group.membership());
        let votes = |id| {
            membership.as_ref().is_some_and(|membership| membership.voter_ids().any(|voter| voter == id))
        };
        self.members()
            .into_iter()
            .filter(|member| member.name != self.inner.local.name)
            .map(|member| Peer {
                connected: self.inner.host.transport().connected(&member),
                voter: votes(member.id),
                matching: matching.get(&member.id).copied(),
                node_id: member.name,
                address: member.address,
            })
            .collect()
    }

    /// The members of the committed record, as far as this node applied it.
    pub fn recorded_members(&self) -> Vec<Member> {
        self.group(GroupId::CONTROL).map(|group| group.state.read(Machine::members)).unwrap_or_default()
    }

    /// `GET /cluster`
    pub fn cluster(&self) -> ClusterShown {
        let group = self.group(GroupId::CONTROL);
        let record = group.as_ref().map(|group| group.state.read(|machine| machine.cluster().clone()));
        let record = record.unwrap_or_default();
        let mut members: Vec<_> = record.members().cloned().collect();
        let mut cluster = record.id();
        let (mut shards, mut replicas) = (record.shards(), record.replicas());
        if cluster.is_none() {
            // Formed, and the record not applied here yet: what the disk says.
            let found = self.identity();
            members = self.members();
            (shards, replicas) = (self.inner.config.shards, self.inner.config.replicas);
            if let Some(Identity::Formed { foundation, .. }) = found {
                cluster = Some(foundation.cluster);
                (shards, replicas) = (foundation.shards, foundation.replicas);
            }
        }
        let membership = group.as_ref().map(|group| group.membership());
        let votes = |id| {
            membership.as_ref().is_some_and(|membership| membership.voter_ids().any(|voter| voter == id))
        };
        ClusterShown {
            cluster,
            shards,
            replicas,
            version: record.version(),
            leader: self.confirmed_leader(GroupId::CONTROL),
            map_version: record.map().version,
            map: self.shard_places(record.map()),
            members: members
                .into_iter()
                .map(|member| ClusterMember {
                    voter: votes(member.id),
                    leaving: record.is_leaving(&member.name),
                    node: member.name,
                    raft_id: member.id,
                    incarnation: member.incarnation,
                    address: member.address,
                })
                .collect(),
        }
    }

    /// Hands the control group's leadership to another voter and waits for it. Any node may be asked.
    pub async fn transfer_leader(&self, to: &NodeName, within: Duration) -> Result<(), ApiError> {
        let not_ready = || self.not_ready("This node is not part of a cluster yet.");
        let unavailable = |why: String| ApiError::new(ErrorCode::Unavailable, why);
        let group = self.group(GroupId::CONTROL).ok_or_else(not_ready)?;
        let Some(target) = self.members().into_iter().find(|member| member.name == *to) else {
            return Err(ApiError::new(ErrorCode::NotFound, format!("There is no node {to}.")));
        };
        if !group.membership().voter_ids().any(|voter| voter == target.id) {
            return Err(ApiError::new(ErrorCode::Conflict, format!("{to} does not vote and cannot lead.")));
        }
        let leader = group.leader().ok_or_else(|| unavailable("There is no leader now.".into()))?;
        let done = if leader.id == group.me {
            group.hand_over(target.id, within).await
        } else {
            let request = || PeerRequest::HandOver { to: target.id, within_ms: millis(within) };
            match self.call_leader(group.id, &leader, request, within).await {
                Ok(PeerResponse::HandedOver) => Ok(()),
                Ok(PeerResponse::Refused { why }) => Err(why),
                Ok(_) | Err(CallError::NoAnswer) => Err(format!(
                    "{} leads and was asked to hand over, and did not say what became of it",
                    leader.name
                )),
                Err(CallError::NotSent(_)) => {
                    Err(format!("{} leads and cannot be reached from here", leader.name))
                }
            }
        };
        done.map_err(|why| unavailable(format!("Leadership did not go to {to}: {why}.")))
    }
}

/// A fork, so that showing many queues holds nobody up.
fn queues<H: Host>(group: &Group<H>) -> Option<QueueView> {
    let (machine, applied) = group.state.fork();
    machine.queue().map(|queues| queues.view(applied))
}
