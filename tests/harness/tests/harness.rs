//! Programs that a test starts end with it, and the client for their HTTP.
#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use orrery_harness::process::{Folder, POLL, Running, alive, free_ports};

#[test]
fn what_a_program_started_ends_with_it() {
    let folder = Folder::new("process").unwrap();
    let program = Path::new("/bin/sh");
    let script = "sh -c 'trap \"\" TERM; echo child; sleep 600' & wait";
    let mut running = Running::start("stubborn", program, ["-c", script], &[], folder.path()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !running.log().contains("child") {
        assert!(Instant::now() < deadline, "{}", running.log_tail());
        std::thread::sleep(POLL);
    }
    assert!(running.ended().unwrap().is_none());
    let all = running.descendants();
    assert!(!all.is_empty());
    let pid = running.pid();
    drop(running);
    for gone in all.into_iter().chain([pid]) {
        assert!(!alive(gone), "{gone} is still there");
    }
}

#[test]
fn ports_are_free_and_differ() {
    let first = free_ports(6).unwrap();
    let second = free_ports(6).unwrap();
    assert!(first.abs_diff(second) >= 6);
    TcpListener::bind(("127.0.0.1", first + 5)).unwrap();
}
