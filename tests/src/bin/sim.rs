//! Runs seeds of the deterministic simulation. `cargo xtask sim` calls it.

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Parser;
use orrery_tests::sim::fleet::{describe, first_seed_of, run_all, run_for, today};
use orrery_tests::sim::run::{Options, Report};

/// Runs the cluster on virtual time, under faults that a seed chooses, and checks it after every step.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 200, conflicts_with_all = ["seed", "minutes"])]
    seeds: u64,
    /// Run one seed after the other for so long.
    #[arg(long, conflicts_with = "seed")]
    minutes: Option<u64>,
    /// The first of them: 1, with --minutes the first one of today.
    #[arg(long)]
    from: Option<u64>,
    /// Run only this one, and say what it means.
    #[arg(long)]
    seed: Option<u64>,
    /// The seeds of the cache: other clients.
    #[arg(long)]
    cache: bool,
    /// The same seeds, in the middle of which data folders are set back to earlier copies.
    #[arg(long, conflicts_with = "cache")]
    set_back: bool,
    /// Print every event (with --seed).
    #[arg(long, requires = "seed")]
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let begun = Instant::now();
    let of_seed = match (arguments.cache, arguments.set_back) {
        (true, _) => Options::of_cache_seed,
        (_, true) => Options::of_set_back_seed,
        _ => Options::of_seed,
    };
    let done = Mutex::new(0u64);
    let see = |report: &Report| {
        let mut done = done.lock().expect("nothing panics in here");
        *done += 1;
        if report.failure.is_some() {
            println!("{}\n", describe(report));
        } else if done.is_multiple_of(50) {
            println!("{done} seeds");
        }
        true
    };
    let reports = match (arguments.minutes, arguments.seed) {
        (Some(minutes), _) => {
            let first = arguments.from.unwrap_or_else(|| first_seed_of(today()));
            println!("seeds from {first} on, for {minutes} minutes");
            run_for(Duration::from_secs(minutes * 60), first, of_seed, see)
        }
        (None, Some(seed)) => run_all(&[Options { text: arguments.trace, ..of_seed(seed) }], see),
        (None, None) => {
            let first = arguments.from.unwrap_or(1);
            run_all(&(first..first + arguments.seeds).map(of_seed).collect::<Vec<_>>(), see)
        }
    };
    if arguments.seed.is_some() {
        println!("{:#?}", reports);
    }
    let failed = reports.iter().filter(|report| report.failure.is_some()).count();
    let sum = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    println!(
        "{} seeds in {:.1} s, {failed} failed; {} virtual seconds, {} entries committed, {} outcomes, {} grants, {} polls",
        reports.len(),
        begun.elapsed().as_secs_f64(),
        sum(|report| report.virtual_ms) / 1_000,
        sum(|report| report.committed),
        sum(|report| report.answered),
        sum(|report| report.granted),
        sum(|report| report.polls),
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
