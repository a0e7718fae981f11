//! The control group's state machine at its bounds, and its snapshot format.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::time::Instant;

use bytes::Bytes;
use orrery_base::ids::{ClusterId, GroupId, NodeId};
use orrery_base::key::IdempotencyKey;
use orrery_cache::{CacheCommand, Saves, Stamp};
use orrery_lock::limits::*;
use orrery_lock::view::LockCounts;
use orrery_lock::{
    Holder, LockCommand, LockFact, LockReply, Mode, SessionCommand, SessionId, SessionReply, Wait,
};
use orrery_machine::snapshot::CHUNK_BYTES_MAX;
use orrery_machine::{
    Applied, Command, ControlCommand, ControlReply, Decoder, Machine, Member, Mutation, Placement, Reply,
    ServiceFact, ShardCommand, ShardReply, SnapshotError,
};
use orrery_queue::{QueueCommand, QueueReply, StartFrom};

#[derive(Default)]
struct Group {
    machine: Machine,
    index: u64,
}

impl Group {
    fn apply(&mut self, key: Option<(&str, u64)>, mutation: Mutation) -> Applied {
        self.index += 1;
        let key = key.map(|(client, number)| IdempotencyKey { client: client.into(), number }.into());
        self.machine.apply(self.index, &Command { key, mutation })
    }

    fn lock(&mut self, command: LockCommand) -> LockReply {
        match self.apply(None, Mutation::Lock(command)).reply {
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
    let applied = group.apply(None, Mutation::Lock(command));
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

    for n in WAITS_PER_HOLDER_MAX..CLAIMS_PER_CLIENT_MAX {
        assert!(matches!(group.acquire(&format!("own{n}"), "Ayu", Mode::Shared), LockReply::Acquired { .. }));
    }
    refused(&mut group, acquire("one more", "Ayu", Mode::Exclusive));
}

#[test]
fn sessions_give_a_client_no_more_than_its_part() {
    let mut group = Group::default();
    let open = Mutation::Session(SessionCommand::Open { client: "Ayu".into(), ttl_ms: 60_000 });
    let mut sessions = vec![None];
    for _ in 0..4 {
        let Reply::Session(SessionReply::Opened { session, .. }) = group.apply(None, open.clone()).reply
        else {
            panic!("not opened");
        };
        sessions.push(Some(session));
    }
    let under = |n: usize| LockCommand::Acquire {
        resource: format!("r{n}").into(),
        holder: Holder { client: "Ayu".into(), session: sessions[n % sessions.len()] },
        mode: Mode::Exclusive,
        ttl_ms: 30_000,
        wait: Wait::No,
    };
    for n in 0..CLAIMS_PER_CLIENT_MAX {
        assert!(matches!(group.lock(under(n)), LockReply::Acquired { .. }), "{n}");
    }
    for n in CLAIMS_PER_CLIENT_MAX..CLAIMS_PER_CLIENT_MAX + sessions.len() {
        refused(&mut group, under(n));
    }
    assert!(matches!(group.acquire("one more", "Ayub", Mode::Exclusive), LockReply::Acquired { .. }));
}

#[test]
fn bounds_of_sessions_and_of_the_table() {
    let mut group = Group::default();
    let open = |client: &str| Mutation::Session(SessionCommand::Open { client: client.into(), ttl_ms: 50 });
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
    let applied = group.apply(None, Mutation::AdvanceClock { to_ms: 30_000 });
    // And how much there is left, because streams had only a part.
    assert_eq!(applied.facts.len(), CLAIMS_MAX + SESSIONS_MAX + 1);
    let left = Some(ServiceFact::LocksCounted { counts: LockCounts::default() });
    assert_eq!(applied.facts.last(), left.as_ref());
    assert!(matches!(
        applied.facts[0],
        ServiceFact::Lock(LockFact::SessionEnded { session: SessionId(1), .. })
    ));
    assert_eq!(group.machine.next_deadline(), None);
    assert!(group.machine.locks().view(None, None).resources.is_empty());
    // The fork that was taken before is untouched, and so large that it takes many chunks.
    let chunks = fork.encode();
    assert!(chunks.len() > 20 && chunks.iter().all(|chunk| chunk.len() <= CHUNK_BYTES_MAX));
    assert_eq!(Machine::decode(&chunks).unwrap(), fork);
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
    group.apply(Some(("node1", 1)), Mutation::Control(form));
    group.apply(None, Mutation::Session(SessionCommand::Open { client: "Gita".into(), ttl_ms: 9_000 }));
    group.acquire("r", "Dewi", Mode::Exclusive);
    group.acquire("q", "Ayu", Mode::Exclusive);
    group.acquire("r", "Budi", Mode::Shared);
    group.acquire("r", "Ayu", Mode::Shared);
    group.apply(Some(("Budi", 7)), Mutation::Lock(acquire("q", "Budi", Mode::Exclusive)));
    // Refuses Budi's wait for q, whose answer nobody has read.
    group.acquire("r", "Ayu", Mode::Exclusive);
    group.apply(Some(("Citra", 1)), Mutation::Lock(acquire("q", "Citra", Mode::Shared)));
    group.lock(LockCommand::Acquire {
        resource: "s".into(),
        holder: Holder { client: "Gita".into(), session: Some(SessionId(2)) },
        mode: Mode::Shared,
        ttl_ms: 1_000,
        wait: Wait::No,
    });
    group.apply(None, Mutation::AdvanceClock { to_ms: 500 });
    group.machine
}

/// The same in a cluster that uses version 2 of the commands, with its shards.
fn one_of_everything_with_shards() -> Machine {
    let mut group = Group { machine: one_of_everything(), index: 100 };
    let members = vec![NodeId(1), NodeId(2)];
    group.apply(None, Mutation::Control(ControlCommand::RaiseVersion { to: 2, members }));
    let place = |shard: u16| Placement {
        shard: GroupId(shard),
        replicas: vec![NodeId(1 + u64::from(shard) % 2), NodeId(1 + u64::from(shard + 1) % 2)],
    };
    let placements = (1..=8).map(place).collect();
    let applied = group.apply(None, Mutation::Control(ControlCommand::PlaceShards { base: 0, placements }));
    assert_eq!(applied.reply, Reply::Control(ControlReply::Done));
    group.machine
}

/// A shard with a message that is in flight, one that waits, and remembered answers.
fn a_shard() -> Machine {
    let mut group = Group { machine: Machine::of(GroupId(3)), index: 0 };
    let replicas = vec![Member { id: NodeId(1), name: "node1".into(), ..Member::default() }];
    group.apply(None, Mutation::Shard(ShardCommand::Place { version: 1, replicas }));
    let publish = |text: &'static str| {
        Mutation::Queue(QueueCommand::Publish {
            topic: "orders".into(),
            key: Some("Ayu".into()),
            message: Bytes::from_static(text.as_bytes()),
            delay_ms: 0,
            wall_ms: 1_700_000_000_000,
        })
    };
    group.apply(Some(("Ayu", 1)), publish("1"));
    group.apply(Some(("Ayu", 2)), publish("2"));
    group.apply(None, Mutation::AdvanceClock { to_ms: 500 });
    let (topic, name) = ("orders".into(), "default".into());
    let create = QueueCommand::CreateGroup { topic, group: name, from: StartFrom::Earliest };
    group.apply(None, Mutation::Queue(create));
    let consume = QueueCommand::Consume {
        topic: "orders".into(),
        group: "default".into(),
        consumer: "Budi".into(),
        max: 2,
        visibility_ms: 30_000,
    };
    group.apply(Some(("Budi", 1)), Mutation::Queue(consume));
    group.machine
}

/// The same with cached values: one that is there, one that was written back, one that is deleted.
fn a_shard_with_values() -> Machine {
    let mut group = Group { machine: a_shard(), index: 100 };
    let mut cache = |key, command| group.apply(key, Mutation::Cache(command));
    cache(None, CacheCommand::Begin { tenure: 4 });
    cache(None, CacheCommand::Open { tenure: 4 });
    let write = |address: &str, value: Option<&'static str>, saves| CacheCommand::Write {
        address: address.into(),
        value: value.map(|text| Bytes::from_static(text.as_bytes())),
        tenure: 4,
        by: "node1".into(),
        based_on: None,
        if_version: None,
        saves,
    };
    cache(Some(("Ayu", 9)), write("user:7", Some("{\"n\":7}"), None));
    let saves = Saves { grant: Stamp { term: 4, n: 2 }, write: 3 };
    cache(None, write("user:8", Some("8"), Some(saves)));
    cache(None, write("user:9", Some("9"), None));
    cache(None, write("user:9", None, None));
    group.machine
}

/// A file's name, what it has, and of what.
type Golden = (&'static str, &'static str, fn() -> Machine);

/// Written by `UPDATE=1 cargo test -p orrery-machine --test bounds stay_readable` where they are empty.
const GOLDEN: [Golden; 2] = [
    ("machine-4.hex", include_str!("golden/machine-4.hex"), one_of_everything_with_shards),
    ("shard-4.hex", include_str!("golden/shard-4.hex"), a_shard_with_values),
];

/// Of the versions before, which remembered answers without an end: they have a whole window from the snapshot's clock.
const OLDER: [Golden; 2] = [
    ("machine-1.hex", include_str!("golden/machine-1.hex"), one_of_everything),
    ("machine-2.hex", include_str!("golden/machine-2.hex"), one_of_everything_with_shards),
];

/// Written by programs before version 4, which say less of queues: they are read, and written in the present version.
const OLD_SHARDS: [&str; 2] = [include_str!("golden/shard-2.hex"), include_str!("golden/shard-3.hex")];

fn bytes_of(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn shards_of_older_versions_are_read_with_their_queues() {
    for hex in OLD_SHARDS {
        let mut machine = Machine::decode(&[bytes_of(hex)]).unwrap();
        let stats = machine.queue().unwrap().stats_of("orders").unwrap();
        assert_eq!((stats.messages, stats.in_flight, stats.totals.published), (2, 1, 2));
        assert_eq!((stats.groups[0].blocked, stats.groups[0].totals.delivered), (1, 1));
        assert_eq!(Machine::decode(&machine.encode()).unwrap(), machine);
        // What it has goes on: the delivery ends, and comes again.
        machine.apply(900, &Command { key: None, mutation: Mutation::AdvanceClock { to_ms: 40_000 } });
        let consume = QueueCommand::Consume {
            topic: "orders".into(),
            group: "default".into(),
            consumer: "Citra".into(),
            max: 2,
            visibility_ms: 30_000,
        };
        let reply = machine.apply(901, &Command { key: None, mutation: Mutation::Queue(consume) }).reply;
        let Reply::Queue(QueueReply::Deliveries { messages, .. }) = reply else { panic!("{reply:?}") };
        assert_eq!(
            messages.iter().map(|one| (one.attempt, &one.message[..])).collect::<Vec<_>>(),
            [(2, &b"1"[..])]
        );
    }
}

#[test]
fn all_versions_of_the_format_stay_readable() {
    for (file, golden, machine) in GOLDEN {
        is_golden(file, golden, &machine());
    }
    for (file, golden, machine) in OLDER {
        let (read, present) = (Machine::decode(&[bytes_of(golden)]).expect(file), machine());
        assert_eq!(read.locks().view(None, None), present.locks().view(None, None), "{file}");
        assert_eq!(read.cluster(), present.cluster(), "{file}");
        has_a_window(&read, 3);
    }
    for (golden, answers) in OLD_SHARDS.into_iter().zip([3, 4]) {
        has_a_window(&Machine::decode(&[bytes_of(golden)]).unwrap(), answers);
    }
}

/// So many answers are remembered, for a whole window from the clock of the snapshot that did not say for how long.
fn has_a_window(read: &Machine, answers: usize) {
    let at = |to_ms| {
        let mut read = read.clone();
        read.apply(1_000, &Command { key: None, mutation: Mutation::AdvanceClock { to_ms } });
        read.remembered().0
    };
    assert_eq!((read.remembered().0, read.clock_ms()), (answers, 500));
    assert_eq!((at(600_499), at(600_500)), (answers, 0));
}

fn is_golden(file: &str, golden: &str, machine: &Machine) {
    let bytes = machine.encode().concat();
    let mut hex = String::new();
    for line in bytes.chunks(40) {
        for byte in line {
            write!(hex, "{byte:02x}").unwrap();
        }
        hex.push('\n');
    }
    if std::env::var_os("UPDATE").is_some() && golden.is_empty() {
        let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, &hex).unwrap();
        return;
    }
    assert_eq!(hex, golden, "the bytes of {file} changed: make another version, and keep reading this one");
    assert_eq!(Machine::decode(&[bytes_of(golden)]).unwrap(), *machine);
}

#[test]
fn a_retried_consume_gets_its_messages_again_and_an_empty_one_what_has_come() {
    let mut group = Group { machine: Machine::of(GroupId(1)), index: 0 };
    let consume = || {
        Mutation::Queue(QueueCommand::Consume {
            topic: "orders".into(),
            group: "default".into(),
            consumer: "Budi".into(),
            max: 10,
            visibility_ms: 30_000,
        })
    };
    let got = |applied: Applied| match applied.reply {
        Reply::Queue(QueueReply::Deliveries { messages, .. }) => messages,
        other => panic!("{other:?}"),
    };
    let (topic, name) = ("orders".into(), "default".into());
    let create = QueueCommand::CreateGroup { topic, group: name, from: StartFrom::Earliest };
    group.apply(None, Mutation::Queue(create));
    assert_eq!(got(group.apply(Some(("Budi", 1)), consume())), []);
    let publish = |wall_ms| {
        let (topic, message) = ("orders".into(), Bytes::from_static(b"{}"));
        Mutation::Queue(QueueCommand::Publish { topic, key: None, message, delay_ms: 0, wall_ms })
    };
    let published = group.apply(Some(("Ayu", 1)), publish(1));
    assert_eq!(published.woken.len(), 1, "who waits is woken: {published:?}");
    // Another node took the retry, by another clock.
    assert_eq!(group.apply(Some(("Ayu", 1)), publish(2)).reply, published.reply);
    let first = got(group.apply(Some(("Budi", 1)), consume()));
    assert_eq!((first.len(), &first[0].message[..]), (1, &b"{}"[..]));
    assert_eq!(got(group.apply(Some(("Budi", 1)), consume())), first, "with their payloads");
    assert_eq!(got(group.apply(Some(("Budi", 2)), consume())), []);
    assert!(group.machine.remembers(&IdempotencyKey { client: "Budi".into(), number: 1 }));
    assert!(!group.machine.remembers(&IdempotencyKey { client: "Budi".into(), number: 2 }));
}

#[test]
fn a_shards_snapshot_says_which_shard_it_is() {
    let mut machine = Machine::of(GroupId(3));
    let mut apply = |index, mutation| machine.apply(index, &Command { key: None, mutation }).reply;
    let place = |version| {
        let replicas = vec![Member { id: NodeId(1), ..Member::default() }];
        Mutation::Shard(ShardCommand::Place { version, replicas })
    };
    assert_eq!(apply(1, Mutation::AdvanceClock { to_ms: 40 }), Reply::None);
    assert_eq!(apply(2, place(2)), Reply::Shard(ShardReply::Placed));
    assert_eq!(apply(3, place(1)), Reply::Shard(ShardReply::Older { known: 2 }));
    // Nothing of the control group is in a shard, and the other way round.
    assert_eq!(apply(4, Mutation::Lock(acquire("r", "Ayu", Mode::Exclusive))), Reply::Misplaced);
    assert_eq!(Group::default().apply(None, place(1)).reply, Reply::Misplaced);
    let back = Machine::decode(&machine.encode()).unwrap();
    assert_eq!(back, machine);
    assert_eq!((back.group(), back.clock_ms()), (GroupId(3), 40));
    assert_eq!(back.shard().map(|record| record.version), Some(2));
}

#[test]
fn a_snapshot_is_read_wherever_it_is_cut() {
    let machine = one_of_everything();
    let whole = machine.encode().concat();
    assert_eq!(machine.chunks().collect::<Vec<_>>().concat(), whole);
    for size in [1, 2, 3, 7, 64, 1_000] {
        let mut decoder = Decoder::default();
        whole.chunks(size).for_each(|part| decoder.take(part).unwrap());
        assert_eq!(decoder.finish().unwrap(), machine, "in parts of {size} bytes");
    }
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

/// Prints the rate (`cargo test --release -p orrery-machine --test bounds rate -- --nocapture`); a figure, not a
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
            group.apply(key(0), Mutation::Lock(acquire(&resource, client, Mode::Exclusive)));
            group.apply(key(1), Mutation::Lock(release(&resource, client)));
        }
        let rate = pairs as f64 / begun.elapsed().as_secs_f64();
        println!("{rate:.0} pairs of acquire and release per second, keyed: {keyed}");
    }
    assert_eq!(group.machine.locks().view(None, None).resources.len(), 10_000);
}
