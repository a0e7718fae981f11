//! What a leader answers without an entry in its log: a write that would be refused as things stand, and a poll of a queued
//! wait that has nothing to renew.

use std::time::Duration;

use openraft::AsyncRuntime;
use orrery_base::ids::LeaseMs;
use orrery_machine::Command;

use super::group::Group;
use crate::host::Host;
use crate::peer::message::{ProposeOutcome, ReadOutcome};

impl<H: Host> Group<H> {
    /// The refusal, if this node leads and a majority confirms that. None where the log has to say what becomes of the command:
    /// also while anything is in it that this state does not show yet, for it may be an earlier try of the same request.
    pub(super) async fn refused(&self, command: &Command, within: Duration) -> Option<ProposeOutcome> {
        let refusal = |now_ms: LeaseMs| self.state.read(|machine| machine.refusal(command, now_ms));
        // Nearly always there is none, whatever the time is.
        refusal(0)?;
        let ReadOutcome::Index { index, .. } = self.read_index(within).await else { return None };
        H::Runtime::timeout(within, self.state.wait_applied(index)).await.ok()?.ok()?;
        if !self.leads() || !self.nothing_in_flight() {
            return None;
        }
        let now_ms = self.state.clock()?.now_ms;
        Some(ProposeOutcome::Applied { index, reply: refusal(now_ms)? })
    }

    /// Whether the command seems to be a poll with nothing to renew.
    pub(super) fn is_poll(&self, command: &Command) -> bool {
        let now_ms = self.state.clock().map(|clock| clock.now_ms);
        now_ms.is_some_and(|now_ms| self.state.read(|machine| machine.poll(command, now_ms)).is_some())
    }

    /// The answer to such a poll; none where nobody confirms in time that this node leads, or where the log has to say how the
    /// wait ended meanwhile.
    pub(super) async fn polled(&self, command: &Command, within: Duration) -> Option<ProposeOutcome> {
        let ReadOutcome::Index { index, .. } = self.read_index(within).await else { return None };
        H::Runtime::timeout(within, self.state.wait_applied(index)).await.ok()?.ok()?;
        let now_ms = self.state.clock()?.now_ms;
        let reply = self.state.read(|machine| machine.poll(command, now_ms))?;
        Some(ProposeOutcome::Applied { index, reply })
    }
}
