//! The hub as its readers see it: over a real WebSocket.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, State};
use axum::routing::get;
use futures_util::StreamExt as _;
use orrery_shared::event::fact::LockTable;
use orrery_shared::event::stream::{Frame, GroupSnapshot};
use orrery_shared::event::{Event, Fact};
use orrery_shared::hlc::Hlc;
use orrery_shared::ids::{GroupId, Sequence};
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
        Known { groups: vec![group], locks: LockTable::default(), ..Known::default() }
    }
    fn has_locks(&self) -> bool {
        true
    }
}

struct Setting {
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
                    upgrade.on_upgrade(|socket| serve_reader(hub, socket, query))
                },
            ),
        )
        .with_state(hub);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Setting { counter, address }
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
}

#[tokio::test]
async fn what_is_not_kept_is_a_gap_and_a_snapshot() {
    let setting = setting(16).await;
    for _ in 0..20 {
        (0..10).for_each(|_| setting.counter.step());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut socket = reader(&setting, "?boot=3&after=2").await;
    assert!(matches!(frame(&mut socket).await, Frame::Hello(_)));
    let Frame::Gap { first, last } = frame(&mut socket).await else { panic!("a gap is told") };
    let Frame::Snapshot(snapshot) = frame(&mut socket).await else { panic!("and made up for") };
    assert_eq!((first, last), (3, snapshot.seq));
    assert_eq!(snapshot.groups[0].commit, Some(snapshot.seq));
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
