//! Squares of a node's log, for the strip on the stage and for the panel.

use std::sync::Arc;

use orrery_base::ids::{GroupId, LogIndex, Term};
use orrery_projection::view::{GroupView, Mark, View};

/// One square of a log row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub index: LogIndex,
    /// How far it is here; none where it is missing.
    pub mark: Option<Mark>,
    /// Its term, while it is in the drawn tail.
    pub term: Option<Term>,
    /// A snapshot replaced it.
    pub purged: bool,
}

impl Cell {
    /// It is committed, as far as this node knows.
    pub fn committed(&self) -> bool {
        self.mark >= Some(Mark::Committed)
    }

    /// The class that draws it.
    pub fn class(&self) -> &'static str {
        match self.mark {
            None => "missing",
            Some(Mark::Appended) => "appended",
            Some(Mark::Durable) => "durable",
            Some(Mark::Committed | Mark::Applied) => "committed",
        }
    }
}

/// A node's part in a group.
pub fn part<'a>(view: &'a View, name: &str, group: GroupId) -> Option<&'a GroupView> {
    view.node(name)?.groups.get(&group).map(Arc::as_ref)
}

/// The last `count` indices of the longest log of a group. Empty while no log has an entry.
pub fn window(view: &View, group: GroupId, count: u64) -> std::ops::Range<LogIndex> {
    let last = view.order.iter().filter_map(|name| part(view, name, group)?.last_log).max();
    match last {
        None => 0..0,
        Some(last) => (last + 1).saturating_sub(count)..last + 1,
    }
}

/// A node's squares of a window.
pub fn cells(part: Option<&GroupView>, window: std::ops::Range<LogIndex>) -> Vec<Cell> {
    window
        .map(|index| Cell {
            index,
            mark: part.and_then(|part| part.mark(index)),
            term: part.and_then(|part| part.entry(index)).map(|entry| entry.term),
            purged: part.and_then(|part| part.purged).is_some_and(|purged| index <= purged),
        })
        .collect()
}
