//! `orrery backup`, `orrery restore`, `orrery recover`: what to do before and after a cluster is lost.
//!
//! A backup has each group as a majority confirmed it, all of them within one run; between groups there is no common
//! moment, as there is none in the cluster. A cluster that begins from one gets another id, so nothing of the old one
//! ever meets it.

mod file;
mod restore;
mod take;

#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::Result;
use orrery_base::ids::{GroupId, LogIndex};
use orrery_engine::backup::BackupHead;
use orrery_machine::{Census, Machine};

pub use restore::{recover, restore};
pub use take::run as backup;

/// What a backup has of one group.
struct Saved {
    head: BackupHead,
    census: Census,
}

/// Reads all of a backup, one group in memory at a time, and verifies it.
fn read_all(path: &Path) -> Result<Vec<Saved>> {
    let mut reader = file::Reader::open(path)?;
    let mut groups = Vec::new();
    while let Some((head, machine)) = reader.group()? {
        groups.push(Saved { head, census: machine.census() });
    }
    Ok(groups)
}

fn describe(groups: &[Saved]) {
    if let Some(Saved { head, .. }) = groups.first() {
        let names: Vec<&str> = head.members.iter().map(|member| member.name.as_str()).collect();
        println!("  cluster {}, members {}", head.cluster, names.join(", "));
    }
    for Saved { head, census } in groups {
        println!("  {}", words(head.group, head.index, census));
    }
}

fn line(group: GroupId, index: LogIndex, machine: &Machine) -> String {
    words(group, index, &machine.census())
}

fn words(group: GroupId, index: LogIndex, census: &Census) -> String {
    let Census { locks, waits, sessions, last_token, topics, messages, values } = census;
    if group == GroupId::CONTROL {
        format!(
            "{group}, everything up to entry {index}: locks held: {locks} (last fencing token {last_token}), waits: \
             {waits}, sessions: {sessions}"
        )
    } else {
        format!(
            "{group}, everything up to entry {index}: topics: {topics}, messages: {messages}, cached values: {values}"
        )
    }
}
