//! What the command line asks for, from the first line of the log to the end of the process.
//!
//! In the library and not beside `main`: what a future does is compiled where it is waited for, and a program that waits for all of
//! this would be compiled as long as the library.

use anyhow::Result;

use crate::cli::{BenchCommand, Command, worker_threads};
use crate::config::NodeConfig;
use crate::settings::{self, Settings, logging};
use crate::{app, backup, bench, cert, demo};

/// Runs the command of this process to its end.
pub fn run() -> Result<()> {
    let Settings { command, log } = settings::read()?;
    let (filter, not_understood) = logging::filter(log.as_deref());
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    if let Some(sentence) = not_understood {
        tracing::warn!("{sentence}");
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    match &command {
        Command::Node(args) => {
            builder.worker_threads(args.worker_threads());
        }
        Command::Bench(BenchCommand::Bare { .. }) => {
            builder.worker_threads(worker_threads(None));
        }
        Command::Demo(_)
        | Command::Cert(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Recover(_)
        | Command::Bench(_) => {}
    }
    let runtime = builder.enable_all().build()?;
    let result = runtime.block_on(async {
        match command {
            Command::Node(args) => {
                let config = NodeConfig::from_args(*args)?;
                let stop = app::asked_to_stop(config.end_with_stdin);
                app::run(config, stop).await
            }
            Command::Demo(args) => demo::run(args, log).await,
            Command::Backup(args) => backup::backup(args).await,
            Command::Restore(args) => backup::restore(args).await,
            Command::Recover(args) => backup::recover(args).await,
            Command::Cert(args) => cert::run(&args),
            Command::Bench(BenchCommand::Lock(args)) => bench::run_lock(args).await,
            Command::Bench(BenchCommand::Cache(args)) => bench::run_cache(args).await,
            Command::Bench(BenchCommand::Bare { port }) => bench::run_bare(port).await,
            Command::Bench(BenchCommand::Queue(args)) => bench::run_queue(args).await,
            Command::Bench(BenchCommand::Failover(args)) => bench::run_failover(args).await,
        }
    });
    // Tasks that still run delay the end of the process by no more than this.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    result
}
