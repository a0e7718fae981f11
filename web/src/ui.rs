//! What the reader of the page chose: language, theme, tab, node, client. Not a word about the cluster.

use std::sync::Arc;

use leptos::prelude::*;
use orrery_base::ids::{GroupId, NodeName};
use orrery_cache::Address;
use smol_str::SmolStr;

use crate::i18n::{Both, Lang, Strings};

/// Most clients that one page acts as.
pub const CLIENTS_MAX: usize = 8;

/// Colours of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    #[default]
    Observatory,
    Projector,
}

impl Theme {
    /// Value of `data-theme` on the root element.
    pub fn name(self) -> &'static str {
        match self {
            Theme::Observatory => "observatory",
            Theme::Projector => "projector",
        }
    }

    fn from_name(name: &str) -> Option<Theme> {
        [Theme::Observatory, Theme::Projector].into_iter().find(|theme| theme.name() == name)
    }
}

/// Which layers the stage draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    pub consensus: bool,
    /// Clients and their lock requests.
    pub locks: bool,
    /// The hash ring, its shards and what is published to them.
    pub queue: bool,
    /// Copies of a cache line, and what nodes and its home say about it.
    pub cache: bool,
}

impl Layers {
    /// All of them are drawn.
    pub const ALL: Layers = Layers { consensus: true, locks: true, queue: true, cache: true };

    /// The text under which they are remembered: one letter for each that is drawn.
    fn remembered(self) -> String {
        let letters = [(self.consensus, 'c'), (self.locks, 'l'), (self.queue, 'q'), (self.cache, 'm')];
        letters.into_iter().filter_map(|(on, letter)| on.then_some(letter)).collect()
    }

    fn from_remembered(text: &str) -> Layers {
        let has = |letter| text.contains(letter);
        Layers { consensus: has('c'), locks: has('l'), queue: has('q'), cache: has('m') }
    }
}

/// The reader's choices. `Copy`; a context of the whole page.
#[derive(Clone, Copy)]
pub struct Ui {
    /// Language of every word.
    pub lang: RwSignal<Lang>,
    pub theme: RwSignal<Theme>,
    /// The panel that is shown, by its id.
    pub tab: RwSignal<&'static str>,
    pub selected: RwSignal<Option<NodeName>>,
    /// Whether the chosen node's buttons are shown at the stage.
    pub popover: RwSignal<bool>,
    /// What the stage draws.
    pub layers: RwSignal<Layers>,
    /// The shard whose replicas the stage shows.
    pub shard: RwSignal<Option<GroupId>>,
    /// The cache line that the stage shows; none shows the one that changed last.
    pub line: RwSignal<Option<Address>>,
    /// Whether the legend covers the page.
    pub legend: RwSignal<bool>,
    /// Whether the page is an upright phone's.
    pub portrait: RwSignal<bool>,
    /// Whether the page is so tall that the feed fits under the locks.
    pub tall: RwSignal<bool>,
    /// Changes when the window's size does: for what measures the page.
    pub resized: RwSignal<u32>,
    /// Whether travel is replaced by standing arrows.
    pub still: RwSignal<bool>,
    /// Clients that the page may act as.
    pub clients: RwSignal<Arc<Vec<SmolStr>>>,
    /// The one that it acts as.
    pub client: RwSignal<SmolStr>,
    /// Whom to ask; none asks any reachable node.
    pub ask: RwSignal<Option<NodeName>>,
}

impl Ui {
    /// Makes the signals from what the browser remembers, and provides them as a context. `panel` is shown first.
    pub fn provide(panel: &'static str) -> Ui {
        let lang = remembered("lang")
            .or_else(preferred_language)
            .and_then(|tag| Lang::from_tag(&tag))
            .unwrap_or_default();
        let theme = remembered("theme").and_then(|name| Theme::from_name(&name)).unwrap_or_default();
        let layers = remembered("layers").map_or(Layers::ALL, |text| Layers::from_remembered(&text));
        let clients: Vec<SmolStr> = ["Ayu", "Budi", "Citra"].map(SmolStr::from).to_vec();
        let ui = Ui {
            lang: RwSignal::new(lang),
            theme: RwSignal::new(theme),
            tab: RwSignal::new(panel),
            selected: RwSignal::new(None),
            popover: RwSignal::new(false),
            layers: RwSignal::new(layers),
            shard: RwSignal::new(None),
            line: RwSignal::new(None),
            legend: RwSignal::new(false),
            portrait: RwSignal::new(false),
            tall: RwSignal::new(false),
            resized: RwSignal::new(0),
            still: RwSignal::new(matches_media("(prefers-reduced-motion: reduce)")),
            client: RwSignal::new(clients[0].clone()),
            clients: RwSignal::new(Arc::new(clients)),
            ask: RwSignal::new(None),
        };
        ui.follow();
        provide_context(ui);
        ui
    }

    /// The page's choices; [`Ui::provide`] comes first.
    pub fn expect() -> Ui {
        expect_context()
    }

    /// The words of the chosen language; tracked.
    pub fn t(&self) -> &'static Strings {
        self.lang.get().strings()
    }

    /// The words of a part of the page in the chosen language; tracked.
    pub fn words<W>(&self, words: &'static Both<W>) -> &'static W {
        words.of(self.lang.get())
    }

    /// Chooses a node and shows its buttons at the stage.
    pub fn select(&self, node: &NodeName) {
        self.selected.set(Some(node.clone()));
        self.popover.set(true);
    }

    /// Lets the root element and the browser's memory follow the choices.
    fn follow(self) {
        Effect::new(move || {
            let theme = self.theme.get().name();
            remember("theme", theme);
            set_root("data-theme", theme);
        });
        Effect::new(move || {
            let lang = self.lang.get().tag();
            remember("lang", lang);
            set_root("lang", lang);
        });
        Effect::new(move || remember("layers", &self.layers.get().remembered()));
        Effect::new(move || set_root("data-still", if self.still.get() { "true" } else { "false" }));
        let measure = move || {
            set_changed(self.portrait, matches_media("(max-width: 760px)"));
            self.resized.update(|count| *count = count.wrapping_add(1));
            set_changed(self.tall, matches_media("(min-width: 1101px) and (min-height: 900px)"));
        };
        measure();
        let _ = window_event_listener(leptos::ev::resize, move |_| measure());
    }
}

fn set_changed(signal: RwSignal<bool>, value: bool) {
    if signal.get_untracked() != value {
        signal.set(value);
    }
}

fn set_root(attribute: &str, value: &str) {
    if let Some(root) = document().document_element() {
        // Only a name that is no attribute name can fail here.
        let _ = root.set_attribute(attribute, value);
    }
}

/// A word of the chosen language. One type for every word of the page: closures of its own would be compiled once
/// for each place.
pub fn told(pick: fn(&'static Strings) -> &'static str) -> Signal<&'static str> {
    let ui = Ui::expect();
    Signal::derive(move || pick(ui.t()))
}

impl<W: Sync> Both<W> {
    /// One of these words in the chosen language.
    pub fn told(&'static self, pick: fn(&'static W) -> &'static str) -> Signal<&'static str> {
        let ui = Ui::expect();
        Signal::derive(move || pick(ui.words(self)))
    }
}

/// Whether a CSS media query matches now.
pub fn matches_media(query: &str) -> bool {
    window().match_media(query).ok().flatten().is_some_and(|list| list.matches())
}

fn preferred_language() -> Option<String> {
    let navigator = js_sys::Reflect::get(&window(), &"navigator".into()).ok()?;
    js_sys::Reflect::get(&navigator, &"language".into()).ok()?.as_string()
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

fn remembered(key: &str) -> Option<String> {
    storage()?.get_item(&format!("orrery.{key}")).ok().flatten()
}

fn remember(key: &str, value: &str) {
    if let Some(storage) = storage() {
        // A full or forbidden storage only costs the memory of a choice.
        let _ = storage.set_item(&format!("orrery.{key}"), value);
    }
}
