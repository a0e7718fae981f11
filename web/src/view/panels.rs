//! The tabs at the right.

use leptos::prelude::*;

use crate::panel::cache::CachePanel;
use crate::panel::feed::Feed;
use crate::panel::inspect::Inspect;
use crate::panel::locks::LocksPanel;
use crate::panel::log::LogPanel;
use crate::panel::queue::QueuePanel;
use crate::shared::Shared;
use crate::ui::told;
use crate::ui::{Tab, Ui};

/// Tabs and the chosen panel.
#[component]
pub(crate) fn Panels(shared: Shared) -> impl IntoView {
    let ui = Ui::expect();
    let word = move |tab: Tab| {
        let words = &ui.t().ui;
        match tab {
            Tab::Cache => ui.t().cache.name,
            Tab::Locks => words.tab_locks,
            Tab::Queue => words.tab_queue,
            Tab::Log => words.tab_log,
            Tab::Inspect => words.tab_inspect,
            Tab::Feed => words.tab_feed,
        }
    };
    let key = |tab: Tab| match tab {
        Tab::Locks => "Q",
        Tab::Queue => "C",
        Tab::Cache => "X",
        Tab::Log => "W",
        Tab::Inspect => "E",
        Tab::Feed => "V",
    };
    let button = move |tab: Tab| {
        view! {
            <button
                type="button"
                role="tab"
                id=format!("tab-{}", tab.name())
                data-testid=format!("tab-{}", tab.name())
                aria-selected=move || (ui.tab.get() == tab).to_string()
                aria-controls="panel"
                title=key(tab)
                on:click=move |_| ui.tab.set(tab)
            >
                {move || word(tab)}
            </button>
        }
    };
    view! {
        <section class="right" id="panels" aria-label=told(|t| t.ui.panels) tabindex="-1">
            <div class="tabs" role="tablist" aria-label=told(|t| t.ui.panels)>{Tab::ALL.map(button)}</div>
            <div
                class="panel"
                id="panel"
                role="tabpanel"
                aria-labelledby=move || format!("tab-{}", ui.tab.get().name())
            >
                {move || match ui.tab.get() {
                    Tab::Locks => view! { <LocksPanel shared /> }.into_any(),
                    Tab::Queue => view! { <QueuePanel shared /> }.into_any(),
                    Tab::Cache => view! { <CachePanel shared /> }.into_any(),
                    Tab::Log => view! { <LogPanel shared /> }.into_any(),
                    Tab::Inspect => view! { <Inspect shared /> }.into_any(),
                    Tab::Feed => view! { <Feed shared /> }.into_any(),
                }}
            </div>
        </section>
    }
}
