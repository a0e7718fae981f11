//! Partial networks: some links are cut, in both directions or in one, and nobody is. Wherever a majority of a group's
//! voters hear each other, somebody must lead that group and commit within two seconds, and go on doing so.
//!
//! One world lives through one topology after the other and is healed in between, so that the leaders of the groups lie
//! wherever the last one left them.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use orrery_base::ids::GroupId;
use orrery_event::fact::Role;
use orrery_machine::{Command, Mutation};

use super::bugs::Bugs;
use super::cluster::Cluster;
use super::faults::{Faults, Weights};
use super::leases::hold;
use orrery_sim::faults::LinkFaults;
use orrery_sim::runtime::{SplitMix, TaskGroup};

/// Within this time a leader must work, microseconds.
const WORKS_US_MAX: u64 = 2_000_000;
/// For so long the links stay cut afterwards, microseconds.
const WATCH_US: u64 = 2_000_000;
/// Longest time without a leader then: one that hands over costs a short while.
const GAP_US_MAX: u64 = 1_500_000;
/// Within this time every group serves again, once all links work.
const HEALED_US_MAX: u64 = 10_000_000;
/// How long one try to commit may take while links are cut: this part of a request's time.
const TRY_PART: u32 = 12;

/// Which directions work, by bit: `from * nodes + to`, both counted from 0.
pub type Topology = u64;

/// The bit of one direction.
pub fn way(nodes: u32, from: u32, to: u32) -> Topology {
    1 << (from * nodes + to)
}

/// Every pair that differs.
fn pairs(nodes: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..nodes).flat_map(move |from| (0..nodes).filter(move |to| *to != from).map(move |to| (from, to)))
}

/// All undirected graphs, up to symmetries that leave node 0, the leader, where it is.
pub fn undirected(nodes: u32) -> Vec<Topology> {
    let links: Vec<(u32, u32)> = pairs(nodes).filter(|(a, b)| a < b).collect();
    let all = (0u64..1 << links.len()).map(|chosen| {
        links
            .iter()
            .enumerate()
            .filter(|(at, _)| chosen & (1 << at) != 0)
            .fold(0, |graph, (_, (a, b))| graph | way(nodes, *a, *b) | way(nodes, *b, *a))
    });
    unlike(nodes, all)
}

/// All directed graphs, up to symmetries that leave node 0 where it is.
pub fn directed(nodes: u32) -> Vec<Topology> {
    let ways: Vec<Topology> = pairs(nodes).map(|(from, to)| way(nodes, from, to)).collect();
    let all = (0u64..1 << ways.len()).map(|chosen| chosen_of(&ways, chosen));
    unlike(nodes, all)
}

/// Some directed graphs in which a majority hears each other: most of the others have nothing that must work.
pub fn sampled(nodes: u32, count: usize, seed: u64) -> Vec<Topology> {
    let ways: Vec<Topology> = pairs(nodes).map(|(from, to)| way(nodes, from, to)).collect();
    let mut rng = SplitMix::new(seed, 0x0070_9010);
    let mut found = BTreeSet::new();
    while found.len() < count {
        let graph = chosen_of(&ways, rng.range(0..1 << ways.len()));
        if has_majority(nodes, graph, &(0..nodes).collect::<Vec<_>>()) {
            found.insert(graph);
        }
    }
    found.into_iter().collect()
}

fn chosen_of(ways: &[Topology], chosen: u64) -> Topology {
    ways.iter().enumerate().filter(|(at, _)| chosen & (1 << at) != 0).fold(0, |graph, (_, way)| graph | way)
}

/// One of each kind.
pub fn unlike(nodes: u32, graphs: impl Iterator<Item = Topology>) -> Vec<Topology> {
    let others: Vec<u32> = (1..nodes).collect();
    let orders: Vec<Vec<u32>> = orders(&others).into_iter().map(|order| [vec![0], order].concat()).collect();
    let least =
        |graph: Topology| orders.iter().map(|order| renamed(nodes, graph, order)).min().unwrap_or(graph);
    graphs.map(least).collect::<BTreeSet<_>>().into_iter().collect()
}

/// All orders of these.
fn orders(items: &[u32]) -> Vec<Vec<u32>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in items.iter().enumerate() {
        let rest = [&items[..at], &items[at + 1..]].concat();
        all.extend(orders(&rest).into_iter().map(|order| [vec![*first], order].concat()));
    }
    all
}

/// The same graph with node `n` called `names[n]`.
fn renamed(nodes: u32, graph: Topology, names: &[u32]) -> Topology {
    pairs(nodes)
        .filter(|(from, to)| graph & way(nodes, *from, *to) != 0)
        .fold(0, |new, (from, to)| new | way(nodes, names[from as usize], names[to as usize]))
}

/// Whether more than half of these voters hear each other in both directions.
fn has_majority(nodes: u32, graph: Topology, voters: &[u32]) -> bool {
    let hear = |a: u32, b: u32| graph & way(nodes, a, b) != 0 && graph & way(nodes, b, a) != 0;
    (0u32..1 << voters.len()).filter(|set| set.count_ones() as usize * 2 > voters.len()).any(|set| {
        let inside: Vec<u32> =
            voters.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0).map(|(_, node)| *node).collect();
        inside.iter().enumerate().all(|(at, a)| inside[at + 1..].iter().all(|b| hear(*a, *b)))
    })
}

#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Groups that had to work, over all topologies.
    pub due: u64,
    /// The longest time until one worked, microseconds.
    pub slowest_us: u64,
    /// What did not hold.
    pub failures: Vec<String>,
}

/// Lives through these topologies, one after the other.
pub fn run(nodes: u32, seed: u64, topologies: &[Topology]) -> Outcome {
    let cluster = Cluster::new(seed, calm(nodes), Bugs::default(), false);
    let lived = catch_unwind(AssertUnwindSafe(|| cluster.sim.block_on(live(&cluster, nodes, topologies))));
    let mut outcome =
        lived.unwrap_or_else(|_| Outcome { failures: vec!["a panic".to_owned()], ..Outcome::default() });
    outcome.failures.extend(cluster.checks.failure());
    cluster.end();
    outcome
}

/// Nothing happens but what the topology says.
pub(super) fn calm(nodes: u32) -> Faults {
    let faults = Faults::of_seed(1);
    Faults {
        nodes,
        spares: 0,
        shards: 2,
        down_after_s: 0,
        snapshot_entries: 100_000,
        links: LinkFaults {
            delay_us: 100..2_000,
            slow_per_mille: 0,
            slow_us: 0..1,
            loss_per_mille: 0,
            duplicate_per_mille: 0,
        },
        weights: Weights { join: 0, leave: 0, ..faults.weights.clone() },
        ..faults
    }
}

async fn live(cluster: &Arc<Cluster>, nodes: u32, topologies: &[Topology]) -> Outcome {
    let mut outcome = Outcome::default();
    for node in cluster.nodes() {
        cluster.start(node);
    }
    for graph in topologies {
        if let Err(why) = all_serve(cluster).await {
            outcome.failures.push(why);
            return outcome;
        }
        endure(cluster, nodes, *graph, &mut outcome).await;
        cluster.network.heal();
        if cluster.checks.failure().is_some() {
            return outcome;
        }
    }
    outcome
}

/// One topology. The control group's leader takes the place of node 0.
async fn endure(cluster: &Arc<Cluster>, nodes: u32, graph: Topology, outcome: &mut Outcome) {
    let leader = leader_of(cluster, GroupId::CONTROL).unwrap_or(1);
    // Node `n` of the graph is this one.
    let place = |node: u32| match node {
        0 => leader,
        node if node < leader => node,
        node => node + 1,
    };
    let names: Vec<u32> = (0..nodes).map(|node| place(node) - 1).collect();
    let graph = renamed(nodes, graph, &names);
    let due: Vec<GroupId> = voters(cluster)
        .into_iter()
        .filter(|(_, voters)| has_majority(nodes, graph, voters))
        .map(|(group, _)| group)
        .collect();
    for (from, to) in pairs(nodes).filter(|(from, to)| graph & way(nodes, *from, *to) == 0) {
        cluster.network.cut(from + 1, to + 1);
    }
    let cut_us = cluster.sim.now_us();
    let end_us = cut_us + WORKS_US_MAX + WATCH_US;
    let watches: Vec<_> = due
        .iter()
        .map(|group| {
            let (cluster, group) = (cluster.clone(), *group);
            let world = cluster.clone();
            world
                .sim
                .spawn_in(orrery_sim::runtime::WORLD, async move { watch(&cluster, group, end_us).await })
        })
        .collect();
    for (group, watched) in due.iter().zip(watches) {
        // A task of the world is never killed.
        let Ok(worked_us) = watched.await else { continue };
        outcome.due += 1;
        let mut last_us = cut_us;
        let mut allowed_us = WORKS_US_MAX;
        outcome.slowest_us = outcome.slowest_us.max(worked_us.first().map_or(0, |first| first - cut_us));
        for worked_us in worked_us.into_iter().chain([end_us]) {
            if worked_us - last_us > allowed_us {
                outcome.failures.push(format!(
                    "links {}, leader node{leader}: nobody works in group {group} for {} ms, {} ms after the cut",
                    described(nodes, graph),
                    (worked_us - last_us) / 1_000,
                    (last_us - cut_us) / 1_000,
                ));
                break;
            }
            last_us = worked_us;
            allowed_us = GAP_US_MAX;
        }
    }
}

/// When somebody committed something in a group, until that moment.
async fn watch(cluster: &Arc<Cluster>, group: GroupId, end_us: u64) -> Vec<u64> {
    let mut worked_us = Vec::new();
    while cluster.sim.now_us() < end_us && cluster.checks.failure().is_none() {
        // Who does not lead would only ask who does.
        let leads = |node: &TaskGroup| {
            let engine = cluster.network.engine(*node);
            let leaderships = engine.map(|engine| engine.leaderships()).unwrap_or_default();
            leaderships.iter().any(|leadership| leadership.group == group && leadership.leads_here)
        };
        let tries: Vec<_> = cluster
            .nodes()
            .into_iter()
            .filter(leads)
            .map(|node| commits(cluster, node, group, TRY_PART))
            .collect();
        if futures_util::future::join_all(tries).await.contains(&true) {
            worked_us.push(cluster.sim.now_us().min(end_us));
        }
        cluster.sleep_us(100_000).await;
    }
    worked_us
}

/// Whether that node, should it lead, commits something.
async fn commits(cluster: &Arc<Cluster>, node: TaskGroup, group: GroupId, part: u32) -> bool {
    let Some(engine) = cluster.network.engine(node) else { return false };
    let command = Command { key: None, mutation: Mutation::AdvanceClock { to_ms: 0 } };
    let within = engine.config().request_timeout / part;
    let task =
        cluster.sim.spawn_in(node, async move { engine.propose(group, command, within).await.is_ok() });
    task.await.unwrap_or(false)
}

/// All groups are served at all nodes.
pub(super) async fn all_serve(cluster: &Arc<Cluster>) -> Result<(), String> {
    let deadline_us = cluster.sim.now_us() + HEALED_US_MAX * 2;
    for node in cluster.nodes() {
        for group in cluster.groups() {
            // Over long links a commit takes four ways.
            while !commits(cluster, node, group, 1).await {
                if cluster.sim.now_us() > deadline_us {
                    return Err(format!("node{node} does not serve group {group} although all links work"));
                }
                cluster.sleep_us(50_000).await;
            }
        }
    }
    Ok(())
}

/// The links between the control group's leader and a follower are cut in these directions: to the leader, from it. How long the
/// follower's requests take then, one after the other, microseconds. The third node reaches both.
pub fn forwards(seed: u64, to_leader: bool, from_leader: bool) -> Result<Vec<u64>, String> {
    let cluster = Cluster::new(seed, calm(3), Bugs::default(), false);
    let took = cluster.sim.block_on(async {
        for node in cluster.nodes() {
            cluster.start(node);
        }
        all_serve(&cluster).await?;
        let leader = leader_of(&cluster, GroupId::CONTROL).ok_or("nobody leads")?;
        let follower = leader % 3 + 1;
        if to_leader {
            cluster.network.cut(follower, leader);
        }
        if from_leader {
            cluster.network.cut(leader, follower);
        }
        let mut took_us = Vec::new();
        for _ in 0..20 {
            let from_us = cluster.sim.now_us();
            hold(&cluster, follower, 60_000).await?;
            took_us.push(cluster.sim.now_us() - from_us);
            cluster.sleep_us(500_000).await;
        }
        cluster.checks.failure().map_or(Ok(took_us), Err)
    });
    cluster.end();
    took
}

/// The voters of each group, counted from 0.
fn voters(cluster: &Arc<Cluster>) -> BTreeMap<GroupId, Vec<u32>> {
    let map = cluster.network.engine(1).map(|engine| engine.shard_map()).unwrap_or_default();
    let number = |name: &str| name.trim_start_matches("node").parse::<u32>().ok()?.checked_sub(1);
    let of = |group: GroupId| match map.shard(group) {
        Some(shard) => shard.replicas.iter().filter_map(|member| number(&member.name)).collect(),
        None => cluster.nodes().into_iter().map(|node| node - 1).collect(),
    };
    cluster.groups().into_iter().map(|group| (group, of(group))).collect()
}

pub(super) fn leader_of(cluster: &Arc<Cluster>, group: GroupId) -> Option<TaskGroup> {
    let leads = |node: &TaskGroup| {
        let status = cluster.network.engine(*node).map(|engine| engine.status());
        status
            .is_some_and(|status| status.groups.iter().any(|of| of.group == group && of.role == Role::Leader))
    };
    cluster.nodes().into_iter().find(leads)
}

/// `1-2 3>1`: both ways, one way.
fn described(nodes: u32, graph: Topology) -> String {
    let has = |from, to| graph & way(nodes, from, to) != 0;
    let words =
        pairs(nodes).filter(|(from, to)| has(*from, *to)).filter_map(|(from, to)| match has(to, from) {
            true => (from < to).then(|| format!("{}-{}", from + 1, to + 1)),
            false => Some(format!("{}>{}", from + 1, to + 1)),
        });
    words.collect::<Vec<_>>().join(" ")
}
