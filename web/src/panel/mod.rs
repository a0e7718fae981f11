//! The panels at the right, one folder each, joined in one table: tabs, keys, the legend and the browser tests know a panel
//! from its row alone.
//!
//! A folder has the panel's view (`mod.rs`), its pure models (`look.rs`), its words (`words.rs`) and its style (`style.css`, linked
//! in `index.html`). A panel reads the store and nothing else.

pub mod cache;
pub mod feed;
pub mod inspect;
pub mod locks;
pub mod log;
pub mod queue;

use leptos::prelude::*;

use crate::i18n::Lang;
use crate::shared::Shared;
use crate::ui::Ui;

/// A row of the table.
pub struct Panel {
    /// Stable name, for ids.
    pub id: &'static str,
    /// The key that brings it forward.
    pub key: &'static str,
    pub name: fn(Lang) -> &'static str,
    pub view: fn(Shared) -> AnyView,
    /// What can be done with it by letters while it is shown.
    pub operations: Option<Operations>,
}

/// What letters do while a panel is shown. Those of the first panel do it also where the panel that is shown has none.
pub struct Operations {
    /// Makes the panel's desk, a context of the whole page, before anything is drawn.
    pub provide: fn(),
    pub letters: &'static [Letter],
    /// What the letters do, for the legend.
    pub words: fn(Lang) -> &'static str,
}

/// One letter. What it does may use the contexts of the page.
pub struct Letter {
    pub key: &'static str,
    pub run: fn(),
    /// It can do harm, and does it only when it is pressed twice: what it would do.
    pub harm: Option<fn(Lang) -> &'static str>,
}

/// Every panel, in the order of the tabs. The first one is shown at the start.
pub static PANELS: [Panel; 6] = [
    Panel {
        id: locks::ID,
        key: "Q",
        name: |lang| locks::words::WORDS.of(lang).name,
        view: |shared| view! { <locks::LocksPanel shared /> }.into_any(),
        operations: Some(locks::OPERATIONS),
    },
    Panel {
        id: queue::ID,
        key: "C",
        name: |lang| queue::words::WORDS.of(lang).name,
        view: |shared| view! { <queue::QueuePanel shared /> }.into_any(),
        operations: Some(queue::OPERATIONS),
    },
    Panel {
        id: cache::ID,
        key: "X",
        name: |lang| cache::words::WORDS.of(lang).name,
        view: |shared| view! { <cache::CachePanel shared /> }.into_any(),
        operations: Some(cache::OPERATIONS),
    },
    Panel {
        id: "log",
        key: "W",
        name: |lang| log::words::WORDS.of(lang).name,
        view: |shared| view! { <log::LogPanel shared /> }.into_any(),
        operations: None,
    },
    Panel {
        id: inspect::ID,
        key: "E",
        name: |lang| inspect::words::WORDS.of(lang).name,
        view: |shared| view! { <inspect::Inspect shared /> }.into_any(),
        operations: None,
    },
    Panel {
        id: "feed",
        key: "V",
        name: |lang| feed::words::WORDS.of(lang).name,
        view: |shared| view! { <feed::Feed shared /> }.into_any(),
        operations: None,
    },
];

/// The row of a panel.
pub fn of(id: &str) -> &'static Panel {
    PANELS.iter().find(|panel| panel.id == id).unwrap_or(&PANELS[0])
}

/// The panel that a key brings forward.
pub fn of_key(key: &str) -> Option<&'static Panel> {
    PANELS.iter().find(|panel| panel.key.eq_ignore_ascii_case(key))
}

/// What a key does while a panel is shown, beside bringing others forward.
pub fn letter(shown: &str, key: &str) -> Option<&'static Letter> {
    let letter_of = |panel: &'static Panel| {
        let letters = panel.operations.as_ref().map(|operations| operations.letters).unwrap_or_default();
        letters.iter().find(|letter| letter.key.eq_ignore_ascii_case(key))
    };
    letter_of(of(shown)).or_else(|| letter_of(&PANELS[0]))
}

/// Makes the desks of all panels.
pub fn provide() {
    for operations in PANELS.iter().filter_map(|panel| panel.operations.as_ref()) {
        (operations.provide)();
    }
}

/// Brings a panel forward because something of it is drawn now, or the first one where it is not any more.
pub fn follow(ui: Ui, id: &'static str, drawn: bool) {
    let first = PANELS[0].id;
    let (from, to) = if drawn { (first, id) } else { (id, first) };
    if ui.tab.get_untracked() == from {
        ui.tab.set(to);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_panels_have_one_id() {
        let ids: BTreeSet<_> = PANELS.iter().map(|panel| panel.id).collect();
        assert_eq!(ids.len(), PANELS.len());
    }

    #[test]
    fn letters_are_the_first_panel_s_where_the_shown_one_has_none() {
        let run = |shown: &str, key: &str| letter(shown, key).map(|letter| letter.run as usize);
        assert!(run("locks", "i").is_some() && run("locks", "z").is_none());
        assert_eq!(run("log", "I"), run("locks", "i"));
        assert_ne!(run("queue", "i"), run("locks", "i"));
        let harm = |shown: &str| letter(shown, "u").is_some_and(|letter| letter.harm.is_some());
        assert_eq!(["locks", "queue", "cache", "feed"].map(harm), [false, false, true, false]);
    }

    #[test]
    fn the_page_links_the_style_of_every_panel() {
        let page = include_str!("../../index.html");
        for panel in &PANELS {
            assert!(page.contains(&format!("href=\"src/panel/{}/style.css\"", panel.id)), "{}", panel.id);
        }
    }
}
