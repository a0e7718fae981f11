//! The search for an order. It walks through the begins and ends of operations in time and keeps every pair of what the
//! register may be and which of the open operations were done by then. Where an operation ends, it is done in each of
//! them, after as many other open ones as it takes. No pair left: no order explains the answer.
//!
//! What keeps it small:
//! - what was asked for without an answer stays open. A write of which no read ever saw the value is not among them
//!   (see [`Around::unseen`]), and of several deletions that are worth the same only one is tried;
//! - an operation that changes nothing is done as soon as it can be;
//! - of two registers that differ only in their version the one that can do more is kept;
//! - values that nobody sees any more are forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::register::{Around, Register, Shape};
use super::{Answer, Call, Losses, Op, Value, Version};

/// Most operations that may be open at one moment.
pub const OPEN_MAX: usize = 128;

/// Most pairs at one moment. A history that needs more is not decided, which is a failure too.
pub const STATES_MAX: usize = 200_000;

/// Operations that are shown around one that cannot be explained.
const SHOWN: usize = 24;

/// How much work a verdict was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Operations with an answer.
    pub answered: usize,
    /// Most pairs at one moment.
    pub states: usize,
}

/// Why a history does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// One value was written by two operations: nobody could tell them apart.
    Ambiguous {
        /// The second one.
        op: Op,
    },
    /// One version is said to have two values.
    TwoValues {
        version: Version,
        first: Op,
        second: Op,
        /// What ended before the second one or was open then, the last of it.
        around: Vec<Op>,
    },
    /// No order gives this answer.
    NoOrder {
        op: Op,
        /// What the register might have been before.
        registers: Vec<Register>,
        /// What was open at the end of it or ended before, the last of it.
        around: Vec<Op>,
    },
    /// A bound was reached.
    Undecided {
        /// At the end of this operation.
        op: Op,
        /// Which, as a sentence.
        bound: String,
    },
}

impl Failure {
    /// The operation that it is about.
    pub fn op(&self) -> &Op {
        match self {
            Failure::Ambiguous { op } | Failure::NoOrder { op, .. } | Failure::Undecided { op, .. } => op,
            Failure::TwoValues { second, .. } => second,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Ambiguous { op } => write!(f, "not decided: `{op}` writes a value once more"),
            Failure::Undecided { op, bound } => write!(f, "not decided at `{op}`: {bound}"),
            Failure::TwoValues { version, first, second, around } => {
                write!(f, "not linearizable: version {version} has two values, `{first}` and `{second}`")?;
                write_around(f, around)
            }
            Failure::NoOrder { op, registers, around } => {
                write!(f, "not linearizable: no order explains `{op}`; before it, readers might see ")?;
                for (n, register) in registers.iter().take(4).enumerate() {
                    let or = if n == 0 { "" } else { " or " };
                    write!(f, "{or}{:?} (version {} or later)", register.list(), register.version())?;
                }
                write_around(f, around)
            }
        }
    }
}

fn write_around(f: &mut fmt::Formatter<'_>, around: &[Op]) -> fmt::Result {
    write!(f, "\nthe last of what ended before it or was open then:")?;
    around.iter().try_for_each(|op| write!(f, "\n  {op}"))
}

/// Whether the operations on one address are linearizable. Nobody wrote to it before them.
pub fn check(ops: &[Op], losses: Losses) -> Result<Checked, Failure> {
    let mut ops = ops.to_vec();
    ops.sort_by_key(|op| op.begun);
    let last_seen = last_seen(&ops);
    let bases = bases(&ops);
    writes_differ(&ops)?;
    versions_differ(&ops)?;
    let unseen = |op: &Op| match op.call {
        Call::Write { value: Some(value), .. } | Call::WriteBack { value } => {
            op.ended.is_none() && !last_seen.contains_key(&value)
        }
        _ => false,
    };
    let mut search = Search {
        ops: &ops,
        around: Around { losses, unseen: false, bases: &bases },
        open: BTreeMap::new(),
        states: States::from([((Register::default().into_shape(), 0), 0)]),
        checked: Checked::default(),
    };
    for (now, event, at) in events(&ops) {
        match event {
            Event::Begin if unseen(&ops[at]) => search.around.unseen = true,
            Event::Begin => search.begin(at)?,
            Event::End => search.end(at, |value| last_seen.get(&value).is_some_and(|last| *last >= now))?,
        }
    }
    Ok(search.checked)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    // At one moment, what begins comes first: the two may be in either order.
    Begin,
    End,
}

/// In the order of time; reads without an answer say nothing.
fn events(ops: &[Op]) -> Vec<(u64, Event, usize)> {
    let mut events = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        if op.ended.is_some() || op.call != Call::Read {
            events.push((op.begun, Event::Begin, at));
        }
        events.extend(op.ended.map(|(ended, _)| (ended, Event::End, at)));
    }
    events.sort_unstable();
    events
}

/// When the last read that saw a value ended.
fn last_seen(ops: &[Op]) -> BTreeMap<u64, u64> {
    let mut seen = BTreeMap::new();
    for op in ops {
        if let Some((ended, Answer::Saw { value: Some(value), .. })) = op.ended {
            let last = seen.entry(value).or_insert(ended);
            *last = ended.max(*last);
        }
    }
    seen
}

/// What the writes that were answered without being durable are based on.
fn bases(ops: &[Op]) -> BTreeMap<u64, Version> {
    let base = |op: &Op| match (op.call, op.ended) {
        (Call::WriteBack { value }, Some((_, Answer::Taken { version }))) => Some((value, version)),
        _ => None,
    };
    ops.iter().filter_map(base).collect()
}

fn writes_differ(ops: &[Op]) -> Result<(), Failure> {
    let mut written = BTreeSet::new();
    for op in ops {
        if let Call::Write { value: Some(value), .. } | Call::WriteBack { value } = op.call
            && (!written.insert(value) || value >= u64::MAX - 1)
        {
            return Err(Failure::Ambiguous { op: op.clone() });
        }
    }
    Ok(())
}

/// A version is a place in the log: it has one value for good, whoever names it.
fn versions_differ(ops: &[Op]) -> Result<(), Failure> {
    let mut known: BTreeMap<Version, (Value, &Op)> = BTreeMap::new();
    for op in ops {
        let value = match (op.call, op.ended) {
            (_, Some((_, Answer::Saw { value, version: Some(version), dirty: false }))) => (version, value),
            (Call::Write { value, .. }, Some((_, Answer::Written { version }))) => (version, value),
            (Call::WriteBack { value }, Some((_, Answer::Written { version }))) => (version, Some(value)),
            _ => continue,
        };
        let (version, value) = value;
        let (before, first) = *known.entry(version).or_insert((value, op));
        if before != value {
            let (first, second, around) = (first.clone(), op.clone(), around(ops, op));
            return Err(Failure::TwoValues { version, first, second, around });
        }
    }
    Ok(())
}

/// The last of what ended before that operation, and what was open at its end.
fn around(ops: &[Op], op: &Op) -> Vec<Op> {
    let end = op.ended.map_or(u64::MAX, |(ended, _)| ended);
    let mut around: Vec<Op> = ops.iter().filter(|other| other.begun <= end).cloned().collect();
    around.sort_by_key(|op| op.ended.map_or(u64::MAX, |(ended, _)| ended.min(end.saturating_add(1))));
    around.split_off(around.len().saturating_sub(SHOWN))
}

/// Which of the open operations were done: one bit for each place.
type Done = u128;

/// What the register may be with which operations done, without its version; and the smallest version.
type States = BTreeMap<(Shape, Done), Version>;

struct Search<'a> {
    ops: &'a [Op],
    around: Around<'a>,
    /// Open operations by their place.
    open: BTreeMap<u32, usize>,
    states: States,
    checked: Checked,
}

impl Search<'_> {
    fn begin(&mut self, at: usize) -> Result<(), Failure> {
        let place = (0..OPEN_MAX as u32).find(|place| !self.open.contains_key(place));
        let Some(place) = place else {
            let bound = format!("more than {OPEN_MAX} operations are open");
            return Err(Failure::Undecided { op: self.ops[at].clone(), bound });
        };
        self.open.insert(place, at);
        Ok(())
    }

    /// The operation is done in every state from now on. `sees`: a read that ends later sees the value.
    fn end(&mut self, at: usize, sees: impl Fn(u64) -> bool) -> Result<(), Failure> {
        let place = self.open.iter().find(|(_, open)| **open == at).map(|(place, _)| *place);
        let Some(place) = place else { return Ok(()) };
        let before = std::mem::take(&mut self.states);
        let done = self.done_in(place, &before)?;
        self.open.remove(&place);
        self.checked.answered += 1;
        for ((shape, bits), version) in done {
            let mut register = Register::new(shape, version);
            register.forget(&sees);
            keep(&mut self.states, register, bits & !(1 << place));
        }
        if self.states.is_empty() {
            return Err(self.no_order(at, before));
        }
        self.checked.states = self.checked.states.max(self.states.len());
        self.close();
        Ok(())
    }

    /// What was never answered, and was done whichever way it went, is open no more.
    fn close(&mut self) {
        let everywhere = self.states.keys().fold(Done::MAX, |all, (_, bits)| all & bits);
        let closed: Done =
            self.open.keys().filter(|place| everywhere & (1 << *place) != 0).map(|place| 1 << place).sum();
        let unanswered = |place: &u32| self.open.get(place).is_some_and(|at| self.ops[*at].ended.is_none());
        let places: Vec<u32> = (0..OPEN_MAX as u32).filter(|place| closed & (1 << place) != 0).collect();
        for place in places.into_iter().filter(unanswered).collect::<Vec<_>>() {
            self.open.remove(&place);
            let states = std::mem::take(&mut self.states);
            self.states = states
                .into_iter()
                .map(|((shape, bits), version)| ((shape, bits & !(1 << place)), version))
                .collect();
        }
    }

    /// Every way to do the operation of this place, with the others that come before it.
    fn done_in(&self, place: u32, from: &States) -> Result<States, Failure> {
        let mut done = States::new();
        let mut seen = States::new();
        let mut next: Vec<(Register, Done)> = Vec::new();
        for ((shape, bits), version) in from {
            next.push((Register::new(shape.clone(), *version), *bits));
        }
        while let Some((register, bits)) = next.pop() {
            let bits = self.do_what_changes_nothing(&register, bits);
            if bits & (1 << place) != 0 {
                keep(&mut done, register, bits);
                continue;
            }
            if !keep(&mut seen, register.clone(), bits) {
                continue;
            }
            if seen.len() + done.len() > STATES_MAX {
                let bound = format!("there are more than {STATES_MAX} ways up to here");
                return Err(Failure::Undecided { op: self.ops[self.open[&place]].clone(), bound });
            }
            let mut deleted = false;
            for (other, at) in &self.open {
                let op = &self.ops[*at];
                let may_delete =
                    op.call == Call::Write { value: None, if_version: None } && op.ended.is_none();
                if bits & (1 << other) != 0 || may_delete && deleted {
                    continue;
                }
                deleted |= may_delete;
                // What may not have been done at all, and makes no difference, was not done.
                let makes_sense = |after: &Register| op.ended.is_some() || *after != register;
                let after = self.after(&register, op).into_iter().filter(makes_sense);
                next.extend(after.map(|after| (after, bits | 1 << other)));
            }
        }
        Ok(done)
    }

    /// Such an operation takes nothing from what may follow: there is no reason to do it later.
    fn do_what_changes_nothing(&self, register: &Register, bits: Done) -> Done {
        let mut bits = bits;
        for (place, at) in &self.open {
            let op = &self.ops[*at];
            let undone = bits & (1 << place) == 0 && op.ended.is_some();
            if undone && self.after(register, op).first() == Some(register) {
                bits |= 1 << place;
            }
        }
        bits
    }

    fn after(&self, register: &Register, op: &Op) -> Vec<Register> {
        register.after(op.call, op.ended.map(|(_, answer)| answer), self.around)
    }

    fn no_order(&self, at: usize, before: States) -> Failure {
        let op = self.ops[at].clone();
        let around = around(self.ops, &op);
        let mut registers: Vec<Register> =
            before.into_iter().map(|((shape, _), version)| Register::new(shape, version)).collect();
        registers.dedup();
        Failure::NoOrder { op, registers, around }
    }
}

/// Adds a state, unless one that can do more is there. Whether it was added.
fn keep(states: &mut States, register: Register, bits: Done) -> bool {
    let version = register.version();
    let known = states.entry((register.into_shape(), bits)).or_insert(Version::MAX);
    let better = version < *known;
    *known = version.min(*known);
    better
}
