//! Acquire, queue, release, renew as one of several clients; below, what the servers answered.

use leptos::prelude::*;
use orrery_base::ids::NAME_BYTES_MAX;
use orrery_lock::Mode;

use super::lanes::known_resources;
use crate::actions::outcome::Service;
use crate::actions::{Actions, Operation};
use crate::parts::form::{AskNode, ClientChips};
use crate::parts::results::Results;
use crate::store::Playback;
use crate::ui::{Ui, told};

#[component]
pub(crate) fn LockForm() -> impl IntoView {
    let actions = Actions::expect();
    view! {
        <form
            class="card lock-form"
            on:submit=move |event| {
                event.prevent_default();
                actions.submit(Operation::Acquire);
            }
        >
            <ClientChips />
            <div class="row">
                <ResourceField />
                <div class="seg" role="radiogroup" aria-label=told(|t| t.locks.mode)>
                    <ModeButton mode=Mode::Exclusive />
                    <ModeButton mode=Mode::Shared />
                </div>
            </div>
            <div class="row four">
                <button type="submit" class="button" data-testid="acquire">{told(|t| t.locks.acquire)}</button>
                <OperationButton operation=Operation::Queue test_id="queue" />
                <OperationButton operation=Operation::Release test_id="release" />
                <OperationButton operation=Operation::Renew test_id="renew" />
            </div>
            <div class="row minor">
                <AskNode />
                <Lease />
            </div>
            <Results service=Service::Lock />
        </form>
    }
}

#[component]
fn ResourceField() -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let suggestions = Memo::new(move |_| playback.calm.with(|view| known_resources(view, &[])));
    view! {
        <input
            class="field"
            list="resources"
            autocomplete="off"
            spellcheck="false"
            maxlength=NAME_BYTES_MAX.to_string()
            aria-label=told(|t| t.locks.resource)
            placeholder=told(|t| t.locks.resource)
            data-testid="resource"
            prop:value=move || ui.resource.get()
            on:input=move |event| ui.resource.set(event_target_value(&event))
        />
        <datalist id="resources">
            {move || suggestions.get().into_iter().map(|name| view! { <option value=name.to_string()></option> }).collect_view()}
        </datalist>
    }
}

#[component]
fn ModeButton(mode: Mode) -> impl IntoView {
    let ui = Ui::expect();
    let word = move || match mode {
        Mode::Exclusive => ui.t().locks.exclusive,
        Mode::Shared => ui.t().locks.shared,
    };
    view! {
        <button
            type="button"
            role="radio"
            aria-checked=move || (ui.mode.get() == mode).to_string()
            data-testid=if mode == Mode::Exclusive { "mode-exclusive" } else { "mode-shared" }
            on:click=move |_| ui.mode.set(mode)
        >
            {word}
        </button>
    }
}

#[component]
fn OperationButton(operation: Operation, test_id: &'static str) -> impl IntoView {
    let (ui, actions) = (Ui::expect(), Actions::expect());
    let word = move || {
        let locks = &ui.t().locks;
        match operation {
            Operation::Acquire => locks.acquire,
            Operation::Queue => locks.queue,
            Operation::Renew => locks.renew,
            Operation::Release | Operation::Cancel => locks.release,
        }
    };
    view! {
        <button type="button" class="button alt" data-testid=test_id on:click=move |_| actions.submit(operation)>
            {word}
        </button>
    }
}

#[component]
fn Lease() -> impl IntoView {
    const LEASES_S: [u64; 4] = [5, 30, 120, 600];
    let ui = Ui::expect();
    let option = move |seconds: u64| {
        view! {
            <option value=seconds.to_string() selected=move || ui.ttl_ms.get() == seconds * 1_000>
                {format!("{seconds} s")}
            </option>
        }
    };
    view! {
        <label>
            {told(|t| t.locks.lease)}
            <select
                data-testid="lease"
                on:change=move |event| {
                    if let Ok(seconds) = event_target_value(&event).parse::<u64>() {
                        ui.ttl_ms.set(seconds * 1_000);
                    }
                }
            >
                {LEASES_S.map(option)}
            </select>
        </label>
    }
}
