//! What is refused before it goes through a log: what a leader knows to refuse, and what is too much for one address.

use std::sync::Arc;

use super::cluster::{acquire, release, token};
use super::queue::message;
use super::world::{World, eventually_async};
use crate::api::cache::{Delete, Write};
use crate::api::lock::LockAnswer;
use crate::api::queue::{CreateGroup, JsonText};
use crate::api::queue_limits::SetLimits;
use crate::api::session::OneSession;
use crate::engine::quotas::Asker;
use crate::error::ErrorCode;
use crate::ids::GroupId;
use crate::lock::SessionId;
use crate::machine::IdempotencyKey;
use crate::queue::StartFrom;

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
            let locks = engine.locks();
            assert!(not_holder(locks.release(release("printer", "Budi"), None).await.unwrap()));
            let gone = locks.close_session(OneSession { session: SessionId(9_999) }, None).await.unwrap_err();
            assert_eq!(gone.code, ErrorCode::SessionExpired, "{gone}");
        }
        (last() == before).then_some(())
    })
    .await;

    // Under a client's own key the answer is remembered: a late copy of the request finds it again.
    let (before, key) = (last(), || Some(IdempotencyKey::of("Budi/1")));
    assert!(not_holder(engines[1].locks().release(release("printer", "Budi"), key()).await.unwrap()));
    assert!(last() > before, "it went through the log");
    token(engines[2].locks().acquire(acquire("printer", "Budi", 0), None).await.unwrap());
    let again = engines[1].locks().release(release("printer", "Budi"), key()).await.unwrap();
    assert!(not_holder(again), "it does not give back what was taken since");
}

/// One per cent, in these tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_does_not_take_all_topics_and_all_bytes_of_the_cache() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let change = SetLimits { topics_max: Some(200), ..SetLimits::default() };
    engines[0].queue().set_limits(change, None).await.unwrap();
    let [greedy, ayu] = ["10.0.0.7", "10.0.0.8"].map(|from| Some(Asker::new_static(from)));

    let begin = async |asker: &Option<Asker>, topic: &str| {
        let queues = engines[0].queue().asked_by(asker.clone());
        queues.publish(message(topic, None, "1"), None).await.map(drop)
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
    let group = CreateGroup { topic: "t3".into(), group: "g".into(), from: StartFrom::Earliest };
    let queues = engines[0].queue().asked_by(greedy.clone());
    assert_eq!(queues.create_group(group, None).await.unwrap_err().code, ErrorCode::LimitReached);
    for (asker, topic) in [(&greedy, "t2"), (&ayu, "t3"), (&greedy, "t3"), (&None, "t4")] {
        begin(asker, topic).await.unwrap();
    }

    // 1.3 MB of two shards.
    let write = async |asker: &Option<Asker>, address: &str| {
        let value = JsonText::new(format!("\"{}\"", "x".repeat(250_000))).unwrap();
        let request = Write { address: address.into(), value, write_back: false, if_version: None };
        engines[0].cache().asked_by(asker.clone()).write(request, None).await.map(drop)
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
    let gone = Delete { address: "b".into(), if_version: None };
    engines[0].cache().delete(gone, None).await.unwrap();
    write(&greedy, "g").await.unwrap();
}
