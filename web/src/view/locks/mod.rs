//! The lock panel: the form, the lanes, who waits for whom.

pub(in crate::view) mod form;
mod graph;
mod lanes;

use super::Shared;
use super::feed::Feed;
use crate::dom::{Markup, component, view};
use crate::ui::Ui;

#[component]
pub(crate) fn LocksPanel(shared: Shared) -> Markup {
    let ui = Ui::expect();
    view! {
        <form::LockForm />
        <lanes::Lanes />
        <graph::Graph />
        {move || ui.tall.get().then(|| view! { <Feed shared /> })}
    }
}
