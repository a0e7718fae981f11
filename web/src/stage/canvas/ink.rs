//! The colours of the page's theme, as the canvas needs them: read once per theme from the same custom
//! properties that the rest of the page uses.

use leptos::prelude::{document, window};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ink {
    pub ground: String,
    pub panel: String,
    /// Second ground.
    pub panel2: String,
    pub line: String,
    /// Text.
    pub ink: String,
    /// Quieter text.
    pub mute: String,
    /// Quietest text.
    pub faint: String,
    pub brass: String,
    pub danger: String,
    pub ok: String,
    /// Nodes, in order.
    pub nodes: Vec<String>,
    /// The font of words.
    pub sans: String,
}

/// Hues that a theme has for nodes.
const HUES: usize = 7;

impl Ink {
    /// Reads the present theme.
    pub fn read() -> Ink {
        let style =
            document().document_element().and_then(|root| window().get_computed_style(&root).ok().flatten());
        let value = |name: &str| {
            let value = style.as_ref().and_then(|style| style.get_property_value(name).ok());
            value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let colour = |name: &str| value(name).unwrap_or_else(|| "#888".to_owned());
        Ink {
            ground: colour("--bg"),
            panel: colour("--panel"),
            panel2: colour("--panel2"),
            line: colour("--line"),
            ink: colour("--ink"),
            mute: colour("--mute"),
            faint: colour("--faint"),
            brass: colour("--brass"),
            danger: colour("--danger"),
            ok: colour("--ok"),
            nodes: (1..=HUES).map(|hue| colour(&format!("--n{hue}"))).collect(),
            sans: value("--sans").unwrap_or_else(|| "sans-serif".to_owned()),
        }
    }

    /// The hue of the node at a place of the circle.
    pub fn node(&self, place: usize) -> &str {
        self.nodes.get(place % HUES).map_or("#888", String::as_str)
    }
}
