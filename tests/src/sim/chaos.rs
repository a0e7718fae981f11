//! Injects faults, one after the other, and heals everything at the end.

use std::sync::Arc;
use std::time::Duration;

use orrery_base::fault::{Fault, FaultKind};

use super::cluster::Cluster;
use orrery_sim::faults::LinkFaults;
use orrery_sim::network::name;
use orrery_sim::runtime::{TaskGroup, WORLD};

/// Longest time until a crashed node starts again, microseconds.
const DOWN_US_MAX: u64 = 2_000_000;

/// Longest time until a node serves after a start where nothing fails, and until it notices that its folder was set back;
/// and the longest one that it serves in between. Microseconds.
const SET_BACK_US_MAX: u64 = 15_000_000;
const SET_BACK_AFTER_US_MAX: u64 = 2_000_000;

/// Does something bad to a cluster.
type Harm = fn(&Arc<Cluster>);

impl Cluster {
    /// All rounds of faults; ends early after a violation.
    pub async fn torment(self: &Arc<Self>) {
        let every = self.faults.rounds / (self.faults.set_backs + 1) + 1;
        for round in 1..=self.faults.rounds {
            if round % every == 0 {
                self.set_back_one().await;
            }
            let pause = self.random(self.faults.pause_between_us.clone());
            self.sleep_us(pause).await;
            if self.checks.failure().is_some() {
                return;
            }
            self.inject();
        }
    }

    /// A node's folder is copied between two boots, and later an earlier folder stands in its place. Everybody else is there:
    /// the node has to notice before it takes part, and comes back empty as somebody else. The clients go on meanwhile.
    async fn set_back_one(self: &Arc<Self>) {
        self.heal();
        // The folder of a node that is part of nothing yet is as good as an empty one: nobody gives it another's identity.
        let up = |cluster: &Arc<Self>| {
            let formed = |node| cluster.network.engine(node).is_some_and(|engine| engine.formed().is_some());
            cluster.nodes().into_iter().all(formed)
        };
        let within_us = self.sim.now_us() + SET_BACK_US_MAX;
        while !up(self) {
            if self.sim.now_us() > within_us || self.checks.failure().is_some() {
                return self.checks.fail("a node does not start where nothing fails".into());
            }
            self.sleep_us(10_000).await;
        }
        let node = self.random_node();
        self.crash(node);
        let copy = self.copy_folder(node);
        self.start(node);
        let serves = async |cluster: &Arc<Self>| {
            let engine = cluster.network.engine(node);
            engine.is_some_and(|engine| engine.ready() && engine.status().leader_id.is_some())
        };
        let within_us = self.sim.now_us() + SET_BACK_US_MAX;
        while !serves(self).await {
            if self.sim.now_us() > within_us || self.checks.failure().is_some() {
                return self.checks.fail(format!("node {node} does not serve after a start"));
            }
            self.sleep_us(10_000).await;
        }
        let pause = self.random(0..SET_BACK_AFTER_US_MAX);
        self.sleep_us(pause).await;
        self.crash(node);
        self.set_back(node, copy);
        self.start(node);
        let within_us = self.sim.now_us() + SET_BACK_US_MAX;
        while !self.has_noticed(node) {
            if self.sim.now_us() > within_us || self.checks.failure().is_some() {
                return self.checks.fail(format!("node {node} does not notice that its folder was set back"));
            }
            self.sleep_us(10_000).await;
        }
        self.crash(node);
        self.empty_folder(node);
        self.start(node);
        while self.network.engine(node).is_none() {
            if self.checks.failure().is_some() {
                return;
            }
            self.sleep_us(10_000).await;
        }
        self.network.set_faults(self.faults.links.clone());
    }

    /// No fault any more: everybody is up and hears everybody.
    pub fn heal(self: &Arc<Self>) {
        self.trace.note(format_args!("HEAL everything"));
        self.network.heal();
        self.network.set_faults(LinkFaults::NONE);
        for node in self.nodes() {
            self.resume(node);
            self.start(node);
        }
    }

    fn inject(self: &Arc<Self>) {
        let weights = self.faults.weights.clone();
        let kinds: [(u64, Harm); 11] = [
            (weights.crash, Self::crash_one),
            (weights.crash_all, Self::crash_all),
            (weights.pause, Self::pause_one),
            (weights.cut_one_way, Self::cut_one_way),
            (weights.partition, Self::partition),
            (weights.heal, Self::heal_links),
            (weights.transfer, Self::transfer),
            (weights.clock_jump, Self::jump_a_clock),
            (weights.join, Self::join_one),
            (weights.leave, Self::dismiss_one),
            (weights.impair, Self::impair_one_way),
        ];
        let mut drawn = self.random(0..kinds.iter().map(|(weight, _)| weight).sum());
        for (weight, act) in kinds {
            if drawn < weight {
                return act(self);
            }
            drawn -= weight;
        }
    }

    /// Whether one more node may fail and leave a majority that can go on.
    fn may_fail(&self) -> bool {
        let most = self.nodes().len();
        self.faults.beyond_minority || most < 3 || self.working().len() > most / 2 + 1
    }

    fn crash_one(self: &Arc<Self>) {
        let node = self.random_node();
        if self.is_up(node) && self.may_fail() {
            self.crash(node);
            self.start_later(node);
        }
    }

    fn crash_all(self: &Arc<Self>) {
        for node in self.nodes() {
            self.crash(node);
            self.start_later(node);
        }
    }

    fn start_later(self: &Arc<Self>, node: TaskGroup) {
        let (cluster, after) = (self.clone(), self.random(0..DOWN_US_MAX));
        self.sim.spawn_in(WORLD, async move {
            cluster.sleep_us(after).await;
            cluster.start(node);
        });
    }

    fn pause_one(self: &Arc<Self>) {
        let node = self.random_node();
        if !self.may_fail() {
            return;
        }
        self.pause(node);
        let (cluster, after) = (self.clone(), self.random(self.faults.node_pause_us.clone()));
        self.sim.spawn_in(WORLD, async move {
            cluster.sleep_us(after).await;
            cluster.resume(node);
        });
    }

    fn cut_one_way(self: &Arc<Self>) {
        let (from, to) = (self.random_node(), self.random_node());
        if from != to {
            self.trace.note(format_args!("CUT node{from} -> node{to}"));
            self.network.cut(from, to);
        }
    }

    /// One direction of one link suffers from something, in any amount.
    fn impair_one_way(self: &Arc<Self>) {
        let (from, to) = (self.random_node(), self.random_node());
        let kind = FaultKind::ALL[self.random(0..FaultKind::ALL.len() as u64) as usize];
        let fault = Fault::NONE.with(kind, 1 + self.random(0..kind.amount_max().into()) as u32);
        if from != to {
            self.trace.note(format_args!("IMPAIR node{from} -> node{to}: {fault}"));
            self.network.damage(from, to, fault);
        }
    }

    fn partition(self: &Arc<Self>) {
        let side = self.random(1..1 << (self.faults.nodes + self.faults.spares));
        let is_inside = |node: TaskGroup| side & (1 << (node - 1)) != 0;
        let ways = self.random(0..3);
        self.trace.note(format_args!("PARTITION {side:b}, ways {ways}"));
        for from in self.nodes() {
            for to in self.nodes() {
                let cut = match ways {
                    0 => is_inside(from) && !is_inside(to),
                    _ => is_inside(from) != is_inside(to),
                };
                if cut {
                    self.network.cut(from, to);
                }
            }
        }
    }

    fn heal_links(self: &Arc<Self>) {
        if self.network.is_broken() {
            self.trace.note(format_args!("HEAL the links"));
            self.network.heal();
        }
    }

    fn transfer(self: &Arc<Self>) {
        let (at, to) = (self.random_node(), self.random_node());
        let Some(engine) = self.network.engine(at) else { return };
        self.trace.note(format_args!("TRANSFER to node{to}, asked at node{at}"));
        self.sim.spawn_in(at, async move {
            // Whether it works is the cluster's business.
            let _ = engine.transfer_leader(&name(to), Duration::from_secs(1)).await;
        });
    }

    fn join_one(self: &Arc<Self>) {
        if let Some(node) = self.recruit() {
            self.trace.note(format_args!("JOIN node{node}"));
            self.start(node);
        }
    }

    /// A member is to leave. Whether it may is the cluster's business.
    fn dismiss_one(self: &Arc<Self>) {
        let (at, who) = (self.random_node(), self.random_node());
        let Some(engine) = self.network.engine(at) else { return };
        self.trace.note(format_args!("LEAVE node{who}, asked at node{at}"));
        self.may_leave(who);
        self.sim.spawn_in(at, async move {
            let _ = engine.leave(&name(who), Duration::from_secs(2)).await;
        });
    }

    fn random_node(&self) -> TaskGroup {
        self.any_node(&mut self.sim.rng(WORLD).borrow_mut())
    }

    fn jump_a_clock(self: &Arc<Self>) {
        let node = self.random_node();
        self.trace.note(format_args!("CLOCK of node{node} jumps"));
        self.jump_clock(node);
    }
}
