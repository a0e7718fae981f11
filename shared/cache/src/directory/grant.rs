//! What a question comes to, when nothing stands in its way any more.

use bytes::Bytes;

use super::{Directory, Held, Line, Owner, Phase, Question, What};
use crate::message::{Grant, Told};
use crate::{Address, CacheCommand, CacheReply, Holder, Saves, Stamp, State, Values, Version};

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
        // Alone it is exclusive, unless an owner that cannot be asked may offer something later. Who is noted as the owner stays
        // that: it may have heard so in another way.
        let owns = self
            .lines
            .get(&address)
            .is_some_and(|line| line.owner.as_ref().is_some_and(|owner| owner.node == asked.from));
        let exclusive = own || owns || !shared && !self.may_be_offered(&address, values);
        let state = if exclusive { State::E } else { State::S };
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
        if matches!(reply, CacheReply::Written { .. } | CacheReply::Deleted { .. }) {
            self.absent.remove(address);
        }
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
        let Some((address, grant, write, value)) = self.brought(question) else { return };
        let Some(asked) = self.questions.get_mut(&question) else { return };
        let by = asked.from.name.clone();
        let line = self.lines.get(&address).filter(|line| line.is_owned_by(&asked.from, grant));
        let Some(Line { version, owner: Some(owner), .. }) = line else {
            if self.timing.broken.stale_write_back {
                let saves = Some(Saves { grant, write });
                let (value, tenure, based_on, if_version) = (Some(value), self.term, None, None);
                let command = CacheCommand::Write { address, value, tenure, by, based_on, if_version, saves };
                return self.commit(question, Phase::Writing, command);
            }
            let saved = values.get(&address).and_then(|entry| entry.saved);
            let committed = saved.is_some_and(|saved| saved.grant == grant && saved.write >= write);
            return self.finish(question, &address, Told::NotSaved { committed }, values, now_us);
        };
        if write <= owner.saved {
            let told = Told::Saved { version: *version };
            return self.finish(question, &address, told, values, now_us);
        }
        if values.no_room(&address, &value).is_some() {
            // It stays where it is, and is asked for where somebody else wants the line.
            return self.finish(question, &address, Told::Busy, values, now_us);
        }
        let command = CacheCommand::Write {
            address,
            value: Some(value),
            tenure: self.term,
            by,
            based_on: Some(*version),
            if_version: None,
            saves: Some(Saves { grant: owner.held.stamp, write }),
        };
        self.commit(question, Phase::Writing, command);
    }

    /// What a node brings: where, under which grant, which of its local writes, and the value.
    pub(super) fn brought(&self, question: Question) -> Option<(Address, Stamp, u64, Bytes)> {
        match &self.questions.get(&question)?.what {
            What::WriteBack { address, grant, write, value }
            | What::Offer { address, grant, write, value, .. } => {
                Some((address.clone(), *grant, *write, value.clone()))
            }
            _ => None,
        }
    }

    pub(super) fn written_back(
        &mut self,
        question: Question,
        address: &Address,
        reply: CacheReply,
        values: &Values,
        now_us: u64,
    ) {
        let Some((_, grant, write, _)) = self.brought(question) else { return };
        let Some(asked) = self.questions.get(&question) else { return };
        let (offered, from) = (matches!(asked.what, What::Offer { .. }), asked.from.clone());
        let line = self.lines.get_mut(address).filter(|line| line.is_owned_by(&from, grant));
        let told = match (reply, line) {
            (CacheReply::Written { version }, Some(line)) => {
                line.version = version;
                if let Some(owner) = &mut line.owner {
                    owner.saved = owner.saved.max(write);
                }
                Told::Saved { version }
            }
            (CacheReply::Written { version }, None) => {
                // Nobody holds what was there before.
                self.lines.remove(address);
                self.absent.remove(address);
                self.touch(address);
                Told::Saved { version }
            }
            // Whoever owns it reads it, and must be asked before anybody writes.
            (CacheReply::Full { .. }, Some(_)) => Told::Busy,
            // It must not come back.
            (CacheReply::Full { .. }, None) if offered => return self.revoke(question, address),
            (CacheReply::Stale { .. }, None) if offered => Told::NotSaved { committed: false },
            // The directory does not fit what is committed.
            _ => return self.end(),
        };
        self.finish(question, address, told, values, now_us);
    }
}

impl Line {
    /// The node owns it, and knows it under that grant.
    pub(super) fn is_owned_by(&self, node: &Holder, grant: Stamp) -> bool {
        let owner = self.owner.as_ref().filter(|owner| owner.node == *node);
        owner.is_some_and(|owner| [owner.held.stamp, owner.held.was].contains(&grant))
    }
}
