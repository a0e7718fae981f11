//! What this node has seen of its peers, kept on its disk, so that a data folder that was set back is noticed.
//!
//! Raft rests on one promise: a disk that answered a vote or an entry still has it after a restart. A folder that was
//! replaced by an earlier copy of itself breaks it without a word. So every boot draws a number and a random id, both
//! durable before anything is sent; and every node says of each of its groups what its disk surely holds. Peers write
//! this down: a boot before anything of it counts, the rest once a second. Whoever meets a node tells it what was
//! written down about it, and the node compares that with its own disk.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Mutex;

use orrery_base::ids::{ClusterId, GroupId, LogIndex, NodeId, NodeName, Term};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::codec::{self, DISK_VERSION};
use crate::disk;
use crate::host::{Disk, Host, Write};
use crate::sync::Signal;
use crate::sync::lock;
use crate::types::LogId;

/// Under which name the disk keeps the boots of this data folder.
const BOOTS_KEY: &str = "boots";
/// Under which name the disk keeps what was seen of the peers.
const SEEN_KEY: &str = "witness";
/// Boots whose ids are remembered. Of an older one only the number is compared.
const BOOTS_KEPT: usize = 1_024;

/// One boot of a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Counts the boots of the folder, from 1.
    pub number: u64,
    /// Random: two boots under one number are two copies of one folder.
    pub id: u64,
}

/// What a node's disk surely holds of a group. It may only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    pub group: GroupId,
    /// Term of its vote.
    pub term: Term,
    /// Its last entry, where a leader of that very term wrote it: only a leader of a later term may replace it.
    pub last: Option<LogId>,
    /// Its last entry that is known to be committed: nobody may replace it.
    pub committed: Option<LogId>,
    /// Hash of that entry. Two histories may use the same term.
    pub digest: Option<u64>,
}

/// What was seen of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testimony {
    /// Its last boot.
    pub boot: Boot,
    /// What it promised, by group.
    pub promises: Vec<Promise>,
}

/// What two nodes tell each other before anything between them counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    pub boot: Boot,
    /// What its disk surely holds.
    pub promises: Vec<Promise>,
    /// What it has seen of the receiver, in this boot or before.
    pub seen: Option<Testimony>,
    /// It takes part in nothing any more.
    pub halted: bool,
    /// It has another history than the receiver, and takes part in nothing for that.
    pub contradicts: bool,
    /// Where it is reached now.
    pub address: String,
    pub profile: SmolStr,
}

/// The boots of this data folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boots {
    number: u64,
    /// The last one at the end.
    ids: VecDeque<u64>,
}

impl Boots {
    fn begin(&mut self, id: u64) {
        self.number += 1;
        self.ids.push_back(id);
        if self.ids.len() > BOOTS_KEPT {
            self.ids.pop_front();
        }
    }

    /// So many, the last of them under these ids.
    #[cfg(test)]
    pub fn of<const N: usize>(number: u64, ids: [u64; N]) -> Self {
        Boots { number, ids: ids.into() }
    }

    fn present(&self) -> Boot {
        Boot { number: self.number, id: self.ids.back().copied().unwrap_or_default() }
    }

    /// What contradicts that this folder had that boot.
    pub fn contradiction(&self, seen: Boot) -> Option<String> {
        let Some(since) = self.number.checked_sub(seen.number) else {
            return Some(format!(
                "this is boot {} of the folder, and boot {} was seen",
                self.number, seen.number
            ));
        };
        let id = usize::try_from(since).ok().and_then(|since| self.ids.iter().rev().nth(since))?;
        (*id != seen.id).then(|| format!("its boot {} was seen as another one", seen.number))
    }
}

/// What a disk holds of a group, for the comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Term of the vote; 0 without one.
    pub term: Term,
    /// The last entry that was ever there, be it in a snapshot or given up with the shard.
    pub last: Option<LogId>,
}

impl Promise {
    /// What contradicts that a disk which holds this kept the promise. `term_at` tells the term of a present entry.
    pub fn contradiction(
        &self,
        held: Held,
        term_at: impl FnOnce(LogIndex) -> io::Result<Option<Term>>,
    ) -> io::Result<Option<String>> {
        let Promise { group, term, last, committed, .. } = *self;
        if held.term < term {
            return Ok(Some(format!(
                "in {group} it took part in term {term}, and its vote is of term {}",
                held.term
            )));
        }
        let lost = committed.filter(|id| held.last < Some(*id)).or(
            // In a later term its leader may have replaced it.
            last.filter(|id| held.term == term && held.last < Some(*id)),
        );
        if let Some(lost) = lost {
            let had = held.last.map_or_else(|| "none".into(), |id| id.to_string());
            return Ok(Some(format!(
                "in {group} it had acknowledged entry {lost}, and the last one is {had}"
            )));
        }
        let Some(committed) = committed else { return Ok(None) };
        let other = term_at(committed.index)?.filter(|term| *term != committed.leader_id.term);
        Ok(other.map(|other| {
            format!("in {group} it had the committed entry {committed}, and has one of term {other} there")
        }))
    }

    /// Takes in what is known besides.
    fn merge(&mut self, other: &Promise) {
        if other.committed > self.committed {
            (self.committed, self.digest) = (other.committed, other.digest);
        }
        if other.term > self.term {
            (self.term, self.last) = (other.term, other.last);
        } else if other.term == self.term {
            self.last = self.last.max(other.last);
        }
    }
}

impl Testimony {
    /// Takes in what is known besides; true where that is new.
    pub fn merge(&mut self, promises: &[Promise]) -> bool {
        let before = self.promises.clone();
        for promise in promises {
            match self.promises.iter_mut().find(|known| known.group == promise.group) {
                Some(known) => known.merge(promise),
                None => self.promises.push(*promise),
            }
        }
        self.promises != before
    }
}

/// What a boot of a peer is to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is on the disk.
    Known,
    /// It has to be written down.
    New,
    /// A later one, or another one under its number, was seen before.
    Contradicts,
}

/// What the disk keeps: of which cluster, and what was seen of whom.
type Row = (Option<ClusterId>, Vec<(NodeId, Testimony)>);

/// What this node has seen, and its own boot.
pub struct Witness<H: Host> {
    host: H,
    boots: Boots,
    inner: Mutex<Inner>,
    /// Set when there is somebody to meet, or something to say.
    pub wake: Signal,
}

#[derive(Default)]
struct Inner {
    /// Of which cluster all this is. What was seen in another one says nothing.
    cluster: Option<ClusterId>,
    /// By identity: who lost its disk is somebody else.
    seen: BTreeMap<NodeId, Testimony>,
    /// The boots with which both sides have compared what they know.
    met: BTreeMap<NodeId, u64>,
    /// What each was told last.
    told: BTreeMap<NodeId, Vec<Promise>>,
    /// The disk has less than is known here.
    dirty: bool,
    /// Why this node must not go on, found by one of its groups.
    contradiction: Option<String>,
}

impl<H: Host> Witness<H> {
    /// Begins a boot of a folder of that cluster: it is durable when this returns.
    pub async fn open(host: H, cluster: Option<ClusterId>) -> io::Result<Self> {
        let mut boots: Boots = read(&host, BOOTS_KEY)?.unwrap_or_default();
        boots.begin(host.random());
        disk::write(&host, BOOTS_KEY, codec::encode(DISK_VERSION, &boots)?).await?;
        let (of, mut seen): Row = read(&host, SEEN_KEY)?.unwrap_or_default();
        if of != cluster {
            seen.clear();
        }
        let inner = Inner { cluster, seen: seen.into_iter().collect(), ..Inner::default() };
        Ok(Witness { host, boots, inner: Mutex::new(inner), wake: Signal::default() })
    }

    /// The folder is of this cluster from now on.
    pub fn join(&self, cluster: ClusterId) {
        lock(&self.inner).cluster = Some(cluster);
    }

    pub fn boot(&self) -> Boot {
        self.boots.present()
    }

    /// All boots of this folder.
    pub fn boots(&self) -> &Boots {
        &self.boots
    }

    /// What was seen of that node.
    pub fn seen(&self, id: NodeId) -> Option<Testimony> {
        lock(&self.inner).seen.get(&id).cloned()
    }

    /// A node says this of itself.
    pub fn note(&self, id: NodeId, boot: Boot, promises: &[Promise]) -> Noted {
        let mut inner = lock(&self.inner);
        let Inner { seen, dirty, .. } = &mut *inner;
        let known =
            seen.entry(id).or_insert(Testimony { boot: Boot { number: 0, id: 0 }, promises: Vec::new() });
        if boot.number < known.boot.number || boot.number == known.boot.number && boot.id != known.boot.id {
            return Noted::Contradicts;
        }
        let noted = if boot == known.boot { Noted::Known } else { Noted::New };
        known.boot = boot;
        *dirty |= known.merge(promises);
        noted
    }

    /// Both sides have compared, and this boot is on the disk: from now on what it says counts.
    pub fn meets(&self, id: NodeId, boot: Boot) {
        lock(&self.inner).met.insert(id, boot.id);
    }

    /// Whether what that boot says counts. Where it does not, the two are to meet.
    pub fn has_met(&self, id: NodeId, boot_id: u64) -> bool {
        let met = lock(&self.inner).met.get(&id) == Some(&boot_id);
        if !met {
            self.wake.notify();
        }
        met
    }

    /// Whether a meeting with that node is due: none was, or it knows less than `promises`.
    pub fn is_due(&self, id: NodeId, promises: &[Promise]) -> bool {
        let inner = lock(&self.inner);
        !inner.met.contains_key(&id) || inner.told.get(&id).is_none_or(|told| told != promises)
    }

    /// Whether any boot of that node was met.
    pub fn knows(&self, id: NodeId) -> bool {
        lock(&self.inner).met.contains_key(&id)
    }

    /// A message came from a boot that was not met: the one before is over.
    pub fn forget(&self, id: NodeId, boot_id: u64) {
        let mut inner = lock(&self.inner);
        if inner.met.get(&id).is_some_and(|met| *met != boot_id) {
            inner.met.remove(&id);
            self.wake.notify();
        }
    }

    /// It was told this.
    pub fn told(&self, id: NodeId, promises: Vec<Promise>) {
        lock(&self.inner).told.insert(id, promises);
    }

    /// One of this node's groups found that it must not go on.
    pub fn contradicts(&self, why: String) {
        lock(&self.inner).contradiction.get_or_insert(why);
        self.wake.notify();
    }

    /// See [`Witness::contradicts`].
    pub fn contradiction(&self) -> Option<String> {
        lock(&self.inner).contradiction.take()
    }

    /// Writes down what was seen, and waits for the sync.
    pub async fn save(&self) -> io::Result<()> {
        let bytes = self.bytes()?;
        disk::write(&self.host, SEEN_KEY, bytes).await
    }

    /// The same where something is not on the disk, without waiting; nobody counts on it. Of those who are no members
    /// any more (`stays`) nothing is kept.
    pub fn save_later(&self, stays: impl Fn(NodeId) -> bool) {
        {
            let mut inner = lock(&self.inner);
            if !inner.dirty {
                return;
            }
            inner.seen.retain(|id, _| stays(*id));
        }
        let Ok(value) = self.bytes() else { return };
        let host = self.host.clone();
        self.host.disk().submit(
            vec![Write::Node { key: SEEN_KEY, value }],
            Box::new(move |result| {
                if let Err(error) = result {
                    host.fail_stop(&format!("writing what was seen of the peers failed: {error}"));
                }
            }),
        );
    }

    fn bytes(&self) -> io::Result<bytes::Bytes> {
        let mut inner = lock(&self.inner);
        inner.dirty = false;
        let row: Row = (inner.cluster, inner.seen.iter().map(|(id, seen)| (*id, seen.clone())).collect());
        Ok(codec::encode(DISK_VERSION, &row)?)
    }
}

fn read<H: Host, T: serde::de::DeserializeOwned>(host: &H, key: &'static str) -> io::Result<Option<T>> {
    let bytes = host.disk().node_value(key)?;
    bytes.map(|bytes| codec::decode(DISK_VERSION, &bytes)).transpose().map_err(io::Error::from)
}

/// What a node says that was set back.
pub fn set_back(me: &NodeName, by: &NodeName, what: &str) -> String {
    format!(
        "the data folder of {me} is older than what {by} has seen of it: {what}. The folder was set back to an earlier \
         state, and what {me} acknowledged since is not in it, so {me} neither votes nor serves. Stop {me}, empty its \
         data folder, and start it with --replace: it comes back as a new member and learns everything from the others"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::types::CommittedLeader;

    fn id(term: Term, index: LogIndex) -> Option<LogId> {
        Some(LogId { leader_id: CommittedLeader::new(term), index })
    }

    #[test]
    fn a_folder_knows_its_own_boots_and_no_others() {
        let mut boots = Boots::default();
        for id in [11, 12, 13] {
            boots.begin(id);
        }
        let contradicts = |number, id| boots.contradiction(Boot { number, id }).is_some();
        for (number, id, expected) in
            [(1, 11, false), (3, 13, false), (2, 99, true), (3, 12, true), (4, 14, true), (9, 11, true)]
        {
            assert_eq!(contradicts(number, id), expected, "boot {number} {id}");
        }
        let mut many = Boots::default();
        (0..BOOTS_KEPT as u64 + 5).for_each(|id| many.begin(id));
        assert_eq!(many.contradiction(Boot { number: 2, id: 77 }), None, "too long ago to know its id");
        assert!(many.contradiction(Boot { number: 6, id: 77 }).is_some(), "the oldest that is kept");
        assert_eq!(many.contradiction(Boot { number: 6, id: 5 }), None);
    }

    #[test]
    fn what_was_promised_must_be_there_and_what_a_later_leader_replaced_need_not() {
        let promise =
            |term, last, committed| Promise { group: GroupId(3), term, last, committed, digest: None };
        let none = |_| Ok(None);
        // What was promised; what is held; whether that contradicts.
        let table = [
            (promise(5, id(5, 10), id(5, 8)), Held { term: 5, last: id(5, 10) }, false),
            (promise(5, id(5, 10), id(5, 8)), Held { term: 5, last: id(5, 14) }, false),
            (promise(5, id(5, 10), id(5, 8)), Held { term: 5, last: id(5, 9) }, true),
            (promise(5, id(5, 10), id(5, 8)), Held { term: 6, last: id(5, 9) }, false),
            (promise(5, id(5, 10), id(5, 8)), Held { term: 6, last: id(5, 7) }, true),
            (promise(5, id(5, 10), id(5, 8)), Held { term: 6, last: id(6, 9) }, false),
            (promise(5, None, None), Held { term: 4, last: id(4, 90) }, true),
            (promise(5, None, id(4, 8)), Held { term: 5, last: None }, true),
            (promise(5, None, None), Held { term: 5, last: None }, false),
        ];
        for (promise, held, expected) in table {
            let found = promise.contradiction(held, none).unwrap();
            assert_eq!(found.is_some(), expected, "{promise:?} {held:?}: {found:?}");
        }
        // Another entry where a committed one was.
        let promise = promise(5, None, id(4, 8));
        let held = Held { term: 9, last: id(9, 20) };
        assert!(promise.contradiction(held, |_| Ok(Some(7))).unwrap().is_some());
        assert!(promise.contradiction(held, |_| Ok(Some(4))).unwrap().is_none());
        assert!(promise.contradiction(held, |_| Ok(None)).unwrap().is_none(), "a snapshot has it");
    }

    #[test]
    fn what_is_known_of_a_promise_only_grows() {
        let promise =
            |term, last, committed| Promise { group: GroupId(3), term, last, committed, digest: None };
        let mut seen =
            Testimony { boot: Boot { number: 1, id: 1 }, promises: vec![promise(5, id(5, 10), id(5, 8))] };
        assert!(!seen.merge(&[promise(5, id(5, 9), id(5, 7))]), "an older word changes nothing");
        assert!(!seen.merge(&[promise(4, id(4, 90), None)]));
        assert!(seen.merge(&[promise(6, None, id(5, 9))]));
        assert_eq!(seen.promises, [promise(6, None, id(5, 9))]);
        assert!(seen.merge(&[Promise { group: GroupId(4), ..promise(1, None, None) }]));
        assert_eq!(seen.promises.len(), 2);
    }
}
