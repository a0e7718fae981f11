//! `cargo xtask`: sets everything up, runs the demo, the checks and the benchmarks.
//!
//! Depends on nothing in the workspace, so that it builds first on a bare machine and explains what is missing.

mod checks;
mod cli;
mod compress;
mod dashboard;
mod deny;
mod exec;
mod launch;
mod notice;
mod one_build;
mod page;
mod paths;
mod process_tree;
mod report;
mod setup;
mod stamp;
mod tidy;
mod wasm;
mod workspace;

use std::process::ExitCode;

use cli::Task;
use report::Outcome;
use workspace::Workspace;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let task = match cli::parse(&arguments) {
        Ok(task) => task,
        Err(message) => {
            eprintln!("{message}\n\n{}", cli::HELP);
            return ExitCode::from(2);
        }
    };
    match run(task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    if task == Task::Help {
        println!("{}", cli::HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let workspace = Workspace::find()?;
    match task {
        Task::Help => Ok(ExitCode::SUCCESS),
        Task::Setup => launch::setup(&workspace),
        Task::Dashboard => launch::dashboard(&workspace),
        Task::Build => launch::build(&workspace),
        Task::Demo(arguments) => launch::demo(&workspace, &arguments),
        Task::Test { only } => checks::run(&workspace, &only),
        Task::Sim(arguments) => launch::sim(&workspace, &arguments),
        Task::Bench(arguments) => launch::bench(&workspace, &arguments),
        Task::Web => launch::web(&workspace),
        Task::Tidy => said(tidy::check(&workspace)),
        Task::Notice => said(notice::write(&workspace)),
        Task::Deny => said(deny::run(&workspace)),
    }
}

/// A task of one step: what it found.
fn said(found: anyhow::Result<Outcome>) -> anyhow::Result<ExitCode> {
    println!("{}", found?.note);
    Ok(ExitCode::SUCCESS)
}
