//! The lock panel: the form, the lanes, who waits for whom.
//!
//! Test ids: `as-CLIENT`, `add-client`, `client-name`, `resource`, `mode-exclusive`, `mode-shared`, `lease`, `ask-node`, `acquire`,
//! `queue`, `release`, `renew`, `transfer-to`, `transfer`, `lane-RESOURCE` (`data-holders`, `data-waiters`), `holder-CLIENT` and `waiter-CLIENT` in a lane,
//! `cancel-CLIENT`, `wait-graph`, `cycle`, `victim`.

mod desk;
mod form;
mod graph;
mod lanes;
mod look;
mod results;
pub(super) mod words;

use leptos::prelude::*;

use self::desk::LockDesk;
use self::words::WORDS;
use crate::panel::feed::Feed;
use crate::panel::{Letter, Operations};
use crate::request::lock::LockOperation;
use crate::shared::Shared;
use crate::ui::Ui;

pub const ID: &str = "locks";

pub const OPERATIONS: Operations = Operations {
    provide: LockDesk::provide,
    letters: &[
        Letter { key: "I", run: || LockDesk::expect().submit(LockOperation::Acquire), harm: None },
        Letter { key: "O", run: || LockDesk::expect().submit(LockOperation::Queue), harm: None },
        Letter { key: "U", run: || LockDesk::expect().submit(LockOperation::Release), harm: None },
        Letter { key: "Y", run: || LockDesk::expect().submit(LockOperation::Renew), harm: None },
    ],
    words: |lang| WORDS.of(lang).letters,
};

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
