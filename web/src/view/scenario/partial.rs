//! A network that is broken in parts: the leader reaches only a bridge, the bridge reaches the others as well. Whoever
//! reaches a majority must lead.

use leptos::prelude::*;
use orrery_api::lock::LockAnswer;
use orrery_base::ids::NodeName;
use orrery_lock::Mode;
use smol_str::SmolStr;

use super::{Play, STALE_MS};
use crate::look::Status;
use crate::request::lock::{LockAsk, LockOperation};
use crate::request::{new_key, sleep_ms};

/// What is taken while the links are cut, and for so long.
const PROOF: &str = "bridge";
const PROOF_LEASE_MS: u64 = 5_000;

/// Both directions of each of these links. What stays: leader and bridge, and everybody else with the bridge and with each
/// other, apart from the last one, where the others are a majority without it.
fn cuts(leader: &NodeName, others: &[NodeName], majority: usize) -> Vec<(NodeName, NodeName)> {
    let [bridge, rest @ ..] = others else { return Vec::new() };
    // The bridge and all but one of the rest are as many as the rest.
    let alone = usize::from(rest.len() >= majority);
    let (joined, alone) = rest.split_at(rest.len() - alone);
    let both =
        |one: &NodeName, other: &NodeName| [(one.clone(), other.clone()), (other.clone(), one.clone())];
    let mut cut: Vec<(NodeName, NodeName)> = rest.iter().flat_map(|node| both(leader, node)).collect();
    for node in alone {
        cut.extend(joined.iter().chain([bridge]).flat_map(|other| both(node, other)));
    }
    cut
}

impl Play {
    /// Cuts in one request, waits for a leader among those that reach a majority, takes a lock there, and heals.
    pub(super) async fn partial_network(self) -> Result<(), String> {
        let old = self.leader()?;
        let (others, voters) = self.playback().now(|view| {
            let there = view.in_order().filter(|node| node.name != old && Status::of(node).reachable());
            let others: Vec<NodeName> = there.map(|node| node.name.clone()).collect();
            (others, view.membership.voters.len().max(view.order.len()))
        });
        if others.len() < 2 {
            return Err(self.t.scenarios.too_few.to_owned());
        }
        let majority = voters / 2 + 1;
        let links = cuts(&old, &others, majority);
        self.say((self.t.scenarios.step_bridge)(&old, &others[0]));
        let cut = self.actions.links(&links, true).await;
        let worked = match cut {
            // Two of three are a majority: the leader keeps it, and the third reaches it through the bridge.
            Ok(()) if majority <= 2 => self.works_at(&others[1]).await,
            Ok(()) => self.works_without(&old).await,
            Err(why) => Err(why),
        };
        // Healed in any case: a scenario leaves nothing cut.
        self.say((self.t.scenarios.step_heal)(&old));
        self.actions.links(&links, false).await?;
        worked
    }

    async fn works_without(self, old: &NodeName) -> Result<(), String> {
        let before = old.clone();
        let other = move |leader: &NodeName| *leader != before;
        let elected =
            self.until(Box::new(move |view| view.leadership().leader.as_ref().is_some_and(&other))).await;
        if !elected {
            return Err(self.t.scenarios.no_leader.to_owned());
        }
        self.works_at(&self.leader()?).await
    }

    /// A lock is granted to who asks this node.
    async fn works_at(self, node: &NodeName) -> Result<(), String> {
        let client = self.actions.ui.client.get_untracked();
        let resource = SmolStr::new_static(PROOF);
        self.say((self.t.scenarios.step_take)(&client, &resource));
        let ask = LockAsk {
            operation: LockOperation::Acquire,
            resource,
            client,
            mode: Mode::Exclusive,
            ttl_ms: PROOF_LEASE_MS,
        };
        match self.actions.send_to(ask, node, new_key()).await {
            Some(LockAnswer::Acquired { .. }) => {}
            _ => return Err(self.t.scenarios.not_granted.to_owned()),
        }
        sleep_ms(STALE_MS).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<NodeName> {
        (1..=count).map(|number| format!("node{number}").into()).collect()
    }

    /// Whom a node reaches in both directions, itself included.
    fn reached(of: &NodeName, all: &[NodeName], cut: &[(NodeName, NodeName)]) -> usize {
        all.iter().filter(|other| !cut.contains(&(of.clone(), NodeName::clone(other)))).count()
    }

    #[test]
    fn the_leader_reaches_only_the_bridge_and_a_majority_is_connected() {
        for count in 3..=7 {
            let (all, majority) = (names(count), count / 2 + 1);
            let cut = cuts(&all[0], &all[1..], majority);
            assert_eq!(reached(&all[0], &all, &cut), 2, "{count}");
            assert!(cut.iter().all(|(from, to)| cut.contains(&(to.clone(), from.clone()))), "{count}");
            assert!(reached(&all[1], &all, &cut) >= majority, "{count}: the bridge");
            if count >= 5 {
                assert!(reached(&all[2], &all, &cut) >= majority, "{count}: who knows the bridge");
                assert_eq!(reached(&all[count - 1], &all, &cut), 1, "{count}: the last one is alone");
            }
        }
        // Two of seven are down: nobody can be spared.
        let all = names(5);
        let cut = cuts(&all[0], &all[1..], 4);
        assert_eq!((reached(&all[1], &all, &cut), reached(&all[4], &all, &cut)), (5, 4));
        assert!(cuts(&names(1)[0], &[], 1).is_empty());
    }
}
