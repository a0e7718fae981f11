//! The lock panel: the form, the lanes, who waits for whom.

pub(in crate::view) mod form;
mod graph;
mod lanes;

use leptos::prelude::*;

use super::Shared;
use super::feed::Feed;
use crate::ui::Ui;

#[component]
pub(crate) fn LocksPanel(shared: Shared) -> impl IntoView {
    let ui = Ui::expect();
    view! {
        <form::LockForm />
        <lanes::Lanes />
        <graph::Graph />
        {move || ui.tall.get().then(|| view! { <Feed shared /> })}
    }
}
