//! The model: one address as its clients may see it.
//!
//! What is committed comes first in a list; after it the writes that were answered without being durable, the newest
//! last. A reader sees the last one. The end of the list may go away with its node. The newest write of it may come back as
//! long as nothing newer was written; the others never do.
//!
//! Neither is an operation of its own: something is taken to be away when somebody sees what was there before, and to be back
//! when somebody sees it again. Until then a register that lost something can do nothing that this one cannot. So losses cost
//! the search little.

use std::collections::BTreeMap;

use super::{Answer, Call, Losses, Value, Version};

/// Stands for a value of which nobody knows whether it was written, and that nobody saw.
const UNSEEN: u64 = u64::MAX;

/// Stands for a committed value that nobody sees from now on.
const FORGOTTEN: u64 = u64::MAX - 1;

/// What the address may be at some moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Register {
    /// What readers may see; a value is at most once in it, and no value only in the first place.
    list: Vec<Value>,
    /// What is committed has this version at least.
    version: Version,
    /// The newest write that was answered without being durable and is away: it may come back until something is written.
    away: Option<u64>,
}

/// A register without its version.
pub type Shape = (Vec<Value>, Option<u64>);

/// What holds around an operation.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// Whether anything may get lost.
    pub losses: Losses,
    /// Somebody asked for a write whose outcome is not known and that no read ever saw. Any number of times something
    /// may be there that nobody sees.
    pub unseen: bool,
    /// The version on which a write that was answered without being durable is based.
    pub bases: &'a BTreeMap<u64, Version>,
}

impl Default for Register {
    /// An address that nobody wrote to.
    fn default() -> Self {
        Register { list: vec![None], version: 0, away: None }
    }
}

impl Register {
    /// What the register may be after an operation, if that can be done and be answered so now; without an answer, if it
    /// can be done. Nothing: it cannot.
    pub fn after(&self, call: Call, answer: Option<Answer>, around: Around<'_>) -> Vec<Register> {
        let mut after = self.done(call, answer, around);
        if let Some(value) = self.away {
            let back = self.back(value);
            let more = match (call, answer) {
                // Who sees something else needs nothing to be back.
                (Call::Read, Some(Answer::Saw { value: seen, .. })) if seen != Some(value) => Vec::new(),
                (Call::Read, None) => Vec::new(),
                // What is refused names the version of what came back; of anything else it does without.
                (Call::Write { .. }, Some(Answer::Wrong { .. })) => {
                    let mut refused = back.done(call, answer, around);
                    refused.retain(|register| register.list == [Some(value)]);
                    refused
                }
                _ => back.done(call, answer, around),
            };
            after.extend(more);
        }
        after
    }

    /// What was away is here again.
    fn back(&self, value: u64) -> Register {
        let list = self.list.iter().copied().chain([Some(value)]).collect();
        Register { list, version: self.version, away: None }
    }

    fn done(&self, call: Call, answer: Option<Answer>, around: Around<'_>) -> Vec<Register> {
        let one = match (call, answer) {
            (Call::Read, Some(Answer::Saw { value, version, dirty })) => {
                self.seen(value, version, dirty, around)
            }
            (Call::Read, None) => Some(self.clone()),
            (Call::Read, Some(_)) => None,
            (Call::Write { if_version, .. }, Some(Answer::Wrong { version })) => {
                return self.refused(if_version, version, around);
            }
            (Call::Write { value, if_version }, answer) => self.written(value, if_version, answer, around),
            (Call::WriteBack { value }, None) => Some(self.pushed(value, self.version)),
            (Call::WriteBack { value }, Some(Answer::Taken { version })) => {
                (version >= self.version).then(|| self.pushed(value, version))
            }
            // A node that stops has everything committed at once.
            (Call::WriteBack { value }, Some(answer)) => {
                self.written(Some(value), None, Some(answer), around)
            }
        };
        one.into_iter().collect()
    }

    /// What readers may see, the newest last.
    pub fn list(&self) -> &[Value] {
        &self.list
    }

    /// What is committed has this version at least. Of two registers with the same list, the one with the smaller version
    /// can do whatever the other one can.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Everything but the version: the list, and what is away.
    pub fn into_shape(self) -> Shape {
        (self.list, self.away)
    }

    pub fn new((list, away): Shape, version: Version) -> Register {
        Register { list, version, away }
    }

    /// Forgets values that nobody sees from now on. What readers see now stays.
    pub fn forget(&mut self, sees: impl Fn(u64) -> bool) {
        let last = self.list.pop();
        let mut first = true;
        self.list.retain_mut(|value| {
            let (keep, seen) = (std::mem::take(&mut first), value.is_none_or(&sees));
            if keep && !seen {
                *value = Some(FORGOTTEN);
            }
            keep || seen
        });
        self.list.extend(last);
    }

    fn pushed(&self, value: u64, version: Version) -> Register {
        let mut list = self.list.clone();
        list.push(Some(value));
        Register { list, version, away: None }
    }

    /// Something was written: what was away stays away.
    fn committed(value: Value, version: Version) -> Register {
        Register { list: vec![value], version, away: None }
    }

    /// The list ends at that place, and the newest of what came after it is away.
    fn away_after(&self, at: usize) -> Option<u64> {
        let newest = self.list[at + 1..].last().copied().flatten();
        self.away.or(newest)
    }

    /// What is at that place is committed.
    fn settled(&self, at: usize, version: Version) -> Register {
        Register { list: vec![self.list[at]], version, away: self.away_after(at) }
    }

    fn has_value(&self) -> bool {
        self.list.last().is_some_and(Option::is_some)
    }

    /// There is no value, or there is none any more.
    fn may_be_empty(&self, around: Around<'_>) -> bool {
        let lost = self.list.len() > 1;
        self.list[0].is_none() && (!lost || around.losses == Losses::Possible)
    }

    fn may_have_value(&self, around: Around<'_>) -> bool {
        self.has_value() || around.unseen
    }

    fn seen(
        &self,
        value: Value,
        version: Option<Version>,
        dirty: bool,
        around: Around<'_>,
    ) -> Option<Register> {
        if value.is_none() {
            return self.may_be_empty(around).then(|| self.settled(0, self.version));
        }
        let at = self.list.iter().position(|one| *one == value)?;
        if at + 1 < self.list.len() && around.losses == Losses::Never {
            return None;
        }
        let version = version.filter(|version| *version >= self.version)?;
        let mut away = self.away_after(at);
        if at == 0 && !dirty && self.away.is_none() {
            // It has a new version since the newest write was made on top of it: that one is refused whenever it comes.
            away = away.filter(|value| around.bases.get(value).is_none_or(|base| version <= *base));
        }
        // What is not dirty has overwritten what came before it, and cannot get lost any more.
        if dirty {
            Some(Register { list: self.list[..=at].to_vec(), version, away })
        } else {
            Some(Register { list: vec![value], version, away })
        }
    }

    fn written(
        &self,
        value: Value,
        if_version: Option<Version>,
        answer: Option<Answer>,
        around: Around<'_>,
    ) -> Option<Register> {
        let least = match if_version {
            None => self.version,
            Some(0) => self.may_be_empty(around).then_some(self.version)?,
            Some(wanted) => (wanted >= self.version && self.may_have_value(around)).then_some(wanted)?,
        };
        match answer {
            Some(Answer::Written { version }) => {
                let deletes = if_version != Some(0) && self.may_have_value(around);
                (version > least && (value.is_some() || deletes)).then(|| Self::committed(value, version))
            }
            Some(Answer::Absent { version }) => {
                let empty = if_version.unwrap_or(0) == 0 && self.may_be_empty(around);
                // An owner of what has no value may speak of a later version than that of its last change.
                (value.is_none() && empty).then(|| Self::committed(None, version.max(least)))
            }
            None => {
                let may_be_nothing = value.is_none() && self.may_be_empty(around);
                Some(Self::committed(value, if may_be_nothing { least } else { least + 1 }))
            }
            Some(_) => None,
        }
    }

    /// Whatever was not durable is committed or away by then.
    fn refused(&self, wanted: Option<Version>, version: Version, around: Around<'_>) -> Vec<Register> {
        if wanted.is_none_or(|wanted| wanted == version) {
            return Vec::new();
        }
        if version == 0 {
            let empty = self.may_be_empty(around).then(|| self.settled(0, self.version));
            return empty.into_iter().collect();
        }
        if version < self.version {
            return Vec::new();
        }
        if !self.has_value() {
            let unseen = around.unseen.then(|| Self::committed(Some(UNSEEN), version));
            return unseen.into_iter().collect();
        }
        let first = match around.losses {
            Losses::Possible => 0,
            Losses::Never => self.list.len() - 1,
        };
        let left =
            (first..self.list.len()).filter(|at| self.list[*at].is_some_and(|value| value != FORGOTTEN));
        left.map(|at| self.settled(at, version)).collect()
    }
}
