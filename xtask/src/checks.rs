//! `cargo xtask test`: every check of the project, in one table.
//!
//! Three builds, and nothing twice: debug for clippy and the unit tests (with overflow checks and debug assertions),
//! `wasm-release` for the dashboard, `demo` for the node that the cluster and the browser tests run and for the
//! simulation: what `cargo xtask demo` runs is what is tested, and built once for both. The release is the same code,
//! optimised across crates, which takes several minutes more.
//!
//! Cargo builds a dependency once more where two commands ask for other features of it. So clippy, the unit tests and the
//! browser tests name the same packages (the tests of the browser only ask a browser, and need no optimisation), and
//! `orrery-tests` asks for nothing that the node does not have: tests/linear and tests/browser are crates of their own.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::dashboard;
use crate::exec;
use crate::launch;
use crate::notice;
use crate::report::{Outcome, Report};
use crate::setup::{self, Part};
use crate::tidy;
use crate::workspace::Workspace;

/// One row of the table.
struct Check {
    name: &'static str,
    run: Run,
    /// An earlier check without which this one cannot run.
    needs: Option<&'static str>,
    limit_minutes: u64,
}

enum Run {
    /// A cargo command that is one check.
    Cargo(&'static [&'static str]),
    /// A cargo command that runs tests, each of which is counted.
    Tests(&'static [&'static str]),
    /// The arrows between crates and modules.
    Tidy,
    /// The list of third parties.
    Notice,
    /// Build the dashboard, which must be free of the node's crates.
    Dashboard,
    /// The size of the dashboard's main module.
    Size,
    /// Build the node with the dashboard in it.
    Node,
}

const CHECKS: [Check; 12] = [
    Check { name: "fmt", run: Run::Cargo(&["fmt", "--all", "--check"]), needs: None, limit_minutes: 5 },
    Check { name: "tidy", run: Run::Tidy, needs: None, limit_minutes: 1 },
    Check { name: "notice", run: Run::Notice, needs: None, limit_minutes: 1 },
    Check {
        name: "clippy",
        run: Run::Cargo(&[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--no-default-features",
            "--features",
            "orrery-web/fixture",
            "--",
            "-D",
            "warnings",
        ]),
        needs: None,
        limit_minutes: 30,
    },
    Check {
        name: "clippy-web",
        run: Run::Cargo(&[
            "clippy",
            "--locked",
            "-p",
            "orrery-web",
            "-p",
            "orrery-sim",
            "--target",
            "wasm32-unknown-unknown",
            "--",
            "-D",
            "warnings",
        ]),
        needs: None,
        limit_minutes: 30,
    },
    Check {
        name: "unit",
        // `--tests` leaves out the examples in comments, of which there are none to be run
        run: Run::Tests(&[
            "test",
            "--locked",
            "--no-fail-fast",
            "--workspace",
            "--exclude",
            "orrery-tests",
            "--no-default-features",
            "--tests",
        ]),
        needs: None,
        limit_minutes: 40,
    },
    Check { name: "dashboard", run: Run::Dashboard, needs: None, limit_minutes: 30 },
    Check { name: "size", run: Run::Size, needs: Some("dashboard"), limit_minutes: 5 },
    Check { name: "node", run: Run::Node, needs: Some("dashboard"), limit_minutes: 30 },
    Check {
        name: "sim",
        run: Run::Tests(&[
            "test",
            "--locked",
            "--no-fail-fast",
            "--profile",
            "demo",
            "-p",
            "orrery-tests",
            "--test",
            "sim",
        ]),
        needs: None,
        limit_minutes: 40,
    },
    Check {
        name: "cluster",
        run: Run::Tests(&[
            "test",
            "--locked",
            "--no-fail-fast",
            "--profile",
            "demo",
            "-p",
            "orrery-tests",
            "--test",
            "cluster",
            "--",
            "--test-threads=1",
        ]),
        needs: Some("node"),
        limit_minutes: 20,
    },
    Check {
        name: "browser",
        run: Run::Tests(&[
            "test",
            "--locked",
            "--no-fail-fast",
            "--workspace",
            "--exclude",
            "orrery-tests",
            "--no-default-features",
            "--test",
            "browser",
            "--",
            "--test-threads=1",
        ]),
        needs: Some("node"),
        limit_minutes: 20,
    },
];

/// Runs the named checks and what they need; all checks if `only` is empty.
pub fn run(workspace: &Workspace, only: &[String]) -> Result<ExitCode> {
    let chosen = choose(only)?;
    let mut report = Report::default();
    setup::ensure(workspace, &mut report, &parts(&chosen))?;
    let mut failed: Vec<&str> = Vec::new();
    for check in chosen {
        let repeat = check.repeat();
        let ok = match check.needs.filter(|needed| failed.contains(needed)) {
            Some(needed) => {
                report.not_run(check.name, &repeat, &format!("{needed} failed"));
                false
            }
            None => report.step(check.name, &repeat, || check.run(workspace)),
        };
        if !ok {
            failed.push(check.name);
        }
    }
    println!("\n{}", report.table());
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The named checks and, before each, what it needs, in the table's order.
fn choose(only: &[String]) -> Result<Vec<&'static Check>> {
    for name in only {
        if !CHECKS.iter().any(|check| check.name == name) {
            let known: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
            bail!("there is no check `{name}`, only: {}", known.join(", "));
        }
    }
    let mut wanted: Vec<&str> = only.iter().map(String::as_str).collect();
    // needs point upwards in the table, so one pass from its end finds them all
    for check in CHECKS.iter().rev() {
        if let Some(needed) = check.needs.filter(|_| wanted.contains(&check.name)) {
            wanted.push(needed);
        }
    }
    Ok(CHECKS.iter().filter(|check| only.is_empty() || wanted.contains(&check.name)).collect())
}

/// What of the set-up these checks need, in its order.
fn parts(checks: &[&Check]) -> Vec<Part> {
    let needed = |part: &Part| checks.iter().any(|check| check.set_up().contains(part));
    setup::FOR_TESTS.into_iter().filter(needed).collect()
}

impl Check {
    fn set_up(&self) -> &'static [Part] {
        match self.name {
            "tidy" | "size" => &[],
            "fmt" => &[Part::Components],
            "clippy" => &[Part::Crates, Part::Components],
            "clippy-web" => &[Part::Wasm, Part::Crates, Part::Components],
            "dashboard" => &[Part::Wasm, Part::Crates],
            "browser" => &[Part::Crates, Part::Browser],
            _ => &[Part::Crates],
        }
    }

    /// The one command that repeats this check.
    fn repeat(&self) -> String {
        match (&self.run, self.needs) {
            (Run::Cargo(arguments) | Run::Tests(arguments), None) => format!("cargo {}", arguments.join(" ")),
            _ => format!("cargo xtask test --only {}", self.name),
        }
    }

    fn run(&self, workspace: &Workspace) -> Result<Outcome> {
        let limit = Duration::from_secs(self.limit_minutes * 60);
        match self.run {
            Run::Cargo(arguments) => {
                exec::run(workspace.cargo(arguments), limit)?;
                Ok(Outcome::done(""))
            }
            Run::Tests(arguments) => {
                let mut command = workspace.cargo(arguments);
                command.env("ORRERY_BIN", workspace.orrery_of(launch::DEMO));
                tests(command, limit)
            }
            Run::Tidy => tidy::check(workspace),
            Run::Notice => notice::check(workspace),
            Run::Dashboard => dashboard::ensure(workspace),
            Run::Size => dashboard::check_size(workspace),
            Run::Node => launch::build_node(workspace, launch::DEMO, limit),
        }
    }
}

fn tests(command: Command, limit: Duration) -> Result<Outcome> {
    let mut total = Counts::default();
    let status = exec::stream(command, limit, &mut |line| {
        if let Some(counts) = Counts::read(line) {
            total.add(&counts);
        }
    })?;
    total.outcome(status.success())
}

/// What the test programs of one command reported.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Counts {
    /// "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s"
    fn read(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
        let count = |word: &str| {
            counts.split(';').find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<usize>().ok())
        };
        Some(Self { passed: count("passed")?, failed: count("failed")?, ignored: count("ignored")? })
    }

    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    /// No test at all is a failure: such a check could never fail.
    fn outcome(&self, success: bool) -> Result<Outcome> {
        if success && self.passed == 0 {
            bail!("no test ran");
        }
        let note = match self.ignored {
            0 => format!("{} tests", self.passed + self.failed),
            ignored => format!("{} tests, {ignored} ignored", self.passed + self.failed),
        };
        let failed = if success { 0 } else { self.failed.max(1) };
        Ok(Outcome { passed: self.passed, failed, note })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str]) -> Vec<&'static str> {
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        choose(&only).expect("known names").iter().map(|check| check.name).collect()
    }

    #[test]
    fn a_check_brings_what_it_needs() {
        assert_eq!(names(&["browser"]), ["dashboard", "node", "browser"]);
        assert_eq!(names(&["sim", "fmt"]), ["fmt", "sim"]);
        assert_eq!(names(&[]).len(), CHECKS.len());
        assert!(choose(&["unknown".to_owned()]).is_err());
    }

    #[test]
    fn a_check_sets_up_only_what_it_needs() {
        let of = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            parts(&choose(&only).expect("known names"))
        };
        assert_eq!(of(&["tidy"]), []);
        assert_eq!(of(&["sim"]), [Part::Crates]);
        assert_eq!(of(&["cluster"]), [Part::Wasm, Part::Crates], "the node has the dashboard in it");
        assert_eq!(of(&[]), setup::FOR_TESTS);
    }

    #[test]
    fn needs_point_upwards_in_the_table() {
        for (index, check) in CHECKS.iter().enumerate() {
            if let Some(needed) = check.needs {
                assert!(CHECKS[..index].iter().any(|earlier| earlier.name == needed), "{}", check.name);
            }
        }
    }

    #[test]
    fn a_failed_check_is_repeated_by_one_command() {
        let repeat = |name: &str| {
            CHECKS.iter().find(|check| check.name == name).map(Check::repeat).expect("a known check")
        };
        assert_eq!(repeat("fmt"), "cargo fmt --all --check");
        assert_eq!(repeat("cluster"), "cargo xtask test --only cluster");
        assert!(repeat("sim").starts_with("cargo test "));
    }

    #[test]
    fn results_of_tests_are_counted() {
        let line =
            "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0s";
        assert_eq!(Counts::read(line), Some(Counts { passed: 3, failed: 2, ignored: 1 }));
        assert_eq!(Counts::read("test fold::works ... ok"), None);
        assert_eq!(Counts::read("test result: odd"), None);
    }

    #[test]
    fn silence_is_not_success() {
        assert!(Counts::default().outcome(true).is_err());
        let compile_error = Counts::default().outcome(false).expect("a result");
        assert_eq!((compile_error.passed, compile_error.failed), (0, 1));
        let good = Counts { passed: 5, failed: 0, ignored: 2 }.outcome(true).expect("a result");
        assert_eq!(good, Outcome { passed: 5, failed: 0, note: "5 tests, 2 ignored".into() });
    }
}
