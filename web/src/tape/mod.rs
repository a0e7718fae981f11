//! The space-time tape under the stage: a lane per node, messages between them, elections, faults, deadlocks
//! and gaps, terms as bands, and a playhead that can be dragged and moved by keys.

mod draw;
pub mod window;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leptos::html::{Canvas, Div};
use leptos::prelude::*;
use web_sys::{KeyboardEvent, PointerEvent, WheelEvent};

use self::draw::{Layout, Tape as Drawing};
use self::window::{SPAN_US, SPAN_US_DEFAULT, Window, ZOOM, label};
use crate::i18n::Lang;
use crate::i18n::number::fixed_point;
use crate::math::within;
use crate::stage::canvas::ink::Ink;
use crate::stage::canvas::surface::Surface;
use crate::store::Playback;
use crate::store::runtime::Painting;
use crate::ui::{Theme, Ui, told};

/// The tape is drawn anew at most this often; the playhead moves at every frame.
const REDRAW_MS: f64 = 66.0;
/// A theme's colours are read again for some redraws after it changed.
const REREADS: u8 = 3;
/// Nearer to live than this, a drag means live, pixels.
const LIVE_PX: f64 = 5.0;

/// What is on the screen just now, for the pointer.
#[derive(Clone, Copy, Default)]
struct Shown {
    window: Option<Window>,
    whole: Option<Window>,
    strip: f64,
    live_us: u64,
}

struct Painter {
    surface: Option<Surface>,
    ink: Ink,
    theme: Option<Theme>,
    lang: Option<Lang>,
    rereads: u8,
    drawn_ms: f64,
    drawn: Option<(Window, u64)>,
}

/// How the reader wants it.
#[derive(Clone, Copy)]
struct Style {
    theme: Theme,
    lang: Lang,
    span_us: u64,
    offset_min: i32,
    compact: bool,
}

/// The tape with its playhead.
#[component]
pub(crate) fn Tape() -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let (canvas, head) = (NodeRef::<Canvas>::new(), NodeRef::<Div>::new());
    let span_us = Rc::new(Cell::new(SPAN_US_DEFAULT));
    let shown = Rc::new(Cell::new(Shown::default()));
    // An upright phone has room for the lanes only when they are asked for.
    let open = RwSignal::new(false);
    let compact = Memo::new(move |_| ui.portrait.get() && !open.get());
    paint(playback, ui, Parts { canvas, head, compact }, span_us.clone(), shown.clone());
    let lanes = Memo::new(move |_| playback.view.with(|view| view.order.len()));
    let height =
        move || ["height:", &fixed_point(Layout::height_for(lanes.get(), compact.get()), 0), "px"].concat();
    let dragging = Rc::new(Cell::new(None::<bool>));
    let down = {
        let (shown, dragging) = (shown.clone(), dragging.clone());
        move |event: PointerEvent| {
            let strip = f64::from(event.offset_y()) >= shown.get().strip;
            dragging.set(Some(strip));
            if let Some(canvas) = canvas.get_untracked() {
                let _ = canvas.set_pointer_capture(event.pointer_id());
            }
            drag(playback, shown.get(), strip, f64::from(event.offset_x()));
        }
    };
    let moved = {
        let dragging = dragging.clone();
        move |event: PointerEvent| {
            if let Some(strip) = dragging.get() {
                drag(playback, shown.get(), strip, f64::from(event.offset_x()));
            }
        }
    };
    let up = move |_: PointerEvent| dragging.set(None);
    let wheel = {
        let span_us = span_us.clone();
        move |event: WheelEvent| {
            event.prevent_default();
            zoom(&span_us, event.delta_y() < 0.0);
        }
    };
    let keys = move |event: KeyboardEvent| {
        match event.key().as_str() {
            "ArrowLeft" | "ArrowDown" => playback.step(false),
            "ArrowRight" | "ArrowUp" => playback.step(true),
            "PageDown" => playback.jump(false),
            "PageUp" => playback.jump(true),
            "Home" => playback.scrub(playback.clock.get_untracked().start_us),
            "End" => playback.live(),
            "+" | "=" => zoom(&span_us, true),
            "-" => zoom(&span_us, false),
            _ => return,
        }
        event.prevent_default();
        event.stop_propagation();
    };
    let seconds = move |us: u64| (us / 1_000_000).to_string();
    view! {
        {move || ui.portrait.get().then(|| view! {
            <button
                type="button"
                class="disclose tape-open"
                data-testid="tape-open"
                aria-expanded=move || open.get().to_string()
                on:click=move |_| open.update(|open| *open = !*open)
            >
                {move || if open.get() { "▾ " } else { "▸ " }}
                {told(|t| t.ui.tape)}
            </button>
        })}
        <div
            class="tape-view"
            class:compact=move || compact.get()
            style=height
            tabindex="0"
            role="slider"
            aria-label=move || ui.t().ui.tape
            aria-orientation="horizontal"
            aria-valuemin=move || seconds(playback.clock.get().start_us)
            aria-valuemax=move || seconds(playback.clock.get().live_us)
            aria-valuenow=move || seconds(playback.clock.get().now_us)
            aria-valuetext=move || label(playback.clock.get().now_us, 1_000, offset_min())
            on:keydown=keys
        >
            <canvas
                node_ref=canvas
                aria-hidden="true"
                on:pointerdown=down
                on:pointermove=moved
                on:pointerup=up.clone()
                on:pointercancel=up
                on:wheel=wheel
            ></canvas>
            <div class="tape-head" node_ref=head aria-hidden="true"></div>
        </div>
    }
}

fn zoom(span_us: &Cell<u64>, nearer: bool) {
    let factor = if nearer { 1.0 / ZOOM } else { ZOOM };
    span_us.set(((span_us.get() as f64 * factor) as u64).clamp(*SPAN_US.start(), *SPAN_US.end()));
}

fn drag(playback: Playback, shown: Shown, strip: bool, x: f64) {
    let Some(window) = (if strip { shown.whole } else { shown.window }) else { return };
    if x >= window.x(shown.live_us) - LIVE_PX {
        playback.live();
    } else {
        playback.scrub(window.us(x));
    }
}

/// The reader's time zone, minutes.
fn offset_min() -> i32 {
    -(js_sys::Date::new_0().get_timezone_offset() as i32)
}

/// What is painted on, and how.
#[derive(Clone, Copy)]
struct Parts {
    canvas: NodeRef<Canvas>,
    head: NodeRef<Div>,
    compact: Memo<bool>,
}

fn paint(playback: Playback, ui: Ui, parts: Parts, span_us: Rc<Cell<u64>>, shown: Rc<Cell<Shown>>) {
    let Parts { canvas, head, compact } = parts;
    let painter = RefCell::new(Painter {
        surface: None,
        ink: Ink::default(),
        theme: None,
        lang: None,
        rereads: 0,
        drawn_ms: 0.0,
        drawn: None,
    });
    let offset_min = offset_min();
    let head_at = Cell::new(f64::MIN);
    playback.paint(Rc::new(move |painting: &Painting<'_>| {
        let mut painter = painter.borrow_mut();
        if painter.surface.is_none() {
            let Some(element) = canvas.get_untracked() else { return };
            painter.surface = Surface::new(element);
        }
        let (Some(theme), Some(lang)) = (ui.theme.try_get_untracked(), ui.lang.try_get_untracked()) else {
            return;
        };
        let style =
            Style { theme, lang, span_us: span_us.get(), offset_min, compact: compact.get_untracked() };
        let now = painter.draw(painting, style);
        if let Some(now) = now {
            shown.set(now);
        }
        let Some(window) = shown.get().window else { return };
        let x = within(window.x(painting.at_ns / 1_000), window.left, window.left + window.width);
        if (x - head_at.get()).abs() > 0.2
            && let Some(head) = head.get_untracked()
        {
            head_at.set(x);
            let _ = web_sys::HtmlElement::style(&head)
                .set_property("transform", &["translateX(", &fixed_point(x, 1), "px)"].concat());
        }
    }));
}

impl Painter {
    /// Draws where something changed; says what is on the screen then.
    fn draw(&mut self, painting: &Painting<'_>, style: Style) -> Option<Shown> {
        let Style { theme, lang, span_us, offset_min, compact } = style;
        let now_ms = window().performance().map(|clock| clock.now()).unwrap_or_default();
        if self.theme != Some(theme) {
            self.theme = Some(theme);
            self.rereads = REREADS;
        }
        if now_ms - self.drawn_ms < REDRAW_MS {
            return None;
        }
        let surface = self.surface.as_ref()?;
        let resized = surface.fit();
        let recoloured = self.rereads > 0 || self.lang != Some(lang);
        self.lang = Some(lang);
        if self.rereads > 0 {
            self.rereads -= 1;
            self.ink = Ink::read();
        }
        let (width, height) = surface.size();
        let layout = Layout::new(width, height, painting.view.order.len(), compact);
        let clock = painting.clock;
        let window = Window::around(clock.now_us, clock.live_us, span_us, layout.gutter, layout.time_width());
        // A window that moved by less than a pixel looks the same.
        let generation = painting.recording.generation();
        let same = self.drawn.is_some_and(|(drawn, at)| {
            at == generation
                && drawn.span_us == window.span_us
                && drawn.width == window.width
                && drawn.from_us.abs_diff(window.from_us) < window.pixel_us()
        });
        if same && !resized && !recoloured {
            return None;
        }
        self.drawn_ms = now_ms;
        self.drawn = Some((window, generation));
        surface.begin(1.0, 0.0, 0.0);
        let drawing = Drawing {
            context: &surface.context,
            ink: &self.ink,
            layout,
            window,
            recording: painting.recording,
            view: painting.view,
            live_us: clock.live_us,
            offset_min,
            term: lang.strings().cluster.term,
        };
        drawing.draw();
        let whole = draw::whole(painting.recording, clock.live_us, &layout);
        Some(Shown { window: Some(window), whole, strip: layout.strip() - 2.0, live_us: clock.live_us })
    }
}
