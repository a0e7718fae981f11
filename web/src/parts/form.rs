//! What the forms of several panels have: as whom, at which node, a line of text, one of a few numbers.

use leptos::prelude::*;
use smol_str::SmolStr;

use crate::actions::Actions;
use crate::i18n::Lang;
use crate::store::Playback;
use crate::ui::{CLIENTS_MAX, Ui, told};

/// The page's clients: one of them acts.
#[component]
pub(crate) fn ClientChips() -> impl IntoView {
    let (ui, actions) = (Ui::expect(), Actions::expect());
    let adding = RwSignal::new(false);
    let field = NodeRef::<leptos::html::Input>::new();
    let chip = move |name: SmolStr| {
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
        <div class="chips" role="radiogroup" aria-label=told(|t| t.forms.act_as)>
            {move || ui.clients.get().to_vec().into_iter().map(&chip).collect_view()}
            {move || {
                if adding.get() {
                    view! {
                        <input
                            class="field name-field"
                            node_ref=field
                            maxlength="24"
                            placeholder=told(|t| t.forms.client_name)
                            aria-label=told(|t| t.forms.client_name)
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
                            title=told(|t| t.forms.add_client)
                            aria-label=told(|t| t.forms.add_client)
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

/// Which node is asked.
#[component]
pub(crate) fn AskNode() -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let order = Memo::new(move |_| playback.calm.with(|view| view.order.clone()));
    view! {
        <label>
            {told(|t| t.forms.ask_node)}
            <select
                data-testid="ask-node"
                on:change=move |event| {
                    let value = event_target_value(&event);
                    ui.ask.set((!value.is_empty()).then(|| value.into()));
                }
            >
                <option value="">{told(|t| t.forms.any_node)}</option>
                {move || order.get().to_vec().into_iter().map(|name| {
                    view! { <option value=name.to_string()>{name.to_string()}</option> }
                }).collect_view()}
            </select>
        </label>
    }
}

/// A line of text.
pub(crate) fn field(
    value: RwSignal<String>,
    test_id: &'static str,
    bytes_max: usize,
    word: Signal<&'static str>,
) -> AnyView {
    view! {
        <input
            class="field"
            list=(test_id == "topic").then_some("topics")
            autocomplete="off"
            spellcheck="false"
            maxlength=bytes_max.to_string()
            aria-label=word
            placeholder=word
            data-testid=test_id
            prop:value=move || value.get()
            on:input=move |event| value.set(event_target_value(&event))
        />
    }
    .into_any()
}

/// One of a few numbers.
pub(crate) fn choice(
    value: RwSignal<u64>,
    test_id: &'static str,
    choices: &'static [u64],
    label: Signal<&'static str>,
    word: fn(u64, Lang) -> String,
) -> AnyView {
    let ui = Ui::expect();
    let option = move |choice: &u64| {
        let choice = *choice;
        view! {
            <option value=choice.to_string() selected=move || value.get() == choice>
                {move || word(choice, ui.lang.get())}
            </option>
        }
    };
    view! {
        <select
            aria-label=label
            data-testid=test_id
            on:change=move |event| {
                if let Ok(choice) = event_target_value(&event).parse::<u64>() {
                    value.set(choice);
                }
            }
        >
            {choices.iter().map(option).collect_view()}
        </select>
    }
    .into_any()
}
