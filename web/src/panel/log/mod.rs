//! The log panel: the matrix of one group, one row per node, one column per index.
//!
//! Test ids: `log`, `log-NODE`, `log-title`, `log-of-GROUP`.

mod look;
pub(super) mod words;

use leptos::prelude::*;
use orrery_base::ids::{GroupId, LogIndex, NodeName};

use self::words::{WORDS, Words};
use crate::i18n::number::grouped;
use crate::look::hue;
use crate::look::log::{Cell, cells, part, window};
use crate::shared::Shared;
use crate::store::Playback;
use crate::ui::Ui;

const COLUMNS: u64 = 12;

/// The control group, or a shard: `s3`.
fn name_of(group: GroupId, words: &'static Words) -> String {
    if group == GroupId::CONTROL { words.control_group.to_owned() } else { format!("s{}", group.0) }
}

#[component]
pub(crate) fn LogPanel(shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let group = RwSignal::new(GroupId::CONTROL);
    let groups = Memo::new(move |_| playback.calm.with(|view| look::groups(view)));
    let title = move || {
        let words = ui.words(&WORDS);
        (words.which_log)(&name_of(group.get(), words))
    };
    let window = Memo::new(move |_| playback.calm.with(|view| window(view, group.get(), COLUMNS)));
    let quorum = Memo::new(move |_| playback.calm.with(|view| look::quorum_index(view, group.get())));
    let columns = move || window.get().collect::<Vec<_>>();
    let rows = move || shared.order.get().iter().cloned().enumerate().collect::<Vec<_>>();
    let line = move || {
        quorum.get().map(|index| {
            let index = grouped(index, ui.lang.get());
            view! { <p class="quorum-words">{(ui.words(&WORDS).quorum_line)(&index)}</p> }
        })
    };
    view! {
        <div class="card log">
            <h2 data-testid="log-title">{title}</h2>
            <div class="chips" role="radiogroup" aria-label=WORDS.told(|t| t.name)>
                {move || groups.get().into_iter().map(move |choice| {
                    view! {
                        <button
                            type="button"
                            role="radio"
                            class="chip"
                            aria-checked=move || (group.get() == choice).to_string()
                            data-testid=format!("log-of-{}", choice.0)
                            on:click=move |_| group.set(choice)
                        >
                            {move || name_of(choice, ui.words(&WORDS))}
                        </button>
                    }
                }).collect_view()}
            </div>
            <p class="quiet">{WORDS.told(|t| t.hint)}</p>
            <table class="matrix" data-testid="log">
                <thead>
                    <tr>
                        <th scope="col">{WORDS.told(|t| t.index)}</th>
                        {move || columns().into_iter().map(move |index| {
                            view! {
                                <th scope="col" class:quorum=move || quorum.get() == Some(index)>
                                    {format!("{:02}", index % 100)}
                                </th>
                            }
                        }).collect_view()}
                    </tr>
                </thead>
                <tbody>
                    {move || rows().into_iter().map(|(place, name)| view! { <Row name place group /> }).collect_view()}
                </tbody>
            </table>
            {line}
            <Key />
        </div>
        <Entries group />
    }
}

#[component]
fn Row(name: NodeName, place: usize, group: RwSignal<GroupId>) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let quorum = Memo::new(move |_| playback.calm.with(|view| look::quorum_index(view, group.get())));
    let leads = {
        let name = name.clone();
        Memo::new(move |_| {
            playback.calm.with(|view| view.leadership_of(group.get()).leader.as_ref() == Some(&name))
        })
    };
    let cells = {
        let name = name.clone();
        Memo::new(move |_| {
            playback
                .calm
                .with(|view| cells(part(view, &name, group.get()), window(view, group.get(), COLUMNS)))
        })
    };
    let word = move |cell: &Cell| {
        let words = ui.words(&WORDS);
        match cell.mark {
            None => words.missing,
            Some(_) if cell.committed() => words.committed,
            Some(_) => words.uncommitted,
        }
    };
    view! {
        <tr class=hue(place) data-testid=format!("log-{name}")>
            <th scope="row">
                <b class="hued">{name.to_string()}</b>
                <span class="small-crown">{move || if leads.get() { "♛" } else { "" }}</span>
            </th>
            {move || cells.get().into_iter().map(move |cell| {
                let index = cell.index;
                view! {
                    <td class:quorum=move || quorum.get() == Some(index)>
                        <span
                            class=format!("cell {}", cell.class())
                            title=move || format!("{} · {}", grouped(index, ui.lang.get()), word(&cell))
                        >
                            {if cell.committed() { "✓" } else { "" }}
                        </span>
                    </td>
                }
            }).collect_view()}
        </tr>
    }
}

#[component]
fn Key() -> impl IntoView {
    view! {
        <p class="matrix-key n1">
            <span class="cell committed">"✓"</span>
            {WORDS.told(|t| t.committed)}
            <span class="cell durable"></span>
            {WORDS.told(|t| t.uncommitted)}
            <span class="cell missing"></span>
            {WORDS.told(|t| t.missing)}
        </p>
    }
}

/// What the entries say, newest first.
#[component]
fn Entries(group: RwSignal<GroupId>) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let entries = Memo::new(move |_| {
        playback.calm.with(|view| {
            let of = group.get();
            let part = |name: &NodeName| part(view, name, of);
            let commit = view.order.iter().filter_map(|name| part(name)?.commit).max();
            let said = window(view, of, COLUMNS).rev().map(|index| {
                let said = look::what(view, of, index);
                let have = view
                    .order
                    .iter()
                    .filter(|name| part(name).is_some_and(|part| part.mark(index).is_some()));
                (index, said, have.count(), commit.is_some_and(|commit| index <= commit))
            });
            said.collect::<Vec<(LogIndex, _, usize, bool)>>()
        })
    });
    view! {
        <div class="card entries">
            {move || entries.get().into_iter().map(move |(index, said, have, committed)| {
                let (term, what) = match said {
                    Some((term, what)) => (format!("T{term}"), what.to_string()),
                    None => (String::new(), "…".to_owned()),
                };
                let title = what.clone();
                view! {
                    <div class="entry" class:committed=committed>
                        <span class="index">{move || grouped(index, ui.lang.get())}</span>
                        <span class="term">{term}</span>
                        <span class="what" title=title>{what}</span>
                        <span class="have">{format!("{have}×{}", if committed { " ✓" } else { "" })}</span>
                    </div>
                }
            }).collect_view()}
            {move || entries.with(Vec::is_empty).then(|| view! { <p class="quiet">{ui.words(&WORDS).empty}</p> })}
        </div>
    }
}
