//! What is refused before it goes through a log: what a leader knows to refuse, and what is too much for one address.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use orrery_api::cache::{Delete, Write};
use orrery_api::lock::{LockAnswer, StatusQuery};
use orrery_api::queue::{CreateGroup, JsonText};
use orrery_api::queue_limits::SetLimits;
use orrery_api::session::CloseSession;
use orrery_base::error::ErrorCode;
use orrery_base::ids::GroupId;
use orrery_base::key::IdempotencyKey;
use orrery_base::valid::Name;
use orrery_event::Fact;
use orrery_lock::view::LOCKS_SHOWN_MAX;
use orrery_lock::{Holder, LockCommand, LockReply, SessionId};
use orrery_machine::{Command, Mutation, Reply};
use orrery_projection::view::View;
use orrery_queue::StartFrom;

use super::cluster::{acquire, release, token};
use super::queue::message;
use super::world::{TestHost, World, eventually_async};
use crate::peer::message::ProposeOutcome;
use crate::service::quotas::Asker;
use crate::{Caller, Engine};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_holds_is_given_back_without_an_entry() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let leader = world.leader().await.group(GroupId::CONTROL).unwrap();
    let last = || leader.log.summary().last;
    let not_holder = |answer| matches!(answer, LockAnswer::NotHolder { .. });
    // A cluster that was just formed writes some entries of its own.
    eventually_async("nothing to be appended", async || {
        let before = last();
        for engine in &engines {
            let locks = engine.clone();
            assert!(not_holder(locks.ask(release("printer", "Budi"), None).await.unwrap()));
            let gone = locks.ask(CloseSession { session: SessionId(9_999) }, None).await.unwrap_err();
            assert_eq!(gone.code, ErrorCode::SessionExpired, "{gone}");
        }
        (last() == before).then_some(())
    })
    .await;

    // Under a client's own key the answer is remembered: a late copy of the request finds it again.
    let (before, key) = (last(), || Some(IdempotencyKey::of("Budi/1")));
    assert!(not_holder(engines[1].ask(release("printer", "Budi"), key()).await.unwrap()));
    assert!(last() > before, "it went through the log");
    token(engines[2].ask(acquire("printer", "Budi", 0), None).await.unwrap());
    let again = engines[1].ask(release("printer", "Budi"), key()).await.unwrap();
    assert!(not_holder(again), "it does not give back what was taken since");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_try_that_comes_late_finds_what_its_client_was_told() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let leader = world.leader().await;
    let group = leader.group(GroupId::CONTROL).unwrap();
    // A key that no client knows, and a try under it that is still on its way.
    let key = leader.services.requests.own().request().clone();
    let holder = Holder { client: "Budi".into(), session: None };
    let give_back = LockCommand::Release { resource: "printer".into(), holder, fencing_token: None };
    let command = Command { key: Some(key), mutation: Mutation::Lock(give_back) };
    let within = Duration::from_secs(8);
    let told = group.propose_try(command.clone(), within, true).await;
    let ProposeOutcome::Applied { reply: Reply::Lock(LockReply::NotHolder { .. }), .. } = told else {
        panic!("{told:?}");
    };
    let first = token(engines[2].ask(acquire("printer", "Budi", 0), None).await.unwrap());
    group.propose(command, within).await;
    let status = engines[1].locks().status(StatusQuery::of(Name::known("printer"))).await.unwrap();
    assert_eq!(
        status.table.resources[0].holders[0].fencing_token, first,
        "it does not free what was taken since"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_shown_a_part_of_the_locks_is_shown_all_when_few_are_left() {
    let world = Arc::new(World::default());
    world.cluster(3).await;
    let leader = world.leader().await;
    let name = |n: usize| format!("lock{n:04}");
    let count = LOCKS_SHOWN_MAX + 2;
    let each = |work: fn(Engine<TestHost>, String) -> BoxFuture<'static, ()>, range: Range<usize>| {
        join_all(range.map(|n| work(leader.clone(), name(n))))
    };
    let take = |engine: Engine<TestHost>, name: String| {
        async move {
            token(engine.ask(acquire(&name, "Ayu", 0), None).await.unwrap());
        }
        .boxed()
    };
    let give = |engine: Engine<TestHost>, name: String| {
        async move { drop(engine.ask(release(&name, "Ayu"), None).await.unwrap()) }.boxed()
    };
    let folded = || {
        let mut view = View::default();
        for (node, boot, event) in world.events() {
            view.apply(&node, boot, &event);
        }
        view
    };
    each(take, 0..count).await;
    // A reader that came now has only the newest.
    let shown = leader.locks_shown();
    assert!(shown.beyond.is_some() && folded().locks.beyond.is_some());
    each(give, 3..count).await;
    leader.tell_sums();
    assert_eq!(folded().locks.beyond, None);
    let resumed = |fact: &Fact| match fact {
        Fact::ServiceResumed { locks, .. } => locks.resources.len() == 3,
        _ => false,
    };
    let facts = || world.facts(&leader.local().name).into_iter().filter(resumed).count();
    assert_eq!(facts(), 1);
    leader.tell_sums();
    assert_eq!(facts(), 1, "once");
}

/// One per cent, in these tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_does_not_take_all_topics_and_all_bytes_of_the_cache() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let change = SetLimits { topics_max: Some(200), ..SetLimits::default() };
    engines[0].ask(change, None).await.unwrap();
    let [greedy, ayu] = ["10.0.0.7", "10.0.0.8"].map(|from| Some(Asker::new_static(from)));

    let begin = async |asker: &Option<Asker>, topic: &str| {
        let caller = Caller { key: None, asker: asker.clone() };
        engines[0].ask(message(topic, None, "1"), caller).await.map(drop)
    };
    for topic in ["t1", "t2", "t1"] {
        begin(&greedy, topic).await.unwrap();
    }
    let refused = begin(&greedy, "t3").await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::LimitReached);
    assert!(
        refused.message.contains("10.0.0.7") && refused.message.contains("Nothing was done"),
        "{refused}"
    );
    let group = CreateGroup { topic: Name::known("t3"), group: Name::known("g"), from: StartFrom::Earliest };
    let caller = Caller { key: None, asker: greedy.clone() };
    assert_eq!(engines[0].ask(group, caller).await.unwrap_err().code, ErrorCode::LimitReached);
    for (asker, topic) in [(&greedy, "t2"), (&ayu, "t3"), (&greedy, "t3"), (&None, "t4")] {
        begin(asker, topic).await.unwrap();
    }

    // 1.3 MB of two shards.
    let write = async |asker: &Option<Asker>, address: &str| {
        let value = JsonText::new(format!("\"{}\"", "x".repeat(250_000))).unwrap();
        let request = Write { address: Name::known(address), value, write_back: false, if_version: None };
        engines[0].ask(request, Caller { key: None, asker: asker.clone() }).await.map(drop)
    };
    for address in ["a", "b", "c", "d", "e", "a"] {
        write(&greedy, address).await.unwrap();
    }
    let refused = write(&greedy, "f").await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::LimitReached);
    assert!(
        refused.message.contains("10.0.0.7") && refused.message.contains("Nothing was done"),
        "{refused}"
    );
    write(&ayu, "f").await.unwrap();
    // Under a client's own key nobody here knows what another try did; what is remembered is told, bound or not.
    let [first, other] = ["Tejo/1", "Tejo/2"].map(|key| Some(IdempotencyKey::of(key)));
    let keyed = async |address: &str, key: Option<IdempotencyKey>| {
        let value = JsonText::new("\"small\"".into()).unwrap();
        let request = Write { address: Name::known(address), value, write_back: false, if_version: None };
        engines[0].ask(request, Caller { key, asker: ayu.clone() }).await
    };
    let written = keyed("k", first.clone()).await.unwrap();
    for address in ["l", "m", "n", "o"] {
        write(&ayu, address).await.unwrap();
    }
    write(&greedy, "k").await.unwrap_err();
    write(&None, "k").await.unwrap();
    let refused = keyed("q", other).await;
    assert!(refused.is_ok() || refused.is_err_and(|refused| !refused.message.contains("Nothing was done")));
    assert_eq!(keyed("k", first).await.unwrap().version, written.version);
    let gone = Delete { address: Name::known("b"), if_version: None };
    engines[0].ask(gone, None).await.unwrap();
    write(&greedy, "g").await.unwrap();
}
