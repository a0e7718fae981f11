//! Shards that move: a node joins, leaves, loses its disk, is away for long.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openraft::raft::VoteRequest;
use orrery_api::ring::RingQuery;
use orrery_base::error::ErrorCode;
use orrery_base::ids::{GroupId, NodeId, NodeName};
use orrery_machine::{Reply, ShardMap};
use orrery_placement as placement;
use orrery_placement::{Ring, RingNode};

use super::shards::{WITHIN, clock, keyed, many, sharded};
use super::world::{TestHost, World, eventually, eventually_within};
use crate::answer::answer_in;
use crate::codec;
use crate::host::{Disk as _, Host as _};
use crate::peer::message::{PeerRequest, PeerResponse};
use crate::raft::group::Group;
use crate::types::{LogId, Vote};
use crate::{Engine, EngineConfig};

/// Waits until the shards are where the ring of those nodes puts them (others stand in for `down`): in the map, in
/// the memberships, and in what runs.
async fn in_place(engines: &[Engine<TestHost>], nodes: &[&str], down: &[&str]) -> Arc<ShardMap> {
    let ring = Ring::new(nodes.iter().map(|name| RingNode::new(*name))).unwrap();
    let down: BTreeSet<NodeName> = down.iter().map(|name| NodeName::from(*name)).collect();
    let wanted = placement::ShardMap::place(1, &ring, many().shards, many().replicas, &down);
    let follows = |map: &ShardMap| {
        map.shards.iter().zip(&wanted.shards).all(|(shard, wanted)| {
            let names: Vec<_> = shard.replicas.iter().map(|member| member.name.clone()).collect();
            let led = engines.iter().any(|engine| {
                engine.group(shard.shard).filter(|group| group.leads()).is_some_and(|group| {
                    let voters: BTreeSet<_> = group.membership().voter_ids().collect();
                    voters == shard.replicas.iter().map(|member| member.id).collect()
                        && group.membership().nodes().count() == voters.len()
                })
            });
            let runs = |engine: &&Engine<TestHost>| engine.group(shard.shard).is_some();
            let run: BTreeSet<_> =
                engines.iter().filter(runs).map(|engine| engine.local().name.clone()).collect();
            names == wanted.replicas && led && run == names.into_iter().collect()
        })
    };
    // Several moves one after the other, each of a second or two.
    eventually_within(Duration::from_secs(60), "the shards in their places", || {
        let map = engines[0].shard_map();
        let same = engines.iter().all(|engine| engine.shard_map() == map);
        (same && follows(&map)).then_some(map)
    })
    .await
}

/// `GET /ring` of that node says what a join or a leave among nodes of the usual names moved.
async fn changed(engine: &Engine<TestHost>, from: u32, to: u32) {
    let told = || engine.queue().ring(RingQuery::default()).unwrap().change.filter(|told| told.complete);
    let change = eventually("the change of the ring to be told", told).await.change;
    let larger = f64::from(from.max(to));
    assert!((change.ideal_share - 1.0 / larger).abs() < 1e-9, "{change:?}");
    assert!((change.modulo_share - (larger - 1.0) / larger).abs() < 1e-9, "{change:?}");
    assert_eq!(change.replicas_total, u32::from(many().shards * many().replicas));
    assert_eq!(change.replicas_moved as usize, change.moves.len());
    assert!(change.replicas_moved > 0 && change.to_version == engine.shard_map().version, "{change:?}");
    assert!(change.keys_set_share > 0.0 && change.balance_after.replicas >= 1.0, "{change:?}");
    assert!(engine.queue().ring(RingQuery::default()).unwrap().balance >= 1.0);
}

/// Writes a number into every shard.
async fn write(engine: &Engine<TestHost>, client: &str, value: u64) {
    for shard in &engine.shard_map().shards {
        engine.propose(shard.shard, keyed(client, value, clock(value)), WITHIN).await.unwrap();
    }
}

/// Every replica of every shard has that number.
async fn all_have(engines: &[Engine<TestHost>], value: u64) {
    eventually("equal replicas", || {
        let map = engines[0].shard_map();
        let equal = map.shards.iter().all(|shard| {
            let states: Vec<_> =
                engines.iter().filter_map(|engine| engine.applied_state(shard.shard)).collect();
            states.len() == shard.replicas.len()
                && states.iter().all(|(machine, _)| machine.clock_ms() == value)
                && states.windows(2).all(|pair| pair[0] == pair[1])
        });
        equal.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_joins_gets_its_shards_and_leaves_again() {
    let world = Arc::new(World::default());
    let mut engines = sharded(&world, 3).await;
    write(&engines[0], "Ayu", 1).await;
    // It knows the others, and waits for them instead of founding anything.
    engines.push(world.start("node4", 4, EngineConfig { founds: false, ..many() }).await);
    assert!(engines[3].wait_ready(WITHIN).await);
    write(&engines[1], "Ayu", 2).await;
    let names = ["node1", "node2", "node3", "node4"];
    let map = in_place(&engines, &names, &[]).await;
    assert!(map.shards.iter().any(|shard| shard.replicas.iter().any(|member| member.name == "node4")));
    write(&engines[3], "Ayu", 3).await;
    all_have(&engines, 3).await;
    for engine in &engines[..3] {
        changed(engine, 3, 4).await;
    }

    // A name that nobody has, and one too many: nothing changes.
    let error = engines[0].leave(&"node9".into(), WITHIN).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound, "{error}");
    let leaver: NodeName = "node1".into();
    engines[2].leave(&leaver, WITHIN).await.unwrap();
    assert!(engines[2].cluster().members.iter().any(|member| member.node == leaver && member.leaving));
    engines[3].leave(&leaver, WITHIN).await.unwrap();
    let error = engines[2].leave(&"node2".into(), WITHIN).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Conflict, "{error}");
    write(&engines[1], "Ayu", 4).await;
    let gone = engines.remove(0);
    in_place(&engines, &names[1..], &[]).await;
    eventually("node1 to be no member", || {
        let members = engines[1].cluster().members;
        (members.len() == 3 && members.iter().all(|member| member.voter)).then_some(())
    })
    .await;
    eventually("node1 to stop", || world.stopped_itself("node1")).await;
    drop(gone);
    changed(&engines[0], 4, 3).await;
    write(&engines[0], "Ayu", 5).await;
    all_have(&engines, 5).await;
    // What was answered before the shards moved is remembered where they are now.
    for shard in &engines[0].shard_map().shards {
        let (_, reply) = engines[2].propose(shard.shard, keyed("Ayu", 1, clock(99)), WITHIN).await.unwrap();
        assert_eq!(reply, Reply::KeyReused, "{}", shard.shard);
        let (_, reply) = engines[2].propose(shard.shard, keyed("Ayu", 1, clock(1)), WITHIN).await.unwrap();
        assert_eq!(reply, Reply::None, "{}", shard.shard);
    }

    // The same name comes again, as somebody else.
    world.stop("node1").await;
    world.wipe("node1");
    engines.insert(0, world.start("node1", 4, EngineConfig { founds: false, replace: true, ..many() }).await);
    assert!(engines[0].wait_ready(WITHIN).await);
    assert_eq!(engines[0].formed().unwrap().me.incarnation, 2);
    in_place(&engines, &names, &[]).await;
    all_have(&engines, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_and_given_up_still_counts_in_a_vote() {
    let world = Arc::new(World::default());
    let mut engines = sharded(&world, 3).await;
    let before = engines[0].shard_map();
    write(&engines[0], "Ayu", 1).await;
    engines.push(world.start("node4", 4, EngineConfig { founds: false, ..many() }).await);
    let after = in_place(&engines, &["node1", "node2", "node3", "node4"], &[]).await;
    let me = |engine: &Engine<TestHost>| engine.formed().unwrap().me.id;
    let moved_from = |engine: &&Engine<TestHost>| {
        let mut shards = before.shards.iter().zip(&after.shards);
        shards.find(|(old, new)| old.holds(me(engine)) && !new.holds(me(engine))).map(|(old, _)| old.shard)
    };
    let engine = engines.iter().find(|engine| moved_from(engine).is_some()).unwrap();
    let shard = moved_from(&engine).unwrap();
    let gave_up = || engine.inner.host.disk().recover(shard).unwrap().given_up;
    let gave_up = eventually("what it gave up to be on its disk", gave_up).await;
    let had: LogId = codec::decode(codec::DISK_VERSION, &gave_up).unwrap();
    // It comes back with nothing, before anybody sends it anything.
    let group = Group::start(engine.around(me(engine)), shard).await.unwrap();
    assert_eq!((group.log.summary().last, group.log.ever_had()), (None, Some(had)));
    let asks = |last: Option<LogId>| {
        PeerRequest::PreVote(VoteRequest::new(Vote::new(had.leader_id.term + 9, NodeId(1)), last))
    };
    let answer = async |last| match answer_in(&group, &"node1".into(), asks(last)).await {
        PeerResponse::Vote(response) => response.vote_granted,
        _ => panic!("no answer to a vote"),
    };
    let shorter = LogId { index: had.index - 1, ..had };
    assert!(
        !answer(None).await && !answer(Some(shorter)).await,
        "an entry that it acknowledged could be lost"
    );
    assert!(answer(Some(had)).await);
    assert!(group.log.lacks(), "it must not lead either");
    group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_away_for_long_is_replaced_and_gets_its_shards_back() {
    let world = Arc::new(World::default());
    let config = || EngineConfig { down_after: Some(Duration::from_secs(2)), ..many() };
    let mut engines = Vec::new();
    for name in World::names(4) {
        engines.push(world.start(&name, 4, config()).await);
    }
    let names = ["node1", "node2", "node3", "node4"];
    in_place(&engines, &names, &[]).await;
    write(&engines[0], "Ayu", 1).await;
    let held: Vec<GroupId> = engines[3].groups().iter().map(|group| group.id).collect();
    world.stop("node4").await;
    engines.pop();
    in_place(&engines, &names, &["node4"]).await;
    // Three voters are left in the control group; the fourth learns when it is back.
    eventually("node4 to vote no more", || {
        let cluster = engines[0].cluster();
        cluster.members.iter().any(|member| member.node == "node4" && !member.voter).then_some(())
    })
    .await;
    write(&engines[1], "Ayu", 2).await;
    all_have(&engines, 2).await;
    engines.push(world.start("node4", 4, config()).await);
    in_place(&engines, &names, &[]).await;
    write(&engines[3], "Ayu", 3).await;
    all_have(&engines, 3).await;
    assert!(held.iter().all(|group| engines[3].group(*group).is_some()));
    eventually("node4 to vote again", || {
        engines[0].cluster().members.iter().all(|member| member.voter).then_some(())
    })
    .await;
    // Whoever stood in for it kept nothing but its vote.
    for (name, engine) in World::names(4).iter().zip(&engines) {
        for shard in (1..=many().shards).map(GroupId).filter(|shard| engine.group(*shard).is_none()) {
            let found = world.disk(name).recover(shard).unwrap();
            assert!(found.entries.is_none() && found.snapshot.is_none() && found.purged.is_none(), "{name}");
        }
    }
}
