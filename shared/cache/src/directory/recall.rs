//! Taking copies away.

use super::{Action, Directory, Held, Phase, Question};
use crate::fact::How;
use crate::message::{Recall, Recalled, Source};
use crate::{Address, Holder, Stamp, Values};

/// Most lines of which a home remembers that their owner did not answer. Beyond that it gives a line a new version at
/// once, so that a late offer of the owner is refused.
pub(super) const ABSENT_MAX: usize = 65_536;

/// Most handed-over writes that a home remembers. Beyond that, an owner that was not reached when its write was committed
/// may not learn what became of it.
pub(super) const FETCHED_MAX: usize = 4_096;

/// A node that was asked for a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(super) recall: Recall,
    begun_us: u64,
    /// When it is asked again; none while an answer may come.
    retry_us: Option<u64>,
}

/// What became of a recall.
enum Outcome {
    /// It has no copy, or a shared one after a fetch, and nothing that is not committed.
    Clean,
    NotHeld,
    Dirty {
        grant: Stamp,
        write: u64,
        value: bytes::Bytes,
    },
    /// It did not answer until its lease was surely over; or it lost its memory.
    Gone,
}

impl Directory {
    /// Asks for everything that stands in the question's way; whether that is anything. `fences`: the line gets a new version
    /// before it is granted.
    pub(super) fn recall_for(
        &mut self,
        question: Question,
        address: &Address,
        (share, fences): (bool, bool),
        now_us: u64,
    ) -> bool {
        let Some(asked) = self.questions.get(&question) else { return false };
        let from = asked.from.clone();
        let Some(line) = self.lines.get(address) else { return false };
        // Whoever asks has given up what it held before.
        let owner = line.owner.as_ref().map(|owner| owner.node.clone()).filter(|node| *node != from);
        let excludes = !share && !self.timing.broken.sharers_ignored;
        // Where the line gets a new version before the asker owns it, the copy that the asker reads meanwhile is an old one.
        let stands = |node: &&Holder| excludes && (fences || **node != from) && self.is_leased(node, now_us);
        let sharers: Vec<Holder> = line.sharers.keys().filter(stands).cloned().collect();
        let mut recalls = Vec::new();
        for node in sharers {
            let recall = Recall::Invalidate { address: address.clone(), stamp: self.stamp() };
            recalls.push((node, recall));
        }
        if let Some(node) = owner {
            let (address, stamp) = (address.clone(), self.stamp());
            recalls.push((node, Recall::Fetch { address, stamp, invalidate: !share }));
        }
        self.totals.invalidations_sent += recalls.len() as u64;
        let any = !recalls.is_empty();
        for (node, recall) in recalls {
            let waiting = Waiting { recall: recall.clone(), begun_us: now_us, retry_us: None };
            if let Some(asked) = self.questions.get_mut(&question) {
                asked.waits.insert(node.clone(), waiting);
                asked.phase = Phase::Recalling;
            }
            self.send(question, node, recall);
        }
        self.tell_waits(question, address, now_us);
        any
    }

    /// The question was under way for so long that the node got something for a later one before.
    pub(super) fn is_late(&self, question: Question, address: &Address) -> bool {
        let Some(asked) = self.questions.get(&question) else { return false };
        let Some(line) = self.lines.get(address) else { return false };
        let owned = line.owner.as_ref().filter(|owner| owner.node == asked.from).map(|owner| &owner.held);
        let held = owned.or_else(|| line.sharers.get(&asked.from));
        held.is_some_and(|held| held.asked >= asked.asked)
    }

    fn send(&mut self, question: Question, to: Holder, recall: Recall) {
        let within_us = self.timing.lease_us / 4;
        self.out.push_back(Action::Recall { question, to, recall, within_us });
    }

    /// When the node counts as gone. A sharer's copy is worth nothing after its lease. An owner is asked for a while
    /// even if its lease is over: it may be only idle, and its answer spares a commit.
    pub(super) fn gone_us(&self, node: &Holder, waiting: &Waiting) -> u64 {
        let end_us = self.leases.get(node).copied().unwrap_or(0);
        match waiting.recall {
            Recall::Fetch { .. } => end_us.max(waiting.begun_us + self.timing.lease_us / 4),
            _ => end_us,
        }
    }

    pub(super) fn recall_deadline(&self) -> Option<u64> {
        let waits = self.questions.values().flat_map(|asked| &asked.waits);
        let due = |(node, waiting): (&Holder, &Waiting)| {
            let gone_us = self.gone_us(node, waiting);
            waiting.retry_us.map_or(gone_us, |retry_us| retry_us.min(gone_us))
        };
        waits.map(due).min()
    }

    /// Asks again, and goes on without those whose leases are over.
    pub(super) fn recall_due(&mut self, values: &Values, now_us: u64) {
        let mut gone = Vec::new();
        let mut again = Vec::new();
        for (question, asked) in &self.questions {
            for (node, waiting) in &asked.waits {
                if self.gone_us(node, waiting) <= now_us {
                    gone.push((*question, node.clone()));
                } else if waiting.retry_us.is_some_and(|retry_us| retry_us <= now_us) {
                    again.push((*question, node.clone(), waiting.recall.clone()));
                }
            }
        }
        for (question, node, recall) in again {
            let waiting = self.questions.get_mut(&question).and_then(|asked| asked.waits.get_mut(&node));
            if let Some(waiting) = waiting {
                waiting.retry_us = None;
                self.send(question, node, recall);
            }
        }
        for (question, node) in gone {
            // Its lease is over: it holds nothing of this shard that it may read.
            self.leases.remove(&node);
            self.drop_shares(&node);
            self.resolve(question, &node, (Outcome::Gone, How::LeaseOver), values, now_us);
        }
    }

    pub(super) fn recall_answered(
        &mut self,
        question: Question,
        from: &Holder,
        recalled: Option<Recalled>,
        values: &Values,
        now_us: u64,
    ) {
        let waiting = self.questions.get_mut(&question).and_then(|asked| asked.waits.get_mut(from));
        let Some(waiting) = waiting else { return };
        let outcome = match recalled {
            None => {
                waiting.retry_us = Some(now_us + (self.timing.lease_us / 16).max(1_000));
                return;
            }
            Some(Recalled::NewerTerm { .. }) => return self.end(),
            Some(Recalled::Acknowledged) => (Outcome::Clean, How::Acknowledged),
            Some(Recalled::Clean) => (Outcome::Clean, How::Clean),
            Some(Recalled::NotHeld) => (Outcome::NotHeld, How::NotHeld),
            Some(Recalled::Rebooted) => (Outcome::Gone, How::Rebooted),
            Some(Recalled::Dirty { grant, write, value }) => {
                (Outcome::Dirty { grant, write, value }, How::Dirty)
            }
        };
        self.resolve(question, from, outcome, values, now_us);
    }

    fn resolve(
        &mut self,
        question: Question,
        node: &Holder,
        (outcome, how): (Outcome, How),
        values: &Values,
        now_us: u64,
    ) {
        let asked = self.questions.get_mut(&question);
        let Some(waiting) = asked.and_then(|asked| asked.waits.remove(node)) else { return };
        let of = waiting.recall.address().clone();
        self.tell_recalled(question, &of, node, how);
        self.touch(&of);
        let Some(asked) = self.questions.get_mut(&question) else { return };
        let Recall::Fetch { address, stamp, invalidate } = waiting.recall else {
            if let Some(line) = self.lines.get_mut(&of) {
                line.sharers.remove(node);
            }
            return self.go_on(question, values, now_us);
        };
        let Some(line) = self.lines.get_mut(&address) else { return self.go_on(question, values, now_us) };
        let Some(owner) = line.owner.take() else { return self.go_on(question, values, now_us) };
        match outcome {
            Outcome::Clean => {
                asked.source = Source::Owner(node.name.clone());
                if !invalidate {
                    let held = Held { stamp, was: stamp, asked: owner.held.asked };
                    line.sharers.insert(node.clone(), held);
                }
            }
            Outcome::NotHeld => {}
            // It has something from before, and never got what it was granted last.
            Outcome::Dirty { grant, .. } if ![owner.held.stamp, owner.held.was].contains(&grant) => {}
            Outcome::Dirty { grant, write, value } => {
                if self.fetched.len() >= FETCHED_MAX {
                    self.fetched.pop_first();
                }
                self.fetched.insert((address.clone(), node.clone()), (grant, write));
                asked.source = Source::Owner(node.name.clone());
                let saves = crate::Saves { grant: owner.held.stamp, write };
                let (by, saved) = (node.name.clone(), owner.saved);
                line.owner = Some(owner);
                if write > saved {
                    return self.save(question, &address, value, saves, by);
                }
                // It was written back before, and the answer to that got lost.
                return self.saved(question, &address, values, now_us);
            }
            Outcome::Gone => {
                self.totals.revocations += 1;
                if self.absent.len() >= ABSENT_MAX {
                    return self.revoke(question, &address);
                }
                self.absent.insert(address);
            }
        }
        self.go_on(question, values, now_us);
    }

    /// Not while a node owes an answer for some time: whoever waits for its lease to end would wait for ever.
    pub(super) fn may_lease(&self, node: &Holder, now_us: u64) -> bool {
        let patience_us = self.timing.lease_us / 4;
        let waits = self.questions.values().filter_map(|asked| asked.waits.get(node));
        !waits.into_iter().any(|waiting| waiting.begun_us + patience_us <= now_us)
    }
}
