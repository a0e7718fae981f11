//! The fold: snapshot + facts -> [`View`]. Pure.
//!
//! Facts may come twice, late, or from two leaders: sequences that a node's part of the view already has
//! change nothing in it, and service facts count once by (group, index, n), whoever sends them.

use std::sync::Arc;

use orrery_base::fault::Fault;
use orrery_base::hlc::Hlc;
use orrery_base::ids::{BootEpoch, GroupId, NodeName, Sequence};
use orrery_base::sorted::sort_by;
use orrery_event::Event;
use orrery_event::fact::Fact;
use orrery_event::fault;
use orrery_event::merge::{GapView, StreamState};
use orrery_event::stream::{GroupSnapshot, MemberAddress, NodeSnapshot, ProcessState, ProcessStatus};
use orrery_event::sums::Sums;
use orrery_machine::ServiceFact;

use super::effect::Effect;
use super::view::{
    Beats, Difference, Flight, GroupView, IN_PROGRESS_MAX, LinkView, Membership, NodeView, OpenComparison,
    Process, RECENT_MAX, RequestView, View,
};
use super::{fold_cache, fold_group, fold_locks, fold_queues, fold_ring};

impl View {
    /// Folds one event of a node (or of the supervisor) in.
    pub fn apply(&mut self, node: &NodeName, boot: BootEpoch, event: &Event) -> Effect {
        self.apply_at(node, boot, event, event.hlc)
    }

    /// The same with an event whose time was moved.
    pub fn apply_at(&mut self, node: &NodeName, boot: BootEpoch, event: &Event, at: Hlc) -> Effect {
        let effect = self.take(node, boot, event, at);
        self.checked(event.seq);
        effect
    }

    fn take(&mut self, node: &NodeName, boot: BootEpoch, event: &Event, at: Hlc) -> Effect {
        self.at = self.at.max(at);
        let now_us = at.wall_us();
        if node == super::view::SUPERVISOR {
            return self.apply_process(&event.fact, now_us);
        }
        if self.has_left(node) {
            return Effect::Known;
        }
        if !self.advance(node, boot, event.seq, now_us) {
            return Effect::Known;
        }
        self.apply_fact(node, &event.fact, now_us)
    }

    /// Takes over what a node (or the supervisor) knows at one sequence.
    pub fn install(&mut self, snapshot: &NodeSnapshot) {
        self.take_snapshot(snapshot);
        self.checked(snapshot.seq);
    }

    fn take_snapshot(&mut self, snapshot: &NodeSnapshot) {
        self.at = self.at.max(snapshot.hlc);
        let now_us = snapshot.hlc.wall_us();
        for process in &snapshot.processes {
            self.install_process(process);
        }
        if snapshot.node == super::view::SUPERVISOR || self.has_left(&snapshot.node) {
            return;
        }
        let node = self.node_mut(&snapshot.node);
        if snapshot.boot < node.boot || (snapshot.boot == node.boot && snapshot.seq < node.seq) {
            return;
        }
        node.boot = snapshot.boot;
        node.seq = snapshot.seq;
        node.stale = false;
        for group in &snapshot.groups {
            let part = Arc::make_mut(node.groups.get_or_default(&group.group));
            fold_group::install(part, group, now_us);
        }
        for group in &snapshot.groups {
            self.note_membership(group);
        }
        // A node tells that it is no member any more, too: then it is gone.
        let left = self.has_left(&snapshot.node);
        if !left {
            self.install_links(snapshot);
        }
        if snapshot.locks.applied.is_some() {
            fold_locks::install(self, &snapshot.locks, snapshot.locks_beyond, now_us);
        }
        fold_ring::install(self, &snapshot.shards, now_us);
        if let Some(before) = &snapshot.shards_before {
            fold_ring::recall(self, before, &snapshot.shards);
        }
        for group in &snapshot.groups {
            fold_ring::look(self, group.group, now_us);
        }
        for shard in &snapshot.queues {
            fold_queues::install(self, shard.group, &shard.queues, now_us);
        }
        if !left {
            fold_cache::install(self, &snapshot.node, &snapshot.caches, now_us);
        }
    }

    /// Takes over who is in the cluster and in which order it is drawn, from the hello of that source's stream. The
    /// supervisor's list is whole: who is neither in it nor a member is gone. A node's list may be old: it brings nobody
    /// back who left.
    pub fn members(&mut self, source: &NodeName, members: &[MemberAddress], profile: &str) {
        self.take_members(source, members, profile);
        self.checked(0);
    }

    fn take_members(&mut self, source: &NodeName, members: &[MemberAddress], profile: &str) {
        if !profile.is_empty() && self.profile != profile {
            self.profile = profile.into();
        }
        if members.is_empty() {
            return;
        }
        if source == super::view::SUPERVISOR {
            let list: Vec<NodeName> = members.iter().map(|member| member.node.clone()).collect();
            list.iter().for_each(|name| self.come_back(name));
            self.supervised = Some(Arc::new(list));
        }
        let there: Vec<&MemberAddress> =
            members.iter().filter(|member| !self.has_left(&member.node)).collect();
        let mut order: Vec<NodeName> = there.iter().map(|member| member.node.clone()).collect();
        order.extend(self.order.iter().filter(|name| !members.iter().any(|m| m.node == **name)).cloned());
        for member in there {
            let node = self.node_mut(&member.node);
            if node.address != member.address {
                node.address = member.address.as_str().into();
            }
        }
        if *self.order != order {
            self.order = Arc::new(order);
        }
        if source == super::view::SUPERVISOR {
            self.forget_gone(&Membership::default());
        }
    }

    /// Who is neither a member nor known to the supervisor is gone; without a supervisor, who was a member before.
    fn forget_gone(&mut self, before: &Membership) {
        let was_member = |name: &NodeName| before.voters.contains(name) || before.learners.contains(name);
        let order = self.order.clone();
        for name in order.iter().filter(|name| !self.is_member(name)).collect::<Vec<_>>() {
            let stays = match &self.supervised {
                Some(known) => known.contains(name),
                None => !was_member(name),
            };
            if !stays {
                self.forget_node(name);
            }
        }
    }

    fn forget_node(&mut self, name: &NodeName) {
        self.nodes.remove(name);
        self.links.retain(|(from, to), _| from != name && to != name);
        self.requests.retain(|(at, _), _| at != name);
        fold_cache::forget_node(self, name);
        Arc::make_mut(&mut self.order).retain(|other| other != name);
        let left = Arc::make_mut(&mut self.left);
        if left.len() >= RECENT_MAX {
            left.remove(0);
        }
        left.push(name.clone());
    }

    fn come_back(&mut self, name: &NodeName) {
        if self.has_left(name) {
            Arc::make_mut(&mut self.left).retain(|left| left != name);
        }
    }

    fn is_member(&self, name: &NodeName) -> bool {
        self.membership.voters.contains(name) || self.membership.learners.contains(name)
    }

    /// A node's stream began to beat, or fell silent.
    pub fn stream(&mut self, node: &NodeName, state: StreamState, at_us: u64) {
        if node == super::view::SUPERVISOR || self.has_left(node) {
            return;
        }
        let node = self.node_mut(node);
        if node.stream != state {
            node.stream = state;
            node.stream_since_us = at_us;
        }
    }

    /// The node's own wall clock was judged by many stamps.
    pub fn clock(&mut self, node: &NodeName, off_us: i64) {
        if node != super::view::SUPERVISOR && !self.has_left(node) {
            self.node_mut(node).clock_offset_us = off_us;
        }
    }

    /// Events of a node will never come. What it shows may be wrong until its next snapshot.
    pub fn gap(&mut self, gap: GapView) {
        if gap.node != super::view::SUPERVISOR && !self.has_left(&gap.node) {
            let node = self.node_mut(&gap.node);
            // A clock that was judged anew can bring the snapshot after a gap before it.
            if (gap.boot, gap.last) > (node.boot, node.seq) {
                node.stale = true;
            }
            if node.boot == gap.boot {
                node.seq = node.seq.max(gap.last);
            }
        }
        let gaps = Arc::make_mut(&mut self.gaps);
        if gaps.len() >= RECENT_MAX {
            gaps.remove(0);
        }
        gaps.push(gap);
        self.checked(0);
    }

    /// The node's entry, made where it is not there yet.
    pub(super) fn node_mut(&mut self, name: &NodeName) -> &mut NodeView {
        if !self.nodes.contains_key(name) {
            let node = NodeView { name: name.clone(), ..NodeView::default() };
            self.nodes.insert(name.clone(), Arc::new(node));
            let mut order = (*self.order).clone();
            order.push(name.clone());
            sort_by(&mut order, |a, b| natural(a).cmp(&natural(b)));
            self.order = Arc::new(order);
        }
        Arc::make_mut(self.nodes.get_mut(name).expect("inserted above"))
    }

    /// Moves the node's cursor; false where the event is already in, or of a boot that is over.
    fn advance(&mut self, name: &NodeName, boot: BootEpoch, seq: Sequence, now_us: u64) -> bool {
        let node = self.node_mut(name);
        if boot < node.boot || (boot == node.boot && seq <= node.seq) {
            return false;
        }
        let rebooted = boot > node.boot;
        if rebooted {
            node.boot = boot;
            // Where nobody looks after processes, its stream is all that tells.
            if node.process == Process::Down {
                node.process = Process::Up;
            }
            node.exit_cause = Default::default();
            for_each_group(node, |part| fold_group::reboot(part, now_us));
        }
        node.seq = seq;
        if rebooted {
            self.forget_boot(name);
        }
        true
    }

    fn apply_fact(&mut self, node: &NodeName, fact: &Fact, now_us: u64) -> Effect {
        match fact {
            Fact::Sent { message, group, to, body } => {
                let flight = Flight {
                    id: message.clone(),
                    group: *group,
                    from: message.from.clone(),
                    to: to.clone(),
                    body: body.clone(),
                    sent_us: now_us,
                    end: None,
                    adjusted: false,
                };
                self.flights.insert(message.clone(), Arc::new(flight));
                self.prune(now_us);
                fold_group::sent(self, node, *group, body, now_us);
            }
            Fact::Received { message, group, body } => {
                self.flights.remove(message);
                fold_group::received(self, node, &message.from, *group, body, now_us);
            }
            Fact::Lost { message, .. } => {
                self.flights.remove(message);
            }
            Fact::MembershipChanged { group, index, voters, learners } => {
                self.note_members(*group, *index, voters, learners);
                // A node tells that it is no member any more, too: then it is gone.
                if !self.has_left(node) {
                    fold_group::fact(self, node, *group, fact, now_us);
                }
                fold_ring::look(self, *group, now_us);
            }
            Fact::RoleChanged { group, role, term, .. } => {
                fold_group::fact(self, node, *group, fact, now_us);
                fold_cache::role(self, node, *group, *role, *term);
                fold_ring::look(self, *group, now_us);
            }
            Fact::Service { group, index, n, clock_ms, fact: ServiceFact::Queue(fact) } => {
                let place = (*index, *n);
                return fold_queues::fact(self, *group, place, *clock_ms, fact, now_us);
            }
            Fact::Service { group, index, n, fact: ServiceFact::Cache(fact), .. } => {
                return fold_cache::committed(self, *group, (*index, *n), fact);
            }
            Fact::Service { group, index, n, clock_ms, fact } => {
                if *group == GroupId::CONTROL {
                    return fold_locks::fact(self, (*index, *n), *clock_ms, fact, now_us);
                }
            }
            Fact::QueuesResumed { group, index, queues } => {
                fold_queues::resume(self, *group, *index, queues, now_us);
            }
            Fact::CacheLine { group, fact } => fold_cache::line(self, node, *group, fact, now_us),
            Fact::CacheHome { group, fact } => fold_cache::home(self, node, *group, fact, now_us),
            Fact::CacheUse { stats } => fold_cache::used(self, node, stats, now_us),
            Fact::CachesResumed { group, index, values } => {
                fold_cache::resume(self, *group, *index, values);
            }
            Fact::ShardsPlaced { shards, .. } => return fold_ring::install(self, shards, now_us),
            Fact::ServiceResumed { group, index, locks } => {
                if *group == GroupId::CONTROL {
                    fold_locks::resume(self, *index, locks, None, now_us);
                }
            }
            Fact::LocksResumed { group, index, locks } => {
                if *group == GroupId::CONTROL {
                    fold_locks::resume(self, *index, &locks.table, locks.beyond, now_us);
                }
            }
            Fact::RequestBegun { request, client, operation, subject } => {
                let view = RequestView {
                    node: node.clone(),
                    request: *request,
                    client: client.clone(),
                    operation: operation.clone(),
                    subject: subject.clone(),
                    begun_us: now_us,
                };
                self.requests.insert((node.clone(), *request), Arc::new(view));
                self.prune(now_us);
            }
            Fact::RequestEnded { request, .. } => {
                self.requests.remove(&(node.clone(), *request));
            }
            Fact::Heartbeats { peer, .. } | Fact::LinkUp { peer } | Fact::LinkDown { peer }
                if self.has_left(peer) => {}
            Fact::Heartbeats { peer, sent, answered, round_trip_us, .. } => {
                let beats =
                    Beats { at_us: now_us, sent: *sent, answered: *answered, round_trip_us: *round_trip_us };
                self.link_mut(node, peer).beats = beats;
            }
            Fact::LinkUp { peer } => self.link_mut(node, peer).up = Some(true),
            Fact::LinkDown { peer } => self.link_mut(node, peer).up = Some(false),
            Fact::LinkFault { .. } | Fact::LinkImpaired { .. } | Fact::LinkFaultSet { .. } => {
                let told = fault::after(fact, |peer| self.link(node, peer).fault);
                if let Some((peer, fault)) = told.filter(|(peer, _)| !self.has_left(peer)) {
                    self.link_mut(node, peer).fault = fault;
                }
            }
            Fact::Comparing { group, index } => self.begin_comparison(node, *group, *index),
            Fact::Compared { group, index, sums } => {
                self.end_comparison(node, *group, *index, sums, now_us);
            }
            Fact::Started { .. } | Fact::Burst { .. } => {}
            Fact::NodeStarted { .. }
            | Fact::NodeExited { .. }
            | Fact::NodePaused { .. }
            | Fact::NodeResumed { .. } => return self.apply_process(fact, now_us),
            Fact::TimerStarted { group, .. }
            | Fact::Appended { group, .. }
            | Fact::Synced { group, .. }
            | Fact::Truncated { group, .. }
            | Fact::Purged { group, .. }
            | Fact::Committed { group, .. }
            | Fact::Applied { group, .. }
            | Fact::Snapshotted { group, .. } => fold_group::fact(self, node, *group, fact, now_us),
        }
        Effect::New
    }

    /// Facts of the supervisor: a killed or stopped node cannot report itself.
    fn apply_process(&mut self, fact: &Fact, now_us: u64) -> Effect {
        let (name, process, cause) = match fact {
            Fact::NodeStarted { node, .. } => (node, Process::Up, ""),
            Fact::NodeExited { node, cause } => (node, Process::Down, cause.as_str()),
            Fact::NodePaused { node } => (node, Process::Paused, ""),
            Fact::NodeResumed { node } => (node, Process::Up, ""),
            _ => return Effect::Known,
        };
        if matches!(fact, Fact::NodeStarted { .. }) {
            self.come_back(name);
        } else if self.has_left(name) {
            return Effect::Known;
        }
        let node = self.node_mut(name);
        if node.process == process && node.process_since_us > 0 {
            return Effect::Known;
        }
        node.process = process;
        node.process_since_us = now_us;
        node.exit_cause = cause.into();
        if process == Process::Down {
            for_each_group(node, fold_group::exit);
            self.forget_boot(name);
        }
        Effect::New
    }

    fn install_process(&mut self, state: &ProcessState) {
        let process = match state.status {
            ProcessStatus::Running => Process::Up,
            ProcessStatus::Paused => Process::Paused,
            ProcessStatus::Down => Process::Down,
        };
        self.come_back(&state.node);
        let node = self.node_mut(&state.node);
        if node.address != state.address {
            node.address = state.address.as_str().into();
        }
        if node.process != process {
            node.process = process;
            node.process_since_us = state.since_us;
        }
    }

    /// What the process had in its memory is gone: its requests in progress and its links.
    fn forget_boot(&mut self, node: &NodeName) {
        self.requests.retain(|(at, _), _| at != node);
        self.links.retain(|(from, _), _| from != node);
        fold_cache::forget_boot(self, node);
    }

    fn install_links(&mut self, snapshot: &NodeSnapshot) {
        let node = &snapshot.node;
        let links = self.links.iter().filter(|((from, _), _)| from == node);
        let broken = links.filter(|(_, link)| !link.fault.is_none());
        let peers: Vec<NodeName> = broken.map(|((_, to), _)| to.clone()).collect();
        for peer in peers {
            self.link_mut(node, &peer).fault = Fault::NONE;
        }
        for (peer, fault) in snapshot.link_faults() {
            self.link_mut(node, &peer).fault = fault;
        }
    }

    pub(super) fn link_mut(&mut self, from: &NodeName, to: &NodeName) -> &mut LinkView {
        self.links.get_or_default(&(from.clone(), to.clone()))
    }

    fn note_membership(&mut self, group: &GroupSnapshot) {
        if group.voters.is_empty() {
            return;
        }
        let index = if self.membership.voters.is_empty() { None } else { self.membership.index };
        self.note_members(group.group, group.membership.or(index), &group.voters, &group.learners);
    }

    fn note_members(
        &mut self,
        group: GroupId,
        index: Option<u64>,
        voters: &[NodeName],
        learners: &[NodeName],
    ) {
        if group != GroupId::CONTROL || index < self.membership.index {
            return;
        }
        let membership = Membership { index, voters: voters.to_vec(), learners: learners.to_vec() };
        for name in membership.voters.iter().chain(&membership.learners) {
            self.come_back(name);
            self.node_mut(name);
        }
        if *self.membership != membership {
            let before = std::mem::replace(&mut self.membership, Arc::new(membership));
            self.forget_gone(&before);
        }
    }

    fn begin_comparison(&mut self, node: &NodeName, group: GroupId, index: u64) {
        let comparisons = Arc::make_mut(&mut self.comparisons);
        comparisons.open.remove(&group);
        // Beyond what the node has applied there is nothing to compare with.
        let Some((_, sums)) = self.sums(group).filter(|(folded, _)| *folded <= index) else {
            return;
        };
        let open = OpenComparison { node: node.clone(), index, sums };
        Arc::make_mut(&mut self.comparisons).open.insert(group, open);
    }

    fn end_comparison(&mut self, node: &NodeName, group: GroupId, index: u64, sums: &Sums, at_us: u64) {
        let differs = self.comparisons.differs(node, group, index, sums);
        let comparisons = Arc::make_mut(&mut self.comparisons);
        comparisons.open.remove(&group);
        if differs {
            comparisons.differences += 1;
            comparisons.last = Some(Difference { at_us, node: node.clone(), group });
        }
    }

    /// Bounds what is in progress: messages by age and number, requests by number.
    fn prune(&mut self, now_us: u64) {
        if self.flights.len() > IN_PROGRESS_MAX / 4 {
            let old = |flight: &Flight| flight.sent_us + super::view::FLIGHT_US_MAX < now_us;
            self.flights.retain(|_, flight| !old(flight));
        }
        while self.flights.len() > IN_PROGRESS_MAX {
            let oldest = self.flights.iter().min_by_key(|(_, flight)| flight.sent_us);
            let Some(id) = oldest.map(|(id, _)| id.clone()) else { break };
            self.flights.remove(&id);
        }
        while self.requests.len() > IN_PROGRESS_MAX {
            let oldest = self.requests.iter().min_by_key(|(_, request)| request.begun_us);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { break };
            self.requests.remove(&key);
        }
    }
}

fn for_each_group(node: &mut NodeView, change: impl Fn(&mut GroupView)) {
    node.groups.values_mut().for_each(|part| change(Arc::make_mut(part)));
}

/// Splits `node12` into its letters and its number, so that node10 stands after node9.
fn natural(name: &str) -> (&str, u64, &str) {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (letters, name[letters.len()..].parse().unwrap_or_default(), name)
}

/// Where a node's stream is, for resuming.
pub fn cursor(view: &View, node: &str) -> Option<(BootEpoch, Sequence)> {
    let node = view.node(node)?;
    (node.boot > 0).then_some((node.boot, node.seq))
}
