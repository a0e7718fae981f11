//! One question at a time about one line.

use bytes::Bytes;
use orrery_base::ids::NodeName;

use super::{Action, Committed, Directory, Phase, Question, TURNS_MAX, What};
use crate::message::{Recall, Told};
use crate::{Address, CacheCommand, CacheReply, Saves, Values};

impl Directory {
    /// Waits for the turn at an address.
    pub(super) fn queue(&mut self, question: Question, address: Address, values: &Values, now_us: u64) {
        let turn = self.turns.entry(address).or_default();
        if turn.len() > TURNS_MAX {
            return self.answer(question, Told::Busy);
        }
        turn.push_back(question);
        if turn.len() == 1 {
            self.start(question, values, now_us);
        }
    }

    /// The question has its turn.
    fn start(&mut self, question: Question, values: &Values, now_us: u64) {
        let Some(asked) = self.questions.get(&question) else { return };
        let (address, share) = match &asked.what {
            What::GetS(address) => (address.clone(), true),
            What::GetM(address) | What::Write { address, .. } => (address.clone(), false),
            What::WriteBack { .. } => return self.write_back(question, values, now_us),
            What::Offer { .. } => return self.offered(question, values, now_us),
            What::Renew { .. } => return,
        };
        if self.is_late(question, &address) {
            // The node does not wait for this answer any more, or the question came twice and the other answer counts.
            let write = matches!(asked.what, What::Write { .. });
            let told = if write { Told::Unknown } else { Told::NotHome };
            return self.finish(question, &address, told, values, now_us);
        }
        let fences = matches!(asked.what, What::GetM(_)) && self.may_be_offered(&address, values);
        if !self.recall_for(question, &address, (share, fences), now_us) {
            self.go_on(question, values, now_us);
        }
    }

    /// Goes on with a question, unless it still waits for nodes or for a commit.
    pub(super) fn go_on(&mut self, question: Question, values: &Values, now_us: u64) {
        let Some(asked) = self.questions.get_mut(&question) else { return };
        let commits = matches!(asked.phase, Phase::Saving | Phase::Revoking | Phase::Writing);
        if !asked.waits.is_empty() || commits {
            return;
        }
        let (to_own, deletes) = match &asked.what {
            What::GetM(_) => (true, false),
            What::Write { value, .. } => (false, value.is_none()),
            _ => (false, false),
        };
        if (to_own || deletes)
            && let Some(address) = asked.address().cloned()
            && (to_own || values.get(&address).is_none())
            && self.may_be_offered(&address, values)
        {
            // A deletion that finds no value writes nothing. Without a new version a late offer would still be applied.
            return self.revoke(question, &address);
        }
        let Some(asked) = self.questions.get_mut(&question) else { return };
        match &asked.what {
            What::GetS(_) | What::GetM(_) => self.fill(question, values, now_us),
            What::Write { address, value, if_version, key } => {
                let command = CacheCommand::Write {
                    address: address.clone(),
                    value: value.clone(),
                    tenure: self.term,
                    by: asked.from.name.clone(),
                    based_on: None,
                    if_version: *if_version,
                    saves: None,
                };
                asked.phase = Phase::Writing;
                let key = Some(key.clone());
                self.out.push_back(Action::Commit { question: Some(question), command, key });
            }
            What::Offer { .. } => self.take_offer(question, values, now_us),
            What::WriteBack { .. } | What::Renew { .. } => {}
        }
    }

    /// Commits what an owner wrote.
    pub(super) fn save(
        &mut self,
        question: Question,
        address: &Address,
        value: Bytes,
        saves: Saves,
        by: NodeName,
    ) {
        let based_on = self.lines.get(address).map(|line| line.version);
        let command = CacheCommand::Write {
            address: address.clone(),
            value: Some(value),
            tenure: self.term,
            by,
            based_on,
            if_version: None,
            saves: Some(saves),
        };
        self.commit(question, Phase::Saving, command);
    }

    /// Gives the line a new version, so that whatever an owner still brings is based on an older one.
    pub(super) fn revoke(&mut self, question: Question, address: &Address) {
        let command = CacheCommand::Revoke { address: address.clone(), tenure: self.term };
        self.commit(question, Phase::Revoking, command);
    }

    pub(super) fn commit(&mut self, question: Question, phase: Phase, command: CacheCommand) {
        if let Some(asked) = self.questions.get_mut(&question) {
            asked.phase = phase;
        }
        self.out.push_back(Action::Commit { question: Some(question), command, key: None });
    }

    pub(super) fn committed_for(
        &mut self,
        question: Question,
        outcome: Committed,
        values: &Values,
        now_us: u64,
    ) {
        let Some(asked) = self.questions.get_mut(&question) else { return };
        let reply = match outcome {
            Committed::Applied(CacheReply::OldTenure { .. }) | Committed::NotApplied => {
                // It surely was not written: the tenure ends, and the question may be asked again.
                asked.phase = Phase::Queued;
                return self.end();
            }
            Committed::Unknown => return self.end(),
            Committed::Applied(reply) => reply,
        };
        let Some(address) = asked.address().cloned() else { return };
        let phase = std::mem::replace(&mut asked.phase, Phase::Recalling);
        match (phase, &asked.what, reply) {
            (Phase::Writing, What::Write { .. }, reply) => {
                self.written(question, &address, reply, values, now_us);
            }
            (Phase::Writing, What::WriteBack { .. } | What::Offer { .. }, reply) => {
                self.written_back(question, &address, reply, values, now_us);
            }
            (Phase::Saving, _, CacheReply::Written { version }) => {
                if let Some(line) = self.lines.get_mut(&address) {
                    line.version = version;
                }
                self.saved(question, &address, values, now_us);
            }
            // There is no room for it: the write is lost, and must not come back.
            (Phase::Saving, _, CacheReply::Full { .. }) => {
                self.fetched.retain(|(of, _), _| *of != address);
                self.revoke(question, &address);
            }
            (Phase::Revoking, _, CacheReply::Revoked { version }) => {
                self.absent.remove(&address);
                if let Some(line) = self.lines.get_mut(&address) {
                    line.version = version;
                    line.owner = None;
                }
                self.touch(&address);
                self.go_on(question, values, now_us);
            }
            // The directory does not fit what is committed.
            _ => self.end(),
        }
    }

    /// What the owner had written is committed: it shares the line, or has lost it.
    pub(super) fn saved(&mut self, question: Question, address: &Address, values: &Values, now_us: u64) {
        let stamp = self.stamp();
        self.touch(address);
        let Some(line) = self.lines.get_mut(address) else { return };
        let Some(mut owner) = line.owner.take() else { return };
        let share = matches!(self.questions.get(&question).map(|asked| &asked.what), Some(What::GetS(_)));
        let version = line.version;
        owner.held.stamp = stamp;
        owner.held.was = stamp;
        if share {
            line.sharers.insert(owner.node.clone(), owner.held);
        }
        let recall = Recall::Settled { address: address.clone(), stamp, version };
        self.out.push_back(Action::Notify { to: owner.node, recall });
        self.go_on(question, values, now_us);
    }

    /// The turn goes on to the next one.
    pub(super) fn finish(
        &mut self,
        question: Question,
        address: &Address,
        told: Told,
        values: &Values,
        now_us: u64,
    ) {
        self.answer(question, told);
        let Some(turn) = self.turns.get_mut(address) else { return };
        turn.pop_front();
        match turn.front().copied() {
            Some(next) => self.start(next, values, now_us),
            None => {
                self.turns.remove(address);
                self.forget_if_free(address);
            }
        }
    }
}

impl super::Asked {
    pub(super) fn address(&self) -> Option<&Address> {
        match &self.what {
            What::GetS(address)
            | What::GetM(address)
            | What::Write { address, .. }
            | What::WriteBack { address, .. }
            | What::Offer { address, .. } => Some(address),
            What::Renew { .. } => None,
        }
    }
}
