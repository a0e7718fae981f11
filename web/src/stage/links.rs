//! Links between nodes: faint chords from the leader, dashed with ⚡ where one was cut.

use orrery_shared::event::view::View;

use super::geometry::{Geometry, NODE_RING};
use crate::dom::{Markup, Memo, component, list, view};
use crate::look::{NodeLook, Status};
use crate::store::Playback;

/// How a link between two places is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    /// From the leader to somebody who hears it.
    Chord,
    /// Both ends are there, and the connection is not.
    Broken,
    /// Somebody cut the direction from the first to the second.
    Cut,
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
            let state = if link.cut {
                State::Cut
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
pub(crate) fn Links(geometry: Memo<Geometry>) -> Markup {
    let playback = Playback::expect();
    let lines = Memo::new(move |_| playback.view.with(|view| lines(view)));
    view! {
        <g class="links">
            {move || list(lines.get(), |line| draw(line, geometry.get()))}
        </g>
    }
}

fn draw(line: Line, geometry: Geometry) -> Markup {
    let (from, to) = (geometry.node(line.from), geometry.node(line.to));
    let gap = NODE_RING / from.distance(to).max(1.0);
    let (start, end) = (from.toward(to, gap), from.toward(to, 1.0 - gap));
    // Nearer to the sender: a link can be cut in one direction only.
    let bolt = from.toward(to, 0.36);
    let class = match line.state {
        State::Chord => "chord",
        State::Broken => "chord broken",
        State::Cut => "chord cut",
    };
    view! {
        <line class=class x1=start.x y1=start.y x2=end.x y2=end.y />
        {(line.state == State::Cut)
            .then(|| view! { <text class="bolt" x=bolt.x y={bolt.y + 6.0} text-anchor="middle">"⚡"</text> })}
    }
}
