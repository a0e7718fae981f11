//! What an owner brings that this home does not know as one: its claim came too late, or its lease was over before it answered.

use super::{Directory, Phase, Question, What};
use crate::message::Told;
use crate::{Address, CacheCommand, Saves, Values, Version};

/// What an offer comes to.
enum Fate {
    /// That write was committed before.
    Committed,
    /// Something was written since.
    TooLate,
    /// It may be applied on top of this version.
    Applies(Version),
}

impl Directory {
    /// Whether an owner may exist that this home cannot ask: one of this tenure that did not answer, or one of an earlier
    /// tenure of a line that was not written since. What it wrote is applied when it offers it. Beside an owner that the home
    /// knows there is no other one of the same version.
    pub(super) fn may_be_offered(&self, address: &Address, values: &Values) -> bool {
        if self.lines.get(address).is_some_and(|line| line.owner.is_some()) {
            return false;
        }
        self.absent.contains(address) || self.claimable > 0 && values.last_change(address) <= self.opened_at
    }

    /// A node brings what no home knew.
    pub(super) fn offered(&mut self, question: Question, values: &Values, now_us: u64) {
        let Some((address, grant, ..)) = self.brought(question) else { return };
        let Some(asked) = self.questions.get(&question) else { return };
        if self.lines.get(&address).is_some_and(|line| line.is_owned_by(&asked.from, grant)) {
            // Its claim counted after all.
            return self.write_back(question, values, now_us);
        }
        let applies = matches!(self.fate(question, values), Some(Fate::Applies(_)));
        if !applies || !self.recall_for(question, &address, (false, false), now_us) {
            self.take_offer(question, values, now_us);
        }
    }

    /// Nobody else holds the line.
    pub(super) fn take_offer(&mut self, question: Question, values: &Values, now_us: u64) {
        let Some((address, grant, write, value)) = self.brought(question) else { return };
        let Some(asked) = self.questions.get(&question) else { return };
        let based_on = match self.fate(question, values) {
            None => return,
            Some(Fate::Applies(version)) => Some(version),
            Some(Fate::TooLate) if self.timing.broken.late_offer => None,
            Some(fate) => {
                let told = Told::NotSaved { committed: matches!(fate, Fate::Committed) };
                return self.finish(question, &address, told, values, now_us);
            }
        };
        let command = CacheCommand::Write {
            address,
            value: Some(value),
            tenure: self.term,
            by: asked.from.name.clone(),
            based_on,
            if_version: None,
            saves: Some(Saves { grant, write }),
        };
        self.commit(question, Phase::Writing, command);
    }

    fn fate(&self, question: Question, values: &Values) -> Option<Fate> {
        let asked = self.questions.get(&question)?;
        let What::Offer { address, grant, write, based_on, .. } = &asked.what else { return None };
        let fetched = self.fetched.get(&(address.clone(), asked.from.clone()));
        if fetched.is_some_and(|(of, saved)| of == grant && saved >= write) {
            // It was handed over in this tenure, and committed before the line went on.
            return Some(Fate::Committed);
        }
        let saved = values.get(address).filter(|entry| entry.saved.is_some_and(|it| it.grant == *grant));
        Some(match saved {
            Some(entry) if entry.saved.is_some_and(|saved| saved.write >= *write) => Fate::Committed,
            // An earlier write under that grant, of which the node does not know that it was committed.
            Some(entry) => Fate::Applies(entry.version),
            None if values.last_change(address) > *based_on => Fate::TooLate,
            None => Fate::Applies(*based_on),
        })
    }
}
