//! Scripted moments for drawing without a cluster: `?fixture=busy`. Only with the feature `fixture`, never in the
//! product.

mod cache;

use std::collections::BTreeSet;
use std::sync::Arc;

use orrery_base::fault::Fault;
use orrery_base::hlc::Hlc;
use orrery_base::ids::{GroupId, NodeName};
use orrery_event::fact::{EntrySummary, Role};
use orrery_event::merge::StreamState;
use orrery_lock::view::{HolderView, LockTable, LockedResource, WaiterView};
use orrery_lock::{Holder, Mode, WaitEdge, WaitId};
use orrery_narrate::{Line, Topic};
use orrery_placement::{PlacedShard, Ring, RingNode, RingView, ShardMap, ShardTable};
use orrery_projection::view::{
    DeadLetterView, DeadlockView, Election, GroupQueue, GroupView, InFlight, LinkView, LocksView, Membership,
    NodeView, Process, RequestView, ShardQueues, Timer, TopicQueue, View,
};
use orrery_queue::fact::DeadCause;
use orrery_queue::view::{GroupTotals, TopicTotals};
use orrery_queue::{ConsumerGroup, Receipt, TopicName};

use crate::clock::{ClockState, Pace};

/// The moment that every fixture shows.
pub const NOW_US: u64 = 1_763_730_127_123_000;

/// Shards of every fixture.
const SHARDS: u16 = 8;

/// The fixture that the address asks for.
pub fn asked() -> Option<String> {
    let query = leptos::prelude::window().location().search().ok()?;
    let name = query.trim_start_matches('?').split('&').find_map(|part| part.strip_prefix("fixture="))?;
    Some(name.to_owned())
}

/// The clock of any fixture: 400 times slower, behind.
pub fn clock() -> ClockState {
    ClockState {
        now_us: NOW_US,
        live_us: NOW_US + 4_200_000,
        start_us: NOW_US - 120_000_000,
        playing: true,
        pace: Pace::Director,
        rate: 0.0025,
        scene: None,
    }
}

/// `busy`, `election`, `deposed`, `three`, `no-quorum`; anything else is a page without a cluster.
pub fn view(name: &str) -> View {
    match name {
        "busy" => busy(),
        "election" => election(),
        "deposed" => deposed(),
        "three" => three(),
        "no-quorum" => no_quorum(),
        _ => View::default(),
    }
}

/// Sentences for any fixture.
pub fn feed(name: &str) -> Vec<Arc<Line>> {
    let line = |ms_ago: u64, node: &str, topic, bad, words: &str| {
        Arc::new(Line {
            at_us: NOW_US - ms_ago * 1_000,
            node: node.into(),
            topic,
            bad,
            count: 1,
            others: 0,
            late: false,
            alike: Default::default(),
            words: [words.into(), words.into()],
        })
    };
    if name == "none" {
        return Vec::new();
    }
    vec![
        line(
            9_000,
            "node2",
            Topic::Lock,
            false,
            "**Ayu** holds **printer** exclusively, token **41**: a majority has it on disk.",
        ),
        line(3_100, "node5", Topic::Process, true, "The process of **node5** ended: killed."),
        line(
            2_000,
            "node2",
            Topic::Deadlock,
            true,
            "**Deadlock**: Budi waits for Citra and Citra waits for Budi. Nobody could ever go on, so **Citra**, whose wait is the youngest, is refused.",
        ),
        line(
            5,
            "node2",
            Topic::Election,
            false,
            "node2 won the vote of node1 and node3, **3 of 5**, and leads term 7. Its first entry tells the others whom to follow.",
        ),
    ]
}

fn part(term: u64, last: u64, commit: u64) -> GroupView {
    let tail = (last.saturating_sub(20)..=last).map(|index| EntrySummary {
        index,
        term: if index + 3 > last { term } else { term - 1 },
        what: ["acquire printer Ayu", "release report Budi", "clock", "blank"][index as usize % 4].into(),
    });
    GroupView {
        term,
        role_since_us: NOW_US - 100_000,
        last_log: Some(last),
        synced: Some(last),
        commit: Some(commit),
        applied: Some(commit),
        tail: Arc::new(tail.collect()),
        ..GroupView::default()
    }
}

fn cluster(parts: Vec<GroupView>) -> View {
    let names: Vec<NodeName> = (1..=parts.len()).map(|i| format!("node{i}").into()).collect();
    let mut view = View {
        at: Hlc::new(NOW_US, 0),
        profile: "realistic".into(),
        order: Arc::new(names.clone()),
        membership: Arc::new(Membership { index: Some(1), voters: names.clone(), learners: Vec::new() }),
        ..View::default()
    };
    let ring = Ring::new(names.iter().map(|name| RingNode::new(name.clone()))).unwrap_or_default();
    let map = ShardMap::place(1, &ring, SHARDS, 3, &BTreeSet::new());
    for (i, mut part) in parts.into_iter().enumerate() {
        part.voters.clone_from(&names);
        if part.role != Role::Leader {
            part.timer = Some(Timer { started_us: NOW_US - 40_000 * (i as u64 + 1), due_us: 300_000 });
        }
        let mut groups = vec![(GroupId::CONTROL, Arc::new(part))];
        for placed in map.shards.iter().filter(|placed| placed.replicas.contains(&names[i])) {
            let role = if placed.leader() == Some(&names[i]) { Role::Leader } else { Role::Follower };
            let part = GroupView {
                group: placed.shard,
                role,
                term: 2,
                voters: placed.replicas.clone(),
                ..GroupView::default()
            };
            groups.push((placed.shard, Arc::new(part)));
        }
        let node = NodeView {
            name: names[i].clone(),
            address: format!("127.0.0.1:{}", 8_001 + i).into(),
            boot: 3,
            seq: 1_000,
            process: Process::Up,
            process_since_us: NOW_US - 60_000_000,
            stream: StreamState::Live,
            groups: groups.into_iter().collect(),
            ..NodeView::default()
        };
        view.nodes.insert(names[i].clone(), Arc::new(node));
    }
    for from in &names {
        for to in names.iter().filter(|to| *to != from) {
            view.links.insert((from.clone(), to.clone()), LinkView { up: Some(true), ..LinkView::default() });
        }
    }
    queues(&mut view);
    cache::put(&mut view);
    view
}

fn change(view: &mut View, name: &str, with: impl FnOnce(&mut NodeView)) {
    if let Some(node) = view.nodes.get_mut(name) {
        with(Arc::make_mut(node));
    }
}

fn person(name: &str) -> Holder {
    Holder { client: name.into(), session: None }
}

fn holds(name: &str, mode: Mode, fencing_token: u64, gone_ms: u64) -> HolderView {
    let since_ms = 100_000 - gone_ms;
    HolderView { holder: person(name), mode, fencing_token, since_ms, expires_at_ms: Some(since_ms + 30_000) }
}

fn waits(name: &str, mode: Mode, wait: u64) -> WaiterView {
    WaiterView { holder: person(name), mode, wait: WaitId(wait), upgrade: false }
}

fn locks() -> LocksView {
    let lock = |name: &str, holders, waiters| LockedResource { resource: name.into(), holders, waiters };
    let table = LockTable {
        applied: Some(1_284),
        clock_ms: 100_000,
        resources: vec![
            lock(
                "printer",
                vec![holds("Ayu", Mode::Exclusive, 41, 10_000)],
                vec![waits("Budi", Mode::Exclusive, 1_270), waits("Citra", Mode::Shared, 1_280)],
            ),
            lock(
                "report",
                vec![holds("Budi", Mode::Shared, 38, 4_000), holds("Citra", Mode::Shared, 39, 26_000)],
                vec![],
            ),
        ],
        sessions: Vec::new(),
    };
    LocksView { table, seen: None, clock_at_us: NOW_US, ..LocksView::default() }
}

fn busy() -> View {
    let mut leader = part(7, 1_286, 1_284);
    leader.role = Role::Leader;
    leader.election = Some(Election {
        term: 7,
        pre: false,
        since_us: NOW_US - 200_000,
        silent_us: Some(460_000),
        granted: ["node2", "node1", "node3"].map(NodeName::from).to_vec(),
        refused: Vec::new(),
        won: true,
    });
    let mut view = cluster(vec![
        part(7, 1_285, 1_284),
        leader,
        part(7, 1_286, 1_284),
        part(7, 1_284, 1_284),
        part(6, 1_282, 1_281),
    ]);
    change(&mut view, "node5", |node| {
        node.process = Process::Down;
        node.process_since_us = NOW_US - 3_100_000;
        node.exit_cause = "killed".into();
    });
    view.links.insert(
        ("node1".into(), "node4".into()),
        LinkView { up: Some(false), fault: Fault::CUT, ..LinkView::default() },
    );
    view.locks = Arc::new(locks());
    let edge = |waiter, blocker, what: &str| WaitEdge {
        waiter: person(waiter),
        blocker: person(blocker),
        resource: what.into(),
    };
    view.deadlock = Some(Arc::new(DeadlockView {
        at_us: NOW_US - 2_000_000,
        index: 1_281,
        cycle: vec![edge("Budi", "Citra", "printer"), edge("Citra", "Budi", "report")],
        victim: person("Citra"),
        wait: WaitId(1_281),
    }));
    let request = RequestView {
        node: "node1".into(),
        request: 12,
        client: "Ayu".into(),
        operation: "acquire".into(),
        subject: "printer X".into(),
        begun_us: NOW_US - 20_000,
    };
    view.requests.insert(("node1".into(), 12), Arc::new(request));
    view
}

fn election() -> View {
    let mut candidate = part(8, 1_286, 1_284);
    candidate.role = Role::Candidate;
    candidate.election = Some(Election {
        term: 8,
        pre: false,
        since_us: NOW_US - 20_000,
        silent_us: Some(1_900_000),
        granted: ["node3", "node1"].map(NodeName::from).to_vec(),
        refused: vec!["node4".into()],
        won: false,
    });
    let mut view = cluster(vec![
        part(8, 1_286, 1_284),
        part(7, 1_286, 1_284),
        candidate,
        part(7, 1_286, 1_284),
        part(7, 1_286, 1_284),
    ]);
    change(&mut view, "node2", |node| node.process = Process::Down);
    view.locks = Arc::new(locks());
    view
}

fn deposed() -> View {
    let mut old = part(7, 1_287, 1_284);
    old.role = Role::Leader;
    old.synced = Some(1_285);
    let mut leader = part(8, 1_290, 1_289);
    leader.role = Role::Leader;
    let mut view =
        cluster(vec![old, part(8, 1_290, 1_289), leader, part(8, 1_290, 1_289), part(8, 1_288, 1_287)]);
    change(&mut view, "node5", |node| node.process = Process::Paused);
    change(&mut view, "node4", |node| node.stream = StreamState::Silent);
    let edge = |waiter, blocker, what: &str| WaitEdge {
        waiter: person(waiter),
        blocker: person(blocker),
        resource: what.into(),
    };
    view.deadlock = Some(Arc::new(DeadlockView {
        at_us: NOW_US - 1_000_000,
        index: 1_281,
        cycle: vec![
            edge("Ayu", "Budi", "fork-2"),
            edge("Budi", "Citra", "fork-3"),
            edge("Citra", "Ayu", "fork-1"),
        ],
        victim: person("Citra"),
        wait: WaitId(1_281),
    }));
    view
}

fn three() -> View {
    let mut leader = part(2, 14, 14);
    leader.role = Role::Leader;
    cluster(vec![leader, part(2, 14, 14), part(2, 13, 13)])
}

fn no_quorum() -> View {
    let mut view = busy();
    for name in ["node1", "node2"] {
        change(&mut view, name, |node| node.process = Process::Down);
    }
    view
}

/// A ring of eight shards, and two topics.
fn queues(view: &mut View) {
    let nodes: Vec<RingNode> = view.order.iter().map(|name| RingNode::new(name.clone())).collect();
    let ring = Ring::new(nodes.clone()).unwrap_or_default();
    let map = ShardMap::place(1, &ring, SHARDS, 3, &BTreeSet::new());
    let placed = map.shards.iter().map(|it| PlacedShard {
        shard: it.shard,
        version: 1,
        replicas: it.replicas.clone(),
    });
    let table = ShardTable { version: 1, nodes, shards: placed.collect() };
    view.ring = Arc::new(RingView { table, ring, ..RingView::default() });
    let topic = |number: u64, messages: u64, deliveries: &[(&str, u32, u64)], dead: u64| {
        let flight = |(place, (who, attempt, left_ms)): (usize, &(&str, u32, u64))| {
            let number = number + place as u64;
            let flight = InFlight {
                number,
                key: None,
                group: "default".into(),
                consumer: (*who).into(),
                receipt: Receipt { index: number + 20, n: 0 },
                attempt: *attempt,
                since_ms: 70_000 + left_ms,
                visible_at_ms: 100_000 + left_ms,
            };
            (("default".into(), number), flight)
        };
        let letter = |number: u64| DeadLetterView {
            number,
            key: None,
            group: "default".into(),
            attempts: 5,
            cause: DeadCause::TimedOut,
            dead_at_ms: 90_000,
        };
        let group = GroupQueue {
            waiting: messages,
            blocked: messages / 6,
            in_flight: deliveries.len() as u64,
            dead,
            totals: GroupTotals { acknowledged: 68, ..GroupTotals::default() },
            ..GroupQueue::default()
        };
        TopicQueue {
            messages: messages + deliveries.len() as u64 + dead,
            delayed: 1,
            totals: TopicTotals { acknowledged: 68, ..TopicTotals::default() },
            groups: [("default", group), ("audit", GroupQueue::default())]
                .map(|(name, group)| (ConsumerGroup::from(name), group))
                .into_iter()
                .collect(),
            in_flight: deliveries.iter().enumerate().map(flight).collect(),
            dead: (0..dead).map(letter).collect(),
            ..TopicQueue::default()
        }
    };
    let long = "a-topic-with-quite-a-long-name-indeed";
    let parts = [
        (1, "orders", topic(1_204, 4, &[("Citra", 1, 29_000)], 0)),
        (3, "orders", topic(12, 7, &[("Ayu", 2, 4_000), ("Budi", 1, 22_000)], 1)),
        (8, "orders", topic(41, 2, &[], 2)),
        (5, long, topic(9, 1_180, &[], 0)),
    ];
    for (shard, name, topic) in parts {
        let queues = ShardQueues {
            clock_ms: 100_000,
            clock_at_us: NOW_US,
            topics: [(TopicName::from(name), Arc::new(topic))].into_iter().collect(),
            ..ShardQueues::default()
        };
        view.queues.insert(GroupId(shard), Arc::new(queues));
    }
}
