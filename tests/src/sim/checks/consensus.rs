//! Raft's safety properties (Raft paper, figure 3), from what nodes put on their disks and report.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::EntryPayload;
use orrery_base::ids::{GroupId, LogIndex, NodeId, NodeName, Term};
use orrery_engine::codec;
use orrery_engine::codec::{DISK_VERSION, HEAD_BYTES};
use orrery_engine::host::{Disk, Write};
use orrery_engine::types::Entry;
use orrery_event::Fact;
use orrery_event::fact::{Message, Role};

use super::fnv;
use orrery_sim::network::name;
use orrery_sim::runtime::TaskGroup;

/// What a boot found of one group.
#[derive(Clone, Debug)]
pub struct Found {
    pub group: GroupId,
    /// Everything before is in the snapshot.
    pub first: LogIndex,
    pub entries: Vec<(LogIndex, Bytes)>,
}

impl Found {
    /// Reads a group's log back.
    ///
    /// # Errors
    /// A sentence, when the disk is not readable.
    pub fn read(disk: &impl Disk, group: GroupId) -> Result<Found, String> {
        let failed = |error: std::io::Error| format!("a boot cannot read {group}: {error}");
        let recovered = disk.recover(group).map_err(failed)?;
        let entries = disk.entries(group, 0..LogIndex::MAX).map_err(failed)?;
        // Both begin with a version and a checksum; a snapshot's meta begins with its last log id, which may be missing.
        let purged = recovered.purged.and_then(|id| log_id(id.get(HEAD_BYTES..)?));
        let snapshot =
            recovered.snapshot.and_then(|(_, meta)| match meta.get(HEAD_BYTES..)?.split_first()? {
                (1, id) => log_id(id),
                _ => None,
            });
        let first = purged.max(snapshot).map_or(0, |index| index + 1);
        Ok(Found { group, first, entries })
    }
}

/// The index of an encoded log id.
fn log_id(bytes: &[u8]) -> Option<LogIndex> {
    postcard::take_from_bytes::<(Term, LogIndex)>(bytes).ok().map(|((_, index), _)| index)
}

/// An entry's term and a hash of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    term: Term,
    hash: u64,
}

/// Who votes: a majority of each set is needed (two sets while a membership changes; Raft paper, section 6).
type Voters = Vec<BTreeSet<NodeName>>;

/// A log as a node has it, in memory or surely on its disk.
#[derive(Clone, Debug, Default)]
struct Log {
    /// Everything before was replaced by a snapshot.
    first: LogIndex,
    entries: BTreeMap<LogIndex, Mark>,
    /// The memberships among them. The last one counts from the moment at which it is in the log.
    memberships: BTreeMap<LogIndex, Voters>,
}

/// The whole history of a run.
#[derive(Default)]
pub struct Consensus {
    /// Who led in which term.
    leaders: BTreeMap<(GroupId, Term), TaskGroup>,
    /// For whom a node voted in which term.
    votes: BTreeMap<(GroupId, Term, TaskGroup), NodeName>,
    /// Every entry that ever was: its hash, and the term of the entry before it where that is known.
    entries: BTreeMap<(GroupId, Term, LogIndex), (u64, Option<Term>)>,
    /// What is committed, for ever.
    committed: BTreeMap<GroupId, BTreeMap<LogIndex, Mark>>,
    /// In which term that became known. Only leaders of later terms must have it (Raft paper, section 5.4).
    committed_in: BTreeMap<(GroupId, LogIndex), Term>,
    /// The last term that a node reported.
    terms: BTreeMap<(TaskGroup, GroupId), Term>,
    logs: BTreeMap<(TaskGroup, GroupId), Log>,
    durable: BTreeMap<(TaskGroup, GroupId), Log>,
    /// What was on disks that were taken away: it was there when it counted.
    lost: Vec<(TaskGroup, GroupId, Log)>,
    /// What nodes reported, for those whose log begins after its last membership.
    voters: BTreeMap<(TaskGroup, GroupId), BTreeSet<NodeName>>,
    /// Up to where a boot's log was compared with what is committed (exclusive).
    compared: BTreeMap<(TaskGroup, GroupId), LogIndex>,
}

type Verdict = Result<(), String>;

impl Log {
    fn apply(&mut self, write: &Write) -> Verdict {
        match write {
            Write::Entries { entries, .. } => {
                for (index, bytes) in entries {
                    let (mark, voters) = read_entry(*index, bytes)?;
                    self.entries.insert(*index, mark);
                    self.memberships.extend(voters.map(|voters| (*index, voters)));
                }
            }
            Write::TruncateAfter { after, .. } => {
                let from = after.map_or(0, |after| after + 1);
                self.entries.split_off(&from);
                self.memberships.split_off(&from);
            }
            Write::Purge { through, .. } => {
                self.entries = self.entries.split_off(&(through + 1));
                self.first = self.first.max(through + 1);
            }
            Write::Forget { .. } => *self = Log::default(),
            _ => {}
        }
        Ok(())
    }

    fn has(&self, index: LogIndex, mark: Mark) -> bool {
        index < self.first || self.entries.get(&index) == Some(&mark)
    }
}

/// Reads an entry's bytes as the engine wrote them.
fn read_entry(index: LogIndex, bytes: &Bytes) -> Result<(Mark, Option<Voters>), String> {
    let entry: Entry = codec::decode(DISK_VERSION, bytes)
        .map_err(|error| format!("the entry {index} cannot be read: {error}"))?;
    if entry.log_id.index != index {
        return Err(format!("the entry {index} says that it is entry {}", entry.log_id.index));
    }
    let voters = match &entry.payload {
        EntryPayload::Membership(membership) => {
            let named = |id: &NodeId| membership.get_node(id).map(|member| member.name.clone());
            let set = |ids: &BTreeSet<NodeId>| ids.iter().filter_map(named).collect();
            Some(membership.get_joint_config().iter().map(set).collect())
        }
        _ => None,
    };
    Ok((Mark { term: entry.log_id.leader_id.term, hash: fnv(0, bytes) }, voters))
}

fn group_of(write: &Write) -> Option<GroupId> {
    match write {
        Write::Entries { group, .. }
        | Write::TruncateAfter { group, .. }
        | Write::Purge { group, .. }
        | Write::Forget { group, .. } => Some(*group),
        _ => None,
    }
}

impl Consensus {
    /// A node asked its disk for these writes: its log is this in memory.
    pub fn submitted(&mut self, node: TaskGroup, writes: &[Write]) -> Verdict {
        for write in writes {
            let Some(group) = group_of(write) else { continue };
            let log = self.logs.entry((node, group)).or_default();
            if let Write::TruncateAfter { after, .. } = write {
                let from = after.map_or(0, |after| after + 1);
                let committed = self.committed.entry(group).or_default();
                for (index, mark) in log.entries.range(from..) {
                    if committed.get(index) == Some(mark) {
                        return Err(format!(
                            "node {node} removes entry {index} of {group}, which is committed"
                        ));
                    }
                }
            }
            log.apply(write)?;
            if let Write::Entries { entries, .. } = write {
                for (index, _) in entries {
                    register(&mut self.entries, group, log, *index)?;
                }
            }
        }
        Ok(())
    }

    /// These writes would survive a crash.
    pub fn durable(&mut self, node: TaskGroup, writes: &[Write]) {
        for write in writes {
            if let Some(group) = group_of(write) {
                // What is not readable was reported when it was submitted.
                let _ = self.durable.entry((node, group)).or_default().apply(write);
            }
        }
    }

    /// A node booted: its log is what its disk has.
    pub fn booted(&mut self, node: TaskGroup, found: Vec<Found>) -> Verdict {
        self.logs.retain(|(owner, _), _| *owner != node);
        self.durable.retain(|(owner, _), _| *owner != node);
        self.compared.retain(|(owner, _), _| *owner != node);
        for Found { group, first, entries } in found {
            let mut log = Log { first, ..Log::default() };
            log.apply(&Write::Entries { group, entries })?;
            log.entries = log.entries.split_off(&first);
            let kept = log.memberships.keys().next_back().copied().filter(|last| *last >= first);
            if kept.is_none() {
                log.memberships.clear();
            }
            self.logs.insert((node, group), log.clone());
            self.durable.insert((node, group), log);
        }
        Ok(())
    }

    /// A node's disk is taken away, and another one stands in its place.
    pub fn disk_lost(&mut self, node: TaskGroup) {
        let of_node = self.durable.iter().filter(|((owner, _), _)| *owner == node);
        self.lost.extend(of_node.map(|((owner, group), log)| (*owner, *group, log.clone())));
    }

    /// A node lost everything: its votes were another identity's.
    pub fn emptied(&mut self, node: TaskGroup) {
        self.votes.retain(|(_, _, voter), _| *voter != node);
        self.terms.retain(|(owner, _), _| *owner != node);
        self.voters.retain(|(owner, _), _| *owner != node);
    }

    /// A node reports something.
    pub fn fact(&mut self, node: TaskGroup, fact: &Fact) -> Verdict {
        if let Fact::RoleChanged { group, term, .. } = fact {
            self.terms.insert((node, *group), *term);
        }
        match fact {
            Fact::RoleChanged { group, role: Role::Leader, term, .. } => self.leads(node, *group, *term),
            Fact::Sent {
                group, to, body: Message::VoteReply { pre: false, term, granted: true }, ..
            } => self.votes(node, *group, *term, to),
            Fact::Committed { group, index } => self.commits(node, *group, *index),
            // The snapshot's file and its pointer are synced: it stands for everything up to its last index.
            Fact::Snapshotted { group, last: Some(last), installed: true, .. } => {
                for logs in [&mut self.logs, &mut self.durable] {
                    let log = logs.entry((node, *group)).or_default();
                    log.first = log.first.max(last + 1);
                    log.memberships.retain(|index, _| index > last);
                }
                Ok(())
            }
            Fact::MembershipChanged { group, voters, .. } => {
                self.voters.insert((node, *group), voters.iter().cloned().collect());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Election safety and leader completeness.
    fn leads(&mut self, node: TaskGroup, group: GroupId, term: Term) -> Verdict {
        let before = *self.leaders.entry((group, term)).or_insert(node);
        if before != node {
            return Err(format!("term {term} of {group} has two leaders: node {before} and node {node}"));
        }
        let log = self.logs.entry((node, group)).or_default();
        for (index, mark) in self.committed.entry(group).or_default().range(log.first..) {
            // What was committed in a later term cannot concern a leader that does not know yet that it is none.
            let committed_in = self.committed_in.get(&(group, *index)).copied().unwrap_or(mark.term);
            if committed_in < term && !log.has(*index, *mark) {
                return Err(format!(
                    "node {node} leads term {term} of {group} without the committed entry {index} of term {}",
                    mark.term
                ));
            }
        }
        Ok(())
    }

    fn votes(&mut self, node: TaskGroup, group: GroupId, term: Term, to: &NodeName) -> Verdict {
        let before = self.votes.entry((group, term, node)).or_insert_with(|| to.clone());
        if before == to {
            return Ok(());
        }
        Err(format!("node {node} voted twice in term {term} of {group}: for {before} and for {to}"))
    }

    /// A committed entry is the same everywhere, and on the disks of a majority.
    fn commits(&mut self, node: TaskGroup, group: GroupId, index: LogIndex) -> Verdict {
        let committed = self.committed.entry(group).or_default();
        let log = self.logs.entry((node, group)).or_default();
        // What is committed never changes (see `submitted`), so nothing is compared twice.
        let compared = self.compared.entry((node, group)).or_default();
        let from = log.first.max(*compared);
        *compared = (*compared).max(index + 1);
        for at in from..index + 1 {
            let Some(mark) = log.entries.get(&at).copied() else {
                return Err(format!("node {node} commits entry {at} of {group}, which it does not have"));
            };
            match committed.entry(at) {
                Slot::Occupied(slot) if *slot.get() == mark => {}
                Slot::Occupied(slot) => {
                    let before = slot.get().term;
                    return Err(format!(
                        "node {node} commits entry {at} of {group} with term {}, it was committed with term {before}",
                        mark.term
                    ));
                }
                Slot::Vacant(slot) => {
                    slot.insert(mark);
                    let term = self.terms.get(&(node, group)).copied().unwrap_or(mark.term);
                    self.committed_in.insert((group, at), term.max(mark.term));
                    let reported = self.voters.get(&(node, group)).cloned();
                    let effective = log.memberships.values().next_back().cloned();
                    for voters in effective.or(reported.map(|voters| vec![voters])).into_iter().flatten() {
                        let present = self.durable.iter().map(|((owner, of), log)| (owner, of, log));
                        let lost = self.lost.iter().map(|(owner, of, log)| (owner, of, log));
                        let on_disk: BTreeSet<TaskGroup> = present
                            .chain(lost)
                            .filter(|(owner, of, log)| {
                                **of == group && voters.contains(&name(**owner)) && log.has(at, mark)
                            })
                            .map(|(owner, _, _)| *owner)
                            .collect();
                        let (count, needed) = (on_disk.len(), voters.len() / 2 + 1);
                        if count < needed {
                            return Err(format!(
                                "node {node} commits entry {at} of {group}, which is on {count} disks of {needed} needed"
                            ));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The highest index that any node called committed.
    pub fn highest_committed(&self, group: GroupId) -> Option<LogIndex> {
        self.committed.get(&group)?.keys().next_back().copied()
    }

    /// How many entries were committed, in the control group and in all shards.
    pub fn committed_entries(&self) -> (u64, u64) {
        let all: u64 = self.committed.values().map(|entries| entries.len() as u64).sum();
        let control = self.committed.get(&GroupId::CONTROL).map_or(0, |entries| entries.len() as u64);
        (control, all - control)
    }
}

/// Log matching: entries of one term and index are the same, and so is everything before them. By induction it
/// is enough that the entry before has the same term.
fn register(
    entries: &mut BTreeMap<(GroupId, Term, LogIndex), (u64, Option<Term>)>,
    group: GroupId,
    log: &Log,
    index: LogIndex,
) -> Verdict {
    let Some(mark) = log.entries.get(&index).copied() else { return Ok(()) };
    let before = index.checked_sub(1).and_then(|before| log.entries.get(&before)).map(|mark| mark.term);
    let known = entries.entry((group, mark.term, index)).or_insert((mark.hash, before));
    if known.0 != mark.hash {
        return Err(format!("{group} has two different entries {index} of term {}", mark.term));
    }
    match (known.1, before) {
        (Some(known), Some(before)) if known != before => Err(format!(
            "{group} has entry {index} of term {} after entries of term {known} and of term {before}",
            mark.term
        )),
        (None, Some(before)) => {
            known.1 = Some(before);
            Ok(())
        }
        _ => Ok(()),
    }
}
