//! One hop: a node that cannot reach a group's leader, while another one can, asks that one to pass its request on.
//!
//! Only what any node may ask of a leader goes this way: commands, read-index rounds, questions about queues. Heartbeats,
//! votes and entries never do, and what was passed on once is not passed on again.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use orrery_base::ids::{GroupId, NodeId};
use orrery_machine::Member;

use crate::cluster::Cluster;
use crate::codec::{self, PEER_VERSION};
use crate::host::{CallError, Host, Transport, Urgency};
use crate::peer::message::{PeerRequest, PeerResponse, millis};
use crate::sync::lock;

/// For so long whoever was not reached is asked through another node first; then the straight way is tried again.
const DETOUR_US: u64 = 5_000_000;

/// Of the time that is left, one node in between has this part, and no less than that.
const PASS_PART: u32 = 2;
const PASS_MIN: Duration = Duration::from_millis(700);

/// Of the asker's time, the node in between has this part: its answer needs its way back.
const THERE_PERCENT: u32 = 90;

/// Leaders that were not reached lately, and who passed something on to them.
#[derive(Debug, Default)]
pub struct Detours(Mutex<BTreeMap<NodeId, Detour>>);

#[derive(Debug, Default)]
struct Detour {
    until_us: u64,
    by: Option<NodeId>,
    /// Who passed nothing on, or no answer back, and until when they are asked last.
    failed: BTreeMap<NodeId, u64>,
}

impl Detours {
    /// Whether a node was not reached lately.
    fn is_needed(&self, to: NodeId, now_us: u64) -> bool {
        lock(&self.0).get(&to).is_some_and(|detour| now_us < detour.until_us)
    }

    /// It was not reached.
    fn unreached(&self, to: NodeId, now_us: u64) {
        let mut all = lock(&self.0);
        // Identities are never used again: whoever went is not kept.
        all.retain(|other, detour| *other == to || now_us < detour.until_us);
        all.entry(to).or_default().until_us = now_us.saturating_add(DETOUR_US);
    }

    /// That one passes on.
    fn through(&self, to: NodeId, by: NodeId) {
        if let Some(detour) = lock(&self.0).get_mut(&to) {
            detour.by = Some(by);
            detour.failed.remove(&by);
        }
    }

    /// That one does not, whatever lies in between.
    fn failed(&self, to: NodeId, by: NodeId, now_us: u64) {
        if let Some(detour) = lock(&self.0).get_mut(&to) {
            detour.by = detour.by.filter(|last| *last != by);
            detour.failed.retain(|_, until_us| now_us < *until_us);
            detour.failed.insert(by, now_us.saturating_add(DETOUR_US));
        }
    }

    /// In which order these are asked to pass something on: who did so last, then the others, then those who failed.
    fn sort(&self, to: NodeId, members: &mut [Member], now_us: u64) {
        let all = lock(&self.0);
        let detour = all.get(&to);
        members.sort_by_key(|member| {
            let failed = detour.and_then(|detour| detour.failed.get(&member.id));
            let failed = failed.is_some_and(|until_us| now_us < *until_us);
            (failed, detour.and_then(|detour| detour.by) != Some(member.id), member.id)
        });
    }

    fn reached(&self, to: NodeId) {
        lock(&self.0).remove(&to);
    }
}

impl<H: Host> Cluster<H> {
    /// A request to whoever leads a group: straight, or through another node where that one was not reached or is not heard.
    pub(crate) async fn call_leader(
        &self,
        group: GroupId,
        leader: &Member,
        request: impl Fn() -> PeerRequest<H::Runtime> + Send + Sync,
        within: Duration,
    ) -> Result<PeerResponse<H::Runtime>, CallError> {
        let detours = &self.inner.detours;
        let began_us = self.host().monotonic_us();
        let straight_first = !detours.is_needed(leader.id, began_us) && !self.is_unheard(group);
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
        if !straight_first {
            // Whoever is not heard may never have been asked.
            detours.unreached(leader.id, began_us);
        }
        for by in self.go_betweens(leader, began_us) {
            let Some(left) = left() else { break };
            // One that brings no answer back leaves time for another one.
            let part = (left / PASS_PART).max(left.min(PASS_MIN));
            match self.pass(group, &by, leader, &passed, part).await {
                Ok(Some(response)) => {
                    detours.through(leader.id, by.id);
                    return Ok(response);
                }
                // It does not reach it either.
                Ok(None) | Err(CallError::NotSent(_)) => {
                    detours.failed(leader.id, by.id, self.host().monotonic_us());
                }
                Err(CallError::NoAnswer) => {
                    detours.failed(leader.id, by.id, self.host().monotonic_us());
                    return Err(CallError::NoAnswer);
                }
            }
        }
        match left() {
            Some(left) if !straight_first => self.call_straight(group, leader, request(), left).await,
            _ => Err(not_sent(leader)),
        }
    }

    /// Whether what is for that node takes another way now, because it was not reached lately.
    pub(crate) fn is_passed_on(&self, to: &Member) -> bool {
        self.inner.detours.is_needed(to.id, self.host().monotonic_us())
    }

    /// To that node and by no other way.
    pub(crate) async fn call_straight(
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
    pub(crate) fn is_unheard(&self, group: GroupId) -> bool {
        self.group(group).is_some_and(|group| group.is_unheard())
    }

    /// Who may pass something on to that node.
    fn go_betweens(&self, leader: &Member, now_us: u64) -> Vec<Member> {
        let me = self.inner.peers.formed().map(|formed| formed.me.id);
        let mut others: Vec<Member> = self.members();
        let transport = self.host().transport();
        others
            .retain(|member| Some(member.id) != me && member.id != leader.id && transport.connected(member));
        self.inner.detours.sort(leader.id, &mut others, now_us);
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
    pub(crate) async fn pass_on(
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
        let order = |now_us| {
            let mut members: Vec<Member> =
                (2..=4).map(|id| Member { id: NodeId(id), ..Member::default() }).collect();
            detours.sort(leader, &mut members, now_us);
            members.iter().map(|member| member.id.0).collect::<Vec<_>>()
        };
        assert!(!detours.is_needed(leader, 0));
        detours.through(leader, NodeId(3));
        assert_eq!((detours.is_needed(leader, 0), order(0)), (false, vec![2, 3, 4]), "nobody needed it");
        detours.unreached(leader, 1_000);
        assert!(detours.is_needed(leader, 1_000));
        detours.through(leader, NodeId(3));
        assert_eq!(order(1_000), [3, 2, 4]);
        assert!(!detours.is_needed(leader, 1_000 + DETOUR_US), "the straight way is tried again");
        detours.unreached(leader, 1_000 + DETOUR_US);
        assert_eq!(order(1_000), [3, 2, 4], "by whoever did so last");
        // Those who failed are asked last, for a time.
        detours.failed(leader, NodeId(3), 1_000);
        detours.failed(leader, NodeId(2), 2_000);
        assert_eq!(order(3_000), [4, 2, 3]);
        assert_eq!(order(1_500 + DETOUR_US), [3, 4, 2]);
        detours.through(leader, NodeId(2));
        assert_eq!(order(3_000), [2, 4, 3]);
        detours.reached(leader);
        assert!(!detours.is_needed(leader, 2_000 + DETOUR_US));
    }
}
