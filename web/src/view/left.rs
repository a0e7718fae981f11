//! The left column: layers, scenarios, what is broken now.

use leptos::prelude::*;
use orrery_narrate::fault::listed;

use super::layers::{LAYERS, Layer};
use super::scenario::{self, Scenario};
use crate::actions::Actions;
use crate::i18n::number::{duration, grouped, seconds};
use crate::look::faults::{Broken, broken};
use crate::parts::process::AddButton;
use crate::shared::Shared;
use crate::stage::glyph::IconView;
use crate::store::{Origin, Playback};
use crate::ui::Ui;
use crate::ui::told;

#[component]
pub(crate) fn Left(shared: Shared) -> impl IntoView {
    view! {
        <aside class="left">
            <LayerList />
            <Scenarios />
            <Faults />
            <Origins shared />
        </aside>
    }
}

#[component]
fn LayerList() -> impl IntoView {
    let ui = Ui::expect();
    let row = move |layer: &'static Layer| {
        let on = move || layer.drawn(ui.layers.get());
        view! {
            <button
                type="button"
                class="layer"
                class:on=on
                aria-pressed=move || on().to_string()
                data-testid=format!("layer-{}", layer.id)
                on:click=move |_| layer.toggle(ui)
            >
                <IconView icon=layer.icon />
                {told(layer.word)}
                <kbd>{layer.key}</kbd>
            </button>
        }
    };
    view! {
        <section>
            <h2>{told(|t| t.ui.layers)}</h2>
            {LAYERS.iter().map(row).collect_view()}
            <AddButton />
        </section>
    }
}

#[component]
fn Scenarios() -> impl IntoView {
    let (playback, ui, actions) = (Playback::expect(), Ui::expect(), Actions::expect());
    let row = move |scenario: Scenario| {
        let on = move || {
            actions
                .scenario
                .with(|running| running.as_ref().is_some_and(|(which, _)| *which == scenario.name()))
        };
        let blocked = move || scenario.needs_supervisor() && playback.origin.get() == Origin::Node;
        view! {
            <button
                type="button"
                class="scenario"
                class:on=on
                data-testid=format!("scenario-{}", scenario.name())
                title=move || scenario.words(ui.t()).text
                disabled=blocked
                on:click=move |_| scenario::run(scenario, actions)
            >
                <span class="mark">{move || if on() { "▸" } else { "" }}</span>
                <span>{move || scenario.words(ui.t()).name}</span>
                <kbd>{scenario.key()}</kbd>
            </button>
        }
    };
    let step = move || {
        actions
            .scenario
            .get()
            .filter(|(_, step)| !step.is_empty())
            .map(|(_, step)| view! { <p class="step">{step}</p> })
    };
    let armed = move || {
        let armed = actions.armed.get();
        armed.map(|(_, words)| view! { <p class="notice armed" role="alert" data-testid="armed">{words}</p> })
    };
    let notice = move || {
        actions.notice.get().map(|notice| {
            view! {
                <p class="notice" role="alert" data-testid="notice">
                    {notice}
                    <button
                        type="button"
                        class="close"
                        aria-label=told(|t| t.ui.close)
                        on:click=move |_| actions.notice.set(None)
                    >
                        "×"
                    </button>
                </p>
            }
        })
    };
    view! {
        <section class="scenarios">
            <h2>{told(|t| t.ui.scenarios)}</h2>
            {Scenario::ALL.map(row)}
            {step}
            {armed}
            {notice}
        </section>
    }
}

#[component]
fn Faults() -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let list = Memo::new(move |_| playback.view.with(|view| broken(view)));
    // A tenth of a second is what the words can show.
    let tenth = Memo::new(move |_| playback.now_us.get() / 100_000);
    let since = move |since_us: u64| {
        let ago_us = (tenth.get() * 100_000).saturating_sub(since_us);
        seconds(ago_us, ui.lang.get())
    };
    let words = move |broken: &Broken| {
        let t = ui.t();
        match broken {
            Broken::Down { node, since_us, killed: true } => {
                format!("✕ {}", (t.cluster.fault_killed)(node, &since(*since_us)))
            }
            Broken::Down { node, since_us, .. } => {
                format!("✕ {}", (t.cluster.fault_down)(node, &since(*since_us)))
            }
            Broken::Paused { node, since_us } => {
                format!("❚❚ {}", (t.cluster.fault_paused)(node, &since(*since_us)))
            }
            Broken::Link { from, to, fault } => listed(from, to, fault, t.lang.language()),
            Broken::Gap { node, events } => {
                format!("≈ {}", (t.cluster.fault_gap)(node, &grouped(*events, t.lang)))
            }
            Broken::Clock { node, offset_us } => {
                format!("◷ {}", (t.cluster.fault_clock)(node, &duration(offset_us.unsigned_abs(), t.lang)))
            }
        }
    };
    view! {
        <section>
            <h2>{told(|t| t.ui.faults)}</h2>
            <ul class="faults" data-testid="faults">
                {move || {
                    let list = list.get();
                    if list.is_empty() {
                        return view! { <li class="none">{ui.t().ui.no_faults}</li> }.into_any();
                    }
                    list.into_iter().map(|broken| view! { <li>{move || words(&broken)}</li> }).collect_view().into_any()
                }}
            </ul>
        </section>
    }
}

/// What is told at the foot: the timing, where the header has no room for it, and who served the page.
#[component]
fn Origins(shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let differed = Memo::new(move |_| playback.present.with(|view| view.comparisons.differences));
    view! {
        <section class="foot">
            <p class="profile-foot">{move || shared.summary.with(|summary| (ui.t().cluster.timing)(&summary.profile))}</p>
            {move || {
                (playback.origin.get() == Origin::Node)
                    .then(|| view! { <p data-testid="served-by-node">{ui.t().trouble.served_by_node}</p> })
            }}
            {move || {
                let times = differed.get();
                (times > 0).then(|| view! { <p data-testid="differed">{(ui.t().trouble.differed)(times)}</p> })
            }}
            <label class="check">
                <input
                    type="checkbox"
                    prop:checked=move || ui.still.get()
                    on:change=move |event| ui.still.set(event_target_checked(&event))
                />
                {told(|t| t.ui.motion)}
            </label>
        </section>
    }
}
