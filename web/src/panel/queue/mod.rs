//! The queue panel: publish and consume, what was delivered to the page, the bins of each topic, the ring as a table.

mod bins;
mod change;
pub mod desk;
mod form;
mod held;
mod look;
mod table;

use leptos::prelude::*;

use crate::panel::feed::Feed;
use crate::shared::Shared;
use crate::ui::Ui;

#[component]
pub(crate) fn QueuePanel(shared: Shared) -> impl IntoView {
    let ui = Ui::expect();
    view! {
        <form::QueueForm />
        <bins::Bins />
        <table::RingTable shared />
        {move || ui.tall.get().then(|| view! { <Feed shared /> })}
    }
}
