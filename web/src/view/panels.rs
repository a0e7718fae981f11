//! The tabs at the right.

use leptos::prelude::*;

use crate::panel::{self, PANELS, Panel};
use crate::shared::Shared;
use crate::ui::{Ui, told};

/// Tabs and the chosen panel.
#[component]
pub(crate) fn Panels(shared: Shared) -> impl IntoView {
    let ui = Ui::expect();
    let button = move |panel: &'static Panel| {
        view! {
            <button
                type="button"
                role="tab"
                id=format!("tab-{}", panel.id)
                data-testid=format!("tab-{}", panel.id)
                aria-selected=move || (ui.tab.get() == panel.id).to_string()
                aria-controls="panel"
                title=panel.key
                on:click=move |_| ui.tab.set(panel.id)
            >
                {move || (panel.name)(ui.lang.get())}
            </button>
        }
    };
    view! {
        <section class="right" id="panels" aria-label=told(|t| t.ui.panels) tabindex="-1">
            <div class="tabs" role="tablist" aria-label=told(|t| t.ui.panels)>
                {PANELS.iter().map(button).collect_view()}
            </div>
            <div
                class="panel"
                id="panel"
                role="tabpanel"
                aria-labelledby=move || format!("tab-{}", ui.tab.get())
            >
                {move || (panel::of(ui.tab.get()).view)(shared)}
            </div>
        </section>
    }
}
