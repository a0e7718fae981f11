//! Everything on the stage that stands: one SVG.

use std::f64::consts::{PI, TAU};

use leptos::prelude::*;

use super::cache::CacheLayer;
use super::change::Percentages;
use super::clients::{Clients, StageClients};
use super::geometry::Geometry;
use super::links::Links;
use super::node::NodeGlyph;
use super::ring::RingLayer;
use crate::i18n::number::{coordinate, fixed_point, grouped, path, translate};
use crate::shared::Shared;
use crate::store::Playback;
use crate::ui::{Ui, told};

/// The SVG. `geometry` is shared with the canvas.
#[component]
pub(crate) fn Standing(geometry: Memo<Geometry>, shared: Shared, clients: StageClients) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let order = Memo::new(move |_| {
        playback.view.with(|view| view.order.iter().cloned().enumerate().collect::<Vec<_>>())
    });
    let view_box = move || {
        let geometry = geometry.get();
        ["0 0 ", &fixed_point(geometry.width, 1), " ", &fixed_point(geometry.height, 1)].concat()
    };
    view! {
        <svg
            class="standing"
            viewBox=view_box
            preserveAspectRatio="xMidYMid meet"
            role="group"
            aria-label=told(|t| t.ui.stage)
            data-testid="stage"
        >
            <defs>
                <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                    <rect class="hatch-ground" width="6" height="6" />
                    <line class="hatch-line" y2="6" />
                </pattern>
            </defs>
            {move || ui.layers.get().queue.then(|| view! { <RingLayer geometry shared /> })}
            <Orbit geometry />
            <Links geometry shared />
            <Centre geometry shared />
            {move || {
                let layers = ui.layers.get();
                (layers.locks || layers.queue || layers.cache).then(|| view! { <Clients geometry clients /> })
            }}
            <For
                each=move || order.get()
                key=|(place, name)| (*place, name.clone())
                children=move |(place, name)| view! { <NodeGlyph name place geometry /> }
            />
            {move || ui.layers.get().cache.then(|| view! { <CacheLayer geometry shared /> })}
        </svg>
    }
}

/// The circle on which the nodes sit, graduated in seconds; a bead goes round once in a minute of the view clock.
#[component]
fn Orbit(geometry: Memo<Geometry>) -> impl IntoView {
    let playback = Playback::expect();
    let ticks = move || {
        let geometry = geometry.get();
        let tick = |second: usize| {
            let angle = TAU * second as f64 / 60.0 - PI / 2.0;
            let long = second.is_multiple_of(5);
            let (inner, outer) = (geometry.center, geometry.on_circle(angle));
            let start = outer.toward(inner, if long { 9.0 } else { 5.0 } / geometry.radius);
            path(&[("M", outer.x, outer.y), ("L", start.x, start.y)])
        };
        (0..60).map(tick).collect::<String>()
    };
    // Ten steps a second are smooth enough for a hand that goes round in a minute.
    let tenth = Memo::new(move |_| playback.now_us.get() / 100_000);
    let bead = move || {
        let angle = TAU * (tenth.get() % 600) as f64 / 600.0 - PI / 2.0;
        let at = geometry.get().on_circle(angle);
        translate(at.x, at.y)
    };
    view! {
        <g class="orbit">
            <circle cx=move || coordinate(geometry.get().center.x) cy=move || coordinate(geometry.get().center.y) r=move || coordinate(geometry.get().radius) />
            <path class="ticks" d=ticks />
            <circle class="bead" r="4" transform=bead />
        </g>
    }
}

/// The middle: the term, who leads it, how far it has come.
#[component]
fn Centre(geometry: Memo<Geometry>, shared: Shared) -> impl IntoView {
    let ui = Ui::expect();
    let (summary, change) = (shared.summary, shared.change);
    let term = Memo::new(move |_| summary.with(|summary| summary.term));
    let line = move || {
        let (t, summary) = (ui.t(), summary.get());
        match &summary.leader {
            Some((leader, _)) => {
                let commit = summary.commit.map_or_else(|| "–".to_owned(), |index| grouped(index, t.lang));
                (t.cluster.leads)(leader, &commit)
            }
            None if summary.all == 0 => String::new(),
            None if summary.without_quorum() => {
                (t.trouble.no_quorum)(summary.voters_up, summary.voters, summary.quorum())
            }
            None if summary.electing => t.cluster.electing.to_owned(),
            None => t.trouble.no_leader_yet.to_owned(),
        }
    };
    let at = move || {
        let center = geometry.get().center;
        translate(center.x, center.y)
    };
    // Where there is a ring, its changes are told below.
    let raised = move || translate(0.0, if geometry.get().ringed() { -33.0 } else { 0.0 });
    view! {
        <g class="centre" transform=at>
            <g transform=raised>
            <For
                each=move || [term.get()]
                key=|term| *term
                children=|term| {
                    let word = if term > 0 { format!("T{term}") } else { String::new() };
                    view! { <text class="big flip" y="10" data-testid="term">{word}</text> }
                }
            />
            <text class="small" class:alert=move || summary.get().leader.is_none() y="34">{line}</text>
            </g>
            {move || ui.layers.get().queue.then(|| view! { <Percentages change /> })}
        </g>
    }
}
