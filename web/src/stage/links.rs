//! Links between nodes: faint chords from the leader, dashed with ⚡ where one was cut.

use leptos::prelude::*;
use orrery_projection::view::View;

use super::geometry::{Below, Geometry, NODE_RING};
use crate::i18n::number::{coordinate, path};
use crate::look::{NodeLook, Status};
use crate::shared::Shared;
use crate::store::Playback;
use crate::ui::Ui;

/// How a link between two places is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    /// From the leader to somebody who hears it.
    Chord,
    /// Both ends are there, and the connection is not.
    Broken,
    /// Somebody cut the direction from the first to the second.
    Cut,
    /// Somebody did something else to it.
    Impaired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Line {
    from: usize,
    to: usize,
    state: State,
}

fn lines(view: &View) -> Vec<Line> {
    let up: Vec<bool> = view
        .order
        .iter()
        .map(|name| matches!(NodeLook::of(view, name).status, Status::Up | Status::Silent))
        .collect();
    let leader = view.leadership().leader;
    let mut lines = Vec::new();
    for (from, from_name) in view.order.iter().enumerate() {
        for (to, to_name) in view.order.iter().enumerate().filter(|(to, _)| *to != from) {
            let link = view.link(from_name, to_name);
            let both = up[from] && up[to];
            let state = if link.fault.cut {
                State::Cut
            } else if link.fault.is_impaired() {
                State::Impaired
            } else if both && link.up == Some(false) && from < to {
                State::Broken
            } else if both && leader.as_ref() == Some(from_name) {
                State::Chord
            } else {
                continue;
            };
            lines.push(Line { from, to, state });
        }
    }
    lines
}

/// All links that are worth drawing.
#[component]
pub(crate) fn Links(geometry: Memo<Geometry>, shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let below = Memo::new(move |_| {
        let layers = ui.layers.get();
        let changes = layers.queue && shared.change.with(Option::is_some);
        Below::of(changes, layers.cache && shared.line.with(Option::is_some))
    });
    let lines = Memo::new(move |_| playback.view.with(|view| lines(view)));
    // Nothing crosses what is written in the middle.
    let around = move || {
        let geometry = geometry.get();
        let middle = geometry.middle_outline(below.get());
        let steps: Vec<_> = middle
            .iter()
            .zip(["M", "L", "L", "L", "L", "L", "L", "L"])
            .map(|(at, step)| (step, at.x, at.y))
            .collect();
        let (width, height) = (geometry.width, geometry.height);
        let all = [("M", 0.0, 0.0), ("L", width, 0.0), ("L", width, height), ("L", 0.0, height)];
        [path(&all), "Z".to_owned(), path(&steps), "Z".to_owned()].concat()
    };
    view! {
        <clipPath id="around-middle"><path clip-rule="evenodd" d=around /></clipPath>
        <g class="links" clip-path="url(#around-middle)">
            {move || lines.get().into_iter().map(|line| draw(line, geometry.get())).collect_view()}
        </g>
    }
}

fn draw(line: Line, geometry: Geometry) -> AnyView {
    let (from, to) = (geometry.node(line.from), geometry.node(line.to));
    let gap = NODE_RING / from.distance(to).max(1.0);
    let (start, end) = (from.toward(to, gap), from.toward(to, 1.0 - gap));
    let bolt = geometry.bolt(line.from, line.to);
    let class = match line.state {
        State::Chord => "chord",
        State::Broken => "chord broken",
        State::Cut => "chord cut",
        State::Impaired => "chord impaired",
    };
    view! {
        <line class=class x1=coordinate(start.x) y1=coordinate(start.y) x2=coordinate(end.x) y2=coordinate(end.y) />
        {(line.state == State::Cut)
            .then(|| view! { <text class="bolt" x=coordinate(bolt.x) y=coordinate(bolt.y + 6.0) text-anchor="middle">"⚡"</text> })}
    }.into_any()
}
