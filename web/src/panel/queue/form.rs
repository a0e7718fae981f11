//! Publish, a stream of messages, consume.

use leptos::prelude::*;
use orrery_base::ids::NAME_BYTES_MAX;

use super::desk::Desk;
use super::held::HeldList;
use super::look::topics_of;
use super::results::TELLING;
use super::words::WORDS;
use crate::i18n::number::grouped;
use crate::parts::form::{AskNode, ClientChips, choice, field};
use crate::parts::results::Results;
use crate::store::Playback;
use crate::ui::{Ui, told};

/// Longest message that the form takes.
const MESSAGE_CHARS_MAX: usize = 400;

#[component]
pub(crate) fn QueueForm() -> impl IntoView {
    let desk = Desk::expect();
    view! {
        <form
            class="card lock-form queue-form"
            on:submit=move |event| {
                event.prevent_default();
                desk.publish();
            }
        >
            <ClientChips />
            <div class="row">
                {field(desk.topic, "topic", NAME_BYTES_MAX, WORDS.told(|t| t.topic))}
                {field(desk.key, "key", NAME_BYTES_MAX, WORDS.told(|t| t.key))}
            </div>
            <Topics />
            <div class="row">
                {field(desk.message, "message", MESSAGE_CHARS_MAX, WORDS.told(|t| t.message))}
                <button type="submit" class="button" data-testid="publish">{WORDS.told(|t| t.publish)}</button>
            </div>
            <StreamRow />
            <div class="row">
                {field(desk.group, "group", NAME_BYTES_MAX, WORDS.told(|t| t.group))}
                <button type="button" class="button alt" data-testid="consume" on:click=move |_| desk.consume()>
                    {WORDS.told(|t| t.consume)}
                </button>
            </div>
            <div class="row minor">
                <label>
                    {WORDS.told(|t| t.max)}
                    {choice(desk.max, "max", &[1, 5, 10], WORDS.told(|t| t.max), |value, _| value.to_string())}
                </label>
                <label>
                    {WORDS.told(|t| t.visibility)}
                    {choice(
                        desk.visibility_ms,
                        "visibility",
                        &[2_000, 5_000, 30_000, 120_000],
                        WORDS.told(|t| t.visibility),
                        |ms, _| format!("{} s", ms / 1_000),
                    )}
                </label>
            </div>
            <HeldList />
            <Results telling=&TELLING />
        </form>
    }
}

#[component]
fn Topics() -> impl IntoView {
    let playback = Playback::expect();
    let names = Memo::new(move |_| playback.calm.with(|view| topics_of(view)));
    view! {
        <datalist id="topics">
            {move || names.get().into_iter().map(|name| view! { <option value=name.to_string()></option> }).collect_view()}
        </datalist>
    }
}

/// A stream of so many messages per second, and whom to ask.
#[component]
fn StreamRow() -> impl IntoView {
    let (ui, desk) = (Ui::expect(), Desk::expect());
    let on = Memo::new(move |_| desk.stream.get().on);
    let count = move || {
        let (words, stream) = (ui.words(&WORDS), desk.stream.get());
        match stream.number {
            0 => String::new(),
            _ => (words.streamed)(&grouped(stream.sent, ui.lang.get()), stream.failed),
        }
    };
    let word = move || {
        if on.get() {
            ["■ ", ui.t().forms.stop].concat()
        } else {
            ["▸ ", ui.words(&WORDS).stream].concat()
        }
    };
    view! {
        <div class="row minor">
            <button
                type="button"
                class="chip"
                class:me=move || on.get()
                data-testid="stream"
                aria-pressed=move || on.get().to_string()
                on:click=move |_| desk.toggle_stream()
            >
                {word}
                <span class="streamed" data-testid="streamed">{count}</span>
            </button>
            {choice(desk.rate, "rate", &[1, 5, 20], told(|t| t.forms.rate), |rate, lang| (lang.strings().forms.per_second)(rate))}
            <AskNode />
        </div>
    }
}
