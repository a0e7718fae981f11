//! Draws sprites: trails first, then shapes. In stage units.

use std::f64::consts::TAU;

use orrery_cache::message::RecallKind;
use web_sys::CanvasRenderingContext2d;

use super::ink::Ink;
use super::plan::{Shape, Sprite};
use crate::i18n::number::fixed_point;
use crate::look::message::ask_name;
use crate::stage::geometry::{Geometry, LABEL_GAP, NODE_RING, Point};

/// Messages keep to one side of their chord, so that a request and its answer do not meet.
const SIDE: f64 = 7.0;
/// Width of a letter beside a message.
const LETTER: f64 = 6.4;
/// Pieces of a trail: it fades towards its end.
const PIECES: u32 = 5;
/// Most beads in a square; more are a number.
const BEADS_MAX: u32 = 5;

/// A chord with its direction.
pub(super) struct Chord {
    pub(super) from: Point,
    pub(super) to: Point,
}

impl Chord {
    fn new(geometry: &Geometry, sprite: &Sprite) -> Chord {
        let (from, to) = (geometry.node(sprite.from), geometry.node(sprite.to));
        let length = from.distance(to).max(1.0);
        let gap = (NODE_RING + 4.0) / length;
        let (dx, dy) = ((to.x - from.x) / length * SIDE, (to.y - from.y) / length * SIDE);
        let beside = |point: Point| Point { x: point.x - dy, y: point.y + dx };
        Chord { from: beside(from.toward(to, gap)), to: beside(from.toward(to, 1.0 - gap)) }
    }

    pub(super) fn at(&self, part: f64) -> Point {
        self.from.toward(self.to, part)
    }
}

/// Draws everything that moves.
pub fn moving(context: &CanvasRenderingContext2d, ink: &Ink, geometry: &Geometry, sprites: &[Sprite]) {
    for sprite in sprites {
        trail(context, ink, &Chord::new(geometry, sprite), sprite);
    }
    for sprite in sprites {
        let chord = Chord::new(geometry, sprite);
        let at = chord.at(sprite.head);
        if sprite.lost {
            cross(context, ink, at, sprite.alpha);
        } else {
            glyph(context, ink, at, sprite);
            words(context, ink, geometry, &chord, sprite);
        }
    }
    context.set_global_alpha(1.0);
}

/// Draws the same as standing arrows with numbers in the order of sending: nothing travels.
pub fn standing(context: &CanvasRenderingContext2d, ink: &Ink, geometry: &Geometry, sprites: &[Sprite]) {
    for sprite in sprites {
        let chord = Chord::new(geometry, sprite);
        let end = if sprite.lost { 0.5 } else { 1.0 };
        context.set_global_alpha(0.9);
        context.set_stroke_style_str(colour(ink, sprite));
        context.set_line_width(1.6);
        line(context, chord.at(0.0), chord.at(end));
        if sprite.lost {
            cross(context, ink, chord.at(end), 1.0);
        } else {
            arrow_head(context, &chord, colour(ink, sprite));
        }
        glyph(context, ink, chord.at(0.4), &Sprite { alpha: 1.0, ..sprite.clone() });
        let at = chord.at(0.62);
        context.set_fill_style_str(&ink.ground);
        disc(context, at, 8.5);
        context.set_fill_style_str(&ink.ink);
        text(context, ink, &sprite.number.to_string(), at, 11.0, "center");
    }
    context.set_global_alpha(1.0);
}

fn colour<'a>(ink: &'a Ink, sprite: &Sprite) -> &'a str {
    match sprite.shape {
        _ if sprite.lost => &ink.danger,
        Shape::Reply(true) => &ink.ok,
        Shape::Reply(false) => &ink.danger,
        Shape::Request | Shape::Answer | Shape::Read | Shape::ReadReply => &ink.ink,
        Shape::Letter | Shape::LetterAnswer => &ink.ink,
        Shape::Recall(RecallKind::Invalidate | RecallKind::FetchInvalidate) => &ink.danger,
        Shape::Line(false) => &ink.danger,
        Shape::Line(true) | Shape::Recalled(_) => &ink.ok,
        Shape::Ask(_) | Shape::Recall(_) => &ink.brass,
        Shape::Vote { .. } => &ink.ink,
        Shape::Append(_) | Shape::Letters(_) | Shape::Beat | Shape::Snapshot | Shape::Transfer => &ink.brass,
    }
}

fn trail(context: &CanvasRenderingContext2d, ink: &Ink, chord: &Chord, sprite: &Sprite) {
    if sprite.head <= sprite.tail {
        return;
    }
    context.set_stroke_style_str(colour(ink, sprite));
    context.set_line_cap("round");
    for piece in 0..PIECES {
        let part =
            |step: u32| sprite.tail + (sprite.head - sprite.tail) * f64::from(step) / f64::from(PIECES);
        let strength = f64::from(piece + 1) / f64::from(PIECES);
        context.set_global_alpha(sprite.alpha * strength * 0.5);
        context.set_line_width(0.8 + 2.4 * strength);
        line(context, chord.at(part(piece)), chord.at(part(piece + 1)));
    }
}

fn glyph(context: &CanvasRenderingContext2d, ink: &Ink, at: Point, sprite: &Sprite) {
    context.set_global_alpha(sprite.alpha);
    context.set_fill_style_str(&ink.ground);
    context.set_stroke_style_str(colour(ink, sprite));
    context.set_line_width(2.0);
    match sprite.shape {
        Shape::Vote { pre } => diamond(context, ink, at, pre),
        Shape::Letters(entries) => envelope(context, ink, at, entries.max(sprite.count)),
        Shape::Letter | Shape::LetterAnswer => {
            disc(context, at, 12.0);
            ring(context, at, 12.0);
            flap(context, at, 7.0, 5.0);
        }
        Shape::Append(entries) => square(context, ink, at, entries.max(sprite.count)),
        Shape::Beat => {
            disc(context, at, 6.5);
            ring(context, at, 6.5);
        }
        Shape::Reply(yes) => {
            disc(context, at, 8.0);
            ring(context, at, 8.0);
            line(context, Point { x: at.x - 4.0, y: at.y }, Point { x: at.x + 4.0, y: at.y });
            if yes {
                line(context, Point { x: at.x, y: at.y - 4.0 }, Point { x: at.x, y: at.y + 4.0 });
            }
        }
        Shape::Snapshot => {
            rounded(context, at, 12.0, 12.0);
            for row in [-5.0, 0.0, 5.0] {
                line(context, Point { x: at.x - 7.0, y: at.y + row }, Point { x: at.x + 7.0, y: at.y + row });
            }
        }
        Shape::Transfer => {
            disc(context, at, 11.0);
            ring(context, at, 11.0);
            context.set_fill_style_str(&ink.brass);
            text(context, ink, "♛", at, 14.0, "center");
        }
        Shape::Request | Shape::Answer => key(context, at, sprite.shape == Shape::Answer),
        Shape::Ask(ask) => chip(context, ink, at, ask_name(ask)),
        Shape::Line(yes) => sign(context, ink, at, if yes { "=" } else { "−" }),
        Shape::Recall(recall) => recalling(context, at, recall),
        Shape::Recalled(dirty) => sign(context, ink, at, if dirty { "M" } else { "+" }),
        Shape::Read | Shape::ReadReply => {
            disc(context, at, 8.0);
            ring(context, at, 8.0);
            context.set_fill_style_str(&ink.ink);
            text(context, ink, if sprite.shape == Shape::Read { "?" } else { "=" }, at, 11.0, "center");
        }
    }
}

/// What a node asks a home for, in words.
fn chip(context: &CanvasRenderingContext2d, ink: &Ink, at: Point, words: &str) {
    rounded(context, at, 6.0 + 3.4 * words.len() as f64, 9.0);
    context.set_fill_style_str(&ink.ink);
    text(context, ink, words, at, 11.0, "center");
}

/// A sign in a box: the answer of a home or of a node that held a copy.
fn sign(context: &CanvasRenderingContext2d, ink: &Ink, at: Point, words: &str) {
    rounded(context, at, 8.5, 8.5);
    context.set_fill_style_str(&ink.ink);
    text(context, ink, words, at, 12.0, "center");
}

/// A barred cross takes a copy away, an arrow fetches it, both do both.
fn recalling(context: &CanvasRenderingContext2d, at: Point, recall: RecallKind) {
    let line = |from: (f64, f64), to: (f64, f64)| {
        let beside = |(x, y): (f64, f64)| Point { x: at.x + x, y: at.y + y };
        line(context, beside(from), beside(to));
    };
    disc(context, at, 11.0);
    ring(context, at, 11.0);
    if matches!(recall, RecallKind::Invalidate | RecallKind::FetchInvalidate) {
        line((-5.0, -5.0), (5.0, 5.0));
        line((-5.0, 5.0), (5.0, -5.0));
        line((-7.0, 0.0), (7.0, 0.0));
    }
    match recall {
        RecallKind::Fetch => {
            line((0.0, 6.0), (0.0, -6.0));
            line((0.0, -6.0), (-4.0, -1.5));
            line((0.0, -6.0), (4.0, -1.5));
        }
        RecallKind::FetchInvalidate => {
            ring(context, at, 14.0);
        }
        RecallKind::Settled => {
            line((-4.5, 0.5), (-1.0, 4.0));
            line((-1.0, 4.0), (5.0, -4.0));
        }
        RecallKind::Invalidate => {}
    }
}

fn words(context: &CanvasRenderingContext2d, ink: &Ink, geometry: &Geometry, chord: &Chord, sprite: &Sprite) {
    let at = chord.at(sprite.head);
    let beside = Point { x: at.x + LABEL_GAP, y: at.y };
    if !sprite.label.is_empty() {
        // On one side all the way, and nowhere on a node: what is said is said between the nodes.
        let width = LETTER * sprite.label.chars().count() as f64;
        let after =
            geometry.on_nodes(chord.at(0.5), width, false) <= geometry.on_nodes(chord.at(0.5), width, true);
        if geometry.on_nodes(at, width, !after) > 0.0 {
            return;
        }
        let (x, align) = if after { (beside.x, "left") } else { (at.x - LABEL_GAP, "right") };
        context.set_fill_style_str(&ink.mute);
        text(context, ink, &sprite.label, Point { x, y: at.y }, 12.0, align);
    } else if sprite.counted_beside() {
        context.set_fill_style_str(&ink.mute);
        text(context, ink, &format!("{}×", sprite.count), beside, 10.5, "left");
    }
}

fn diamond(context: &CanvasRenderingContext2d, ink: &Ink, at: Point, pre: bool) {
    context.begin_path();
    context.move_to(at.x, at.y - 10.0);
    context.line_to(at.x + 10.0, at.y);
    context.line_to(at.x, at.y + 10.0);
    context.line_to(at.x - 10.0, at.y);
    context.close_path();
    if pre {
        context.fill();
        dashed(context, &[3.0, 3.0]);
        context.stroke();
        dashed(context, &[]);
    } else {
        context.set_fill_style_str(&ink.ink);
        context.fill();
    }
}

fn square(context: &CanvasRenderingContext2d, ink: &Ink, at: Point, entries: u32) {
    rounded(context, at, 9.0, 9.0);
    context.set_fill_style_str(&ink.brass);
    if entries > BEADS_MAX {
        text(context, ink, &entries.to_string(), at, if entries > 99 { 8.0 } else { 10.5 }, "center");
        return;
    }
    // One to three in a row, four and five as on a die.
    let places: &[(f64, f64)] = match entries {
        0 | 1 => &[(0.0, 0.0)],
        2 => &[(-2.6, 0.0), (2.6, 0.0)],
        3 => &[(-4.5, 0.0), (0.0, 0.0), (4.5, 0.0)],
        4 => &[(-3.0, -3.0), (3.0, -3.0), (-3.0, 3.0), (3.0, 3.0)],
        _ => &[(-4.0, -4.0), (4.0, -4.0), (0.0, 0.0), (-4.0, 4.0), (4.0, 4.0)],
    };
    for (x, y) in places {
        disc(context, Point { x: at.x + x, y: at.y + y }, 1.8);
    }
}

/// An envelope; several are a number beside it.
pub(super) fn envelope(context: &CanvasRenderingContext2d, ink: &Ink, at: Point, count: u32) {
    context.set_fill_style_str(&ink.ground);
    context.set_stroke_style_str(&ink.brass);
    context.set_line_width(2.0);
    rounded(context, at, 10.0, 7.0);
    flap(context, at, 10.0, 7.0);
    if count > 1 {
        context.set_fill_style_str(&ink.ink);
        text(context, ink, &count.to_string(), Point { x: at.x + 13.0, y: at.y - 8.0 }, 10.5, "left");
    }
}

fn flap(context: &CanvasRenderingContext2d, at: Point, half_width: f64, half_height: f64) {
    let corner = |x: f64, y: f64| Point { x: at.x + x, y: at.y + y };
    let middle = corner(0.0, 1.0);
    line(context, corner(-half_width, -half_height), middle);
    line(context, middle, corner(half_width, -half_height));
    if half_width < 10.0 {
        context.stroke_rect(at.x - half_width, at.y - half_height, half_width * 2.0, half_height * 2.0);
    }
}

fn key(context: &CanvasRenderingContext2d, at: Point, back: bool) {
    context.set_line_width(1.6);
    disc(context, at, 12.0);
    ring(context, at, 12.0);
    let side = if back { -1.0 } else { 1.0 };
    let x = |offset: f64| at.x + side * offset;
    ring(context, Point { x: x(-3.5), y: at.y }, 3.0);
    line(context, Point { x: x(-0.5), y: at.y }, Point { x: x(7.5), y: at.y });
    line(context, Point { x: x(4.5), y: at.y }, Point { x: x(4.5), y: at.y + 3.4 });
}

fn cross(context: &CanvasRenderingContext2d, ink: &Ink, at: Point, alpha: f64) {
    context.set_global_alpha(alpha);
    context.set_stroke_style_str(&ink.danger);
    context.set_line_width(2.6);
    for side in [-1.0, 1.0] {
        let from = Point { x: at.x - 6.0, y: at.y - 6.0 * side };
        line(context, from, Point { x: at.x + 6.0, y: at.y + 6.0 * side });
    }
    context.set_line_width(1.0);
    ring(context, at, 8.0 + 10.0 * (1.0 - alpha));
}

pub(super) fn arrow_head(context: &CanvasRenderingContext2d, chord: &Chord, colour: &str) {
    let length = chord.from.distance(chord.to).max(1.0);
    let (dx, dy) = ((chord.to.x - chord.from.x) / length, (chord.to.y - chord.from.y) / length);
    let base = chord.at(1.0 - 9.0 / length);
    context.set_fill_style_str(colour);
    context.begin_path();
    context.move_to(chord.to.x, chord.to.y);
    context.line_to(base.x - dy * 4.0, base.y + dx * 4.0);
    context.line_to(base.x + dy * 4.0, base.y - dx * 4.0);
    context.close_path();
    context.fill();
}

fn dashed(context: &CanvasRenderingContext2d, pattern: &[f64]) {
    let list: js_sys::Array = pattern.iter().map(|part| wasm_bindgen::JsValue::from_f64(*part)).collect();
    let _ = context.set_line_dash(&list);
}

pub(super) fn line(context: &CanvasRenderingContext2d, from: Point, to: Point) {
    context.begin_path();
    context.move_to(from.x, from.y);
    context.line_to(to.x, to.y);
    context.stroke();
}

pub(super) fn disc(context: &CanvasRenderingContext2d, at: Point, radius: f64) {
    context.begin_path();
    let _ = context.arc(at.x, at.y, radius, 0.0, TAU);
    context.fill();
}

pub(super) fn ring(context: &CanvasRenderingContext2d, at: Point, radius: f64) {
    context.begin_path();
    let _ = context.arc(at.x, at.y, radius, 0.0, TAU);
    context.stroke();
}

fn rounded(context: &CanvasRenderingContext2d, at: Point, half_width: f64, half_height: f64) {
    context.begin_path();
    let (left, top) = (at.x - half_width, at.y - half_height);
    let _ = context.round_rect_with_f64(left, top, half_width * 2.0, half_height * 2.0, 3.0);
    context.fill();
    context.stroke();
}

pub(super) fn text(
    context: &CanvasRenderingContext2d,
    ink: &Ink,
    words: &str,
    at: Point,
    size: f64,
    align: &str,
) {
    context.set_font(&["600 ", &fixed_point(size, 1), "px ", &ink.sans].concat());
    context.set_text_align(align);
    context.set_text_baseline("middle");
    let _ = context.fill_text(words, at.x, at.y + 0.5);
}
