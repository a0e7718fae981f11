//! Publish, a stream of messages, consume.

use leptos::prelude::*;
use orrery_base::ids::NAME_BYTES_MAX;

use super::desk::Desk;
use super::held::HeldList;
use super::look::topics_of;
use crate::actions::outcome::Service;
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
                {field(desk.topic, "topic", NAME_BYTES_MAX, |t| t.queue.topic)}
                {field(desk.key, "key", NAME_BYTES_MAX, |t| t.queue.key)}
            </div>
            <Topics />
            <div class="row">
                {field(desk.message, "message", MESSAGE_CHARS_MAX, |t| t.queue.message)}
                <button type="submit" class="button" data-testid="publish">{told(|t| t.queue.publish)}</button>
            </div>
            <StreamRow />
            <div class="row">
                {field(desk.group, "group", NAME_BYTES_MAX, |t| t.queue.group)}
                <button type="button" class="button alt" data-testid="consume" on:click=move |_| desk.consume()>
                    {told(|t| t.queue.consume)}
                </button>
            </div>
            <div class="row minor">
                <label>
                    {told(|t| t.queue.max)}
                    {choice(desk.max, "max", &[1, 5, 10], |t| t.queue.max, |value, _| value.to_string())}
                </label>
                <label>
                    {told(|t| t.queue.visibility)}
                    {choice(
                        desk.visibility_ms,
                        "visibility",
                        &[2_000, 5_000, 30_000, 120_000],
                        |t| t.queue.visibility,
                        |ms, _| format!("{} s", ms / 1_000),
                    )}
                </label>
            </div>
            <HeldList />
            <Results service=Service::Queue />
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
        let (t, stream) = (ui.t(), desk.stream.get());
        match stream.number {
            0 => String::new(),
            _ => (t.queue.streamed)(&grouped(stream.sent, t.lang), stream.failed),
        }
    };
    let word = move || {
        let words = &ui.t().queue;
        if on.get() { ["■ ", words.stop].concat() } else { ["▸ ", words.stream].concat() }
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
            {choice(desk.rate, "rate", &[1, 5, 20], |t| t.queue.rate, |rate, t| (t.queue.per_second)(rate))}
            <AskNode />
        </div>
    }
}
