//! One cache line over the nodes: each copy's letter at its node, the committed value at the home, and, while a question
//! waits for copies to go, the fan of barred crosses from the home with its counter. All lines are in the cache panel.

use std::sync::Arc;

use leptos::prelude::*;
use orrery_base::ids::NodeName;
use orrery_projection::view::Timer;

use super::geometry::{Geometry, NODE_RING, Point};
use super::glyph::{BARRED, letter};
use crate::i18n::Strings;
use crate::i18n::number::{coordinate, fixed_point, seconds, translate};
use crate::look::cache::{CellLook, RowLook};
use crate::look::hue;
use crate::shared::Shared;
use crate::store::Playback;
use crate::ui::{Ui, told};

/// Where a letter stands from its node: at the shoulder that looks away from the middle of the stage.
const SHOULDER: (f64, f64) = (33.0, -31.0);
/// Where the home's value begins, at the other shoulder.
const VALUE: (f64, f64) = (25.0, -33.0);
/// Most characters of the home's value, and of the address in the middle.
const VALUE_CHARS: usize = 8;
const ADDRESS_CHARS: usize = 18;

#[component]
pub(crate) fn CacheLayer(geometry: Memo<Geometry>, shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let line = shared.line;
    let look = Memo::new(move |_| {
        line.with(|line| line.as_ref().map(|line| playback.view.with(|view| RowLook::of(view, line))))
    });
    // What is drawn does not follow every frame, only whether it is still there.
    let fanned = Memo::new(move |_| {
        let now_us = playback.now_us.get();
        look.with(|look| look.as_ref()?.fan.as_ref().map(|fan| fan.on_stage(now_us))).unwrap_or_default()
    });
    view! {
        <g
            class="cache-layer"
            // Letters and values stand at their nodes' shoulders.
            data-overlap="intended"
            data-testid="stage-line"
            data-address=move || line.get().map(|line| line.to_string())
        >
            {move || {
                let (geometry, fanned) = (geometry.get(), fanned.get());
                look.with(|look| look.as_ref().filter(|_| fanned).map(|look| draw_fan(&geometry, look)))
            }}
            {move || {
                let (geometry, order) = (geometry.get(), shared.order.get());
                badges(geometry, &order, look)
            }}
            {move || {
                let (geometry, fanned, t) = (geometry.get(), fanned.get(), ui.t());
                look.with(|look| look.as_ref().map(|look| value_at(&geometry, look, fanned, t)))
            }}
            {move || {
                let center = geometry.get().center;
                // What a change of the ring moved is told there.
                let free = shared.change.with(Option::is_none) || !ui.layers.get().queue;
                line.get().filter(|_| free).map(|line| view! {
                    <g transform=translate(center.x, center.y)>
                        <text class="line-kind" y="24">{told(|t| t.line.name)}</text>
                        <text class="line-name" y="44">{shortened(&line, ADDRESS_CHARS)}</text>
                    </g>
                })
            }}
        </g>
    }
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// 1 where a node's outer side is at the right, -1 where it is at the left.
fn outward(geometry: &Geometry, at: Point) -> f64 {
    if at.x > geometry.center.x + 1.0 { 1.0 } else { -1.0 }
}

/// Nothing but what changed is drawn anew.
fn badges(geometry: Geometry, order: &Arc<Vec<NodeName>>, look: Memo<Option<RowLook>>) -> AnyView {
    order
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let at = geometry.node(place);
            let side = outward(&geometry, at);
            let cell = Memo::new(move |_| {
                look.with(|look| look.as_ref().and_then(|look| look.cells.get(place).cloned()))
                    .unwrap_or_default()
            });
            let drawn = move || {
                let CellLook { state, unsaved, lost, waited, .. } = cell.get();
                let lease = waited.map(|timer| arc(timer, "17"));
                let letter = state.map(|state| letter(Some(state), unsaved, lost));
                (lease, letter)
            };
            view! {
                <g
                    class=["badge-line ", hue(place)].concat()
                    transform=translate(at.x + side * SHOULDER.0, at.y + SHOULDER.1)
                    data-testid=format!("badge-{name}")
                    data-state=move || cell.with(|cell| cell.state.map_or("-", |state| state.letter()))
                >
                    {drawn}
                </g>
            }
        })
        .collect_view()
        .into_any()
}

/// The committed value at the home, and the counter over it.
fn value_at(geometry: &Geometry, look: &RowLook, fanned: bool, t: &'static Strings) -> AnyView {
    let Some(home) = look.home else { return ().into_any() };
    let at = geometry.node(home);
    let side = -outward(geometry, at);
    let anchor = if side > 0.0 { "start" } else { "end" };
    let words = look.value.as_ref().map_or("–".to_owned(), |(preview, _)| shortened(preview, VALUE_CHARS));
    let text = if side > 0.0 { ["⌂ ", &words].concat() } else { [&words, " ⌂"].concat() };
    let title = if look.stale { t.line.stale } else { t.line.home };
    let count = look.fan.as_ref().filter(|_| fanned).map(|fan| {
        let (count, over) = (fan.counted(), fan.count.0 == fan.count.1);
        let shown = count.clone();
        view! {
            <text class="count" class:over=over y="-17" text-anchor=anchor data-testid="fan" data-count=count>
                {shown}
            </text>
        }
    });
    view! {
        <g class="home-value" transform=translate(at.x + side * VALUE.0, at.y + VALUE.1)>
            <text class="value" class:stale=look.stale text-anchor=anchor><title>{title}</title>{text}</text>
            {count}
        </g>
    }
    .into_any()
}

/// From the home to everybody who is or was waited for.
fn draw_fan(geometry: &Geometry, look: &RowLook) -> AnyView {
    let (Some(home), Some(fan)) = (look.home, &look.fan) else { return ().into_any() };
    let from = geometry.node(home);
    // The home's own copy goes without a message.
    fan.of.iter().filter(|(place, _)| *place != home).map(|(place, gone)| {
        let to = geometry.node(*place);
        let rim = (NODE_RING + 6.0) / from.distance(to).max(1.0);
        let (start, end) = (from.toward(to, rim), from.toward(to, 1.0 - rim));
        let middle = from.toward(to, 0.5);
        view! {
            <g class="fan" class:gone=*gone>
                <line x1=coordinate(start.x) y1=coordinate(start.y) x2=coordinate(end.x) y2=coordinate(end.y) />
                <g transform=translate(middle.x, middle.y)>
                    <circle r="10" />
                    {if *gone {
                        view! { <path d="M-4.5 0.5L-1 4L5 -4" /> }.into_any()
                    } else {
                        view! { <path d=BARRED /> }.into_any()
                    }}
                </g>
            </g>
        }
    }).collect_view().into_any()
}

/// The lease of a copy that the home waits for: an arc that drains from 12 o'clock.
pub(crate) fn arc(timer: Timer, radius: &'static str) -> AnyView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let left = move || [&fixed_point(timer.left(playback.now_us.get()) * 100.0, 1), " 101"].concat();
    let rest = move || {
        let end_us = timer.started_us + timer.due_us;
        (ui.t().line.gone_in)(&seconds(end_us.saturating_sub(playback.now_us.get()), ui.lang.get()))
    };
    view! {
        <g class="lease">
            <title>{rest}</title>
            <circle class="whole" r=radius />
            <circle class="left" r=radius pathLength="100" stroke-dasharray=left transform="rotate(-90)" />
        </g>
    }
    .into_any()
}
