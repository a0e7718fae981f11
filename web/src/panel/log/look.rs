//! What the log matrix says of a group as a whole: which groups there are, the quorum, what an entry says.

use orrery_base::ids::{GroupId, LogIndex, NodeName, Term};
use orrery_base::sorted::sort_by;
use orrery_projection::view::View;
use smol_str::SmolStr;

use crate::look::log::part;

/// Every group that a node said something of, in order.
pub fn groups(view: &View) -> Vec<GroupId> {
    let mut groups: Vec<GroupId> = vec![GroupId::CONTROL];
    for group in view.in_order().flat_map(|node| node.groups.keys()) {
        if let Err(place) = groups.binary_search(group) {
            groups.insert(place, *group);
        }
    }
    groups
}

/// What an entry says, asked of whoever has it.
pub fn what(view: &View, group: GroupId, index: LogIndex) -> Option<(Term, SmolStr)> {
    view.order.iter().find_map(|name| {
        let entry = part(view, name, group)?.entry(index)?;
        Some((entry.term, entry.what.clone()))
    })
}

/// Who votes in a group, as far as its leader says, or else anybody.
fn voters(view: &View, group: GroupId) -> &[NodeName] {
    let control = group == GroupId::CONTROL && !view.membership.voters.is_empty();
    if control {
        return &view.membership.voters;
    }
    let leader = view.leadership_of(group).leader;
    let parts = || view.order.iter().filter_map(|name| Some((name, part(view, name, group)?)));
    let of_leader = parts().find(|(name, _)| Some(*name) == leader.as_ref());
    let told = of_leader.or_else(|| parts().max_by_key(|(_, part)| part.term));
    match told.map(|(_, part)| part.voters.as_slice()) {
        Some(voters) if !voters.is_empty() => voters,
        _ if group == GroupId::CONTROL => view.order.as_slice(),
        _ => &[],
    }
}

/// The highest index that a majority of the voters has on its disks, by their own reports.
pub fn quorum_index(view: &View, group: GroupId) -> Option<LogIndex> {
    let voters = voters(view, group);
    let mut synced: Vec<Option<LogIndex>> =
        voters.iter().map(|name| part(view, name, group).and_then(|part| part.synced)).collect();
    sort_by(&mut synced, |a, b| b.cmp(a));
    synced.get(voters.len() / 2).copied().flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orrery_projection::view::{GroupView, NodeView};

    use super::*;
    use crate::look::log::window;

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
            assert_eq!(quorum_index(&view(&synced), GroupId::CONTROL), line, "{synced:?}");
        }
    }

    #[test]
    fn the_window_ends_at_the_longest_log() {
        assert_eq!(window(&view(&[None, None]), GroupId::CONTROL, 7), 0..0);
        assert_eq!(window(&view(&[Some(3), Some(2)]), GroupId::CONTROL, 7), 0..4);
        assert_eq!(window(&view(&[Some(30), Some(2)]), GroupId::CONTROL, 7), 24..31);
    }

    #[test]
    fn a_shard_has_a_log_of_its_own_and_voters_of_its_own() {
        let mut view = view(&[Some(9), Some(9), Some(9)]);
        let shard = GroupId(2);
        for (name, synced) in [("node1", 40), ("node2", 38)] {
            let voters = vec!["node1".into(), "node2".into()];
            let part = GroupView {
                group: shard,
                synced: Some(synced),
                last_log: Some(synced),
                voters,
                ..GroupView::default()
            };
            let node = view.nodes.get_mut(name).map(Arc::make_mut);
            if let Some(node) = node {
                node.groups.insert(shard, Arc::new(part));
            }
        }
        assert_eq!(groups(&view), [GroupId::CONTROL, shard]);
        assert_eq!((quorum_index(&view, shard), quorum_index(&view, GroupId::CONTROL)), (Some(38), Some(9)));
        assert_eq!((window(&view, shard, 5), window(&view, GroupId(7), 5)), (36..41, 0..0));
        assert_eq!(quorum_index(&view, GroupId(7)), None);
    }
}
