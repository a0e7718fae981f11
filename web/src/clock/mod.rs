//! The view clock: the time that people watch, apart from the time at which the protocol runs.
//!
//! It runs on microseconds of the hybrid logical clock. The core is pure: input comes through `handle_*`,
//! time as an argument of `poll`.

pub mod director;
pub mod score;
pub mod view_clock;

use std::fmt;

/// How fast the view clock goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Pace {
    /// Slows down by itself for what is worth seeing and catches up after.
    #[default]
    Director,
    /// So many seconds shown per second, from 0.0001 to 8; 1 at the end of the recording is live.
    Fixed(f64),
}

/// What the director slows down for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SceneKind {
    /// A client's request on its way.
    Request,
    /// A waiter was granted.
    Grant,
    /// Copies of a cache line are taken away before it is written.
    Recall,
    /// A process ended or was stopped, a link was cut.
    Failure,
    Election,
    /// A cycle of waits.
    Deadlock,
}

/// Distance from the live end below which the badge says LIVE.
pub const LIVE_WITHIN_US: u64 = 600_000;

/// What the controls and the badge show.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClockState {
    /// The moment that is shown, HLC microseconds.
    pub now_us: u64,
    /// The moment that is live, as far as the page can tell.
    pub live_us: u64,
    /// The oldest moment that is still recorded.
    pub start_us: u64,
    /// It runs (not paused).
    pub playing: bool,
    pub pace: Pace,
    /// Seconds shown per second just now; 0 while paused.
    pub rate: f64,
    /// What the director slows down for just now.
    pub scene: Option<SceneKind>,
}

impl ClockState {
    /// How far behind live it is.
    pub fn behind_us(&self) -> u64 {
        self.live_us.saturating_sub(self.now_us)
    }

    /// What the badge says.
    pub fn badge(&self) -> Badge {
        let behind_us = self.behind_us();
        if self.playing && behind_us < LIVE_WITHIN_US { Badge::Live } else { Badge::Behind { behind_us } }
    }

    /// How many times slower than reality it goes just now, where it does.
    pub fn slowdown(&self) -> Option<f64> {
        (self.playing && self.rate > 0.0 && self.rate < 0.95).then(|| 1.0 / self.rate)
    }
}

/// The badge beside the controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Badge {
    /// What is shown is what happens.
    Live,
    /// It is behind by so much.
    Behind {
        /// Microseconds.
        behind_us: u64,
    },
}

impl fmt::Display for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Badge::Live => f.write_str("LIVE"),
            Badge::Behind { behind_us } if *behind_us < 60_000_000 => {
                write!(f, "{:.1} s", *behind_us as f64 / 1e6)
            }
            Badge::Behind { behind_us } => {
                let seconds = behind_us / 1_000_000;
                write!(f, "{}:{:02} min", seconds / 60, seconds % 60)
            }
        }
    }
}
