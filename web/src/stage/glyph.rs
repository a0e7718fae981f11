//! Shapes that mean the same on the stage, in buttons and in the legend. Each is an SVG group around (0, 0).

use leptos::prelude::*;
use orrery_cache::State;

use crate::i18n::number::fixed_point;
use crate::math::{cos, sin};

/// Path of the leader's crown; its foot is at (0, 0), 24 wide and 14 high.
pub const CROWN: &str = "M-12 0l3 -12 5 6 4 -9 4 9 5 -6 3 12z";

/// Path of a key whose head is at the left, about 16 wide.
pub const KEY: &str = "M-.5 0h8m-3 0v3.4";

/// Path of an envelope, 14 wide and 10 high.
pub const ENVELOPE: &str = "M-7 -5H7V5H-7ZM-7 -5L0 1L7 -5";

/// Path of a barred cross, 14 wide.
pub const BARRED: &str = "M-5 -5L5 5M-5 5L5 -5M-7 0H7";

/// The leader's crown, with its foot at (0, 0).
#[component]
pub(crate) fn Crown() -> impl IntoView {
    view! { <path class="crown" d=CROWN /> }
}

/// A lock request: a key in a circle.
#[component]
pub(crate) fn KeyGlyph() -> impl IntoView {
    view! {
        <g class="key">
            <circle r="12" />
            <circle cx="-3.5" r="3" class="head" />
            <path d=KEY />
        </g>
    }
}

/// A queue's message: an envelope in a circle.
#[component]
pub(crate) fn EnvelopeGlyph() -> impl IntoView {
    view! {
        <g class="key">
            <circle r="12" />
            <path d=ENVELOPE />
        </g>
    }
}

/// A cache's request: two lines of a table in a circle.
#[component]
pub(crate) fn LineGlyph() -> impl IntoView {
    view! {
        <g class="key">
            <circle r="12" />
            <path d="M-6 -5H6V5H-6ZM-6 0H6M0 -5V5" />
        </g>
    }
}

/// The letter of a copy in its box, 20 square: M solid with a dot, E with a thick outline, S half full, I dotted and struck
/// through. Whatever else it has: a dot for a write that is not written back, a cross for one that was lost.
pub fn letter(state: Option<State>, unsaved: bool, lost: bool) -> AnyView {
    let Some(state) = state else {
        return view! { <g class="mesi"><circle class="none" r="1.6" /></g> }.into_any();
    };
    let class = match state {
        State::M => "mesi m",
        State::E => "mesi e",
        State::S => "mesi s",
        State::I => "mesi i",
    };
    view! {
        <g class=class>
            <rect class="box" x="-10" y="-10" width="20" height="20" rx="4.5" />
            {(state == State::S).then(|| view! { <path class="half" d="M0 -10H-5.5A4.5 4.5 0 0 0 -10 -5.5V5.5A4.5 4.5 0 0 0 -5.5 10H0Z" /> })}
            <text y="5">{state.letter()}</text>
            {(state == State::I).then(|| view! { <path class="strike" d="M-6.5 0H6.5" /> })}
            {unsaved.then(|| view! { <circle class="dirty" cx="9" cy="-9" r="3.6" /> })}
            {lost.then(|| view! { <path class="lost" d="M5 5L13 13M5 13L13 5" /> })}
        </g>
    }.into_any()
}

/// Points of a regular hexagon of this radius.
pub fn hexagon(radius: f64) -> String {
    let corner = |i: usize| {
        let angle = std::f64::consts::FRAC_PI_3 * i as f64;
        format!("{},{}", fixed_point(radius * cos(angle), 2), fixed_point(radius * sin(angle), 2))
    };
    (0..6).map(corner).collect::<Vec<_>>().join(" ")
}

/// A small icon of a button or a list: 18 units square around (0, 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// Consensus: a square, as of AppendEntries.
    Consensus,
    Locks,
    Queue,
    /// The cache: a barred cross, as of an invalidation.
    Cache,
    Sun,
    Moon,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Icon::Consensus => "M-5 -5H5V5H-5Z",
            Icon::Locks => "M-6.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0 -6.8 0M0.4 0H8M5 0V4",
            Icon::Queue => ENVELOPE,
            Icon::Cache => BARRED,
            Icon::Sun => {
                "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0 -6.8 0M0 -7.5V-6M0 6V7.5M-7.5 0H-6M6 0H7.5M-5.3 -5.3L-4.3 -4.3M4.3 4.3L5.3 5.3M-5.3 5.3L-4.3 4.3M4.3 -4.3L5.3 -5.3"
            }
            Icon::Moon => "M3.5 4.8A6 6 0 1 1 3.5 -4.8A5 5 0 1 0 3.5 4.8Z",
        }
    }
}

/// An [`Icon`] as an inline drawing.
#[component]
pub(crate) fn IconView(icon: Icon) -> impl IntoView {
    view! {
        <svg class="glyph" viewBox="-9 -9 18 18" aria-hidden="true">
            <path class="line" d=icon.path() />
        </svg>
    }
}
