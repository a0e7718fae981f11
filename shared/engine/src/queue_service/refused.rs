//! A write that a group would refuse as things stand does not go through its log: the leader says so at once.

use std::time::Duration;

use openraft::AsyncRuntime;
use orrery_base::ids::LeaseMs;
use orrery_machine::Command;

use crate::group::Group;
use crate::host::Host;
use crate::peer::{Outcome, ReadOutcome};

/// The refusal, if this node leads and a majority confirms that. None where the log has to say what becomes of the command:
/// also while anything is in it that this state does not show yet, for it may be an earlier try of the same request.
pub(crate) async fn refused_beforehand<H: Host>(
    group: &Group<H>,
    command: &Command,
    within: Duration,
) -> Option<Outcome> {
    let refusal = |now_ms: LeaseMs| group.state.read(|machine| machine.refusal(command, now_ms));
    // Nearly always there is none, whatever the time is.
    refusal(0)?;
    let ReadOutcome::Index { index, .. } = group.read_index(within).await else { return None };
    H::Runtime::timeout(within, group.state.wait_applied(index)).await.ok()?.ok()?;
    if !group.leads() || !group.nothing_in_flight() {
        return None;
    }
    let now_ms = group.state.clock()?.now_ms;
    Some(Outcome::Applied { index, reply: refusal(now_ms)? })
}
