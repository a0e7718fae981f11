//! Small histories, checked once more without any thought: every order, with losses and write-backs as steps of their
//! own. The two verdicts are the same.

use std::collections::BTreeMap;

use orrery_linear::{Answer, Call, Losses, Op, Value, Version, check};
use proptest::prelude::*;

/// Longest history that is tried in every order.
const OPS_MAX: usize = 6;

#[derive(Clone)]
struct Plain {
    list: Vec<Value>,
    version: Version,
    /// The newest write that went away and may come back.
    away: Value,
    /// It went away since the last answer.
    fresh: bool,
    /// Something was written back since the last write that was not durable.
    moved: bool,
    /// What was away came back since the last operation: going away again at once would be nothing.
    back: bool,
}

/// What writes that were answered without being durable are based on.
type Bases = BTreeMap<u64, Version>;

/// Whether there is an order. `left`: operations that are not done.
fn explain(ops: &[Op], left: &[usize], at: &Plain, losses: Losses, bases: &Bases) -> bool {
    if left.iter().all(|op| ops[*op].ended.is_none()) {
        return true;
    }
    if at.list.len() > 1 {
        let mut lost = at.clone();
        let gone = lost.list.pop().flatten();
        lost.fresh |= lost.away.is_none();
        lost.away = lost.away.or(gone);
        let mut written_back = at.clone();
        written_back.list.remove(0);
        written_back.moved = true;
        if losses == Losses::Possible && !at.back && explain(ops, left, &lost, losses, bases)
            || explain(ops, left, &written_back, losses, bases)
        {
            return true;
        }
    }
    if at.away.is_some() {
        let mut back = at.clone();
        back.list.push(back.away.take());
        (back.fresh, back.back) = (false, true);
        if explain(ops, left, &back, losses, bases) {
            return true;
        }
    }
    let first_end = left.iter().filter_map(|op| ops[*op].ended).map(|(ended, _)| ended).min();
    left.iter().any(|op| {
        let may_be_next = first_end.is_none_or(|end| ops[*op].begun <= end);
        let rest: Vec<usize> = left.iter().copied().filter(|other| other != op).collect();
        let after = done(&ops[*op], at, bases).map(|after| Plain { back: false, ..after });
        may_be_next && after.is_some_and(|after| explain(ops, &rest, &after, losses, bases))
    })
}

fn done(op: &Op, at: &Plain, bases: &Bases) -> Option<Plain> {
    let answer = op.ended.map(|(_, answer)| answer);
    let last = *at.list.last()?;
    let settled = at.list.len() == 1;
    // Whatever is written, what was away stays away.
    let become_ = |list: Vec<Value>, version: Version| {
        Some(Plain { list, version, away: None, fresh: false, moved: false, back: false })
    };
    match (op.call, answer) {
        (Call::Read, None) => Some(at.clone()),
        (Call::Read, Some(Answer::Saw { value: None, .. })) => {
            (last.is_none() && settled).then(|| Plain { fresh: false, ..at.clone() })
        }
        (Call::Read, Some(Answer::Saw { value, version: Some(version), dirty })) => {
            let fits = last == value && version >= at.version && (dirty || settled);
            let base = at.away.and_then(|away| bases.get(&away).copied());
            let refused = at.fresh && !at.moved && !dirty && base.is_some_and(|base| version > base);
            let away = at.away.filter(|_| !refused);
            fits.then(|| Plain { version, away, fresh: false, ..at.clone() })
        }
        (Call::WriteBack { value }, None | Some(Answer::Taken { .. })) => {
            let version = match answer {
                Some(Answer::Taken { version }) => version,
                _ => at.version,
            };
            let list = at.list.iter().copied().chain([Some(value)]).collect();
            if version >= at.version { become_(list, version) } else { None }
        }
        (Call::WriteBack { value }, Some(Answer::Written { version })) => {
            if settled && version > at.version {
                become_(vec![Some(value)], version)
            } else {
                None
            }
        }
        (Call::Write { value, if_version }, answer) if settled => {
            let fits = |version: Version| match if_version {
                None => true,
                Some(0) => last.is_none(),
                Some(wanted) => last.is_some() && wanted >= at.version && wanted <= version,
            };
            match answer {
                None => {
                    let wanted = if_version.unwrap_or(0).max(at.version);
                    let nothing = value.is_none() && last.is_none();
                    let version = if nothing { wanted } else { wanted + 1 };
                    if fits(wanted) { become_(vec![value], version) } else { None }
                }
                Some(Answer::Written { version }) => {
                    let deletes = value.is_some() || last.is_some();
                    let good = deletes && version > at.version && fits(version - 1);
                    if good { become_(vec![value], version) } else { None }
                }
                Some(Answer::Absent { version }) => {
                    let good = value.is_none() && last.is_none() && fits(version);
                    if good { become_(vec![None], version.max(at.version)) } else { None }
                }
                Some(Answer::Wrong { version }) => {
                    let wanted = if_version?;
                    let there = if version == 0 { last.is_none() } else { last.is_some() };
                    let good = there && wanted != version && (version == 0 || version >= at.version);
                    good.then(|| Plain { version: version.max(at.version), fresh: false, ..at.clone() })
                }
                Some(_) => None,
            }
        }
        _ => None,
    }
}

/// Any operation of a small world; its value is filled in later.
fn any_op() -> impl Strategy<Value = Op> {
    let version = 0..5u64;
    let call = prop_oneof![
        4 => Just(Call::Read),
        2 => Just(Call::Write { value: Some(0), if_version: None }),
        1 => version.clone().prop_map(|version| Call::Write { value: Some(0), if_version: Some(version) }),
        1 => prop_oneof![Just(None), (1..4u64).prop_map(Some)]
            .prop_map(|if_version| Call::Write { value: None, if_version }),
        3 => Just(Call::WriteBack { value: 0 }),
    ];
    (call, 0..24u64, 0..8u64, version, 0..5u64, 0..8u32).prop_map(
        |(call, begun, took, version, seen, kind)| {
            let answer = match call {
                Call::Read if seen == 0 => Answer::Saw { value: None, version: None, dirty: false },
                Call::Read => {
                    Answer::Saw { value: Some(seen), version: Some(version), dirty: kind.is_multiple_of(2) }
                }
                Call::Write { if_version: Some(_), .. } if kind < 3 => Answer::Wrong { version },
                Call::Write { value: None, .. } if kind < 5 => Answer::Absent { version },
                Call::WriteBack { .. } if kind > 0 => Answer::Taken { version },
                Call::Write { .. } | Call::WriteBack { .. } => Answer::Written { version: version + 1 },
            };
            let ended = (kind != 7).then_some((begun + took, answer));
            Op { who: "a".into(), begun, ended, call }
        },
    )
}

/// Writes get numbers of their own.
fn number(ops: &mut [Op]) {
    for (n, op) in ops.iter_mut().enumerate() {
        op.who = format!("c{n}").into();
        match &mut op.call {
            Call::Write { value: Some(value), .. } | Call::WriteBack { value } => *value = n as u64 + 1,
            Call::Write { .. } | Call::Read => {}
        }
    }
}

/// A write without an answer that no read saw: there the checker allows more than one write can do.
fn has_unseen(ops: &[Op]) -> bool {
    let saw = |number: u64| {
        ops.iter().any(
            |op| matches!(op.ended, Some((_, Answer::Saw { value: Some(value), .. })) if value == number),
        )
    };
    ops.iter().any(|op| match op.call {
        Call::Write { value: Some(value), .. } | Call::WriteBack { value } => {
            op.ended.is_none() && !saw(value)
        }
        _ => false,
    })
}

/// What the checker looks at before it looks for an order.
fn has_two_values(ops: &[Op]) -> bool {
    matches!(check(ops, Losses::Possible), Err(orrery_linear::Failure::TwoValues { .. }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_verdict_is_the_same_as_that_of_every_order(
        mut ops in prop::collection::vec(any_op(), 1..=OPS_MAX),
        never in any::<bool>(),
    ) {
        number(&mut ops);
        let losses = if never { Losses::Never } else { Losses::Possible };
        let all: Vec<usize> = (0..ops.len()).collect();
        let start = Plain { list: vec![None], version: 0, away: None, fresh: false, moved: false, back: false };
        let base = |op: &Op| match (op.call, op.ended) {
            (Call::WriteBack { value }, Some((_, Answer::Taken { version }))) => Some((value, version)),
            _ => None,
        };
        let bases = ops.iter().filter_map(base).collect();
        let plain = explain(&ops, &all, &start, losses, &bases);
        let found = check(&ops, losses);
        let text = ops.iter().map(|op| format!("{op}\n")).collect::<String>();
        if !has_two_values(&ops) && plain {
            prop_assert!(found.is_ok(), "{}\n{}", text, found.unwrap_err());
        }
        if !plain && !has_unseen(&ops) {
            prop_assert!(found.is_err(), "{losses:?}\n{}", text);
        }
    }
}
