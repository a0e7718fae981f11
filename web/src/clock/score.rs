//! How fast the director wants each stretch of the recording to be shown.

use std::collections::VecDeque;

use super::SceneKind;

/// Most stretches that are kept; the oldest go first.
pub const SEGMENTS_MAX: usize = 20_000;

/// A stretch of the recording with its own rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Begin, HLC nanoseconds.
    pub from_ns: u64,
    pub to_ns: u64,
    /// Seconds shown per second.
    pub rate: f64,
    pub kind: SceneKind,
}

impl Segment {
    /// How long it takes on the screen, seconds.
    pub fn shown_s(&self) -> f64 {
        (self.to_ns - self.from_ns) as f64 / 1e9 / self.rate
    }
}

/// All stretches, in order, without overlaps. What is between them runs at its own pace.
#[derive(Clone, Debug, Default)]
pub struct Score {
    segments: VecDeque<Segment>,
}

impl Score {
    /// Appends a stretch. What overlaps the last one is cut off.
    pub fn push(&mut self, mut segment: Segment) {
        if let Some(last) = self.segments.back() {
            segment.from_ns = segment.from_ns.max(last.to_ns);
        }
        if segment.from_ns >= segment.to_ns || segment.rate <= 0.0 {
            return;
        }
        if self.segments.len() >= SEGMENTS_MAX {
            self.segments.pop_front();
        }
        self.segments.push_back(segment);
    }

    /// The stretch that contains a moment.
    pub fn at(&self, ns: u64) -> Option<&Segment> {
        self.after(ns).filter(|segment| segment.from_ns <= ns)
    }

    /// The first stretch that ends after a moment.
    pub fn after(&self, ns: u64) -> Option<&Segment> {
        self.segments.get(self.segments.partition_point(|segment| segment.to_ns <= ns))
    }

    /// The end of the last one.
    pub fn end_ns(&self) -> u64 {
        self.segments.back().map_or(0, |segment| segment.to_ns)
    }

    /// How long what lies after a moment takes on the screen, seconds.
    pub fn shown_after_s(&self, ns: u64) -> f64 {
        let first = self.segments.partition_point(|segment| segment.to_ns <= ns);
        self.segments.iter().skip(first).map(Segment::shown_s).sum()
    }

    /// Takes back what lies after a moment and is of a kind.
    pub fn drop_after(&mut self, ns: u64, of: impl Fn(SceneKind) -> bool) {
        self.segments.retain(|segment| segment.to_ns <= ns || !of(segment.kind));
    }

    /// Shows what lies after a moment quicker, so that all of it takes at most `seconds`; nothing becomes quicker
    /// than real time by it.
    pub fn squeeze(&mut self, ns: u64, seconds: f64) {
        let all_s = self.shown_after_s(ns);
        if all_s <= seconds {
            return;
        }
        let first = self.segments.partition_point(|segment| segment.to_ns <= ns);
        for segment in self.segments.range_mut(first..) {
            segment.rate = (segment.rate * all_s / seconds).min(1.0);
        }
    }

    /// Forgets what ends before a moment.
    pub fn forget_before(&mut self, ns: u64) {
        while self.segments.front().is_some_and(|segment| segment.to_ns < ns) {
            self.segments.pop_front();
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter()
    }
}
