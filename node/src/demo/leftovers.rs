//! Processes that an earlier supervisor left behind: it was killed, and a node did not notice the end of its standard
//! input, because it hangs, or is stopped on a system that does not wake it then.
//!
//! A process is ended only when its id, its start time and its data folder are all the recorded ones: an id that the
//! system gave to another program since is never touched.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};
use tokio::time::{Instant, sleep};

use super::folder::Folder;
use super::process::{self, Signal};

const RECORD: &str = "processes.json";

/// How long an old process may take to end by itself.
const END_MAX: Duration = Duration::from_secs(3);

/// One process that was started from a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    pub pid: u32,
    /// When it started, seconds since the Unix epoch, as the system says.
    pub start_time: u64,
    /// Its `--data`.
    pub data: PathBuf,
}

impl Started {
    /// What a process that runs now is recorded as.
    pub fn of(pid: u32, data: PathBuf) -> Option<Started> {
        let start_time = look(pid)?.start_time;
        Some(Started { pid, start_time, data })
    }

    /// Whether exactly this process still runs.
    pub(super) fn is_there(&self) -> bool {
        look(self.pid).is_some_and(|seen| {
            seen.start_time == self.start_time
                && seen.arguments.iter().any(|argument| argument == self.data.as_os_str())
        })
    }
}

/// What the system says of a process.
struct Seen {
    start_time: u64,
    arguments: Vec<std::ffi::OsString>,
}

fn look(pid: u32) -> Option<Seen> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    let what = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, what);
    let process = system.process(pid)?;
    Some(Seen { start_time: process.start_time(), arguments: process.cmd().to_vec() })
}

/// Replaces the record of what runs.
pub fn record(folder: &Folder, running: &[Started]) -> Result<()> {
    let path = folder.file(RECORD);
    let new = folder.file("processes.json.new");
    fs::write(&new, serde_json::to_vec_pretty(running)?)?;
    fs::rename(&new, &path)?;
    Ok(())
}

/// Ends what an earlier supervisor left behind; says what it did.
pub async fn clean(folder: &Folder) -> Result<Vec<String>> {
    let recorded: Vec<Started> = match fs::read(folder.file(RECORD)) {
        // A record that cannot be read matches nothing.
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let mut said = Vec::new();
    for old in recorded {
        if !old.is_there() {
            continue;
        }
        for signal in [Signal::Continue, Signal::Terminate] {
            process::signal(old.pid, signal)?;
        }
        let deadline = Instant::now() + END_MAX;
        while old.is_there() && Instant::now() < deadline {
            sleep(Duration::from_millis(20)).await;
        }
        if old.is_there() {
            process::signal(old.pid, Signal::Kill)?;
        }
        said.push(format!("ended process {} of an earlier demo", old.pid));
    }
    record(folder, &[])?;
    Ok(said)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_an_exact_match_is_the_recorded_process() {
        let program = std::env::args_os().next().unwrap();
        let own = Started::of(std::process::id(), program.into()).unwrap();
        assert!(own.is_there());
        assert!(!Started { start_time: own.start_time + 1, ..own.clone() }.is_there());
        assert!(!Started { data: "/elsewhere".into(), ..own.clone() }.is_there());
        assert!(!Started { pid: u32::MAX - 1, ..own }.is_there());
    }
}
