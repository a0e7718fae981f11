//! Long links.

use orrery_sim::faults::LinkFaults;
use orrery_tests::sim::far::{REALISTIC_US, WAN_US, live_far};
use orrery_tests::sim::faults::Faults;
use orrery_tests::sim::fleet::{describe, run_all};
use orrery_tests::sim::run::{Load, Options};

/// A debug build is slower on purpose.
const SEEDS: u64 = if cfg!(debug_assertions) { 6 } else { 60 };

#[test]
fn realistic_lives_with_forty_milliseconds_one_way() {
    for seed in 1..=3 {
        assert_eq!(live_far(seed, REALISTIC_US, false), Ok(0), "seed {seed}");
    }
}

#[test]
fn wan_lives_with_three_hundred_milliseconds_of_round_trip() {
    for seed in 1..=3 {
        assert_eq!(live_far(seed, WAN_US, true), Ok(0), "seed {seed}");
    }
}

#[test]
fn seeds_hold_on_long_links() {
    let far = |options: Options| {
        let faults = match options.load {
            Load::Mixed | Load::SetBack => Faults::of_seed(options.seed),
            Load::Cache => Faults::of_cache_seed(options.seed),
        };
        let links = LinkFaults {
            delay_us: REALISTIC_US / 4..REALISTIC_US,
            slow_per_mille: 0,
            loss_per_mille: faults.links.loss_per_mille / 4,
            ..faults.links.clone()
        };
        Options { faults: Some(Faults { links, ..faults }), ..options }
    };
    let runs: Vec<Options> = (1..=SEEDS)
        .flat_map(|seed| [far(Options::of_seed(seed)), far(Options::of_cache_seed(seed))])
        .collect();
    let reports = run_all(&runs, |report| report.failure.is_none());
    let failed: Vec<String> =
        reports.iter().filter(|report| report.failure.is_some()).map(describe).collect();
    assert!(failed.is_empty(), "on long links: {}", failed.join("\n\n"));
    assert_eq!(reports.len(), runs.len());
}
