//! Kill, start, pause, resume: the buttons of one node.

use leptos::prelude::*;
use orrery_base::ids::NodeName;
use orrery_event::fact::Role;
use wasm_bindgen::JsCast as _;

use crate::actions::Actions;
use crate::look::{NodeLook, Status};
use crate::request::ProcessAction;
use crate::store::{Origin, Playback};
use crate::ui::{Ui, told};

/// The buttons. `prefix` stands before the action in their test ids: `kill-node1`.
#[component]
pub(crate) fn ProcessButtons(node: Signal<Option<NodeName>>, prefix: &'static str) -> impl IntoView {
    let (playback, ui, actions) = (Playback::expect(), Ui::expect(), Actions::expect());
    let status = Memo::new(move |_| {
        let node = node.get();
        node.map_or(Status::Unknown, |node| playback.present.with(|view| NodeLook::of(view, &node).status))
    });
    let allowed = move || playback.origin.get() != Origin::Node;
    let button = move |action: ProcessAction| {
        let word = move || {
            let cluster = &ui.t().cluster;
            match action {
                ProcessAction::Kill => cluster.kill,
                ProcessAction::Start => cluster.start,
                ProcessAction::Pause => cluster.pause,
                ProcessAction::Resume => cluster.resume,
            }
        };
        let hint = move || match action {
            _ if !allowed() => Some(ui.t().cluster.no_supervisor),
            ProcessAction::Kill => Some(ui.t().cluster.kill_hint),
            ProcessAction::Pause => Some(ui.t().cluster.pause_hint),
            ProcessAction::Start | ProcessAction::Resume => None,
        };
        let key = match action {
            ProcessAction::Kill => "K",
            ProcessAction::Start => "T",
            ProcessAction::Pause => "P",
            ProcessAction::Resume => "R",
        };
        view! {
            <button
                type="button"
                class="button alt"
                class:danger={action == ProcessAction::Kill}
                data-testid=move || {
                    let node = node.get().unwrap_or_default();
                    format!("{prefix}{}-{node}", action.name())
                }
                disabled=move || !allowed() || !action.fits(status.get())
                title=hint
                on:click=move |_| {
                    if let Some(node) = node.get_untracked() {
                        leave_popover(ui, &node);
                        actions.process(node, action);
                    }
                }
            >
                {word}
                <kbd>{key}</kbd>
            </button>
        }
    };
    let may_lead = Memo::new(move |_| {
        node.get().is_some_and(|node| {
            playback.present.with(|view| {
                let look = NodeLook::of(view, &node);
                look.status == Status::Up && look.role == Role::Follower
            })
        })
    });
    view! {
        <div class="buttons">
            {ProcessAction::ALL.map(button)}
            <button
                type="button"
                class="button alt wide"
                data-testid=move || format!("{prefix}lead-{}", node.get().unwrap_or_default())
                disabled=move || !may_lead.get()
                title=told(|t| t.cluster.make_leader_hint)
                on:click=move |_| {
                    if let Some(node) = node.get_untracked() {
                        leave_popover(ui, &node);
                        actions.lead(node);
                    }
                }
            >
                "♛ "
                {told(|t| t.cluster.make_leader)}
                <kbd>"J"</kbd>
            </button>
        </div>
    }
}

/// Asks the node out of the cluster.
#[component]
pub(crate) fn RemoveButton(node: Signal<Option<NodeName>>) -> impl IntoView {
    let (playback, actions) = (Playback::expect(), Actions::expect());
    view! {
        <div class="buttons">
            <button
                type="button"
                class="button alt wide"
                data-testid="remove-node"
                disabled=move || playback.origin.get() == Origin::Node
                title=told(|t| t.cluster.remove_hint)
                on:click=move |_| {
                    if let Some(node) = node.get_untracked() {
                        actions.remove_node(node);
                    }
                }
            >
                {told(|t| t.cluster.remove)}
            </button>
        </div>
    }
}

/// Starts one more node.
#[component]
pub(crate) fn AddButton() -> impl IntoView {
    let (playback, actions) = (Playback::expect(), Actions::expect());
    view! {
        <button
            type="button"
            class="button alt"
            data-testid="add-node"
            disabled=move || playback.origin.get() == Origin::Node
            title=told(|t| t.cluster.add_hint)
            on:click=move |_| actions.add_node()
        >
            "+ "
            {told(|t| t.cluster.add)}
        </button>
    }
}

/// What was asked for is to be watched: the box beside the node goes, and its focus goes back to the node.
fn leave_popover(ui: Ui, node: &NodeName) {
    if !ui.popover.get_untracked() {
        return;
    }
    ui.popover.set(false);
    let place = document().query_selector(&format!("[data-testid=\"node-{node}\"]")).ok().flatten();
    if let Some(place) = place {
        // Without focus the node is still there to be chosen.
        let _ = place.unchecked_into::<web_sys::HtmlElement>().focus();
    }
}
