//! Every action has a key. What can do harm needs it twice.

use std::time::Duration;

use leptos::prelude::*;
use orrery_base::ids::NodeName;
use wasm_bindgen::JsCast;

use super::layers::LAYERS;
use super::scenario::{self, Scenario};
use crate::actions::Actions;
use crate::clock::Pace;
use crate::i18n::Lang;
use crate::panel::{self, Letter};
use crate::request::ProcessAction;
use crate::store::Playback;
use crate::ui::{Theme, Ui};

pub fn other_theme(ui: Ui) {
    ui.theme.update(|theme| {
        *theme = match theme {
            Theme::Observatory => Theme::Projector,
            Theme::Projector => Theme::Observatory,
        }
    });
}

/// A key that was pressed once and not again within this time does nothing.
const ARMED: Duration = Duration::from_secs(6);

/// Listens on the whole page; keys typed into a field stay there.
pub fn listen(actions: Actions) {
    // What a letter does needs the page's contexts, and events come without an owner.
    let page = Owner::current().expect("keys are listened to while the page is built");
    // Whether the focus is where a pointer put it: then Space is the view clock's, and presses nothing again.
    let pointed = StoredValue::new(false);
    let _ = window_event_listener(leptos::ev::pointerdown, move |_| pointed.set_value(true));
    let _ = window_event_listener(leptos::ev::click, move |event| {
        // Zero clicks: a key pressed it.
        if event.detail() > 0 {
            leave_button();
        }
    });
    let _ = window_event_listener(leptos::ev::keydown, move |event| {
        if event.ctrl_key() || event.meta_key() || event.alt_key() || event.default_prevented() {
            return;
        }
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlElement>().ok());
        let (tag, role) =
            target.as_ref().map_or((String::new(), None), |t| (t.tag_name(), t.get_attribute("role")));
        let key = event.key();
        if matches!(tag.as_str(), "INPUT" | "SELECT" | "TEXTAREA") && key != "Escape" {
            return;
        }
        if matches!(key.as_str(), "Tab") {
            pointed.set_value(false);
        }
        if matches!(role.as_deref(), Some("tab" | "radio"))
            && let Some(element) = &target
            && move_within(element, &key)
        {
            return event.prevent_default();
        }
        let pressable = tag == "BUTTON" || tag == "SUMMARY" || role.is_some();
        let presses = pressable && (key == "Enter" || key == " " && !pointed.get_value());
        if !presses && page.with(|| act(&key, event.shift_key(), event.repeat(), actions)) {
            event.prevent_default();
        }
    });
}

/// What a pointer pressed keeps no focus: the next Space would press it again.
fn leave_button() {
    let active =
        document().active_element().and_then(|active| active.dyn_into::<web_sys::HtmlElement>().ok());
    if let Some(button) = active.filter(|active| active.tag_name() == "BUTTON") {
        // A button that keeps its focus is no harm: keys know that a pointer put it there.
        let _ = button.blur();
    }
}

/// Arrows go from one tab, or one choice of a few, to the next. False where the key is none of them.
fn move_within(element: &web_sys::HtmlElement, key: &str) -> bool {
    let next = match key {
        "ArrowLeft" | "ArrowUp" => element.previous_element_sibling(),
        "ArrowRight" | "ArrowDown" => element.next_element_sibling(),
        "Home" => element.parent_element().and_then(|list| list.first_element_child()),
        "End" => element.parent_element().and_then(|list| list.last_element_child()),
        _ => return false,
    };
    let next = next.filter(|next| next.get_attribute("role") == element.get_attribute("role"));
    if let Some(next) = next.and_then(|next| next.dyn_into::<web_sys::HtmlElement>().ok()) {
        // Without the focus the choice is made all the same.
        let _ = next.focus();
        next.click();
    }
    true
}

/// Does what a key stands for. False where it stands for nothing.
fn act(key: &str, shift: bool, held: bool, actions: Actions) -> bool {
    let (playback, ui) = (actions.playback, actions.ui);
    let armed = actions.armed.get_untracked();
    if armed.is_some() && !held {
        actions.armed.set(None);
    }
    if clock(key, shift, playback) || choose(key, shift, playback, ui) {
        return true;
    }
    let Some(deed) = Deed::of(key, actions) else {
        // A key that is held down does not ask for the same lock again and again.
        return held || operate(key, actions);
    };
    if held {
        return true;
    }
    // Deeds have letters of ASCII. What other letters become needs tables that a browser would download.
    let key = key.to_ascii_uppercase();
    if armed.is_some_and(|(other, _)| other == key) {
        deed.run(actions);
    } else {
        let t = ui.t();
        let sentence = (t.scenarios.press_again)(&key, &deed.words(actions));
        actions.armed.set(Some((key.clone(), sentence.clone())));
        set_timeout(
            move || {
                let same = |armed: &Option<(String, String)>| armed.as_ref() == Some(&(key, sentence));
                if actions.armed.with_untracked(same) {
                    actions.armed.set(None);
                }
            },
            ARMED,
        );
    }
    true
}

/// What a letter does only when it is pressed a second time.
enum Deed {
    /// Something to a node's process.
    Process(NodeName, ProcessAction),
    Lead(NodeName),
    /// What a letter of the panel that is shown does.
    Letter(&'static Letter, fn(Lang) -> &'static str),
    Scenario(Scenario),
}

impl Deed {
    fn of(key: &str, actions: Actions) -> Option<Deed> {
        let chosen = || actions.ui.selected.get_untracked();
        let process = |action| Some(Deed::Process(chosen()?, action));
        match key {
            "k" | "K" => process(ProcessAction::Kill),
            "t" | "T" => process(ProcessAction::Start),
            "p" | "P" => process(ProcessAction::Pause),
            "r" | "R" => process(ProcessAction::Resume),
            "j" | "J" => Some(Deed::Lead(chosen()?)),
            _ => {
                let letter = panel::letter(actions.ui.tab.get_untracked(), key);
                let harm = letter.and_then(|letter| Some(Deed::Letter(letter, letter.harm?)));
                harm.or_else(|| Scenario::of_key(key).map(Deed::Scenario))
            }
        }
    }

    fn words(&self, actions: Actions) -> String {
        let t = actions.ui.t();
        match self {
            Deed::Process(node, action) => {
                let verb = match action {
                    ProcessAction::Kill => t.cluster.kill,
                    ProcessAction::Start => t.cluster.start,
                    ProcessAction::Pause => t.cluster.pause,
                    ProcessAction::Resume => t.cluster.resume,
                };
                [verb, " ", node].concat()
            }
            Deed::Lead(node) => [node.as_str(), ": ", t.cluster.make_leader].concat(),
            Deed::Letter(_, harm) => harm(t.lang).to_owned(),
            Deed::Scenario(scenario) => {
                let words = scenario.words(t);
                [words.name, ". ", words.text].concat()
            }
        }
    }

    fn run(self, actions: Actions) {
        match self {
            Deed::Process(node, action) => actions.process(node, action),
            Deed::Lead(node) => actions.lead(node),
            Deed::Letter(letter, _) => (letter.run)(),
            Deed::Scenario(scenario) => scenario::run(scenario, actions),
        }
    }
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
    if let Some(layer) = LAYERS.iter().find(|layer| layer.key == key) {
        layer.toggle(ui);
        return true;
    }
    if let Some(panel) = panel::of_key(key) {
        ui.tab.set(panel.id);
        return true;
    }
    match key {
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

/// What a letter of the panel that is shown does at once.
fn operate(key: &str, actions: Actions) -> bool {
    let letter = panel::letter(actions.ui.tab.get_untracked(), key);
    if let Some(letter) = letter {
        (letter.run)();
    }
    letter.is_some()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::panel::PANELS;

    #[test]
    fn no_key_means_two_things() {
        let mut known =
            BTreeSet::from(["K", "T", "P", "R", "J", "N", "M", "B", "L", "?", " ", "-", "0", "=", "+"]);
        let letters = PANELS.iter().filter_map(|panel| panel.operations.as_ref());
        known.extend(letters.flat_map(|operations| operations.letters).map(|letter| letter.key));
        let panels = PANELS.iter().map(|panel| panel.key);
        let layers = LAYERS.iter().map(|layer| layer.key);
        for key in panels.chain(layers).chain(Scenario::ALL.map(Scenario::key)) {
            assert!(known.insert(key), "{key}");
        }
        assert!(!known.iter().any(|key| key.chars().any(char::is_lowercase)), "{known:?}");
    }
}
