#![allow(clippy::unwrap_used)]

use orrery_base::hlc::Hlc;
use orrery_base::ids::GroupId;
use orrery_event::fact::{Message, MessageId, Role};
use orrery_event::merge::{Item, Placed};
use orrery_event::stream::{Batch, Frame, Hello, MemberAddress};
use orrery_event::{Event, Fact, Stamp};
use orrery_machine::ServiceFact;
use orrery_projection::view::View;
use orrery_queue::QueueFact;

use super::Control;
use super::recording::{ITEMS_MAX, KEYFRAME_EVERY, Recording};
use super::runtime::Runtime;
use crate::clock::{Badge, Pace};

const GROUP: GroupId = GroupId::CONTROL;
const NODES: [&str; 3] = ["node1", "node2", "node3"];
const START_US: u64 = 5_000_000;

/// A plausible script, the same at every run: an election, then entries that are replicated one by one.
struct Script {
    items: Vec<Placed>,
    seqs: [u64; 3],
    us: u64,
    messages: u64,
}

impl Script {
    fn new() -> Script {
        Script { items: Vec::new(), seqs: [0; 3], us: START_US, messages: 0 }
    }

    fn say(&mut self, node: usize, after_us: u64, fact: Fact) {
        self.us += after_us;
        self.seqs[node] += 1;
        let (seq, hlc) = (self.seqs[node], Hlc::new(self.us, 0));
        let stamp = Stamp { hlc, node: NODES[node].into(), boot: 1, seq };
        let item = Item::Event(Event { seq, hlc, wall_us: self.us, fact });
        self.items.push(Placed { stamp, item, late: false, adjusted: false });
    }

    fn role(&mut self, node: usize, after_us: u64, role: Role, term: u64) {
        let voted_for = Some(NODES[0].into());
        let leader = (role != Role::Candidate).then(|| NODES[0].into());
        let fact =
            Fact::RoleChanged { group: GROUP, role, term, voted_for, leader, silent_us: Some(220_000) };
        self.say(node, after_us, fact);
    }

    fn message(&mut self, from: usize, to: usize, body: Message) {
        self.messages += 1;
        let message = MessageId { from: NODES[from].into(), boot: 1, number: self.messages };
        let sent =
            Fact::Sent { message: message.clone(), group: GROUP, to: NODES[to].into(), body: body.clone() };
        self.say(from, 20, sent);
        self.say(to, 110, Fact::Received { message, group: GROUP, body });
    }

    fn election(&mut self, term: u64) {
        self.role(0, 200_000, Role::Candidate, term);
        for to in [1, 2] {
            self.message(0, to, Message::Vote { pre: false, term, last: None });
            self.message(to, 0, Message::VoteReply { pre: false, term, granted: true });
        }
        self.role(0, 50, Role::Leader, term);
        for node in [1, 2] {
            self.role(node, 50, Role::Follower, term);
        }
    }

    fn entries(&mut self, count: u64) {
        for index in 0..count {
            for to in [1, 2] {
                let append =
                    Message::Append { term: 1, previous: index.checked_sub(1), entries: 1, commit: None };
                self.message(0, to, append);
                let matching = Some(index);
                self.message(to, 0, Message::AppendReply { term: 1, success: true, matching });
            }
            self.say(0, 30, Fact::Committed { group: GROUP, index });
        }
    }
}

fn recorded(items: Vec<Placed>) -> Recording {
    let mut recording = Recording::default();
    recording.extend(items, |_, _, _| {});
    recording
}

fn folded(items: &[Placed], until_us: u64) -> View {
    let mut view = View::default();
    for placed in items.iter().filter(|placed| placed.stamp.hlc.wall_us() <= until_us) {
        if let Item::Event(event) = &placed.item {
            view.apply(&placed.stamp.node, placed.stamp.boot, event);
        }
    }
    view
}

#[test]
fn any_moment_is_what_folding_up_to_it_gives_in_any_order_of_asking() {
    let mut script = Script::new();
    script.election(1);
    script.entries(300);
    assert!(script.items.len() as u64 > 4 * KEYFRAME_EVERY);
    let mut recording = recorded(script.items.clone());
    let span = script.us - START_US;
    for part in [0, 9, 3, 10, 5, 5, 1, 7, 2] {
        let at_us = START_US + span * part / 10;
        assert_eq!(*recording.view_at(at_us), folded(&script.items, at_us), "{part}");
    }
}

#[test]
fn what_comes_late_is_inserted_and_seen_from_its_moment_on() {
    let mut script = Script::new();
    script.election(1);
    script.entries(200);
    let (late, on_time): (Vec<_>, Vec<_>) = script
        .items
        .clone()
        .into_iter()
        .partition(|placed| placed.stamp.node == "node3" && placed.stamp.seq > 10);
    let mut recording = recorded(on_time);
    let at_us = START_US + (script.us - START_US) / 10 * 9;
    let before = recording.view_at(at_us).clone();
    let key = recording.key_at(at_us);
    recording.extend(late.into_iter().map(|placed| Placed { late: true, ..placed }).collect(), |_, _, _| {});
    assert_ne!(recording.key_at(at_us), key, "whoever shows it knows that it changed");
    assert_ne!(*recording.view_at(at_us), before);
    assert_eq!(*recording.view_at(at_us), folded(&script.items, at_us));
    assert_eq!(*recording.head(), folded(&script.items, u64::MAX));
}

#[test]
fn it_is_bounded_and_what_is_kept_is_whole() {
    let mut script = Script::new();
    script.election(1);
    script.entries(24_000);
    let all = script.items;
    let mut recording = Recording::default();
    for chunk in all.chunks(5_000) {
        recording.extend(chunk.to_vec(), |_, _, _| {});
    }
    assert!(recording.len() <= ITEMS_MAX && recording.len() > ITEMS_MAX / 2);
    assert!(recording.start_us().unwrap() > START_US);
    assert_eq!(*recording.head(), folded(&all, u64::MAX));
    let at_us = recording.start_us().unwrap() + 1_000;
    assert_eq!(*recording.view_at(at_us), folded(&all, at_us));
}

#[test]
fn what_a_new_leader_of_a_shard_says_again_is_told_once() {
    let mut script = Script::new();
    let entered = |shard, number| {
        let fact = ServiceFact::Queue(QueueFact::Entered { topic: "orders".into(), number });
        Fact::Service { group: GroupId(shard), index: number, n: 0, clock_ms: number, fact }
    };
    (1..=3).for_each(|number| script.say(0, 100_000, entered(2, number)));
    // Of another shard it is something else.
    script.say(0, 100_000, entered(1, 3));
    (2..=4).for_each(|number| script.say(1, 100_000, entered(2, number)));
    let recording = recorded(script.items);
    assert_eq!(recording.feed.count_until(u64::MAX), 5);
    assert_eq!(recording.head().queues[&GroupId(2)].seen, Some((4, 0)));
}

#[test]
fn steps_go_from_fact_to_fact_and_back() {
    let mut script = Script::new();
    script.election(1);
    let recording = recorded(script.items.clone());
    let moments: Vec<u64> = script.items.iter().map(|placed| placed.stamp.hlc.wall_us()).collect();
    let mut at_us = 0;
    for moment in &moments {
        at_us = recording.step(at_us, true).unwrap();
        assert_eq!(at_us, *moment);
    }
    assert_eq!(recording.step(at_us, true), None);
    assert_eq!(recording.step(at_us, false), Some(moments[moments.len() - 2]));
}

fn hello(node: &str) -> Frame {
    let members = NODES.map(|node| MemberAddress { node: node.into(), address: "127.0.0.1:1".into() });
    Frame::Hello(Hello {
        version: 1,
        cluster: None,
        node: node.into(),
        boot: 1,
        head: 0,
        tail: 1,
        profile: "realistic".into(),
        members: members.to_vec(),
    })
}

/// Streams of a cluster that runs for a while: every 20 ms of the reader's time a batch of what happened.
struct Reader {
    runtime: Runtime,
    items: Vec<Placed>,
    now_ms: f64,
}

impl Reader {
    fn new(script: Script) -> Reader {
        let mut runtime = Runtime::default();
        for node in NODES {
            runtime.handle_frame(&node.into(), hello(node), 0.0);
        }
        let mut items = script.items;
        items.reverse();
        Reader { runtime, items, now_ms: 0.0 }
    }

    /// Lets 20 ms pass.
    fn turn(&mut self, controls: Vec<Control>) -> super::runtime::Changes {
        self.now_ms += 20.0;
        let now_us = START_US + (self.now_ms * 1_000.0) as u64;
        while self.items.last().is_some_and(|item| item.stamp.hlc.wall_us() <= now_us) {
            let Some(Placed { stamp, item: Item::Event(event), .. }) = self.items.pop() else { continue };
            let batch = Batch { node: stamp.node.clone(), boot: 1, events: vec![event] };
            self.runtime.handle_frame(&stamp.node, Frame::Batch(batch), self.now_ms);
        }
        for node in NODES {
            let beat = Frame::Beat { hlc: Hlc::new(now_us, 0), head: 0 };
            self.runtime.handle_frame(&node.into(), beat, self.now_ms);
        }
        self.runtime.frame(controls, self.now_ms)
    }
}

#[test]
fn the_director_shows_an_election_slowly_and_is_live_again_after() {
    let mut script = Script::new();
    script.election(1);
    script.say(0, 400, Fact::Committed { group: GROUP, index: 0 });
    let mut reader = Reader::new(script);
    let (mut slow_frames, mut crowned_at_ms, mut last) = (0, None, None);
    for _ in 0..1_000 {
        let changes = reader.turn(vec![]);
        slow_frames += u32::from(changes.clock.rate < 0.01 && changes.clock.rate > 0.0);
        if let Some(view) = &changes.view
            && view.leadership().leader.is_some()
        {
            crowned_at_ms.get_or_insert(reader.now_ms);
        }
        last = Some(changes);
    }
    let crowned_at_ms = crowned_at_ms.unwrap();
    assert!(crowned_at_ms > 2_000.0, "live, it took a millisecond after 200: {crowned_at_ms}");
    assert!(slow_frames > 60, "{slow_frames}");
    let last = last.unwrap();
    assert_eq!(last.clock.badge(), Badge::Live, "{:?}", last.clock);
    assert!(last.feed.is_none() && last.view.is_none(), "nothing changes, so nothing is said to change");
}

#[test]
fn controls_pause_step_back_and_go_live() {
    let mut script = Script::new();
    script.election(1);
    script.entries(50);
    let end_us = script.us;
    let mut reader = Reader::new(script);
    reader.turn(vec![Control::Pace(Pace::Fixed(1.0))]);
    for _ in 0..50 {
        reader.turn(vec![]);
    }
    let paused = reader.turn(vec![Control::Pause]).clock;
    assert!(!paused.playing && paused.now_us > end_us);
    for _ in 0..20 {
        assert_eq!(reader.turn(vec![]).clock.now_us, paused.now_us);
    }
    let back = reader.turn(vec![Control::Step { forward: false }]);
    assert_eq!(back.clock.now_us, end_us);
    let further = reader.turn(vec![Control::Step { forward: false }]);
    assert!(further.clock.now_us < end_us && further.view.is_some());
    let live = reader.turn(vec![Control::Live]).clock;
    assert_eq!(live.badge(), Badge::Live);
}
