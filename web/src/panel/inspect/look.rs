//! What is shown of a node: a word and a value each.

use orrery_base::ids::{LogIndex, NodeName};
use orrery_narrate::exit_cause_in_indonesian;
use orrery_projection::view::{NodeView, View};

use super::words::{WORDS, Words};
use crate::i18n::Lang;
use crate::i18n::number::{duration, grouped};
use crate::look::NodeLook;
use crate::look::faults::CLOCK_OFFSET_SHOWN_US;
use crate::stage::node::status_word;

/// The rows of a node; `time` says a moment of the hybrid logical clock, microseconds, as the reader's time of day.
pub fn rows(
    view: &View,
    name: &NodeName,
    lang: Lang,
    time: fn(u64) -> String,
) -> Vec<(&'static str, String)> {
    let Some(node) = view.node(name) else { return Vec::new() };
    let look = NodeLook::of(view, name);
    let (words, cluster) = (WORDS.of(lang), &lang.strings().cluster);
    let index = |index: Option<LogIndex>| index.map_or_else(|| "–".to_owned(), |index| grouped(index, lang));
    let someone =
        |name: &Option<NodeName>| name.as_ref().map_or(words.nobody.to_owned(), ToString::to_string);
    let mut rows = vec![(words.status, process(node, &look, lang))];
    if let Some(part) = view.control(name) {
        let role = if look.deposed { cluster.deposed } else { (cluster.role)(part.role) };
        rows.push((words.role, format!("{role} · {} {}", cluster.term, part.term)));
        rows.push((words.voted_for, someone(&part.voted_for)));
        rows.push((words.follows, someone(&part.leader)));
        rows.push((words.last_entry, index(part.last_log)));
        rows.push((words.on_disk, index(part.synced)));
        rows.push((cluster.committed, index(part.commit)));
        rows.push((words.applied, index(part.applied)));
        rows.push((words.snapshot_through, index(part.purged)));
        if let Some(heard) = part.last_contact_us {
            rows.push((words.heard, time(heard)));
        }
    }
    rows.push((words.address, node.address.to_string()));
    rows.push((words.boot, node.boot.to_string()));
    rows.push((words.links, links(view, name, words, lang)));
    let offset_us = node.clock_offset_us.unsigned_abs();
    if offset_us > CLOCK_OFFSET_SHOWN_US {
        rows.push(("◷", (words.clock_altered)(&duration(offset_us, lang))));
    }
    rows
}

fn process(node: &NodeView, look: &NodeLook, lang: Lang) -> String {
    let mut said = status_word(look.status, lang.strings()).to_owned();
    if !node.exit_cause.is_empty() {
        let cause = match lang {
            Lang::En => node.exit_cause.to_string(),
            Lang::Id => exit_cause_in_indonesian(&node.exit_cause),
        };
        said.push_str(&format!(" ({cause})"));
    }
    if look.stale {
        said.push_str(&format!(" · {}", WORDS.of(lang).stale));
    }
    said
}

fn links(view: &View, name: &NodeName, words: &'static Words, lang: Lang) -> String {
    let others = view.order.iter().filter(|other| *other != name);
    let word = |other: &NodeName| {
        let link = view.link(name, other);
        let state = match (link.fault.cut, link.up) {
            (true, _) => format!("⚡ {}", words.link_cut),
            (false, Some(true)) if link.beats.answered > 0 => duration(link.beats.round_trip_us, lang),
            (false, Some(true)) => words.link_up.to_owned(),
            (false, Some(false)) => words.link_down.to_owned(),
            (false, None) => "–".to_owned(),
        };
        format!("{other} {state}")
    };
    others.map(word).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orrery_base::fault::Fault;
    use orrery_base::ids::GroupId;
    use orrery_projection::view::{GroupView, Process};

    use super::*;

    fn said(view: &View, lang: Lang) -> Vec<String> {
        let rows = rows(view, &"node1".into(), lang, |us| us.to_string());
        rows.into_iter().map(|(word, value)| format!("{word}: {value}")).collect()
    }

    #[test]
    fn a_node_that_says_nothing_has_few_rows() {
        assert!(said(&View::default(), Lang::En).is_empty());
        let mut view = View::default();
        let node = NodeView {
            name: "node1".into(),
            process: Process::Down,
            exit_cause: "killed".into(),
            ..NodeView::default()
        };
        view.nodes.insert("node1".into(), Arc::new(node));
        assert_eq!(said(&view, Lang::En), ["Process: down (killed)", "Address: ", "Boot: 0", "Links: "]);
    }

    #[test]
    fn a_node_says_how_far_its_log_is_and_how_its_links_are() {
        let mut view = View::default();
        let part = GroupView {
            term: 3,
            leader: Some("node2".into()),
            last_log: Some(1_284),
            last_contact_us: Some(7),
            ..GroupView::default()
        };
        let node = NodeView {
            name: "node1".into(),
            process: Process::Up,
            groups: [(GroupId::CONTROL, Arc::new(part))].into_iter().collect(),
            clock_offset_us: -300_000,
            ..NodeView::default()
        };
        view.nodes.insert("node1".into(), Arc::new(node));
        view.order = Arc::new(["node1", "node2", "node3"].map(NodeName::from).to_vec());
        view.links.get_or_default(&("node1".into(), "node2".into())).up = Some(true);
        view.links.get_or_default(&("node1".into(), "node3".into())).fault = Fault::CUT;
        let english = said(&view, Lang::En);
        for row in [
            "Role: follower · term 3",
            "Voted for: nobody",
            "Follows: node2",
            "Last entry: 1,284",
            "On its disk: –",
            "Heard from the leader: 7",
            "Links: node2 open · node3 ⚡ cut",
            "◷: its clock is off by 300 ms",
        ] {
            assert!(english.iter().any(|said| said == row), "{row} in {english:?}");
        }
        let indonesian = said(&view, Lang::Id);
        assert_eq!(indonesian.len(), english.len());
        assert!(indonesian.contains(&"Entri terakhir: 1.284".to_owned()), "{indonesian:?}");
    }
}
