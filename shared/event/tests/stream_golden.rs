//! Golden bytes of the event stream's versions. A difference in an old one means that its facts are not understood any
//! more: raise the version instead. `UPDATE=1 cargo test -p orrery-event --test stream_golden` writes the
//! present version anew.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use orrery_base::fault::Fault;
use orrery_base::hlc::Hlc;
use orrery_base::ids::GroupId;
use orrery_cache::fact::{CacheFact, Cause, HomeFact, How, LineFact, Waited, Wants};
use orrery_cache::message::{AskKind, RecallKind};
use orrery_cache::node::Stats;
use orrery_cache::view::{CachesView, CopyView, GroupValues, HeldView, HomeView, ValueView, ValuesView};
use orrery_cache::{Address, State};
use orrery_event::fact::{EntrySummary, FaultyLink, ImpairedLink, Message, MessageId, Role};
use orrery_event::stream::{
    Batch, Frame, GroupQueues, GroupSnapshot, NodeSnapshot, ProcessState, ProcessStatus, STREAM_VERSION,
};
use orrery_event::sums::Sums;
use orrery_event::{Event, Fact};
use orrery_lock::fact::ReleaseCause;
use orrery_lock::view::{HolderView, LockCounts, LockTable, LockedResource, LocksBeyond, LocksShown};
use orrery_lock::{Holder, LockFact, Mode, SessionId, WaitId};
use orrery_machine::ServiceFact;
use orrery_placement::{PlacedShard, RingNode, ShardTable};
use orrery_queue::fact::{DeadCause, ExpiryCause, Had};
use orrery_queue::{
    ConsumerGroup, PurgeWhat, QueueCommand, QueueFact, QueueView, Receipt, Shard, StartFrom, Step, TopicName,
};

const GOLDEN_2: &str = include_str!("golden/stream-2.txt");
const GOLDEN_3: &str = include_str!("golden/stream-3.txt");
const GOLDEN_4: &str = include_str!("golden/stream-4.txt");
const GOLDEN_5: &str = include_str!("golden/stream-5.txt");
const GOLDEN_6: &str = include_str!("golden/stream-6.txt");
const GOLDEN_7: &str = include_str!("golden/stream-7.txt");

const CONTROL: GroupId = GroupId::CONTROL;

fn snapshot_5() -> NodeSnapshot {
    NodeSnapshot { shards_before: Some(ShardTable { version: 2, ..shards() }), ..snapshot_4() }
}

fn batch(facts: Vec<Fact>) -> Frame {
    let event =
        |(seq, fact)| Event { seq, hlc: Hlc::new(1_700_000_000_000_000 + seq, 1), wall_us: seq, fact };
    Frame::Batch(Batch { node: "node1".into(), boot: 2, events: (1..).zip(facts).map(event).collect() })
}

fn locks() -> LockTable {
    let holder = HolderView {
        holder: Holder { client: "Ayu".into(), session: None },
        mode: Mode::Exclusive,
        fencing_token: 7,
        since_ms: 5,
        expires_at_ms: Some(30_000),
    };
    let printer = LockedResource { resource: "printer".into(), holders: vec![holder], waiters: Vec::new() };
    LockTable { applied: Some(9), clock_ms: 10, resources: vec![printer], sessions: Vec::new() }
}

/// Facts that version 2 had, its last variants among them.
fn facts_2() -> Vec<Fact> {
    let entry = EntrySummary { index: 4, term: 2, what: "acquire printer Ayu".into() };
    let ended = ServiceFact::Lock(LockFact::SessionEnded {
        session: Default::default(),
        client: "Ayu".into(),
        cause: orrery_lock::fact::ReleaseCause::Client,
    });
    vec![
        Fact::Started { version: "0.1.0".into() },
        Fact::Appended { group: CONTROL, entries: vec![entry], first: 4, last: 4 },
        Fact::Service { group: CONTROL, index: 4, n: 1, clock_ms: 10, fact: ended },
        Fact::ServiceResumed { group: CONTROL, index: 9, locks: Box::new(locks()) },
        Fact::Burst { group: CONTROL, first: 5, last: 9, counts: vec![("sent".into(), 5)] },
    ]
}

fn snapshot_2() -> NodeSnapshot {
    let group = GroupSnapshot { role: Role::Leader, term: 2, commit: Some(9), ..GroupSnapshot::default() };
    NodeSnapshot {
        node: "node1".into(),
        boot: 2,
        seq: 77,
        hlc: Hlc::new(1_700_000_000_000_000, 0),
        wall_us: 1_700_000_000_000_000,
        groups: vec![group],
        locks: locks(),
        processes: vec![ProcessState {
            node: "node1".into(),
            address: "127.0.0.1:8001".into(),
            status: ProcessStatus::Running,
            pid: Some(42),
            since_us: 1,
        }],
        cut_links: vec!["node2".into()],
        ..NodeSnapshot::default()
    }
}

fn shards() -> ShardTable {
    let replicas = vec!["node1".into(), "node2".into()];
    ShardTable {
        version: 3,
        nodes: vec![RingNode::new("node1"), RingNode::new("node2")],
        shards: vec![PlacedShard { shard: GroupId(1), version: 2, replicas }],
    }
}

/// Queues with a message in every state, as the machine shows them.
fn queues() -> QueueView {
    let mut shard = Shard::default();
    let topic = || TopicName::from("orders");
    let group = || ConsumerGroup::from("billing");
    let publish = |delay_ms| QueueCommand::Publish {
        topic: topic(),
        key: Some("k".into()),
        message: bytes::Bytes::from_static(b"{\"n\":1}"),
        delay_ms,
        wall_ms: 5,
    };
    let consume = QueueCommand::Consume {
        topic: topic(),
        group: group(),
        consumer: "Ayu".into(),
        max: 10,
        visibility_ms: 100,
    };
    let create = QueueCommand::CreateGroup { topic: topic(), group: group(), from: StartFrom::Earliest };
    let commands = [create, publish(0), publish(0), publish(0), publish(9_000), consume.clone()];
    for (index, command) in (0..).zip(commands) {
        shard.apply(&command, &mut Step { index, ..Step::default() });
    }
    // Five times nobody acknowledges the first one; then the second is in flight and the third behind it.
    for index in 6..16 {
        let mut step = Step { index, ..Step::default() };
        match index % 2 {
            0 => shard.advance_clock(shard.clock_ms() + 100, &mut step),
            _ => drop(shard.apply(&consume, &mut step)),
        }
    }
    shard.view(Some(15))
}

fn queue_facts() -> Vec<QueueFact> {
    let (topic, group) = (|| TopicName::from("orders"), || ConsumerGroup::from("billing"));
    let (number, receipt) = (12, Receipt { index: 13, n: 0 });
    let published = QueueFact::Published {
        topic: topic(),
        number,
        key: Some("k".into()),
        bytes: 8,
        delayed_until_ms: Some(50),
        preview: "{\"n\":1}".into(),
    };
    let delivered = QueueFact::Delivered {
        topic: topic(),
        number,
        key: Some("k".into()),
        group: group(),
        consumer: "Ayu".into(),
        receipt,
        attempt: 1,
        visible_at_ms: 30_000,
    };
    let cause = DeadCause::Nacked;
    let purged = QueueFact::Purged {
        topic: topic(),
        what: PurgeWhat::All,
        group: Some(group()),
        waiting: 1,
        in_flight: 2,
        dead: 3,
        delayed: 4,
        freed: 5,
        freed_bytes: 6,
    };
    let expired = QueueFact::Expired {
        topic: topic(),
        number,
        cause: ExpiryCause::Age,
        had: vec![(group(), Had::Dead)],
        delayed: false,
        freed_bytes: Some(8),
    };
    let dead = QueueFact::DeadLettered {
        topic: topic(),
        number,
        key: Some("k".into()),
        group: group(),
        attempts: 5,
        cause,
    };
    vec![
        published,
        QueueFact::Entered { topic: topic(), number },
        delivered,
        QueueFact::Acknowledged {
            topic: topic(),
            number,
            group: group(),
            had: Had::InFlight,
            freed_bytes: None,
        },
        QueueFact::Nacked { topic: topic(), number, group: group(), delayed_until_ms: None },
        QueueFact::Extended { topic: topic(), number, group: group(), visible_at_ms: 5 },
        QueueFact::RedeliveryDue {
            topic: topic(),
            number,
            group: group(),
            consumer: "Ayu".into(),
            attempts: 1,
        },
        dead,
        QueueFact::Redriven { topic: topic(), number, group: group() },
        expired,
        purged,
        QueueFact::Freed { topic: topic(), freed: 1, freed_bytes: 2 },
        QueueFact::GroupCreated { topic: topic(), group: group(), from: StartFrom::Latest, waiting: 0 },
        QueueFact::GroupDeleted { topic: topic(), group: group() },
        QueueFact::Held { topic: topic(), group: group(), blocked: 1, delayed: 2 },
    ]
}

fn facts_3() -> Vec<Fact> {
    let service = |(n, fact)| {
        let fact = ServiceFact::Queue(fact);
        Fact::Service { group: GroupId(1), index: 14, n, clock_ms: 20, fact }
    };
    let mut facts: Vec<Fact> = (0..).zip(queue_facts()).map(service).collect();
    facts.push(Fact::QueuesResumed { group: GroupId(1), index: 15, queues: Box::new(queues()) });
    facts.push(Fact::ShardsPlaced { group: CONTROL, index: 16, shards: Box::new(shards()) });
    facts
}

fn snapshot_3() -> NodeSnapshot {
    let queues = vec![GroupQueues { group: GroupId(1), queues: queues() }];
    NodeSnapshot { shards: shards(), queues, ..snapshot_2() }
}

fn values() -> ValuesView {
    let value = ValueView { address: "price".into(), version: 12, bytes: 3, preview: "900".into() };
    ValuesView { applied: Some(15), begun: 2, opened: 2, values: vec![value], more: 1 }
}

fn stats() -> Stats {
    Stats { hits: 30, misses: 10, hit_rate: Some(0.75), hit_rate_1m: Some(0.5), ..Stats::default() }
}

fn caches() -> CachesView {
    let copy = CopyView {
        address: "price".into(),
        shard: GroupId(1),
        state: State::M,
        version: 12,
        unsaved: true,
        lease_left_us: 250_000,
    };
    let line =
        HeldView { address: "price".into(), owner: Some("node1".into()), sharers: vec!["node2".into()] };
    let home =
        HomeView { group: GroupId(1), term: 2, open: false, window_left_us: 9, lines: vec![line], more: 2 };
    CachesView {
        copies: vec![copy],
        copies_more: 3,
        stats: stats(),
        homes: vec![home],
        values: vec![GroupValues { group: GroupId(1), values: values() }],
    }
}

fn cache_messages() -> Vec<Message> {
    let address = || Address::from("price");
    let asks = [AskKind::Read, AskKind::Own, AskKind::Write, AskKind::WriteBack, AskKind::Evict];
    let recalls =
        [RecallKind::Invalidate, RecallKind::Fetch, RecallKind::FetchInvalidate, RecallKind::Settled];
    let asked = asks.into_iter().flat_map(|ask| {
        let answer = Message::CacheAnswer { ask, address: address(), done: ask != AskKind::Own };
        [Message::CacheAsk { ask, address: address() }, answer]
    });
    let recalled = recalls.into_iter().flat_map(|recall| {
        let dirty = recall == RecallKind::Fetch;
        let answer = Message::CacheRecalled { recall, address: address(), dirty };
        [Message::CacheRecall { recall, address: address() }, answer]
    });
    asked.chain(recalled).collect()
}

fn line_facts() -> Vec<LineFact> {
    use Cause::*;
    let causes = [
        LocalRead, LocalWrite, Evict, Inv, Fetch, FetchInv, LeaseOut, WriteBack, Registered, Refused, Unknown,
    ];
    let changed = |(at, cause): (usize, Cause)| {
        let (from, to) = (State::ALL[at % 4], State::ALL[(at + 1) % 4]);
        LineFact::Changed { address: "price".into(), from, to, cause, version: 12 }
    };
    let mut facts: Vec<LineFact> = causes.into_iter().enumerate().map(changed).collect();
    facts.push(LineFact::Lost { address: "price".into(), version: 12 });
    facts.push(LineFact::Hit { address: "price".into(), state: State::E, write: true });
    facts
}

fn home_facts() -> Vec<HomeFact> {
    let waited = Waited { node: "node2".into(), recall: RecallKind::Invalidate, gone_in_us: 400_000 };
    let recalling = |(question, wants)| HomeFact::Recalling {
        question,
        address: "price".into(),
        asker: "node3".into(),
        wants,
        of: vec![waited.clone()],
    };
    let recalled =
        |(question, how)| HomeFact::Recalled { question, address: "price".into(), node: "node2".into(), how };
    let hows = [How::Acknowledged, How::Clean, How::Dirty, How::NotHeld, How::LeaseOver, How::Rebooted];
    let mut facts = vec![
        HomeFact::Window { term: 2, left_us: 450_000 },
        HomeFact::Open { term: 2 },
        HomeFact::Ended { term: 2 },
    ];
    facts.extend((1..).zip([Wants::Read, Wants::Own, Wants::Write]).map(recalling));
    facts.extend((1..).zip(hows).map(recalled));
    let (owner, sharers) = (Some("node1".into()), vec!["node2".into()]);
    facts.push(HomeFact::Held { address: "price".into(), owner, sharers });
    facts
}

fn cache_facts() -> Vec<CacheFact> {
    let committed = |deleted| CacheFact::Committed {
        address: "price".into(),
        version: 12,
        deleted,
        by: "node3".into(),
        write_back: !deleted,
        preview: "900".into(),
    };
    vec![
        committed(false),
        committed(true),
        CacheFact::Revoked { address: "price".into(), version: 13 },
        CacheFact::Begun { tenure: 2 },
        CacheFact::Opened { tenure: 2 },
    ]
}

fn facts_4() -> Vec<Fact> {
    let group = GroupId(1);
    let service = |(n, fact)| {
        let fact = ServiceFact::Cache(fact);
        Fact::Service { group, index: 14, n, clock_ms: 20, fact }
    };
    let sent = |(number, body)| {
        let message = MessageId { from: "node1".into(), boot: 2, number };
        Fact::Sent { message, group, to: "node2".into(), body }
    };
    let mut facts: Vec<Fact> = (0..).zip(cache_facts()).map(service).collect();
    facts.extend((1..).zip(cache_messages()).map(sent));
    facts.extend(line_facts().into_iter().map(|fact| Fact::CacheLine { group, fact }));
    facts.extend(home_facts().into_iter().map(|fact| Fact::CacheHome { group, fact }));
    facts.push(Fact::CacheUse { stats: Box::new(stats()) });
    facts.push(Fact::CachesResumed { group, index: 15, values: Box::new(values()) });
    facts
}

fn snapshot_4() -> NodeSnapshot {
    NodeSnapshot { caches: caches(), ..snapshot_3() }
}

fn lines(name: &str, frame: &Frame) -> String {
    let json = serde_json::to_string(frame).unwrap();
    let bytes = postcard::to_stdvec(frame).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name} json {json}\n{name} postcard {hex}\n")
}

fn understood(golden: &str, expected: &[(&str, Frame)]) {
    for (at, line) in golden.lines().enumerate() {
        let (name, rest) = line.split_once(' ').unwrap();
        let (codec, text) = rest.split_once(' ').unwrap();
        let frame: Frame = match codec {
            "json" => serde_json::from_str(text).unwrap(),
            _ => {
                let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
                let bytes: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect();
                postcard::from_bytes(&bytes).unwrap()
            }
        };
        let known = expected.iter().find(|(known, _)| *known == name).unwrap();
        assert_eq!(frame, known.1, "line {}: {name} {codec}", at + 1);
    }
    assert!(!golden.is_empty());
}

#[test]
fn facts_of_version_2_and_its_snapshots_as_json_are_still_understood() {
    let expected = [("facts", batch(facts_2())), ("snapshot", Frame::Snapshot(Box::new(snapshot_2())))];
    understood(GOLDEN_2, &expected);
}

#[test]
fn facts_of_version_3_and_its_snapshots_as_json_are_still_understood() {
    let shown = queues().topics[0].clone();
    assert_eq!((shown.in_flight.len(), shown.dead.len(), shown.stats.groups[0].blocked), (1, 1, 1));
    let expected = [("facts", batch(facts_3())), ("snapshot", Frame::Snapshot(Box::new(snapshot_3())))];
    understood(GOLDEN_3, &expected);
}

#[test]
fn facts_of_version_4_and_its_snapshots_as_json_are_still_understood() {
    let expected = [("facts", batch(facts_4())), ("snapshot", Frame::Snapshot(Box::new(snapshot_4())))];
    understood(GOLDEN_4, &expected);
}

/// What version 6 brought.
fn facts_6() -> Vec<Fact> {
    let (topic, group) = (|| TopicName::from("orders"), || ConsumerGroup::from("billing"));
    let (number, consumer) = (12, "Ayu".into());
    let returned = QueueFact::Returned { topic: topic(), number, group: group(), consumer, attempts: 1 };
    let (key, cause) = (None, DeadCause::HungUp);
    let dead = QueueFact::DeadLettered { topic: topic(), number, key, group: group(), attempts: 2, cause };
    let service = |(n, fact)| {
        let fact = ServiceFact::Queue(fact);
        Fact::Service { group: GroupId(1), index: 14, n, clock_ms: 20, fact }
    };
    let sums = Sums { locks: None, queues: Some(7), values: Some(u64::MAX) };
    let compared = [
        Fact::Comparing { group: GroupId(1), index: 15 },
        Fact::Compared { group: GroupId(1), index: 15, sums },
    ];
    let counts = LockCounts { locks: 1_025, waits: 1, sessions: 2 };
    let fact = ServiceFact::LocksCounted { counts };
    let counted = Fact::Service { group: CONTROL, index: 16, n: 1, clock_ms: 20, fact };
    let resumed = Fact::locks_resumed(CONTROL, LocksShown { table: locks(), beyond: Some(beyond()) });
    let impaired = Fact::LinkImpaired { link: slow_link() };
    (0..).zip([returned, dead]).map(service).chain(compared).chain([counted, resumed, impaired]).collect()
}

fn slow_link() -> ImpairedLink {
    ImpairedLink { peer: "node2".into(), delay_ms: 40, loss_percent: 5 }
}

fn beyond() -> LocksBeyond {
    let counts = LockCounts { locks: 2_000, waits: 0, sessions: 0 };
    let (first_wait, first_session) = (WaitId(4), SessionId(0));
    LocksBeyond { first_token: 7, first_wait, first_session, counts }
}

fn snapshot_6() -> NodeSnapshot {
    let mut snapshot =
        NodeSnapshot { locks_beyond: Some(beyond()), impaired_links: vec![slow_link()], ..snapshot_5() };
    snapshot.groups[0].membership = Some(8);
    snapshot
}

#[test]
fn facts_of_version_5_and_its_snapshots_as_json_are_still_understood() {
    let expected = [("facts", batch(facts_4())), ("snapshot", Frame::Snapshot(Box::new(snapshot_5())))];
    understood(GOLDEN_5, &expected);
}

#[test]
fn facts_of_version_6_and_its_snapshots_as_json_are_still_understood() {
    let expected = [("facts", batch(facts_6())), ("snapshot", Frame::Snapshot(Box::new(snapshot_6())))];
    understood(GOLDEN_6, &expected);
}

/// What version 7 brought.
fn facts_7() -> Vec<Fact> {
    let holder = |client: &str| Holder { client: client.into(), session: None };
    let handed_over = LockFact::Transferred {
        resource: "printer".into(),
        holder: holder("Ayu"),
        to: holder("Budi"),
        mode: Mode::Shared,
        fencing_token: 8,
        expires_at_ms: Some(40_000),
        wait: Some(WaitId(5)),
    };
    let (resource, wait, cause) = ("printer".into(), WaitId(4), ReleaseCause::Transferred);
    let ended = LockFact::WaitEnded { resource, holder: holder("Ayu"), wait, cause };
    let service = |(n, fact)| {
        let fact = ServiceFact::Lock(fact);
        Fact::Service { group: CONTROL, index: 14, n, clock_ms: 20, fact }
    };
    let faulty = Fact::LinkFaultSet { link: faulty_link() };
    (0..).zip([ended, handed_over]).map(service).chain([faulty]).collect()
}

fn faulty_link() -> FaultyLink {
    FaultyLink { peer: "node2".into(), fault: Fault { delay_ms: 40, loss_percent: 5, ..Fault::CUT } }
}

fn snapshot_7() -> NodeSnapshot {
    let parts = NodeSnapshot { cut_links: vec![], impaired_links: vec![], ..snapshot_6() };
    NodeSnapshot { faulty_links: vec![faulty_link()], ..parts }
}

#[test]
fn golden_bytes_of_version_7() {
    assert_eq!(STREAM_VERSION, 7);
    let (facts, snapshot) = (batch(facts_7()), Frame::Snapshot(Box::new(snapshot_7())));
    let present = lines("facts", &facts) + &lines("snapshot", &snapshot);
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/stream-7.txt");
        std::fs::write(path, &present).unwrap();
        return;
    }
    assert_eq!(present, GOLDEN_7);
    understood(GOLDEN_7, &[("facts", facts), ("snapshot", snapshot)]);
}
