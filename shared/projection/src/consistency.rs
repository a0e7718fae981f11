//! What must hold of a view after everything that it takes in, checked as a whole.
//!
//! Only what the fold itself sees to: order, keys, bounds, who is there. What nodes say may contradict itself for a
//! while, as when events are missing or a command's facts are not all in yet; so nothing here asks whether two may
//! hold one lock.

use std::collections::BTreeSet;
use std::fmt::Debug;

use orrery_base::consistency;
use orrery_base::ids::NodeName;
use orrery_lock::view::LOCKS_SHOWN_MAX;

use super::view::{
    CacheView, DELIVERIES_MAX, GroupView, IN_PROGRESS_MAX, LINES_MAX, LocksView, NodeView, RATES_MAX,
    RECALLS_MAX, RECENT_MAX, SUPERVISOR, ShardQueues, TAIL_MAX, View,
};

impl View {
    /// Called after everything that changes it, in debug builds. `nth` grows from call to call, so that a large view
    /// is checked seldomer.
    pub(super) fn checked(&self, nth: u64) {
        if cfg!(debug_assertions) && consistency::is_due(nth, self.items()) {
            self.assert_consistent();
        }
    }

    /// What a check looks at.
    fn items(&self) -> usize {
        let groups: usize = self.nodes.values().map(|node| node.groups.len()).sum();
        let queues: usize = self.queues.values().map(|shard| shard.topics.len()).sum();
        let copies: usize = self.cache.nodes.values().map(|node| node.lines.len()).sum();
        let held: usize = self.cache.homes.values().map(|home| home.lines.len()).sum();
        let locks = self.locks.table.resources.len() + self.locks.table.sessions.len();
        let moving = self.flights.len() + self.requests.len() + self.links.len();
        let shards = self.ring.table.shards.len() * self.ring.table.nodes.len();
        groups + queues + copies + held + locks + moving + shards
    }

    /// Panics with what is wrong, and of whom. Costs O(n log n) in what is in the view.
    pub fn assert_consistent(&self) {
        self.assert_nodes();
        self.assert_membership();
        self.assert_in_progress();
        self.assert_bounds();
        self.locks.assert_consistent();
        self.cache.assert_consistent();
        self.queues.values().for_each(|shard| shard.assert_consistent());
        self.ring.assert_consistent();
    }

    fn assert_nodes(&self) {
        let order: BTreeSet<&NodeName> = self.order.iter().collect();
        assert_eq!(order.len(), self.order.len(), "a node stands twice on the circle: {:?}", self.order);
        let known: BTreeSet<&NodeName> = self.nodes.keys().collect();
        assert_eq!(order, known, "the nodes on the circle are not those that are known");
        for (name, node) in &self.nodes {
            assert_eq!(*name, node.name, "the node {name} is kept under another name");
            assert!(*name != SUPERVISOR, "the supervisor is kept as a node");
            assert!(!self.has_left(name), "{name} is in the view and has left");
            node.assert_consistent();
        }
    }

    fn assert_membership(&self) {
        let voters: BTreeSet<&NodeName> = self.membership.voters.iter().collect();
        for name in self.membership.voters.iter().chain(&self.membership.learners) {
            assert!(self.nodes.contains_key(name), "{name} is a member and not in the view");
        }
        let both = self.membership.learners.iter().find(|name| voters.contains(name));
        assert!(both.is_none(), "{both:?} votes and only learns");
    }

    fn assert_in_progress(&self) {
        for (from, to) in self.links.keys() {
            let left = [from, to].into_iter().find(|name| self.has_left(name));
            assert!(left.is_none(), "the link from {from} to {to} stays, and {left:?} has left");
        }
        for (id, flight) in &self.flights {
            assert_eq!(*id, flight.id, "a message is kept under another id");
        }
        for ((node, number), request) in &self.requests {
            assert_eq!(
                (node, *number),
                (&request.node, request.request),
                "a request is kept under another id"
            );
            assert!(!self.has_left(node), "request {number} of {node} stays, and {node} has left");
        }
        let homes = self.cache.homes.values().map(|home| &home.node);
        for node in self.cache.nodes.keys().chain(homes) {
            assert!(!self.has_left(node), "the cache of {node} stays, and {node} has left");
        }
    }

    fn assert_bounds(&self) {
        bounded("messages in flight", "the view", self.flights.len(), IN_PROGRESS_MAX);
        bounded("requests in progress", "the view", self.requests.len(), IN_PROGRESS_MAX);
        bounded("gaps", "the view", self.gaps.len(), RECENT_MAX);
        bounded("nodes that left", "the view", self.left.len(), RECENT_MAX);
    }
}

/// Panics where there are more than so many.
fn bounded(what: &str, of: impl Debug, there: usize, most: usize) {
    assert!(there <= most, "{there} {what} of {of:?} are above the bound of {most}");
}

/// Panics where the keys do not grow.
fn growing<K: Ord + Debug>(what: &str, keys: impl Iterator<Item = K>) {
    let mut before = None;
    for key in keys {
        assert!(before.as_ref() < Some(&key), "{what}: {key:?} comes after {before:?}");
        before = Some(key);
    }
}

impl NodeView {
    fn assert_consistent(&self) {
        for (group, part) in &self.groups {
            assert_eq!(
                *group, part.group,
                "{} keeps its part in {group} as that in another group",
                self.name
            );
            part.assert_consistent(&self.name);
        }
    }
}

impl GroupView {
    fn assert_consistent(&self, node: &NodeName) {
        let group = self.group;
        bounded("entries", (node, group), self.tail.len(), TAIL_MAX);
        let mut indexes = self.tail.iter().map(|entry| entry.index);
        let first = indexes.next();
        let gap = indexes.zip(1..).find(|(index, n)| first.is_some_and(|first| *index != first + n));
        assert!(gap.is_none(), "the tail of {node} in {group} from {first:?} on has a gap: {gap:?}");
        let last = self.tail.last().map(|entry| entry.index);
        assert!(
            last.is_none() || last == self.last_log,
            "the tail of {node} in {group} ends at {last:?}, and its log at {:?}",
            self.last_log
        );
        if let Some(election) = &self.election {
            for votes in [&election.granted, &election.refused] {
                let all: BTreeSet<_> = votes.iter().collect();
                assert_eq!(all.len(), votes.len(), "a vote for {node} in {group} counts twice: {votes:?}");
            }
            assert_eq!(election.granted.first(), Some(node), "{node} stands in {group} without its own vote");
        }
    }
}

impl LocksView {
    fn assert_consistent(&self) {
        growing("the resources", self.table.resources.iter().map(|at| &at.resource));
        growing("the sessions", self.table.sessions.iter().map(|open| open.session));
        for at in &self.table.resources {
            let name = &at.resource;
            assert!(
                !at.holders.is_empty() || !at.waiters.is_empty(),
                "{name} has neither a holder nor a waiter"
            );
            growing("the tokens of a resource", at.holders.iter().map(|held| held.fencing_token));
            let holders: BTreeSet<_> = at.holders.iter().map(|held| &held.holder).collect();
            assert_eq!(holders.len(), at.holders.len(), "somebody holds {name} twice");
            let waits: BTreeSet<_> = at.waiters.iter().map(|waiter| waiter.wait).collect();
            assert_eq!(waits.len(), at.waiters.len(), "a wait for {name} is there twice");
        }
        bounded("moments", "the locks", self.recent.len(), RECENT_MAX);
        if self.beyond.is_some() {
            // Facts of one command come before the count that bounds what they added.
            bounded("sessions", "the locks", self.table.sessions.len(), 3 * LOCKS_SHOWN_MAX);
        }
        let (whole, applied) = (self.whole, self.table.applied);
        assert!(whole <= applied, "the locks contain all up to {whole:?}, and show {applied:?}");
    }
}

impl ShardQueues {
    fn assert_consistent(&self) {
        let (whole, applied) = (self.whole, self.applied);
        assert!(whole <= applied, "the queues contain all up to {whole:?}, and show {applied:?}");
        for (name, topic) in &self.topics {
            bounded("deliveries", name, topic.in_flight.len(), DELIVERIES_MAX);
            bounded("dead letters", name, topic.dead.len(), DELIVERIES_MAX);
            for ((group, number), flight) in &topic.in_flight {
                let kept = (&flight.group, flight.number);
                assert_eq!((group, *number), kept, "a delivery of {name} is kept under another name");
            }
        }
    }
}

impl CacheView {
    fn assert_consistent(&self) {
        for (shard, values) in &self.values {
            bounded("values", shard, values.values.len(), LINES_MAX);
            let (whole, applied) = (values.whole, values.applied);
            assert!(
                whole <= applied,
                "the values of {shard} contain all up to {whole:?}, and show {applied:?}"
            );
        }
        for (node, cache) in &self.nodes {
            bounded("copies", node, cache.lines.len(), LINES_MAX);
            bounded("rates", node, cache.rates.len(), RATES_MAX);
        }
        for (shard, home) in &self.homes {
            bounded("lines", shard, home.lines.len(), LINES_MAX);
            bounded("recalls", shard, home.recalls.len(), RECALLS_MAX);
            assert!(!home.open || home.window.is_none(), "the home of {shard} is open and waits for leases");
            for (address, held) in &home.lines {
                let nobody = held.owner.is_none() && held.sharers.is_empty();
                assert!(!nobody, "{address} is held by nobody, and in the directory of {shard}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orrery_base::ids::GroupId;
    use orrery_event::Event;
    use orrery_event::fact::{EntrySummary, Fact, Role};
    use orrery_lock::view::LockedResource;

    use super::*;

    /// node1 is a candidate with five entries in its log.
    fn view() -> View {
        let mut view = View::default();
        let group = GroupId::CONTROL;
        let entries = (0..5).map(|index| EntrySummary { index, term: 1, what: "acquire".into() }).collect();
        let candidate = Fact::RoleChanged {
            group,
            role: Role::Candidate,
            term: 2,
            voted_for: None,
            leader: None,
            silent_us: None,
        };
        for (fact, seq) in
            [Fact::Appended { group, entries, first: 0, last: 4 }, candidate].into_iter().zip(1..)
        {
            let event = Event { seq, hlc: Default::default(), wall_us: 0, fact };
            view.apply(&"node1".into(), 1, &event);
        }
        view.assert_consistent();
        view
    }

    fn part(view: &mut View) -> &mut GroupView {
        let node = Arc::make_mut(view.nodes.get_mut("node1").expect("it spoke"));
        Arc::make_mut(node.groups.get_mut(&GroupId::CONTROL).expect("it has a part"))
    }

    #[test]
    #[should_panic(expected = "the nodes on the circle are not those that are known")]
    fn a_node_that_is_not_drawn() {
        let mut view = view();
        view.order = Arc::default();
        view.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "node1 is in the view and has left")]
    fn a_node_that_left_and_stays() {
        let mut view = view();
        Arc::make_mut(&mut view.left).push("node1".into());
        view.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "the tail of node1 in control from Some(0) on has a gap: Some((3, 2))")]
    fn a_log_with_a_gap() {
        let mut view = view();
        Arc::make_mut(&mut part(&mut view).tail).remove(2);
        view.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "node1 stands in control without its own vote")]
    fn a_candidate_that_does_not_vote_for_itself() {
        let mut view = view();
        part(&mut view).election.as_mut().expect("it stands").granted.clear();
        view.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "printer has neither a holder nor a waiter")]
    fn a_resource_that_is_free() {
        let mut view = view();
        let free = LockedResource { resource: "printer".into(), holders: vec![], waiters: vec![] };
        Arc::make_mut(&mut view.locks).table.resources.push(free);
        view.assert_consistent();
    }
}
