//! The lines: a row per address, a cell per node in its hue, and what the home has. The same that the stage shows of one
//! line, for all of them, and with the keyboard.

use std::sync::Arc;

use leptos::prelude::*;
use orrery_base::ids::NodeName;
use orrery_cache::Address;

use super::desk::CacheDesk;
use super::look::rows;
use super::words::{WORDS, Words};
use crate::look::cache::{CellLook, FanLook, Known, RowLook};
use crate::look::hue;
use crate::shared::Shared;
use crate::stage::cache::arc;
use crate::stage::glyph::letter;
use crate::stage::ring::mark_of;
use crate::store::Playback;
use crate::ui::{Ui, told};

#[component]
pub(crate) fn Lines(shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let shown = Memo::new(move |_| playback.calm.with(|view| rows(view)));
    let empty = Memo::new(move |_| shown.with(|(rows, _)| rows.is_empty()));
    let head =
        move || {
            let order = shared.order.get();
            order.iter().enumerate().map(|(place, name)| {
            view! { <th class=["hued ", hue(place)].concat() title=name.to_string()>{mark_of(name)}</th> }
        }).collect_view()
        };
    view! {
        <div class="card lines-card">
            {move || empty.get().then(|| view! { <p class="quiet">{WORDS.told(|t| t.empty)}</p> })}
            <table class="plain mesi-lines" class:none=move || empty.get() data-testid="lines">
                <caption class="unseen">{WORDS.told(|t| t.lines)}</caption>
                <thead>
                    <tr>
                        <th>{told(|t| t.line.name)}</th>
                        {head}
                        <th class="at-home">{told(|t| t.line.home)}</th>
                    </tr>
                </thead>
                <tbody>
                    <For
                        each=move || {
                            let order = shared.order.get();
                            let row = |address: &Address| (address.clone(), order.clone());
                            shown.with(|(rows, _)| rows.iter().map(row).collect::<Vec<_>>())
                        }
                        key=|(address, order)| (order.len(), address.clone())
                        children=|(address, order)| row(address, order)
                    />
                </tbody>
            </table>
            {move || {
                let more = shown.with(|(_, more)| *more as u64);
                (more > 0).then(|| view! { <p class="quiet">{(ui.t().forms.more)(more)}</p> })
            }}
        </div>
    }
}

fn row(address: Address, order: Arc<Vec<NodeName>>) -> AnyView {
    let (playback, ui, desk) = (Playback::expect(), Ui::expect(), CacheDesk::expect());
    let look = {
        let address = address.clone();
        Memo::new(move |_| playback.view.with(|view| RowLook::of(view, &address)))
    };
    let (named, chosen, title) = (address.clone(), address.clone(), address.to_string());
    let home = {
        let order = order.clone();
        move || look.with(|look| look.home).and_then(|place| order.get(place).map(|name| name.to_string()))
    };
    view! {
        <tr
            class:chosen=move || ui.line.get().as_ref() == Some(&chosen)
            data-testid=format!("line-{address}")
            data-home=home.clone()
        >
            <th>
                <button type="button" class="lane-name" title=title.clone() on:click=move |_| desk.choose(&named)>
                    {title.clone()}
                </button>
            </th>
            {order.iter().enumerate().map(|(place, name)| cell(address.clone(), name.clone(), place, look)).collect_view()}
            {at_home(&address, look)}
        </tr>
    }.into_any()
}

/// What of a line is at one node. A click reads or writes there.
fn cell(address: Address, node: NodeName, place: usize, row: Memo<RowLook>) -> AnyView {
    let (ui, desk) = (Ui::expect(), CacheDesk::expect());
    let look = Memo::new(move |_| row.with(|row| row.cells.get(place).cloned().unwrap_or_default()));
    let label = {
        let (address, node) = (address.clone(), node.clone());
        move || {
            let words = ui.words(&WORDS);
            let look = look.get();
            let known = match look.known {
                Known::Owns => words.owns,
                Known::Shares => words.shares,
                Known::Nothing => "",
            };
            let first = (words.cell_label)(&address, &node, (words.state)(look.state));
            let more = [(!known.is_empty(), known), (look.home, words.home_of), (look.lost, words.lost)];
            more.into_iter()
                .filter(|(told, _)| *told)
                .fold(first, |text, (_, word)| [&text, ", ", word].concat())
        }
    };
    let waited = move || look.with(|look| look.waited.is_some());
    let test_id = format!("cell-{address}-{node}");
    view! {
        <td class=hue(place)>
            <button
                type="button"
                class="mesi-cell"
                aria-label=label.clone()
                title=label
                data-testid=test_id
                data-state=move || look.with(|look| look.state.map_or("-", |state| state.letter()))
                data-unsaved=move || look.with(|look| look.unsaved.to_string())
                data-known=move || look.with(known_name)
                data-waited=move || waited().to_string()
                on:click=move |_| desk.click(&address, &node)
            >
                <svg class="standing" viewBox="-17 -17 34 36" aria-hidden="true">
                    {move || drawn(&look.get())}
                </svg>
            </button>
        </td>
    }
    .into_any()
}

/// The letter, and around it what the home knows and waits for.
fn drawn(look: &CellLook) -> AnyView {
    let around = match look.known {
        Known::Owns => view! { <path class="known" d="M0 12.2L3.2 15.4L0 18.6L-3.2 15.4Z" /> }.into_any(),
        Known::Shares => view! { <circle class="known" cy="15.4" r="2" /> }.into_any(),
        Known::Nothing => ().into_any(),
    };
    let home = look.home.then(|| view! { <text class="home-mark" x="-11" y="16">"⌂"</text> });
    let lease = look.waited.map(|timer| arc(timer, "15"));
    (lease, letter(look.state, look.unsaved, look.lost), around, home).into_any()
}

fn known_name(look: &CellLook) -> &'static str {
    match look.known {
        Known::Owns => "owner",
        Known::Shares => "sharer",
        Known::Nothing => "",
    }
}

/// The committed value: grey where somebody wrote what is not committed yet; and how many copies of the last question are
/// gone.
fn at_home(address: &str, row: Memo<RowLook>) -> AnyView {
    let ui = Ui::expect();
    let text = move || row.with(preview);
    let title = move || {
        let words = ui.words(&WORDS);
        row.with(|row| match &row.value {
            None => words.no_value.to_owned(),
            Some((preview, version)) => {
                let stale = if row.stale { [" · ", ui.t().line.stale].concat() } else { String::new() };
                format!("{preview} · v{version}{stale}")
            }
        })
    };
    view! {
        <td
            class="at-home"
            title=title
            data-testid=format!("home-{address}")
            data-value=text
            data-stale=move || row.with(|row| row.stale.to_string())
            data-count=move || row.with(|row| row.fan.as_ref().map(FanLook::counted))
        >
            <span class="value" class:stale=move || row.with(|row| row.stale)>{text}</span>
            {move || row.with(|row| beside(row, ui.words(&WORDS)))}
        </td>
    }
    .into_any()
}

fn preview(row: &RowLook) -> String {
    row.value.as_ref().map_or_else(|| "–".to_owned(), |(preview, _)| preview.to_string())
}

fn beside(row: &RowLook, words: &'static Words) -> AnyView {
    let version = row.value.as_ref().map(|(_, version)| {
        let text = format!("v{version}");
        view! { <small>{text}</small> }
    });
    let opening = row.opening.then(|| view! { <em title=words.opening>"◷"</em> });
    let fan = row.fan.as_ref().map(|fan| {
        let (done, all) = fan.count;
        let title = (words.acknowledged)(done, all);
        let text = ["✕ ", &fan.counted()].concat();
        view! { <em class:over={done == all} title=title>{text}</em> }
    });
    (version, opening, fan).into_any()
}
