//! What was delivered to the page's clients: acknowledge it, give it back, or let its consumer crash.

use std::sync::Arc;

use leptos::prelude::*;

use super::desk::{Desk, Held};
use super::words::WORDS;
use crate::keyed::{key_of, keyed};
use crate::store::Playback;
use crate::ui::Ui;

/// The list; nothing where nothing is held.
#[component]
pub(crate) fn HeldList() -> impl IntoView {
    let (ui, desk) = (Ui::expect(), Desk::expect());
    let some = Memo::new(move |_| desk.held.with(|all| !all.is_empty()));
    let mine = Memo::new(move |_| {
        let client = ui.client.get();
        desk.held.with(|all| all.iter().any(|held| held.client == client))
    });
    view! {
        <div class="held-list" class:none=move || !some.get() data-testid="held">
            <For
                each=move || keyed(desk.held.get(), |held| {
                    format!("{} {} {}", held.message.id, held.message.receipt, held.late)
                })
                key=key_of
                children=|(_, held)| draw(held)
            />
            {move || mine.get().then(|| view! {
                <button
                    type="button"
                    class="link crash"
                    title=WORDS.told(|t| t.crash_hint)
                    data-testid="crash"
                    on:click=move |_| desk.crash()
                >
                    {move || (ui.words(&WORDS).crash)(&ui.client.get())}
                </button>
            })}
        </div>
    }
}

fn draw(held: Arc<Held>) -> AnyView {
    let (ui, playback, desk) = (Ui::expect(), Playback::expect(), Desk::expect());
    // A delivery that was the last attempt does not come back: nobody acknowledges it any more.
    let dead = {
        let held = held.clone();
        Memo::new(move |_| {
            held.late
                && playback.calm.with(|view| {
                    let mut letters = view.dead_letters(&held.topic);
                    letters.any(|at| at.what.group == *held.group && at.id == held.message.id)
                })
        })
    };
    let button = |done: bool| {
        let held = held.clone();
        let id = &held.message.id;
        let test_id = if done { format!("ack-{id}") } else { format!("nack-{id}") };
        view! {
            <button
                type="button"
                class="button alt small"
                title=WORDS.told(if done { |t| t.ack_hint } else { |t| t.nack_hint })
                data-testid=test_id
                on:click=move |_| desk.settle(&held, done)
            >
                {WORDS.told(if done { |t| t.ack } else { |t| t.nack })}
            </button>
        }
    };
    let message = &held.message;
    view! {
        <div
            class="held"
            class:late=held.late
            data-testid=format!("held-{}", message.id)
            data-attempt=message.attempt.to_string()
            data-late=held.late.to_string()
        >
            <p>
                <b>{held.client.to_string()}</b>
                <span class="id">{message.id.to_string()}</span>
                {(message.attempt > 1).then(|| view! { <em>{format!("{}×", message.attempt)}</em> })}
                <span class="text" title=message.text.clone()>{message.text.clone()}</span>
            </p>
            {held.late.then(|| view! {
                <small>{move || if dead.get() { ui.words(&WORDS).dead_now } else { ui.words(&WORDS).visible_again }}</small>
            })}
            <span class="held-buttons" class:none=move || dead.get()>{button(true)}{button(false)}</span>
        </div>
    }.into_any()
}
