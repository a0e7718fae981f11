//! A change of the ring on the stage: the old arcs as ghosts outside of the band, and in the middle what moved beside
//! what it is measured by. What travels is drawn on the canvas.

use std::sync::Arc;

use leptos::prelude::*;

use super::geometry::{Geometry, RING_HALF};
use super::ring::arc;
use crate::i18n::number::{coordinate, fixed_point};
use crate::look::change::{ChangeLook, Ghost};
use crate::look::hue;
use crate::ui::Ui;

/// Where ghosts lie, from the middle of the ring's band outwards: between it and the names of the shards.
pub const GHOST_OUT: f64 = RING_HALF + 5.0;
/// Free at both ends of a ghost, as a part of a turn.
const GAP: f64 = 0.0015;
/// Half of the width of the rows in the middle.
const HALF: f64 = 76.0;
/// The first row's line, and from one to the next.
const FIRST: f64 = 22.0;
const STEP: f64 = 20.0;

/// What was before the change.
#[component]
pub(crate) fn Ghosts(geometry: Memo<Geometry>, change: Memo<Option<Arc<ChangeLook>>>) -> impl IntoView {
    move || {
        let geometry = geometry.get();
        change.with(|change| {
            let ghosts = change.as_ref().map(|change| change.ghosts.as_slice()).unwrap_or_default();
            ghosts.iter().map(|ghost| ghost_of(&geometry, ghost)).collect_view()
        })
    }
}

fn ghost_of(geometry: &Geometry, ghost: &Ghost) -> AnyView {
    let hue = ghost.node.map(hue).unwrap_or_default();
    let class = [if ghost.moved { "ghost moved " } else { "ghost " }, hue].concat();
    let d = arc(geometry, GHOST_OUT, ghost.arc.0 + GAP, ghost.arc.1 - GAP);
    view! { <path class=class d=d data-testid=format!("ghost-{}", ghost.shard.0) data-moved=ghost.moved.to_string() /> }.into_any()
}

/// The three percentages, under the term.
#[component]
pub(crate) fn Percentages(change: Memo<Option<Arc<ChangeLook>>>) -> impl IntoView {
    let ui = Ui::expect();
    move || {
        let Some(change) = change.get() else { return ().into_any() };
        let words = &ui.t().ring;
        let done = change.ended_us.is_some();
        let percents = change.percents();
        let [moved, ideal, modulo] = percents.map(|percent| percent.to_string());
        let names = [if done { words.moved } else { words.moved_so_far }, words.ideal, words.modulo];
        let rows = names.into_iter().zip(percents).enumerate();
        view! {
            <g
                class="ring-change"
                data-testid="ring-change"
                data-state=if done { "done" } else { "moving" }
                data-moved=moved
                data-ideal=ideal
                data-modulo=modulo
            >
                {rows.map(|(row, (name, percent))| {
                    let y = FIRST + STEP * row as f64;
                    let bar = move |part: f64| fixed_point(2.0 * HALF * part, 1);
                    view! {
                        <g class=["measure m", &row.to_string()].concat()>
                            <text x=coordinate(-HALF) y=coordinate(y) text-anchor="start">{name}</text>
                            <text class="figure" x=coordinate(HALF) y=coordinate(y) text-anchor="end">{format!("{percent} %")}</text>
                            <rect class="track" x=coordinate(-HALF) y=coordinate(y + 4.0) width=bar(1.0) height="3.5" rx="1.7" />
                            <rect class="part" x=coordinate(-HALF) y=coordinate(y + 4.0) width=bar(f64::from(percent) / 100.0) height="3.5" rx="1.7" />
                        </g>
                    }
                }).collect_view()}
            </g>
        }
        .into_any()
    }
}
