//! What is said over the stage when there is nothing, or not everything, to show.

use std::time::Duration;

use leptos::prelude::*;
use orrery_base::ids::NodeName;
use orrery_event::merge::StreamState;

use crate::clock::Badge;
use crate::look::{NodeLook, Status, unreached};
use crate::parts::local_time;
use crate::shared::Shared;
use crate::store::Playback;
use crate::ui::Ui;

/// After so long without a node the page says what may be wrong.
const PATIENCE: Duration = Duration::from_secs(4);

/// The whole stage, while no node was ever heard of.
#[component]
pub(crate) fn Nothing(shared: Shared) -> impl IntoView {
    let ui = Ui::expect();
    let late = RwSignal::new(false);
    set_timeout(move || late.set(true), PATIENCE);
    let empty = Memo::new(move |_| shared.summary.with(|summary| summary.all == 0));
    move || {
        empty.get().then(|| {
            view! {
                <div class="nothing" role="status" data-testid="nothing">
                    <svg class="waiting" viewBox="-60 -60 120 120" aria-hidden="true">
                        <circle class="wait-orbit" r="50" />
                        <circle class="wait-orbit" r="28" />
                        <circle class="wait-sun" r="7" />
                        <g class="wait-planet"><circle cx="50" r="6" /></g>
                        <g class="wait-planet inner"><circle cx="28" r="4" /></g>
                    </svg>
                    <p class="title">
                        {move || if late.get() { ui.t().trouble.no_cluster } else { ui.t().trouble.connecting }}
                    </p>
                    <p>
                        {move || {
                            if late.get() { ui.t().trouble.no_cluster_hint } else { ui.t().trouble.connecting_hint }
                        }}
                    </p>
                </div>
            }
        })
    }
}

/// So far behind, what is shown is the past also while it goes on.
const PAST_US: u64 = 1_500_000;

/// The moment that is shown, where it is not now.
pub(crate) fn past(shared: Shared) -> Memo<Option<u64>> {
    let playback = Playback::expect();
    Memo::new(move |_| {
        let known = shared.summary.with(|summary| summary.all > 0);
        playback.clock.with(|clock| match clock.badge() {
            Badge::Behind { behind_us } if known && (!clock.playing || behind_us > PAST_US) => {
                // Whole seconds are what the words show.
                Some(clock.now_us / 1_000_000 * 1_000_000)
            }
            _ => None,
        })
    })
}

/// Says that the stage shows the past, and that what is done happens now.
#[component]
pub(crate) fn PastNote(past: Memo<Option<u64>>) -> impl IntoView {
    let ui = Ui::expect();
    move || {
        past.get().map(|at_us| {
            view! {
                <strong class="past-note" data-testid="past">
                    {move || (ui.t().trouble.past)(local_time(at_us).split('.').next().unwrap_or_default())}
                </strong>
            }
        })
    }
}

/// A line over the stage: no quorum, no leader, streams that broke.
#[component]
pub(crate) fn Banner(shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    // Streams need a moment to open.
    let late = RwSignal::new(false);
    set_timeout(move || late.set(true), PATIENCE);
    let unreached = Memo::new(move |_| playback.calm.with(|view| unreached(view)));
    let broken = Memo::new(move |_| {
        playback.view.with(|view| {
            let silent = view.in_order().filter(|node| {
                node.stream == StreamState::Silent && NodeLook::of(view, &node.name).status == Status::Silent
            });
            silent.map(|node| node.name.clone()).collect::<Vec<NodeName>>()
        })
    });
    let words = move || {
        let t = ui.t();
        let quorum = shared.summary.with(|summary| {
            (summary.all > 0 && summary.without_quorum())
                .then(|| (t.trouble.no_quorum)(summary.voters_up, summary.voters, summary.quorum()))
        });
        let (unreached, heard) = unreached.get();
        if quorum.is_none() && late.get() && !unreached.is_empty() {
            let names: Vec<_> = unreached.iter().map(NodeName::as_str).collect();
            return Some((t.trouble.unreached)(&names.join(", "), names.len(), heard));
        }
        quorum.or_else(|| {
            let broken = broken.get();
            let names: Vec<_> = broken.iter().map(NodeName::as_str).collect();
            (!names.is_empty()).then(|| (t.trouble.stream_broken)(&names.join(", "), names.len()))
        })
    };
    let words = Memo::new(move |_| words());
    move || {
        words.get().map(|words| view! { <p class="banner" role="status" data-testid="banner">{words}</p> })
    }
}
