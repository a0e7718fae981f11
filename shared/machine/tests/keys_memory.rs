//! What remembered keys cost: their bytes are bounded by an estimate, which has to be one from above. One test, because the
//! memory is that of the whole process.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use orrery_base::ids::GroupId;
use orrery_base::key::{IdempotencyKey, KeyName, RequestKey};
use orrery_lock::{Holder, LockCommand};
use orrery_machine::{Command, Machine, Mutation, Reply};

/// Resident memory of this process in bytes, as Linux counts it in pages.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = pages.lines().find(|line| line.starts_with("Rss:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Keeps nothing but its answer.
fn nothing() -> Mutation {
    Mutation::Lock(LockCommand::Release {
        resource: "printer".into(),
        holder: Holder { client: "Ayu".into(), session: None },
        fencing_token: None,
    })
}

/// Fills a machine with these keys until it refuses one more. What it takes, and the machine: what is freed would be taken
/// again by the next one.
fn fill(name: impl Fn(u64) -> KeyName) -> (Option<u64>, Machine) {
    let mut machine = Machine::of(GroupId::CONTROL);
    let before = resident();
    let mut index = 0;
    loop {
        let key = Some(RequestKey { name: name(index), hold_ms: 600_000 });
        index += 1;
        let applied = machine.apply(index, &Command { key, mutation: nothing() });
        if matches!(applied.reply, Reply::TooManyKeys { .. }) {
            break;
        }
    }
    (resident().zip(before).map(|(after, before)| after.saturating_sub(before)), machine)
}

#[test]
fn what_a_remembered_key_takes_is_at_most_what_it_counts_for() {
    let text = |text: String| KeyName::Client(IdempotencyKey::of(&text));
    let cases: [(&str, &dyn Fn(u64) -> KeyName); 5] = [
        ("numbers of a few clients", &|n| text(format!("student{}/{}", n % 40, n / 40))),
        ("numbers of clients with one each", &|n| text(format!("student{n}/1"))),
        ("short texts", &|n| text(format!("request {n}"))),
        ("texts of 36 bytes", &|n| text(format!("{n:036}"))),
        ("minted", &|number| KeyName::Minted { origin: 7, number: number + 1, settled: 0 }),
    ];
    let mut kept = Vec::new();
    for (what, name) in cases {
        let (taken, machine) = fill(name);
        let Some(taken) = taken else { return };
        let (answers, bytes) = machine.remembered();
        let answers = answers as u64;
        kept.push(machine);
        let (counted, measured) = (bytes / answers, taken / answers);
        println!("{what}: {answers} answers, {counted} bytes counted and {measured} bytes taken for each");
        assert!(answers > 50_000, "{what}: {answers}");
        // The allocator gives pages back late, and may have had some: both ways a tenth.
        assert!(measured <= counted + counted / 10, "{what}: {counted} counted, {measured} taken");
        assert!(measured >= counted / 2, "{what}: {counted} counted, and {measured} taken only");
    }
}
