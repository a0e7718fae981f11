//! What a node's groups look like from outside, kept exactly as the facts that were sent say: a fact and the
//! change that it reports happen under one lock, so that a snapshot fits one sequence number.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use orrery_base::ids::{GroupId, LogIndex, NodeId, NodeName, Term};
use orrery_event::Fact;
use orrery_event::fact::{EntrySummary, Role};
use orrery_event::stream::GroupSnapshot;
use orrery_machine::Member;

use crate::host::{Host, Measured};
use crate::peer::summary;
use crate::sync::lock;
use crate::types::{Entry, StoredMembership, Vote};

/// Most entries that one `Appended` fact and a snapshot's tail list.
pub const TAIL_MAX: usize = 64;

/// The published state of a node's groups.
pub struct Publisher<H: Host> {
    host: H,
    me: Mutex<NodeId>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    groups: BTreeMap<GroupId, Group>,
    names: BTreeMap<NodeId, NodeName>,
}

#[derive(Default)]
struct Group {
    shown: GroupSnapshot,
    tail: VecDeque<EntrySummary>,
}

impl<H: Host> Publisher<H> {
    /// Nothing is known yet.
    pub fn new(host: H) -> Self {
        Publisher { host, me: Mutex::new(NodeId(0)), state: Mutex::default() }
    }

    /// The Raft identity of this node.
    pub fn identify(&self, me: NodeId) {
        *lock(&self.me) = me;
    }

    /// How members are called. Names of past members stay known.
    pub fn name(&self, members: &[Member]) {
        let mut state = lock(&self.state);
        for member in members {
            state.names.insert(member.id, member.name.clone());
        }
    }

    /// A member's name, or its number where that is all that is known.
    pub fn name_of(&self, id: NodeId) -> NodeName {
        lock(&self.state).name_of(id)
    }

    /// All groups as the facts sent so far describe them. `at` runs while none can be sent.
    pub fn snapshot<T>(&self, at: impl FnOnce() -> T) -> (T, Vec<GroupSnapshot>) {
        let state = lock(&self.state);
        let groups = state
            .groups
            .values()
            .map(|group| {
                let mut shown = group.shown.clone();
                shown.tail = group.tail.iter().cloned().collect();
                shown
            })
            .collect();
        (at(), groups)
    }

    /// One group, without its tail.
    pub fn group(&self, group: GroupId) -> GroupSnapshot {
        lock(&self.state).groups.get(&group).map(|group| group.shown.clone()).unwrap_or_default()
    }

    /// What a restart found, as facts too: whoever follows this boot from its first event knows as much as one who
    /// asks. `tail` are the last entries, `log` the indexes of the first and last.
    pub fn recovered(
        &self,
        group: GroupId,
        vote: Option<&Vote>,
        purged: Option<LogIndex>,
        tail: &[Entry],
        log: Option<(LogIndex, LogIndex)>,
    ) {
        if let Some(vote) = vote {
            // Nobody leads and nobody stands for election before something happens.
            self.role(group, Role::Follower, vote, None, None);
        }
        if let Some(through) = purged {
            self.purged(group, through);
        }
        if let Some((first, last)) = log {
            self.appended(group, tail, first);
            self.on_disk(group, last, 0);
        }
    }

    /// Entries from `first` on are in the log; `entries` are the last of them, or all. Summaries are made only when
    /// somebody records.
    pub fn appended(&self, group: GroupId, entries: &[Entry], first: LogIndex) {
        let Some(last) = entries.last().map(|last| last.log_id.index) else { return };
        let records = self.host.records();
        let listed: Vec<EntrySummary> = if records {
            entries[entries.len().saturating_sub(TAIL_MAX)..].iter().map(summary::entry).collect()
        } else {
            Vec::new()
        };
        let mut state = lock(&self.state);
        let group_state = state.group(group);
        group_state.shown.last_log = Some(last);
        if records {
            group_state.tail.extend(listed.iter().cloned());
            while group_state.tail.len() > TAIL_MAX {
                group_state.tail.pop_front();
            }
            self.host.emit(Fact::Appended { group, entries: listed, first, last });
        }
    }

    /// Everything up to `last` is on the disk.
    pub fn synced(&self, group: GroupId, last: LogIndex, took_us: u64) {
        self.host.measure(Measured::Synced { took_us });
        self.on_disk(group, last, took_us);
    }

    fn on_disk(&self, group: GroupId, last: LogIndex, took_us: u64) {
        let mut state = lock(&self.state);
        state.group(group).shown.synced = Some(last);
        self.emit(|| Fact::Synced { group, last, took_us });
    }

    /// Entries after `after` are gone.
    pub fn truncated(&self, group: GroupId, after: Option<LogIndex>) {
        let mut state = lock(&self.state);
        let group_state = state.group(group);
        let gone = |index: LogIndex| after.is_none_or(|after| index > after);
        while group_state.tail.back().is_some_and(|entry| gone(entry.index)) {
            group_state.tail.pop_back();
        }
        group_state.shown.last_log = after;
        if group_state.shown.synced.is_some_and(gone) {
            group_state.shown.synced = after;
        }
        self.emit(|| Fact::Truncated { group, after });
    }

    /// Entries through `through` are gone because a snapshot covers them.
    pub fn purged(&self, group: GroupId, through: LogIndex) {
        let mut state = lock(&self.state);
        let group_state = state.group(group);
        while group_state.tail.front().is_some_and(|entry| entry.index <= through) {
            group_state.tail.pop_front();
        }
        let shown = &mut group_state.shown;
        shown.purged = Some(through);
        shown.last_log = shown.last_log.max(Some(through));
        shown.synced = shown.synced.max(Some(through));
        self.emit(|| Fact::Purged { group, through });
    }

    /// The commit index moved.
    pub fn committed(&self, group: GroupId, index: LogIndex) {
        let mut state = lock(&self.state);
        let shown = &mut state.group(group).shown;
        if shown.commit < Some(index) {
            shown.commit = Some(index);
            self.emit(|| Fact::Committed { group, index });
        }
    }

    /// The state machine applied up to here.
    pub fn applied(&self, group: GroupId, index: LogIndex) {
        let mut state = lock(&self.state);
        let shown = &mut state.group(group).shown;
        if shown.applied < Some(index) {
            shown.applied = Some(index);
            self.emit(|| Fact::Applied { group, index });
        }
    }

    /// The voters and learners changed.
    pub fn membership(&self, group: GroupId, membership: &StoredMembership) {
        let mut state = lock(&self.state);
        for (id, member) in membership.nodes() {
            state.names.insert(*id, member.name.clone());
        }
        let voters: Vec<NodeName> = membership.voter_ids().map(|id| state.name_of(id)).collect();
        let learners: Vec<NodeName> =
            membership.membership().learner_ids().map(|id| state.name_of(id)).collect();
        let shown = &mut state.group(group).shown;
        if shown.voters == voters && shown.learners == learners {
            return;
        }
        tracing::info!(%group, voters = %list(&voters), learners = %list(&learners), "members of the group");
        shown.voters.clone_from(&voters);
        shown.learners.clone_from(&learners);
        let index = membership.log_id().as_ref().map(|id| id.index);
        shown.membership = index;
        self.emit(|| Fact::MembershipChanged { group, index, voters, learners });
    }

    /// A vote is on the disk: what it says about this node's role.
    pub fn voted(&self, group: GroupId, vote: &Vote, silent_us: Option<u64>) {
        let me = *lock(&self.me);
        let mine = vote.leader_id.voted_for == me;
        let role = match (mine, vote.committed) {
            (true, true) => Role::Leader,
            (true, false) => Role::Candidate,
            (false, _) => Role::Follower,
        };
        // A learner follows too; only openraft's metrics know when it gets a vote.
        let role = match (role, self.group(group).role) {
            (Role::Follower, Role::Learner) => Role::Learner,
            _ => role,
        };
        let leader = vote.committed.then_some(vote.leader_id.voted_for);
        self.role(group, role, vote, leader, silent_us.filter(|_| role == Role::Candidate));
    }

    /// Role, term, vote or leader, as far as they changed. A report that is older than what is known is dropped:
    /// openraft's metrics may lag behind its votes.
    pub fn role(
        &self,
        group: GroupId,
        role: Role,
        vote: &Vote,
        leader: Option<NodeId>,
        silent_us: Option<u64>,
    ) {
        let mut state = lock(&self.state);
        let term: Term = vote.leader_id.term;
        let candidate = state.name_of(vote.leader_id.voted_for);
        let mine = vote.leader_id.voted_for == *lock(&self.me);
        let leader = leader.map(|id| state.name_of(id));
        let shown = &mut state.group(group).shown;
        // openraft keeps one vote: a leader's replaces the one that was given in the same term.
        let voted_for = if !vote.committed || mine {
            (term > 0).then_some(candidate)
        } else if term == shown.term {
            shown.voted_for.clone()
        } else {
            None
        };
        let rank = |role: Role| u8::from(role == Role::Leader);
        let stale = term < shown.term
            || term == shown.term
                && (rank(role) < rank(shown.role) && role == Role::Candidate
                    || leader.is_none() && shown.leader.is_some() && shown.role == role);
        let same = shown.role == role
            && shown.term == term
            && shown.voted_for == voted_for
            && shown.leader == leader;
        if stale || same {
            return;
        }
        if role == Role::Candidate {
            self.host.measure(Measured::Candidate);
            tracing::info!(%group, term, "stands for election");
        } else if role == Role::Leader && shown.role != Role::Leader {
            tracing::info!(%group, term, "leads");
        } else if shown.leader != leader {
            match &leader {
                Some(leader) => tracing::info!(%group, term, %leader, "follows"),
                None if shown.role == Role::Leader => tracing::info!(%group, term, "leads no more"),
                None => tracing::debug!(%group, term, "knows no leader"),
            }
        }
        shown.role = role;
        shown.term = term;
        shown.voted_for.clone_from(&voted_for);
        shown.leader.clone_from(&leader);
        self.emit(|| Fact::RoleChanged { group, role, term, voted_for, leader, silent_us });
    }

    fn emit(&self, fact: impl FnOnce() -> Fact) {
        if self.host.records() {
            self.host.emit(fact());
        }
    }
}

/// Names with commas between them.
fn list(names: &[NodeName]) -> String {
    names.iter().map(NodeName::as_str).collect::<Vec<_>>().join(",")
}

impl State {
    fn group(&mut self, group: GroupId) -> &mut Group {
        self.groups.entry(group).or_insert_with(|| Group {
            shown: GroupSnapshot { group, ..GroupSnapshot::default() },
            tail: VecDeque::new(),
        })
    }

    fn name_of(&self, id: NodeId) -> NodeName {
        self.names.get(&id).cloned().unwrap_or_else(|| NodeName::from(format!("#{id}")))
    }
}
