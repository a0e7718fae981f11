//! The replicated lock table: equal everywhere at the same index, never two who exclude each other, tokens that
//! only grow.

use std::collections::BTreeMap;

use orrery_base::ids::{GroupId, LogIndex};
use orrery_lock::FencingToken;
use orrery_lock::fact::NewHold;
use orrery_lock::view::LockTable;
use orrery_machine::ServiceFact;
use smol_str::SmolStr;

use orrery_sim::runtime::TaskGroup;

type Verdict = Result<(), String>;

/// What is known about the state machines.
#[derive(Default)]
pub struct Service {
    /// The table at an index, and who had it first.
    tables: BTreeMap<LogIndex, (LockTable, TaskGroup)>,
    /// The digest of everything in a group at an index, and who had it first.
    digests: BTreeMap<(GroupId, LogIndex), (u64, TaskGroup)>,
    facts: BTreeMap<(GroupId, LogIndex, u32), ServiceFact>,
    /// Per resource, in the order of grants.
    tokens: BTreeMap<SmolStr, BTreeMap<(LogIndex, u32), FencingToken>>,
}

impl Service {
    /// A node applied up to the table's index.
    pub fn table(&mut self, node: TaskGroup, table: &LockTable) -> Verdict {
        let Some(index) = table.applied else { return Ok(()) };
        if let Some((known, first)) = self.tables.get(&index) {
            if known == table {
                return Ok(());
            }
            return Err(format!(
                "at index {index} node {first} has {known:?}\n  and node {node} has {table:?}"
            ));
        }
        for locked in &table.resources {
            for (at, one) in locked.holders.iter().enumerate() {
                for other in &locked.holders[at + 1..] {
                    if !one.mode.compatible(other.mode) || one.holder == other.holder {
                        return Err(format!("{} is held by {one:?} and by {other:?}", locked.resource));
                    }
                }
            }
        }
        self.tables.insert(index, (table.clone(), node));
        Ok(())
    }

    /// The same for everything in a group's state (in the control group also remembered replies and the record).
    pub fn digest(&mut self, node: TaskGroup, group: GroupId, index: LogIndex, digest: u64) -> Verdict {
        let (known, first) = *self.digests.entry((group, index)).or_insert((digest, node));
        if known == digest {
            return Ok(());
        }
        Err(format!(
            "at index {index} of {group} the whole state differs between node {first} and node {node}"
        ))
    }

    /// What `apply` made of an entry.
    pub fn fact(&mut self, group: GroupId, index: LogIndex, n: u32, fact: &ServiceFact) -> Verdict {
        if let Some(known) = self.facts.get(&(group, index, n)) {
            if known == fact {
                return Ok(());
            }
            return Err(format!("fact {n} of entry {index} is {known:?} and {fact:?}"));
        }
        self.facts.insert((group, index, n), fact.clone());
        let ServiceFact::Lock(fact) = fact else { return Ok(()) };
        let Some(NewHold { resource, fencing_token, reentrant: false, .. }) = fact.new_hold() else {
            return Ok(());
        };
        let tokens = self.tokens.entry(resource.clone()).or_default();
        let before = tokens.range(..(index, n)).next_back().map(|(_, token)| *token);
        let after = tokens.range((index, n)..).next().map(|(_, token)| *token);
        if before >= Some(fencing_token) || after.is_some_and(|after| after <= fencing_token) {
            return Err(format!(
                "{resource} is granted with token {fencing_token} between {before:?} and {after:?}"
            ));
        }
        tokens.insert((index, n), fencing_token);
        Ok(())
    }
}
