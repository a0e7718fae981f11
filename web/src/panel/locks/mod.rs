//! The lock panel: the form, the lanes, who waits for whom.

mod form;
mod graph;
mod lanes;
mod look;

use leptos::prelude::*;

use crate::panel::feed::Feed;
use crate::shared::Shared;
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
