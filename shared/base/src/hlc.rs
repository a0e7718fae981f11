//! Hybrid logical clock (Kulkarni et al., 2014): close to wall time, and never against causality.

use serde::{Deserialize, Serialize};

/// A remote stamp further ahead of our wall clock than this does not move our clock (it is counted).
pub const AHEAD_US_MAX: u64 = 500_000;

const LOGICAL_BITS: u32 = 12;
const LOGICAL_MASK: u64 = (1 << LOGICAL_BITS) - 1;

/// Microseconds since the Unix epoch in the upper 52 bits, a counter in the lower 12.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hlc(pub u64);

impl Hlc {
    /// A stamp from its two parts.
    pub const fn new(wall_us: u64, logical: u16) -> Self {
        Hlc((wall_us << LOGICAL_BITS) | (logical as u64 & LOGICAL_MASK))
    }

    /// The physical part, microseconds since the Unix epoch.
    pub const fn wall_us(self) -> u64 {
        self.0 >> LOGICAL_BITS
    }

    /// The logical part: orders stamps of the same microsecond.
    pub const fn logical(self) -> u16 {
        (self.0 & LOGICAL_MASK) as u16
    }
}

/// One node's clock. Wall time is an argument.
#[derive(Clone, Debug, Default)]
pub struct HlcClock {
    last: Hlc,
    refused: u64,
}

impl HlcClock {
    /// Starts above `bound`: what the previous boot may have given out.
    pub fn starting_above(bound: Hlc) -> Self {
        HlcClock { last: bound, refused: 0 }
    }

    /// The stamp of a local event or of a message that is sent.
    pub fn tick(&mut self, wall_us: u64) -> Hlc {
        // A full logical counter carries into the microseconds: still monotonic.
        self.last = Hlc(Hlc::new(wall_us, 0).0.max(self.last.0 + 1));
        self.last
    }

    /// The stamp of a received message that carries `remote`. A stamp too far ahead does not move the
    /// clock; it is counted in [`HlcClock::refused`].
    pub fn receive(&mut self, wall_us: u64, remote: Hlc) -> Hlc {
        if remote.wall_us() > wall_us.saturating_add(AHEAD_US_MAX) {
            self.refused += 1;
        } else {
            self.last = self.last.max(remote);
        }
        self.tick(wall_us)
    }

    /// The last stamp that was given out.
    pub fn last(&self) -> Hlc {
        self.last
    }

    /// How many remote stamps were too far ahead.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stamps_only_grow(steps in prop::collection::vec((0u64..1 << 40, prop::option::of(0u64..1 << 52)), 1..200)) {
            let mut clock = HlcClock::default();
            let mut last = Hlc::default();
            for (wall_us, remote) in steps {
                let before = clock.refused();
                let stamp = match remote {
                    None => clock.tick(wall_us),
                    Some(remote) => clock.receive(wall_us, Hlc(remote)),
                };
                prop_assert!(stamp > last);
                if let Some(remote) = remote && clock.refused() == before {
                    prop_assert!(stamp > Hlc(remote));
                }
                last = stamp;
            }
        }
    }

    #[test]
    fn a_far_future_stamp_does_not_move_the_clock() {
        let mut clock = HlcClock::default();
        let stamp = clock.receive(1_000, Hlc::new(1_000 + AHEAD_US_MAX + 1, 0));
        assert_eq!(stamp.wall_us(), 1_000);
        assert_eq!(clock.refused(), 1);
    }
}
