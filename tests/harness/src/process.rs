//! Programs that a test starts: found, logged, and ended together with everything that they started.
//!
//! Invariant: nothing that a test started outlives it, whether it passes, fails or panics.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Lines of a log that are shown when a test fails.
const LOG_LINES_SHOWN: usize = 80;
/// How long a program may take to end after it was asked to.
const POLITE_END: Duration = Duration::from_secs(5);
/// Between two looks at a state that is waited for.
pub const POLL: Duration = Duration::from_millis(25);

/// The folder that cargo builds into, of which the running test program is a part.
pub fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("where the test program is")?;
    let found = program
        .ancestors()
        .skip(1)
        .find(|folder| folder.parent().is_some_and(|parent| parent.join("CACHEDIR.TAG").exists()));
    match found.and_then(Path::parent) {
        Some(target) => Ok(target.to_owned()),
        None => bail!("{} is not in a folder that cargo built into", program.display()),
    }
}

/// The `orrery` binary that the tests run: `ORRERY_BIN`, otherwise the one that `cargo xtask test` built.
pub fn orrery_binary() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("ORRERY_BIN") {
        let path = PathBuf::from(given);
        if !path.is_file() {
            bail!("ORRERY_BIN names {}, which is no file", path.display());
        }
        return Ok(path);
    }
    let path = target_folder()?.join("demo").join(format!("orrery{}", std::env::consts::EXE_SUFFIX));
    if !path.is_file() {
        bail!("{} is missing: run `cargo xtask test node`, or name a binary in ORRERY_BIN", path.display());
    }
    Ok(path)
}

/// A folder of one test below `target/test-runs`. It is removed at the end, except when the test panics or
/// [`Folder::keep`] was called.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    /// A new, empty one. `name` is only for people who look for it.
    pub fn new(name: &str) -> Result<Folder> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("{name}-{}-{number}", std::process::id());
        let path = target_folder()?.join("test-runs").join(folder);
        if path.exists() {
            // an earlier run of a process of the same id
            fs::remove_dir_all(&path).with_context(|| format!("empty {}", path.display()))?;
        }
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Folder { path, keep: false })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leave it for whoever looks for the cause of a failure.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.keep || std::thread::panicking() {
            eprintln!("kept: {}", self.path.display());
        } else {
            // what cannot be removed is only in the way of nobody: it is below target/
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The first of `count` consecutive free ports on 127.0.0.1. The range is below the one from which the system takes
/// ports for outgoing connections, and two test programs search in different places.
pub fn free_ports(count: u16) -> Result<u16> {
    const FIRST: u16 = 18_000;
    const LAST: u16 = 31_000;
    const TRIES: u16 = 400;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let spread = (std::process::id() % 613) as u16 * 20;
    for _ in 0..TRIES {
        let step = NEXT.fetch_add(count.max(1), Ordering::Relaxed);
        let first = FIRST + spread.wrapping_add(step) % (LAST - FIRST - count);
        // held together, so that no port is counted twice
        let held: Vec<_> =
            (first..first + count).map_while(|port| TcpListener::bind(("127.0.0.1", port)).ok()).collect();
        if held.len() == usize::from(count) {
            return Ok(first);
        }
    }
    bail!("no {count} consecutive free ports between {FIRST} and {LAST}")
}

/// A running program whose output goes into a file. Dropping it ends it and all its descendants, paused ones too.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `program` with the given arguments and environment; standard output and error go to
    /// `folder/<name>.log`.
    pub fn start<I>(
        name: &str,
        program: &Path,
        arguments: I,
        environment: &[(&str, &str)],
        folder: &Path,
    ) -> Result<Running>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let log = folder.join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("open {}", log.display()))?;
        let mut command = Command::new(program);
        command.args(arguments).envs(environment.iter().copied());
        // the piped end stays open as long as we live: programs that watch it end with us
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().with_context(|| format!("start {}", program.display()))?;
        Ok(Running { name: name.to_owned(), child, log })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has printed.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The end of what it printed, for a failure's report.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
        format!(
            "--- {} (pid {}), last {} lines of {}\n{}",
            self.name,
            self.pid(),
            shown.len(),
            self.log.display(),
            shown.join("\n")
        )
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("look after {}", self.name))
    }

    /// SIGKILL, to it alone.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("kill {}", self.name))?;
        self.child.wait().map(drop).with_context(|| format!("wait for {}", self.name))
    }

    /// SIGSTOP: it stands still, and its connections stay open.
    pub fn pause(&self) -> Result<()> {
        signal::stop(self.child.id()).with_context(|| format!("pause {}", self.name))
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<()> {
        signal::go_on(self.child.id()).with_context(|| format!("resume {}", self.name))
    }

    /// SIGTERM (what a service manager asks for), and the exit status.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        signal::terminate(&mut self.child);
        self.asked_to_end()
    }

    /// SIGINT (what Ctrl-C asks for), and the exit status.
    pub fn interrupt(&mut self) -> Result<ExitStatus> {
        signal::interrupt(self.child.id()).with_context(|| format!("interrupt {}", self.name))?;
        self.asked_to_end()
    }

    fn asked_to_end(&mut self) -> Result<ExitStatus> {
        match self.wait_ended(POLITE_END)? {
            Some(status) => Ok(status),
            None => bail!("{} did not end within {POLITE_END:?} of being asked to", self.name),
        }
    }

    /// Everything that it started, and what those started.
    pub fn descendants(&self) -> Vec<u32> {
        descendants(self.pid())
    }

    fn wait_ended(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
        let below = self.descendants();
        if matches!(self.ended(), Ok(None)) {
            signal::terminate(&mut self.child);
            if !matches!(self.wait_ended(POLITE_END), Ok(Some(_))) {
                eprintln!("{} did not end when it was asked to: killed", self.name);
                let _ = self.kill();
            }
        }
        // whoever is still there although its parent is gone
        for &pid in &below {
            signal::kill(pid);
        }
        // a port or a data folder is free only when its owner is gone
        let deadline = Instant::now() + POLITE_END;
        while below.iter().any(|&pid| alive(pid)) && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
    }
}

/// Waits for a state: asks until there is an answer. At the deadline the last reason why there is none is the error.
pub async fn until<T, F>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let deadline = tokio::time::Instant::now() + limit;
    let mut last = None;
    loop {
        match tokio::time::timeout_at(deadline, ask()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(reason)) => last = Some(reason),
            // a question that is still open at the deadline says less than the last answer
            Err(_) => {}
        }
        if tokio::time::Instant::now() >= deadline {
            let reason = last.unwrap_or_else(|| anyhow::anyhow!("no answer at all"));
            return Err(reason.context(format!("waited {limit:?} for {what}")));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A process that a test must not leave behind, although nobody is its parent any more.
#[derive(Debug)]
pub struct Orphan(pub u32);

impl Drop for Orphan {
    fn drop(&mut self) {
        signal::kill(self.0);
    }
}

/// Whether a process runs; one that has ended and that nobody has waited for (state Z) does not.
pub fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// All processes below `root`, from `/proc`; empty where there is none.
fn descendants(root: u32) -> Vec<u32> {
    let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
    let pairs: Vec<(u32, u32)> = folder
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| {
            // "pid (name) state parent …"; the name may hold anything
            let pid = stat.split_once(' ')?.0.parse().ok()?;
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut found = Vec::new();
    let mut unread = vec![root];
    while let Some(parent) = unread.pop() {
        for &(pid, of) in &pairs {
            if of == parent && !found.contains(&pid) {
                found.push(pid);
                unread.push(pid);
            }
        }
    }
    found
}

#[cfg(unix)]
mod signal {
    use std::process::Child;

    use rustix::process::{Pid, Signal, kill_process};

    pub(super) fn terminate(child: &mut Child) {
        send(child.id(), Signal::TERM);
    }

    pub(super) fn kill(pid: u32) {
        send(pid, Signal::KILL);
    }

    pub(super) fn interrupt(pid: u32) -> std::io::Result<()> {
        try_send(pid, Signal::INT)
    }

    pub(super) fn stop(pid: u32) -> std::io::Result<()> {
        try_send(pid, Signal::STOP)
    }

    pub(super) fn go_on(pid: u32) -> std::io::Result<()> {
        try_send(pid, Signal::CONT)
    }

    fn send(pid: u32, signal: Signal) {
        // a process that has ended meanwhile is no reason to complain
        let _ = try_send(pid, signal);
    }

    fn try_send(pid: u32, signal: Signal) -> std::io::Result<()> {
        match i32::try_from(pid).ok().and_then(Pid::from_raw) {
            Some(pid) => Ok(kill_process(pid, signal)?),
            None => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}

#[cfg(not(unix))]
mod signal {
    use std::process::Child;

    pub(super) fn terminate(child: &mut Child) {
        let _ = child.kill();
    }

    pub(super) fn kill(_pid: u32) {}

    pub(super) fn interrupt(_pid: u32) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub(super) fn stop(_pid: u32) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub(super) fn go_on(_pid: u32) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}
