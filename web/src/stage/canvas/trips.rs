//! Replicas of shards on their way from where they were on the ring to the node that gets them: a function of the view
//! clock alone.

use web_sys::CanvasRenderingContext2d;

use super::draw::{Chord, arrow_head, disc, line, ring, text};
use super::ink::Ink;
use crate::look::change::{ChangeLook, Trip};
use crate::stage::change::GHOST_OUT;
use crate::stage::geometry::{Geometry, NODE_RING};

/// Radius of what travels.
const RADIUS: f64 = 11.0;

/// How many replicas are to be drawn at a moment: those that are not there, or, where nothing travels, all.
pub fn count(change: &ChangeLook, at_us: f64, still: bool) -> usize {
    change.trips.iter().filter(|trip| still || trip.way(at_us) < 1.0).count()
}

/// Draws them. Where nothing may travel, each is an arrow with its number in the order of the shards.
pub fn draw(
    context: &CanvasRenderingContext2d,
    ink: &Ink,
    geometry: &Geometry,
    change: &ChangeLook,
    at_us: f64,
    still: bool,
) {
    for (number, trip) in (1..).zip(&change.trips) {
        let way = trip.way(at_us);
        let chord = chord(geometry, trip);
        let hue = ink.node(trip.to);
        context.set_stroke_style_str(hue);
        if still {
            context.set_global_alpha(0.9);
            context.set_line_width(1.6);
            line(context, chord.from, chord.to);
            arrow_head(context, &chord, hue);
            chip(context, ink, &chord, trip, 0.3);
            context.set_fill_style_str(&ink.ground);
            disc(context, chord.at(0.62), 8.5);
            context.set_fill_style_str(&ink.ink);
            text(context, ink, &i32::to_string(&number), chord.at(0.62), 11.0, "center");
        } else if way < 1.0 {
            context.set_global_alpha(0.55);
            context.set_line_width(2.2);
            line(context, chord.from, chord.at(way));
            context.set_global_alpha(1.0);
            chip(context, ink, &chord, trip, way);
        }
    }
    context.set_global_alpha(1.0);
}

fn chord(geometry: &Geometry, trip: &Trip) -> Chord {
    let (from, node) = (geometry.on_ring(trip.from, GHOST_OUT), geometry.node(trip.to));
    Chord { from, to: node.toward(from, (NODE_RING + 4.0) / node.distance(from).max(1.0)) }
}

/// The shard's name in a disc of the node that gets it.
fn chip(context: &CanvasRenderingContext2d, ink: &Ink, chord: &Chord, trip: &Trip, way: f64) {
    let at = chord.at(way);
    context.set_fill_style_str(&ink.ground);
    context.set_line_width(2.4);
    disc(context, at, RADIUS);
    ring(context, at, RADIUS);
    context.set_fill_style_str(&ink.ink);
    text(context, ink, &trip.shard.to_string(), at, 11.0, "center");
}
