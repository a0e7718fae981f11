//! Homes and owners that stand still.

use orrery_tests::sim::stalls::{Stalled, stall};

const SEEDS: u64 = if cfg!(debug_assertions) { 2 } else { 20 };

#[test]
fn nothing_is_lost_while_nodes_only_stand_still() {
    let mut all = Stalled::default();
    for seed in 1..=SEEDS {
        let stalled = stall(seed).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert_eq!((stalled.lost, stalled.gone), (0, 0), "seed {seed}: {stalled:?}");
        all.taken += stalled.taken;
        all.offered += stalled.offered;
    }
    println!("{all:?}");
    assert!(all.taken > 60 * SEEDS && all.offered > 5 * SEEDS, "too quiet: {all:?}");
}
