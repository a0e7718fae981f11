//! The tasks that end in a running program: demo, simulation, benchmark, dashboard development.

use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::dashboard;
use crate::exec;
use crate::report::{Outcome, Report};
use crate::setup::{self, system};
use crate::workspace::{Workspace, shown};

/// What is measured and shipped.
const RELEASE: &str = "release";
/// What a demo runs, and what is tested.
pub const DEMO: &str = "demo";
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);
/// How often `cargo xtask web` looks whether something changed.
const LOOKS_EVERY: Duration = Duration::from_secs(1);

/// `cargo xtask setup`: everything, for builds and for tests.
pub fn setup(workspace: &Workspace) -> Result<ExitCode> {
    let mut report = Report::default();
    setup::ensure(workspace, &mut report, &setup::FOR_TESTS)?;
    println!("\n{}", report.table());
    Ok(ExitCode::SUCCESS)
}

/// `cargo xtask dashboard`.
pub fn dashboard(workspace: &Workspace) -> Result<ExitCode> {
    let mut report = Report::default();
    setup::ensure(workspace, &mut report, &setup::FOR_BUILDS)?;
    build_dashboard(workspace, &mut report)?;
    println!("\n{}", report.table());
    Ok(ExitCode::SUCCESS)
}

/// `cargo xtask build`: the dashboard and the release of the node.
pub fn build(workspace: &Workspace) -> Result<ExitCode> {
    println!("\n{}", build_all(workspace, RELEASE)?.table());
    Ok(ExitCode::SUCCESS)
}

/// `cargo xtask demo`.
pub fn demo(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    println!("\n{}\n", build_all(workspace, DEMO)?.table());
    let mut command = workspace.command(workspace.orrery_of(DEMO));
    command.arg("demo").args(arguments);
    become_program(command)
}

/// `cargo xtask bench`.
pub fn bench(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    let mut report = build_all(workspace, RELEASE)?;
    // without its peer the benchmark still measures Orrery, and says that the peer is missing
    report.step("etcd", "cargo xtask bench", system::ensure_etcd);
    println!("\n{}\n", report.table());
    let mut command = workspace.command(workspace.orrery());
    command.arg("bench").args(arguments);
    become_program(command)
}

/// `cargo xtask sim`.
pub fn sim(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    let mut command =
        workspace.cargo(&["run", "--profile", DEMO, "-p", "orrery-tests", "--bin", "sim", "--"]);
    command.args(arguments);
    become_program(command)
}

/// `cargo xtask web`: builds the dashboard at each change, and a debug build of the node serves what was built.
///
/// A debug build reads `web/dist` at each request. A server of another port would be another origin, which the nodes
/// rightly refuse.
pub fn web(workspace: &Workspace) -> Result<ExitCode> {
    let mut report = Report::default();
    setup::ensure(workspace, &mut report, &setup::FOR_BUILDS)?;
    if !report.step("node (debug)", "cargo build -p orrery", || {
        exec::run(workspace.cargo(&["build", "-p", "orrery"]), BUILD_LIMIT)?;
        Ok(Outcome::done(""))
    }) {
        bail!("the node does not build");
    }
    build_dashboard(workspace, &mut report)?;
    let binary = workspace.target.join("debug").join(crate::workspace::executable("orrery"));
    let mut built = dashboard::stamp(workspace)?;
    let mut demo = workspace.command(binary).arg("demo").spawn().context("cannot start the demo")?;
    loop {
        if let Some(status) = demo.try_wait()? {
            return Ok(code(status.code()));
        }
        thread::sleep(LOOKS_EVERY);
        // A file that is being saved may be gone for a moment.
        let Ok(now) = dashboard::stamp(workspace) else { continue };
        if now != built {
            // What does not build is said, and the next change is tried.
            report.step("dashboard", "cargo xtask dashboard", || dashboard::ensure(workspace));
            built = now;
        }
    }
}

/// The node, built with a profile of the workspace, with the dashboard in it.
pub fn build_node(workspace: &Workspace, profile: &str, limit: Duration) -> Result<Outcome> {
    println!("the node: up to ten minutes on two cores the first time");
    exec::run(workspace.cargo(&["build", "--profile", profile, "--locked", "-p", "orrery"]), limit)?;
    let size = std::fs::metadata(workspace.orrery_of(profile)).context("the build left no `orrery`")?.len();
    Ok(Outcome::done(format!("{:.1} MB", size as f64 / 1e6)))
}

fn build_all(workspace: &Workspace, profile: &str) -> Result<Report> {
    let mut report = Report::default();
    setup::ensure(workspace, &mut report, &setup::FOR_BUILDS)?;
    build_dashboard(workspace, &mut report)?;
    if !report.step("node", "cargo xtask build", || build_node(workspace, profile, BUILD_LIMIT)) {
        bail!("the node does not build");
    }
    Ok(report)
}

fn build_dashboard(workspace: &Workspace, report: &mut Report) -> Result<()> {
    if !report.step("dashboard", "cargo xtask dashboard", || dashboard::ensure(workspace)) {
        bail!("the dashboard does not build");
    }
    Ok(())
}

/// Runs the program in xtask's place, so that Ctrl-C and signals reach it and nothing else.
#[cfg(unix)]
fn become_program(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let name = shown(&command);
    Err(command.exec()).with_context(|| format!("cannot start `{name}`"))
}

/// Runs the program to its end; the console gives Ctrl-C to both.
#[cfg(not(unix))]
fn become_program(mut command: Command) -> Result<ExitCode> {
    let name = shown(&command);
    let status = command.status().with_context(|| format!("cannot start `{name}`"))?;
    Ok(code(status.code()))
}

fn code(status: Option<i32>) -> ExitCode {
    status.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
