//! One node on the stage: its shape says its role, its texture its process, its hue who it is.

use std::sync::Arc;

use leptos::prelude::*;
use orrery_base::ids::{GroupId, NodeName};
use orrery_event::fact::Role;
use orrery_projection::view::{GroupView, Timer};

use super::geometry::{
    Geometry, NODE_RADIUS, NODE_RING, NOTCH_WORD, NotchWord, Point, STRIP_OFFSET, VOTE_RING,
};
use super::glyph::{Crown, hexagon};
use crate::i18n::number::{coordinate, fixed_point, translate};
use crate::look::log::Cell;
use crate::look::{self, NodeLook, Status, Votes};
use crate::math::{cos, sin};
use crate::store::Playback;
use crate::ui::{Ui, told};

/// Squares in the log strip under a node.
pub const STRIP_CELLS: u64 = 7;
const STRIP_STEP: f64 = 13.4;
const STRIP_CELL: (f64, f64) = (11.0, 9.0);

/// A node, at its place.
#[component]
pub(crate) fn NodeGlyph(name: NodeName, place: usize, geometry: Memo<Geometry>) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let look = {
        let name = name.clone();
        Memo::new(move |_| playback.view.with(|view| NodeLook::of(view, &name)))
    };
    let at = Memo::new(move |_| geometry.get().node(place));
    let label = {
        let name = name.clone();
        move || {
            let (t, look) = (ui.t(), look.get());
            let role = if look.deposed { t.cluster.deposed } else { (t.cluster.role)(look.role) };
            // What is written on it comes first: who says that reaches it.
            (t.cluster.node_label)(&name, &caption(&look, t).1, role, status_word(look.status, t))
        }
    };
    let (clicked, pressed, chosen) = (name.clone(), name.clone(), name.clone());
    let selected = Memo::new(move |_| ui.selected.get().as_ref() == Some(&chosen));
    view! {
        <g
            class=move || {
                let chosen = if selected.get() { " selected" } else { "" };
                ["node ", look::hue(place), " ", look.get().status.name(), chosen].concat()
            }
            transform=move || { let at = at.get(); translate(at.x, at.y) }
            tabindex="0"
            role="button"
            aria-label=label
            aria-pressed=move || selected.get().to_string()
            data-testid=format!("node-{name}")
            data-role=move || look::role_name(look.get().role)
            data-status=move || look.get().status.name()
            data-term=move || look.get().term.map(|term| term.to_string())
            data-deposed=move || look.get().deposed.to_string()
            on:click=move |event| { event.stop_propagation(); ui.select(&clicked) }
            on:keydown=move |event| {
                if matches!(event.key().as_str(), "Enter" | " ") {
                    event.prevent_default();
                    event.stop_propagation();
                    ui.select(&pressed);
                }
            }
        >
            <circle class="reach" r="48" />
            <Body look />
            {
                let name = name.clone();
                move || {
                    let consensus = ui.layers.get().consensus;
                    consensus.then(|| view! { <TimerArc name=name.clone() look /> })
                }
            }
            <text class="name" y="-3">{name.to_string()}</text>
            <Caption look />
            {move || {
                let geometry = geometry.get();
                look.get().votes.map(|votes| view! { <VoteArc votes geometry place /> })
            }}
            {
                let name = name.clone();
                move || ui.layers.get().consensus.then(|| view! { <Strip name=name.clone() /> })
            }
        </g>
    }
}

/// The word for a process, where it is not simply running.
pub fn status_word(status: Status, t: &'static crate::i18n::Strings) -> &'static str {
    match status {
        Status::Unknown => t.cluster.unknown,
        Status::Up => t.cluster.running,
        Status::Silent => t.cluster.silent,
        Status::Paused => t.cluster.paused,
        Status::Down => t.cluster.down,
    }
}

/// Disc, ring, hexagon, crown.
#[component]
fn Body(look: Memo<NodeLook>) -> impl IntoView {
    let shape = Memo::new(move |_| {
        let look = look.get();
        let role = if look.status == Status::Down { Role::Follower } else { look.role };
        (role, look.deposed)
    });
    move || {
        let (role, deposed) = shape.get();
        let leads = role == Role::Leader;
        view! {
            <circle class="under" r="38" />
            {leads.then(|| view! { <circle class="second-ring" class:deposed=deposed r="40" /> })}
            {if role == Role::Candidate {
                view! { <polygon class="disc candidate" points=hexagon(NODE_RADIUS + 4.0) /> }.into_any()
            } else {
                view! { <circle class="disc" class:learner={role == Role::Learner} r=coordinate(NODE_RADIUS) /> }.into_any()
            }}
            {leads
                .then(|| view! {
                    <g class="crowned" class:deposed=deposed transform="translate(0 -45)">
                        <Crown />
                        {deposed.then(|| view! { <text class="doubt" x="17" y="-1" aria-hidden="true">"?"</text> })}
                    </g>
                })}
        }
    }
}

/// What is written under the name: the term, or why there is none to show; and its class.
fn caption(look: &NodeLook, t: &'static crate::i18n::Strings) -> (&'static str, String) {
    match (look.status, look.term) {
        (Status::Down, _) => ("bad", format!("✕ {}", t.cluster.down)),
        (Status::Paused, _) => ("bad", format!("‖ {}", t.cluster.paused)),
        (Status::Silent, _) => ("old", format!("… {}", t.cluster.silent)),
        (_, Some(term)) if look.stale => ("old", format!("T{term} ≈")),
        (_, Some(term)) => ("term", format!("T{term}")),
        (_, None) => ("old", "…".to_owned()),
    }
}

/// Under the name. A change of term flips it.
#[component]
fn Caption(look: Memo<NodeLook>) -> impl IntoView {
    let ui = Ui::expect();
    let words = Memo::new(move |_| caption(&look.get(), ui.t()));
    view! {
        <For
            each=move || [words.get()]
            key=|(_, words)| words.clone()
            children=|(kind, words)| view! { <text class=format!("state flip {kind}") y="15">{words}</text> }
        />
    }
}

/// The election timer: an arc that drains from 12 o'clock.
#[component]
fn TimerArc(name: NodeName, look: Memo<NodeLook>) -> impl IntoView {
    let playback = Playback::expect();
    let timer = Memo::new(move |_| -> Option<Timer> {
        let runs = look.with(|look| look.status == Status::Up && look.role != Role::Leader);
        runs.then(|| playback.view.with(|view| view.control(&name)?.timer)).flatten()
    });
    let left = move || {
        let left = timer.get().map_or(0.0, |timer| timer.left(playback.now_us.get()));
        [&fixed_point(left * 100.0, 1), " 101"].concat()
    };
    let runs = Memo::new(move |_| timer.get().is_some());
    move || {
        runs.get().then(|| {
            view! {
                <circle class="timer" r=coordinate(NODE_RING) pathLength="100" stroke-dasharray=left transform="rotate(-90)" />
            }
        })
    }
}

/// Dots around a candidate: full for a vote, crossed for a refusal, empty for silence; a notch at the quorum.
#[component]
fn VoteArc(votes: Votes, geometry: Geometry, place: usize) -> impl IntoView {
    let side = geometry.inward(place);
    let step = 15f64.min(96.0 / votes.voters.max(1) as f64).to_radians();
    // From the top downwards, centred on the side that faces the middle of the stage.
    let at = move |place: f64, radius: f64| {
        let angle = (place - (votes.voters as f64 - 1.0) / 2.0) * step;
        Point { x: side * radius * cos(angle), y: radius * sin(angle) }
    };
    let dots = (0..votes.voters).map(|place| {
        let spot = at(place as f64, VOTE_RING);
        let kind = if place < votes.granted {
            "vote yes"
        } else if place >= votes.voters - votes.refused.min(votes.voters) {
            "vote no"
        } else {
            "vote"
        };
        view! { <circle class=kind cx=coordinate(spot.x) cy=coordinate(spot.y) r="4.6" /> }
    });
    let notch = votes.quorum as f64 - 0.5;
    let (from, to) = (at(notch, VOTE_RING - 9.0), at(notch, VOTE_RING + 10.0));
    let words = geometry.notch_word(place);
    let word = geometry.notch_word_at(place, words, at(notch, NOTCH_WORD));
    let word = (words != NotchWord::Nowhere).then(|| {
        view! {
            <text
                class="notch-word"
                aria-hidden="true"
                x=coordinate(word.x)
                y=coordinate(word.y)
                text-anchor=if side < 0.0 { "end" } else { "start" }
            >
                {told(|t| t.cluster.quorum)}
            </text>
        }
    });
    view! {
        <g class="votes" class:pre=votes.pre data-testid="votes">
            {dots.collect_view()}
            <line class="notch" x1=coordinate(from.x) y1=coordinate(from.y) x2=coordinate(to.x) y2=coordinate(to.y) />
            {word}
        </g>
    }
}

/// The last entries of the log, aligned by index with every other node's.
#[component]
fn Strip(name: NodeName) -> impl IntoView {
    let playback = Playback::expect();
    let cells = Memo::new(move |_| {
        playback.view.with(|view| {
            let window = look::log::window(view, GroupId::CONTROL, STRIP_CELLS);
            look::log::cells(view.control(&name), window)
        })
    });
    let left = -(STRIP_STEP * STRIP_CELLS as f64 - (STRIP_STEP - STRIP_CELL.0)) / 2.0;
    // The squares stay, only what they say changes: under load that is every frame.
    let square = move |place: usize| {
        let class = move || cells.with(|cells| cells.get(place).map_or("none", Cell::class));
        let x = place as f64 * STRIP_STEP;
        view! { <rect class=class x=coordinate(x) width=coordinate(STRIP_CELL.0) height=coordinate(STRIP_CELL.1) rx="2" /> }
    };
    view! {
        <g class="strip" transform=translate(left, STRIP_OFFSET)>
            {(0..STRIP_CELLS as usize).map(square).collect_view()}
        </g>
    }
}

/// A node's part in the control group, shared with the view: changes when the node reports anything.
pub fn control_part(playback: Playback, name: NodeName) -> Memo<Option<Arc<GroupView>>> {
    Memo::new_with_compare(
        move |_| {
            playback.view.with(|view| {
                let node = view.nodes.get(&name)?;
                node.groups.get(&orrery_base::ids::GroupId::CONTROL).cloned()
            })
        },
        |old, new| match (old, new) {
            (Some(Some(old)), Some(Some(new))) => !Arc::ptr_eq(old, new),
            (Some(None), Some(None)) => false,
            _ => true,
        },
    )
}
