//! Where everything on the stage stands. The SVG (what stands) and the canvas (what moves) both place
//! themselves by this, in stage units; [`Geometry::fit`] maps units to the pixels of either.

use std::f64::consts::{PI, TAU};

use crate::math::{cos, hypot, sin, within};

mod middle;
mod notch;

pub use middle::{Below, Middle};
pub use notch::{NOTCH_WORD, NotchWord};

/// Radius of a node's disc.
pub const NODE_RADIUS: f64 = 33.0;

/// Radius of what is drawn around a node: the election timer, the leader's second ring.
pub const NODE_RING: f64 = 41.0;

/// Radius of the arc of vote dots around a candidate.
pub const VOTE_RING: f64 = 54.0;

/// Radius of a client's disc.
pub const CLIENT_RADIUS: f64 = 17.0;

/// How far below a node's centre its log strip begins.
pub const STRIP_OFFSET: f64 = 50.0;

/// Smallest distance of two neighbours on the circle: their log strips must not touch.
const NEIGHBOUR_DISTANCE_MIN: f64 = 124.0;

const RADIUS_MIN: f64 = 186.0;
/// The same where the hash ring lies around the circle: both have to fit.
const RADIUS_MIN_RINGED: f64 = 152.0;
/// From the nodes' circle to the middle of the ring's band: log strips and crowns stand between them.
const RING_GAP: f64 = 88.0;
/// Half of the width of the ring's band.
pub const RING_HALF: f64 = 4.5;
/// From the nodes' circle to the edge of the stage, beyond the names of the shards.
const RING_MARGIN: f64 = 116.0;
const MARGIN_TOP: f64 = 66.0;
const MARGIN_BOTTOM: f64 = 70.0;
const MARGIN_SIDE: f64 = 68.0;
const CLIENTS_WIDTH: f64 = 92.0;
const CLIENTS_HEIGHT: f64 = 62.0;

/// A place in stage units; y grows downwards.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

impl Point {
    /// The place a fraction `t` of the way to `other`.
    pub fn toward(self, other: Point, t: f64) -> Point {
        Point { x: self.x + (other.x - self.x) * t, y: self.y + (other.y - self.y) * t }
    }

    /// Distance in stage units.
    pub fn distance(self, other: Point) -> f64 {
        hypot(self.x - other.x, self.y - other.y)
    }
}

/// Maps stage units to pixels: `pixel = unit * scale + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Pixels per stage unit.
    pub scale: f64,
    /// Pixels.
    pub left: f64,
    /// Pixels.
    pub top: f64,
}

/// The stage for a number of nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    nodes: usize,
    /// A phone held upright: the clients stand in a row below instead of a column at the left.
    portrait: bool,
    /// The hash ring lies around the circle.
    ringed: bool,
    /// Radius of the circle on which the nodes sit.
    pub radius: f64,
    pub center: Point,
    /// Width of the stage (of the SVG's viewBox).
    pub width: f64,
    /// Height of the stage.
    pub height: f64,
}

impl Geometry {
    /// The stage for `nodes` nodes, with room for the hash ring where there are shards. Whether the ring's layer is
    /// on makes no difference: nothing moves when it is switched.
    pub fn new(nodes: usize, portrait: bool, ringed: bool) -> Geometry {
        let nodes = nodes.max(1);
        let half_chord = sin(PI / nodes as f64);
        let radius_min = if ringed { RADIUS_MIN_RINGED } else { RADIUS_MIN };
        let radius =
            if nodes > 1 { (NEIGHBOUR_DISTANCE_MIN / 2.0 / half_chord).max(radius_min) } else { 120.0 };
        let lowest = (0..nodes).map(|i| sin(angle(i, nodes))).fold(f64::MIN, f64::max).max(0.0);
        let (above, side, below) = if ringed {
            (radius + RING_MARGIN, radius + RING_MARGIN, radius + RING_MARGIN)
        } else {
            (radius + MARGIN_TOP, radius + MARGIN_SIDE, radius * lowest + MARGIN_BOTTOM)
        };
        let left = side + if portrait { 0.0 } else { CLIENTS_WIDTH };
        let below = below + if portrait { CLIENTS_HEIGHT } else { 0.0 };
        let center = Point { x: left, y: above };
        Geometry { nodes, portrait, ringed, radius, center, width: left + side, height: center.y + below }
    }

    /// Whether there is room for the hash ring.
    pub fn ringed(&self) -> bool {
        self.ringed
    }

    /// Radius of the middle of the ring's band.
    pub fn ring_radius(&self) -> f64 {
        self.radius + RING_GAP
    }

    /// The point of the ring at a part of a turn (0 at 12 o'clock, clockwise), `out` units outside of its middle.
    pub fn on_ring(&self, turn: f64, out: f64) -> Point {
        let (angle, radius) = (TAU * turn - PI / 2.0, self.ring_radius() + out);
        Point { x: self.center.x + radius * cos(angle), y: self.center.y + radius * sin(angle) }
    }

    /// Whether it is an upright phone's.
    pub fn portrait(&self) -> bool {
        self.portrait
    }

    /// Centre of node `index`; clockwise from 12 o'clock.
    pub fn node(&self, index: usize) -> Point {
        self.on_circle(angle(index, self.nodes))
    }

    /// The point of the nodes' circle at an angle (radians, 0 at 3 o'clock, clockwise).
    pub fn on_circle(&self, angle: f64) -> Point {
        Point { x: self.center.x + self.radius * cos(angle), y: self.center.y + self.radius * sin(angle) }
    }

    /// Centre of client `index` of `count`: a column at the left, or a row below on an upright phone.
    pub fn client(&self, index: usize, count: usize) -> Point {
        let count = count.max(1) as f64;
        let place = index as f64 - (count - 1.0) / 2.0;
        if self.portrait {
            let step = (self.width / (count + 1.0)).min(92.0);
            Point { x: self.width / 2.0 + place * step, y: self.height - 36.0 }
        } else {
            let step = ((self.height - 40.0) / (count + 1.0)).min(78.0);
            Point { x: 44.0, y: self.height / 2.0 + place * step }
        }
    }

    /// How the stage lies, centred and whole, in a box of so many pixels (SVG's `xMidYMid meet`).
    pub fn fit(&self, width_px: f64, height_px: f64) -> Fit {
        let scale = (width_px / self.width).min(height_px / self.height);
        Fit {
            scale,
            left: (width_px - self.width * scale) / 2.0,
            top: (height_px - self.height * scale) / 2.0,
        }
    }
}

/// A box in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Area {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Area {
    /// What of it another one covers.
    fn covered(&self, other: &Area) -> f64 {
        let across = (self.left + self.width).min(other.left + other.width) - self.left.max(other.left);
        let down = (self.top + self.height).min(other.top + other.height) - self.top.max(other.top);
        across.max(0.0) * down.max(0.0)
    }
}

impl Geometry {
    /// Where a box stands that belongs to node `index` of a scene, all in pixels: whole inside the scene, over as
    /// little of the nodes as there is a place for, and near its node among equal places.
    pub fn beside(&self, index: usize, scene: (f64, f64), size: (f64, f64)) -> (f64, f64) {
        let fit = self.fit(scene.0, scene.1);
        let pixels = |at: Point| (at.x * fit.scale + fit.left, at.y * fit.scale + fit.top);
        let around = |at: Point, half: f64, above: f64, below: f64| {
            let ((x, y), scale) = (pixels(at), fit.scale);
            Area {
                left: x - half * scale,
                top: y - above * scale,
                width: 2.0 * half * scale,
                height: (above + below) * scale,
            }
        };
        let nodes: Vec<Area> =
            (0..self.nodes).map(|i| around(self.node(i), 48.0, 60.0, STRIP_OFFSET + 11.0)).collect();
        let discs: Vec<Area> =
            (0..self.nodes).map(|i| around(self.node(i), NODE_RADIUS, NODE_RADIUS, NODE_RADIUS)).collect();
        // What is written in the middle is read less often than a node.
        let middle = around(self.center, 90.0, 34.0, 40.0);
        let own = nodes.get(index).copied().unwrap_or(middle);
        let (x, y) = pixels(self.node(index));
        let (right, bottom) = (scene.0 - size.0, scene.1 - size.1);
        let (mid_x, mid_y) = (x - size.0 / 2.0, y - size.1 / 2.0);
        let centre = pixels(self.center);
        let places = [
            (own.left + own.width, mid_y),
            (own.left - size.0, mid_y),
            (mid_x, own.top + own.height),
            (mid_x, own.top - size.1),
            (centre.0 - size.0 / 2.0, centre.1 - size.1 / 2.0),
            (0.0, 0.0),
            (right, 0.0),
            (0.0, bottom),
            (right, bottom),
        ];
        let inside = |(left, top): (f64, f64)| {
            (within(left, 6.0, (right - 6.0).max(6.0)), within(top, 6.0, (bottom - 6.0).max(6.0)))
        };
        let cost = |&(left, top): &(f64, f64)| {
            let area = Area { left, top, width: size.0, height: size.1 };
            let away = hypot(left + size.0 / 2.0 - x, top + size.1 / 2.0 - y);
            let covered: f64 = nodes.iter().map(|node| node.covered(&area)).sum();
            // A disc says more than the log under it.
            let hidden: f64 = discs.iter().map(|disc| disc.covered(&area)).sum();
            covered + hidden * 20.0 + own.covered(&area) + middle.covered(&area) * 0.2 + away
        };
        let best = places.into_iter().map(inside).min_by(|a, b| cost(a).total_cmp(&cost(b)));
        best.unwrap_or((6.0, 6.0))
    }
}

/// Where the words of a request stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    /// The glyph, on the way from the client to the node.
    pub at: Point,
    /// The words stand before it, towards the left.
    pub before: bool,
    /// So much lower than it do the words stand.
    pub lower: f64,
}

/// From the middle of a glyph to the words beside it.
pub const LABEL_GAP: f64 = 18.0;
/// Half of the height of a line of words.
const LINE_HALF: f64 = 9.0;
/// Parts of the way where a glyph may stand, the best first.
const STATIONS: [f64; 7] = [1.0, 0.92, 0.84, 0.76, 0.66, 0.54, 0.4];
/// How much lower than its glyph the words may stand, the best first.
const LOWER: [f64; 5] = [0.0, -20.0, 20.0, -38.0, 38.0];

impl Geometry {
    /// Where the glyph of a request from a client to a node stands, with words of that width beside it: near its node, but
    /// where the words cover no node, no log strip and nothing that is written in the middle or on the ring.
    pub fn label(&self, client: Point, node: usize, width: f64) -> Label {
        let to = self.node(node);
        let whole = client.distance(to).max(1.0);
        // On an upright phone the way comes from below, where the log strip is: there it stands half-way.
        let nearest = if self.portrait { 0.5 } else { 1.0 - (NODE_RING + 16.0) / whole };
        let farthest = (CLIENT_RADIUS + LABEL_GAP) / whole;
        let mut best: Option<(f64, Label)> = None;
        for station in STATIONS {
            let at = client.toward(to, (nearest * station).max(farthest));
            for (before, lower) in LOWER.iter().flat_map(|y| [(at.x < to.x, *y), (at.x >= to.x, *y)]) {
                let left = if before { at.x - LABEL_GAP - width } else { at.x + LABEL_GAP };
                let top = at.y + lower - LINE_HALF;
                let covered = self.covered(&Area { left, top, width, height: 2.0 * LINE_HALF });
                if best.is_none_or(|(least, _)| covered < least) {
                    best = Some((covered, Label { at, before, lower }));
                }
            }
        }
        best.map_or(Label { at: to, before: true, lower: 0.0 }, |(_, label)| label)
    }

    /// How much of the nodes a line of words beside a glyph would cover, before it or after it.
    pub fn on_nodes(&self, glyph: Point, width: f64, before: bool) -> f64 {
        let left = if before { glyph.x - LABEL_GAP - width } else { glyph.x + LABEL_GAP };
        let words = Area { left, top: glyph.y - LINE_HALF, width, height: 2.0 * LINE_HALF };
        let size = 2.0 * NODE_RING;
        let disc = |node: Point| Area {
            left: node.x - NODE_RING,
            top: node.y - NODE_RING,
            width: size,
            height: size,
        };
        (0..self.nodes).map(|node| disc(self.node(node)).covered(&words)).sum()
    }

    /// How much an area covers of what stands on the stage, in square units.
    fn covered(&self, area: &Area) -> f64 {
        let around = |at: Point, half: f64, above: f64, below: f64| Area {
            left: at.x - half,
            top: at.y - above,
            width: 2.0 * half,
            height: above + below,
        };
        let nodes = (0..self.nodes).map(|i| around(self.node(i), 48.0, 60.0, STRIP_OFFSET + 11.0));
        let Middle { half, above, below } = self.middle(Below::Nothing);
        let middle = around(self.center, half, above, below).covered(area);
        // A node is more than the words in the middle and the names on the ring.
        let covered = middle * 4.0 + nodes.map(|node| node.covered(area)).sum::<f64>() * 20.0;
        // What leaves the stage cannot be read at all.
        let stage = Area { left: 0.0, top: 0.0, width: self.width, height: self.height };
        let outside = area.width * area.height - stage.covered(area);
        covered + outside * 4.0 + if self.crosses_ring(area) { area.width * LINE_HALF * 8.0 } else { 0.0 }
    }

    /// Whether an area meets the ring's band or the names of the shards.
    fn crosses_ring(&self, area: &Area) -> bool {
        let (inner, outer) = (self.ring_radius() - 2.0 * RING_HALF, self.ring_radius() + 30.0);
        let (right, bottom) = (area.left + area.width, area.top + area.height);
        let near =
            Point { x: within(self.center.x, area.left, right), y: within(self.center.y, area.top, bottom) };
        let corner = |x: f64, y: f64| Point { x, y }.distance(self.center);
        let far = [(area.left, area.top), (area.left, bottom), (right, area.top), (right, bottom)]
            .map(|(x, y)| corner(x, y))
            .into_iter()
            .fold(0.0, f64::max);
        self.ringed && near.distance(self.center) < outer && far > inner
    }
}

fn angle(index: usize, nodes: usize) -> f64 {
    TAU * index as f64 / nodes as f64 - PI / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_keep_their_distance_and_everybody_is_inside() {
        for nodes in 1..=15 {
            for (portrait, ringed) in [(false, false), (true, false), (false, true), (true, true)] {
                let stage = Geometry::new(nodes, portrait, ringed);
                for i in 0..nodes {
                    let place = stage.node(i);
                    assert!(place.x - VOTE_RING > 0.0 && place.x + VOTE_RING < stage.width);
                    assert!(place.y - MARGIN_TOP >= -1e-9 && place.y + MARGIN_BOTTOM <= stage.height + 1e-9);
                    if nodes > 1 {
                        let next = stage.node((i + 1) % nodes);
                        assert!(place.distance(next) >= NEIGHBOUR_DISTANCE_MIN - 1e-9, "{nodes} nodes");
                    }
                    for c in 0..5 {
                        assert!(
                            stage.client(c, 5).distance(place) > NODE_RING + CLIENT_RADIUS,
                            "{nodes} {c}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_ring_lies_around_everything_that_stands_at_a_node() {
        for nodes in 1..=15 {
            let stage = Geometry::new(nodes, false, true);
            for node in (0..nodes).map(|place| stage.node(place)) {
                // The corners of the log strip and the tip of the crown.
                for (x, y) in [(-47.0, 60.0), (47.0, 60.0), (0.0, -58.0)] {
                    let corner = Point { x: node.x + x, y: node.y + y };
                    let room = stage.ring_radius() - RING_HALF - corner.distance(stage.center);
                    assert!(room > 5.0, "{nodes} nodes: {room} units between a node and the ring");
                }
            }
            for eighth in 0..8 {
                let at = stage.on_ring(f64::from(eighth) / 8.0, RING_HALF);
                assert!(at.x > 0.0 && at.x < stage.width && at.y > 0.0 && at.y < stage.height);
                assert!((0..5).all(|c| stage.client(c, 5).distance(at) > CLIENT_RADIUS), "{nodes}");
            }
        }
    }

    #[test]
    fn the_first_node_is_at_twelve() {
        let stage = Geometry::new(5, false, false);
        assert!((stage.node(0).x - stage.center.x).abs() < 1e-9);
        assert!(stage.node(0).y < stage.center.y);
    }

    #[test]
    fn a_box_beside_a_node_covers_no_disc() {
        for (nodes, scene, size) in [
            (5, (716.0, 430.0), (232.0, 172.0)),
            (5, (640.0, 420.0), (232.0, 172.0)),
            (3, (640.0, 420.0), (232.0, 172.0)),
            (5, (1_100.0, 720.0), (232.0, 172.0)),
        ] {
            let stage = Geometry::new(nodes, false, false);
            let fit = stage.fit(scene.0, scene.1);
            for index in 0..nodes {
                let (left, top) = stage.beside(index, scene, size);
                assert!(left >= 0.0 && top >= 0.0, "{nodes} {index}");
                assert!(left + size.0 <= scene.0 && top + size.1 <= scene.1, "{nodes} {index}");
                for other in 0..nodes {
                    let node = stage.node(other);
                    let (x, y) = (node.x * fit.scale + fit.left, node.y * fit.scale + fit.top);
                    let (dx, dy) = (x - x.clamp(left, left + size.0), y - y.clamp(top, top + size.1));
                    assert!(
                        dx.hypot(dy) >= NODE_RADIUS * fit.scale,
                        "{nodes} nodes in {scene:?}: the box of {index} at {left} {top} covers {other}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_words_of_a_request_cover_no_node_and_nothing_that_is_written() {
        // "Budi: a-resource-with": some 110 units.
        for (nodes, width) in [(3, 110.0), (5, 80.0), (5, 110.0), (7, 90.0)] {
            for ringed in [false, true] {
                let stage = Geometry::new(nodes, false, ringed);
                for (client, node) in (0..3).flat_map(|client| (0..nodes).map(move |node| (client, node))) {
                    let from = stage.client(client, 3);
                    let Label { at, before, lower } = stage.label(from, node, width);
                    let left = if before { at.x - LABEL_GAP - width } else { at.x + LABEL_GAP };
                    let words = Area { left, top: at.y + lower - 6.0, width, height: 12.0 };
                    for other in 0..nodes {
                        let (x, y) = (stage.node(other).x, stage.node(other).y);
                        let disc = Area { left: x - 33.0, top: y - 33.0, width: 66.0, height: 66.0 };
                        let strip = Area { left: x - 46.0, top: y + 50.0, width: 92.0, height: 9.0 };
                        let hit = disc.covered(&words) + strip.covered(&words);
                        assert!(hit < 1.0, "{nodes} {ringed}: client {client} to {node} covers {other}");
                    }
                    // Where most classes look at it: five nodes, a name and a resource of usual length.
                    if (nodes, ringed) == (5, true) {
                        let Middle { half, above, below } = stage.middle(Below::Nothing);
                        let (left, top) = (stage.center.x - half, stage.center.y - above);
                        let middle = Area { left, top, width: 2.0 * half, height: above + below };
                        assert!(
                            middle.covered(&words) < 1.0,
                            "{width}: client {client} to {node}: the middle"
                        );
                        assert!(!stage.crosses_ring(&words), "{width}: client {client} to {node}: the ring");
                    }
                }
            }
        }
    }

    #[test]
    fn words_beside_a_message_stand_on_no_node() {
        let stage = Geometry::new(5, false, true);
        let at = stage.node(2);
        assert!(stage.on_nodes(Point { x: at.x - 60.0, y: at.y }, 80.0, false) > 0.0);
        assert!(stage.on_nodes(Point { x: at.x - 60.0, y: at.y }, 20.0, true) <= 0.0);
        assert!(stage.on_nodes(Point { x: at.x + 60.0, y: at.y }, 20.0, false) <= 0.0);
    }

    #[test]
    fn the_whole_stage_fits() {
        let stage = Geometry::new(5, false, false);
        let fit = stage.fit(390.0, 300.0);
        assert!(fit.left >= 0.0 && fit.top >= 0.0);
        assert!(stage.width * fit.scale <= 390.0 + 1e-9 && stage.height * fit.scale <= 300.0 + 1e-9);
    }
}
