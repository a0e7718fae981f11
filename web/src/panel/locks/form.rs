//! Acquire, queue, release, renew as one of several clients; below, what the servers answered.

use leptos::prelude::*;
use orrery_base::ids::NAME_BYTES_MAX;
use orrery_lock::Mode;
use smol_str::SmolStr;

use super::desk::LockDesk;
use super::look::known_resources;
use super::results::TELLING;
use super::words::WORDS;
use crate::parts::form::{AskNode, ClientChips};
use crate::parts::results::Results;
use crate::request::lock::LockOperation;
use crate::store::Playback;
use crate::ui::Ui;

#[component]
pub(crate) fn LockForm() -> impl IntoView {
    let desk = LockDesk::expect();
    view! {
        <form
            class="card lock-form"
            on:submit=move |event| {
                event.prevent_default();
                desk.submit(LockOperation::Acquire);
            }
        >
            <ClientChips />
            <div class="row">
                <ResourceField />
                <div class="seg" role="radiogroup" aria-label=WORDS.told(|t| t.mode)>
                    <ModeButton mode=Mode::Exclusive />
                    <ModeButton mode=Mode::Shared />
                </div>
            </div>
            <div class="row four">
                <button type="submit" class="button" data-testid="acquire">{WORDS.told(|t| t.acquire)}</button>
                <OperationButton operation=LockOperation::Queue test_id="queue" />
                <OperationButton operation=LockOperation::Release test_id="release" />
                <OperationButton operation=LockOperation::Renew test_id="renew" />
            </div>
            <div class="row minor">
                <AskNode />
                <Lease />
            </div>
            <HandOver />
            <Results telling=&TELLING />
        </form>
    }
}

#[component]
fn ResourceField() -> impl IntoView {
    let (playback, desk) = (Playback::expect(), LockDesk::expect());
    let suggestions = Memo::new(move |_| playback.calm.with(|view| known_resources(view, &[])));
    view! {
        <input
            class="field"
            list="resources"
            autocomplete="off"
            spellcheck="false"
            maxlength=NAME_BYTES_MAX.to_string()
            aria-label=WORDS.told(|t| t.resource)
            placeholder=WORDS.told(|t| t.resource)
            data-testid="resource"
            prop:value=move || desk.resource.get()
            on:input=move |event| desk.resource.set(event_target_value(&event))
        />
        <datalist id="resources">
            {move || suggestions.get().into_iter().map(|name| view! { <option value=name.to_string()></option> }).collect_view()}
        </datalist>
    }
}

#[component]
fn ModeButton(mode: Mode) -> impl IntoView {
    let (ui, desk) = (Ui::expect(), LockDesk::expect());
    let word = move || match mode {
        Mode::Exclusive => ui.words(&WORDS).exclusive,
        Mode::Shared => ui.words(&WORDS).shared,
    };
    view! {
        <button
            type="button"
            role="radio"
            aria-checked=move || (desk.mode.get() == mode).to_string()
            data-testid=if mode == Mode::Exclusive { "mode-exclusive" } else { "mode-shared" }
            on:click=move |_| desk.mode.set(mode)
        >
            {word}
        </button>
    }
}

#[component]
fn OperationButton(operation: LockOperation, test_id: &'static str) -> impl IntoView {
    let (ui, desk) = (Ui::expect(), LockDesk::expect());
    let word_of = operation.clone();
    let word = move || {
        let words = ui.words(&WORDS);
        match word_of {
            LockOperation::Acquire => words.acquire,
            LockOperation::Queue => words.queue,
            LockOperation::Renew => words.renew,
            LockOperation::Release | LockOperation::Cancel => words.release,
            LockOperation::Transfer { .. } => words.hand_over,
        }
    };
    view! {
        <button type="button" class="button alt" data-testid=test_id on:click=move |_| desk.submit(operation.clone())>
            {word}
        </button>
    }
}

/// To whom the chosen client hands the resource, where it has it.
#[component]
fn HandOver() -> impl IntoView {
    let (ui, desk) = (Ui::expect(), LockDesk::expect());
    let others = Memo::new(move |_| {
        let me = ui.client.get();
        ui.clients.get().iter().filter(|name| **name != me).cloned().collect::<Vec<_>>()
    });
    Effect::new(move || {
        // It was chosen for who acted before.
        ui.client.track();
        desk.to.set(SmolStr::default());
    });
    let option = move |name: SmolStr| {
        let (value, shown) = (name.to_string(), name.to_string());
        let chosen = Memo::new(move |_| desk.to.with(|to| *to == name));
        view! { <option value=value selected=move || chosen.get()>{shown}</option> }
    };
    let has_it = Memo::new(move |_| desk.token().is_some());
    view! {
        <div class="row minor">
            <label>
                {WORDS.told(|t| t.hand_to)}
                <select
                    data-testid="transfer-to"
                    on:change=move |event| desk.to.set(event_target_value(&event).into())
                >
                    <option value="" selected=move || desk.to.with(|to| to.is_empty())>"–"</option>
                    <For each=move || others.get() key=SmolStr::clone children=option />
                </select>
            </label>
            <button
                type="button"
                class="button alt"
                data-testid="transfer"
                title=WORDS.told(|t| t.hand_over_title)
                disabled=move || !has_it.get() || desk.to.with(|to| to.is_empty())
                on:click=move |_| desk.hand_over()
            >
                {WORDS.told(|t| t.hand_over)}
            </button>
        </div>
    }
}

#[component]
fn Lease() -> impl IntoView {
    const LEASES_S: [u64; 4] = [5, 30, 120, 600];
    let desk = LockDesk::expect();
    let option = move |seconds: u64| {
        view! {
            <option value=seconds.to_string() selected=move || desk.ttl_ms.get() == seconds * 1_000>
                {format!("{seconds} s")}
            </option>
        }
    };
    view! {
        <label>
            {WORDS.told(|t| t.lease)}
            <select
                data-testid="lease"
                on:change=move |event| {
                    if let Ok(seconds) = event_target_value(&event).parse::<u64>() {
                        desk.ttl_ms.set(seconds * 1_000);
                    }
                }
            >
                {LEASES_S.map(option)}
            </select>
        </label>
    }
}
