//! The lease clock: a committed value that stands still without a leader and never compares two machines' clocks.
//!
//! The leader moves it to the value after its term's first entry was applied, plus its own monotonic time since
//! then. It proposes a move when something ends at it, before a command that counts from it, before it hands over, and now and
//! then while something runs (see [`crate::raft::running`]), so that an idle cluster writes nothing.

use std::sync::Arc;
use std::time::Duration;

use openraft::AsyncRuntime;
use orrery_base::ids::{GroupId, LeaseMs, NodeId};
use orrery_base::valid::{NumberRule as _, TtlRule};
use orrery_machine::{Command, Mutation};

use crate::host::Host;
use crate::raft::group::Group;
use crate::raft::state::ClockView;

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
    if group == GroupId::CONTROL { *TtlRule::RANGE.start() } else { 0 }
}

/// What the keeper of a group's lease clock does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Commit the clock there.
    Commit(LeaseMs),
    /// Look again after so many milliseconds.
    Wait(u64),
    /// Wait until something begins.
    Idle,
}

/// An expiry is late by the slack: whoever counted from a slightly old value still gets its whole lease. While something runs,
/// the committed clock is at most `interval_ms` old, so that a leader that dies takes no more than that with it.
fn next(
    clock: ClockView,
    interval_ms: Option<u64>,
    slack_ms: u64,
    nothing_in_flight: bool,
    shortest_ms: u64,
) -> Next {
    let ClockView { committed_ms, now_ms, next_deadline_ms } = clock;
    if next_deadline_ms.is_some_and(|deadline_ms| deadline_ms + slack_ms <= now_ms) {
        return Next::Commit(now_ms - slack_ms);
    }
    let expiry_in_ms = next_deadline_ms.map(|deadline_ms| deadline_ms + slack_ms - now_ms);
    let commit_in_ms = interval_ms.map(|interval_ms| (committed_ms + interval_ms).saturating_sub(now_ms));
    if commit_in_ms == Some(0) {
        let to_ms = target(clock, slack_ms, nothing_in_flight, shortest_ms);
        // What is due in a moment commits it anyway.
        return if to_ms > committed_ms { Next::Commit(to_ms) } else { Next::Wait(slack_ms.max(1)) };
    }
    match expiry_in_ms.into_iter().chain(commit_in_ms).min() {
        Some(wait_ms) => Next::Wait(wait_ms),
        None => Next::Idle,
    }
}

/// Keeps one group's lease clock while this node leads it.
pub async fn keep<H: Host>(group: Arc<Group<H>>) {
    loop {
        let slack_ms = group.config().clock_slack_ms;
        let sleep = match group.next_commit() {
            Next::Commit(to_ms) => {
                let mutation = Mutation::AdvanceClock { to_ms };
                group.propose(Command { key: None, mutation }, PROPOSE_WITHIN).await;
                // A failure repeats itself not faster than this.
                Duration::from_millis(slack_ms.max(1))
            }
            Next::Wait(ms) => Duration::from_millis(ms),
            Next::Idle => SLEEP_MAX,
        };
        let nap = H::Runtime::sleep(sleep.min(SLEEP_MAX));
        H::Runtime::select2(group.deadline_moved.wait(), nap).await;
        if group.stopped() {
            return;
        }
    }
}

impl<H: Host> Group<H> {
    fn next_commit(&self) -> Next {
        let Some(clock) = self.state.clock() else { return Next::Idle };
        let interval_ms = self.state.commit_interval_ms();
        let slack_ms = self.config().clock_slack_ms;
        next(clock, interval_ms, slack_ms, self.nothing_in_flight(), shortest_ms(self.id))
    }

    /// Commits the lease clock, where something runs on it: before this leader hands over, because the next one goes on from what
    /// is committed. A failure costs what a lost leader costs.
    pub(crate) async fn commit_clock(&self, within: Duration) {
        let Some(clock) = self.state.clock() else { return };
        if self.state.commit_interval_ms().is_none() {
            return;
        }
        let slack_ms = self.config().clock_slack_ms;
        let to_ms = target(clock, slack_ms, self.nothing_in_flight(), shortest_ms(self.id));
        if to_ms > clock.committed_ms {
            let mutation = Mutation::AdvanceClock { to_ms };
            self.propose(Command { key: None, mutation }, within).await;
        }
    }

    /// Asks a voter to stand for election at once, with the lease clock as it stands now. It fails only when the group ended.
    pub(crate) async fn transfer_to(&self, to: NodeId) -> bool {
        self.commit_clock(self.config().election_max).await;
        self.raft.trigger().transfer_leader(to).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(committed_ms: LeaseMs, now_ms: LeaseMs, next_deadline_ms: Option<LeaseMs>) -> ClockView {
        ClockView { committed_ms, now_ms, next_deadline_ms }
    }

    #[test]
    fn what_runs_is_committed_in_time() {
        let next = |clock, interval_ms| next(clock, interval_ms, 20, true, 100);
        assert_eq!(next(view(0, 5_000, None), None), Next::Idle);
        assert_eq!(next(view(0, 400, Some(5_000)), None), Next::Wait(4_620), "retention only");
        assert_eq!(next(view(0, 400, Some(5_000)), Some(1_000)), Next::Wait(600));
        assert_eq!(next(view(0, 1_000, Some(5_000)), Some(1_000)), Next::Commit(1_000));
        assert_eq!(next(view(4_000, 4_700, Some(5_000)), Some(1_000)), Next::Wait(300), "and then the slack");
        assert_eq!(
            next(view(4_000, 5_010, Some(5_000)), Some(1_000)),
            Next::Commit(4_999),
            "not for the slack yet"
        );
        assert_eq!(
            next(view(4_999, 5_010, Some(5_000)), Some(11)),
            Next::Wait(20),
            "nothing can be committed yet"
        );
        assert_eq!(next(view(4_999, 5_020, Some(5_000)), Some(11)), Next::Commit(5_000));
        assert_eq!(next(view(9_000, 9_000, Some(0)), Some(1_000)), Next::Commit(8_980), "work was left");
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
