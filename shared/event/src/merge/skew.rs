//! How far a source's clock is from the reader's.
//!
//! A frame can come late, never early: the smallest delay of many is the one that says something. What a stalled reader
//! finds waiting is late by the stall, so samples count by the half second of the reader in which they came, and only
//! half seconds that are over.

use std::collections::VecDeque;

/// Samples of this time count as one, milliseconds of the reader.
const SLOT_MS: f64 = 500.0;
/// Slots with samples that are kept; the oldest go first.
const SLOTS_MAX: usize = 16;
/// A clock is judged by at least so many slots that are over, and by so many samples in all of them.
const SLOTS_MIN: usize = 3;
const SAMPLES_MIN: u32 = 8;

/// Distances of one clock from the reader's, microseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Skew {
    slots: VecDeque<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    number: i64,
    /// The largest distance: that of the smallest delay.
    most_us: i64,
    samples: u32,
}

impl Skew {
    /// The clock showed `clock_us` in what came at `now_ms`. True where a slot ended with it: it is time to judge.
    pub fn note(&mut self, clock_us: u64, now_ms: f64) -> bool {
        let distance_us = clock_us as i64 - (now_ms * 1_000.0) as i64;
        let number = (now_ms / SLOT_MS) as i64;
        if let Some(slot) = self.slots.back_mut().filter(|slot| slot.number == number) {
            slot.most_us = slot.most_us.max(distance_us);
            slot.samples += 1;
            return false;
        }
        self.slots.push_back(Slot { number, most_us: distance_us, samples: 1 });
        if self.slots.len() > SLOTS_MAX {
            self.slots.pop_front();
        }
        true
    }

    /// The distance by the smallest delay of all, judged or not.
    pub fn guess_us(&self) -> Option<i64> {
        self.slots.iter().map(|slot| slot.most_us).max()
    }

    /// The distance by the smallest delay of many. None while there are too few.
    pub fn judged_us(&self) -> Option<i64> {
        let over = self.over();
        let samples: u32 = over.clone().map(|slot| slot.samples).sum();
        let enough = over.clone().count() >= SLOTS_MIN && samples >= SAMPLES_MIN;
        over.map(|slot| slot.most_us).max().filter(|_| enough)
    }

    /// Whether each of the last slots shows more than this: one sample may come from a reader whose own clock stood.
    pub fn stays_above(&self, us: i64) -> bool {
        self.over().rev().take(SLOTS_MIN).all(|slot| slot.most_us > us)
    }

    /// All but the last one, which goes on.
    fn over(&self) -> impl DoubleEndedIterator<Item = &Slot> + Clone {
        self.slots.range(..self.slots.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beats every 100 ms of a clock that is `ahead_us` ahead, each `delay_ms` late.
    fn beat(skew: &mut Skew, from_ms: u64, until_ms: u64, ahead_us: u64, delay_ms: u64) {
        for at_ms in (from_ms..until_ms).step_by(100) {
            skew.note(at_ms * 1_000 + ahead_us, (at_ms + delay_ms) as f64);
        }
    }

    #[test]
    fn few_beats_judge_nothing() {
        let mut skew = Skew::default();
        beat(&mut skew, 0, 1_400, 0, 0);
        assert_eq!((skew.judged_us(), skew.guess_us()), (None, Some(0)));
        beat(&mut skew, 1_400, 1_600, 0, 0);
        assert_eq!(skew.judged_us(), Some(0));
    }

    #[test]
    fn what_a_stalled_reader_finds_waiting_changes_nothing() {
        let mut skew = Skew::default();
        beat(&mut skew, 0, 10_000, 7_000_000, 5);
        // A minute later, the beats of that minute come at once.
        for at_ms in (10_000..70_000_u64).step_by(100) {
            skew.note(at_ms * 1_000 + 7_000_000, 70_000.0);
            assert_eq!(skew.judged_us(), Some(6_995_000));
        }
    }

    #[test]
    fn one_jump_is_no_proof_of_a_clock_that_is_ahead() {
        let mut skew = Skew::default();
        beat(&mut skew, 0, 5_000, 0, 0);
        beat(&mut skew, 5_000, 6_000, 9_000_000, 0);
        assert!(!skew.stays_above(1_000_000));
        beat(&mut skew, 6_000, 7_000, 9_000_000, 0);
        assert!(skew.stays_above(1_000_000));
    }
}
