//! Who waits for whom. Only a cycle is drawn thick, its edges numbered, its victim marked.

use leptos::prelude::*;
use orrery_lock::{Holder, WaitEdge};

use super::look::WaitGraph;
use super::words::WORDS;
use crate::i18n::number;
use crate::math::hypot;
use crate::store::Playback;
use crate::ui::Ui;

const WIDTH: f64 = 330.0;
const RADIUS: f64 = 21.0;

#[component]
pub(crate) fn Graph() -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let graph = Memo::new(move |_| playback.calm.with(|view| WaitGraph::of(view)));
    let cycle = Memo::new(move |_| graph.with(|graph| !graph.cycle.is_empty()));
    let empty = Memo::new(move |_| graph.with(|graph| graph.people.is_empty()));
    view! {
        <div class="card waits" data-testid="wait-graph">
            <p class="head">
                <span>{WORDS.told(|t| t.waits_for)}</span>
                {move || {
                    if cycle.get() {
                        view! { <b class="bad" data-testid="cycle">"⟳ " {ui.words(&WORDS).cycle_found}</b> }.into_any()
                    } else if empty.get() {
                        view! { <span>{ui.words(&WORDS).no_waits}</span> }.into_any()
                    } else {
                        view! { <span>{ui.words(&WORDS).no_cycle}</span> }.into_any()
                    }
                }}
            </p>
            {move || (!empty.get()).then(|| draw(&graph.get(), ui))}
        </div>
    }
}

fn height(graph: &WaitGraph) -> f64 {
    match graph.people.len() {
        0..=2 => 104.0,
        3 => 190.0,
        _ => 230.0,
    }
}

fn draw(graph: &WaitGraph, ui: Ui) -> AnyView {
    let height = height(graph);
    let margin = if graph.people.len() <= 2 { (58.0, 50.0) } else { (64.0, 38.0) };
    let places = graph.places(WIDTH, height, margin);
    let place = |person: &Holder| {
        graph.people.iter().position(|other| other == person).map_or((0.0, 0.0), |place| places[place])
    };
    // Beside a cycle all other waits step back: no words, and none between two who are in it.
    let quiet = !graph.cycle.is_empty();
    let within = |person: &Holder| graph.cycle.iter().any(|edge| edge.waiter == *person);
    let others = graph.others.iter().filter(|edge| !(within(&edge.waiter) && within(&edge.blocker)));
    let thin = others.map(|edge| thin_edge(edge, place(&edge.waiter), place(&edge.blocker), quiet));
    let (count, sum) = (graph.cycle.len().max(1) as f64, |pick: fn((f64, f64)) -> f64| {
        graph.cycle.iter().map(|edge| pick(place(&edge.waiter))).sum::<f64>()
    });
    let middle = (sum(|at| at.0) / count, sum(|at| at.1) / count);
    let numbered = graph.cycle.iter().enumerate();
    let thick = numbered
        .map(|(i, edge)| cycle_edge(i + 1, edge, place(&edge.waiter), place(&edge.blocker), middle, ui));
    let people = graph.people.iter().map(|person| {
        let (x, y) = place(person);
        let victim = graph.victim.as_ref() == Some(person);
        let name: String = person.client.chars().take(9).collect();
        view! {
            <g class="person" class:victim=victim transform=number::translate(x, y)>
                <circle r=number::coordinate(RADIUS) />
                <text y="4.5">{name}</text>
                {victim
                    .then(|| {
                        view! {
                            <text class="refused" y=number::coordinate(RADIUS + 14.0) data-testid="victim">
                                {move || format!("✕ {}", ui.words(&WORDS).refused)}
                            </text>
                        }
                    })}
            </g>
        }
    });
    view! {
        <svg class="graph" viewBox=format!("0 0 {} {}", WIDTH as u64, height as u64) role="img" aria-label=said(graph)>
            <defs>
                <marker id="arrow-cycle" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto" markerUnits="userSpaceOnUse" viewBox="0 0 6 6">
                    <path class="arrow-cycle" d="M0 0L6 3L0 6z" />
                </marker>
                <marker id="arrow-cycle-big" markerWidth="13" markerHeight="13" refX="5" refY="3" orient="auto" markerUnits="userSpaceOnUse" viewBox="0 0 6 6">
                    <path class="arrow-cycle" d="M0 0L6 3L0 6z" />
                </marker>
                <marker id="arrow-thin" markerWidth="9" markerHeight="9" refX="5" refY="3" orient="auto" markerUnits="userSpaceOnUse" viewBox="0 0 6 6">
                    <path class="arrow-thin" d="M0 0L6 3L0 6z" />
                </marker>
            </defs>
            {thin.collect_view()}
            {thick.collect_view()}
            {people.collect_view()}
        </svg>
    }.into_any()
}

/// The graph in words, for ears.
fn said(graph: &WaitGraph) -> String {
    let edges = graph.cycle.iter().chain(&graph.others);
    edges
        .map(|edge| format!("{} → {} ({})", edge.waiter, edge.blocker, edge.resource))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A curve between the rims of two discs, bent to the left of its direction, and the middle of it.
fn curve(from: (f64, f64), to: (f64, f64), bend: f64) -> (String, (f64, f64)) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = hypot(dx, dy).max(1.0);
    let (ux, uy) = (dx / length, dy / length);
    let control = ((from.0 + to.0) / 2.0 + uy * bend, (from.1 + to.1) / 2.0 - ux * bend);
    let rim = |center: (f64, f64), gap: f64| {
        let (cx, cy) = (control.0 - center.0, control.1 - center.1);
        let away = hypot(cx, cy).max(1.0);
        (center.0 + cx / away * gap, center.1 + cy / away * gap)
    };
    let (start, end) = (rim(from, RADIUS + 2.0), rim(to, RADIUS + 5.0));
    let path = number::path(&[("M", start.0, start.1), ("Q", control.0, control.1), (" ", end.0, end.1)]);
    let middle = ((start.0 + 2.0 * control.0 + end.0) / 4.0, (start.1 + 2.0 * control.1 + end.1) / 4.0);
    (path, middle)
}

fn thin_edge(edge: &WaitEdge, from: (f64, f64), to: (f64, f64), quiet: bool) -> AnyView {
    let (path, middle) = curve(from, to, 12.0);
    let word = (!quiet).then(|| edge.resource.to_string());
    view! {
        <path class="wait-edge" d=path marker-end="url(#arrow-thin)" />
        {word.map(|word| view! { <text class="edge-word" x=number::coordinate(middle.0) y=number::coordinate(middle.1 - 4.0)>{word}</text> })}
    }.into_any()
}

fn cycle_edge(
    number: usize,
    edge: &WaitEdge,
    from: (f64, f64),
    to: (f64, f64),
    center: (f64, f64),
    ui: Ui,
) -> AnyView {
    let (path, middle) = curve(from, to, 34.0);
    // Outside of the curve, away from the middle of the drawing.
    let (ox, oy) = (middle.0 - center.0, middle.1 - center.1);
    let away = hypot(ox, oy).max(1.0);
    let (x, y) = (middle.0 + ox / away * 8.0, middle.1 + oy / away * 11.0 + 4.0);
    let anchor = match ox / away {
        side if side > 0.5 => "start",
        side if side < -0.5 => "end",
        _ => "middle",
    };
    let resource = edge.resource.clone();
    view! {
        <path class="cycle-edge" d=path marker-end="url(#arrow-cycle-big)" />
        <text class="edge-word cycle" x=number::coordinate(x) y=number::coordinate(y) text-anchor=anchor>
            {move || (ui.words(&WORDS).wants)(number, &resource)}
        </text>
    }
    .into_any()
}
