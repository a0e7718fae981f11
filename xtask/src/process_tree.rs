//! Ends a process together with everything that it started.
//!
//! cargo runs test programs that start nodes and browsers: ending cargo alone would leave them behind.

use std::process::{Command, Stdio};

/// Ends the process and its descendants, as far as the system lets us see them.
pub fn kill(root: u32) {
    let mut command;
    if cfg!(windows) {
        command = Command::new("taskkill");
        command.args(["/T", "/F", "/PID", &root.to_string()]);
    } else {
        let ids: Vec<String> =
            descendants(root, &parents()).iter().chain([&root]).map(u32::to_string).collect();
        command = Command::new("sh");
        // the shell's own `kill`: a small system has no program of that name
        command.args(["-c", &format!("kill -9 {}", ids.join(" "))]);
    }
    // processes that ended in the meantime are no reason to complain
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Pairs (process, parent) of all processes.
fn parents() -> Vec<(u32, u32)> {
    if let Ok(folder) = std::fs::read_dir("/proc") {
        let pairs: Vec<_> = folder
            .flatten()
            .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
            .filter_map(|stat| from_stat(&stat))
            .collect();
        if !pairs.is_empty() {
            return pairs;
        }
    }
    let Ok(listed) = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output() else {
        return Vec::new();
    };
    String::from_utf8_lossy(&listed.stdout).lines().filter_map(two_numbers).collect()
}

/// `/proc/<pid>/stat`: "pid (name) state ppid …"; the name may hold spaces and parentheses.
fn from_stat(stat: &str) -> Option<(u32, u32)> {
    let pid = stat.split_once(' ')?.0.parse().ok()?;
    let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
    Some((pid, parent))
}

fn two_numbers(line: &str) -> Option<(u32, u32)> {
    let (pid, parent) = line.trim().split_once(char::is_whitespace)?;
    Some((pid.parse().ok()?, parent.trim().parse().ok()?))
}

fn descendants(root: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut found = Vec::new();
    let mut unread = vec![root];
    while let Some(parent) = unread.pop() {
        for &(pid, of) in parents {
            if of == parent && pid != root && !found.contains(&pid) {
                found.push(pid);
                unread.push(pid);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_hold_anything() {
        assert_eq!(from_stat("42 (a) b (c)) S 7 42 42 0 -1"), Some((42, 7)));
        assert_eq!(from_stat("nonsense"), None);
        assert_eq!(two_numbers("   42      7"), Some((42, 7)));
    }

    #[test]
    fn children_of_children_are_found_and_nobody_else() {
        let mut found = descendants(10, &[(1, 0), (10, 1), (11, 10), (12, 11), (13, 12), (20, 1), (21, 20)]);
        found.sort_unstable();
        assert_eq!(found, [11, 12, 13]);
    }

    #[test]
    fn a_listing_with_a_cycle_ends() {
        assert_eq!(descendants(1, &[(1, 2), (2, 1)]), [2]);
    }
}
