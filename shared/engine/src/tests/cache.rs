//! The cache service on whole clusters in memory.

use std::sync::Arc;
use std::time::Duration;

use orrery_api::cache::{
    Consistency, Delete, DirectoryQuery, Read, ReadAnswer, ReadSource, ReadStatus, Write, WriteStatus,
};
use orrery_api::queue::JsonText;
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::NodeName;
use orrery_base::key::IdempotencyKey;
use orrery_base::valid::Name;
use orrery_cache::{HomeFact, How, LineFact, State, VALUE_BYTES_MAX};
use orrery_event::Fact;

use super::shards::sharded;
use super::world::{TestHost, World, eventually};
use crate::Engine;

fn put(address: &str, json: &str) -> Write {
    let value = JsonText::new(json.into()).unwrap();
    Write { address: Name::known(address), value, write_back: false, if_version: None }
}

fn put_back(address: &str, json: &str) -> Write {
    Write { write_back: true, ..put(address, json) }
}

fn get(address: &str) -> Read {
    Read { address: Name::known(address), consistency: Consistency::Linearizable }
}

async fn read(engine: &Engine<TestHost>, address: &str) -> ReadAnswer {
    engine.ask(get(address), None).await.unwrap()
}

fn text(answer: &ReadAnswer) -> &str {
    answer.value.as_ref().map_or("none", JsonText::text)
}

/// The home, and the other two.
async fn around<'a>(
    engines: &'a [Engine<TestHost>],
    address: &str,
) -> (&'a Engine<TestHost>, Vec<&'a Engine<TestHost>>) {
    let home =
        engines[0].cache().directory(DirectoryQuery { address: Name::known(address) }).await.unwrap().home;
    let (mut homes, others): (Vec<_>, Vec<_>) =
        engines.iter().partition(|engine| engine.local().name == home);
    (homes.pop().unwrap(), others)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_shared_invalidated_and_fetched() {
    let world = Arc::new(World::default());
    let engines = sharded(&world, 5).await;
    let [a, b, c, d, ..] = &engines[..] else { panic!("five nodes") };
    assert_eq!(read(a, "k").await.status, ReadStatus::Miss);
    let written = a.ask(put("k", "1"), None).await.unwrap();
    assert_eq!((written.status, written.state, written.durable), (WriteStatus::Written, State::E, true));
    let hit = read(a, "k").await;
    assert_eq!((hit.status, hit.state, text(&hit)), (ReadStatus::Hit, State::E, "1"));
    for other in [b, c, d] {
        let fill = read(other, "k").await;
        assert_eq!((fill.status, fill.state, text(&fill)), (ReadStatus::Fill, State::S, "1"));
        assert_eq!(fill.version, Some(written.version));
    }
    let line = d.cache().directory(DirectoryQuery { address: Name::known("k") }).await.unwrap();
    assert_eq!((line.owner, line.sharers.len(), line.open), (None, 4, true));
    // A write that is not durable yet is seen by everybody all the same, and its node can lose it.
    let back = b.ask(put_back("k", "2"), None).await.unwrap();
    assert_eq!((back.state, back.durable, back.version), (State::M, false, written.version));
    let fetched = read(c, "k").await;
    assert_eq!((text(&fetched), fetched.source), ("2", ReadSource::Owner));
    assert_eq!(fetched.owner, Some(b.local().name.clone()));
    assert!(fetched.version > Some(written.version), "it was committed first");
    // Deleted for everybody.
    let gone = c.ask(Delete { address: Name::known("k"), if_version: fetched.version }, None).await;
    assert_eq!(gone.unwrap().status, WriteStatus::Deleted);
    for engine in &engines {
        assert_eq!(read(engine, "k").await.status, ReadStatus::Miss);
    }
    let told = |wanted: fn(&Fact) -> bool| {
        World::names(5).iter().flat_map(|name| world.facts(name)).any(|fact| wanted(&fact))
    };
    assert!(told(
        |fact| matches!(fact, Fact::CacheHome { fact: HomeFact::Recalling { of, .. }, .. } if of.len() >= 2)
    ));
    assert!(told(|fact| {
        matches!(fact, Fact::CacheHome { fact: HomeFact::Recalled { how: How::Dirty, .. }, .. })
    }));
    assert!(told(|fact| matches!(fact, Fact::CacheLine { fact: LineFact::Hit { .. }, .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_change_nothing_and_retries_take_effect_once() {
    let world = Arc::new(World::default());
    let engines = sharded(&world, 3).await;
    let [a, b, _] = &engines[..] else { panic!("three nodes") };
    let code =
        |result: Result<_, ApiError>| result.map(|_: orrery_api::cache::WriteAnswer| ()).unwrap_err().code;
    let large = format!("\"{}\"", "x".repeat(VALUE_BYTES_MAX));
    assert_eq!(code(a.ask(put("k", &large), None).await), ErrorCode::TooLarge);
    let both = Write { if_version: Some(1), ..put_back("k", "1") };
    assert_eq!(code(a.ask(both, None).await), ErrorCode::BadRequest);
    let only_new = Write { if_version: Some(0), ..put("k", "1") };
    let key = |number| Some(IdempotencyKey { client: "Ayu".into(), number });
    let first = a.ask(only_new.clone(), key(1)).await.unwrap();
    // The same, through another node: its first outcome, although the line has a value now.
    let again = b.ask(only_new.clone(), key(1)).await.unwrap();
    assert_eq!(again.version, first.version);
    let refused = b.ask(only_new, key(2)).await.unwrap_err();
    assert_eq!((refused.code, refused.version), (ErrorCode::WrongVersion, Some(first.version)));
    assert_eq!(code(b.ask(put("k", "7"), key(1)).await), ErrorCode::KeyReused);
    assert_eq!(text(&read(b, "k").await), "1");
    let eventual = Read { consistency: Consistency::Eventual, ..get("k") };
    assert_eq!(text(&a.ask(eventual, None).await.unwrap()), "1");
}

/// Who is cut off reads its copy until its lease ends, and not longer; a writer waits for just that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sharer_that_is_cut_off_holds_a_writer_up_for_a_lease_and_reads_nothing_old_after_it() {
    let world = Arc::new(World::default());
    let engines = sharded(&world, 3).await;
    engines[0].ask(put("k", "1"), None).await.unwrap();
    let (home, others) = around(&engines, "k").await;
    let (sharer, writer) = (others[0], others[1]);
    assert_eq!(text(&read(sharer, "k").await), "1");
    world.cut(&sharer.local().name, true);
    assert_eq!(read(sharer, "k").await.status, ReadStatus::Hit, "it has a lease");
    writer.ask(put("k", "2"), None).await.unwrap();
    // From here on nothing old is read, whatever the sharer thinks of the time.
    match sharer.ask(get("k"), None).await {
        Ok(answer) => panic!("{answer:?} without a majority"),
        Err(error) => assert_eq!(error.code, ErrorCode::ShardUnavailable),
    }
    assert_eq!(text(&read(home, "k").await), "2");
    let over = |fact: &Fact| {
        matches!(fact, Fact::CacheHome { fact: HomeFact::Recalled { how: How::LeaseOver, node, .. }, .. }
            if *node == sharer.local().name)
    };
    assert!(world.facts(&home.local().name).iter().any(over));
    world.cut(&sharer.local().name, false);
    let value = eventually("the sharer to read again", || {
        let (sharer, runtime) = (sharer.clone(), tokio::runtime::Handle::current());
        tokio::task::block_in_place(|| runtime.block_on(async { sharer.ask(get("k"), None).await.ok() }))
    })
    .await;
    assert_eq!(text(&value), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_whose_link_is_being_set_up_is_within_reach() {
    let world = Arc::new(World::default());
    let engines = sharded(&world, 3).await;
    engines[0].ask(put("k", "1"), None).await.unwrap();
    let (home, others) = around(&engines, "k").await;
    world.unconnect(&home.local().name);
    for other in others {
        assert_eq!(text(&read(other, "k").await), "1", "at {}", other.local().name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_that_dies_takes_no_durable_write_with_it() {
    let world = Arc::new(World::default());
    let engines = sharded(&world, 3).await;
    engines[0].ask(put("k", "1"), None).await.unwrap();
    let (home, others) = around(&engines, "k").await;
    let (home, others): (NodeName, Vec<Engine<_>>) =
        (home.local().name.clone(), others.into_iter().cloned().collect());
    for other in &others {
        assert_eq!(text(&read(other, "k").await), "1");
    }
    world.cut(&home, true);
    others[0].ask(put("k", "2"), None).await.unwrap();
    for other in &others {
        assert_eq!(text(&read(other, "k").await), "2");
    }
    let line = others[0].cache().directory(DirectoryQuery { address: Name::known("k") }).await.unwrap();
    assert!(line.home != home && line.open, "{line:?}");
    let window = |fact: &Fact| matches!(fact, Fact::CacheHome { fact: HomeFact::Window { .. }, .. });
    assert!(world.facts(&line.home).iter().any(window), "the new home waited for the leases of the old one");
}

/// A directory that ended in the unknown has no successor in its term: the term ends too, also where nobody else could lead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_tenure_ended_in_the_unknown_another_one_begins() {
    for nodes in [1, 3] {
        let world = Arc::new(World::default());
        let engines = sharded(&world, nodes).await;
        engines[0].ask(put("k", "1"), None).await.unwrap();
        let line = engines[0].cache().directory(DirectoryQuery { address: Name::known("k") }).await.unwrap();
        let home = engines.iter().find(|engine| engine.local().name == line.home).unwrap();
        home.services.cache.end_tenure(&home.group(line.shard).unwrap());
        let asked = engines.last().unwrap().clone();
        let again = async {
            while asked.ask(put("k", "2"), None).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), again).await.expect("the shard has no home any more");
        let later = engines[0].cache().directory(DirectoryQuery { address: Name::known("k") }).await.unwrap();
        assert!(later.open && later.term > line.term, "{line:?}, {later:?}");
        assert_eq!(text(&read(&engines[0], "k").await), "2");
    }
}

/// What was answered as not durable is written back when its node stops in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_writes_back_first() {
    let world = Arc::new(World::default());
    let engines = sharded(&world, 3).await;
    engines[0].ask(put("k", "1"), None).await.unwrap();
    let (_, others) = around(&engines, "k").await;
    let back = others[0].ask(put_back("k", "2"), None).await.unwrap();
    assert!(!back.durable);
    world.stop(&others[0].local().name).await;
    assert_eq!(text(&read(others[1], "k").await), "2");
    tokio::time::timeout(Duration::from_secs(5), async { read(others[1], "k").await }).await.unwrap();
}
