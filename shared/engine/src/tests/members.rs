//! Who is a member, as what, and what all members know.

use std::sync::Arc;
use std::time::Duration;

use openraft_rt_tokio::TokioRuntime;
use orrery_api::lock::LockAnswer;
use orrery_base::hlc::Hlc;
use orrery_base::ids::{GroupId, NodeId, NodeName};
use orrery_event::Fact;
use orrery_event::fact::Role;
use orrery_machine::COMMAND_VERSION;

use super::cluster::{acquire, release, token};
use super::world::{MemoryDisk, TestHost, World, eventually, eventually_async, quick};
use crate::EngineConfig;
use crate::cluster::identity::join_attempt;
use crate::codec;
use crate::codec::PEER_VERSION;
use crate::host::Host;
use crate::peer::message::{Envelope, PeerRequest, PeerResponse};

type Asked = Envelope<PeerRequest<TokioRuntime>>;
type Answered = Envelope<PeerResponse<TokioRuntime>>;

#[tokio::test]
async fn a_disk_asks_to_join_under_one_number_in_every_boot() {
    let (disk, other) = (MemoryDisk::default(), MemoryDisk::default());
    let first = join_attempt(&TestHost::lonely(disk.clone())).await.unwrap();
    let later_boot = TestHost::lonely(disk);
    assert_ne!(later_boot.random(), later_boot.random(), "it would draw another one");
    assert_eq!(join_attempt(&later_boot).await.unwrap(), first);
    let host = TestHost::lonely(other);
    assert_ne!(
        (host.random(), join_attempt(&host).await.unwrap()).1,
        first,
        "another disk is another question"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_founding_message_that_comes_late_means_nothing_to_a_lost_disk() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let cluster = engines[0].formed().unwrap().cluster;
    let founding: Vec<_> = world
        .sent()
        .into_iter()
        .filter(|sent| {
            let asked: Asked = codec::decode(PEER_VERSION, sent).unwrap();
            matches!(asked.body, PeerRequest::Found { foundation, .. } if foundation.cluster == cluster)
        })
        .collect();
    assert!(founding.len() >= 2, "each of the others was told");
    world.stop("node3").await;
    world.wipe("node3");
    // It can ask nobody: all that it hears is what was sent to its earlier boot.
    world.cut("node3", true);
    let again = world.start("node3", 3, EngineConfig { replace: true, ..quick() }).await;
    let founder: NodeName = "node1".into();
    for message in founding {
        let answer: Answered = codec::decode(PEER_VERSION, &again.serve(&founder, message).await).unwrap();
        let PeerResponse::Refused { why } = answer.body else { panic!("it was told again, and believed it") };
        assert!(why.contains("another boot"), "{why}");
    }
    assert_eq!(again.formed(), None);
    world.cut("node3", false);
    assert!(again.wait_ready(Duration::from_secs(20)).await);
    assert_eq!(again.formed().unwrap().me.incarnation, 2);
}

fn knows(commands: u16) -> EngineConfig {
    EngineConfig { command_version: commands, ..quick() }
}

/// How many entries of a node's log raised the version.
fn raised(world: &World, node: &str) -> usize {
    let facts = world.facts(node);
    let entries = facts.iter().filter_map(|fact| match fact {
        Fact::Appended { entries, .. } => Some(entries.iter()),
        _ => None,
    });
    entries.flatten().filter(|entry| entry.what.starts_with("version ")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_raised_once_and_only_when_every_member_knows_it() {
    let world = Arc::new(World::default());
    for (name, commands) in World::names(3).iter().zip([2, 2, 1]) {
        world.start(name, 3, knows(commands)).await;
    }
    let leader = world.leader().await;
    assert!(leader.wait_ready(Duration::from_secs(20)).await);
    let asked = || {
        let is_question = |sent: &bytes::Bytes| {
            let asked: Asked = codec::decode(PEER_VERSION, sent).unwrap();
            matches!(asked.body, PeerRequest::Version)
        };
        world.sent().iter().filter(|sent| is_question(sent)).count()
    };
    // A leader that knows more asks; where the old program leads, nobody does: then another one leads.
    if leader.local().name == "node3" {
        let to: NodeName = "node1".into();
        leader.transfer_leader(&to, Duration::from_secs(10)).await.unwrap();
    }
    eventually("the members to be asked twice", || (asked() >= 4).then_some(())).await;
    let leader = world.leader().await;
    assert_eq!(leader.cluster().version, 1, "one member knows only the first");

    world.stop("node3").await;
    let newer = world.start("node3", 3, knows(2)).await;
    for name in ["node1", "node2", "node3"] {
        eventually("version 2 everywhere", || {
            let engine = if name == "node3" { newer.clone() } else { world.engine(name) };
            (engine.cluster().version == 2).then_some(())
        })
        .await;
    }
    newer.ask(acquire("printer", "Ayu", 0), None).await.unwrap();
    assert_eq!(raised(&world, &world.leader().await.local().name), 1);

    // An older program does not go on with newer data, and none is admitted.
    world.stop("node3").await;
    world.start("node3", 3, knows(1)).await;
    let why = eventually("node3 to stop", || world.stopped_itself("node3")).await;
    assert!(why.contains("version 2"), "{why}");
    let old = world.start("node4", 4, knows(1)).await;
    let refused = |sent: &bytes::Bytes| {
        let asked: Asked = codec::decode(PEER_VERSION, sent).unwrap();
        matches!(asked.body, PeerRequest::Join { .. }).then(|| sent.clone())
    };
    let join = eventually("node4 to ask", || world.sent().iter().find_map(refused)).await;
    let node4: NodeName = "node4".into();
    let answer = world.leader().await.serve(&node4, join).await;
    let answer: Answered = codec::decode(PEER_VERSION, &answer).unwrap();
    let PeerResponse::Refused { why } = answer.body else { panic!("it was admitted") };
    assert!(why.contains("version 2"), "{why}");
    assert_eq!(old.formed(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_nine_nodes_seven_vote_and_a_lost_learner_changes_nothing() {
    let world = Arc::new(World::default());
    let engines = world.cluster(9).await;
    let shown = eventually("seven voters and two learners", || {
        let shown = engines[0].cluster();
        let voters = shown.members.iter().filter(|member| member.voter).count();
        let status = engines[8].status();
        (voters == 7 && shown.members.len() == 9 && status.leader_id.is_some()).then_some(shown)
    })
    .await;
    let learners: Vec<_> =
        shown.members.iter().filter(|member| !member.voter).map(|member| member.node.as_str()).collect();
    assert_eq!(learners, ["node8", "node9"]);
    for engine in &engines[7..] {
        eventually("a learner", || (engine.status().role == Role::Learner).then_some(())).await;
    }

    // A learner takes requests, and passes them on.
    let first = token(engines[8].ask(acquire("printer", "Ayu", 0), None).await.unwrap());
    eventually("the other learner to have it", || {
        let table = engines[7].lock_table();
        table.resources.first().filter(|locked| locked.holders[0].fencing_token == first).map(|_| ())
    })
    .await;

    let before = world.leader().await;
    let term = before.status().term;
    world.stop("node9").await;
    let released = engines[7].ask(release("printer", "Ayu"), None).await.unwrap();
    assert!(matches!(released, LockAnswer::Released { .. }), "{released:?}");
    let second = token(engines[0].ask(acquire("printer", "Budi", 0), None).await.unwrap());
    assert!(second > first);
    let now = world.leader().await.status();
    assert_eq!((now.node_id, now.term), (before.local().name.clone(), term), "no election");
    assert_eq!(engines[0].cluster().members.iter().filter(|member| member.voter).count(), 7);

    let again = world.start("node9", 9, quick()).await;
    eventually("node9 to catch up", || {
        let table = again.lock_table();
        table.resources.first().filter(|locked| locked.holders[0].fencing_token == second).map(|_| ())
    })
    .await;
    assert_eq!(again.status().role, Role::Learner);
}

/// Two disks under one name: the world has one address for it, so the member that is there is asked by its own engine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_whose_holder_answers_is_not_given_away_and_one_that_is_away_is_only_by_decision() {
    let world = Arc::new(World::default());
    let engines = world.cluster(3).await;
    let join = |name: &str, address: &str, attempt, replace| {
        let body: PeerRequest<TokioRuntime> = PeerRequest::Join {
            address: address.into(),
            attempt,
            commands: COMMAND_VERSION,
            profile: "realistic".into(),
            replace,
        };
        let envelope = Envelope {
            cluster: None,
            from: name.into(),
            from_id: NodeId(0),
            to_id: NodeId(0),
            boot: 1,
            life: 1,
            number: attempt,
            hlc: Hlc::default(),
            group: GroupId::CONTROL,
            body,
        };
        codec::encode(PEER_VERSION, &envelope).unwrap()
    };
    let asks = async |name: &str, address: &str, attempt, replace| {
        let answer = engines[0].serve(&name.into(), join(name, address, attempt, replace)).await;
        codec::decode::<Answered>(PEER_VERSION, &answer).unwrap().body
    };
    let answer = async |attempt, replace| asks("node3", "node3:1", attempt, replace).await;
    let before = engines[0].cluster().members;
    let taken = before.iter().find(|member| member.node == "node2").unwrap().address.clone();
    let PeerResponse::Refused { why } = asks("node9", &taken, 9, false).await else {
        panic!("two at one place")
    };
    assert!(why.contains("is the address of node2") && why.contains("--advertise"), "{why}");
    for replace in [false, true] {
        let PeerResponse::Refused { why } = answer(1, replace).await else { panic!("it evicted a member") };
        assert!(why.contains("which answers at node3:0"), "{why}");
    }
    assert_eq!(engines[0].cluster().members, before, "nobody was evicted");

    world.stop("node3").await;
    let refused = eventually_async("its silence to be noticed", async || match answer(2, false).await {
        PeerResponse::Refused { why } if why.contains("does not answer since") => Some(why),
        _ => None,
    })
    .await;
    assert!(refused.contains("after 30 s") && refused.contains("--replace"), "{refused}");
    let PeerResponse::Joined { me, .. } = answer(3, true).await else { panic!("it was decided") };
    assert_eq!((me.incarnation, me.address.as_str()), (2, "node3:1"));
    // Its answer may have been lost: the same attempt is the same identity, and needs no other decision.
    let PeerResponse::Joined { me: again, .. } = answer(3, false).await else { panic!("it asks again") };
    assert_eq!(again, me);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_does_not_go_to_who_does_not_answer() {
    let world = Arc::new(World::default());
    world.cluster(3).await;
    let leader = world.leader().await;
    let (name, term) = (leader.local().name.clone(), leader.status().term);
    let others: Vec<NodeName> = World::names(3).into_iter().filter(|other| *other != name).collect();
    world.cut(&others[0], true);
    for asked in [&name, &others[1]] {
        let asked = world.engine(asked);
        let refused = asked.transfer_leader(&others[0], Duration::from_secs(8)).await.unwrap_err();
        let words = format!("{} does not answer; {name} still leads", others[0]);
        assert!(refused.message.contains(&words), "{refused:?}");
    }
    let now = world.leader().await.status();
    assert_eq!((now.node_id, now.term), (name.clone(), term), "nobody was deposed");
    world.cut(&others[0], false);
    leader.transfer_leader(&others[1], Duration::from_secs(10)).await.unwrap();
    assert_eq!(world.leader().await.local().name, others[1]);
}
