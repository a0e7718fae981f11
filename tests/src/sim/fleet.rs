//! Many seeds on all cores: each on a thread of its own, because a simulation lives in its thread.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::run::{Load, Options, Report, run};

/// The command that repeats a failing seed.
pub fn repeat_command(load: Load, seed: u64) -> String {
    let cache = if load == Load::Cache { " --cache" } else { "" };
    format!("cargo xtask sim{cache} --seed {seed}")
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
