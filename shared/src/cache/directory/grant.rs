//! What a question comes to, when nothing stands in its way any more.

use super::{Directory, Held, Line, Owner, Phase, Question, What};
use crate::cache::message::{Grant, Told};
use crate::cache::{Address, CacheCommand, CacheReply, Saves, State, Values, Version};

impl Directory {
    /// A copy to read, or ownership.
    pub(super) fn fill(&mut self, question: Question, values: &Values, now_us: u64) {
        let Some(asked) = self.questions.get(&question) else { return };
        let (own, source) = (matches!(asked.what, What::GetM(_)), asked.source.clone());
        let Some(address) = asked.address().cloned() else { return };
        let value = values.get(&address).map(|entry| (entry.version, entry.value.clone()));
        let shared = self.lines.get(&address).is_some_and(|line| {
            line.sharers.keys().any(|node| *node != asked.from && self.is_leased(node, now_us))
        });
        let state = if own || !shared { State::E } else { State::S };
        // Where there is no value, only an owner has something to hold: the right to write.
        let grant = match &value {
            None if !own => None,
            Some((version, _)) => self.grant(question, &address, state, *version, now_us),
            None => self.grant(question, &address, state, values.last(), now_us),
        };
        let told = Told::Filled { term: self.term, value, grant, source };
        self.finish(question, &address, told, values, now_us);
    }

    /// Notes the asker's copy. None where it may have no lease now: what it held before stays noted.
    fn grant(
        &mut self,
        question: Question,
        address: &Address,
        state: State,
        version: Version,
        now_us: u64,
    ) -> Option<Grant> {
        let (node, asked) = self.questions.get(&question).map(|asked| (asked.from.clone(), asked.asked))?;
        if !self.may_lease(&node, now_us) {
            return None;
        }
        self.extend(&node, now_us);
        self.touch(address);
        let stamp = self.stamp();
        let line = self.lines.entry(address.clone()).or_default();
        let held = Held { stamp, was: stamp, asked };
        line.version = version;
        line.sharers.remove(&node);
        if state.owns() {
            // Whoever is still noted here has no lease.
            line.sharers.clear();
            line.owner = Some(Owner { node, held, saved: 0 });
        } else {
            line.owner = None;
            line.sharers.insert(node, held);
        }
        Some(Grant { stamp, state, version })
    }

    /// A durable write is committed, or was refused.
    pub(super) fn written(
        &mut self,
        question: Question,
        address: &Address,
        reply: CacheReply,
        values: &Values,
        now_us: u64,
    ) {
        // The writer has given up what it held before, and everybody else was asked.
        self.lines.remove(address);
        self.touch(address);
        let grant = match reply {
            // After a retry the line may have changed since.
            CacheReply::Written { version } if values.version(address) == Some(version) => {
                self.grant(question, address, State::E, version, now_us)
            }
            _ => None,
        };
        self.finish(question, address, Told::Written { reply, grant }, values, now_us);
    }

    /// An owner brings what it wrote.
    pub(super) fn write_back(&mut self, question: Question, values: &Values, now_us: u64) {
        let Some(asked) = self.questions.get_mut(&question) else { return };
        let What::WriteBack { address, grant, write, value } = &asked.what else { return };
        let (address, grant, write, value) = (address.clone(), *grant, *write, value.clone());
        let line = self.lines.get(&address).filter(|line| {
            let owner = line.owner.as_ref().filter(|owner| owner.node == asked.from);
            owner.is_some_and(|owner| [owner.held.stamp, owner.held.was].contains(&grant))
        });
        let Some(Line { version, owner: Some(owner), .. }) = line else {
            if self.timing.broken.stale_write_back {
                let (by, saves) = (asked.from.name.clone(), Some(Saves { grant, write }));
                let (value, tenure, based_on, if_version) = (Some(value), self.term, None, None);
                let command = CacheCommand::Write { address, value, tenure, by, based_on, if_version, saves };
                asked.phase = Phase::Writing;
                return self.out.push_back(super::Action::Commit {
                    question: Some(question),
                    command,
                    key: None,
                });
            }
            let saved = values.get(&address).and_then(|entry| entry.saved);
            let committed = saved.is_some_and(|saved| saved.grant == grant && saved.write >= write);
            return self.finish(question, &address, Told::NotSaved { committed }, values, now_us);
        };
        if write <= owner.saved {
            let told = Told::Saved { version: *version };
            return self.finish(question, &address, told, values, now_us);
        }
        let command = CacheCommand::Write {
            address,
            value: Some(value),
            tenure: self.term,
            by: asked.from.name.clone(),
            based_on: Some(*version),
            if_version: None,
            saves: Some(Saves { grant: owner.held.stamp, write }),
        };
        asked.phase = Phase::Writing;
        self.out.push_back(super::Action::Commit { question: Some(question), command, key: None });
    }

    pub(super) fn written_back(
        &mut self,
        question: Question,
        address: &Address,
        reply: CacheReply,
        values: &Values,
        now_us: u64,
    ) {
        let written = match self.questions.get(&question).map(|asked| &asked.what) {
            Some(What::WriteBack { write, .. }) => *write,
            _ => 0,
        };
        let told = match reply {
            CacheReply::Written { version } => {
                if let Some(line) = self.lines.get_mut(address) {
                    line.version = version;
                    if let Some(owner) = &mut line.owner {
                        owner.saved = owner.saved.max(written);
                    }
                }
                Told::Saved { version }
            }
            CacheReply::Full { .. } => Told::NotSaved { committed: false },
            // The directory does not fit what is committed.
            _ => return self.end(),
        };
        self.finish(question, address, told, values, now_us);
    }
}
