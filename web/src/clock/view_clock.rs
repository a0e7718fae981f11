//! The view clock's core. Its position depends on elapsed time, never on how often it is asked.

use super::score::Score;
use super::{ClockState, Pace, SceneKind};
use crate::math::exp;

/// Live is shown this much late, so that the streams of all nodes have arrived.
pub const LIVE_LAG_US: u64 = 180_000;
/// Slowest and fastest fixed pace.
pub const FIXED_RANGE: std::ops::RangeInclusive<f64> = 0.000_1..=8.0;
const CATCH_UP_MAX: f64 = 10.0;
/// Catching up: so many times faster per second that it is behind.
const CATCH_UP_PER_S: f64 = 2.0;
/// After a slow stretch the rate begins here and grows by [`RAMP_PER_S`].
const RAMP_FROM: f64 = 0.03;
/// Growth of the logarithm of the rate per second.
const RAMP_PER_S: f64 = 4.5;
/// Longest step of the integration, so that a slow frame goes the same way as two fast ones.
const STEP_S: f64 = 0.004;
/// Behind by more than this, only elections, failures and deadlocks are slowed down for.
const HURRY_US: u64 = 25_000_000;
/// A clock that follows what is live and is behind by more than this catches up: a page that stood still is not in the
/// past for good. What batches of events and slow frames leave is less.
const FOLLOW_US: u64 = 400_000;
/// A frame is never longer than this: a tab that was hidden goes on where it was.
const ELAPSED_MAX_S: f64 = 0.25;

/// What is recorded and what is live, HLC microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Horizon {
    /// The oldest recorded moment.
    pub start_us: u64,
    /// Up to here everything has come.
    pub edge_us: u64,
    /// What is live, as far as the page can tell.
    pub live_us: u64,
}

impl Horizon {
    /// The last moment that can be shown now.
    fn limit_ns(&self) -> u64 {
        self.edge_us.min(self.live_us.saturating_sub(LIVE_LAG_US)).max(self.start_us) * 1_000
    }
}

/// The view clock.
#[derive(Clone, Debug)]
pub struct ViewClock {
    at_ns: u64,
    playing: bool,
    pace: Pace,
    rate: f64,
    ramp: f64,
    scene: Option<SceneKind>,
    /// A moment was chosen before anything was recorded, or nothing was chosen yet.
    begun: bool,
    /// It was at the live end, and nobody chose another moment since.
    follows: bool,
}

impl Default for ViewClock {
    fn default() -> Self {
        ViewClock {
            at_ns: 0,
            playing: true,
            pace: Pace::Director,
            rate: 0.0,
            ramp: 1.0,
            scene: None,
            begun: false,
            follows: true,
        }
    }
}

impl ViewClock {
    pub fn handle_play(&mut self) {
        self.playing = true;
    }

    pub fn handle_pause(&mut self) {
        self.playing = false;
        self.rate = 0.0;
        self.scene = None;
        self.follows = false;
    }

    /// Freeze at a moment.
    pub fn handle_step(&mut self, to_us: u64) {
        self.handle_pause();
        self.handle_scrub(to_us);
    }

    /// Go to a moment and go on as before from there.
    pub fn handle_scrub(&mut self, to_us: u64) {
        self.at_ns = to_us * 1_000;
        self.begun = true;
        self.follows = false;
        self.ramp = RAMP_FROM;
    }

    pub fn handle_pace(&mut self, pace: Pace) {
        self.pace = match pace {
            Pace::Fixed(rate) if rate.is_finite() => {
                Pace::Fixed(rate.clamp(*FIXED_RANGE.start(), *FIXED_RANGE.end()))
            }
            Pace::Fixed(_) => Pace::Fixed(1.0),
            Pace::Director => Pace::Director,
        };
    }

    /// To the live end. A fixed slow pace would leave it at once, so it becomes 1.
    pub fn handle_live(&mut self, horizon: &Horizon) {
        self.at_ns = horizon.limit_ns();
        self.playing = true;
        self.follows = true;
        self.ramp = 1.0;
        if let Pace::Fixed(_) = self.pace {
            self.pace = Pace::Fixed(1.0);
        }
    }

    /// The shown moment, HLC nanoseconds.
    pub fn at_ns(&self) -> u64 {
        self.at_ns
    }

    /// Lets `elapsed_s` seconds of the reader's time pass.
    pub fn poll(&mut self, elapsed_s: f64, horizon: &Horizon, score: &Score) {
        if horizon.edge_us == 0 {
            return;
        }
        if !self.begun {
            self.begun = true;
            self.at_ns = horizon.limit_ns();
        }
        self.at_ns = self.at_ns.max(horizon.start_us * 1_000);
        if !self.playing {
            return;
        }
        let elapsed_s = elapsed_s.clamp(0.0, ELAPSED_MAX_S);
        let before_ns = self.at_ns;
        self.scene = None;
        match self.pace {
            Pace::Fixed(rate) => {
                let limit_ns = horizon.limit_ns().max(self.at_ns);
                let behind_us = (limit_ns - self.at_ns) / 1_000;
                let late = self.follows && rate >= 1.0 && behind_us > FOLLOW_US;
                let rate = if late { rate.max(catching_up(behind_us)) } else { rate };
                let to_ns = self.at_ns + (elapsed_s * rate * 1e9) as u64;
                // A scrub past the live end waits there for time to come.
                self.at_ns = to_ns.min(limit_ns);
                self.follows = rate >= 1.0 && (self.follows || to_ns >= limit_ns);
            }
            Pace::Director => self.direct(elapsed_s, horizon, score),
        }
        if elapsed_s > 0.0 {
            self.rate = (self.at_ns - before_ns) as f64 / 1e9 / elapsed_s;
        }
    }

    fn direct(&mut self, elapsed_s: f64, horizon: &Horizon, score: &Score) {
        let limit_ns = horizon.limit_ns().max(self.at_ns);
        let mut left_s = elapsed_s;
        // Each turn uses up at least a step of time or one stretch of the score.
        for _ in 0..1_000 {
            if left_s <= 0.0 || self.at_ns >= limit_ns {
                break;
            }
            let behind_us = (limit_ns - self.at_ns) / 1_000;
            let hurry = |kind: SceneKind| behind_us > HURRY_US && kind < SceneKind::Failure;
            let next = score.after(self.at_ns).filter(|segment| !hurry(segment.kind));
            match next {
                Some(segment) if segment.from_ns <= self.at_ns => {
                    let end_ns = segment.to_ns.min(limit_ns);
                    let needed_s = (end_ns - self.at_ns) as f64 / 1e9 / segment.rate;
                    self.scene = Some(segment.kind);
                    self.ramp = segment.rate;
                    if needed_s <= left_s {
                        self.at_ns = end_ns;
                        left_s -= needed_s;
                    } else {
                        self.at_ns += (left_s * segment.rate * 1e9) as u64;
                        left_s = 0.0;
                    }
                }
                next => {
                    let end_ns = next.map_or(limit_ns, |segment| segment.from_ns.min(limit_ns));
                    let step_s = left_s.min(STEP_S);
                    let rate = self.free_rate(step_s, behind_us);
                    let to_ns = self.at_ns + (step_s * rate * 1e9) as u64;
                    if to_ns >= end_ns {
                        left_s -= (end_ns - self.at_ns) as f64 / 1e9 / rate;
                        self.at_ns = end_ns;
                    } else {
                        self.at_ns = to_ns;
                        left_s -= step_s;
                    }
                }
            }
        }
    }

    /// Between slow stretches: smoothly faster, up to real time, and beyond it while behind.
    fn free_rate(&mut self, step_s: f64, behind_us: u64) -> f64 {
        let wanted = if behind_us < 20_000 { 1.0 } else { catching_up(behind_us) };
        self.ramp = (self.ramp.max(RAMP_FROM) * exp(RAMP_PER_S * step_s)).min(wanted);
        self.ramp
    }

    /// What the controls show.
    pub fn state(&self, horizon: &Horizon) -> ClockState {
        ClockState {
            now_us: self.at_ns / 1_000,
            live_us: horizon.live_us,
            start_us: horizon.start_us,
            playing: self.playing,
            pace: self.pace,
            rate: self.rate,
            scene: self.scene,
        }
    }
}

/// How fast to go where that much is between what is shown and what is live.
fn catching_up(behind_us: u64) -> f64 {
    (1.0 + behind_us as f64 / 1e6 * CATCH_UP_PER_S).min(CATCH_UP_MAX)
}

#[cfg(test)]
mod tests {
    use super::super::score::Segment;
    use super::*;

    fn horizon(ms: u64) -> Horizon {
        Horizon {
            start_us: 1_000_000,
            edge_us: 1_000_000 + ms * 1_000,
            live_us: 1_000_000 + ms * 1_000 + LIVE_LAG_US,
        }
    }

    fn score(segments: &[(u64, u64, f64)]) -> Score {
        let mut score = Score::default();
        for (from, to, rate) in segments {
            score.push(Segment {
                from_ns: (1_000_000 + from) * 1_000,
                to_ns: (1_000_000 + to) * 1_000,
                rate: *rate,
                kind: SceneKind::Election,
            });
        }
        score
    }

    fn run(clock: &mut ViewClock, seconds: f64, frame_s: f64, horizon: &Horizon, score: &Score) -> u64 {
        let frames = (seconds / frame_s).round() as usize;
        for _ in 0..frames {
            clock.poll(frame_s, horizon, score);
        }
        clock.at_ns() / 1_000 - 1_000_000
    }

    fn at_start(pace: Pace) -> ViewClock {
        let mut clock = ViewClock::default();
        clock.handle_pace(pace);
        clock.handle_scrub(1_000_000);
        clock
    }

    #[test]
    fn who_was_live_in_real_time_is_live_again_after_the_page_stood_still() {
        let mut clock = ViewClock::default();
        clock.handle_pace(Pace::Fixed(1.0));
        clock.handle_live(&horizon(0));
        // Nine times 0.9 s without a frame: each counts as one frame.
        for stall in 1..=9 {
            clock.poll(0.9, &horizon(stall * 900), &Score::default());
        }
        let mut now_ms = 8_100;
        for _ in 0..200 {
            now_ms += 16;
            clock.poll(0.016, &horizon(now_ms), &Score::default());
        }
        let behind_ms = now_ms - (clock.at_ns() / 1_000_000 - 1_000);
        assert!(behind_ms <= FOLLOW_US / 1_000, "{behind_ms} ms behind after 3.2 s");
        // Who looks at the past stays in it.
        clock.handle_scrub(1_000_000);
        clock.poll(0.016, &horizon(now_ms), &Score::default());
        assert_eq!(clock.at_ns() / 1_000, 1_016_000);
    }

    #[test]
    fn it_begins_live() {
        let mut clock = ViewClock::default();
        clock.poll(0.016, &Horizon::default(), &Score::default());
        clock.poll(0.016, &horizon(5_000), &Score::default());
        assert_eq!(clock.at_ns() / 1_000, 6_000_000);
        assert_eq!(clock.state(&horizon(5_000)).badge(), super::super::Badge::Live);
    }

    #[test]
    fn a_fixed_pace_is_kept_and_ends_at_live() {
        for (rate, seconds, at_us) in [(1.0, 2.0, 2_000_000), (0.01, 2.0, 20_000), (8.0, 2.0, 10_000_000)] {
            let mut clock = at_start(Pace::Fixed(rate));
            let at = run(&mut clock, seconds, 0.01, &horizon(10_000), &Score::default());
            assert!(at.abs_diff(at_us) < 50, "{rate}: {at}");
        }
    }

    #[test]
    fn paused_it_stands_and_a_step_freezes() {
        let mut clock = at_start(Pace::Director);
        clock.handle_pause();
        assert_eq!(run(&mut clock, 1.0, 0.01, &horizon(10_000), &Score::default()), 0);
        clock.handle_play();
        clock.handle_step(1_000_500);
        assert_eq!(run(&mut clock, 1.0, 0.01, &horizon(10_000), &Score::default()), 500);
        assert!(!clock.state(&horizon(10_000)).playing);
    }

    #[test]
    fn the_director_slows_where_the_score_says_so_and_catches_up_after() {
        // 1 ms is shown in two seconds.
        let score = score(&[(0, 1_000, 0.000_5)]);
        let mut clock = at_start(Pace::Director);
        assert!(run(&mut clock, 1.0, 0.01, &horizon(10_000), &score).abs_diff(500) < 5);
        assert_eq!(clock.state(&horizon(10_000)).scene, Some(SceneKind::Election));
        assert!(clock.state(&horizon(10_000)).slowdown().unwrap_or_default() > 1_000.0);
        run(&mut clock, 1.01, 0.01, &horizon(10_000), &score);
        assert_eq!(clock.state(&horizon(10_000)).scene, None);
        let at = run(&mut clock, 12.0, 0.01, &horizon(10_000), &score);
        assert_eq!(at, 10_000_000, "it has caught up");
    }

    #[test]
    fn where_it_is_depends_on_time_and_not_on_frames() {
        let score = score(&[(100_000, 101_000, 0.001), (400_000, 400_300, 0.000_2), (500_000, 600_000, 0.1)]);
        let paths: Vec<u64> = [1.0 / 120.0, 1.0 / 60.0, 1.0 / 30.0, 1.0 / 5.0]
            .map(|frame_s| run(&mut at_start(Pace::Director), 4.0, frame_s, &horizon(3_000), &score))
            .to_vec();
        for at in &paths {
            assert!(at.abs_diff(paths[0]) < 2_000, "{paths:?}");
        }
    }

    #[test]
    fn a_pace_out_of_its_range_is_brought_into_it() {
        let mut clock = ViewClock::default();
        for (asked, kept) in [(0.0, 0.000_1), (100.0, 8.0), (f64::NAN, 1.0)] {
            clock.handle_pace(Pace::Fixed(asked));
            assert_eq!(clock.state(&horizon(0)).pace, Pace::Fixed(kept));
        }
    }

    #[test]
    fn live_leaves_a_slow_pace() {
        let mut clock = at_start(Pace::Fixed(0.01));
        clock.handle_live(&horizon(7_000));
        assert_eq!(clock.state(&horizon(7_000)).pace, Pace::Fixed(1.0));
        assert_eq!(clock.at_ns() / 1_000, 8_000_000);
    }
}
