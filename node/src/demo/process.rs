//! Starting, signalling and watching one process.

use std::fs::File;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result};
use orrery_event::fact::LEFT_CLUSTER;
use smol_str::{SmolStr, format_smolstr};
use tokio::process::{Child, Command};

use crate::host::LEFT_CODE;
use crate::settings;

/// What can be sent to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Go on (SIGCONT).
    Continue,
    /// Stop (SIGSTOP).
    Stop,
    /// End yourself (SIGTERM).
    Terminate,
    /// Be ended (SIGKILL).
    Kill,
}

/// Whether this platform can stop and continue processes.
pub const CAN_PAUSE: bool = cfg!(unix);

/// Sends a signal. A process that is gone is no error.
#[cfg(unix)]
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    use rustix::io::Errno;
    use rustix::process::{Pid, Signal as Unix, kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no such process id")?;
    let signal = match signal {
        Signal::Continue => Unix::CONT,
        Signal::Stop => Unix::STOP,
        Signal::Terminate => Unix::TERM,
        Signal::Kill => Unix::KILL,
    };
    match kill_process(pid, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error).context("the process cannot be signalled"),
    }
}

/// Where there are no signals, a process can only be ended.
#[cfg(not(unix))]
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    use sysinfo::{Pid, ProcessesToUpdate, System};
    if matches!(signal, Signal::Terminate | Signal::Kill) {
        let pid = Pid::from_u32(pid);
        let mut system = System::new();
        system.refresh_processes(ProcessesToUpdate::Some(&[pid]), true);
        if let Some(process) = system.process(pid) {
            process.kill();
        }
    }
    Ok(())
}

/// Starts a program in a process group of its own (Ctrl-C in a terminal reaches only the supervisor). Its standard input
/// is a pipe that the supervisor holds: when the supervisor goes, however it goes, the pipe ends and the child with it.
/// Of the variables that `orrery` reads it gets only the given ones: settings of another node must not reach it.
pub fn start(
    program: &Path,
    arguments: &[String],
    environment: &[(&str, String)],
    log: &Path,
) -> Result<Child> {
    let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(output.try_clone()?)
        .stderr(output)
        .kill_on_drop(true);
    for name in settings::variables() {
        command.env_remove(name);
    }
    for (name, value) in environment {
        command.env(name, value);
    }
    #[cfg(unix)]
    command.process_group(0);
    command.spawn().with_context(|| format!("cannot start {}", program.display()))
}

/// How a process ended, in words.
pub fn cause(status: ExitStatus) -> SmolStr {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        match status.signal() {
            Some(9) => return "killed".into(),
            Some(signal) => return format_smolstr!("ended by signal {signal}"),
            None => {}
        }
    }
    match status.code() {
        Some(0) => "stopped".into(),
        Some(LEFT_CODE) => LEFT_CLUSTER.into(),
        Some(code) => format_smolstr!("exited with code {code}"),
        None => "ended".into(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn an_end_is_told_by_its_cause() {
        for (raw, told) in [
            (0, "stopped"),
            (LEFT_CODE << 8, LEFT_CLUSTER),
            (70 << 8, "exited with code 70"),
            (9, "killed"),
            (11, "ended by signal 11"),
        ] {
            assert_eq!(cause(ExitStatus::from_raw(raw)), told);
        }
    }
}
