//! What the last change of the ring moved, beside what it is measured by.

use leptos::prelude::*;

use super::words::WORDS;
use crate::i18n::number::decimal;
use crate::look::change::percent;
use crate::shared::Shared;
use crate::ui::Ui;

/// The figures; they stay until the next change.
#[component]
pub(crate) fn LastChange(shared: Shared) -> impl IntoView {
    let ui = Ui::expect();
    move || {
        let Some(look) = shared.last_change.get() else {
            return view! { <p class="quiet" data-testid="no-change">{WORDS.told(|t| t.no_change)}</p> }
                .into_any();
        };
        let (t, change, percents) = (ui.t(), &look.change, look.percents());
        let (words, ring) = (ui.words(&WORDS), &t.ring);
        let name = if look.ended_us.is_some() { ring.moved } else { ring.moved_so_far };
        let [moved, ideal, modulo] = percents.map(|percent| percent.to_string());
        let cells = ["moved", "ideal", "modulo"].into_iter().zip([name, ring.ideal, ring.modulo]);
        let balance = [change.balance_before.replicas, change.balance_after.replicas];
        let [before, after] = balance.map(|balance| decimal(balance, 2, t.lang));
        view! {
            <div
                class="last-change"
                data-testid="last-change"
                data-state=if look.ended_us.is_some() { "done" } else { "moving" }
                data-moved=moved
                data-ideal=ideal
                data-modulo=modulo
            >
                <p>{(words.replicas_moved)(change.replicas_moved, change.replicas_total)}</p>
                <div class="bins">
                    {cells.zip(percents).map(|((class, name), percent)| view! {
                        <div class=["bin ", class].concat()><b>{format!("{percent} %")}</b><span>{name}</span></div>
                    }).collect_view()}
                </div>
                <small>
                    {(words.keys_moved)(percent(change.keys_set_share), percent(change.keys_leader_share))}
                    " "
                    {(words.balance)(&before, &after)}
                </small>
            </div>
        }
        .into_any()
    }
}
