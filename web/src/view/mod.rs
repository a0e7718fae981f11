//! The page: the grid of header, left column, stage, panels and tape.
//!
//! Test ids (`data-testid`), stable for browser tests:
//! - header: `pill-term`, `pill-leader`, `pill-up`, `pill-committed`, `pill-profile`, `back-mark`, `step-back`,
//!   `pause`, `step-forward`, `live`, `rate-hundredth`, `rate-director`, `rate-real`, `badge` (`data-live`),
//!   `lang-en`, `lang-id`, `theme`, `legend-button`; `legend`, `legend-close`;
//! - left: `layer-consensus`, `layer-locks`, `layer-queue`, `layer-cache`, `scenario-NAME`, `faults`, `notice`, `armed`, `served-by-node`;
//! - stage: `stage`, `term`, `node-NODE` (`data-role`, `data-status`, `data-term`, `data-deposed`), `votes`,
//!   `client-CLIENT`, `request`, `popover`, `kill-NODE`, `start-NODE`, `pause-NODE`, `resume-NODE`, `lead-NODE`,
//!   `caption`, `banner`, `past`, `nothing`, `shard-N` (`data-state`, `data-leader`), `ghost-N` (`data-moved`), `ring-change` (`data-state`,
//!   `data-moved`, `data-ideal`, `data-modulo`); `stage-line` (`data-address`), `badge-NODE` (`data-state`), `fan` (`data-count`);
//! - panels: `tab-NAME`; what is in a panel is named in its folder, `result` (`data-outcome`) and `retry` are under each form;
//! - tape: `tape`.

mod caption;
mod header;
mod keys;
mod layers;
mod left;
mod legend;
mod panels;
mod popover;
mod scenario;
mod trouble;

use leptos::prelude::*;

use crate::actions::Actions;
use crate::panel;
use crate::shared::Shared;
use crate::stage::clients::StageClients;
use crate::stage::geometry::Geometry;
use crate::stage::{Moving, Standing};
use crate::store::Playback;
use crate::tape::Tape;
use crate::ui::{Ui, told};

#[component]
pub(crate) fn App() -> impl IntoView {
    let playback = Playback::provide();
    crate::witness::offer(playback);
    let ui = Ui::provide(panel::PANELS[0].id);
    let actions = Actions::provide(playback, ui);
    panel::provide();
    keys::listen(actions);
    let shared = Shared::new(playback, ui);
    view! {
        <div class="page">
            <a class="skip" href="#panels">{told(|t| t.ui.skip)}</a>
            <header::Header shared />
            <left::Left shared />
            <Stage shared />
            <panels::Panels shared />
            <footer class="tape" aria-label=told(|t| t.ui.tape) data-testid="tape">
                <Tape />
            </footer>
        </div>
        <legend::Legend />
    }
}

/// The stage with the narrator under it.
#[component]
fn Stage(shared: Shared) -> impl IntoView {
    let ui = Ui::expect();
    let ringed = Memo::new(move |_| shared.ring.with(|ring| !ring.shards.is_empty()));
    let geometry = Memo::new(move |_| {
        Geometry::new(shared.summary.with(|summary| summary.all), ui.portrait.get(), ringed.get())
    });
    let clients = StageClients::provide();
    let scene = NodeRef::<leptos::html::Div>::new();
    let past = trouble::past(shared);
    view! {
        <main class="stage" class:past=move || past.get().is_some()>
            <trouble::Banner shared />
            <div class="scene" node_ref=scene on:click=move |_| ui.popover.set(false)>
                <Standing geometry shared clients />
                <Moving geometry shared />
                <popover::Popover geometry scene shared />
                <trouble::Nothing shared />
            </div>
            <caption::Caption shared past />
        </main>
    }
}
