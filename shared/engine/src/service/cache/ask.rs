//! A node's question on its way to the home of the line, wherever that is.

use std::time::Duration;

use orrery_base::ids::{GroupId, NodeName};
use orrery_cache::Holder;
use orrery_cache::message::{Ask, Told};

use super::CacheService;
use crate::host::{CallError, Host, Transport, Urgency};
use crate::peer::message::{PeerRequest, PeerResponse, ReadOutcome, millis};

/// Whoever is no home may know who is: so many are asked with one question. None of the others did anything.
const HOPS_MAX: usize = 3;

/// So long another node has to pass a question on.
const REACHED_WITHIN: Duration = Duration::from_secs(1);

/// Of that time, the straight way has this part.
const STRAIGHT_PART: u32 = 3;

impl<H: Host> CacheService<H> {
    /// One question. None where it is not known whether anybody got it.
    pub(crate) async fn ask_home(
        &self,
        shard: GroupId,
        asked: u64,
        ask: Ask,
        within: Duration,
    ) -> Option<Told> {
        let here = self.cluster.group(shard);
        let leader = match &here {
            Some(group) => group.leader(),
            // Whom to ask goes round with the questions.
            None => self.cluster.presumed_leader(shard, asked as usize),
        };
        let mut next = leader;
        for _ in 0..HOPS_MAX {
            let Some(leader) = next.take() else { break };
            if let Some(group) = here.as_ref().filter(|group| group.me == leader.id) {
                let from = self.holder(group.me);
                return self.answer_ask(group, from, asked, ask, within).await;
            }
            let request = PeerRequest::Cache { asked, ask: ask.clone(), within_ms: millis(within * 9 / 10) };
            let (told, hint) =
                match self.cluster.inner.peers.call(shard, &leader, Urgency::Normal, request, within).await {
                    Ok(PeerResponse::Cache { told, leader }) => (told, leader),
                    // It answered without doing anything.
                    Ok(_) | Err(CallError::NotSent(_)) => (Told::NotHome, None),
                    Err(CallError::NoAnswer) => {
                        if here.is_none() {
                            self.cluster.remember_leader(shard, None);
                        }
                        return None;
                    }
                };
            if here.is_none() {
                let leads = if told == Told::NotHome { hint.clone() } else { Some(leader.clone()) };
                self.cluster.remember_leader(shard, leads);
            }
            if told != Told::NotHome {
                return Some(told);
            }
            next = hint.filter(|hint| hint.id != leader.id);
        }
        Some(Told::NotHome)
    }

    /// The home of a shard, where it leads and only this node does not reach it: another one passed a question on to it. Copies of
    /// lines cannot be had that way, for a home asks those who have some.
    pub(crate) async fn home_beyond_reach(&self, shard: GroupId) -> Option<NodeName> {
        let leader = match self.cluster.group(shard) {
            Some(group) if group.leads() => return None,
            Some(group) => group.leader()?,
            None => self.cluster.presumed_leader(shard, 0)?,
        };
        let reached = !self.cluster.is_unheard(shard) && self.cluster.host().transport().connected(&leader);
        if reached {
            return None;
        }
        // A link that is being set up, and a leader that is not heard just now, may be reached all the same.
        let within = (self.cluster.config().election_max * 2).min(REACHED_WITHIN);
        let request = || PeerRequest::ReadIndex { within_ms: millis(within / STRAIGHT_PART) };
        if self.cluster.call_straight(shard, &leader, request(), within / STRAIGHT_PART).await.is_ok() {
            return None;
        }
        let told = self.cluster.call_leader(shard, &leader, request, within - within / STRAIGHT_PART).await;
        let through_another = self.cluster.is_passed_on(&leader);
        match told {
            Ok(PeerResponse::ReadIndex(ReadOutcome::Index { .. })) if through_another => Some(leader.name),
            _ => None,
        }
    }

    /// This node, in this boot.
    pub(crate) fn holder(&self, id: orrery_base::ids::NodeId) -> Holder {
        let local = self.cluster.local();
        Holder { name: local.name.clone(), id, boot: local.boot }
    }
}
