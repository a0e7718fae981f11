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
//! - panels: `tab-NAME`; locks: `as-CLIENT`, `add-client`, `client-name`, `resource`, `mode-exclusive`,
//!   `mode-shared`, `lease`, `ask-node`, `acquire`, `queue`, `release`, `renew`, `result` (`data-outcome`),
//!   `retry`, `lane-RESOURCE` (`data-holders`, `data-waiters`), `holder-CLIENT` and `waiter-CLIENT` in a lane,
//!   `cancel-CLIENT`, `wait-graph`, `cycle`, `victim`; `log`, `log-NODE`; `inspect`, `inspect-NODE`,
//!   `inspect-kill-NODE` …; queue: `topic`, `key`, `message`, `publish`, `stream`, `streamed`, `rate`, `group`, `consume`,
//!   `max`, `visibility`, `held`, `held-ID` (`data-attempt`, `data-late`), `ack-ID`, `nack-ID`, `crash`, `topics`,
//!   `topic-TOPIC` (`data-ready`, `data-in-flight`, `data-acknowledged`, `data-dead`), `bin-NAME`, `flight-ID`
//!   (`data-attempt`), `group-choice`, `redrive`, `ring-table`, `ring-N`, `last-change` (as `ring-change`); cache: `address`,
//!   `value`, `read`, `write`, `delete`, `durable`, `write-back`, `at-any`, `at-NODE`, `click-read`, `click-write`, `load`, `load-rate`,
//!   `loaded`, `lines`, `line-ADDRESS` (`data-home`), `cell-ADDRESS-NODE` (`data-state`, `data-unsaved`, `data-known`, `data-waited`),
//!   `home-ADDRESS` (`data-value`, `data-stale`, `data-count`), `diagram` (`data-from`, `data-to`), `mesi-table`, `uses`, `use-NODE`; `stage-table`, `flights`; `feed`, `feed-detail`;
//! - tape: `tape`.

pub mod actions;
pub mod cache;
mod caption;
mod feed;
mod header;
mod inspect;
mod keys;
mod left;
mod legend;
mod locks;
mod log;
pub mod outcome;
mod panels;
mod popover;
mod process;
mod queue;
mod results;
mod rich;
mod scenario;
pub mod table;
mod trouble;

use std::sync::{Arc, OnceLock};

use actions::Actions;
use leptos::prelude::*;
use orrery_base::ids::NodeName;
use orrery_cache::Address;

use crate::i18n::number::time_of_day;
use crate::look::Summary;
use crate::look::cache::busiest;
use crate::look::change::{ChangeLook, differs};
use crate::look::ring::{RingLook, follow, placement};
use crate::stage::change::shown;
use crate::stage::clients::StageClients;
use crate::stage::geometry::Geometry;
use crate::stage::{Moving, Standing};
use crate::store::Playback;
use crate::tape::Tape;
use crate::ui::{Ui, told};

/// Parts of the view that many panels look at.
#[derive(Clone, Copy)]
pub struct Shared {
    /// The cluster in short.
    pub summary: Memo<Summary>,
    /// Names in the order of the circle.
    pub order: Memo<Arc<Vec<NodeName>>>,
    /// The hash ring; without shards where there are none.
    pub ring: Memo<Arc<RingLook>>,
    /// Its last change that this page saw.
    pub last_change: Memo<Option<Arc<ChangeLook>>>,
    /// The same while it is under way, and a little longer.
    pub change: Memo<Option<Arc<ChangeLook>>>,
    /// The cache line that the stage shows: the chosen one, or the one where most happens.
    pub line: Memo<Option<Address>>,
}

#[component]
pub(crate) fn App() -> impl IntoView {
    let playback = Playback::provide();
    crate::witness::offer(playback);
    let ui = Ui::provide();
    let actions = Actions::provide(playback, ui);
    keys::listen(actions, (queue::desk::Desk::provide(), cache::desk::CacheDesk::provide()));
    let members = follow(playback);
    let map = Memo::new(move |_| members.with(|ring| placement(ring)));
    let order = Memo::new(move |_| playback.view.with(|view| view.order.clone()));
    let last_change = Memo::new_with_compare(
        move |_| {
            let order = order.get();
            members.with(|ring| ChangeLook::of(ring, &order).map(Arc::new))
        },
        differs,
    );
    let shared = Shared {
        summary: Memo::new(move |_| playback.view.with(|view| Summary::of(view))),
        order,
        last_change,
        change: shown(last_change),
        line: Memo::new(move |_| ui.line.get().or_else(|| playback.calm.with(|view| busiest(view)))),
        ring: Memo::new(move |_| {
            map.with(|map| playback.view.with(|view| Arc::new(RingLook::of(view, map))))
        }),
    };
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

/// A time of the hybrid logical clock as the reader's time of day.
pub fn local_time(wall_us: u64) -> String {
    static OFFSET: OnceLock<i32> = OnceLock::new();
    let offset = OFFSET.get_or_init(|| -js_sys::Date::new_0().get_timezone_offset() as i32);
    time_of_day(wall_us, *offset)
}
