//! The two clocks of a node.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch. Shown and fed to the hybrid logical clock, never compared between nodes.
pub fn wall_us() -> u64 {
    // A machine whose clock is before 1970 shows 1970.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// Monotonic microseconds that also count while the machine is suspended: a lease that ran out during a suspension
/// has run out. Linux: `CLOCK_BOOTTIME`. Other Unix systems: `CLOCK_MONOTONIC`, which counts suspension on macOS.
#[cfg(unix)]
pub fn monotonic_us() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = ClockId::Monotonic;
    let now = clock_gettime(clock);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

/// Monotonic microseconds. Windows' performance counter, which counts suspension.
#[cfg(not(unix))]
pub fn monotonic_us() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_forward() {
        let (before, wall) = (monotonic_us(), wall_us());
        assert!(monotonic_us() >= before);
        assert!(wall > 1_600_000_000_000_000);
    }
}
