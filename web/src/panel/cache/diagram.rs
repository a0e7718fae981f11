//! The state diagram of one copy with the edge that was taken last, and the whole table behind it.

use leptos::prelude::*;
use orrery_cache::State;
use orrery_cache::table::{Action, Stimulus, Transition, next};

use super::desk::CacheDesk;
use super::look::{EdgeLook, stimulus_of};
use super::words::WORDS;
use crate::i18n::number::{path, translate};
use crate::look::hue;
use crate::math::hypot;
use crate::parts::rich::rich;
use crate::shared::Shared;
use crate::stage::geometry::Point;
use crate::stage::glyph::letter;
use crate::store::Playback;
use crate::ui::Ui;

/// How far an edge bends away from the straight line, so that both directions are seen.
const BEND: f64 = 13.0;
/// From a state's middle to where its edges end.
const RIM: f64 = 20.0;

/// Where a state stands.
fn at(state: State) -> Point {
    let (x, y) = match state {
        State::M => (-92.0, -38.0),
        State::E => (92.0, -38.0),
        State::I => (-92.0, 38.0),
        State::S => (92.0, 38.0),
    };
    Point { x, y }
}

/// The edge from one state to another: a curve to the left of its direction, and the arrow's head.
fn edge(from: State, to: State) -> (String, String) {
    let (start, end) = (at(from), at(to));
    let length = start.distance(end).max(1.0);
    let side = Point { x: (end.y - start.y) / length, y: -(end.x - start.x) / length };
    let beside = |point: Point, by: f64| Point { x: point.x + side.x * by, y: point.y + side.y * by };
    let bend = beside(start.toward(end, 0.5), BEND);
    let (start, end) =
        (start.toward(bend, RIM / start.distance(bend)), end.toward(bend, RIM / end.distance(bend)));
    let back = hypot(end.x - bend.x, end.y - bend.y).max(1.0);
    let (dx, dy) = ((end.x - bend.x) / back, (end.y - bend.y) / back);
    let foot = Point { x: end.x - dx * 8.0, y: end.y - dy * 8.0 };
    let curve =
        [path(&[("M", start.x, start.y)]), path(&[("Q", bend.x, bend.y), (" ", end.x, end.y)])].concat();
    let head = path(&[
        ("M", end.x, end.y),
        ("L", foot.x - dy * 4.0, foot.y + dx * 4.0),
        ("L", foot.x + dy * 4.0, foot.y - dx * 4.0),
    ]);
    (curve, head + "Z")
}

#[component]
pub(crate) fn Diagram(shared: Shared) -> impl IntoView {
    let (playback, ui, desk) = (Playback::expect(), Ui::expect(), CacheDesk::expect());
    let look = Memo::new(move |_| {
        let (node, line) = (desk.cell.get(), desk.address.get());
        playback.calm.with(|view| EdgeLook::of(view, node.as_deref().map(|node| (node, line.as_str()))))
    });
    let open = RwSignal::new(false);
    let place = move || {
        let node = look.with(|look| look.as_ref().map(|look| look.node.clone()));
        node.and_then(|node| shared.order.get().iter().position(|name| *name == node))
    };
    let told = move || {
        let words = ui.words(&WORDS);
        let Some(look) = look.get() else { return words.no_edge.into_any() };
        let cause = if look.hit { words.hit } else { (words.cause)(look.moved.cause) };
        rich(&(words.edge)(&look.node, &look.address, cause), &shared.order.get())
    };
    view! {
        <div class="card diagram-card">
            <p class="quiet">{WORDS.told(|t| t.diagram)}</p>
            <p class="edge-words">{told}</p>
            <svg
                class=move || ["standing diagram ", place().map(hue).unwrap_or_default()].concat()
                viewBox="-140 -62 280 124"
                role="img"
                aria-label=WORDS.told(|t| t.diagram)
                data-testid="diagram"
                data-from=move || look.with(|look| look.as_ref().map(|look| look.moved.from.letter()))
                data-to=move || look.with(|look| look.as_ref().map(|look| look.moved.to.letter()))
            >
                {State::ALL.into_iter().map(|from| State::ALL.into_iter().filter(|to| *to != from).map(|to| {
                    let (curve, head) = edge(from, to);
                    let on = move || look.with(|look| look.as_ref().is_some_and(|look| (look.moved.from, look.moved.to) == (from, to)));
                    view! {
                        <g class="edge" class:on=on>
                            <path class="curve" d=curve />
                            <path class="head" d=head />
                        </g>
                    }
                }).collect_view()).collect_view()}
                {State::ALL.into_iter().map(|state| {
                    let now = move || look.with(|look| look.as_ref().is_some_and(|look| look.moved.to == state));
                    let hit = move || now() && look.with(|look| look.as_ref().is_some_and(|look| look.hit));
                    let at = at(state);
                    view! {
                        <g class="diagram-state" class:now=now class:hit=hit transform=translate(at.x, at.y)>
                            <circle class="self" r="19" />
                            <g transform="scale(1.25)">{letter(Some(state), state == State::M, false)}</g>
                        </g>
                    }
                }).collect_view()}
            </svg>
            <button
                type="button"
                class="disclose"
                data-testid="mesi-open"
                aria-expanded=move || open.get().to_string()
                on:click=move |_| open.update(|open| *open = !*open)
            >
                {move || if open.get() { "▾ " } else { "▸ " }}
                {WORDS.told(|t| t.table)}
            </button>
            {move || open.get().then(|| whole_table(look))}
        </div>
    }
}

/// Every stimulus in every state; the pair that happened last is lit.
fn whole_table(look: Memo<Option<EdgeLook>>) -> AnyView {
    let ui = Ui::expect();
    let lit = move |state: State, stimulus: Stimulus| {
        look.with(|look| {
            let lit =
                |look: &EdgeLook| look.moved.from == state && stimulus_of(look.moved.cause) == Some(stimulus);
            look.as_ref().is_some_and(lit)
        })
    };
    let cell = move |state: State, stimulus: Stimulus| {
        let Transition { to, action } = next(state, stimulus);
        let never = action == Action::Impossible;
        view! {
            <td class:on=move || lit(state, stimulus) class:never=never>
                {(!never).then(|| view! { <b>{to.letter()}</b> })}
                <small>{move || (ui.words(&WORDS).action)(action)}</small>
            </td>
        }
    };
    view! {
        <table class="plain mesi-table" tabindex="0" data-testid="mesi-table">
            <thead>
                <tr>
                    <th>{WORDS.told(|t| t.event)}</th>
                    {State::ALL.into_iter().map(|state| view! { <th>{state.letter()}</th> }).collect_view()}
                </tr>
            </thead>
            <tbody>
                {Stimulus::ALL.into_iter().map(|stimulus| view! {
                    <tr>
                        <th>{move || (ui.words(&WORDS).stimulus)(stimulus)}</th>
                        {State::ALL.into_iter().map(|state| cell(state, stimulus)).collect_view()}
                    </tr>
                }).collect_view()}
            </tbody>
        </table>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_of_an_edge_are_apart() {
        for from in State::ALL {
            for to in State::ALL.into_iter().filter(|to| *to != from) {
                assert_ne!(edge(from, to).0, edge(to, from).0, "{from} {to}");
            }
        }
    }
}
