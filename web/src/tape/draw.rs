//! Draws the tape: a lane per node, messages between lanes, marks, terms, times, and the whole recording
//! as a strip below.

use orrery_base::ids::GroupId;
use orrery_event::fact::Message;
use orrery_projection::view::{Flight, FlightEnd, View};
use web_sys::CanvasRenderingContext2d;

use super::window::{Window, label};
use crate::i18n::number::fixed_point;
use crate::math::within;
use crate::stage::canvas::ink::Ink;
use crate::store::marks::{MarkKind, SpanKind};
use crate::store::recording::Recording;

/// Most message lines; more are drawn one in so many.
const LINES_MAX: usize = 1_200;
/// Height of the row of terms and marks.
const BAND: f64 = 20.0;
/// Height of the strip of the whole recording.
pub const STRIP: f64 = 10.0;
/// Room of the time labels.
const TIMES: f64 = 18.0;
/// Room above the first lane.
const TOP: f64 = 14.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// Pixels.
    pub width: f64,
    /// Pixels.
    pub height: f64,
    /// Room of the names.
    pub gutter: f64,
    lanes: usize,
    /// Only terms, times and the whole recording: where there is no room for the lanes.
    compact: bool,
}

impl Layout {
    /// A tape of this size with so many lanes.
    pub fn new(width: f64, height: f64, lanes: usize, compact: bool) -> Layout {
        let gutter = match (compact, width < 600.0) {
            (true, _) => 14.0,
            (false, true) => 58.0,
            (false, false) => 82.0,
        };
        Layout { width, height, gutter, lanes: lanes.max(1), compact }
    }

    /// Height that so many lanes want.
    pub fn height_for(lanes: usize, compact: bool) -> f64 {
        if compact {
            return BAND + TIMES + STRIP + 8.0;
        }
        TOP + lanes.max(3) as f64 * 17.0 + BAND + TIMES + STRIP + 8.0
    }

    /// Width of the stretch of time.
    pub fn time_width(&self) -> f64 {
        (self.width - self.gutter - 14.0).max(1.0)
    }

    fn lane(&self, place: usize) -> f64 {
        let room = self.band() - TOP - 6.0;
        TOP + room * (place as f64 + 0.5) / self.lanes as f64
    }

    fn band(&self) -> f64 {
        self.height - BAND - TIMES - STRIP - 4.0
    }

    /// Upper edge of the strip of the whole recording.
    pub fn strip(&self) -> f64 {
        self.height - STRIP - 3.0
    }
}

/// Everything that is drawn.
pub struct Tape<'a> {
    pub context: &'a CanvasRenderingContext2d,
    pub ink: &'a Ink,
    pub layout: Layout,
    pub window: Window,
    pub recording: &'a Recording,
    /// Names and order.
    pub view: &'a View,
    pub live_us: u64,
    /// The reader's time zone, minutes.
    pub offset_min: i32,
    /// The reader's word for a term.
    pub term: &'static str,
}

impl Tape<'_> {
    /// Draws all of it.
    pub fn draw(&self) {
        if !self.layout.compact {
            self.lanes();
            self.messages();
            self.spans();
        }
        self.terms();
        self.marks();
        self.times();
        self.strip();
        self.context.set_global_alpha(1.0);
    }

    fn lanes(&self) {
        let Tape { context, ink, layout, window, .. } = self;
        let from = window.x(self.recording.start_us().unwrap_or(window.to_us())).max(layout.gutter);
        let to = window.x(self.live_us).min(layout.gutter + layout.time_width());
        for (place, name) in self.view.order.iter().enumerate() {
            let y = layout.lane(place);
            context.set_fill_style_str(ink.node(place));
            context.set_global_alpha(1.0);
            self.text(name, 14.0, y, 12.0, "left");
            context.set_stroke_style_str(ink.node(place));
            context.set_global_alpha(0.5);
            context.set_line_width(1.2);
            self.line(from, y, to.max(from), y);
        }
    }

    fn messages(&self) {
        let Tape { context, ink, window, .. } = self;
        let worth = |flight: &&Flight| {
            flight.group == GroupId::CONTROL && !matches!(flight.body, Message::Append { entries: 0, .. })
        };
        let flights: Vec<&Flight> =
            self.recording.flights.during(window.from_us, window.to_us()).filter(worth).collect();
        let every = flights.len().div_ceil(LINES_MAX).max(1);
        for (number, flight) in flights.into_iter().enumerate() {
            let vote = matches!(flight.body, Message::Vote { .. } | Message::VoteReply { .. });
            let lost = matches!(flight.end, Some(FlightEnd::Lost { .. }));
            if !(vote || lost || number.is_multiple_of(every)) {
                continue;
            }
            let place = |name: &str| self.view.order.iter().position(|other| other == name);
            let (Some(from), Some(to)) = (place(&flight.from), place(&flight.to)) else { continue };
            let (y0, y1) = (self.layout.lane(from), self.layout.lane(to));
            let x0 = window.x(flight.sent_us).max(self.layout.gutter);
            let (colour, alpha, thickness) = match (lost, vote) {
                (true, _) => (&ink.danger, 0.8, 1.2),
                (false, true) => (&ink.ink, 0.85, 1.3),
                (false, false) => (&ink.brass, 0.4, 1.0),
            };
            context.set_stroke_style_str(colour);
            context.set_global_alpha(alpha);
            context.set_line_width(thickness);
            let edge = self.layout.gutter + self.layout.time_width();
            match flight.end {
                Some(FlightEnd::Received { at_us }) => self.line(x0, y0, window.x(at_us).min(edge), y1),
                Some(FlightEnd::Lost { .. }) => self.line(x0, y0, x0 + 3.0, (y0 + y1) / 2.0),
                None => {}
            }
        }
    }

    fn spans(&self) {
        let Tape { context, ink, window, layout, .. } = self;
        let edge = layout.gutter + layout.time_width();
        for span in self.recording.marks.spans() {
            let to_us = span.to_us.unwrap_or(self.live_us);
            let Some(place) = self.view.order.iter().position(|name| *name == span.node) else { continue };
            let x0 = within(window.x(span.from_us), layout.gutter, edge);
            let x1 = within(window.x(to_us.max(span.from_us)), layout.gutter, edge);
            if x1 <= x0 && span.kind != SpanKind::Gap {
                continue;
            }
            let y = layout.lane(place);
            context.set_fill_style_str(&ink.panel);
            context.set_global_alpha(1.0);
            context.fill_rect(x0, y - 1.5, x1 - x0, 3.0);
            match span.kind {
                SpanKind::Down => {}
                SpanKind::Paused => self.dots(x0, x1, y, &ink.danger, 5.0),
                SpanKind::Silent => self.dots(x0, x1, y, &ink.faint, 9.0),
                SpanKind::Gap => self.hatch(x0, x1.max(x0 + 3.0), y),
            }
        }
    }

    fn dots(&self, x0: f64, x1: f64, y: f64, colour: &str, distance: f64) {
        self.context.set_fill_style_str(colour);
        self.context.set_global_alpha(0.8);
        let count = ((x1 - x0) / distance).min(400.0) as u32;
        for dot in 0..count {
            self.context.fill_rect(x0 + f64::from(dot) * distance, y - 0.8, 2.4, 1.6);
        }
    }

    fn hatch(&self, x0: f64, x1: f64, y: f64) {
        self.context.set_stroke_style_str(&self.ink.danger);
        self.context.set_global_alpha(0.8);
        self.context.set_line_width(1.0);
        let count = ((x1 - x0) / 4.0).clamp(1.0, 400.0) as u32;
        for stroke in 0..count {
            let x = x0 + f64::from(stroke) * 4.0;
            self.line(x, y + 5.0, x + 4.0, y - 5.0);
        }
    }

    fn terms(&self) {
        let Tape { context, ink, window, layout, .. } = self;
        let edge = layout.gutter + layout.time_width();
        let terms: Vec<(u64, u64)> = self.recording.marks.terms().collect();
        let marks = self.recording.marks.between(window.from_us, window.to_us());
        let marks: Vec<f64> =
            marks.filter(|mark| mark.kind != MarkKind::Candidate).map(|mark| window.x(mark.at_us)).collect();
        let mut free = layout.gutter;
        for (at, (from_us, term)) in terms.iter().enumerate() {
            let until_us = terms.get(at + 1).map_or(self.live_us, |next| next.0);
            let x0 = within(window.x(*from_us), layout.gutter, edge);
            let x1 = within(window.x(until_us), layout.gutter, edge);
            if x1 - x0 < 1.0 {
                continue;
            }
            context.set_fill_style_str(if term % 2 == 0 { &ink.panel2 } else { &ink.brass });
            context.set_global_alpha(if term % 2 == 0 { 1.0 } else { 0.16 });
            context.begin_path();
            let _ = context.round_rect_with_f64(x0, layout.band(), (x1 - x0 - 1.5).max(0.5), BAND, 3.0);
            context.fill();
            // Behind the crown that begins the term, where no mark stands on it.
            let marked = marks.iter().any(|mark| (x0 + 10.0..x0 + 70.0).contains(mark));
            if x1 - x0 > 80.0 && x0 >= free && !marked {
                context.set_global_alpha(1.0);
                context.set_fill_style_str(&ink.mute);
                self.text(
                    &format!("{} {term}", self.term),
                    x0 + 20.0,
                    layout.band() + BAND / 2.0,
                    11.5,
                    "left",
                );
                free = x0 + 80.0;
            }
        }
    }

    fn marks(&self) {
        let Tape { context, ink, window, layout, .. } = self;
        context.set_global_alpha(1.0);
        let mut last = f64::MIN;
        for mark in self.recording.marks.between(window.from_us, window.to_us()) {
            let x = window.x(mark.at_us);
            let place = self.view.order.iter().position(|name| *name == mark.node);
            let colour = match mark.kind {
                MarkKind::Crowned => &ink.brass,
                kind if kind.bad() => &ink.danger,
                _ => &ink.mute,
            };
            context.set_fill_style_str(colour);
            if let Some(place) = place.filter(|_| !layout.compact) {
                let glyph = if mark.kind == MarkKind::Back { "●" } else { mark.kind.glyph() };
                self.text(glyph, x, layout.lane(place), 13.0, "center");
            }
            // One glyph in the band per 13 pixels: the lanes have them all.
            if mark.kind != MarkKind::Candidate && x - last > 13.0 {
                self.text(mark.kind.glyph(), x + 1.0, layout.band() + BAND / 2.0, 13.0, "center");
                last = x;
            }
        }
    }

    fn times(&self) {
        let Tape { context, ink, window, layout, .. } = self;
        context.set_global_alpha(1.0);
        context.set_fill_style_str(&ink.faint);
        let step_us = window.step_us();
        let edge = layout.gutter + layout.time_width();
        for us in window.ticks() {
            let x = window.x(us);
            if x > layout.gutter + 26.0 && x < edge - 20.0 {
                self.text(
                    &label(us, step_us, self.offset_min),
                    x,
                    layout.band() + BAND + 10.0,
                    11.0,
                    "center",
                );
            }
        }
    }

    /// The whole recording, with its marks and the stretch that is shown above.
    fn strip(&self) {
        let Tape { context, ink, window, layout, .. } = self;
        let Some(whole) = self.whole() else { return };
        let y = layout.strip();
        context.set_global_alpha(1.0);
        context.set_fill_style_str(&ink.panel2);
        context.fill_rect(layout.gutter, y, layout.time_width(), STRIP);
        context.set_fill_style_str(&ink.line);
        let edge = layout.gutter + layout.time_width();
        let x0 = within(whole.x(window.from_us), layout.gutter, edge);
        let x1 = within(whole.x(window.to_us()), layout.gutter, edge);
        context.fill_rect(x0, y, (x1 - x0).max(2.0), STRIP);
        for mark in self.recording.marks.between(whole.from_us, whole.to_us()) {
            if mark.kind == MarkKind::Candidate {
                continue;
            }
            context.set_fill_style_str(if mark.kind.bad() { &ink.danger } else { &ink.brass });
            context.fill_rect(whole.x(mark.at_us) - 0.75, y + 1.0, 1.5, STRIP - 2.0);
        }
    }

    fn whole(&self) -> Option<Window> {
        whole(self.recording, self.live_us, &self.layout)
    }

    fn line(&self, x0: f64, y0: f64, x1: f64, y1: f64) {
        self.context.begin_path();
        self.context.move_to(x0, y0);
        self.context.line_to(x1, y1);
        self.context.stroke();
    }

    fn text(&self, words: &str, x: f64, y: f64, size: f64, align: &str) {
        self.context.set_font(&["500 ", &fixed_point(size, 1), "px ", &self.ink.sans].concat());
        self.context.set_text_align(align);
        self.context.set_text_baseline("middle");
        let _ = self.context.fill_text(words, x, y);
    }
}

/// The whole recording over the strip.
pub fn whole(recording: &Recording, live_us: u64, layout: &Layout) -> Option<Window> {
    let from_us = recording.start_us()?;
    let span_us = live_us.saturating_sub(from_us).max(1);
    Some(Window { from_us, span_us, left: layout.gutter, width: layout.time_width() })
}
