//! The hash ring around the nodes: each shard an arc in the hue of its leader, each virtual node a tick in the hue
//! of its node. The same in words stands in the table of the queue panel.

use std::sync::Arc;

use leptos::prelude::*;
use orrery_base::ids::{GroupId, NodeName};
use orrery_placement::RingView;

use super::change::Ghosts;
use super::geometry::{Geometry, NODE_RING, RING_HALF};
use crate::i18n::number::{coordinate, fixed_point, path, translate};
use crate::look::hue;
use crate::look::ring::{Fare, RingLook, ShardLook, virtual_nodes};
use crate::shared::Shared;
use crate::ui::Ui;

/// Free at both ends of an arc, as a part of a turn.
const GAP: f64 = 0.0035;
/// With more shards their names would touch: only the chosen one is named.
const NAMED_MAX: usize = 32;

/// What tells nodes apart where there is room for two letters: the digits at the end of the name, or its beginning.
pub fn mark_of(name: &str) -> String {
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let mark = if digits < name.len() { &name[digits..] } else { name };
    mark.chars().take(2).collect()
}

/// The part of the ring between two parts of a turn, `out` units outside of its middle.
pub fn arc(geometry: &Geometry, out: f64, from: f64, to: f64) -> String {
    let (start, end) = (geometry.on_ring(from, out), geometry.on_ring(to, out));
    let radius = fixed_point(geometry.ring_radius() + out, 1);
    let large = if to - from > 0.5 { " 0 1 1" } else { " 0 0 1" };
    [&path(&[("M", start.x, start.y)]), "A", &radius, " ", &radius, large, &path(&[(" ", end.x, end.y)])]
        .concat()
}

/// Short lines across the ring at parts of a turn.
fn strokes(geometry: &Geometry, turns: impl Iterator<Item = f64>, inner: f64, outer: f64) -> String {
    let stroke = |turn: f64| {
        let (from, to) = (geometry.on_ring(turn, inner), geometry.on_ring(turn, outer));
        path(&[("M", from.x, from.y), ("L", to.x, to.y)])
    };
    turns.map(stroke).collect()
}

#[component]
pub(crate) fn RingLayer(geometry: Memo<Geometry>, shared: Shared) -> impl IntoView {
    let (ring, change, members) = (shared.ring, shared.change, shared.members);
    let tokens = move || {
        let (geometry, ring) = (geometry.get(), ring.get());
        strokes(
            &geometry,
            (0..ring.shards.len()).map(|place| ring.arc(place).1),
            -RING_HALF - 3.0,
            RING_HALF + 3.0,
        )
    };
    view! {
        <g class="ring" aria-hidden="true">
            {move || {
                let (geometry, order) = (geometry.get(), shared.order.get());
                members.with(|members| ticks(&geometry, members, &order))
            }}
            {move || {
                let (geometry, ring, order) = (geometry.get(), ring.get(), shared.order.get());
                (0..ring.shards.len()).map(|place| draw(&geometry, &ring, place, &order)).collect_view()
            }}
            <path class="tokens" d=tokens />
            <Ghosts geometry change />
            {move || chosen(&geometry.get(), &ring.get())}
        </g>
    }
}

/// One path for all virtual nodes of a node.
fn ticks(geometry: &Geometry, members: &RingView, order: &[NodeName]) -> AnyView {
    virtual_nodes(members, order)
        .into_iter()
        .enumerate()
        .map(|(place, turns)| {
            let d = strokes(geometry, turns.into_iter(), -RING_HALF - 7.0, -RING_HALF - 2.0);
            view! { <path class=["vnodes ", hue(place)].concat() d=d /> }
        })
        .collect_view()
        .into_any()
}

fn draw(geometry: &Geometry, ring: &RingLook, place: usize, order: &Arc<Vec<NodeName>>) -> AnyView {
    let ui = Ui::expect();
    let look = &ring.shards[place];
    let (from, to) = ring.arc(place);
    let (shard, middle) = (look.shard, (from + to) / 2.0);
    let (class, mark) = match (look.fare, look.leader) {
        (Fare::NoMajority, _) => ("shard lost".to_owned(), "✕".to_owned()),
        (_, Some(leader)) => (
            ["shard ", hue(leader)].concat(),
            order.get(leader).map(|name| mark_of(name)).unwrap_or_default(),
        ),
        _ => ("shard leaderless".to_owned(), "?".to_owned()),
    };
    let named = ring.shards.len() <= NAMED_MAX;
    let badge = geometry.on_ring(middle, 0.0);
    let band = arc(geometry, 0.0, from + GAP, to - GAP);
    let choose = move || ui.shard.set(Some(shard));
    view! {
        <g
            class=move || [class.as_str(), if ui.shard.get() == Some(shard) { " chosen" } else { "" }].concat()
            data-testid=format!("shard-{}", shard.0)
            data-state=look.fare.name()
            data-leader=look.leader.and_then(|leader| order.get(leader)).map(|name| name.to_string())
            on:pointerenter=move |_| choose()
            on:pointerleave=move |_| ui.shard.set(None)
        >
            <path class="reach" d=band.clone() />
            <path class="arc" d=band />
            <g class="badge" transform=translate(badge.x, badge.y)>
                <circle r="8.5" />
                <text y="4">{mark}</text>
            </g>
            {named.then(|| label(geometry, middle, look))}
        </g>
    }.into_any()
}

/// The shard's name outside of its arc; one that cannot be used says so along the arc.
fn label(geometry: &Geometry, middle: f64, look: &ShardLook) -> AnyView {
    let ui = Ui::expect();
    let led = look.fare == Fare::Led;
    // What is longer than a name is clear of the badge.
    let at = geometry.on_ring(middle, if led { 18.0 } else { 23.0 });
    let name = look.shard.to_string();
    if led {
        return view! { <text class="shard-name" x=coordinate(at.x) y=coordinate(at.y + 4.0)>{name}</text> }
            .into_any();
    }
    let no_majority = look.fare == Fare::NoMajority;
    // Upright in the lower half too.
    let tilt = if (0.25..0.75).contains(&middle) { middle - 0.5 } else { middle };
    let transform = [&translate(at.x, at.y), " rotate(", &fixed_point(tilt * 360.0, 1), ")"].concat();
    view! {
        // The box around what is tilted reaches over the badge, the words do not.
        <text class="shard-name" class:bad=no_majority y="4" transform=transform data-overlap="intended">
            {move || {
                let words = &ui.t().ring;
                [name.as_str(), " ", if no_majority { words.no_majority } else { words.no_leader }].concat()
            }}
        </text>
    }
    .into_any()
}

/// The replicas of the chosen shard: thin lines to their nodes, numbered clockwise from the preferred leader.
fn chosen(geometry: &Geometry, ring: &RingLook) -> AnyView {
    let ui = Ui::expect();
    let found = ui.shard.get().and_then(|shard: GroupId| ring.get(shard));
    let Some((place, look)) = found else { return ().into_any() };
    let (from, to) = ring.arc(place);
    let start = geometry.on_ring((from + to) / 2.0, -RING_HALF);
    look.replicas.iter().enumerate().map(|(number, node)| {
        let center = geometry.node(*node);
        let rim = center.toward(start, (NODE_RING + 4.0) / center.distance(start).max(1.0));
        view! {
            <g class=["replica ", hue(*node), if look.leader == Some(*node) { " leads" } else { "" }].concat()>
                <line x1=coordinate(start.x) y1=coordinate(start.y) x2=coordinate(rim.x) y2=coordinate(rim.y) />
                <g transform=translate(rim.x, rim.y)>
                    <circle r="8.5" />
                    <text y="4">{(number + 1).to_string()}</text>
                </g>
            </g>
        }
    }).collect_view().into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_told_by_its_number_or_its_first_letters() {
        for (name, mark) in [("node1", "1"), ("node12", "12"), ("rack7-103", "10"), ("alpha", "al"), ("", "")]
        {
            assert_eq!(mark_of(name), mark);
        }
    }

    #[test]
    fn an_arc_that_is_longer_than_half_a_turn_goes_the_long_way() {
        let stage = Geometry::new(5, false, true);
        assert!(arc(&stage, 0.0, 0.0, 0.125).contains(" 0 0 1 "));
        assert!(arc(&stage, 0.0, GAP, 1.0 - GAP).contains(" 0 1 1 "));
    }
}
