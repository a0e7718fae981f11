//! Every action has a key.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::actions::{Actions, Operation};
use super::cache::desk::CacheDesk;
use super::queue::desk::Desk;
use super::scenario::{self, Scenario};
use crate::clock::Pace;
use crate::i18n::Lang;
use crate::request::ProcessAction;
use crate::store::Playback;
use crate::ui::{Tab, Theme, Ui};

/// The other theme.
pub fn other_theme(ui: Ui) {
    ui.theme.update(|theme| {
        *theme = match theme {
            Theme::Observatory => Theme::Projector,
            Theme::Projector => Theme::Observatory,
        }
    });
}

/// What the panels do with their keys.
type Desks = (Desk, CacheDesk);

/// Listens on the whole page; keys typed into a field stay there.
pub fn listen(actions: Actions, desks: Desks) {
    let _ = window_event_listener(leptos::ev::keydown, move |event| {
        if event.ctrl_key() || event.meta_key() || event.alt_key() || event.default_prevented() {
            return;
        }
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let (tag, role) = target.map_or((String::new(), None), |t| (t.tag_name(), t.get_attribute("role")));
        let key = event.key();
        if matches!(tag.as_str(), "INPUT" | "SELECT" | "TEXTAREA") && key != "Escape" {
            return;
        }
        let presses =
            matches!(key.as_str(), " " | "Enter") && (tag == "BUTTON" || tag == "SUMMARY" || role.is_some());
        if !presses && act(&key, event.shift_key(), actions, desks) {
            event.prevent_default();
        }
    });
}

/// Does what a key stands for. False where it stands for nothing.
fn act(key: &str, shift: bool, actions: Actions, desks: Desks) -> bool {
    let (playback, ui) = (actions.playback, actions.ui);
    clock(key, shift, playback) || choose(key, shift, playback, ui) || operate(key, actions, desks)
}

fn clock(key: &str, shift: bool, playback: Playback) -> bool {
    match (key, shift) {
        (" ", _) => playback.toggle(),
        ("ArrowLeft", false) => playback.step(false),
        ("ArrowRight", false) => playback.step(true),
        ("ArrowLeft", true) => playback.jump(false),
        ("ArrowRight", true) => playback.jump(true),
        ("End" | "l" | "L", _) => playback.live(),
        ("-", _) => playback.set_pace(Pace::Fixed(0.01)),
        ("0", _) => playback.set_pace(Pace::Director),
        ("=" | "+", _) => playback.set_pace(Pace::Fixed(1.0)),
        _ => return false,
    }
    true
}

fn choose(key: &str, shift: bool, playback: Playback, ui: Ui) -> bool {
    match key {
        "1" => ui.toggle_consensus(),
        "2" => ui.toggle_locks(),
        "3" => ui.toggle_queue(),
        "4" => ui.toggle_cache(),
        "q" | "Q" => ui.tab.set(Tab::Locks),
        "c" | "C" => ui.tab.set(Tab::Queue),
        "x" | "X" => ui.tab.set(Tab::Cache),
        "w" | "W" => ui.tab.set(Tab::Log),
        "e" | "E" => ui.tab.set(Tab::Inspect),
        "v" | "V" => ui.tab.set(Tab::Feed),
        "n" | "N" => next_node(if shift { -1 } else { 1 }, playback, ui),
        "m" | "M" => ui.lang.update(|lang| *lang = if *lang == Lang::En { Lang::Id } else { Lang::En }),
        "b" | "B" => other_theme(ui),
        "?" => ui.legend.update(|shown| *shown = !*shown),
        "Escape" => {
            ui.legend.set(false);
            ui.popover.set(false);
        }
        _ => return false,
    }
    true
}

fn operate(key: &str, actions: Actions, desks: Desks) -> bool {
    let on_node = |action| {
        if let Some(node) = actions.ui.selected.get_untracked() {
            actions.process(node, action);
        }
    };
    match key {
        "k" | "K" => on_node(ProcessAction::Kill),
        "t" | "T" => on_node(ProcessAction::Start),
        "p" | "P" => on_node(ProcessAction::Pause),
        "r" | "R" => on_node(ProcessAction::Resume),
        "j" | "J" => {
            if let Some(node) = actions.ui.selected.get_untracked() {
                actions.lead(node);
            }
        }
        _ if actions.ui.tab.get_untracked() == Tab::Queue && queue(key, desks.0) => {}
        _ if actions.ui.tab.get_untracked() == Tab::Cache && cache(key, desks.1) => {}
        "i" | "I" => actions.submit(Operation::Acquire),
        "o" | "O" => actions.submit(Operation::Queue),
        "u" | "U" => actions.submit(Operation::Release),
        "y" | "Y" => actions.submit(Operation::Renew),
        _ => match Scenario::of_key(key) {
            Some(scenario) => scenario::run(scenario, actions),
            None => return false,
        },
    }
    true
}

/// The queue panel's part of the keys that lock elsewhere.
fn queue(key: &str, desk: Desk) -> bool {
    match key {
        "i" | "I" => desk.publish(),
        "o" | "O" => desk.consume(),
        "u" | "U" => desk.settle_first(true),
        "y" | "Y" => desk.settle_first(false),
        _ => return false,
    }
    true
}

/// The cache panel's.
fn cache(key: &str, desk: CacheDesk) -> bool {
    match key {
        "i" | "I" => desk.read(),
        "o" | "O" => desk.write(),
        "u" | "U" => desk.delete(),
        "y" | "Y" => desk.toggle_load(),
        _ => return false,
    }
    true
}

fn next_node(step: isize, playback: Playback, ui: Ui) {
    let order = playback.view.with_untracked(|view| view.order.clone());
    if order.is_empty() {
        return;
    }
    let now = ui.selected.get_untracked().and_then(|name| order.iter().position(|other| *other == name));
    let next = match now {
        Some(now) => (now as isize + step).rem_euclid(order.len() as isize) as usize,
        None => 0,
    };
    ui.select(&order[next]);
}
