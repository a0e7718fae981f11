//! What the panel shows beside the lines themselves: which of them, the lit edge of the state diagram, hit rates.

use orrery_base::ids::NodeName;
use orrery_base::sorted::sort_by;
use orrery_cache::table::Stimulus;
use orrery_cache::{Address, Cause};
use orrery_projection::view::{Moved, Rate, View};

/// Most lines that are drawn. Of more, those to which something happened last.
pub const ROWS_MAX: usize = 16;
/// Seconds of a node's hit rate that are drawn.
pub const SPARK_S: u64 = 60;

/// The lines that are drawn, by name, and how many more there are.
pub fn rows(view: &View) -> (Vec<Address>, usize) {
    let mut all = view.cache.addresses();
    let more = all.len().saturating_sub(ROWS_MAX);
    if more > 0 {
        let used = |address: &Address| {
            let copies = view.cache.nodes.values().filter_map(|node| node.lines.get(address));
            copies.map(|copy| copy.moved.map(|moved| moved.at_us).max(copy.hit_us)).max()
        };
        let mut by_use: Vec<_> = all.iter().map(|address| (used(address), address.clone())).collect();
        sort_by(&mut by_use, |a, b| (&b.0, &a.1).cmp(&(&a.0, &b.1)));
        all = by_use.into_iter().take(ROWS_MAX).map(|(_, address)| address).collect();
        sort_by(&mut all, Ord::cmp);
    }
    (all, more)
}

/// The edge of the state diagram that is lit: of the chosen cell, or the last one anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeLook {
    pub node: NodeName,
    pub address: Address,
    pub moved: Moved,
    /// A client was answered from the copy since then.
    pub hit: bool,
}

impl EdgeLook {
    /// Of the view; `chosen` is a node and a line.
    pub fn of(view: &View, chosen: Option<(&str, &str)>) -> Option<EdgeLook> {
        let found = chosen.and_then(|(node, address)| {
            let (node, _) = view.nodes.iter().find(|(name, _)| *name == node)?;
            let (address, copy) =
                view.cache.nodes.get(node)?.lines.iter().find(|(name, _)| *name == address)?;
            Some((node, address, copy.moved?))
        });
        let (node, address, moved) = found.or_else(|| view.cache.last_moved())?;
        let hit = view.cache.copy(node, address).and_then(|copy| copy.hit_us);
        let hit = hit.is_some_and(|hit_us| hit_us > moved.at_us);
        Some(EdgeLook { node: node.clone(), address: address.clone(), moved, hit })
    }
}

/// The row of the table that a cause stands for; none where it is none of a node's stimuli.
pub fn stimulus_of(cause: Cause) -> Option<Stimulus> {
    Some(match cause {
        Cause::LocalRead => Stimulus::LocalRead,
        Cause::LocalWrite => Stimulus::LocalWrite,
        Cause::Evict => Stimulus::Evict,
        Cause::Inv => Stimulus::Inv,
        Cause::Fetch => Stimulus::Fetch,
        Cause::FetchInv => Stimulus::FetchInv,
        Cause::LeaseOut => Stimulus::LeaseOut,
        Cause::WriteBack | Cause::Registered | Cause::Refused | Cause::Unknown => return None,
    })
}

/// What a node counted, and its hit rate second by second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UseLook {
    pub lines: u64,
    /// Hits of the last minute, percent.
    pub hit_rate: Option<u32>,
    /// Copies that homes took away.
    pub invalidations: u64,
    /// Writes that were written back.
    pub write_backs: u64,
    /// Copies that went because there was no more room.
    pub evictions: u64,
    /// Points of the sparkline: parts of its width and of its height.
    pub spark: Vec<(f64, f64)>,
}

impl UseLook {
    /// Of a node, at a second of the view clock.
    pub fn of(view: &View, node: &str, now_s: u64) -> UseLook {
        let Some(cache) = view.cache.nodes.get(node) else { return UseLook::default() };
        let stats = &cache.stats;
        let point = |rate: &Rate| {
            let age_s = (now_s + 1).saturating_sub(rate.at_us / 1_000_000);
            let place = 1.0 - age_s as f64 / SPARK_S as f64;
            Some((place, rate.share()?)).filter(|(place, _)| *place >= 0.0)
        };
        UseLook {
            lines: stats.lines,
            hit_rate: stats.hit_rate_1m.map(|rate| (rate * 100.0).round() as u32),
            invalidations: stats.invalidations_received,
            write_backs: stats.write_backs,
            evictions: stats.evictions,
            spark: cache.rates.iter().filter_map(point).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use orrery_cache::{LineFact, State};
    use orrery_event::Fact;

    use super::*;
    use crate::look::cache::tests::{ONLY, changed, cluster, say};

    #[test]
    fn the_lines_that_are_drawn_are_those_that_were_used_last() {
        let mut view = cluster();
        for number in 0..ROWS_MAX as u64 + 4 {
            changed(&mut view, "node2", 100 - number, &format!("line{number:02}"), State::S);
        }
        let (shown, more) = rows(&view);
        assert_eq!((shown.len(), more), (ROWS_MAX, 4));
        assert_eq!((shown[0].as_str(), shown[ROWS_MAX - 1].as_str()), ("line00", "line15"));
    }

    #[test]
    fn the_edge_is_of_the_chosen_cell_or_the_last_one() {
        let mut view = cluster();
        assert_eq!(EdgeLook::of(&view, None), None);
        changed(&mut view, "node2", 30, "price", State::E);
        changed(&mut view, "node3", 40, "seat", State::S);
        let edge = |chosen| EdgeLook::of(&view, chosen).map(|edge| (edge.node.to_string(), edge.moved.to));
        assert_eq!(edge(None), Some(("node3".into(), State::S)));
        assert_eq!(edge(Some(("node2", "price"))), Some(("node2".into(), State::E)));
        assert_eq!(edge(Some(("node1", "price"))), Some(("node3".into(), State::S)));
        let hit = LineFact::Hit { address: "seat".into(), state: State::S, write: false };
        say(&mut view, "node3", 50, Fact::CacheLine { group: ONLY, fact: hit });
        assert!(EdgeLook::of(&view, None).is_some_and(|edge| edge.hit));
    }

    #[test]
    fn a_minute_of_hits_is_a_line() {
        let mut view = cluster();
        let mut cache = orrery_projection::view::NodeCache::default();
        let rate = |s: u64, hits, misses| Rate { at_us: s * 1_000_000, hits, misses };
        cache.rates = vec![rate(10, 1, 1), rate(100, 3, 1), rate(115, 0, 0), rate(120, 1, 0)];
        view.cache.nodes.insert("node2".into(), cache);
        let spark = UseLook::of(&view, "node2", 119).spark;
        assert_eq!(spark, [(1.0 - 20.0 / 60.0, 0.75), (1.0, 1.0)]);
    }
}
