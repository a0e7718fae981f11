//! The lease clock: a committed value that stands still without a leader and never compares two machines' clocks.
//!
//! The leader moves it to the value after its term's first entry was applied, plus its own monotonic time since
//! then. It proposes a move only when something ends at it (or before a command that counts from it), so that an
//! idle cluster writes nothing.

use std::sync::Arc;
use std::time::Duration;

use openraft::AsyncRuntime;

use super::group::Group;
use super::host::Host;
use super::state::ClockView;
use crate::api::lock::TTL_MS_RANGE;
use crate::ids::GroupId;
use crate::lock::LeaseMs;
use crate::machine::{Command, Operation};

/// Longest sleep: nothing needs it, it only bounds what a lost wake-up could cost.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// How long a proposed move may take before it is proposed again.
const PROPOSE_WITHIN: Duration = Duration::from_secs(2);

/// How far the clock may be moved now, so that no lease ends before its time.
///
/// A lease may have been counted from a value that was `slack_ms` old, so only what was due `slack_ms` ago may
/// end. Where no lease can be due yet, the clock may be moved further: all the way to now.
pub fn target(clock: ClockView, slack_ms: u64, nothing_in_flight: bool, shortest_ms: u64) -> LeaseMs {
    let safe_ms = clock.now_ms.saturating_sub(slack_ms);
    // A command that is not applied yet may bring a lease that is not known yet, but none shorter than this.
    let unknown_ms = if nothing_in_flight { LeaseMs::MAX } else { clock.committed_ms + shortest_ms };
    let first_due_ms = clock.next_deadline_ms.unwrap_or(LeaseMs::MAX).min(unknown_ms);
    clock.now_ms.min(first_due_ms.saturating_sub(1)).max(safe_ms)
}

/// The shortest lease that a command of that group may ask for: a message may be delayed for as short as it likes.
pub fn shortest_ms(group: GroupId) -> u64 {
    if group == GroupId::CONTROL { *TTL_MS_RANGE.start() } else { 0 }
}

/// Keeps one group's lease clock while this node leads it.
pub async fn keep<H: Host>(group: Arc<Group<H>>) {
    loop {
        let slack_ms = group.config().clock_slack_ms;
        let sleep = match group.state.clock() {
            Some(clock) => match clock.next_deadline_ms {
                // Late by the slack: whoever counted from a slightly old value still gets its whole lease.
                Some(deadline_ms) if deadline_ms + slack_ms <= clock.now_ms => {
                    let operation = Operation::AdvanceClock { to_ms: clock.now_ms - slack_ms };
                    group.propose(Command { key: None, operation }, PROPOSE_WITHIN).await;
                    // A failure repeats itself not faster than this.
                    Duration::from_millis(slack_ms.max(1))
                }
                Some(deadline_ms) => Duration::from_millis(deadline_ms + slack_ms - clock.now_ms),
                None => SLEEP_MAX,
            },
            None => SLEEP_MAX,
        };
        let nap = H::Runtime::sleep(sleep.min(SLEEP_MAX));
        H::Runtime::select2(group.deadline_moved.wait(), nap).await;
        if group.stopped() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(committed_ms: LeaseMs, now_ms: LeaseMs, next_deadline_ms: Option<LeaseMs>) -> ClockView {
        ClockView { committed_ms, now_ms, next_deadline_ms }
    }

    #[test]
    fn no_lease_ends_early() {
        assert_eq!(target(view(0, 5_000, None), 20, true, 100), 5_000, "nothing can end");
        assert_eq!(target(view(0, 5_000, Some(6_000)), 20, true, 100), 5_000, "nothing is due");
        assert_eq!(
            target(view(0, 5_000, Some(4_990)), 20, true, 100),
            4_989,
            "due, but not for the slack yet"
        );
        assert_eq!(target(view(0, 5_000, Some(4_980)), 20, true, 100), 4_980, "due since the slack");
        assert_eq!(target(view(0, 5_000, Some(100)), 20, true, 100), 4_980, "due for long");
        assert_eq!(target(view(4_950, 5_000, None), 20, false, 100), 5_000, "no unknown lease is that short");
        assert_eq!(target(view(4_000, 5_000, None), 20, false, 100), 4_980, "an unknown lease may be due");
        assert_eq!(target(view(4_990, 5_000, None), 20, false, 0), 4_989, "or a delay of nearly nothing");
    }
}
