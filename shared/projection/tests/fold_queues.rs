#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use orrery_base::hlc::Hlc;
use orrery_base::ids::{GroupId, NodeName};
use orrery_event::fact::Role;
use orrery_event::stream::NodeSnapshot;
use orrery_event::{Event, Fact};
use orrery_lock::view::LockTable;
use orrery_machine::ServiceFact;
use orrery_placement::{PlacedShard, Ring, RingNode, RingView, ShardMap, ShardTable, Token};
use orrery_projection::Effect;
use orrery_projection::view::{DELIVERIES_MAX, TopicQueue, View};
use orrery_queue::fact::DeadCause;
use orrery_queue::view::{TopicStats, TopicView};
use orrery_queue::{PurgeWhat, QueueFact, QueueView, Receipt};

const SHARD: GroupId = GroupId(2);

#[derive(Default)]
struct Tape {
    view: View,
    seq: u64,
    index: u64,
    clock_ms: u64,
}

impl Tape {
    fn say(&mut self, fact: Fact) -> Effect {
        self.seq += 1;
        let us = 1_000_000 + self.seq * 1_000;
        self.view.apply(&"node1".into(), 1, &Event { seq: self.seq, hlc: Hlc::new(us, 0), wall_us: us, fact })
    }

    fn queue(&mut self, fact: QueueFact) -> Effect {
        self.index += 1;
        let (index, clock_ms, fact) = (self.index, self.clock_ms, ServiceFact::Queue(fact));
        self.say(Fact::Service { group: SHARD, index, n: 0, clock_ms, fact })
    }

    fn topic(&self) -> &TopicQueue {
        &self.view.queues[&SHARD].topics["orders"]
    }

    /// As many messages of one group are in flight, number 1 visible again first.
    fn in_flight(count: u64) -> Tape {
        let mut tape = Tape::default();
        tape.queue(QueueFact::GroupCreated {
            topic: "orders".into(),
            group: "billing".into(),
            from: Default::default(),
            waiting: count,
        });
        for number in 1..=count {
            tape.queue(QueueFact::Delivered {
                topic: "orders".into(),
                number,
                key: None,
                group: "billing".into(),
                consumer: "Ayu".into(),
                receipt: Receipt { index: number, n: 0 },
                attempt: 1,
                visible_at_ms: 1_000 + number,
            });
        }
        tape
    }
}

#[test]
fn of_many_deliveries_those_that_end_soonest_are_known_and_all_are_counted() {
    let count = DELIVERIES_MAX as u64 + 50;
    let mut tape = Tape::in_flight(count);
    assert_eq!(tape.topic().in_flight.len(), DELIVERIES_MAX);
    assert_eq!(tape.topic().groups["billing"].in_flight, count);
    assert!(tape.topic().in_flight.values().all(|flight| flight.number <= DELIVERIES_MAX as u64));
    // One that is not known one by one is counted when it ends.
    let (topic, group) = ("orders".into(), "billing".into());
    tape.queue(QueueFact::Nacked { topic, number: count, group, delayed_until_ms: None });
    assert_eq!(
        (tape.topic().groups["billing"].in_flight, tape.topic().in_flight.len()),
        (count - 1, DELIVERIES_MAX)
    );
    // A purge that its bound ended took those that end soonest.
    tape.queue(QueueFact::Purged {
        topic: "orders".into(),
        what: PurgeWhat::All,
        group: Some("billing".into()),
        waiting: 0,
        in_flight: 10,
        dead: 0,
        delayed: 0,
        freed: 0,
        freed_bytes: 0,
    });
    assert_eq!(tape.topic().in_flight.values().map(|flight| flight.number).min(), Some(11));
    assert_eq!(tape.topic().groups["billing"].in_flight, count - 11);
}

#[test]
fn the_oldest_dead_letters_are_forgotten_first() {
    let count = DELIVERIES_MAX as u64 + 3;
    let mut tape = Tape::in_flight(count);
    for number in (1..=count).rev() {
        tape.clock_ms += 1;
        let (topic, key, group) = ("orders".into(), Some("k".into()), "billing".into());
        let cause = DeadCause::TimedOut;
        tape.queue(QueueFact::DeadLettered { topic, number, key, group, attempts: 5, cause });
    }
    assert_eq!((tape.topic().dead.len(), tape.topic().groups["billing"].dead), (DELIVERIES_MAX, count));
    assert_eq!(tape.topic().dead.back().unwrap().number, 1);
    assert_eq!(tape.view.dead_letters("orders").count(), DELIVERIES_MAX);
    assert_eq!(tape.view.dead_letters("orders").last().unwrap().id.to_string(), "s2-1");
}

#[test]
fn an_arc_drains_from_the_delivery_to_its_end() {
    let mut tape = Tape::in_flight(1);
    let shard = tape.view.queues[&SHARD].clone();
    let left = |tape: &Tape, ms: u64| {
        let flight = tape.view.in_flight("orders").next().unwrap();
        (flight.shard.visibility_left(flight.what, shard.clock_at_us + ms * 1_000) * 1_001.0).round() as u64
    };
    assert_eq!([0, 500, 1_001, 5_000].map(|ms| left(&tape, ms)), [1_001, 501, 0, 0]);
    let (topic, group) = ("orders".into(), "billing".into());
    tape.clock_ms = 600;
    tape.queue(QueueFact::Extended { topic, number: 1, group, visible_at_ms: 9_000 });
    let flight = tape.view.in_flight("orders").next().unwrap();
    assert_eq!((flight.what.since_ms, flight.what.visible_at_ms), (600, 9_000));
}

#[test]
fn what_a_view_left_out_is_not_counted_from_nothing() {
    let stats = TopicStats { topic: "mail".into(), messages: 3, ..TopicStats::default() };
    let mail = TopicView { stats, first: Vec::new(), in_flight: Vec::new(), dead: Vec::new() };
    let queues = QueueView { applied: Some(9), clock_ms: 5, topics: vec![mail], more_topics: 1 };
    let mut tape = Tape::default();
    tape.say(Fact::QueuesResumed { group: SHARD, index: 9, queues: Box::new(queues.clone()) });
    tape.index = 8;
    let freed = |topic: &str| QueueFact::Freed { topic: topic.into(), freed: 1, freed_bytes: 1 };
    assert_eq!(tape.queue(freed("mail")), Effect::Known, "it is in the first view");
    assert_eq!(tape.queue(freed("mail")), Effect::New);
    assert_eq!(tape.queue(freed("orders")), Effect::New);
    let topics = &tape.view.queues[&SHARD].topics;
    assert_eq!((topics.len(), topics["mail"].messages), (1, 2));
    // An older view changes nothing.
    let before = tape.view.queues.clone();
    tape.say(Fact::QueuesResumed { group: SHARD, index: 9, queues: Box::new(queues) });
    assert_eq!(tape.view.queues, before);
}

fn table(version: u64, nodes: &[&str], replicas: &[[&str; 2]]) -> ShardTable {
    let placed = (1..).zip(replicas).map(|(shard, replicas)| PlacedShard {
        shard: GroupId(shard),
        version,
        replicas: replicas.map(NodeName::from).to_vec(),
    });
    ShardTable {
        version,
        nodes: nodes.iter().map(|name| RingNode::new(*name)).collect(),
        shards: placed.collect(),
    }
}

fn placed(shards: &ShardTable) -> Fact {
    Fact::ShardsPlaced { group: GroupId::CONTROL, index: 7, shards: Box::new(shards.clone()) }
}

#[test]
fn the_newest_map_counts_whoever_reports_it() {
    let first = table(1, &["node1", "node2"], &[["node1", "node2"], ["node2", "node1"]]);
    let second = table(2, &["node1", "node2", "node3"], &[["node1", "node3"], ["node2", "node1"]]);
    let mut tape = Tape::default();
    assert_eq!(tape.view.ring, std::sync::Arc::new(RingView::default()));
    assert_eq!(tape.say(placed(&first)), Effect::New);
    assert_eq!((tape.view.ring.since_us, tape.view.ring.change()), (0, None), "the first is no change");
    assert_eq!(tape.view.ring.virtual_nodes().count(), 128);
    assert_eq!([1, 2].map(|shard| tape.view.ring.token(GroupId(shard))), [Token(1 << 63), Token(0)]);
    assert_eq!(tape.say(placed(&second)), Effect::New);
    for older in [&first, &second] {
        assert_eq!(tape.say(placed(older)), Effect::Known);
    }
    let change = tape.view.ring.change().unwrap();
    assert_eq!((change.replicas_moved, change.replicas_total), (1, 4));
    assert!((change.ideal_share - 1.0 / 3.0).abs() < 1e-9 && (change.modulo_share - 2.0 / 3.0).abs() < 1e-9);
    // Who comes later has the map from a snapshot.
    let mut late = View::default();
    let mut snapshot = NodeSnapshot {
        node: "node2".into(),
        boot: 1,
        seq: 1,
        hlc: Hlc::new(5, 0),
        wall_us: 5,
        locks: LockTable::default(),
        shards: second.clone(),
        ..NodeSnapshot::default()
    };
    late.install(&snapshot);
    assert_eq!((&late.ring.table, late.ring.change()), (&second, None));
    // And what changed from somebody who was there, as something that is over; an older word changes nothing.
    snapshot.node = "node1".into();
    for (before, told) in [(&second, None), (&first, Some(&change)), (&table(0, &[], &[]), Some(&change))] {
        snapshot.shards_before = Some(before.clone());
        late.install(&snapshot);
        assert_eq!(late.ring.change().as_ref(), told);
    }
    assert_eq!(
        (late.ring.since_us, late.ring.ways[0].placed_us),
        (0, 0),
        "nothing is drawn as if it happened now"
    );
}

/// The map that placement makes of these nodes, two replicas of each of two shards.
fn ideal(version: u64, nodes: &[&str]) -> ShardTable {
    let ring = Ring::new(nodes.iter().map(|name| RingNode::new(*name))).unwrap();
    let map = ShardMap::place(version, &ring, 2, 2, &BTreeSet::new());
    let placed =
        map.shards.iter().map(|it| PlacedShard { shard: it.shard, version, replicas: it.replicas.clone() });
    ShardTable { version, nodes: ring.nodes().to_vec(), shards: placed.collect() }
}

#[test]
fn a_change_lasts_until_every_shard_is_where_the_map_says() {
    let (few, many) = (ideal(1, &["node1", "node2"]), ideal(4, &["node1", "node2", "node3", "node4"]));
    let replicas = |table: &ShardTable, place: usize| table.shards[place].replicas.clone();
    let half = ShardTable {
        version: 2,
        nodes: many.nodes.clone(),
        shards: vec![PlacedShard { version: 2, ..many.shards[0].clone() }, few.shards[1].clone()],
    };
    for place in 0..2 {
        assert_ne!(replicas(&few, place), replicas(&many, place), "the names are chosen so that both move");
    }
    let mut tape = Tape::default();
    tape.say(placed(&few));
    assert!(tape.view.ring.complete && tape.view.ring.change().is_none());
    for (group, place) in [(1, 0), (2, 1)] {
        let leader = Some(NodeName::from("node3"));
        let (role, term) = (Role::Leader, 3);
        tape.say(Fact::RoleChanged {
            group: GroupId(group),
            role,
            term,
            voted_for: None,
            leader,
            silent_us: None,
        });
        let voters = replicas(&few, place);
        tape.say(Fact::MembershipChanged {
            group: GroupId(group),
            index: None,
            voters,
            learners: Vec::new(),
        });
    }
    tape.say(placed(&half));
    let moved = |tape: &Tape| tape.view.ring.change().map(|change| change.moves.len());
    let first = moved(&tape);
    assert_eq!((tape.view.ring.complete, tape.view.ring.ended_us()), (false, None));
    tape.say(placed(&many));
    assert!(tape.view.ring.complete && first < moved(&tape), "both steps are one change");
    assert_eq!(tape.view.ring.before.as_ref().map(|before| &before.table), Some(&few));
    for (group, place) in [(1, 0), (2, 1)] {
        assert_eq!(tape.view.ring.ended_us(), None, "s{group} is on its way");
        // Old and new vote together, then the new ones alone while an old one learns still.
        let mut both = replicas(&few, place);
        both.extend(replicas(&many, place).into_iter().filter(|name| !replicas(&few, place).contains(name)));
        for (voters, learners) in
            [(both, vec![]), (replicas(&many, place), vec!["node1".into()]), (replicas(&many, place), vec![])]
        {
            assert_eq!(tape.view.ring.way(GroupId(group)).and_then(|way| way.arrived_us), None);
            tape.say(Fact::MembershipChanged { group: GroupId(group), index: None, voters, learners });
        }
        let way = tape.view.ring.way(GroupId(group)).unwrap();
        assert!(way.placed_us > 0 && way.arrived_us > Some(way.placed_us), "{way:?}");
    }
    assert_eq!(tape.view.ring.ended_us(), tape.view.ring.way(GroupId(2)).unwrap().arrived_us);

    // The next change is another one, although the members are the same: somebody is replaced.
    let mut replaced = many.clone();
    replaced.version = 5;
    let idle = many.nodes.iter().find(|node| !replicas(&many, 0).contains(&node.name)).unwrap();
    replaced.shards[0].replicas[1] = idle.name.clone();
    tape.say(placed(&replaced));
    assert_eq!(moved(&tape), Some(1));
    assert_eq!(tape.view.ring.before.as_ref().map(|before| before.table.version), Some(4));
}

#[test]
fn a_shard_says_who_leads_it_and_whether_it_has_a_majority() {
    let mut tape = Tape::default();
    tape.say(placed(&table(1, &["node1", "node2"], &[["node1", "node2"], ["node2", "node1"]])));
    let leads = |group| Fact::RoleChanged {
        group,
        role: Role::Leader,
        term: 3,
        voted_for: None,
        leader: Some("node1".into()),
        silent_us: None,
    };
    tape.say(leads(SHARD));
    let shards: Vec<_> = tape.view.shards().collect();
    assert_eq!((shards[0].leader.clone(), shards[0].has_majority()), (None, true));
    assert_eq!((shards[1].leader.as_deref(), shards[1].term), (Some("node1"), 3));
    assert_eq!(tape.view.leadership().leader, None, "that is no leader of the control group");
    let exited = Fact::NodeExited { node: "node1".into(), cause: "killed".into() };
    let event = Event { seq: 1, hlc: Hlc::new(9_000_000, 0), wall_us: 0, fact: exited };
    tape.view.apply(&"supervisor".into(), 1, &event);
    let shards: Vec<_> = tape.view.shards().collect();
    assert_eq!((shards[1].leader.clone(), shards[1].up, shards[1].quorum), (None, 1, 2));
    assert!(!shards[1].has_majority());
}
