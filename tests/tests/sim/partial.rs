//! Partial networks.

use orrery_tests::sim::partial::{Topology, directed, forwards, run, sampled, undirected, unlike, way};

/// A debug build is slower on purpose and tries fewer.
const SAMPLED: usize = if cfg!(debug_assertions) { 15 } else { 300 };
const EVERY: usize = if cfg!(debug_assertions) { 6 } else { 1 };

fn holds(nodes: u32, seed: u64, topologies: &[Topology]) {
    let outcome = run(nodes, seed, topologies);
    println!(
        "{nodes} nodes, {} topologies: a leader had to work {} times, the slowest after {} ms",
        topologies.len(),
        outcome.due,
        outcome.slowest_us / 1_000
    );
    assert!(outcome.failures.is_empty(), "{} of them: {:#?}", outcome.failures.len(), outcome.failures);
    assert!(outcome.due > 0);
}

#[test]
fn a_connected_majority_of_three_elects() {
    holds(3, 1, &directed(3));
}

#[test]
fn a_connected_majority_of_five_elects() {
    // openraft issue 2080: the leader reaches only a bridge, the bridge and two others reach each other.
    let bridge = [(0, 1), (1, 2), (1, 3), (2, 3)];
    let bridge = bridge.iter().fold(0, |graph, (a, b)| graph | way(5, *a, *b) | way(5, *b, *a));
    holds(5, 1, &[bridge; 3]);
    let all = undirected(5);
    assert!(all.contains(&unlike(5, [bridge].into_iter())[0]));
    holds(5, 2, &all.into_iter().step_by(EVERY).collect::<Vec<_>>());
}

#[test]
fn a_connected_majority_elects_beside_links_of_one_direction() {
    holds(5, 3, &sampled(5, SAMPLED, 1));
}

#[test]
fn a_follower_that_does_not_reach_the_leader_forwards_through_one_that_does() {
    for (to_leader, from_leader) in [(true, true), (true, false), (false, true)] {
        for seed in 1..=3 {
            let mut took_us = forwards(seed, to_leader, from_leader).expect("each is answered");
            took_us.sort_unstable();
            let (half, worst) = (took_us[took_us.len() / 2], took_us[took_us.len() - 1]);
            println!("cut to {to_leader}, from {from_leader}: half {half} us, worst {worst} us");
            // A request that disappears without a word is given a part of its time; and that is remembered for a while.
            assert!(half < 100_000 && worst < 2_500_000, "{took_us:?}");
        }
    }
}

#[test]
fn graphs_are_counted_once() {
    // Rooted graphs, as far as they are known by number.
    assert_eq!((undirected(3).len(), undirected(4).len(), undirected(5).len()), (6, 20, 90));
    assert_eq!(directed(2).len(), 4);
}
