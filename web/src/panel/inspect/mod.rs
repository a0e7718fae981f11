//! One node: what it says of itself, its links, its process. Below: the stage as a table.
//!
//! Test ids: `inspect`, `inspect-NODE`, `inspect-kill-NODE` …, `has-left`, `stage-table`, `flights`.

mod look;
mod table;
pub(super) mod words;

use leptos::prelude::*;
use orrery_base::ids::NodeName;

use self::look::rows;
use self::table::StageTable;
use self::words::WORDS;
use crate::look::hue;
use crate::parts::local_time;
use crate::parts::process::{ProcessButtons, RemoveButton};
use crate::shared::Shared;
use crate::store::Playback;
use crate::ui::Ui;

pub const ID: &str = "inspect";

#[component]
pub(crate) fn Inspect(shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let rows = Memo::new(move |_| {
        let (lang, node) = (ui.lang.get(), ui.selected.get());
        node.map(|node| playback.calm.with(|view| rows(view, &node, lang, local_time))).unwrap_or_default()
    });
    let chips = move || {
        let order = shared.order.get();
        let chip = |(place, name): (usize, &NodeName)| {
            let (chosen, clicked) = (name.clone(), name.clone());
            view! {
                <button
                    type="button"
                    class=format!("chip hued {}", hue(place))
                    aria-pressed=move || (ui.selected.get().as_ref() == Some(&chosen)).to_string()
                    data-testid=format!("inspect-{name}")
                    on:click=move |_| ui.selected.set(Some(clicked.clone()))
                >
                    {name.to_string()}
                </button>
            }
        };
        order.iter().enumerate().map(chip).collect_view()
    };
    view! {
        <div class="card inspect" data-testid="inspect">
            <div class="chips">{chips}</div>
            {move || {
                let Some(chosen) = ui.selected.get() else {
                    return view! { <p class="quiet">{ui.words(&WORDS).choose_node}</p> }.into_any();
                };
                if !shared.order.get().contains(&chosen) {
                    return view! { <p class="quiet" data-testid="has-left">{(ui.words(&WORDS).has_left)(&chosen)}</p> }.into_any();
                }
                view! {
                    <ProcessButtons node={ui.selected.into()} prefix="inspect-" />
                    <RemoveButton node={ui.selected.into()} />
                    <dl class="facts">
                        {move || rows.get().into_iter().map(|(word, value)| {
                            view! {
                                <dt>{word}</dt>
                                <dd>{value}</dd>
                            }
                        }).collect_view()}
                    </dl>
                }
                .into_any()
            }}
        </div>
        <StageTable shared />
    }
}
