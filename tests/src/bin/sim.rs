//! Runs seeds of the deterministic simulation. `cargo xtask sim` calls it.

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use clap::Parser;
use orrery_tests::sim::fleet::{describe, run_all};
use orrery_tests::sim::run::Options;

/// Runs the cluster on virtual time, under faults that a seed chooses, and checks it after every step.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 200, conflicts_with = "seed")]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Run only this one, and say what it means.
    #[arg(long)]
    seed: Option<u64>,
    /// The seeds of the cache: other clients.
    #[arg(long)]
    cache: bool,
    /// Print every event (with --seed).
    #[arg(long, requires = "seed")]
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let begun = Instant::now();
    let of_seed = if arguments.cache { Options::of_cache_seed } else { Options::of_seed };
    let runs: Vec<Options> = match arguments.seed {
        Some(seed) => vec![Options { text: arguments.trace, ..of_seed(seed) }],
        None => (arguments.from..arguments.from + arguments.seeds).map(of_seed).collect(),
    };
    let done = Mutex::new(0usize);
    let reports = run_all(&runs, |report| {
        let mut done = done.lock().expect("nothing panics in here");
        *done += 1;
        if report.failure.is_some() {
            println!("{}\n", describe(report));
        } else if done.is_multiple_of(50) {
            println!("{done} of {} seeds", runs.len());
        }
        true
    });
    if arguments.seed.is_some() {
        println!("{:#?}", reports);
    }
    let failed = reports.iter().filter(|report| report.failure.is_some()).count();
    let sum = |count: fn(&orrery_tests::sim::run::Report) -> u64| reports.iter().map(count).sum::<u64>();
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
