//! How often the lease clock must be committed: what a leader did not commit is lost when it is, and lengthens every lease
//! that runs. So the clock is committed while leases, visibilities or delays run, the more often the shorter they are.
//!
//! Every replica keeps this beside its state: it is no part of it. A replica that recovers from a snapshot knows the lengths
//! only of what came later; until then the longest interval counts.

use orrery_base::ids::LeaseMs;
use orrery_lock::Lease;
use orrery_machine::Mutation;
use orrery_queue::QueueCommand;

/// Longest time between two commits while something runs, milliseconds.
pub const INTERVAL_MS_MAX: u64 = 1_000;

/// Shortest one: a ttl of a few milliseconds must not flood the log. Ten entries a second, each of some 20 bytes.
pub const INTERVAL_MS_MIN: u64 = 100;

/// Lengths are kept by their power of two.
const CLASSES: usize = 64;

/// The lengths of what runs.
#[derive(Clone, Debug)]
pub struct Running {
    classes: [Class; CLASSES],
}

#[derive(Clone, Copy, Debug, Default)]
struct Class {
    /// The shortest of it, milliseconds.
    shortest_ms: u64,
    /// Lease clock value at which the last of them is over.
    until_ms: LeaseMs,
}

impl Default for Running {
    fn default() -> Self {
        Running { classes: [Class::default(); CLASSES] }
    }
}

impl Running {
    /// This was applied when the lease clock stood there.
    pub fn applied(&mut self, mutation: &Mutation, clock_ms: LeaseMs) {
        match mutation {
            Mutation::Lock(command) => self.run(command.leases().into_iter().flatten(), clock_ms),
            Mutation::Session(command) => self.run(command.lease().into_iter(), clock_ms),
            Mutation::Queue(
                QueueCommand::Publish { delay_ms: length_ms, .. }
                | QueueCommand::Nack { delay_ms: length_ms, .. }
                | QueueCommand::Consume { visibility_ms: length_ms, .. }
                | QueueCommand::Extend { visibility_ms: length_ms, .. }
                | QueueCommand::Prolong { visibility_ms: length_ms, .. },
            ) => self.begin(*length_ms, 0, clock_ms),
            _ => {}
        }
    }

    fn run(&mut self, leases: impl Iterator<Item = Lease>, clock_ms: LeaseMs) {
        for lease in leases {
            match lease {
                Lease::Begins { ttl_ms, after_ms } => self.begin(ttl_ms, after_ms, clock_ms),
                Lease::Again => self.renew(clock_ms),
            }
        }
    }

    /// Something of that length runs, from `after_ms` from now on at the latest.
    fn begin(&mut self, length_ms: u64, after_ms: u64, clock_ms: LeaseMs) {
        // Nothing runs.
        let Some(class) = length_ms.checked_ilog2() else { return };
        let class = &mut self.classes[class as usize];
        let over = class.until_ms <= clock_ms;
        class.shortest_ms = if over { length_ms } else { class.shortest_ms.min(length_ms) };
        class.until_ms = class.until_ms.max(clock_ms.saturating_add(after_ms).saturating_add(length_ms));
    }

    /// Something that runs does so for its whole length again; which it is, the command does not tell.
    fn renew(&mut self, clock_ms: LeaseMs) {
        for (at, class) in self.classes.iter_mut().enumerate() {
            if class.until_ms > clock_ms {
                class.until_ms =
                    class.until_ms.max(clock_ms.saturating_add(2u64.saturating_pow(at as u32 + 1)));
            }
        }
    }

    /// How old the committed clock may become; none while nothing is known to run.
    pub fn interval_ms(&self, clock_ms: LeaseMs) -> Option<u64> {
        let shortest = self.classes.iter().find(|class| class.until_ms > clock_ms)?;
        Some((shortest.shortest_ms / 4).clamp(INTERVAL_MS_MIN, INTERVAL_MS_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_lock::{Holder, LockCommand, Mode, SessionCommand, Wait};

    fn acquire(ttl_ms: u64, wait: Wait) -> Mutation {
        let holder = Holder { client: "Ayu".into(), session: None };
        Mutation::Lock(LockCommand::Acquire {
            resource: "printer".into(),
            holder,
            mode: Mode::Exclusive,
            ttl_ms,
            wait,
        })
    }

    #[test]
    fn the_shortest_that_runs_counts() {
        let mut running = Running::default();
        assert_eq!(running.interval_ms(0), None);
        running.applied(&acquire(3_000, Wait::No), 1_000);
        assert_eq!(running.interval_ms(1_000), Some(750));
        running.applied(&acquire(60_000, Wait::No), 1_000);
        running.applied(&acquire(1, Wait::No), 2_000);
        assert_eq!(running.interval_ms(2_000), Some(INTERVAL_MS_MIN), "no flood");
        assert_eq!(running.interval_ms(2_001), Some(750));
        assert_eq!(running.interval_ms(4_000), Some(INTERVAL_MS_MAX));
        assert_eq!(running.interval_ms(61_000), None);
        running.applied(&acquire(2_600, Wait::No), 70_000);
        assert_eq!(running.interval_ms(70_000), Some(650), "what is over does not count any more");
    }

    #[test]
    fn what_is_renewed_runs_on_and_what_waits_will_run() {
        let mut running = Running::default();
        running.applied(&acquire(800, Wait::No), 0);
        let renew = Mutation::Session(SessionCommand::Renew { session: orrery_lock::SessionId(1) });
        for clock_ms in (500..10_000).step_by(500) {
            running.applied(&renew, clock_ms);
            assert_eq!(running.interval_ms(clock_ms), Some(200), "{clock_ms}");
        }
        let mut running = Running::default();
        running.applied(&acquire(800, Wait::LongPoll { deadline_ms: 20_000 }), 0);
        assert_eq!(running.interval_ms(20_500), Some(200), "it was granted at the end of its wait");
        assert_eq!(running.interval_ms(20_800), None);
    }

    #[test]
    fn a_message_that_only_waits_runs_nothing() {
        let mut running = Running::default();
        let publish = |delay_ms| {
            let (topic, message) = ("orders".into(), Default::default());
            Mutation::Queue(QueueCommand::Publish { topic, message, key: None, delay_ms, wall_ms: 0 })
        };
        running.applied(&publish(0), 0);
        assert_eq!(running.interval_ms(0), None);
        running.applied(&publish(2_000), 0);
        assert_eq!(running.interval_ms(0), Some(500));
    }
}
