//! A node's part in a group: role, term, votes, log.

use std::sync::Arc;

use orrery_base::ids::{GroupId, LogIndex, NodeName};
use orrery_event::fact::{EntrySummary, Fact, Message, Role};
use orrery_event::stream::GroupSnapshot;

use super::view::{Election, GroupView, TAIL_MAX, Timer, View};

/// Takes over what the node says of its part.
pub(super) fn install(part: &mut GroupView, snapshot: &GroupSnapshot, now_us: u64) {
    if part.role != snapshot.role || part.term != snapshot.term {
        part.role_since_us = now_us;
        part.timer = None;
        part.election = None;
    }
    part.group = snapshot.group;
    part.role = snapshot.role;
    part.term = snapshot.term;
    part.voted_for = snapshot.voted_for.clone();
    part.leader = snapshot.leader.clone();
    part.voters = snapshot.voters.clone();
    part.learners = snapshot.learners.clone();
    part.last_log = snapshot.last_log;
    part.synced = snapshot.synced;
    part.commit = snapshot.commit;
    part.applied = snapshot.applied;
    part.purged = snapshot.purged;
    part.tail = Arc::new(snapshot.tail.clone());
    bound_tail(part);
}

/// A new process begins as a follower; what it had on its disk, it reports itself.
pub(super) fn reboot(part: &mut GroupView, now_us: u64) {
    exit(part);
    part.role_since_us = now_us;
    part.leader = None;
    part.last_contact_us = None;
}

/// The process is gone: what it had in memory is, too. The log stays drawn as it was last seen.
pub(super) fn exit(part: &mut GroupView) {
    if part.role != Role::Learner {
        part.role = Role::Follower;
    }
    part.timer = None;
    part.election = None;
}

/// Facts about the node's own part.
pub(super) fn fact(view: &mut View, node: &NodeName, group: GroupId, fact: &Fact, now_us: u64) {
    let part = part_mut(view, node, group);
    match fact {
        Fact::RoleChanged { role, term, voted_for, leader, silent_us, .. } => {
            if part.role != *role {
                part.role_since_us = now_us;
            }
            change_role(part, node, *role, *term, *silent_us, now_us);
            part.role = *role;
            part.term = *term;
            part.voted_for = voted_for.clone();
            part.leader = leader.clone();
        }
        Fact::MembershipChanged { voters, learners, .. } => {
            part.voters = voters.clone();
            part.learners = learners.clone();
        }
        Fact::TimerStarted { due_us, .. } => {
            part.timer = Some(Timer { started_us: now_us, due_us: *due_us });
        }
        Fact::Appended { entries, first, last, .. } => append(part, entries, *first, *last),
        Fact::Synced { last, .. } => part.synced = part.synced.max(Some(*last)),
        Fact::Truncated { after, .. } => truncate(part, *after),
        Fact::Purged { through, .. } => part.purged = part.purged.max(Some(*through)),
        Fact::Committed { index, .. } => part.commit = part.commit.max(Some(*index)),
        Fact::Applied { index, .. } => {
            part.applied = part.applied.max(Some(*index));
            part.commit = part.commit.max(Some(*index));
        }
        Fact::Snapshotted { last, installed: true, .. } => {
            if part.last_log < *last {
                part.tail = Arc::default();
            }
            part.last_log = part.last_log.max(*last);
            part.synced = part.synced.max(*last);
            part.commit = part.commit.max(*last);
            part.applied = part.applied.max(*last);
        }
        _ => {}
    }
}

/// Keeps the votes of the election in step with the role.
fn change_role(
    part: &mut GroupView,
    node: &NodeName,
    role: Role,
    term: u64,
    silent_us: Option<u64>,
    now_us: u64,
) {
    match role {
        Role::Candidate => {
            let running = part.election.as_ref().is_some_and(|e| !e.pre && e.term == term);
            if !running {
                let silent_us =
                    silent_us.or_else(|| part.last_contact_us.map(|heard| now_us.saturating_sub(heard)));
                part.election = Some(stands(node, term, false, silent_us, now_us));
            }
            part.timer = None;
        }
        Role::Leader => {
            if let Some(election) = part.election.as_mut().filter(|e| e.term == term) {
                election.won = true;
            }
            part.timer = None;
        }
        Role::Follower | Role::Learner => {
            if part.term < term || !follows(part.role) {
                part.election = None;
            }
        }
    }
}

fn stands(node: &NodeName, term: u64, pre: bool, silent_us: Option<u64>, now_us: u64) -> Election {
    Election {
        term,
        pre,
        since_us: now_us,
        silent_us,
        granted: vec![node.clone()],
        refused: Vec::new(),
        won: false,
    }
}

/// A request for votes leaves: an election (or the question before it) runs, even before the role says so.
pub(super) fn sent(view: &mut View, node: &NodeName, group: GroupId, body: &Message, now_us: u64) {
    let Message::Vote { pre, term, .. } = body else { return };
    let part = part_mut(view, node, group);
    let running = part.election.as_ref().is_some_and(|e| e.term == *term && e.pre == *pre && !e.won);
    let leads = part.role == Role::Leader && part.term >= *term;
    if !running && !leads {
        let silent_us = part.last_contact_us.map(|heard| now_us.saturating_sub(heard));
        part.election = Some(stands(node, *term, *pre, silent_us, now_us));
    }
}

/// A message arrived: votes are counted, contact with the leader is noted.
pub(super) fn received(
    view: &mut View,
    node: &NodeName,
    from: &NodeName,
    group: GroupId,
    body: &Message,
    now_us: u64,
) {
    match body {
        Message::VoteReply { pre, granted, .. } => {
            let part = part_mut(view, node, group);
            let Some(election) = part.election.as_mut().filter(|e| e.pre == *pre) else { return };
            let votes = if *granted { &mut election.granted } else { &mut election.refused };
            if !votes.contains(from) {
                votes.push(from.clone());
            }
        }
        Message::Append { .. } | Message::Snapshot { .. } => {
            part_mut(view, node, group).last_contact_us = Some(now_us);
        }
        _ => {}
    }
}

fn append(part: &mut GroupView, entries: &[EntrySummary], first: LogIndex, last: LogIndex) {
    // A follower that overwrites a conflicting suffix reports the truncation by itself; a repeated append
    // of what it has must not shorten the log.
    let overlaps = part.last_log.is_some_and(|end| first <= end);
    if overlaps {
        let same = entries.iter().all(|entry| part.entry(entry.index).is_none_or(|e| e.term == entry.term));
        if same && part.last_log >= Some(last) {
            return;
        }
        keep_before(part, first);
    } else if part.last_log.is_some_and(|end| first > end + 1) {
        part.tail = Arc::default();
    }
    let listed_from = entries.first().map_or(last + 1, |entry| entry.index);
    if listed_from > first {
        part.tail = Arc::default();
    }
    Arc::make_mut(&mut part.tail).extend(entries.iter().cloned());
    part.last_log = Some(last);
    bound_tail(part);
}

fn truncate(part: &mut GroupView, after: Option<LogIndex>) {
    keep_before(part, after.map_or(0, |index| index + 1));
    part.last_log = part.last_log.min(after);
    part.synced = part.synced.min(after);
}

fn keep_before(part: &mut GroupView, end: LogIndex) {
    Arc::make_mut(&mut part.tail).retain(|entry| entry.index < end);
}

fn part_mut<'a>(view: &'a mut View, node: &NodeName, group: GroupId) -> &'a mut GroupView {
    let part = view.node_mut(node).groups.get_or_default(&group);
    let part = Arc::make_mut(part);
    part.group = group;
    part
}

/// Bounds the entries that are kept for drawing.
fn bound_tail(part: &mut GroupView) {
    let over = part.tail.len().saturating_sub(TAIL_MAX);
    if over > 0 {
        Arc::make_mut(&mut part.tail).drain(..over);
    }
}

/// Whether a role answers to a leader.
fn follows(role: Role) -> bool {
    matches!(role, Role::Follower | Role::Learner)
}
