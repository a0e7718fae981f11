//! The cache panel: read and write, the lines with their letters, what changed last, how often copies answer.
//!
//! Test ids: `address`, `value`, `read`, `write`, `delete`, `durable`, `write-back`, `at-any`, `at-NODE`, `click-read`, `click-write`,
//! `load`, `load-rate`, `loaded`, `lines`, `line-ADDRESS` (`data-home`), `cell-ADDRESS-NODE` (`data-state`, `data-unsaved`,
//! `data-known`, `data-waited`), `home-ADDRESS` (`data-value`, `data-stale`, `data-count`), `diagram` (`data-from`, `data-to`),
//! `mesi-table`, `uses`, `use-NODE`.

mod desk;
mod diagram;
mod form;
mod lines;
mod look;
mod results;
mod uses;
pub(super) mod words;

use leptos::prelude::*;

use self::desk::CacheDesk;
use self::words::WORDS;
use crate::panel::feed::Feed;
use crate::panel::{Letter, Operations};
use crate::shared::Shared;
use crate::ui::Ui;

pub const ID: &str = "cache";

pub const OPERATIONS: Operations = Operations {
    provide: CacheDesk::provide,
    letters: &[
        Letter { key: "I", run: || CacheDesk::expect().read(), harm: None },
        Letter { key: "O", run: || CacheDesk::expect().write(), harm: None },
        Letter { key: "U", run: || CacheDesk::expect().delete(), harm: Some(|lang| WORDS.of(lang).delete) },
        Letter { key: "Y", run: || CacheDesk::expect().toggle_load(), harm: None },
    ],
    words: |lang| WORDS.of(lang).letters,
};

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
