//! Many seeds on all cores: each on a thread of its own, because a simulation lives in its thread.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::run::{Load, Options, Report, run};

/// The command that repeats a failing seed.
pub fn repeat_command(load: Load, seed: u64) -> String {
    let which = match load {
        Load::Mixed => "",
        Load::Cache => " --cache",
        Load::SetBack => " --set-back",
    };
    format!("cargo xtask sim{which} --seed {seed}")
}

/// Runs all of it and reports in the order of `runs`. `see` is told of each when it is done, in any order, and
/// ends everything early when it answers false: runs that were not begun are missing then.
pub fn run_all(runs: &[Options], see: impl Fn(&Report) -> bool + Sync) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let reports: Mutex<Vec<(usize, Report)>> = Mutex::default();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(options) = runs.get(at) else { return };
                    let report = run(options);
                    let go_on = see(&report);
                    reports.lock().expect("no run panics while it reports").push((at, report));
                    if !go_on {
                        next.store(runs.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut reports = reports.into_inner().expect("no run panics while it reports");
    reports.sort_by_key(|(at, _)| *at);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// So many seeds belong to a day. Days begin far above the seeds that every build runs.
pub const SEEDS_OF_A_DAY: u64 = 100_000;

/// The first seed of a day, counted from 1970-01-01 (UTC): CI runs other seeds each day, and everybody the same ones.
pub fn first_seed_of(day: u64) -> u64 {
    day * SEEDS_OF_A_DAY
}

/// Today as such a number.
pub fn today() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() / 86_400
}

/// Runs one seed after the other from `first` on, for so long, and reports in their order. `see` as in [`run_all`].
pub fn run_for(
    time: Duration,
    first: u64,
    of_seed: fn(u64) -> Options,
    see: impl Fn(&Report) -> bool + Sync,
) -> Vec<Report> {
    let begun = Instant::now();
    let mut reports: Vec<Report> = Vec::new();
    while begun.elapsed() < time {
        let from = first + reports.len() as u64;
        let runs: Vec<Options> = (from..from + PORTION).map(of_seed).collect();
        let portion = run_all(&runs, |report| see(report) && begun.elapsed() < time);
        let ended = (portion.len() as u64) < PORTION;
        reports.extend(portion);
        if ended {
            break;
        }
    }
    reports
}

/// Seeds that are handed to the cores at once.
const PORTION: u64 = 256;

/// Several lines about a failed run, the last of which repeats it.
pub fn describe(report: &Report) -> String {
    let failure = report.failure.as_deref().unwrap_or("no violation");
    format!(
        "seed {} failed after {} virtual ms: {failure}\nrepeat it with: {}",
        report.seed,
        report.virtual_ms,
        repeat_command(report.load, report.seed)
    )
}
