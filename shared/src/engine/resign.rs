//! A node that cannot do a leader's work gives it to one that can.

use super::Engine;
use super::host::Host;
use super::prefer::is_healthy;

impl<H: Host> Engine<H> {
    /// Hands every group that this node leads over to a voter that has nearly everything and answers. Where there is none it
    /// goes on leading: a leader that is hard to reach is better than none.
    pub async fn give_up_leadership(&self) {
        for group in self.groups() {
            if !group.leads() {
                continue;
            }
            let membership = group.membership();
            let Some(next) =
                membership.voter_ids().filter(|id| *id != group.me).find(|id| is_healthy(&group, *id))
            else {
                continue;
            };
            tracing::info!(group = %group.id, to = %next, "handing over: this node cannot be reached");
            // It fails only when the group ended.
            let _ = group.transfer_to(next).await;
        }
    }
}
