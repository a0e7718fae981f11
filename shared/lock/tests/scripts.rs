//! Scenarios of the lock manager as text that a person can read: `shared/lock/tests/cases/*.txt`.
//!
//! A block is some commands, `----`, and what came of them; a blank line ends it. Each command is one log entry, from
//! index 1 on. First the reply, then the facts, indented. `ORRERY_REWRITE=1 cargo test -p orrery-lock --test
//! scripts` writes what comes of the commands into the files, to be read before it is committed.
//!
//! ```text
//! acquire RESOURCE CLIENT[/SESSION] X|S [ttl=MS] [nowait|poll[=MS]|queue[=MS]] [key=CLIENT/NUMBER]
//! release RESOURCE HOLDER [token=N]      renew RESOURCE HOLDER [token=N] [ttl=MS]
//! cancel RESOURCE HOLDER [wait=N]        withdraw RESOURCE HOLDER wait=N of=CLIENT/NUMBER
//! clock MS
//! open CLIENT [ttl=MS]                   keep SESSION          close SESSION
//! form NAME=ID...    admit NAME ADDRESS  dismiss NAME          version N
//! place BASE SHARD=ID,ID...
//! status [RESOURCE]  edges  deadline  members  map  snapshot   (no log entries)
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod script;

use std::fs;
use std::path::{Path, PathBuf};

use script::Script;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn scenarios() {
    let rewrite = std::env::var_os("ORRERY_REWRITE").is_some();
    let files = files();
    assert!(files.len() >= 8, "the scenarios are missing");
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let actual = Script::default().run(&text);
        if actual == text {
            continue;
        }
        if rewrite {
            fs::write(&file, &actual).unwrap();
        } else {
            wrong.push(format!("{}\n{}", file.display(), first_difference(&text, &actual)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn first_difference(expected: &str, actual: &str) -> String {
    let (mut left, mut right) = (expected.lines(), actual.lines());
    for number in 1.. {
        match (left.next(), right.next()) {
            (Some(one), Some(other)) if one == other => {}
            (None, None) => break,
            (one, other) => {
                let show = |line: Option<&str>| line.unwrap_or("(nothing)").to_owned();
                return format!("line {number}\n  expected: {}\n  actual:   {}", show(one), show(other));
            }
        }
    }
    "they differ in blank space".into()
}
