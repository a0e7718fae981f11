//! The deterministic simulation: 200 seeds hold every check, one seed is one history, and every planted bug is
//! found. `cargo xtask sim --seeds N` runs more seeds, `--seed N` repeats one.

use std::sync::Mutex;
use std::time::Instant;

use orrery_cache::Broken;
use orrery_tests::sim::bugs::Bugs;
use orrery_tests::sim::faults::Faults;
use orrery_tests::sim::fleet::{describe, first_seed_of, run_all, today};
use orrery_tests::sim::run::{Cached, Options, Report, run};

/// The seeds of every build. A debug build is slower on purpose and runs fewer.
const SEEDS: u64 = if cfg!(debug_assertions) { 30 } else { 240 };
/// Beyond them: seeds that once found something.
const FOUND: [u64; 8] = [243, 300, 334, 511, 559, 1861, 1888, 2165];
/// A planted bug must show within the same seeds.
const SEEDS_FOR_BUGS: u64 = 240;

/// The seeds of the cache: other clients under the same faults.
const CACHE_SEEDS: u64 = if cfg!(debug_assertions) { 30 } else { 240 };
/// Beyond them: those that once found something.
const CACHE_FOUND: [u64; 1] = [2_078_700_029];

/// Seeds in the middle of which data folders are set back.
const SET_BACK_SEEDS: u64 = if cfg!(debug_assertions) { 10 } else { 80 };

/// Seeds with links that suffer from everything that a link can suffer from.
const IMPAIRED_SEEDS: u64 = if cfg!(debug_assertions) { 10 } else { 80 };

/// These tests use all cores each: one after the other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn every_seed_holds() {
    let _alone = ONE_AT_A_TIME.lock();
    let begun = Instant::now();
    let runs: Vec<Options> = (1..=SEEDS).chain(FOUND).map(Options::of_seed).collect();
    let reports = run_all(&runs, |report| report.failure.is_none());
    let failed: Vec<String> =
        reports.iter().filter(|report| report.failure.is_some()).map(describe).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert_eq!(reports.len(), runs.len());
    let sum = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    let (committed, granted) = (sum(|report| report.committed), sum(|report| report.granted));
    let (in_shards, written) = (sum(|report| report.committed_in_shards), sum(|report| report.written));
    println!(
        "{SEEDS} seeds, {committed} entries, {granted} grants, {in_shards} entries in shards, {written} writes in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    let (published, delivered) = (sum(|report| report.published), sum(|report| report.delivered.0));
    let redelivered = sum(|report| report.delivered.1);
    println!("{published} messages published, {delivered} deliveries, {redelivered} of them not the first");
    // A simulation in which nothing happens would hold everything.
    assert!(committed > 50 * SEEDS && granted > 5 * SEEDS, "{committed} entries, {granted} grants");
    assert!(in_shards > 40 * SEEDS && written > 4 * SEEDS, "{in_shards} entries in shards, {written} writes");
    assert!(
        published > 5 * SEEDS && delivered > published && redelivered > SEEDS,
        "{published} messages, {delivered} deliveries, {redelivered} not the first"
    );
}

#[test]
fn every_cache_seed_holds() {
    let _alone = ONE_AT_A_TIME.lock();
    let begun = Instant::now();
    let runs: Vec<Options> = (1..=CACHE_SEEDS).chain(CACHE_FOUND).map(Options::of_cache_seed).collect();
    let reports = run_all(&runs, |report| report.failure.is_none());
    let failed: Vec<String> =
        reports.iter().filter(|report| report.failure.is_some()).map(describe).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert_eq!(reports.len(), runs.len());
    let sum = |count: fn(&Cached) -> u64| reports.iter().map(|report| count(&report.cached)).sum::<u64>();
    let (reads, hits, looks) = (sum(|all| all.reads), sum(|all| all.hits), sum(|all| all.looks));
    let (durable, refused) = (sum(|all| all.durable), sum(|all| all.refused));
    let (taken, lost, unknown) = (sum(|all| all.taken), sum(|all| all.lost), sum(|all| all.unknown));
    let (offered, unresolved) = (sum(|all| all.offered), sum(|all| all.unresolved));
    println!(
        "{} seeds of the cache, {reads} reads, {hits} of them told as hits, {durable} durable writes, {taken} others, \
         {refused} refused, {unknown} unknown, {offered} offered late and applied, \
         {lost} lost, {unresolved} unresolved, {looks} looks at all copies in {:.1} s",
        runs.len(),
        begun.elapsed().as_secs_f64()
    );
    assert!(reads > 100 * CACHE_SEEDS && hits > 20 * CACHE_SEEDS, "{reads} reads, {hits} hits");
    assert!(durable > 20 * CACHE_SEEDS && taken > 20 * CACHE_SEEDS, "{durable} durable, {taken} others");
    assert!(refused > CACHE_SEEDS && unknown > CACHE_SEEDS, "{refused} refused, {unknown} unknown");
    assert!(
        offered > 0 && lost > 0 && looks > 100 * CACHE_SEEDS,
        "{offered} offered, {lost} lost, {looks} looks"
    );
}

/// Other seeds each day than those of every build, the same ones for everybody on that day.
#[test]
fn the_seeds_of_today_hold() {
    let _alone = ONE_AT_A_TIME.lock();
    let (day, count) = (today(), SEEDS / 2);
    let first = first_seed_of(day);
    println!("day {day}: seeds {first} to {} of each load", first + count - 1);
    for of_seed in [Options::of_seed, Options::of_cache_seed] {
        let runs: Vec<Options> = (first..first + count).map(of_seed).collect();
        let reports = run_all(&runs, |report| report.failure.is_none());
        let failed: Vec<String> =
            reports.iter().filter(|report| report.failure.is_some()).map(describe).collect();
        assert!(failed.is_empty(), "day {day}: {}", failed.join("\n\n"));
        assert_eq!(reports.len(), runs.len());
    }
}

#[test]
fn every_folder_that_is_set_back_is_noticed() {
    let _alone = ONE_AT_A_TIME.lock();
    let runs: Vec<Options> = (1..=SET_BACK_SEEDS).map(Options::of_set_back_seed).collect();
    let reports = run_all(&runs, |report| report.failure.is_none());
    let failed: Vec<String> =
        reports.iter().filter(|report| report.failure.is_some()).map(describe).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert_eq!(reports.len(), runs.len());
}

#[test]
fn every_seed_with_impaired_links_holds() {
    let _alone = ONE_AT_A_TIME.lock();
    let impaired = |seed| {
        let faults = Some(Faults::of_impaired_seed(seed));
        Options { faults, ..Options::of_seed(seed) }
    };
    let runs: Vec<Options> = (1..=IMPAIRED_SEEDS).map(impaired).collect();
    let reports = run_all(&runs, |report| report.failure.is_none());
    let failed: Vec<String> =
        reports.iter().filter(|report| report.failure.is_some()).map(describe).collect();
    assert!(failed.is_empty(), "with impaired links: {}", failed.join("\n\n"));
    assert_eq!(reports.len(), runs.len());
}

#[test]
fn one_seed_is_one_history() {
    let _alone = ONE_AT_A_TIME.lock();
    let seeds = (1..=4).map(Options::of_seed).chain((1..=3).map(Options::of_cache_seed));
    for options in seeds {
        let (seed, runs) = (options.seed, [options.clone(), options]);
        // On two threads at once, and once more on this one.
        let reports = run_all(&runs, |_| true);
        assert_eq!(reports[0], reports[1], "seed {seed} on two threads");
        assert_eq!(reports[0], run(&runs[0]), "seed {seed} on another thread");
    }
    let hashes = [1, 2].map(|seed| run(&Options::of_seed(seed)).trace_hash);
    assert_ne!(hashes[0], hashes[1], "seeds mean something");
}

/// Runs seeds until one finds the bug; the violation names what it broke.
fn expect_found(bugs: Bugs) -> String {
    expect_found_by(bugs, Options::of_seed)
}

fn expect_found_by(bugs: Bugs, of_seed: fn(u64) -> Options) -> String {
    let _alone = ONE_AT_A_TIME.lock();
    let runs: Vec<Options> = (1..=SEEDS_FOR_BUGS).map(|seed| Options { bugs, ..of_seed(seed) }).collect();
    let reports = run_all(&runs, |report| report.failure.is_none());
    let found = reports.into_iter().find_map(|report| Some((report.seed, report.failure?)));
    let (seed, violation) = found.unwrap_or_else(|| panic!("no seed finds {bugs:?}"));
    let violation = violation.lines().next().unwrap_or_default().to_owned();
    println!("seed {seed} finds {bugs:?}: {violation}");
    violation
}

/// The same for a rule of the cache.
fn expect_found_in_the_cache(cache: Broken) -> String {
    expect_found_by(Bugs { cache, ..Bugs::default() }, Options::of_cache_seed)
}

#[test]
fn a_cache_lease_counted_from_its_receipt_is_found() {
    expect_found_in_the_cache(Broken { lease_from_receipt: true, ..Broken::default() });
}

#[test]
fn a_grant_of_a_home_that_nobody_confirmed_is_found() {
    expect_found_in_the_cache(Broken { grants_unconfirmed: true, ..Broken::default() });
}

#[test]
fn a_write_that_ignores_the_sharers_is_found() {
    expect_found_in_the_cache(Broken { sharers_ignored: true, ..Broken::default() });
}

#[test]
fn a_late_offer_over_a_newer_value_is_found() {
    expect_found_in_the_cache(Broken { late_offer: true, ..Broken::default() });
}

#[test]
fn a_stale_write_back_is_found() {
    expect_found_in_the_cache(Broken { stale_write_back: true, ..Broken::default() });
}

/// The checks look away: the replicas find it, and the one that is wrong serves no more.
#[test]
fn a_state_that_differs_is_found_by_the_replicas() {
    let _alone = ONE_AT_A_TIME.lock();
    let bugs = Bugs { state_differs: true, ..Bugs::default() };
    let runs: Vec<Options> =
        (1..=SEEDS_FOR_BUGS).map(|seed| Options { bugs, ..Options::of_seed(seed) }).collect();
    let found = |report: &Report| {
        let failure = report.failure.as_deref().unwrap_or_default();
        failure.starts_with("node 2 stopped itself: the state of group control")
    };
    let reports = run_all(&runs, |report| !found(report));
    let seed = reports.iter().find(|report| found(report)).map(|report| report.seed);
    println!("seed {} finds it", seed.expect("no seed finds it"));
}

#[test]
fn acknowledging_before_the_sync_is_found() {
    expect_found(Bugs { ack_before_sync: true, ..Bugs::default() });
}

#[test]
fn a_vote_that_is_not_synced_is_found() {
    expect_found(Bugs { vote_not_synced: true, ..Bugs::default() });
}

#[test]
fn a_read_without_read_index_is_found() {
    let violation = expect_found(Bugs { no_read_index: true, ..Bugs::default() });
    assert!(violation.contains("a read at node"), "{violation}");
}

#[test]
fn a_retry_without_its_key_is_found() {
    expect_found(Bugs { no_dedupe: true, ..Bugs::default() });
}

#[test]
fn a_publish_that_is_retried_without_its_key_is_found() {
    expect_found(Bugs { no_queue_dedupe: true, ..Bugs::default() });
}

#[test]
fn a_visibility_counted_from_its_receipt_is_found() {
    let violation = expect_found(Bugs { visibility_from_receipt: true, ..Bugs::default() });
    let wrong = ["while a consumer has", "was called late"];
    assert!(wrong.iter().any(|words| violation.contains(words)), "{violation}");
}

#[test]
fn a_lease_counted_from_its_receipt_is_found() {
    let violation = expect_found(Bugs { lease_from_receipt: true, ..Bugs::default() });
    // Whoever believes in a lease that is over either meets the next holder, or is told that it holds nothing.
    let wrong = ["while", "was answered not_holder, its lease"];
    assert!(wrong.iter().any(|words| violation.contains(words)), "{violation}");
}
