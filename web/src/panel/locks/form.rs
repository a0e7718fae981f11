//! Acquire, queue, release, renew as one of several clients; below, what the servers answered.

use leptos::prelude::*;
use orrery_base::ids::{ClientName, NAME_BYTES_MAX};
use orrery_lock::Mode;

use super::lanes::known_resources;
use crate::actions::outcome::Service;
use crate::actions::{Actions, Operation};
use crate::parts::results::Results;
use crate::store::Playback;
use crate::ui::{CLIENTS_MAX, Ui, told};

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

/// The page's clients: one of them acts.
#[component]
pub(crate) fn ClientChips() -> impl IntoView {
    let (ui, actions) = (Ui::expect(), Actions::expect());
    let adding = RwSignal::new(false);
    let field = NodeRef::<leptos::html::Input>::new();
    let chip = move |name: ClientName| {
        let (me, clicked) = (name.clone(), name.clone());
        let mine = Memo::new(move |_| ui.client.get() == me);
        view! {
            <button
                type="button"
                role="radio"
                class="chip"
                class:me=move || mine.get()
                aria-checked=move || mine.get().to_string()
                data-testid=format!("as-{name}")
                on:click=move |_| ui.client.set(clicked.clone())
            >
                {move || if mine.get() { "● " } else { "" }}
                {name.to_string()}
            </button>
        }
    };
    let add = move || {
        if let Some(field) = field.get_untracked() {
            actions.add_client(&field.value());
        }
        adding.set(false);
    };
    Effect::new(move || {
        if let Some(field) = field.get().filter(|_| adding.get()) {
            // Without focus the field is still there to be clicked.
            let _ = field.focus();
        }
    });
    let full = move || ui.clients.with(|clients| clients.len() >= CLIENTS_MAX);
    view! {
        <div class="chips" role="radiogroup" aria-label=told(|t| t.locks.act_as)>
            {move || ui.clients.get().to_vec().into_iter().map(&chip).collect_view()}
            {move || {
                if adding.get() {
                    view! {
                        <input
                            class="field name-field"
                            node_ref=field
                            maxlength="24"
                            placeholder=told(|t| t.locks.client_name)
                            aria-label=told(|t| t.locks.client_name)
                            data-testid="client-name"
                            on:blur=move |_| add()
                            on:keydown=move |event| match event.key().as_str() {
                                "Enter" => { event.prevent_default(); add() }
                                "Escape" => adding.set(false),
                                _ => {}
                            }
                        />
                    }
                    .into_any()
                } else {
                    view! {
                        <button
                            type="button"
                            class="chip"
                            data-testid="add-client"
                            title=told(|t| t.locks.add_client)
                            aria-label=told(|t| t.locks.add_client)
                            disabled=full
                            on:click=move |_| adding.set(true)
                        >
                            "+"
                        </button>
                    }
                    .into_any()
                }
            }}
        </div>
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

/// Which node is asked.
#[component]
pub(crate) fn AskNode() -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let order = Memo::new(move |_| playback.calm.with(|view| view.order.clone()));
    view! {
        <label>
            {told(|t| t.locks.ask_node)}
            <select
                data-testid="ask-node"
                on:change=move |event| {
                    let value = event_target_value(&event);
                    ui.ask.set((!value.is_empty()).then(|| value.into()));
                }
            >
                <option value="">{told(|t| t.locks.any_node)}</option>
                {move || order.get().to_vec().into_iter().map(|name| {
                    view! { <option value=name.to_string()>{name.to_string()}</option> }
                }).collect_view()}
            </select>
        </label>
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
