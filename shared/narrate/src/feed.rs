//! The sentences of a recording, bounded, those that come too fast drawn together.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Line, UNWILLING};

/// Most lines that are kept; the oldest go first.
pub const FEED_MAX: usize = 4_000;
/// So many lines within [`BUSY_US`] are too many to be read: alike ones are drawn together.
const BUSY_LINES: usize = 12;
const BUSY_US: u64 = 400_000;
/// Refusals before an election within this time are one sentence.
const UNWILLING_US: u64 = 5_000_000;

/// All sentences, in the order of their moments.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    lines: VecDeque<Arc<Line>>,
}

impl Feed {
    /// Adds a line at its place.
    pub fn push(&mut self, mut line: Line) {
        if line.alike == UNWILLING {
            self.replace_unwilling(&line);
        }
        let place = self.lines.partition_point(|other| other.at_us <= line.at_us);
        if place == self.lines.len() && !line.alike.is_empty() && self.busy(line.at_us) {
            let from = self.lines.len() - BUSY_LINES;
            let alike = self.lines.range(from..).position(|other| other.alike == line.alike);
            if let Some(found) = alike.and_then(|at| self.lines.remove(from + at)) {
                // One sentence does not say another's fact: those are counted apart.
                if found.words == line.words {
                    line.count = found.count.saturating_add(1);
                    line.others = found.others;
                } else {
                    line.others = found.others.saturating_add(found.count);
                }
            }
            self.lines.push_back(Arc::new(line));
        } else {
            self.lines.insert(place, Arc::new(line));
        }
        if self.lines.len() > FEED_MAX {
            self.lines.pop_front();
        }
    }

    /// The number of lines up to a moment.
    pub fn count_until(&self, at_us: u64) -> usize {
        self.lines.partition_point(|line| line.at_us <= at_us)
    }

    /// The last lines up to a moment, oldest first.
    pub fn until(&self, at_us: u64, most: usize) -> Vec<Arc<Line>> {
        let end = self.count_until(at_us);
        self.lines.range(end.saturating_sub(most)..end).cloned().collect()
    }

    /// Forgets what was before a moment.
    pub fn forget_before(&mut self, us: u64) {
        while self.lines.front().is_some_and(|line| line.at_us < us) {
            self.lines.pop_front();
        }
    }

    /// The newest sentence names all who refused, so the one before it goes, however calm it was between them.
    fn replace_unwilling(&mut self, line: &Line) {
        let recent = self.lines.iter().rev().take(4 * BUSY_LINES);
        let mut recent = recent.take_while(|other| other.at_us.saturating_add(UNWILLING_US) > line.at_us);
        let found = recent.position(|other| other.alike == UNWILLING && other.node == line.node);
        if let Some(back) = found {
            self.lines.remove(self.lines.len() - 1 - back);
        }
    }

    fn busy(&self, at_us: u64) -> bool {
        let oldest = self.lines.len().checked_sub(BUSY_LINES).and_then(|at| self.lines.get(at));
        oldest.is_some_and(|line| at_us.saturating_sub(line.at_us) < BUSY_US)
    }
}
