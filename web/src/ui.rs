//! What the reader of the page chose: language, theme, tab, node, client. Not a word about the cluster.

use std::sync::Arc;

use leptos::prelude::*;
use orrery_base::ids::{ClientName, GroupId, NodeName};
use orrery_cache::Address;
use orrery_lock::Mode;

use crate::i18n::{Lang, Strings};

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

/// A panel at the right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// Lock lanes and the form.
    #[default]
    Locks,
    /// Queues: the form, the bins, the ring as a table.
    Queue,
    /// The coherent cache: the form, the lines, the state diagram, hit rates.
    Cache,
    Log,
    Inspect,
    /// What happened, in words.
    Feed,
}

impl Tab {
    /// All of them, in order.
    pub const ALL: [Tab; 6] = [Tab::Locks, Tab::Queue, Tab::Cache, Tab::Log, Tab::Inspect, Tab::Feed];

    /// Stable name, for ids.
    pub fn name(self) -> &'static str {
        match self {
            Tab::Locks => "locks",
            Tab::Queue => "queue",
            Tab::Cache => "cache",
            Tab::Log => "log",
            Tab::Inspect => "inspect",
            Tab::Feed => "feed",
        }
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
    /// The panel that is shown.
    pub tab: RwSignal<Tab>,
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
    pub clients: RwSignal<Arc<Vec<ClientName>>>,
    /// The one that it acts as.
    pub client: RwSignal<ClientName>,
    /// The resource that is named in the form.
    pub resource: RwSignal<String>,
    /// How it is to be locked.
    pub mode: RwSignal<Mode>,
    /// Length of the lease, milliseconds.
    pub ttl_ms: RwSignal<u64>,
    /// Whom to ask; none asks any reachable node.
    pub ask: RwSignal<Option<NodeName>>,
}

impl Ui {
    /// Makes the signals from what the browser remembers, and provides them as a context.
    pub fn provide() -> Ui {
        let lang = remembered("lang")
            .or_else(preferred_language)
            .and_then(|tag| Lang::from_tag(&tag))
            .unwrap_or_default();
        let theme = remembered("theme").and_then(|name| Theme::from_name(&name)).unwrap_or_default();
        let layers = remembered("layers").map_or(Layers::ALL, |text| Layers::from_remembered(&text));
        let clients: Vec<ClientName> = ["Ayu", "Budi", "Citra"].map(ClientName::from).to_vec();
        let ui = Ui {
            lang: RwSignal::new(lang),
            theme: RwSignal::new(theme),
            tab: RwSignal::new(Tab::default()),
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
            resource: RwSignal::new("printer".to_owned()),
            mode: RwSignal::new(Mode::Exclusive),
            ttl_ms: RwSignal::new(30_000),
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

    /// Chooses a node and shows its buttons at the stage.
    pub fn select(&self, node: &NodeName) {
        self.selected.set(Some(node.clone()));
        self.popover.set(true);
    }

    /// Switches the layer of elections and logs.
    pub fn toggle_consensus(&self) {
        self.layers.update(|layers| layers.consensus = !layers.consensus);
    }

    /// Switches the layer of the locks.
    pub fn toggle_locks(&self) {
        self.layers.update(|layers| layers.locks = !layers.locks);
    }

    /// Switches the layer of the queues, and brings its panel forward or back.
    pub fn toggle_queue(&self) {
        self.layers.update(|layers| layers.queue = !layers.queue);
        self.bring(Tab::Queue, self.layers.with_untracked(|layers| layers.queue));
    }

    /// Switches the layer of the coherent cache, and brings its panel forward or back.
    pub fn toggle_cache(&self) {
        self.layers.update(|layers| layers.cache = !layers.cache);
        self.bring(Tab::Cache, self.layers.with_untracked(|layers| layers.cache));
    }

    fn bring(&self, tab: Tab, forward: bool) {
        let before = if forward { Tab::Locks } else { tab };
        if self.tab.get_untracked() == before {
            self.tab.set(if forward { tab } else { Tab::Locks });
        }
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
