//! The model: one address as its clients may see it.
//!
//! What is committed comes first in a list; after it the writes that were answered without being durable, the newest
//! last. A reader sees the last one. The end of the list may get lost, and then never comes back.
//!
//! A loss is no operation of its own: it is taken to have happened when somebody sees what was there before. Until
//! then a register that lost something can do nothing that this one cannot. So losses cost the search nothing.

use super::{Answer, Call, Losses, Value, Version};

/// Stands for a value of which nobody knows whether it was written, and that nobody saw.
const UNSEEN: u64 = u64::MAX;

/// What the address may be at some moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Register {
    /// What readers may see; a value is at most once in it, and no value only in the first place.
    list: Vec<Value>,
    /// What is committed has this version at least.
    version: Version,
}

/// What holds around an operation.
#[derive(Clone, Copy, Debug)]
pub struct Around {
    /// Whether anything may get lost.
    pub losses: Losses,
    /// Somebody asked for a write whose outcome is not known and that no read ever saw. Any number of times something
    /// may be there that nobody sees.
    pub unseen: bool,
}

impl Default for Register {
    /// An address that nobody wrote to.
    fn default() -> Self {
        Register { list: vec![None], version: 0 }
    }
}

impl Register {
    /// What the register may be after an operation, if that can be done and be answered so now; without an answer, if it
    /// can be done. Nothing: it cannot.
    pub fn after(&self, call: Call, answer: Option<Answer>, around: Around) -> Vec<Register> {
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

    /// The list alone.
    pub fn into_list(self) -> Vec<Value> {
        self.list
    }

    /// Of those parts.
    pub fn new(list: Vec<Value>, version: Version) -> Register {
        Register { list, version }
    }

    /// Forgets values that nobody sees from now on. What readers see now stays.
    pub fn forget(&mut self, sees: impl Fn(u64) -> bool) {
        let last = self.list.pop();
        self.list.retain(|value| value.is_none_or(&sees));
        self.list.extend(last);
    }

    fn pushed(&self, value: u64, version: Version) -> Register {
        let mut list = self.list.clone();
        list.push(Some(value));
        Register { list, version }
    }

    fn committed(value: Value, version: Version) -> Register {
        Register { list: vec![value], version }
    }

    fn has_value(&self) -> bool {
        self.list.last().is_some_and(Option::is_some)
    }

    /// There is no value, or there is none any more.
    fn may_be_empty(&self, around: Around) -> bool {
        let lost = self.list.len() > 1;
        self.list[0].is_none() && (!lost || around.losses == Losses::Possible)
    }

    fn may_have_value(&self, around: Around) -> bool {
        self.has_value() || around.unseen
    }

    fn seen(&self, value: Value, version: Option<Version>, dirty: bool, around: Around) -> Option<Register> {
        if value.is_none() {
            return self.may_be_empty(around).then(|| Self::committed(None, self.version));
        }
        let at = self.list.iter().position(|one| *one == value)?;
        if at + 1 < self.list.len() && around.losses == Losses::Never {
            return None;
        }
        let version = version.filter(|version| *version >= self.version)?;
        // What is not dirty has overwritten what came before it, and cannot get lost any more.
        let list = if dirty { self.list[..=at].to_vec() } else { vec![value] };
        Some(Register { list, version })
    }

    fn written(
        &self,
        value: Value,
        if_version: Option<Version>,
        answer: Option<Answer>,
        around: Around,
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
                let fits = value.is_none() && empty && version >= least;
                fits.then(|| Self::committed(None, version))
            }
            None => {
                let may_be_nothing = value.is_none() && self.may_be_empty(around);
                Some(Self::committed(value, if may_be_nothing { least } else { least + 1 }))
            }
            Some(_) => None,
        }
    }

    /// Whatever was not durable is committed or lost by then.
    fn refused(&self, wanted: Option<Version>, version: Version, around: Around) -> Vec<Register> {
        if wanted.is_none_or(|wanted| wanted == version) {
            return Vec::new();
        }
        if version == 0 {
            let empty = self.may_be_empty(around).then(|| Self::committed(None, self.version));
            return empty.into_iter().collect();
        }
        if version < self.version {
            return Vec::new();
        }
        if !self.has_value() {
            let unseen = around.unseen.then(|| Self::committed(Some(UNSEEN), version));
            return unseen.into_iter().collect();
        }
        let left = match around.losses {
            Losses::Possible => &self.list[..],
            Losses::Never => &self.list[self.list.len() - 1..],
        };
        left.iter().filter(|value| value.is_some()).map(|value| Self::committed(*value, version)).collect()
    }
}
