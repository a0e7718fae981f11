//! Who is there, and who leads, as far as whoever has this view can know.

use orrery_base::ids::{GroupId, NodeName, Term};
use orrery_event::fact::Role;
use orrery_event::merge::StreamState;

use super::{GroupView, NodeView, Process, View};

/// Whether a node is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Its events come, or the supervisor or another node says so.
    There,
    /// It is stopped or gone, or others lost it.
    Gone,
    /// Its events do not come, and nobody says anything of it.
    Unreached,
}

/// A heartbeat that was answered so long ago still says that the other end is there.
const ANSWERED_US: u64 = 3_000_000;

/// Who leads a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The newest term that anybody reported.
    pub term: Term,
    /// Who leads in the newest term that has a leader who is there.
    pub leader: Option<NodeName>,
    /// Who still believes to lead an older term.
    pub deposed: Vec<NodeName>,
}

impl View {
    /// Whether a node is there. Without a supervisor only the others can tell a dead one from one that is out of reach.
    pub fn presence(&self, node: &NodeView) -> Presence {
        match (node.process, node.stream) {
            (Process::Up, _) | (Process::Unknown, StreamState::Live) => return Presence::There,
            (Process::Down | Process::Paused, _) => return Presence::Gone,
            (Process::Unknown, StreamState::Silent | StreamState::Unknown) => {}
        }
        let live = |name: &NodeName| self.node(name).is_some_and(|node| node.stream == StreamState::Live);
        let told = || self.links.iter().filter(|((from, to), _)| *to == node.name && live(from));
        let now_us = self.at.wall_us();
        let heard = told().any(|(_, link)| {
            let beats = link.beats.answered > 0 && now_us.saturating_sub(link.beats.at_us) < ANSWERED_US;
            link.up == Some(true) || (beats && link.up != Some(false))
        });
        if heard {
            Presence::There
        } else if told().any(|(_, link)| link.up == Some(false)) {
            Presence::Gone
        } else {
            Presence::Unreached
        }
    }

    /// Who leads the control group.
    pub fn leadership(&self) -> Leadership {
        self.leadership_of(GroupId::CONTROL)
    }

    /// Who leads a group.
    pub fn leadership_of(&self, group: GroupId) -> Leadership {
        let parts = || {
            let nodes = self.order.iter().filter_map(|name| self.node(name));
            nodes.filter_map(|node| Some((node, node.groups.get(&group).map(AsRef::as_ref)?)))
        };
        let term = parts().map(|(_, part)| part.term).max().unwrap_or_default();
        // One that is stopped still believes it.
        let lives =
            |node: &NodeView| node.process == Process::Paused || self.presence(node) != Presence::Gone;
        let leads = |node: &NodeView, part: &GroupView| part.role == Role::Leader && lives(node);
        let newest = parts().filter(|(node, part)| leads(node, part)).max_by_key(|(_, part)| part.term);
        let mut deposed = parts()
            .filter(|(node, part)| leads(node, part) && part.term < term)
            .map(|(node, _)| node.name.clone())
            .collect::<Vec<_>>();
        let leader = newest.map(|(node, _)| node.name.clone()).filter(|name| !deposed.contains(name));
        let leader = leader.or_else(|| {
            parts()
                .filter(|(_, part)| part.term == term)
                .find_map(|(node, part)| self.told_leader(node, part))
        });
        // One whose events do not come leads a newer term by now than the last one that it spoke of itself.
        deposed.retain(|name| leader.as_ref() != Some(name));
        Leadership { term, leader, deposed }
    }

    /// The leader that a node knows of, where that one's own events do not come.
    fn told_leader(&self, node: &NodeView, part: &GroupView) -> Option<NodeName> {
        let leader = self.node(part.leader.as_ref()?)?;
        let hidden = leader.process == Process::Unknown && leader.stream != StreamState::Live;
        // What it said of that term itself counts for more.
        let unsaid = leader.groups.get(&part.group).is_none_or(|own| own.term < part.term);
        let told = node.stream == StreamState::Live && self.presence(leader) != Presence::Gone;
        (hidden && unsaid && told).then(|| leader.name.clone())
    }
}
