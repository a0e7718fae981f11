//! How long a heartbeat may take before it counts as lost: as TCP's retransmission timer (RFC 6298), from the round trips that
//! were measured on the link. An answer that comes later than that is measured, too, so that a link that became slow is known
//! as one after its first round trip.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use orrery_base::ids::NodeName;

use crate::config::EngineConfig;
use crate::sync::lock;

/// The round trips of one node's links.
pub struct RoundTrips {
    shortest_us: u64,
    longest_us: u64,
    links: Mutex<BTreeMap<NodeName, RoundTrip>>,
}

/// What was measured on one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct RoundTrip {
    /// Smoothed, microseconds; 0 before the first.
    smoothed_us: u64,
    deviation_us: u64,
    /// Time-outs since the last answer.
    lost: u32,
}

impl RoundTrips {
    /// Nothing measured. A heartbeat waits for no less than three quarters of the heartbeats' interval, and for no more than the
    /// shortest election time-out: who is silent for so long may meet an election first.
    pub fn new(config: &EngineConfig) -> Self {
        RoundTrips {
            shortest_us: micros(config.heartbeat * 3 / 4),
            longest_us: micros(config.election_min),
            links: Mutex::default(),
        }
    }

    /// How long to wait for that peer's answer.
    pub fn timeout(&self, peer: &NodeName) -> Duration {
        let link = lock(&self.links).get(peer).copied().unwrap_or_default();
        Duration::from_micros(
            link.timeout_us().clamp(self.shortest_us, self.longest_us.max(self.shortest_us)),
        )
    }

    /// No answer is waited for longer, be it only to measure it.
    pub fn longest(&self) -> Duration {
        Duration::from_micros(self.longest_us.max(self.shortest_us)) * 2
    }

    /// An answer came, be it late.
    pub fn measured(&self, peer: &NodeName, us: u64) {
        let mut links = lock(&self.links);
        match links.get_mut(peer) {
            Some(link) => link.measured(us),
            None => links.entry(peer.clone()).or_default().measured(us),
        }
    }

    /// None came in time.
    pub fn timed_out(&self, peer: &NodeName) {
        let mut links = lock(&self.links);
        match links.get_mut(peer) {
            Some(link) => link.lost += 1,
            None => links.entry(peer.clone()).or_default().lost += 1,
        }
    }
}

impl RoundTrip {
    fn measured(&mut self, us: u64) {
        if self.smoothed_us == 0 {
            *self = RoundTrip { smoothed_us: us.max(1), deviation_us: us / 2, lost: 0 };
            return;
        }
        self.deviation_us = (self.deviation_us * 3 + us.abs_diff(self.smoothed_us)) / 4;
        self.smoothed_us = ((self.smoothed_us * 7 + us) / 8).max(1);
        self.lost = 0;
    }

    /// Doubled after each that was lost: the link may have become slow.
    fn timeout_us(&self) -> u64 {
        // Before the first answer the time-out is the shortest one, and doubles from there.
        // A quarter more at least: where nothing deviates for long, the next answer may still be a little later.
        let slack_us = (self.deviation_us * 4).max(self.smoothed_us / 4);
        let measured_us = (self.smoothed_us + slack_us).max(MEASURED_US_MIN);
        measured_us.saturating_mul(1 << self.lost.min(DOUBLED_MAX))
    }
}

/// What a time-out doubles from, however fast the link is: a busy machine answers late.
const MEASURED_US_MIN: u64 = 33_000;

/// Most doublings.
const DOUBLED_MAX: u32 = 10;

fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trips() -> RoundTrips {
        RoundTrips { shortest_us: 33_000, longest_us: 132_000, links: Mutex::default() }
    }

    fn timeout_ms(trips: &RoundTrips) -> u64 {
        trips.timeout(&"b".into()).as_millis() as u64
    }

    #[test]
    fn a_time_out_follows_what_was_measured_within_its_bounds() {
        let trips = trips();
        assert_eq!(timeout_ms(&trips), 33, "nothing is known");
        for _ in 0..50 {
            trips.measured(&"b".into(), 1_000);
        }
        assert_eq!(timeout_ms(&trips), 33);
        for _ in 0..50 {
            trips.measured(&"b".into(), 80_000);
        }
        assert!((95..105).contains(&timeout_ms(&trips)), "{}", timeout_ms(&trips));
        trips.measured(&"b".into(), 5_000_000);
        assert_eq!(timeout_ms(&trips), 132);
        assert_eq!(trips.timeout(&"c".into()).as_millis(), 33, "another link");
    }

    #[test]
    fn a_link_that_became_slow_is_known_after_one_round_trip() {
        let trips = trips();
        trips.measured(&"b".into(), 1_000);
        for expected in [66, 132, 132] {
            trips.timed_out(&"b".into());
            assert_eq!(timeout_ms(&trips), expected);
        }
        trips.measured(&"b".into(), 90_000);
        assert!(timeout_ms(&trips) > 90);
        for _ in 0..100 {
            trips.measured(&"b".into(), 1_000);
        }
        assert_eq!(timeout_ms(&trips), 33);
    }
}
