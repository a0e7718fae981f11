//! The histories of `cases.txt` get the verdicts that stand there.

use orrery_linear::text::parse;
use orrery_linear::{Failure, Losses, Op, check};

/// One history with its verdict.
struct Case {
    name: String,
    losses: Losses,
    /// `holds`, or the beginning of the line of the operation that cannot be explained.
    verdict: String,
    ops: Vec<Op>,
}

/// `== name: verdict`, or `== name, nothing lost: verdict`; then operations. `#` begins a comment.
fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("cases.txt").lines().map(str::trim) {
        if let Some(head) = line.strip_prefix("== ") {
            let (name, verdict) = head.split_once(": ").unwrap();
            let (name, losses) = match name.strip_suffix(", nothing lost") {
                Some(name) => (name, Losses::Never),
                None => (name, Losses::Possible),
            };
            cases.push(Case { name: name.into(), losses, verdict: verdict.into(), ops: Vec::new() });
        } else if !line.is_empty() && !line.starts_with('#') {
            let op = parse(line).unwrap();
            assert_eq!(parse(&op.to_string()).unwrap(), op, "{line}");
            cases.last_mut().unwrap().ops.push(op);
        }
    }
    cases
}

#[test]
fn every_case_gets_its_verdict() {
    let cases = cases();
    assert!(cases.len() > 40, "{}", cases.len());
    let mut wrong = Vec::new();
    for Case { name, losses, verdict, ops } in &cases {
        let found = check(ops, *losses);
        let right = match (&found, verdict.as_str()) {
            (Ok(_), verdict) => verdict == "holds",
            (Err(Failure::NoOrder { op, .. } | Failure::TwoValues { second: op, .. }), verdict) => {
                op.to_string().starts_with(verdict)
            }
            (Err(Failure::Ambiguous { .. }), verdict) => verdict == "ambiguous",
            (Err(Failure::Undecided { .. }), _) => false,
        };
        if !right {
            let found = found.map_or_else(|failure| failure.to_string(), |_| "holds".into());
            wrong.push(format!("{name}: expected {verdict}, found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// More open operations than there are places for, and more ways than are looked at: reasons, not verdicts.
#[test]
fn a_bound_that_is_reached_is_a_failure_with_a_reason() {
    let many = |count: u64| -> Vec<Op> {
        let writes = (0..count).map(|n| parse(&format!("w{n} 0..? writeback {n}")).unwrap());
        let reads = (0..count).map(|n| parse(&format!("r{n} 1..{} read = {n} v1 dirty", n + 2)).unwrap());
        writes.chain(reads).collect()
    };
    let failure = check(&many(70), Losses::Possible).unwrap_err();
    assert!(failure.to_string().contains("operations are open"), "{failure}");
    let failure = check(&many(24), Losses::Possible).unwrap_err();
    assert!(failure.to_string().contains("ways up to here"), "{failure}");
}

/// A hundred thousand operations of eight clients are a matter of a second: what is over is forgotten.
#[test]
fn a_long_history_is_checked_in_pieces() {
    let mut ops = Vec::new();
    for n in 1..=12_500u64 {
        let at = n * 100;
        ops.push(parse(&format!("w {at}..{} write {n} = v{n}", at + 40)).unwrap());
        for reader in 0..7 {
            let seen = if reader % 2 == 0 { n } else { (n - 1).max(1) };
            let begun = if n == 1 { at + 41 } else { at + 10 + reader };
            let seen = if begun > at + 40 { n } else { seen };
            ops.push(
                parse(&format!("r{reader} {begun}..{} read = {seen} v{seen}", at + 50 + reader)).unwrap(),
            );
        }
    }
    let checked = check(&ops, Losses::Never).unwrap();
    assert_eq!(checked.answered, 100_000);
    assert!(checked.states < 100, "{checked:?}");
}
