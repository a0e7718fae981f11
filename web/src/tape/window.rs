//! Which stretch of the recording the tape shows, and where on it a moment is. Pure.

/// Shortest and longest stretch.
pub const SPAN_US: std::ops::RangeInclusive<u64> = 500..=3_600_000_000;
/// The stretch at the beginning.
pub const SPAN_US_DEFAULT: u64 = 60_000_000;
pub const ZOOM: f64 = 1.6;
/// Smallest distance of two time labels, pixels.
const LABEL_PX: f64 = 104.0;

/// A stretch of time over a stretch of pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub from_us: u64,
    pub span_us: u64,
    /// Pixel of the begin.
    pub left: f64,
    /// Pixels.
    pub width: f64,
}

impl Window {
    /// The stretch to show: the newest one while the playhead is in it, else one around the playhead.
    pub fn around(now_us: u64, live_us: u64, span_us: u64, left: f64, width: f64) -> Window {
        let span_us = span_us.clamp(*SPAN_US.start(), *SPAN_US.end());
        let end_us = live_us.max(now_us);
        let from_us = if end_us - now_us <= span_us / 10 * 9 {
            end_us.saturating_sub(span_us)
        } else {
            now_us.saturating_sub(span_us / 5 * 2)
        };
        Window { from_us, span_us, left, width: width.max(1.0) }
    }

    pub fn to_us(&self) -> u64 {
        self.from_us + self.span_us
    }

    /// Pixel of a moment; outside of the stretch where the moment is.
    pub fn x(&self, us: u64) -> f64 {
        self.left + (us as f64 - self.from_us as f64) / self.span_us as f64 * self.width
    }

    /// Moment of a pixel, within the stretch.
    pub fn us(&self, x: f64) -> u64 {
        let part = ((x - self.left) / self.width).clamp(0.0, 1.0);
        self.from_us + (part * self.span_us as f64) as u64
    }

    /// Microseconds of one pixel, at least 1.
    pub fn pixel_us(&self) -> u64 {
        (self.span_us as f64 / self.width).ceil().max(1.0) as u64
    }

    /// Distance of two time labels: 1, 2 or 5 of a decade, and what clocks have above a second.
    pub fn step_us(&self) -> u64 {
        const CLOCK_S: [u64; 11] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_200];
        let least_us = self.span_us as f64 / self.width * LABEL_PX;
        let mut decade = 1_u64;
        while decade < 1_000_000 {
            for factor in [1, 2, 5] {
                if decade * factor >= least_us as u64 {
                    return decade * factor;
                }
            }
            decade *= 10;
        }
        let step_s = CLOCK_S.into_iter().find(|step| (step * 1_000_000) as f64 >= least_us);
        step_s.unwrap_or(3_600) * 1_000_000
    }

    /// Moments that carry a label.
    pub fn ticks(&self) -> impl Iterator<Item = u64> + use<> {
        let (step_us, to_us) = (self.step_us(), self.to_us());
        let first = self.from_us.div_ceil(step_us) * step_us;
        (0..64).map(move |k| first + k * step_us).take_while(move |us| *us <= to_us)
    }
}

/// A moment as the reader's time of day, as exact as the step asks. `offset_min` is the reader's time zone.
pub fn label(us: u64, step_us: u64, offset_min: i32) -> String {
    let seconds = (us / 1_000_000) as i64 + i64::from(offset_min) * 60;
    let (hour, minute, second) =
        (seconds.rem_euclid(86_400) / 3_600, seconds.rem_euclid(3_600) / 60, seconds.rem_euclid(60));
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    let fraction = us % 1_000_000;
    match step_us {
        1_000_000.. => clock,
        1_000.. => format!("{clock}.{:03}", fraction / 1_000),
        _ => format!(".{:03} {:03}", fraction / 1_000, fraction % 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_is_at_the_right_edge_until_the_playhead_falls_out_at_the_left() {
        let (live, span) = (200_000_000, 60_000_000);
        for (now, from) in [(200_000_000, 140_000_000), (150_000_000, 140_000_000), (100_000_000, 76_000_000)]
        {
            let window = Window::around(now, live, span, 80.0, 1_000.0);
            assert_eq!(window.from_us, from);
            assert!((80.0..=1_080.0).contains(&window.x(now)), "{now}");
        }
    }

    #[test]
    fn pixels_and_moments_agree() {
        let window = Window::around(200_000_000, 200_000_000, 60_000_000, 80.0, 1_000.0);
        for x in [80.0, 500.0, 1_080.0] {
            assert!((window.x(window.us(x)) - x).abs() < 0.01);
        }
        assert_eq!(window.us(0.0), window.from_us);
    }

    #[test]
    fn labels_do_not_crowd() {
        for span in [500, 10_000, 1_000_000, 60_000_000, 3_600_000_000] {
            for width in [200.0, 800.0, 1_800.0] {
                let window = Window::around(7_200_000_000, 7_200_000_000, span, 0.0, width);
                let step_px = window.step_us() as f64 / window.span_us as f64 * width;
                assert!(step_px >= LABEL_PX * 0.99, "{span} {width}: {step_px}");
                assert!(window.ticks().count() <= 20);
            }
        }
    }

    #[test]
    fn a_label_is_as_exact_as_it_must_be() {
        for (step, text) in [(1_000_000, "01:00:05"), (1_000, "01:00:05.123"), (10, ".123 456")] {
            assert_eq!(label(5_123_456, step, 60), text);
        }
    }
}
