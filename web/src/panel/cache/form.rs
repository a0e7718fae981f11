//! Read, write, delete one line at a node; a load of random ones.

use leptos::prelude::*;
use orrery_base::ids::NodeName;
use orrery_cache::ADDRESS_BYTES_MAX;

use super::desk::CacheDesk;
use super::results::TELLING;
use super::words::{WORDS, Words};
use crate::i18n::number::grouped;
use crate::look::hue;
use crate::parts::form::{ClientChips, choice, field};
use crate::parts::results::Results;
use crate::shared::Shared;
use crate::stage::ring::mark_of;
use crate::ui::{Ui, told};

/// Longest value that the form takes.
const VALUE_CHARS_MAX: usize = 400;

#[component]
pub(crate) fn CacheForm(shared: Shared) -> impl IntoView {
    let desk = CacheDesk::expect();
    view! {
        <form
            class="card lock-form cache-form"
            on:submit=move |event| {
                event.prevent_default();
                desk.read();
            }
        >
            <ClientChips />
            <div class="row">
                {field(desk.address, "address", ADDRESS_BYTES_MAX, WORDS.told(|t| t.address))}
                {field(desk.value, "value", VALUE_CHARS_MAX, WORDS.told(|t| t.value))}
            </div>
            <Nodes shared />
            <div class="row four">
                <button type="submit" class="button" data-testid="read">{WORDS.told(|t| t.read)}</button>
                <button type="button" class="button alt" data-testid="write" on:click=move |_| desk.write()>
                    {WORDS.told(|t| t.write)}
                </button>
                <button type="button" class="button alt" data-testid="delete" on:click=move |_| desk.delete()>
                    {WORDS.told(|t| t.delete)}
                </button>
            </div>
            <div class="row minor">
                {pair(
                    |t| t.write,
                    desk.write_back,
                    ["durable", "write-back"],
                    [|t| t.durable, |t| t.write_back],
                    [|t| t.durable_hint, |t| t.write_back_hint],
                )}
                <span class="click-row" title=WORDS.told(|t| t.click_hint)>
                    {WORDS.told(|t| t.click)}
                    {pair(
                        |t| t.click,
                        desk.click_writes,
                        ["click-read", "click-write"],
                        [|t| t.read, |t| t.write],
                        [|t| t.click_hint, |t| t.click_hint],
                    )}
                </span>
            </div>
            <div class="row minor"><LoadChip /></div>
            <Results telling=&TELLING />
        </form>
    }
}

type Word = fn(&'static Words) -> &'static str;

/// One of two: the second where the signal is true.
fn pair(
    name: Word,
    value: RwSignal<bool>,
    ids: [&'static str; 2],
    words: [Word; 2],
    hints: [Word; 2],
) -> AnyView {
    let button = |second: bool| {
        let at = usize::from(second);
        view! {
            <button
                type="button"
                role="radio"
                aria-checked=move || (value.get() == second).to_string()
                title=WORDS.told(hints[at])
                data-testid=ids[at]
                on:click=move |_| value.set(second)
            >
                {WORDS.told(words[at])}
            </button>
        }
    };
    view! {
        <div class="seg small" role="radiogroup" aria-label=WORDS.told(name)>{[button(false), button(true)]}</div>
    }
    .into_any()
}

/// At which node: any, or one of them.
#[component]
fn Nodes(shared: Shared) -> impl IntoView {
    let ui = Ui::expect();
    view! {
        <div class="chips" role="radiogroup" aria-label=WORDS.told(|t| t.at_node)>
            {at(None, 0)}
            {move || {
                let order = shared.order.get();
                order.iter().enumerate().map(|(place, name)| at(Some(name.clone()), place)).collect_view()
            }}
            <span class="quiet at-node">{move || ui.ask.get().map(|name| name.to_string())}</span>
        </div>
    }
}

fn at(node: Option<NodeName>, place: usize) -> AnyView {
    let ui = Ui::expect();
    let name = node.as_ref().map_or("any".to_owned(), ToString::to_string);
    let full = node.as_ref().map(ToString::to_string);
    let mark = node.as_ref().map(|name| mark_of(name));
    let class = if node.is_some() { ["chip hued ", hue(place)].concat() } else { "chip".to_owned() };
    let (chosen, node_free) = (node.clone(), node.is_none());
    let on = move || ui.ask.with(|ask| *ask == chosen);
    view! {
        <button
            type="button"
            role="radio"
            class=class
            class:me=move || node_free && ui.ask.with(Option::is_none)
            aria-checked=move || on().to_string()
            // What is written for any node says it all.
            aria-label=full.clone()
            title=full
            data-testid=["at-", &name].concat()
            on:click=move |_| ui.ask.set(node.clone())
        >
            <span>{mark.map_or_else(|| WORDS.told(|t| t.any).into_any(), IntoAny::into_any)}</span>
        </button>
    }
    .into_any()
}

/// Random lines at random nodes, so many a second.
#[component]
fn LoadChip() -> impl IntoView {
    let (ui, desk) = (Ui::expect(), CacheDesk::expect());
    let on = move || desk.load.with(|load| load.on);
    let count = move || {
        let (words, load) = (ui.words(&WORDS), desk.load.get());
        match load.number {
            0 => String::new(),
            _ => (words.loaded)(&grouped(load.done, ui.lang.get()), load.failed),
        }
    };
    let word = move || {
        if on() { ["■ ", ui.t().forms.stop].concat() } else { ["▸ ", ui.words(&WORDS).load].concat() }
    };
    view! {
        <button
            type="button"
            class="chip"
            class:me=on
            data-testid="load"
            title=WORDS.told(|t| t.load_hint)
            aria-pressed=move || on().to_string()
            on:click=move |_| desk.toggle_load()
        >
            {word}
            <span class="streamed" data-testid="loaded">{count}</span>
        </button>
        {choice(desk.rate, "load-rate", &[2, 5, 20, 50], told(|t| t.forms.rate), |rate, lang| (lang.strings().forms.per_second)(rate))}
    }
}
