//! The log matrix: rows of nodes over one window of indices.

use orrery_shared::event::view::{GroupView, Mark, View};
use orrery_shared::ids::{LogIndex, Term};
use orrery_shared::sorted::sort_by;
use smol_str::SmolStr;

/// One square of a log row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Which entry.
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

/// The last `count` indices of the longest log. Empty while no log has an entry.
pub fn window(view: &View, count: u64) -> std::ops::Range<LogIndex> {
    let last = view.order.iter().filter_map(|name| view.control(name)?.last_log).max();
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

/// What an entry says, asked of whoever has it.
pub fn what(view: &View, index: LogIndex) -> Option<(Term, SmolStr)> {
    view.order.iter().find_map(|name| {
        let entry = view.control(name)?.entry(index)?;
        Some((entry.term, entry.what.clone()))
    })
}

/// The highest index that a majority of the voters has on its disks, by their own reports.
pub fn quorum_index(view: &View) -> Option<LogIndex> {
    let voters =
        if view.membership.voters.is_empty() { view.order.as_slice() } else { &view.membership.voters };
    let mut synced: Vec<Option<LogIndex>> =
        voters.iter().map(|name| view.control(name).and_then(|part| part.synced)).collect();
    sort_by(&mut synced, |a, b| b.cmp(a));
    synced.get(voters.len() / 2).copied().flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orrery_shared::event::view::NodeView;
    use orrery_shared::ids::GroupId;

    use super::*;

    fn view(synced: &[Option<LogIndex>]) -> View {
        let mut view = View::default();
        let mut order = Vec::new();
        for (place, &synced) in synced.iter().enumerate() {
            let name = SmolStr::from(format!("node{}", place + 1));
            let part = GroupView { synced, last_log: synced, ..GroupView::default() };
            let node = NodeView {
                name: name.clone(),
                groups: [(GroupId::CONTROL, Arc::new(part))].into_iter().collect(),
                ..NodeView::default()
            };
            view.nodes.insert(name.clone(), Arc::new(node));
            order.push(name);
        }
        view.order = Arc::new(order);
        view
    }

    #[test]
    fn the_quorum_line_is_at_the_median() {
        for (synced, line) in [
            (vec![Some(9), Some(7), Some(4)], Some(7)),
            (vec![Some(9), None, None], None),
            (vec![Some(3), Some(3), Some(8), Some(9), None], Some(3)),
            (vec![Some(5), Some(6), Some(7), Some(8)], Some(6)),
        ] {
            assert_eq!(quorum_index(&view(&synced)), line, "{synced:?}");
        }
    }

    #[test]
    fn the_window_ends_at_the_longest_log() {
        assert_eq!(window(&view(&[None, None]), 7), 0..0);
        assert_eq!(window(&view(&[Some(3), Some(2)]), 7), 0..4);
        assert_eq!(window(&view(&[Some(30), Some(2)]), 7), 24..31);
    }
}
