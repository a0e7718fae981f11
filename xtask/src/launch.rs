//! The tasks that end in a running program: demo, simulation, benchmark, dashboard development.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::dashboard;
use crate::exec;
use crate::process_tree;
use crate::report::{Outcome, Report};
use crate::setup::{self, Tools, system};
use crate::tidy;
use crate::workspace::{Workspace, shown};

const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// `cargo xtask setup`: everything, for builds and for tests.
pub fn setup(workspace: &Workspace) -> Result<ExitCode> {
    let mut report = Report::default();
    setup::for_builds(workspace, &mut report)?;
    setup::for_tests(workspace, &mut report)?;
    println!("\n{}", report.table());
    Ok(ExitCode::SUCCESS)
}

/// `cargo xtask dashboard`.
pub fn dashboard(workspace: &Workspace) -> Result<ExitCode> {
    let mut report = Report::default();
    let tools = setup::for_builds(workspace, &mut report)?;
    build_dashboard(workspace, &tools, &mut report)?;
    println!("\n{}", report.table());
    Ok(ExitCode::SUCCESS)
}

/// `cargo xtask build`: what `demo` builds, without starting it.
pub fn build(workspace: &Workspace) -> Result<ExitCode> {
    println!("\n{}", build_all(workspace)?.table());
    Ok(ExitCode::SUCCESS)
}

/// `cargo xtask demo`.
pub fn demo(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    println!("\n{}\n", build_all(workspace)?.table());
    let mut command = workspace.command(workspace.orrery());
    command.arg("demo").args(arguments);
    become_program(command)
}

/// `cargo xtask bench`.
pub fn bench(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    let mut report = build_all(workspace)?;
    // without its peer the benchmark still measures Orrery, and says that the peer is missing
    report.step("etcd", "cargo xtask bench", system::ensure_etcd);
    println!("\n{}\n", report.table());
    let mut command = workspace.command(workspace.orrery());
    command.arg("bench").args(arguments);
    become_program(command)
}

/// `cargo xtask sim`.
pub fn sim(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    let mut command = workspace.cargo(&["run", "--release", "-p", "orrery-tests", "--bin", "sim", "--"]);
    command.args(arguments);
    become_program(command)
}

/// Looks at the arrows between crates and modules; nothing is built for it.
pub fn tidy(workspace: &Workspace) -> Result<ExitCode> {
    let said = tidy::check(workspace)?;
    println!("{}", said.note);
    Ok(ExitCode::SUCCESS)
}

/// `cargo xtask web`: trunk builds at each change, and a debug build of the node serves what it built.
///
/// A debug build reads `web/dist` at each request. A server of trunk's own would be another origin, which the nodes
/// rightly refuse.
pub fn web(workspace: &Workspace) -> Result<ExitCode> {
    let mut report = Report::default();
    let tools = setup::for_builds(workspace, &mut report)?;
    if !report.step("node (debug)", "cargo build -p orrery", || {
        exec::run(workspace.cargo(&["build", "-p", "orrery"]), BUILD_LIMIT)?;
        Ok(Outcome::done(""))
    }) {
        bail!("the node does not build");
    }
    let mut trunk = workspace.command(tools.trunk());
    trunk.args(["watch", "--offline"]).env("PATH", tools.path()?).env_remove("NO_COLOR");
    let mut trunk = trunk.spawn().context("cannot start trunk")?;
    let binary = workspace.target.join("debug").join(crate::workspace::executable("orrery"));
    let status = workspace.command(binary).arg("demo").status();
    process_tree::kill(trunk.id());
    trunk.wait()?;
    Ok(code(status.context("cannot start the demo")?.code()))
}

/// The release build of the node, with the dashboard in it.
pub fn build_node(workspace: &Workspace, limit: Duration) -> Result<Outcome> {
    exec::run(workspace.cargo(&["build", "--release", "--locked", "-p", "orrery"]), limit)?;
    let size = std::fs::metadata(workspace.orrery()).context("the build left no `orrery`")?.len();
    Ok(Outcome::done(format!("{:.1} MB", size as f64 / 1e6)))
}

fn build_all(workspace: &Workspace) -> Result<Report> {
    let mut report = Report::default();
    let tools = setup::for_builds(workspace, &mut report)?;
    build_dashboard(workspace, &tools, &mut report)?;
    if !report.step("node", "cargo xtask build", || build_node(workspace, BUILD_LIMIT)) {
        bail!("the node does not build");
    }
    Ok(report)
}

fn build_dashboard(workspace: &Workspace, tools: &Tools, report: &mut Report) -> Result<()> {
    if !report.step("dashboard", "cargo xtask dashboard", || dashboard::ensure(workspace, tools)) {
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
