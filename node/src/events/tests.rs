//! The hub as its readers see it: over a real WebSocket.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, State};
use axum::routing::get;
use futures_util::StreamExt as _;
use orrery_api::stream::ReaderQuery;
use orrery_base::error::ErrorCode;
use orrery_base::hlc::Hlc;
use orrery_base::ids::{GroupId, Sequence};
use orrery_event::stream::{Frame, GroupSnapshot, HeartbeatLeg};
use orrery_event::{Event, Fact};
use orrery_lock::LockFact;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;

/// A state machine of one number, kept in step with its facts as an engine does it.
struct Counter {
    recorder: Recorder,
    commit: Mutex<u64>,
}

impl Counter {
    fn step(&self) {
        let mut commit = self.commit.lock();
        *commit += 1;
        self.recorder.emit(Fact::Committed { group: GroupId::CONTROL, index: *commit });
    }
}

impl Source for Counter {
    fn introduce(&self) -> Introduced {
        Introduced { profile: "realistic".into(), ..Introduced::default() }
    }
    fn known(&self, at: &mut dyn FnMut()) -> Known {
        let commit = self.commit.lock();
        at();
        let group = GroupSnapshot { commit: Some(*commit), ..GroupSnapshot::default() };
        Known { groups: vec![group], ..Known::default() }
    }
}

struct Setting {
    hub: Hub,
    counter: Arc<Counter>,
    address: String,
}

async fn setting(kept: usize) -> Setting {
    let recorder = Recorder::new("a".into(), 3, true, Hlc::default());
    let hub = Hub::new(recorder.clone(), kept);
    let counter = Arc::new(Counter { recorder, commit: Mutex::new(0) });
    hub.attach(counter.clone());
    tokio::spawn(hub.clone().run());
    tokio::spawn(hub.clone().run_beats());
    let router = Router::new()
        .route(
            "/ws/events",
            get(
                |State(hub): State<Hub>, Query(query): Query<ReaderQuery>, upgrade: WebSocketUpgrade| async {
                    let chosen = hub.choose(query.choice().unwrap()).unwrap();
                    let admitted = hub.admit().unwrap();
                    upgrade.on_upgrade(|socket| serve_reader(hub, socket, query, chosen, admitted))
                },
            ),
        )
        .with_state(hub.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Setting { hub, counter, address }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn reader(setting: &Setting, query: &str) -> Socket {
    connect_async(format!("ws://{}/ws/events{query}", setting.address)).await.unwrap().0
}

async fn frame(socket: &mut Socket) -> Frame {
    match timeout(Duration::from_secs(10), socket.next()).await.expect("streams beat").unwrap().unwrap() {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        Message::Binary(bytes) => postcard::from_bytes(&bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Everything up to a commit index, and that nothing is missing: sequences without holes, or bursts for them.
async fn follow_to(socket: &mut Socket, cursor: &mut Sequence, commit: u64) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        if let Frame::Batch(batch) = frame(socket).await {
            for event in batch.events {
                match &event.fact {
                    Fact::Burst { first, last, .. } => assert_eq!((*first, *last), (*cursor + 1, event.seq)),
                    _ => assert_eq!(event.seq, *cursor + 1),
                }
                *cursor = event.seq;
                events.push(event);
            }
        }
        if matches!(events.last(), Some(Event { fact: Fact::Committed { index, .. }, .. }) if *index >= commit)
        {
            return events;
        }
    }
}

#[tokio::test]
async fn hello_snapshot_batches_and_beats() {
    let setting = setting(1_000).await;
    (0..3).for_each(|_| setting.counter.step());
    for query in ["", "?codec=postcard"] {
        let mut socket = reader(&setting, query).await;
        let Frame::Hello(hello) = frame(&mut socket).await else { panic!("hello first") };
        assert_eq!((hello.node.as_str(), hello.boot, hello.tail), ("a", 3, 1));
        let Frame::Snapshot(snapshot) = frame(&mut socket).await else { panic!("then a snapshot") };
        let mut cursor = snapshot.seq;
        assert_eq!(snapshot.groups[0].commit, Some(snapshot.seq), "the state is of exactly that sequence");
        setting.counter.step();
        follow_to(&mut socket, &mut cursor, snapshot.seq + 1).await;
        loop {
            if let Frame::Beat { head, hlc } = frame(&mut socket).await {
                assert_eq!(head, cursor);
                assert!(hlc > snapshot.hlc);
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_reader_that_comes_back_goes_on_where_it_was() {
    let setting = setting(1_000).await;
    (0..10).for_each(|_| setting.counter.step());
    let mut socket = reader(&setting, "?boot=3&after=4").await;
    assert!(matches!(frame(&mut socket).await, Frame::Hello(_)));
    let mut cursor = 4;
    assert_eq!(follow_to(&mut socket, &mut cursor, 10).await.len(), 6);

    let mut from_boot = reader(&setting, "?from=boot").await;
    assert!(matches!(frame(&mut from_boot).await, Frame::Hello(_)));
    let mut cursor = 0;
    follow_to(&mut from_boot, &mut cursor, 10).await;

    // Of another boot: a snapshot.
    let mut other = reader(&setting, "?boot=2&after=4").await;
    assert!(matches!(frame(&mut other).await, Frame::Hello(_)));
    assert!(matches!(frame(&mut other).await, Frame::Snapshot(_)));

    // The same, asking for the whole of this boot: nothing of its beginning is missing.
    let mut anew = reader(&setting, "?boot=2&after=4&from=boot").await;
    assert!(matches!(frame(&mut anew).await, Frame::Hello(_)));
    let mut cursor = 0;
    assert_eq!(follow_to(&mut anew, &mut cursor, 10).await.len(), 10);
}

#[tokio::test]
async fn a_reader_gets_what_it_chose_and_knows_how_far_that_is() {
    let setting = setting(1_000).await;
    let recorder = setting.hub.recorder();
    let mut whole = reader(&setting, "?from=boot").await;
    let mut states = reader(&setting, "?from=boot&detail=states&groups=0").await;
    let mut services = reader(&setting, "?detail=services&groups=7").await;
    for socket in [&mut whole, &mut states, &mut services] {
        assert!(matches!(frame(socket).await, Frame::Hello(_)));
    }
    let Frame::Snapshot(snapshot) = frame(&mut services).await else { panic!("then a snapshot") };
    assert!(snapshot.groups.is_empty(), "of the chosen groups");
    for round in 0..5 {
        setting.counter.step();
        recorder.emit(Fact::TimerStarted { group: GroupId::CONTROL, due_us: 1 });
        recorder.emit(Fact::Committed { group: GroupId(3), index: round });
    }
    // 15 facts: everybody is told, one way or the other, that this is all.
    let mut seen = Vec::new();
    for socket in [&mut whole, &mut states, &mut services] {
        let mut sequences = Vec::new();
        loop {
            match frame(socket).await {
                Frame::Batch(batch) => sequences.extend(batch.events.iter().map(|event| event.seq)),
                Frame::Beat { head: 15, .. } => break,
                Frame::Beat { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        seen.push(sequences);
    }
    assert_eq!(seen, [(1..=15).collect(), vec![1, 4, 7, 10, 13], Vec::new()]);
}

#[tokio::test]
async fn each_heartbeat_is_shown_to_who_asks_and_to_nobody_else() {
    let setting = setting(1_000).await;
    let recorder = setting.hub.recorder().clone();
    recorder.heartbeat(&"b".into(), HeartbeatLeg::Sent);
    let mut counted = reader(&setting, "").await;
    let mut each = reader(&setting, "?heartbeats=each&codec=postcard").await;
    assert!(matches!(frame(&mut each).await, Frame::Hello(_)));
    assert!(matches!(frame(&mut each).await, Frame::Snapshot(_)));
    // Once a beat has come, the reader follows.
    while !matches!(frame(&mut each).await, Frame::Beat { .. }) {}
    let leg = HeartbeatLeg::Answered { round_trip_us: 90 };
    recorder.heartbeat(&"b".into(), leg);
    let shown = loop {
        if let Frame::Heartbeat(heartbeat) = frame(&mut each).await {
            break heartbeat;
        }
    };
    assert_eq!(
        (shown.number, shown.peer.as_str(), shown.leg),
        (1, "b", leg),
        "the first that somebody watched"
    );
    assert_eq!(recorder.head().0, 0, "it is no event");
    setting.counter.step();
    let mut batches = 0;
    while batches == 0 {
        match frame(&mut counted).await {
            Frame::Heartbeat(heartbeat) => panic!("{heartbeat:?} was not asked for"),
            Frame::Batch(_) => batches += 1,
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_is_not_kept_is_a_gap_and_a_snapshot() {
    let setting = setting(16).await;
    for _ in 0..20 {
        (0..10).for_each(|_| setting.counter.step());
        setting.hub.flush(true);
    }
    let mut socket = reader(&setting, "?boot=3&after=2").await;
    assert!(matches!(frame(&mut socket).await, Frame::Hello(_)));
    let Frame::Gap { first, last } = frame(&mut socket).await else { panic!("a gap is told") };
    let Frame::Snapshot(snapshot) = frame(&mut socket).await else { panic!("and made up for") };
    assert_eq!((first, last), (3, snapshot.seq));
    assert_eq!(snapshot.groups[0].commit, Some(snapshot.seq));

    // A beginning that is gone is no beginning to start from.
    let mut anew = reader(&setting, "?boot=2&after=2&from=boot").await;
    assert!(matches!(frame(&mut anew).await, Frame::Hello(_)));
    assert!(matches!(frame(&mut anew).await, Frame::Snapshot(_)));
}

#[tokio::test]
async fn above_the_rate_bursts_stand_for_events_and_nothing_is_lost() {
    let setting = setting(100_000).await;
    let mut socket = reader(&setting, "?from=boot").await;
    assert!(matches!(frame(&mut socket).await, Frame::Hello(_)));
    let mut cursor = 0;
    let counter = setting.counter.clone();
    let writer = tokio::task::spawn_blocking(move || {
        for _ in 0..100 {
            (0..200).for_each(|_| counter.step());
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let events = follow_to(&mut socket, &mut cursor, 20_000).await;
    writer.await.unwrap();
    assert_eq!(cursor, 20_000);
    assert!(events.len() < 10_000, "{} events", events.len());
    assert!(events.iter().any(|event| matches!(event.fact, Fact::Burst { .. })));
}

/// A leader with a full lock table under load keeps little for readers, whether or not there are any.
#[test]
fn bursts_over_a_full_lock_table_keep_the_ring_small() {
    use orrery_lock::limits::{CLAIMS_MAX, CLAIMS_PER_CLIENT_MAX};
    use orrery_lock::view::LocksShown;
    use orrery_lock::{Holder, LockCommand, Mode, Wait};
    use orrery_machine::ServiceFact;
    use orrery_machine::{Command, Machine, Mutation};

    struct Full(LocksShown);
    impl Source for Full {
        fn introduce(&self) -> Introduced {
            Introduced::default()
        }
        fn known(&self, at: &mut dyn FnMut()) -> Known {
            at();
            Known { locks: self.0.clone(), ..Known::default() }
        }
        fn tables(&self, _: &std::collections::BTreeSet<GroupId>) -> Tables {
            Tables { locks: Some(self.0.clone()), ..Tables::default() }
        }
    }

    let mut machine = Machine::default();
    for n in 0..CLAIMS_MAX {
        let client = format!("student{}", n / CLAIMS_PER_CLIENT_MAX).as_str().into();
        let mutation = Mutation::Lock(LockCommand::Acquire {
            resource: format!("resource-{n:06}").as_str().into(),
            holder: Holder { client, session: None },
            mode: Mode::Exclusive,
            ttl_ms: 60_000,
            wait: Wait::No,
        });
        machine.apply(n as u64 + 1, &Command { key: None, mutation });
    }
    let recorder = Recorder::new("a".into(), 3, true, Hlc::default());
    let hub = Hub::new(recorder.clone(), 32_768);
    hub.attach(Arc::new(Full(machine.locks().shown(Some(CLAIMS_MAX as u64)))));
    let bursts = 50;
    for burst in 0..bursts {
        for n in 0..2_000 {
            let fact =
                ServiceFact::Lock(LockFact::SessionRenewed { session: Default::default(), expires_at_ms: 1 });
            recorder.emit(Fact::Service { group: GroupId::CONTROL, index: burst, n, clock_ms: 0, fact });
        }
        hub.flush(true);
    }
    let figures = hub.figures();
    let snapshot = serde_json::to_vec(&Frame::Snapshot(Box::new(hub.snapshot()))).unwrap().len();
    println!(
        "{CLAIMS_MAX} locks: {} bytes a burst, {snapshot} bytes a snapshot",
        figures.bytes as u64 / bursts
    );
    assert_eq!(figures.bursts, bursts);
    assert!(figures.bytes as u64 <= bursts * (256 << 10), "{} bytes", figures.bytes);
    assert!(snapshot <= 256 << 10, "{snapshot} bytes");
}

#[tokio::test]
async fn the_number_of_readers_is_bounded() {
    let Setting { hub, .. } = setting(100).await;
    let mut admitted: Vec<_> = (0..hub::READERS_MAX).map(|_| hub.admit().unwrap()).collect();
    assert_eq!(hub.admit().map(drop).unwrap_err().code, ErrorCode::LimitReached);
    admitted.pop();
    assert!(hub.admit().is_ok(), "one went");
}

#[test]
fn half_a_cursor_is_refused() {
    for (boot, after, fits) in
        [(None, None, true), (Some(1), Some(2), true), (Some(1), None, false), (None, Some(2), false)]
    {
        let query = ReaderQuery { boot, after, ..ReaderQuery::default() };
        assert_eq!(query.choice().is_ok(), fits, "{boot:?} {after:?}");
    }
}
