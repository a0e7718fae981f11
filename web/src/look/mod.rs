//! What parts of a [`View`] look like: small values that change only when their picture does. Pure.

pub mod cache;
pub mod change;
pub mod faults;
pub mod log;
pub mod message;
pub mod ring;

use orrery_base::ids::{LogIndex, NodeName, Term};
use orrery_event::fact::Role;
use orrery_event::merge::StreamState;
use orrery_projection::view::{GroupView, NodeView, Presence, Process, View};

/// What is known of a node's process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Unknown,
    Up,
    /// It runs as far as anybody knows, but its events do not come.
    Silent,
    Paused,
    /// It is not there.
    Down,
}

impl Status {
    pub fn of(node: &NodeView) -> Status {
        match (node.process, node.stream) {
            (Process::Down, _) => Status::Down,
            (Process::Paused, _) => Status::Paused,
            (_, StreamState::Silent) => Status::Silent,
            (Process::Unknown, StreamState::Unknown) => Status::Unknown,
            (Process::Up | Process::Unknown, _) => Status::Up,
        }
    }

    /// Value of `data-status`.
    pub fn name(self) -> &'static str {
        match self {
            Status::Unknown => "unknown",
            Status::Up => "up",
            Status::Silent => "silent",
            Status::Paused => "paused",
            Status::Down => "down",
        }
    }

    /// Whether a request to it may be answered.
    pub fn reachable(self) -> bool {
        matches!(self, Status::Up | Status::Unknown)
    }
}

/// Nodes whose events this page does not get, although nobody says that they are gone; and whether others hear all of
/// them.
pub fn unreached(view: &View) -> (Vec<NodeName>, bool) {
    let silent = |node: &&NodeView| node.process == Process::Unknown && node.stream != StreamState::Live;
    let nodes = view.in_order().filter(silent).map(|node| (node, view.presence(node)));
    let unreached: Vec<_> = nodes.filter(|(_, presence)| *presence != Presence::Gone).collect();
    let heard = unreached.iter().all(|(_, presence)| *presence == Presence::There);
    (unreached.into_iter().map(|(node, _)| node.name.clone()).collect(), heard)
}

/// Value of `data-role`.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Learner => "learner",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

/// Votes around a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Votes {
    pub granted: usize,
    pub refused: usize,
    /// Everybody who may vote.
    pub voters: usize,
    pub quorum: usize,
    /// Only the question before an election.
    pub pre: bool,
}

/// How a node is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeLook {
    pub status: Status,
    pub role: Role,
    /// Its term; none until it is known.
    pub term: Option<Term>,
    /// It believes to lead, and a newer term has begun.
    pub deposed: bool,
    /// Events of it are missing.
    pub stale: bool,
    /// Its election, while it stands and shortly after.
    pub votes: Option<Votes>,
}

/// For so long the votes of a won election stay visible.
const VOTES_SHOWN_US: u64 = 2_000_000;

impl NodeLook {
    /// Of a node at the moment that the view shows.
    pub fn of(view: &View, name: &str) -> NodeLook {
        let Some(node) = view.node(name) else { return NodeLook::default() };
        let status = Status::of(node);
        let Some(part) = view.control(name) else { return NodeLook { status, ..NodeLook::default() } };
        let newest =
            view.in_order().filter_map(|other| view.control(&other.name)).map(|part| part.term).max();
        NodeLook {
            status,
            role: part.role,
            term: Some(part.term),
            deposed: part.role == Role::Leader && newest.is_some_and(|newest| newest > part.term),
            stale: node.stale,
            votes: votes(part, view.at.wall_us()).filter(|_| status == Status::Up),
        }
    }
}

fn votes(part: &GroupView, now_us: u64) -> Option<Votes> {
    let election = part.election.as_ref()?;
    let standing = part.role == Role::Candidate || (part.role != Role::Leader && election.pre);
    let won = part.role == Role::Leader && election.won && election.term == part.term;
    let fresh = now_us.saturating_sub(part.role_since_us.max(election.since_us)) < VOTES_SHOWN_US;
    ((standing && (fresh || part.role == Role::Candidate)) || (won && fresh)).then(|| Votes {
        granted: election.granted.len(),
        refused: election.refused.len(),
        voters: part.voters.len().max(election.granted.len() + election.refused.len()),
        quorum: part.quorum(),
        pre: election.pre,
    })
}

/// The cluster in the header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Newest term.
    pub term: Term,
    /// Who leads, and its place on the circle.
    pub leader: Option<(NodeName, usize)>,
    /// Nodes whose process is there.
    pub up: usize,
    pub all: usize,
    /// Nodes that may vote.
    pub voters: usize,
    /// Voters whose process is there and not stopped.
    pub voters_up: usize,
    /// Voters of whom this page knows nothing.
    pub voters_unreached: usize,
    /// Newest commit index that anybody reported.
    pub commit: Option<LogIndex>,
    /// `realistic`, `classroom` or empty.
    pub profile: smol_str::SmolStr,
    /// Somebody is a candidate.
    pub electing: bool,
}

impl Summary {
    pub fn of(view: &View) -> Summary {
        let leadership = view.leadership();
        let is = |name: &NodeName, presence: Presence| {
            view.node(name).is_some_and(|node| view.presence(node) == presence)
        };
        let alive = |name: &NodeName| is(name, Presence::There);
        let voters =
            if view.membership.voters.is_empty() { view.order.as_slice() } else { &view.membership.voters };
        let parts = || view.order.iter().filter_map(|name| view.control(name));
        Summary {
            term: leadership.term,
            leader: leadership.leader.map(|leader| {
                let place = view.order.iter().position(|name| *name == leader).unwrap_or_default();
                (leader, place)
            }),
            up: view.order.iter().filter(|name| alive(name)).count(),
            all: view.order.len(),
            voters: voters.len(),
            voters_up: voters.iter().filter(|name| alive(name)).count(),
            voters_unreached: voters.iter().filter(|name| is(name, Presence::Unreached)).count(),
            commit: parts().filter_map(|part| part.commit).max(),
            profile: view.profile.clone(),
            electing: parts().any(|part| part.role == Role::Candidate),
        }
    }

    /// Votes that make a majority.
    pub fn quorum(&self) -> usize {
        self.voters / 2 + 1
    }

    /// Fewer than a majority of the voters are there.
    pub fn without_quorum(&self) -> bool {
        self.voters > 0 && self.voters_up + self.voters_unreached < self.quorum()
    }
}

/// The class that gives a node its hue.
pub fn hue(place: usize) -> &'static str {
    const HUES: [&str; 7] = ["n1", "n2", "n3", "n4", "n5", "n6", "n7"];
    HUES[place % HUES.len()]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Five nodes of which nobody's process is supervised; only the streams of these are live.
    fn view(live: &[&str]) -> View {
        let mut view = View::default();
        let names: Vec<NodeName> = (1..=5).map(|number| format!("node{number}").into()).collect();
        for name in &names {
            let stream = if live.contains(&name.as_str()) { StreamState::Live } else { StreamState::Silent };
            view.nodes.insert(
                name.clone(),
                Arc::new(NodeView { name: name.clone(), stream, ..NodeView::default() }),
            );
        }
        view.order = Arc::new(names);
        view
    }

    /// What `from` says of its connection to `to`.
    fn link(view: &mut View, from: &str, to: &str, up: bool) {
        view.links.get_or_default(&(from.into(), to.into())).up = Some(up);
    }

    #[test]
    fn a_node_that_only_this_page_cannot_reach_is_not_dead() {
        // Nobody says anything of node4 and node5.
        let mut shown = view(&["node1", "node2", "node3"]);
        let names = |(nodes, heard): (Vec<NodeName>, bool)| (nodes.join(" "), heard);
        assert_eq!(names(unreached(&shown)), ("node4 node5".to_owned(), false));
        assert!(!Summary::of(&shown).without_quorum());
        // The others are connected to both.
        link(&mut shown, "node1", "node4", true);
        link(&mut shown, "node2", "node5", true);
        assert_eq!(names(unreached(&shown)), ("node4 node5".to_owned(), true));
        assert_eq!((Summary::of(&shown).up, Summary::of(&shown).all), (5, 5));
        // They lost one of them: that one is gone.
        link(&mut shown, "node2", "node5", false);
        assert_eq!(names(unreached(&shown)), ("node4".to_owned(), true));
        assert_eq!(Summary::of(&shown).up, 4);
        // What a node said whose own stream broke is old: it vouches for nobody.
        let mut alone = view(&["node1"]);
        link(&mut alone, "node2", "node3", true);
        assert_eq!(names(unreached(&alone)), ("node2 node3 node4 node5".to_owned(), false));
        assert!(!Summary::of(&alone).without_quorum(), "nobody said that a majority is gone");
        for other in ["node2", "node3", "node4", "node5"] {
            link(&mut alone, "node1", other, false);
        }
        assert_eq!(names(unreached(&alone)), (String::new(), true));
        assert!(Summary::of(&alone).without_quorum());
    }

    #[test]
    fn a_page_that_reaches_everybody_names_nobody() {
        let all = view(&["node1", "node2", "node3", "node4", "node5"]);
        assert!(unreached(&all).0.is_empty());
    }
}
