//! The queue panel: publish and consume, what was delivered to the page, the bins of each topic, the ring as a table.

mod bins;
mod change;
pub mod desk;
pub(in crate::view) mod form;
mod held;
mod table;

use super::Shared;
use super::feed::Feed;
use crate::dom::{Markup, component, view};
use crate::ui::Ui;

#[component]
pub(crate) fn QueuePanel(shared: Shared) -> Markup {
    let ui = Ui::expect();
    view! {
        <form::QueueForm />
        <bins::Bins />
        <table::RingTable shared />
        {move || ui.tall.get().then(|| view! { <Feed shared /> })}
    }
}
