//! The layers of the stage, in one table: the left column lists them, and each has a key.

use leptos::prelude::*;

use crate::i18n::Strings;
use crate::panel;
use crate::stage::glyph::Icon;
use crate::ui::{Layers, Ui};

pub struct Layer {
    /// Stable name, for ids.
    pub id: &'static str,
    pub key: &'static str,
    pub icon: Icon,
    pub word: fn(&'static Strings) -> &'static str,
    /// Its part of what is drawn.
    of: fn(&mut Layers) -> &mut bool,
    /// The panel that comes forward with it and goes back with it.
    panel: Option<&'static str>,
}

pub static LAYERS: [Layer; 4] = [
    Layer {
        id: "consensus",
        key: "1",
        icon: Icon::Consensus,
        word: |t| t.ui.layer_consensus,
        of: |layers| &mut layers.consensus,
        panel: None,
    },
    Layer {
        id: "locks",
        key: "2",
        icon: Icon::Locks,
        word: |t| t.ui.layer_locks,
        of: |layers| &mut layers.locks,
        panel: None,
    },
    Layer {
        id: "queue",
        key: "3",
        icon: Icon::Queue,
        word: |t| t.ui.layer_queue,
        of: |layers| &mut layers.queue,
        panel: Some(panel::queue::ID),
    },
    Layer {
        id: "cache",
        key: "4",
        icon: Icon::Cache,
        word: |t| t.ui.layer_cache,
        of: |layers| &mut layers.cache,
        panel: Some(panel::cache::ID),
    },
];

impl Layer {
    pub fn drawn(&self, mut layers: Layers) -> bool {
        *(self.of)(&mut layers)
    }

    /// Switches it, and brings its panel forward or back.
    pub fn toggle(&self, ui: Ui) {
        ui.layers.update(|layers| {
            let drawn = (self.of)(layers);
            *drawn = !*drawn;
        });
        if let Some(id) = self.panel {
            panel::follow(ui, id, self.drawn(ui.layers.get_untracked()));
        }
    }
}
