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
use crate::machine::{Command, Operation};

/// Longest sleep: nothing needs it, it only bounds what a lost wake-up could cost.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// How long a proposed move may take before it is proposed again.
const PROPOSE_WITHIN: Duration = Duration::from_secs(2);

/// Keeps one group's lease clock while this node leads it.
pub async fn keep<H: Host>(group: Arc<Group<H>>) {
    loop {
        let slack_ms = group.config().clock_slack_ms;
        let sleep = match group.state.clock() {
            Some(clock) => match clock.next_deadline_ms {
                // Late by the slack: whoever counted from a slightly old value still gets its whole lease.
                Some(deadline_ms) if deadline_ms + slack_ms <= clock.now_ms => {
                    let operation = Operation::AdvanceClock { to_ms: clock.now_ms };
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
