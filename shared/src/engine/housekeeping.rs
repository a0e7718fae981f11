//! What a node does once a second: it reports counts of heartbeats, writes the committed hint in quiet moments, and,
//! where it leads, brings the membership in line with the control record, raises the version of the commands and places the
//! shards for the first time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::{AsyncRuntime, ChangeMembers};

use super::group::Group;
use super::host::{Host, Transport};
use super::node::Engine;
use crate::ids::{GroupId, NodeId};
use crate::machine::Member;

/// A learner is promoted when it is at most this many entries behind.
const CAUGHT_UP_ENTRIES: u64 = 256;
/// Longest wait for one change of the membership; it goes on by itself afterwards.
const CHANGE_WITHIN: Duration = Duration::from_secs(10);

/// Runs until the engine stops.
pub async fn run<H: Host>(engine: Engine<H>) {
    let mut linked = Vec::new();
    while !engine.stopping() {
        H::Runtime::sleep(Duration::from_secs(1)).await;
        engine.inner.peers.report_heartbeats();
        for group in engine.groups() {
            group.log.flush_committed();
        }
        if engine.group(GroupId::CONTROL).is_none() {
            continue;
        }
        let members = engine.members();
        if members != linked {
            engine.inner.host.transport().members(&members);
            linked = members;
        }
    }
}

/// What a leader does when it begins to lead, and once a second: the cluster's first command, the membership.
pub async fn lead<H: Host>(engine: Engine<H>) {
    let Some(group) = engine.group(GroupId::CONTROL) else { return };
    while !engine.stopping() && !group.stopped() {
        let pause = H::Runtime::sleep(Duration::from_secs(1));
        H::Runtime::select2(group.begun_to_lead.wait(), pause).await;
        if group.leads() {
            engine.record_foundation(&group).await;
            reconcile(&group).await;
            engine.raise_version(&group).await;
            engine.place_shards(&group).await;
        }
    }
}

/// Serves requests once everything that was committed before this boot is applied again.
pub async fn watch_readiness<H: Host>(engine: Engine<H>) {
    let Some(group) = engine.group(GroupId::CONTROL) else { return };
    // It ends early only when the group does.
    let recovered = group.raft.wait_for_recovery(None).await.is_ok();
    if recovered && !engine.stopping() && engine.knows_its_commands(&group) {
        engine.set_ready();
        // What the map says counts from now on.
        group.state.map_changed().notify();
    }
}

/// One step towards the members of the control record: who was dismissed goes, who was admitted learns, who caught
/// up votes while there is room.
async fn reconcile<H: Host>(group: &Group<H>) {
    let recorded: BTreeMap<NodeId, Member> =
        group.state.read(|machine| machine.members()).into_iter().map(|member| (member.id, member)).collect();
    if recorded.is_empty() {
        return;
    }
    let membership = group.membership();
    if membership.get_joint_config().len() > 1 {
        // A change is under way, perhaps of a leader that is gone: bring it to its end.
        let voters: BTreeSet<NodeId> = membership.get_joint_config().last().cloned().unwrap_or_default();
        change(group, ChangeMembers::ReplaceAllVoters(voters)).await;
        return;
    }
    let nodes: BTreeMap<NodeId, Member> = membership.nodes().map(|(id, node)| (*id, node.clone())).collect();
    let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
    let gone: BTreeSet<NodeId> = nodes.keys().filter(|id| !recorded.contains_key(id)).copied().collect();
    let gone_voters: BTreeSet<NodeId> = gone.intersection(&voters).copied().collect();
    let new: BTreeMap<NodeId, Member> = recorded
        .iter()
        .filter(|(id, _)| !nodes.contains_key(id))
        .map(|(id, node)| (*id, node.clone()))
        .collect();
    if !gone_voters.is_empty() {
        change(group, ChangeMembers::RemoveVoters(gone_voters)).await;
    } else if !gone.is_empty() {
        change(group, ChangeMembers::RemoveNodes(gone)).await;
    } else if !new.is_empty() {
        change(group, ChangeMembers::AddNodes(new)).await;
    } else if voters.len() < group.config().voters_max
        && let Some(learner) = caught_up(group, &nodes, &voters)
    {
        change(group, ChangeMembers::AddVoterIds(BTreeSet::from([learner]))).await;
    }
}

/// A learner that has nearly everything.
fn caught_up<H: Host>(
    group: &Group<H>,
    nodes: &BTreeMap<NodeId, Member>,
    voters: &BTreeSet<NodeId>,
) -> Option<NodeId> {
    let last = group.log.summary().last?;
    let matching = group.matching();
    nodes
        .keys()
        .filter(|id| !voters.contains(id))
        .find(|id| matching.get(id).is_some_and(|index| index + CAUGHT_UP_ENTRIES >= last))
        .copied()
}

async fn change<H: Host>(group: &Group<H>, change: ChangeMembers<NodeId, Member>) {
    let what = change.to_string();
    let result = H::Runtime::timeout(CHANGE_WITHIN, group.raft.change_membership(change, false)).await;
    match result {
        Ok(Ok(_)) => tracing::info!(group = %group.id, what, "membership changed"),
        Ok(Err(error)) => tracing::info!(group = %group.id, what, %error, "membership not changed yet"),
        Err(_) => tracing::info!(group = %group.id, what, "membership change takes long"),
    }
}
