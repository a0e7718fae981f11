//! The lock panel: the form, the lanes, who waits for whom.

mod form;
mod graph;
mod lanes;

use leptos::prelude::*;

/// The panel.
#[component]
pub(crate) fn LocksPanel() -> impl IntoView {
    view! {
        <form::LockForm />
        <lanes::Lanes />
        <graph::Graph />
    }
}
