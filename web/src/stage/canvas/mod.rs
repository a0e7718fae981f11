//! What moves on the stage: messages, on one canvas above the SVG.
//!
//! It is drawn outside of the signals, once per animation frame, and only where something moved.

mod draw;
pub mod ink;
pub mod plan;
pub mod surface;
mod trips;
pub mod walk;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use leptos::html::Canvas;
use leptos::prelude::*;
use web_sys::CanvasRenderingContext2d;

use self::ink::Ink;
use self::surface::Surface;
use super::geometry::{Below, Geometry};
use crate::look::change::ChangeLook;
use crate::shared::Shared;
use crate::store::Playback;
use crate::store::runtime::Painting;
use crate::ui::{Layers, Theme, Ui};

/// Slower than this, words stand beside messages.
const LABEL_RATE: f64 = 0.05;
/// A theme's colours are read again for some frames: the page may set its style after the signal changed.
const REREADS: u8 = 3;
/// Standing arrows stay so much longer than a trail glows.
const STILL_GLOW: f64 = 5.0;

/// What the canvas remembers from frame to frame.
struct Painter {
    surface: Option<Surface>,
    ink: Ink,
    theme: Option<Theme>,
    rereads: u8,
    /// On the view clock; kept while paused, so that a frozen stage looks as it did.
    glow_us: f64,
    drawn: Option<Drawn>,
}

/// What the page says about how to draw.
struct Shown {
    geometry: Geometry,
    theme: Theme,
    still: bool,
    layers: Layers,
    shards: usize,
    /// What of the ring is on its way.
    change: Option<Arc<ChangeLook>>,
    /// A cache line is named.
    line: bool,
}

/// Two frames with the same of these look the same.
#[derive(Clone, Copy, PartialEq)]
struct Drawn {
    at_ns: u64,
    generation: u64,
    geometry: Geometry,
    still: bool,
    layers: Layers,
    sprites: usize,
}

/// The canvas. Lies above the SVG and takes no clicks; what it shows is in the table beside the stage, too.
#[component]
pub(crate) fn Moving(geometry: Memo<Geometry>, shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let canvas = NodeRef::<Canvas>::new();
    let painter = Rc::new(RefCell::new(Painter {
        surface: None,
        ink: Ink::default(),
        theme: None,
        rereads: 0,
        glow_us: 0.0,
        drawn: None,
    }));
    playback.paint(Rc::new(move |painting: &Painting<'_>| {
        let mut painter = painter.borrow_mut();
        if painter.surface.is_none() {
            let Some(element) = canvas.get_untracked() else { return };
            painter.surface = Surface::new(element);
        }
        let (Some(geometry), Some(theme), Some(still), Some(layers), Some(shards)) = (
            geometry.try_get_untracked(),
            ui.theme.try_get_untracked(),
            ui.still.try_get_untracked(),
            ui.layers.try_get_untracked(),
            shared.ring.try_get_untracked().map(|ring| ring.shards.len()),
        ) else {
            return;
        };
        let change = shared.change.try_get_untracked().flatten().filter(|_| layers.queue);
        let line = layers.cache && shared.line.try_get_untracked().flatten().is_some();
        let shown = Shown { geometry, theme, still, layers, shards, change, line };
        painter.paint(painting, &shown);
    }));
    view! { <canvas node_ref=canvas aria-hidden="true" data-testid="moving"></canvas> }
}

/// What moves passes behind what is written in the middle: the term and, while the ring changes, the bars, or else the
/// name of the cache line.
fn leave_middle(context: &CanvasRenderingContext2d, geometry: &Geometry, below: Below) {
    let (width, height) = (geometry.width, geometry.height);
    // The stage may be drawn in a larger box. The hole goes round the other way, so that it is one.
    let margin = width + height;
    context.begin_path();
    context.rect(-margin, -margin, width + 2.0 * margin, height + 2.0 * margin);
    let [first, rest @ ..] = geometry.middle_outline(below);
    context.move_to(first.x, first.y);
    for corner in rest {
        context.line_to(corner.x, corner.y);
    }
    context.close_path();
    context.clip();
}

impl Painter {
    fn paint(&mut self, painting: &Painting<'_>, shown: &Shown) {
        let Shown { geometry, theme, still, layers, shards, .. } = *shown;
        let recoloured = self.follow_theme(theme);
        let Some(surface) = &self.surface else { return };
        let resized = surface.fit();
        let clock = painting.clock;
        if clock.playing && clock.rate > 0.0 {
            // A frame that had to wait must not stretch the trails.
            self.glow_us = (plan::GLOW_S * clock.rate.min(1.0) * 1e6).max(1.0);
        }
        let generation = painting.recording.generation();
        let same = self.drawn.is_some_and(|drawn| {
            let nothing_new = drawn.at_ns == painting.at_ns
                && (drawn.generation == generation || drawn.sprites == 0 && clock.playing);
            nothing_new && (drawn.geometry, drawn.still, drawn.layers) == (geometry, still, layers)
        });
        if same && !resized && !recoloured {
            return;
        }
        let glow_us = if still { self.glow_us * STILL_GLOW } else { self.glow_us };
        let labels = clock.rate < LABEL_RATE;
        let sprites = plan::sprites(painting, glow_us as u64, labels, layers);
        let walks = if layers.queue { walk::walks(painting, shards, glow_us) } else { Vec::new() };
        let at_us = painting.at_ns as f64 / 1e3;
        let trips = shown.change.as_ref().map_or(0, |change| trips::count(change, at_us, still));
        let drawn = sprites.len() + walks.len() + trips;
        let was_empty = self.drawn.is_some_and(|drawn| drawn.sprites == 0);
        let at_ns = painting.at_ns;
        self.drawn = Some(Drawn { at_ns, generation, geometry, still, layers, sprites: drawn });
        if drawn == 0 && was_empty && !resized {
            return;
        }
        let (width, height) = surface.size();
        let fit = geometry.fit(width, height);
        surface.begin(fit.scale, fit.left, fit.top);
        surface.context.save();
        leave_middle(&surface.context, &geometry, Below::of(shown.change.is_some(), shown.line));
        if let Some(change) = &shown.change {
            trips::draw(&surface.context, &self.ink, &geometry, change, at_us, still);
        }
        walk::draw(&surface.context, &self.ink, &geometry, &walks, still);
        if still {
            draw::standing(&surface.context, &self.ink, &geometry, &sprites);
        } else {
            draw::moving(&surface.context, &self.ink, &geometry, &sprites);
        }
        surface.context.restore();
    }

    fn follow_theme(&mut self, theme: Theme) -> bool {
        if self.theme != Some(theme) {
            self.theme = Some(theme);
            self.rereads = REREADS;
        }
        if self.rereads == 0 {
            return false;
        }
        self.rereads -= 1;
        let ink = Ink::read();
        let changed = ink != self.ink;
        self.ink = ink;
        changed
    }
}
