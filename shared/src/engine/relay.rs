//! One hop: a node that cannot reach a group's leader, while another one can, asks that one to pass its request on.
//!
//! Only what any node may ask of a leader goes this way: commands, read-index rounds, questions about queues. Heartbeats,
//! votes and entries never do, and what was passed on once is not passed on again.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;

use super::codec::{self, PEER_VERSION};
use super::host::{CallError, Host, Transport, Urgency};
use super::node::Engine;
use super::peer::{PeerRequest, PeerResponse, millis};
use super::publish::lock;
use crate::ids::{GroupId, NodeId};
use crate::machine::Member;

/// For so long whoever was not reached is asked through another node first; then the straight way is tried again.
const DETOUR_US: u64 = 5_000_000;

/// Of the asker's time, the node in between has this part: its answer needs its way back.
const THERE_PERCENT: u32 = 90;

/// Leaders that were not reached lately, and who passed something on to them.
#[derive(Debug, Default)]
pub struct Detours(Mutex<BTreeMap<NodeId, Detour>>);

#[derive(Clone, Copy, Debug)]
struct Detour {
    until_us: u64,
    by: Option<NodeId>,
}

impl Detours {
    /// Whether a node was not reached lately; and who passed something on to it.
    fn of(&self, to: NodeId, now_us: u64) -> Option<Option<NodeId>> {
        lock(&self.0).get(&to).filter(|detour| now_us < detour.until_us).map(|detour| detour.by)
    }

    /// It was not reached.
    fn unreached(&self, to: NodeId, now_us: u64) {
        let detour = Detour { until_us: now_us.saturating_add(DETOUR_US), by: None };
        let mut all = lock(&self.0);
        // Identities are never used again: whoever went is not kept.
        all.retain(|other, detour| *other == to || now_us < detour.until_us);
        all.entry(to).or_insert(detour).until_us = detour.until_us;
    }

    /// That one passes on, or does not any more.
    fn through(&self, to: NodeId, by: Option<NodeId>) {
        if let Some(detour) = lock(&self.0).get_mut(&to) {
            detour.by = by;
        }
    }

    /// It was reached.
    fn reached(&self, to: NodeId) {
        lock(&self.0).remove(&to);
    }
}

impl<H: Host> Engine<H> {
    /// A request to whoever leads a group: straight, or through another node where that one was not reached or is not heard.
    pub(super) async fn call_leader(
        &self,
        group: GroupId,
        leader: &Member,
        request: impl Fn() -> PeerRequest<H::Runtime> + Send + Sync,
        within: Duration,
    ) -> Result<PeerResponse<H::Runtime>, CallError> {
        let detours = &self.inner.detours;
        let began_us = self.host().monotonic_us();
        let known = detours.of(leader.id, began_us);
        let straight_first = known.is_none() && !self.is_unheard(group);
        if straight_first {
            match self.call_straight(group, leader, request(), within).await {
                Err(CallError::NotSent(_)) => {}
                // It may have been taken, and the time is over: the next try goes another way.
                told => return told,
            }
        }
        let left = || {
            let spent = Duration::from_micros(self.host().monotonic_us().saturating_sub(began_us));
            within.checked_sub(spent).filter(|left| !left.is_zero())
        };
        let Ok(passed) = codec::encode(PEER_VERSION, &request()) else { return Err(not_sent(leader)) };
        for by in self.go_betweens(leader, known.flatten()) {
            let Some(left) = left() else { break };
            match self.pass(group, &by, leader, &passed, left).await {
                Ok(Some(response)) => {
                    detours.through(leader.id, Some(by.id));
                    return Ok(response);
                }
                // It does not reach it either.
                Ok(None) | Err(CallError::NotSent(_)) => {}
                Err(CallError::NoAnswer) => {
                    detours.through(leader.id, None);
                    return Err(CallError::NoAnswer);
                }
            }
        }
        match left() {
            Some(left) if !straight_first => self.call_straight(group, leader, request(), left).await,
            _ => Err(not_sent(leader)),
        }
    }

    async fn call_straight(
        &self,
        group: GroupId,
        leader: &Member,
        request: PeerRequest<H::Runtime>,
        within: Duration,
    ) -> Result<PeerResponse<H::Runtime>, CallError> {
        let told = self.inner.peers.call(group, leader, Urgency::Normal, request, within).await;
        match &told {
            Ok(_) => self.inner.detours.reached(leader.id),
            Err(_) => self.inner.detours.unreached(leader.id, self.host().monotonic_us()),
        }
        told
    }

    /// Whether a group that runs here hears nothing of its leader.
    fn is_unheard(&self, group: GroupId) -> bool {
        self.group(group).is_some_and(|group| group.is_unheard())
    }

    /// Who may pass something on to that node: whoever did so last, then all others.
    fn go_betweens(&self, leader: &Member, last: Option<NodeId>) -> Vec<Member> {
        let me = self.inner.peers.formed().map(|formed| formed.me.id);
        let mut others: Vec<Member> = self.members();
        let transport = self.host().transport();
        others
            .retain(|member| Some(member.id) != me && member.id != leader.id && transport.connected(member));
        others.sort_by_key(|member| (Some(member.id) != last, member.id));
        others
    }

    /// None where that node does not reach it, and nothing was done.
    async fn pass(
        &self,
        group: GroupId,
        by: &Member,
        leader: &Member,
        request: &Bytes,
        within: Duration,
    ) -> Result<Option<PeerResponse<H::Runtime>>, CallError> {
        let there = within * THERE_PERCENT / 100;
        let pass = PeerRequest::Pass { to: leader.id, request: request.clone(), within_ms: millis(there) };
        match self.inner.peers.call(group, by, Urgency::Normal, pass, within).await? {
            // A dismissal is told to whom it concerns: here that is the one who passes on.
            PeerResponse::NotPassed | PeerResponse::Dismissed { .. } => Ok(None),
            PeerResponse::Unanswered => Err(CallError::NoAnswer),
            response => Ok(Some(response)),
        }
    }

    /// Passes a peer's request on, once.
    pub(super) async fn pass_on(
        &self,
        group: GroupId,
        to: NodeId,
        request: &Bytes,
        within: Duration,
    ) -> PeerResponse<H::Runtime> {
        let Some(leader) = self.members().into_iter().find(|member| member.id == to) else {
            return PeerResponse::NotPassed;
        };
        match codec::decode::<PeerRequest<H::Runtime>>(PEER_VERSION, request) {
            Ok(request) if request.may_be_passed() => {
                match self.inner.peers.call(group, &leader, Urgency::Normal, request, within).await {
                    Ok(PeerResponse::Dismissed { .. }) | Err(CallError::NotSent(_)) => {
                        PeerResponse::NotPassed
                    }
                    Ok(response) => response,
                    Err(CallError::NoAnswer) => PeerResponse::Unanswered,
                }
            }
            _ => PeerResponse::NotPassed,
        }
    }
}

fn not_sent(leader: &Member) -> CallError {
    CallError::NotSent(format!("{} cannot be reached from here, nor through another node", leader.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detour_is_taken_for_a_time() {
        let detours = Detours::default();
        let leader = NodeId(1);
        assert_eq!(detours.of(leader, 0), None);
        detours.through(leader, Some(NodeId(2)));
        assert_eq!(detours.of(leader, 0), None, "nobody needed it");
        detours.unreached(leader, 1_000);
        assert_eq!(detours.of(leader, 1_000), Some(None));
        detours.through(leader, Some(NodeId(2)));
        assert_eq!(detours.of(leader, 2_000), Some(Some(NodeId(2))));
        assert_eq!(detours.of(leader, 1_000 + DETOUR_US), None, "the straight way is tried again");
        detours.unreached(leader, 1_000 + DETOUR_US);
        assert_eq!(detours.of(leader, 1_000 + DETOUR_US), Some(Some(NodeId(2))), "by whoever did so last");
        detours.reached(leader);
        assert_eq!(detours.of(leader, 2_000 + DETOUR_US), None);
    }
}
