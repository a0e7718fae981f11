//! Runs a command so that a person always sees that it lives: its output as it comes, and a line of its own when
//! the command is silent for long. Every run has a time limit.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process_tree;
use crate::workspace::shown;

/// Silence after which a line says that the command still runs.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How long output is still read after the command ended: a child of it may keep the pipe open for ever.
const DRAIN: Duration = Duration::from_secs(2);
/// Lines that wait to be printed; a command that writes faster waits for the terminal.
const LINES: usize = 1024;

enum Line {
    Out(String),
    Err(String),
}

/// Runs the command to its end, and gives each line of its standard output to `read`. The standard input is empty.
pub fn stream(mut command: Command, limit: Duration, read: &mut dyn FnMut(&str)) -> Result<ExitStatus> {
    let name = shown(&command);
    println!("$ {name}");
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{name}`"))?;
    let (sender, lines) = sync_channel(LINES);
    forward(child.stdout.take(), sender.clone(), Line::Out);
    forward(child.stderr.take(), sender, Line::Err);

    let mut last_line = Instant::now();
    let mut ended: Option<(ExitStatus, Instant)> = None;
    loop {
        match next(&lines, read) {
            Next::Line => last_line = Instant::now(),
            Next::Closed => break,
            Next::Silence => {}
        }
        if let Some((status, at)) = ended {
            if at.elapsed() > DRAIN {
                return Ok(status);
            }
        } else if let Some(status) = child.try_wait()? {
            ended = Some((status, Instant::now()));
        } else if began.elapsed() > limit {
            process_tree::kill(child.id());
            child.wait()?;
            bail!("`{name}` was stopped: it ran for more than {}", seconds(limit));
        } else if last_line.elapsed() > HEARTBEAT {
            println!("  … {name}: running for {}", seconds(began.elapsed()));
            last_line = Instant::now();
        }
    }
    Ok(child.wait()?)
}

/// Runs the command and fails if it fails.
pub fn run(command: Command, limit: Duration) -> Result<()> {
    let name = shown(&command);
    let status = stream(command, limit, &mut |_| {})?;
    if !status.success() {
        bail!("`{name}` failed ({status})");
    }
    Ok(())
}

/// A duration as people read it: `0.4 s`, `12 s`, `3 min 5 s`.
pub fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        whole @ 10..60 => format!("{whole} s"),
        whole => format!("{} min {} s", whole / 60, whole % 60),
    }
}

enum Next {
    Line,
    Silence,
    Closed,
}

fn next(lines: &Receiver<Line>, read: &mut dyn FnMut(&str)) -> Next {
    match lines.recv_timeout(Duration::from_millis(200)) {
        Ok(Line::Out(line)) => {
            println!("{line}");
            read(&line);
            Next::Line
        }
        Ok(Line::Err(line)) => {
            let _ = std::io::stdout().flush();
            eprintln!("{line}");
            Next::Line
        }
        Err(RecvTimeoutError::Timeout) => Next::Silence,
        Err(RecvTimeoutError::Disconnected) => Next::Closed,
    }
}

fn forward(
    source: Option<impl Read + Send + 'static>,
    lines: SyncSender<Line>,
    kind: impl Fn(String) -> Line + Send + 'static,
) {
    let Some(source) = source else { return };
    thread::spawn(move || {
        let mut source = BufReader::new(source);
        let mut bytes = Vec::new();
        while source.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
            bytes.clear();
            if lines.send(kind(line)).is_err() {
                break;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_readable() {
        assert_eq!(seconds(Duration::from_millis(440)), "0.4 s");
        assert_eq!(seconds(Duration::from_millis(12_900)), "12 s");
        assert_eq!(seconds(Duration::from_secs(185)), "3 min 5 s");
    }

    #[cfg(unix)]
    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[cfg(unix)]
    #[test]
    fn output_is_read_line_by_line_and_the_status_is_told() {
        let mut seen = Vec::new();
        let status = stream(shell("echo one; echo two >&2; echo three; exit 3"), HEARTBEAT, &mut |line| {
            seen.push(line.to_owned());
        })
        .expect("sh runs");
        assert_eq!(seen, ["one", "three"]);
        assert_eq!(status.code(), Some(3));
    }

    #[cfg(unix)]
    #[test]
    fn a_command_over_its_limit_is_stopped_with_its_children() {
        let began = Instant::now();
        let error = run(shell("sleep 600 & wait"), Duration::from_millis(300)).expect_err("over its limit");
        assert!(error.to_string().contains("was stopped"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(60));
    }

    #[cfg(unix)]
    #[test]
    fn a_child_that_keeps_the_pipe_open_does_not_hold_up_the_end() {
        let began = Instant::now();
        run(shell("sleep 30 & exit 0"), HEARTBEAT).expect("the shell itself ended well");
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
