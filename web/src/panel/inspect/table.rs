//! The stage as a table, for readers who do not see it: nodes, and messages on their way.

use leptos::prelude::*;

use super::words::WORDS;
use crate::i18n::number::grouped;
use crate::look::NodeLook;
use crate::look::message::message_name;
use crate::parts::local_time;
use crate::shared::Shared;
use crate::stage::node::status_word;
use crate::store::Playback;
use crate::ui::{Ui, told};

/// Most messages that are listed.
const MESSAGES_MAX: usize = 30;

/// The table; it costs nothing while it is closed.
#[component]
pub(crate) fn StageTable(shared: Shared) -> impl IntoView {
    let open = RwSignal::new(false);
    view! {
        <div class="card stage-table">
            <button
                type="button"
                class="disclose"
                data-testid="stage-table"
                aria-expanded=move || open.get().to_string()
                on:click=move |_| open.update(|open| *open = !*open)
            >
                {move || if open.get() { "▾ " } else { "▸ " }}
                {WORDS.told(|t| t.table)}
            </button>
            {move || {
                open.get().then(|| view! {
                    <Nodes shared />
                    <Messages />
                })
            }}
        </div>
    }
}

fn table_row<const N: usize>(cells: [String; N]) -> AnyView {
    view! { <tr>{cells.into_iter().map(|cell| view! { <td>{cell}</td> }).collect_view()}</tr> }.into_any()
}

#[component]
fn Nodes(shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let rows = Memo::new(move |_| {
        let t = ui.t();
        let order = shared.order.get();
        playback.calm.with(|view| {
            let row = |name: &orrery_base::ids::NodeName| {
                let look = NodeLook::of(view, name);
                let commit = view.control(name).and_then(|part| part.commit);
                let role = if look.deposed { t.cluster.deposed } else { (t.cluster.role)(look.role) };
                [
                    name.to_string(),
                    status_word(look.status, t).to_owned(),
                    role.to_owned(),
                    look.term.map(|term| term.to_string()).unwrap_or_default(),
                    commit.map(|commit| grouped(commit, t.lang)).unwrap_or_default(),
                ]
            };
            order.iter().map(row).collect::<Vec<_>>()
        })
    });
    view! {
        <table class="plain" tabindex="0">
            <thead>
                <tr>
                    <th>{told(|t| t.cluster.node)}</th>
                    <th>{WORDS.told(|t| t.status)}</th>
                    <th>{WORDS.told(|t| t.role)}</th>
                    <th>{told(|t| t.cluster.term)}</th>
                    <th>{told(|t| t.cluster.committed)}</th>
                </tr>
            </thead>
            <tbody>
                {move || rows.get().into_iter().map(table_row).collect_view()}
            </tbody>
        </table>
    }
}

#[component]
fn Messages() -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let rows = Memo::new(move |_| {
        playback.calm.with(|view| {
            let flying = view.flights.values().take(MESSAGES_MAX);
            flying
                .map(|flight| {
                    let (from, to) = (flight.from.to_string(), flight.to.to_string());
                    [message_name(&flight.body).to_owned(), from, to, local_time(flight.sent_us)]
                })
                .collect::<Vec<_>>()
        })
    });
    view! {
        <h3>{WORDS.told(|t| t.flights)}</h3>
        {move || rows.with(Vec::is_empty).then(|| view! { <p class="quiet">{ui.words(&WORDS).no_flights}</p> })}
        <table class="plain" tabindex="0" data-testid="flights">
            <thead>
                <tr>
                    <th>{WORDS.told(|t| t.message)}</th>
                    <th>{WORDS.told(|t| t.from)}</th>
                    <th>{WORDS.told(|t| t.to)}</th>
                    <th>{WORDS.told(|t| t.sent_at)}</th>
                </tr>
            </thead>
            <tbody>
                {move || rows.get().into_iter().map(table_row).collect_view()}
            </tbody>
        </table>
    }
}
