//! The cache panel: read and write, the lines with their letters, what changed last, how often copies answer.

pub mod desk;
mod diagram;
mod form;
mod lines;
mod look;
mod uses;

use leptos::prelude::*;

use crate::panel::feed::Feed;
use crate::shared::Shared;
use crate::ui::Ui;

#[component]
pub(crate) fn CachePanel(shared: Shared) -> impl IntoView {
    let ui = Ui::expect();
    view! {
        <form::CacheForm shared />
        <lines::Lines shared />
        <diagram::Diagram shared />
        <uses::Uses shared />
        {move || ui.tall.get().then(|| view! { <Feed shared /> })}
    }
}
