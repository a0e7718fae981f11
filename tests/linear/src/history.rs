//! Operations as they are recorded while they happen.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::{Answer, Call, Failure, Losses, Op, check};

/// The operations on one address.
#[derive(Clone, Debug, Default)]
pub struct History {
    ops: Vec<Option<Op>>,
}

/// Number of an operation in its history.
pub type Number = usize;

impl History {
    pub fn begin(&mut self, who: impl Into<SmolStr>, now: u64, call: Call) -> Number {
        self.ops.push(Some(Op { who: who.into(), begun: now, ended: None, call }));
        self.ops.len() - 1
    }

    /// It is answered. What is never answered may have been done at any time, or not at all.
    pub fn end(&mut self, number: Number, now: u64, answer: Answer) {
        if let Some(op) = self.ops.get_mut(number).and_then(Option::as_mut) {
            op.ended = Some((now, answer));
        }
    }

    /// It surely was not done.
    pub fn forget(&mut self, number: Number) {
        if let Some(op) = self.ops.get_mut(number) {
            *op = None;
        }
    }

    pub fn ops(&self) -> Vec<Op> {
        self.ops.iter().flatten().cloned().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ops.iter().flatten().count()
    }

    /// Nobody asked for anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The histories of several addresses. Operations on different ones are checked apart from each other:
/// linearizability is local.
#[derive(Clone, Debug, Default)]
pub struct Histories {
    addresses: BTreeMap<String, History>,
}

impl Histories {
    /// The history of an address.
    pub fn at(&mut self, address: &str) -> &mut History {
        if !self.addresses.contains_key(address) {
            self.addresses.insert(address.to_owned(), History::default());
        }
        self.addresses.entry(address.to_owned()).or_default()
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.addresses.values().map(History::len).sum()
    }

    /// Nobody asked for anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every address with its history, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &History)> {
        self.addresses.iter().map(|(address, history)| (address.as_str(), history))
    }

    /// Checks all of them; the first address that fails, with its failure.
    pub fn check(&self, losses: Losses) -> Result<(), (String, Failure)> {
        for (address, history) in &self.addresses {
            check(&history.ops(), losses).map_err(|failure| (address.clone(), failure))?;
        }
        Ok(())
    }
}
