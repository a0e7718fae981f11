//! The control group's state machine at its bounds, and its snapshot format.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::time::Instant;

use bytes::Bytes;
use orrery_shared::event::fact::ServiceFact;
use orrery_shared::ids::{ClusterId, NodeId};
use orrery_shared::lock::limits::*;
use orrery_shared::lock::{
    Holder, LockCommand, LockReply, Mode, SessionCommand, SessionId, SessionReply, Wait,
};
use orrery_shared::machine::replies::{IDLE_CLIENTS_MAX, REPLIES_MAX, REPLIES_PER_CLIENT_MAX};
use orrery_shared::machine::snapshot::CHUNK_BYTES_MAX;
use orrery_shared::machine::{
    Applied, Command, ControlCommand, IdempotencyKey, Machine, Member, Operation, Reply, SnapshotError,
};

#[derive(Default)]
struct Group {
    machine: Machine,
    index: u64,
}

impl Group {
    fn apply(&mut self, key: Option<(&str, u64)>, operation: Operation) -> Applied {
        self.index += 1;
        let key = key.map(|(client, number)| IdempotencyKey { client: client.into(), number });
        self.machine.apply(self.index, &Command { key, operation })
    }

    fn lock(&mut self, command: LockCommand) -> LockReply {
        match self.apply(None, Operation::Lock(command)).reply {
            Reply::Lock(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn acquire(&mut self, resource: &str, client: &str, mode: Mode) -> LockReply {
        self.lock(acquire(resource, client, mode))
    }
}

fn acquire(resource: &str, client: &str, mode: Mode) -> LockCommand {
    LockCommand::Acquire {
        resource: resource.into(),
        holder: holder(client),
        mode,
        ttl_ms: 30_000,
        wait: Wait::LongPoll { deadline_ms: 10_000 },
    }
}

fn release(resource: &str, client: &str) -> LockCommand {
    LockCommand::Release { resource: resource.into(), holder: holder(client), fencing_token: None }
}

fn holder(client: &str) -> Holder {
    Holder { client: client.into(), session: None }
}

/// At its bound a command is refused, and nothing changed: not one byte of the state.
fn refused(group: &mut Group, command: LockCommand) {
    let before = group.machine.clone();
    let applied = group.apply(None, Operation::Lock(command));
    assert!(matches!(applied.reply, Reply::Lock(LockReply::LimitReached { .. })), "{:?}", applied.reply);
    assert!(applied.facts.is_empty());
    assert!(before == group.machine);
}

#[test]
fn bounds_of_one_resource_and_one_holder() {
    let mut group = Group::default();
    for n in 0..CLAIMS_PER_RESOURCE_MAX {
        let mode = if n == 0 { Mode::Exclusive } else { Mode::Shared };
        group.acquire("printer", &format!("c{n}"), mode);
    }
    refused(&mut group, acquire("printer", "one more", Mode::Shared));
    // Whoever is there already may poll.
    assert!(matches!(group.acquire("printer", "c9", Mode::Shared), LockReply::Waiting { position: 9, .. }));
    group.lock(release("printer", "c0"));
    assert!(matches!(
        group.acquire("printer", "c5", Mode::Exclusive),
        LockReply::Waiting { position: 1, .. }
    ));
    refused(&mut group, acquire("printer", "c6", Mode::Exclusive));

    for n in 0..WAITS_PER_HOLDER_MAX {
        group.acquire(&format!("r{n}"), "somebody", Mode::Exclusive);
        assert!(matches!(group.acquire(&format!("r{n}"), "Ayu", Mode::Shared), LockReply::Waiting { .. }));
    }
    group.acquire("r", "somebody", Mode::Exclusive);
    refused(&mut group, acquire("r", "Ayu", Mode::Exclusive));

    for n in WAITS_PER_HOLDER_MAX..CLAIMS_PER_HOLDER_MAX {
        assert!(matches!(group.acquire(&format!("own{n}"), "Ayu", Mode::Shared), LockReply::Acquired { .. }));
    }
    refused(&mut group, acquire("one more", "Ayu", Mode::Exclusive));
}

#[test]
fn bounds_of_sessions_and_of_the_table() {
    let mut group = Group::default();
    let open = |client: &str| Operation::Session(SessionCommand::Open { client: client.into(), ttl_ms: 50 });
    for _ in 0..SESSIONS_PER_CLIENT_MAX {
        group.apply(None, open("Ayu"));
    }
    let limit = |applied: Applied| matches!(applied.reply, Reply::Session(SessionReply::LimitReached { .. }));
    assert!(limit(group.apply(None, open("Ayu"))));
    for n in SESSIONS_PER_CLIENT_MAX as usize..SESSIONS_MAX {
        group.apply(None, open(&format!("c{n}")));
    }
    assert!(limit(group.apply(None, open("Budi"))));

    for n in 0..CLAIMS_MAX {
        group.acquire(&format!("r{n}"), &format!("c{}", n / 1_000), Mode::Exclusive);
    }
    refused(&mut group, acquire("one more", "Budi", Mode::Exclusive));

    // One advance of the clock ends everything at once, more than 65,535 things.
    let fork = group.machine.clone();
    let applied = group.apply(None, Operation::AdvanceClock { to_ms: 30_000 });
    assert_eq!(applied.facts.len(), CLAIMS_MAX + SESSIONS_MAX);
    assert!(matches!(applied.facts[0], ServiceFact::SessionEnded { session: SessionId(1), .. }));
    assert_eq!(group.machine.next_deadline(), None);
    assert!(group.machine.lock_table(None).resources.is_empty());
    // The fork that was taken before is untouched, and so large that it takes many chunks.
    let chunks = fork.encode();
    assert!(chunks.len() > 20 && chunks.iter().all(|chunk| chunk.len() <= CHUNK_BYTES_MAX));
    assert_eq!(Machine::decode(&chunks).unwrap(), fork);
}

#[test]
fn forgotten_numbers_are_refused_and_never_applied_again() {
    let mut group = Group::default();
    let clock = || Operation::AdvanceClock { to_ms: 1 };
    let forgotten = |applied: Applied| applied.reply == Reply::KeyForgotten;
    for number in 0..=u64::from(REPLIES_PER_CLIENT_MAX) {
        assert!(!forgotten(group.apply(Some(("Ayu", number)), clock())));
    }
    assert!(forgotten(group.apply(Some(("Ayu", 0)), clock())), "one client's bound");
    assert!(!forgotten(group.apply(Some(("Ayu", 1)), clock())));

    // Other clients push the rest out, oldest first; what Ayu sent is refused still.
    for number in 0..REPLIES_MAX {
        group.apply(Some((&format!("c{}", number / 1_000), number as u64)), clock());
    }
    assert!(forgotten(group.apply(Some(("Ayu", 1)), clock())));
    assert!(forgotten(group.apply(Some(("Ayu", u64::from(REPLIES_PER_CLIENT_MAX))), clock())));
    assert_eq!(Machine::decode(&group.machine.encode()).unwrap(), group.machine);

    // A new number of Ayu is a new command.
    let number = u64::from(REPLIES_PER_CLIENT_MAX) + 5;
    let operation = Operation::Lock(acquire("printer", "Ayu", Mode::Exclusive));
    assert_eq!(group.apply(Some(("Ayu", number)), operation.clone()).facts.len(), 1);
    assert_eq!(group.apply(Some(("Ayu", number)), operation).facts.len(), 0);

    // Idle clients are forgotten in the end, the one that was idle longest first.
    for client in 0..REPLIES_MAX + IDLE_CLIENTS_MAX + 40 {
        group.apply(Some((&format!("once{client}"), 7)), clock());
    }
    assert!(forgotten(group.apply(Some(("once100", 7)), clock())));
    assert!(!forgotten(group.apply(Some(("Ayu", 1)), clock())), "nothing is known of Ayu any more");
    let back = Machine::decode(&group.machine.encode()).unwrap();
    assert_eq!(back, group.machine);
}

/// One of everything that a snapshot can contain.
fn one_of_everything() -> Machine {
    let mut group = Group::default();
    let member = |id: u64| Member {
        id: NodeId(id),
        name: format!("node{id}").into(),
        incarnation: 1,
        address: format!("127.0.0.1:{}", 8_000 + id),
    };
    let form = ControlCommand::Form {
        cluster: ClusterId(0xfeed),
        shards: 8,
        replicas: 3,
        members: vec![member(1), member(2)],
    };
    group.apply(Some(("node1", 1)), Operation::Control(form));
    group.apply(None, Operation::Session(SessionCommand::Open { client: "Gita".into(), ttl_ms: 9_000 }));
    group.acquire("r", "Dewi", Mode::Exclusive);
    group.acquire("q", "Ayu", Mode::Exclusive);
    group.acquire("r", "Budi", Mode::Shared);
    group.acquire("r", "Ayu", Mode::Shared);
    group.apply(Some(("Budi", 7)), Operation::Lock(acquire("q", "Budi", Mode::Exclusive)));
    // Refuses Budi's wait for q, whose answer nobody has read.
    group.acquire("r", "Ayu", Mode::Exclusive);
    group.apply(Some(("Citra", 1)), Operation::Lock(acquire("q", "Citra", Mode::Shared)));
    group.lock(LockCommand::Acquire {
        resource: "s".into(),
        holder: Holder { client: "Gita".into(), session: Some(SessionId(2)) },
        mode: Mode::Shared,
        ttl_ms: 1_000,
        wait: Wait::No,
    });
    group.apply(None, Operation::AdvanceClock { to_ms: 500 });
    group.machine
}

/// Written by `ORRERY_REWRITE=1 cargo test -p orrery-shared --test machine_bounds version_1`, once.
const GOLDEN_1: &str = include_str!("golden/machine-1.hex");

#[test]
fn version_1_of_the_format_stays_readable() {
    let machine = one_of_everything();
    let bytes = machine.encode().concat();
    let mut hex = String::new();
    for line in bytes.chunks(40) {
        for byte in line {
            write!(hex, "{byte:02x}").unwrap();
        }
        hex.push('\n');
    }
    if std::env::var_os("ORRERY_REWRITE").is_some() && GOLDEN_1.is_empty() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/machine-1.hex"), &hex).unwrap();
    }
    assert_eq!(hex, GOLDEN_1, "the bytes of version 1 changed: make a version 2, and keep reading version 1");
    let digits: Vec<u8> = GOLDEN_1.bytes().filter(u8::is_ascii_hexdigit).collect();
    let golden: Vec<u8> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    assert_eq!(Machine::decode(&[Bytes::from(golden)]).unwrap(), machine);
}

#[test]
fn damaged_snapshots_are_refused() {
    let whole = Bytes::from(one_of_everything().encode().concat());
    for length in 0..whole.len() {
        assert!(Machine::decode(&[whole.slice(..length)]).is_err(), "cut at {length}");
    }
    for at in 0..whole.len() {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1;
        assert!(Machine::decode(&[Bytes::from(bytes)]).is_err(), "changed at {at}");
    }
    let mut longer = whole.to_vec();
    longer.push(0);
    assert!(Machine::decode(&[Bytes::from(longer)]).is_err());
    let mut newer = whole.to_vec();
    newer[4] = 9;
    assert_eq!(Machine::decode(&[Bytes::from(newer)]), Err(SnapshotError::Version { found: 9 }));
}

/// Prints the rate (`cargo test --release -p orrery-shared --test machine_bounds rate -- --nocapture`); a figure, not a
/// check, because machines differ.
#[test]
fn rate_with_ten_thousand_other_locks() {
    let mut group = Group::default();
    for n in 0..10_000 {
        group.acquire(&format!("other{n}"), "Ayu", Mode::Exclusive);
    }
    let pairs: u64 = if cfg!(debug_assertions) { 2_000 } else { 400_000 };
    for keyed in [false, true] {
        let clients: Vec<_> = (0..16).map(|n| format!("client{n}")).collect();
        let begun = Instant::now();
        for number in 0..pairs {
            let client = &clients[(number % 16) as usize];
            let key = |half| keyed.then_some((client.as_str(), number * 2 + half));
            let resource = format!("own{}", number % 16);
            group.apply(key(0), Operation::Lock(acquire(&resource, client, Mode::Exclusive)));
            group.apply(key(1), Operation::Lock(release(&resource, client)));
        }
        let rate = pairs as f64 / begun.elapsed().as_secs_f64();
        println!("{rate:.0} pairs of acquire and release per second, keyed: {keyed}");
    }
    assert_eq!(group.machine.lock_table(None).resources.len(), 10_000);
}
