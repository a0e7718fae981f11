//! A publish on the ring: the hash of its key is a point, the walk goes clockwise to the shard's token, and the
//! message goes on to the shard's leader. A function of the view clock alone.

use std::f64::consts::{PI, TAU};

use web_sys::CanvasRenderingContext2d;

use super::draw::{disc, envelope, line, ring, text};
use super::ink::Ink;
use crate::look::ring::turn;
use crate::stage::geometry::{Geometry, NODE_RING, Point, RING_HALF};
use crate::store::runtime::Painting;

/// How long a walk takes, and how long its trace stays, in trails' glows.
const WALK: f64 = 3.0;
const TRACE: f64 = 2.0;
/// Most walks that are drawn at once.
const WALKS_MAX: usize = 6;
/// Parts of the walk: the point is marked, the walk to the token ends.
const MARKED: f64 = 0.2;
const ARRIVED: f64 = 0.75;

/// A walk at one moment. Places on the ring are parts of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Walk {
    /// Where it begins; none where the key is not known.
    pub hash: Option<f64>,
    /// What is written there.
    pub label: String,
    /// The shard's token: never before `hash`.
    pub token: f64,
    /// Place of the shard's leader on the circle.
    pub leader: Option<usize>,
    /// From 0 to 1: how far it is; 1 when the leader has it.
    pub way: f64,
    /// From 1 to 0: what is left of its trace.
    pub alpha: f64,
}

/// The walks of this moment, oldest first.
pub fn walks(painting: &Painting<'_>, shards: usize, glow_us: f64) -> Vec<Walk> {
    if shards == 0 {
        return Vec::new();
    }
    let (walk_us, trace_us) = ((glow_us * WALK).max(1.0), (glow_us * TRACE).max(1.0));
    let at_us = painting.at_ns as f64 / 1e3;
    let (from_us, to_us) = ((at_us - trace_us).max(0.0) as u64, (at_us + walk_us) as u64);
    let found: Vec<_> = painting.recording.publishes.between(from_us, to_us).collect();
    let newest = found.into_iter().rev().take(WALKS_MAX).rev();
    let walk = |(publish, hash): (&crate::store::publishes::Publish, Option<_>)| {
        let age_us = at_us - publish.sent_us as f64;
        let place = |name| painting.view.order.iter().position(|other| other == name);
        Walk {
            hash: hash.map(turn),
            label: hash.map(|hash| hash.to_string()[..4].to_owned()).unwrap_or_default(),
            token: f64::from(publish.group.0) / shards as f64,
            leader: publish.leader.as_ref().and_then(place),
            way: (1.0 + age_us / walk_us).clamp(0.0, 1.0),
            alpha: if age_us > 0.0 { (1.0 - age_us / trace_us).max(0.0) } else { 1.0 },
        }
    };
    newest.map(walk).filter(|walk| walk.alpha > 0.0).collect()
}

impl Walk {
    /// How far along the ring it is.
    fn head(&self) -> f64 {
        let from = self.hash.unwrap_or(self.token);
        let part = ((self.way - MARKED) / (ARRIVED - MARKED)).clamp(0.0, 1.0);
        from + (self.token - from) * part
    }

    /// Where the message is.
    fn at(&self, geometry: &Geometry) -> Point {
        let token = geometry.on_ring(self.head(), 0.0);
        let Some(leader) = self.leader.filter(|_| self.way > ARRIVED) else { return token };
        let node = geometry.node(leader);
        let rim = node.toward(token, NODE_RING / node.distance(token).max(1.0));
        token.toward(rim, (self.way - ARRIVED) / (1.0 - ARRIVED))
    }
}

/// Draws walks. Where nothing may travel, each is drawn whole, the envelope where it arrived.
pub fn draw(context: &CanvasRenderingContext2d, ink: &Ink, geometry: &Geometry, walks: &[Walk], still: bool) {
    for walk in walks {
        let whole = Walk { way: 1.0, ..walk.clone() };
        let walk = if still { &whole } else { walk };
        context.set_global_alpha(if still { 0.9 } else { walk.alpha });
        context.set_stroke_style_str(&ink.brass);
        if let Some(hash) = walk.hash {
            trace(context, geometry, hash, walk.head());
            mark(context, ink, geometry, hash, &walk.label);
        }
        if walk.way >= ARRIVED {
            let token = geometry.on_ring(walk.token, 0.0);
            context.set_line_width(1.6);
            ring(context, token, 6.0 + 8.0 * (1.0 - walk.alpha));
            context.set_line_width(1.2);
            line(context, token, walk.at(geometry));
        }
        if walk.way < 1.0 || still {
            envelope(context, ink, walk.at(geometry), 1);
        }
    }
    context.set_global_alpha(1.0);
}

/// The way along the ring.
fn trace(context: &CanvasRenderingContext2d, geometry: &Geometry, from: f64, to: f64) {
    let angle = |turn: f64| TAU * turn - PI / 2.0;
    let (center, radius) = (geometry.center, geometry.ring_radius() + RING_HALF + 3.0);
    context.set_line_width(3.0);
    context.begin_path();
    let _ = context.arc(center.x, center.y, radius, angle(from), angle(to));
    context.stroke();
}

/// The point of the key, and the first digits of its hash.
fn mark(context: &CanvasRenderingContext2d, ink: &Ink, geometry: &Geometry, hash: f64, label: &str) {
    let (inner, outer) = (geometry.on_ring(hash, -RING_HALF - 6.0), geometry.on_ring(hash, RING_HALF + 9.0));
    context.set_line_width(2.4);
    line(context, inner, outer);
    context.set_fill_style_str(&ink.brass);
    disc(context, outer, 3.4);
    context.set_fill_style_str(&ink.ink);
    // Inside, where no shard's name stands.
    text(context, ink, &["#", label].concat(), geometry.on_ring(hash, -RING_HALF - 18.0), 11.0, "center");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(way: f64) -> Walk {
        Walk { hash: Some(0.30), label: "4ccc".to_owned(), token: 0.375, leader: Some(0), way, alpha: 1.0 }
    }

    #[test]
    fn it_goes_clockwise_from_the_point_to_the_token_and_then_to_the_leader() {
        let stage = Geometry::new(5, false, true);
        for (way, head) in [(0.0, 0.30), (MARKED, 0.30), (0.475, 0.3375), (ARRIVED, 0.375), (1.0, 0.375)] {
            assert!((walk(way).head() - head).abs() < 1e-9, "{way}");
        }
        assert!(walk(0.5).at(&stage).distance(stage.center) - stage.ring_radius() < 1e-6);
        assert!((walk(1.0).at(&stage).distance(stage.node(0)) - NODE_RING).abs() < 1e-6);
        let unknown = Walk { hash: None, ..walk(0.3) };
        assert!((unknown.head() - 0.375).abs() < 1e-9, "without a key it waits at the token");
    }
}
