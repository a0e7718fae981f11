//! The shard map, and who leads a shard.

use orrery_base::ids::{GroupId, NodeName};
use orrery_event::fact::Role;
use orrery_placement::{Move, ShardTable, change, ring_of};
use orrery_projection::view::View;
use smol_str::ToSmolStr;

use super::{Said, Topic, words};

/// The map as it is from now on; nothing where a map at least as new is known.
pub(super) fn placed(view: &View, table: &ShardTable) -> Option<Said> {
    let known = &view.ring.table;
    if table.version <= known.version {
        return None;
    }
    let (shards, nodes) = (table.shards.len(), table.nodes.len());
    if known.version == 0 {
        let on = super::counted(nodes as u64, "node", "nodes");
        let laid = super::counted(shards as u64, "shard", "shards");
        return Some(words::filled(
            Topic::Ring,
            words!["The ring is laid out: {0} on {1}", "Cincin telah ditata: {0} shard pada {1} node"],
            [&[&laid, &on], &[&shards.to_smolstr(), &nodes.to_smolstr()]],
        ));
    }
    let ring = ring_of(table);
    let step = change((&view.ring.ring, known), (&ring, table));
    let base = view.ring.base_of(table);
    let change = change((&base.ring, &base.table), (&ring, table));
    let (moved, total) = (change.replicas_moved, change.replicas_total);
    let [share, ideal, modulo] = [change.replicas_share, change.ideal_share, change.modulo_share]
        .map(|part| (part * 100.0).round() as u32);
    let (what, apa) = match step.moves.as_slice() {
        [Move { shard, from: Some(from), to: Some(to) }] => {
            (format!("{shard} moves from {from} to {to}"), format!("{shard} pindah dari {from} ke {to}"))
        }
        _ => (format!("Shard map {}", table.version), format!("Peta shard {}", table.version)),
    };
    let replicas = super::counted(u64::from(total), "replica", "replicas");
    let [moved, total, share, ideal, modulo] =
        [moved, total, share, ideal, modulo].map(|figure| figure.to_smolstr());
    Some(words::filled(
        Topic::Ring,
        words![
            "{0}; so far {1} of {2} moved ({3} %, ideal {4} %, modulo hashing {5} %)",
            "{0}; sejauh ini {1} dari {2} replika berpindah ({3} %, ideal {4} %, hashing modulo {5} %)"
        ],
        [
            &[&what, &moved, &replicas, &share, &ideal, &modulo],
            &[&apa, &moved, &total, &share, &ideal, &modulo],
        ],
    ))
}

/// A node leads a shard from now on.
pub(super) fn leads(view: &View, node: &NodeName, shard: GroupId, term: u64) -> Option<Said> {
    let part = view.node(node).and_then(|node| node.groups.get(&shard));
    if part.is_some_and(|part| part.role == Role::Leader && part.term == term) {
        return None;
    }
    let preferred = view.ring.placed(shard).and_then(|placed| placed.replicas.first());
    let words = match preferred {
        Some(preferred) if preferred != node => words![
            "{0} leads shard {1} in term {2} in place of {3}, which the ring prefers",
            "{0} memimpin shard {1} pada term {2}, menggantikan {3} pilihan cincin"
        ],
        _ => words!["{0} leads shard {1} in term {2}", "{0} memimpin shard {1} pada term {2}"],
    };
    let prefers = preferred.map_or("", NodeName::as_str);
    let gaps = [node, &*shard.to_smolstr(), &term.to_smolstr(), prefers];
    Some(words::said(Topic::Ring, words, &gaps).alike("shard leader"))
}
