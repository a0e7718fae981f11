//! Histories that a right register made hold; the same histories with something wrong at their end do not.

use orrery_linear::{Answer, Call, Failure, Losses, Op, Value, Version, check};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// A register that does one thing after the other, and loses what is not durable now and then.
struct Right {
    committed: Value,
    version: Version,
    tail: Vec<u64>,
    /// No version is given twice.
    next: Version,
}

impl Right {
    fn next(&mut self) -> Version {
        self.next += 1;
        self.next
    }

    fn settle(&mut self) {
        if let Some(value) = self.tail.pop() {
            self.committed = Some(value);
            self.version = self.next();
        }
        self.tail.clear();
    }

    /// Something that happens by itself.
    fn stir(&mut self, rng: &mut StdRng) {
        match rng.random_range(0..12) {
            0 if !self.tail.is_empty() => {
                self.tail.truncate(rng.random_range(0..self.tail.len() as u64) as usize)
            }
            1 if !self.tail.is_empty() => {
                let at = rng.random_range(0..self.tail.len() as u64) as usize;
                self.committed = self.tail.drain(..=at).next_back().map(Some).unwrap_or_default();
                self.version = self.next();
            }
            2 => self.version = self.next(),
            _ => {}
        }
    }

    fn answer(&mut self, call: Call) -> Answer {
        match call {
            Call::Read => match (self.tail.last(), self.committed) {
                (Some(value), _) => {
                    Answer::Saw { value: Some(*value), version: Some(self.version), dirty: true }
                }
                (None, None) => Answer::Saw { value: None, version: None, dirty: false },
                (None, value) => Answer::Saw { value, version: Some(self.version), dirty: false },
            },
            Call::WriteBack { value } => {
                self.tail.push(value);
                Answer::Taken { version: self.version }
            }
            Call::Write { value, if_version } => {
                self.settle();
                let present = self.committed.map_or(0, |_| self.version);
                if if_version.is_some_and(|wanted| wanted != present) {
                    Answer::Wrong { version: present }
                } else if value.is_none() && self.committed.is_none() {
                    Answer::Absent { version: self.version }
                } else {
                    self.committed = value;
                    self.version = self.next();
                    Answer::Written { version: self.version }
                }
            }
        }
    }
}

/// A history of some clients; what the register is at the end; and when that is.
fn made(seed: u64, clients: u64, count: u64) -> (Vec<Op>, Right, u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    // When each is done, then what.
    let mut ops: Vec<(u64, Op)> = Vec::new();
    for client in 0..clients {
        let mut now = rng.random_range(0..20);
        for n in 0..count {
            let value = 1 + n * clients + client;
            let call = match rng.random_range(0..20) {
                0..=9 => Call::Read,
                10..=13 => Call::Write { value: Some(value), if_version: None },
                14 => Call::Write { value: None, if_version: None },
                15..=16 => Call::Write { value: Some(value), if_version: Some(rng.random_range(0..count)) },
                _ => Call::WriteBack { value },
            };
            let done = now + rng.random_range(0..30);
            let ended = done + rng.random_range(0..30);
            let saw = Answer::Saw { value: None, version: None, dirty: false };
            let op = Op { who: format!("c{client}").into(), begun: now, ended: Some((ended, saw)), call };
            ops.push((done, op));
            now = ended + 1 + rng.random_range(0..20);
        }
    }
    let end = ops.iter().filter_map(|(_, op)| op.ended).map(|(ended, _)| ended).max().unwrap_or_default() + 1;
    for (done, op) in &mut ops {
        if rng.random_ratio(60, 1000) && op.call != Call::Read {
            op.ended = None;
            // Long after its client gave up, or never.
            *done = if rng.random_ratio(500, 1000) { u64::MAX } else { *done + rng.random_range(0..300) };
        }
    }
    ops.sort_by_key(|(done, _)| *done);
    let mut right = Right { committed: None, version: 0, tail: Vec::new(), next: 0 };
    for (_, op) in ops.iter_mut().filter(|(done, _)| *done != u64::MAX) {
        right.stir(&mut rng);
        let answer = right.answer(op.call);
        op.ended = op.ended.map(|(ended, _)| (ended, answer));
    }
    (ops.into_iter().map(|(_, op)| op).collect(), right, end)
}

fn text(ops: &[Op]) -> String {
    ops.iter().map(|op| format!("{op}\n")).collect()
}

fn op(begun: u64, call: Call, answer: Answer) -> Op {
    Op { who: "wrong".into(), begun, ended: Some((begun + 1, answer)), call }
}

fn clean(value: u64, version: Version) -> Answer {
    Answer::Saw { value: Some(value), version: Some(version), dirty: false }
}

/// A value that a later durable write surely overwrote, with the version that it had, or was based on.
fn overwritten(ops: &[Op]) -> Option<(u64, Version)> {
    ops.iter().find_map(|first| {
        let (value, version) = match (first.call, first.ended) {
            (Call::Write { value: Some(value), .. }, Some((_, Answer::Written { version }))) => {
                (value, version)
            }
            (Call::WriteBack { value }, Some((_, Answer::Taken { version }))) => (value, version),
            _ => return None,
        };
        let ended = first.ended.map_or(u64::MAX, |(ended, _)| ended);
        let written = |op: &Op| matches!(op.ended, Some((_, Answer::Written { .. })));
        ops.iter().any(|op| written(op) && op.begun > ended).then_some((value, version))
    })
}

/// Every way to spoil a history at its end, by name.
fn spoiled(ops: &[Op], right: &Right, end: u64) -> Vec<(&'static str, Vec<Op>)> {
    let fresh = 1 << 40;
    let (version, later) = (right.next, right.next + 1);
    let mut ways = Vec::new();
    if let Some((value, version)) = overwritten(ops) {
        let dirty = Answer::Saw { value: Some(value), version: Some(version), dirty: true };
        ways.push(("a stale read", vec![op(end, Call::Read, dirty)]));
        let again = clean(value, later);
        ways.push(("a stale read under a new version", vec![op(end, Call::Read, again)]));
    }
    let write = |value, if_version| Call::Write { value: Some(value), if_version };
    let written = |version| Answer::Written { version };
    let none = Answer::Saw { value: None, version: None, dirty: false };
    // From here on everything that is not answered may still be done: only what no such thing explains is wrong.
    ways.push((
        "a lost durable write",
        vec![
            op(end, write(fresh, None), written(later)),
            op(end + 2, write(fresh + 1, None), written(later + 1)),
            op(end + 4, Call::Read, clean(fresh, later)),
        ],
    ));
    if !ops.iter().any(|op| matches!(op.call, Call::Write { value: None, .. }) && op.ended.is_none()) {
        let wrote = op(end, write(fresh, None), written(later));
        ways.push(("a durable write that is not there", vec![wrote, op(end + 2, Call::Read, none)]));
    }
    ways.push((
        "a version that goes backwards",
        vec![
            op(end, write(fresh, None), written(later)),
            op(end + 2, write(fresh + 1, None), written(version)),
        ],
    ));
    ways.push((
        "two winners",
        vec![
            op(end, write(fresh, None), written(later)),
            op(end + 2, write(fresh + 1, Some(later)), written(later + 1)),
            op(end + 2, write(fresh + 2, Some(later)), written(later + 2)),
        ],
    ));
    ways.push((
        "a lost write that comes back",
        vec![
            op(end, write(fresh, None), written(later)),
            op(end + 2, Call::WriteBack { value: fresh + 1 }, Answer::Taken { version: later }),
            op(end + 4, Call::Read, clean(fresh, later + 1)),
            op(end + 6, Call::Read, clean(fresh + 1, later + 2)),
        ],
    ));
    ways.into_iter().map(|(name, wrong)| (name, [ops, &wrong].concat())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_right_register_answers_holds(seed in any::<u64>(), clients in 1..9u64, count in 1..60u64) {
        let (ops, ..) = made(seed, clients, count);
        let found = check(&ops, Losses::Possible);
        prop_assert!(found.is_ok(), "{}\n{}", text(&ops), found.unwrap_err());
    }

    #[test]
    fn what_is_spoiled_does_not(seed in any::<u64>(), clients in 1..7u64, count in 2..40u64) {
        let (ops, right, end) = made(seed, clients, count);
        for (name, ops) in spoiled(&ops, &right, end) {
            let failure = check(&ops, Losses::Possible).err();
            let wrong = matches!(&failure, Some(Failure::NoOrder { op, .. } | Failure::TwoValues { second: op, .. })
                if op.who == "wrong");
            prop_assert!(wrong, "{name}: {failure:?}\n{}", text(&ops));
        }
    }
}
