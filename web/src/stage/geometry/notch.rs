//! The word at the votes of a candidate.

use super::{Area, Geometry, NODE_RING, Point, VOTE_RING};

/// Where the word stands that says what the notch among a candidate's votes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotchWord {
    /// At the notch, towards the middle.
    Beside,
    /// Over the dots: two neighbours that both stand would write over each other at their notches.
    Above,
    /// There is no room for it.
    Nowhere,
}

/// From a node to where the word begins at its notch.
pub const NOTCH_WORD: f64 = VOTE_RING + 14.0;
/// The same over its dots.
const OVER_WORD: (f64, f64) = (44.0, -48.0);
/// The word in both languages, in stage units.
const NOTCH_WORD_WIDTH: f64 = 42.0;

impl Geometry {
    /// To which side of a node the middle of the stage is: where its votes are drawn.
    pub fn inward(&self, index: usize) -> f64 {
        if self.node(index).x >= self.center.x { -1.0 } else { 1.0 }
    }

    /// Where the word of a node's votes stands, whoever else stands for election.
    pub fn notch_word(&self, index: usize) -> NotchWord {
        let free = |word: NotchWord| {
            let mine = self.notch_area(index, word);
            let met = |area: Area| mine.covered(&area) > 0.0;
            (0..self.nodes).filter(|other| *other != index).all(|other| {
                let (Point { x, y }, side) = (self.node(other), self.inward(other));
                let ring = 2.0 * NODE_RING;
                let disc = Area { left: x - NODE_RING, top: y - NODE_RING, width: ring, height: ring };
                let reach = VOTE_RING + 5.0;
                let left = if side < 0.0 { x - reach } else { x };
                let votes = Area { left, top: y - NODE_RING, width: reach, height: ring };
                let words = [NotchWord::Beside, NotchWord::Above].map(|word| self.notch_area(other, word));
                !met(disc) && !met(votes) && !words.into_iter().any(met)
            })
        };
        [NotchWord::Beside, NotchWord::Above]
            .into_iter()
            .find(|word| free(*word))
            .unwrap_or(NotchWord::Nowhere)
    }

    /// Where a word begins from its node, and its baseline. `notch` is where the notch is.
    pub fn notch_word_at(&self, index: usize, word: NotchWord, notch: Point) -> Point {
        match word {
            NotchWord::Above => Point { x: self.inward(index) * OVER_WORD.0, y: OVER_WORD.1 },
            NotchWord::Beside | NotchWord::Nowhere => Point { x: notch.x, y: notch.y + 4.0 },
        }
    }

    fn notch_area(&self, index: usize, word: NotchWord) -> Area {
        let (Point { x, y }, side) = (self.node(index), self.inward(index));
        // A notch lies at most a dot below the middle of the arc.
        let (from, top, height) = match word {
            NotchWord::Above => (OVER_WORD.0, OVER_WORD.1 - 10.0, 12.0),
            NotchWord::Beside | NotchWord::Nowhere => (NOTCH_WORD - 3.0, -2.0, 28.0),
        };
        let left = if side < 0.0 { x - from - NOTCH_WORD_WIDTH } else { x + from };
        Area { left, top: y + top, width: NOTCH_WORD_WIDTH, height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_at_the_votes_of_two_neighbours_do_not_meet() {
        for (nodes, ringed) in (1..=15).flat_map(|nodes| [(nodes, false), (nodes, true)]) {
            let stage = Geometry::new(nodes, false, ringed);
            let words: Vec<NotchWord> = (0..nodes).map(|node| stage.notch_word(node)).collect();
            let written = |node: &usize| words[*node] != NotchWord::Nowhere;
            for one in (0..nodes).filter(written) {
                let area = stage.notch_area(one, words[one]);
                for other in (0..nodes).filter(|other| *other != one) {
                    let (x, y) = (stage.node(other).x, stage.node(other).y);
                    let disc = Area { left: x - 33.0, top: y - 33.0, width: 66.0, height: 66.0 };
                    assert!(disc.covered(&area) <= 0.0, "{nodes} {ringed}: {one} covers {other}");
                    if written(&other) {
                        let met = stage.notch_area(other, words[other]).covered(&area);
                        assert!(met <= 0.0, "{nodes} {ringed}: {one} and {other}");
                    }
                }
            }
            // In a class of three to five nodes it is always written; the two below make room for each other.
            if (3..=5).contains(&nodes) {
                assert!((0..nodes).all(|node| written(&node)), "{nodes} {ringed}: {words:?}");
            }
            if (nodes, ringed) == (5, true) {
                assert_eq!([words[2], words[3]], [NotchWord::Above; 2]);
                let area = |node| stage.notch_area(node, NotchWord::Beside);
                assert!(area(2).covered(&area(3)) > 0.0, "they would have met at their notches");
            }
        }
    }
}
