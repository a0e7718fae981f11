//! What is written in the middle of the stage, and what has to keep off it.

use super::{Area, Geometry, Point};

/// What is written in the middle of the stage: how far it goes from the centre, in the stage's units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Middle {
    /// To the left and to the right.
    pub half: f64,
    /// From the centre to its upper edge.
    pub above: f64,
    /// From the centre to its lower edge.
    pub below: f64,
}

/// What is written below the term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Below {
    Nothing,
    /// What a change of the ring moved.
    Change,
    /// The name of a cache line.
    Line,
}

impl Below {
    /// What is written where the ring changes or a line is shown: a change comes first.
    pub fn of(changes: bool, line: bool) -> Below {
        match (changes, line) {
            (true, _) => Below::Change,
            (false, true) => Below::Line,
            (false, false) => Below::Nothing,
        }
    }
}

/// Half of the width of the term: the words below it are wider.
const TERM_HALF: f64 = 46.0;
/// Where the sign of a cut link may stand on its way, the best first: nearer to the sender, as a link can be cut in one
/// direction only, and not where the diagonals of five nodes cross.
const BOLTS: [f64; 6] = [0.3, 0.26, 0.22, 0.34, 0.44, 0.18];
/// Half of the size of the sign.
const BOLT_HALF: f64 = 8.0;

impl Geometry {
    /// What is written in the middle: the term with who leads it, and below what a change of the ring moved, or else the
    /// cache line that is shown.
    pub fn middle(&self, below: Below) -> Middle {
        let (above, least) = if self.ringed { (70.0, 10.0) } else { (38.0, 44.0) };
        let below: f64 = match below {
            Below::Change if self.ringed => 78.0,
            Below::Line => 52.0,
            Below::Change | Below::Nothing => least,
        };
        Middle { half: 80.0, above, below }
    }

    /// The outline of what is written in the middle, counterclockwise: narrow at the term, wide below it.
    pub fn middle_outline(&self, below: Below) -> [Point; 8] {
        let Middle { half, above, below } = self.middle(below);
        let shoulder = if self.ringed { -14.0 } else { 19.0 };
        let at = |x: f64, y: f64| Point { x: self.center.x + x, y: self.center.y + y };
        [
            at(-TERM_HALF, -above),
            at(-TERM_HALF, shoulder),
            at(-half, shoulder),
            at(-half, below),
            at(half, below),
            at(half, shoulder),
            at(TERM_HALF, shoulder),
            at(TERM_HALF, -above),
        ]
    }

    /// Where the sign of a cut link stands: where it covers no node and nothing that is written in the middle.
    pub fn bolt(&self, from: usize, to: usize) -> Point {
        let (from, to) = (self.node(from), self.node(to));
        let size = 2.0 * BOLT_HALF;
        let covered = |at: &Point| {
            self.covered(&Area { left: at.x - BOLT_HALF, top: at.y - BOLT_HALF, width: size, height: size })
        };
        let places = BOLTS.map(|part| from.toward(to, part));
        places.into_iter().min_by(|a, b| covered(a).total_cmp(&covered(b))).unwrap_or(from)
    }
}

#[cfg(test)]
mod tests {
    use super::super::NODE_RING;
    use super::*;

    #[test]
    fn what_moves_leaves_out_the_name_of_a_cache_line() {
        for ringed in [false, true] {
            let stage = Geometry::new(5, false, ringed);
            // Its baseline is at 44, and letters go below it.
            assert!(stage.middle(Below::Line).below >= 50.0);
            assert!(stage.middle(Below::Nothing).below < 50.0, "where none is written there is room");
        }
        assert!(Geometry::new(5, false, true).middle(Below::Change).below > 70.0);
    }

    #[test]
    fn the_sign_of_a_cut_link_covers_no_node_no_word_in_the_middle_and_no_other_sign() {
        for (nodes, portrait) in [(3, false), (3, true), (5, false), (5, true)] {
            let stage = Geometry::new(nodes, portrait, true);
            let links = (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to)));
            let bolts: Vec<Point> =
                links.filter(|(from, to)| from != to).map(|(from, to)| stage.bolt(from, to)).collect();
            for (place, at) in bolts.iter().enumerate() {
                for node in (0..nodes).map(|node| stage.node(node)) {
                    assert!(at.distance(node) > NODE_RING + 4.0, "{nodes}: {at:?} at a node");
                    let strip = Area { left: node.x - 47.0, top: node.y + 50.0, width: 94.0, height: 9.0 };
                    let sign = Area { left: at.x - 5.0, top: at.y - 7.0, width: 10.0, height: 14.0 };
                    assert!(strip.covered(&sign) < 1.0, "{nodes}: {at:?} on a log strip");
                    // The term and who leads.
                    let words = [(24.0, -60.0, -20.0), (72.0, -8.0, 6.0)];
                    for (half, top, bottom) in words {
                        let (left, top, height) = (stage.center.x - half, stage.center.y + top, bottom - top);
                        let words = Area { left, top, width: 2.0 * half, height };
                        assert!(words.covered(&sign) < 1.0, "{nodes}: {at:?} on what is written");
                    }
                }
                for other in &bolts[..place] {
                    assert!(at.distance(*other) > 12.0, "{nodes}: {at:?} and {other:?}");
                }
            }
        }
    }
}
