//! The queue panel: publish and consume, what was delivered to the page, the bins of each topic, the ring as a table.
//!
//! Test ids: `topic`, `key`, `message`, `publish`, `stream`, `streamed`, `rate`, `group`, `consume`, `max`, `visibility`, `held`,
//! `held-ID` (`data-attempt`, `data-late`), `ack-ID`, `nack-ID`, `crash`, `topics`, `topic-TOPIC` (`data-ready`, `data-in-flight`,
//! `data-acknowledged`, `data-dead`), `bin-NAME`, `flight-ID` (`data-attempt`), `group-choice`, `redrive`, `ring-table`, `ring-N`,
//! `last-change` (as `ring-change` on the stage).

mod bins;
mod change;
mod desk;
mod form;
mod held;
mod look;
mod results;
mod table;
pub(super) mod words;

use leptos::prelude::*;

use self::desk::Desk;
use self::words::WORDS;
use crate::panel::feed::Feed;
use crate::panel::{Letter, Operations};
use crate::shared::Shared;
use crate::ui::Ui;

pub const ID: &str = "queue";

pub const OPERATIONS: Operations = Operations {
    provide: Desk::provide,
    letters: &[
        Letter { key: "I", run: || Desk::expect().publish(), harm: None },
        Letter { key: "O", run: || Desk::expect().consume(), harm: None },
        Letter { key: "U", run: || Desk::expect().settle_first(true), harm: None },
        Letter { key: "Y", run: || Desk::expect().settle_first(false), harm: None },
    ],
    words: |lang| WORDS.of(lang).letters,
};

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
