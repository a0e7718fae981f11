//! Histories as text: what a failure prints is what a file of cases holds.
//!
//! One operation a line: `who begun..ended call = answer`, where the end of what was never answered is `?`.
//!
//! | call | answer |
//! | --- | --- |
//! | `read` | `7 v3`, `7 v3 dirty`, `none` |
//! | `write 7`, `delete`, each also with `if 3` | `v4`, `absent v4`, `wrong v4` |
//! | `writeback 7` | `taken v3`, `v4` |

use std::fmt;

use super::{Answer, Call, Op};

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.who.replace(char::is_whitespace, "_");
        match self.ended {
            None => write!(f, "{who} {}..? {}", self.begun, self.call),
            Some((ended, answer)) => write!(f, "{who} {}..{ended} {} = {answer}", self.begun, self.call),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Read => f.write_str("read"),
            Call::WriteBack { value } => write!(f, "writeback {value}"),
            Call::Write { value, if_version } => {
                match value {
                    Some(value) => write!(f, "write {value}")?,
                    None => f.write_str("delete")?,
                }
                if_version.map_or(Ok(()), |version| write!(f, " if {version}"))
            }
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Saw { value: None, .. } => f.write_str("none"),
            Answer::Saw { value: Some(value), version, dirty } => {
                let dirty = if *dirty { " dirty" } else { "" };
                write!(f, "{value} v{}{dirty}", version.unwrap_or_default())
            }
            Answer::Written { version } => write!(f, "v{version}"),
            Answer::Absent { version } => write!(f, "absent v{version}"),
            Answer::Wrong { version } => write!(f, "wrong v{version}"),
            Answer::Taken { version } => write!(f, "taken v{version}"),
        }
    }
}

pub fn parse(line: &str) -> Result<Op, String> {
    let odd = || format!("this is no operation: {line}");
    let words: Vec<&str> = line.split_whitespace().collect();
    let (asked, answered) = match words.iter().position(|word| *word == "=") {
        Some(at) => (&words[..at], Some(&words[at + 1..])),
        None => (&words[..], None),
    };
    let [who, times, call @ ..] = asked else { return Err(odd()) };
    let (begun, ended) = times.split_once("..").ok_or_else(odd)?;
    let begun = begun.parse().map_err(|_| odd())?;
    let call = parse_call(call).ok_or_else(odd)?;
    let ended = match (ended, answered) {
        ("?", None) => None,
        (ended, Some(answer)) => {
            Some((ended.parse().map_err(|_| odd())?, parse_answer(call, answer).ok_or_else(odd)?))
        }
        _ => return Err(odd()),
    };
    Ok(Op { who: (*who).into(), begun, ended, call })
}

fn parse_call(words: &[&str]) -> Option<Call> {
    Some(match words {
        ["read"] => Call::Read,
        ["writeback", value] => Call::WriteBack { value: value.parse().ok()? },
        ["write", value] => Call::Write { value: Some(value.parse().ok()?), if_version: None },
        ["write", value, "if", version] => {
            Call::Write { value: Some(value.parse().ok()?), if_version: Some(version.parse().ok()?) }
        }
        ["delete"] => Call::Write { value: None, if_version: None },
        ["delete", "if", version] => Call::Write { value: None, if_version: Some(version.parse().ok()?) },
        _ => return None,
    })
}

fn parse_answer(call: Call, words: &[&str]) -> Option<Answer> {
    let version = |word: &str| word.strip_prefix('v')?.parse().ok();
    Some(match (call, words) {
        (Call::Read, ["none"]) => Answer::Saw { value: None, version: None, dirty: false },
        (Call::Read, [value, at]) => {
            Answer::Saw { value: Some(value.parse().ok()?), version: Some(version(at)?), dirty: false }
        }
        (Call::Read, [value, at, "dirty"]) => {
            Answer::Saw { value: Some(value.parse().ok()?), version: Some(version(at)?), dirty: true }
        }
        (Call::Write { .. }, ["absent", at]) => Answer::Absent { version: version(at)? },
        (Call::Write { .. }, ["wrong", at]) => Answer::Wrong { version: version(at)? },
        (Call::WriteBack { .. }, ["taken", at]) => Answer::Taken { version: version(at)? },
        (Call::Write { .. } | Call::WriteBack { .. }, [at]) => Answer::Written { version: version(at)? },
        _ => return None,
    })
}
