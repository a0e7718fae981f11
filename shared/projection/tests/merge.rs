//! Any delay, any batching, any stall of the reader, any break of a connection: what is folded in the end is what the
//! nodes have.

use std::collections::{BTreeSet, VecDeque};

use orrery_base::hlc::{Hlc, HlcClock};
use orrery_base::ids::{GroupId, NodeName, Sequence};
use orrery_base::sorted::sort_by;
use orrery_event::fact::Role;
use orrery_event::merge::{AHEAD_US, Item, Merge, Placed};
use orrery_event::stream::{Batch, GroupSnapshot, NodeSnapshot};
use orrery_event::{Event, Fact};
use orrery_lock::view::LockTable;
use orrery_lock::{LockFact, SessionId};
use orrery_machine::ServiceFact;
use orrery_projection::view::View;
use proptest::prelude::*;

const NODES: usize = 4;
/// The world and the reader go on by this, microseconds.
const TICK_US: u64 = 20_000;
const BEAT_US: u64 = 100_000;
/// The wall clocks begin here.
const EPOCH_US: u64 = 1_700_000_000_000_000;

#[derive(Clone, Debug)]
enum Step {
    /// A node's role or log changes.
    Own(usize),
    /// The leader applies an entry.
    Apply,
    /// A node takes over and says what it has.
    Lead(usize),
    /// A node sends what waits as one batch.
    Flush(usize),
    /// The reader stands for so many ticks.
    Stall(u64),
    /// A connection breaks; whether the node still has what the reader missed.
    Break {
        node: usize,
        kept: bool,
    },
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..NODES).prop_map(Step::Own),
        8 => Just(Step::Apply),
        1 => (0..NODES).prop_map(Step::Lead),
        6 => (0..NODES).prop_map(Step::Flush),
        1 => (1..150_u64).prop_map(Step::Stall),
        1 => (0..NODES, any::<bool>()).prop_map(|(node, kept)| Step::Break { node, kept }),
        8 => (1..12_u64).prop_map(Step::Pass),
    ]
}

/// A node with its stream.
struct Node {
    name: NodeName,
    clock: HlcClock,
    /// Its wall clock against the true time, microseconds.
    off_us: i64,
    delay_us: u64,
    events: Vec<Event>,
    /// The first of them that is in no batch yet.
    unsent: usize,
    /// On their way, with the true time of their arrival.
    frames: VecDeque<(u64, Sent)>,
    applied: u64,
}

enum Sent {
    Batch(Vec<Event>),
    Beat(Hlc, Sequence),
    Gap(Sequence, Sequence),
    Snapshot(Box<NodeSnapshot>),
}

struct World {
    us: u64,
    stalled_until_us: u64,
    nodes: Vec<Node>,
    leader: usize,
    index: u64,
    ideal: View,
    merge: Merge,
    placed: Vec<Placed>,
}

impl World {
    fn new(offs_us: &[i64], delays_us: &[u64]) -> World {
        let node = |at: usize| Node {
            name: format!("node{at}").as_str().into(),
            clock: HlcClock::default(),
            off_us: offs_us[at],
            delay_us: delays_us[at],
            events: Vec::new(),
            unsent: 0,
            frames: VecDeque::new(),
            applied: 0,
        };
        let mut world = World {
            us: EPOCH_US,
            stalled_until_us: 0,
            nodes: (0..NODES).map(node).collect(),
            leader: 0,
            index: 0,
            ideal: View::default(),
            merge: Merge::default(),
            placed: Vec::new(),
        };
        for at in 0..NODES {
            world.open(at, false);
        }
        world.lead(0);
        world
    }

    fn now_ms(&self) -> f64 {
        (self.us - EPOCH_US) as f64 / 1_000.0
    }

    fn wall_us(&self, at: usize) -> u64 {
        self.us.saturating_add_signed(self.nodes[at].off_us)
    }

    fn emit(&mut self, at: usize, fact: Fact) {
        let wall_us = self.wall_us(at);
        let node = &mut self.nodes[at];
        let event = Event { seq: node.events.len() as u64 + 1, hlc: node.clock.tick(wall_us), wall_us, fact };
        self.ideal.apply(&node.name, 1, &event);
        node.events.push(event);
    }

    fn own(&mut self, at: usize) {
        let number = self.nodes[at].events.len() as u64;
        let group = GroupId((number % 3) as u16);
        let role = [Role::Follower, Role::Candidate, Role::Leader][(number % 3) as usize];
        let fact = match number % 2 {
            0 => Fact::RoleChanged {
                group,
                role,
                term: number,
                voted_for: None,
                leader: None,
                silent_us: None,
            },
            _ => Fact::Committed { group, index: number },
        };
        self.emit(at, fact);
    }

    fn apply(&mut self) {
        self.index += 1;
        let session = SessionId(self.index % 7);
        let fact = match self.index % 3 {
            0 => ServiceFact::Lock(LockFact::SessionRenewed { session, expires_at_ms: self.index }),
            _ => {
                let client = format!("c{}", self.index).as_str().into();
                ServiceFact::Lock(LockFact::SessionOpened { session, client, expires_at_ms: self.index })
            }
        };
        let (group, index) = (GroupId::CONTROL, self.index);
        self.emit(self.leader, Fact::Service { group, index, n: 0, clock_ms: index, fact });
        let leader = self.leader;
        self.nodes[leader].applied = index;
    }

    /// The new leader has heard from the old one, and has everything.
    fn lead(&mut self, at: usize) {
        let heard = self.nodes[self.leader].clock.last();
        let wall_us = self.wall_us(at);
        self.nodes[at].clock.receive(wall_us, heard);
        self.leader = at;
        self.nodes[at].applied = self.index;
        let fact = Fact::ServiceResumed {
            group: GroupId::CONTROL,
            index: self.index,
            locks: Box::new(LockTable { applied: Some(self.index), ..self.ideal.locks.table.clone() }),
        };
        self.emit(at, fact);
    }

    fn send(&mut self, at: usize, sent: Sent) {
        let node = &mut self.nodes[at];
        // One connection: nothing overtakes.
        let last = node.frames.back().map_or(0, |(due, _)| *due);
        node.frames.push_back(((self.us + node.delay_us).max(last), sent));
    }

    fn flush(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let events = node.events[node.unsent..].to_vec();
        node.unsent = node.events.len();
        if !events.is_empty() {
            self.send(at, Sent::Batch(events));
        }
    }

    fn beat(&mut self, at: usize) {
        self.flush(at);
        let wall_us = self.wall_us(at);
        let head = self.nodes[at].events.len() as u64;
        let clock = self.nodes[at].clock.tick(wall_us);
        self.send(at, Sent::Beat(clock, head));
    }

    /// The stream begins, or goes on from the reader's cursor.
    fn open(&mut self, at: usize, kept: bool) {
        let name = self.nodes[at].name.clone();
        self.nodes[at].frames.clear();
        self.merge.handle_close(&name);
        let cursor = self.merge.cursor(&name);
        self.merge.handle_open(&name, 1, self.now_ms());
        let head = self.nodes[at].events.len() as u64;
        match cursor {
            Some((_, read)) if kept => self.nodes[at].unsent = read as usize,
            _ => {
                if let Some((_, read)) = cursor
                    && read < head
                {
                    self.send(at, Sent::Gap(read + 1, head));
                }
                let snapshot = self.snapshot(at);
                self.nodes[at].unsent = head as usize;
                self.send(at, Sent::Snapshot(Box::new(snapshot)));
            }
        }
    }

    fn snapshot(&mut self, at: usize) -> NodeSnapshot {
        let wall_us = self.wall_us(at);
        let hlc = self.nodes[at].clock.tick(wall_us);
        let node = &self.nodes[at];
        let groups = self.ideal.node(&node.name).map(|view| view.groups.clone()).unwrap_or_default();
        let groups = groups.values().map(|part| GroupSnapshot {
            group: part.group,
            role: part.role,
            term: part.term,
            commit: part.commit,
            ..GroupSnapshot::default()
        });
        let has_all = node.applied == self.index && self.index > 0;
        NodeSnapshot {
            node: node.name.clone(),
            boot: 1,
            seq: node.events.len() as u64,
            hlc,
            wall_us,
            groups: groups.collect(),
            locks: if has_all { self.ideal.locks.table.clone() } else { LockTable::default() },
            ..NodeSnapshot::default()
        }
    }

    /// The reader takes what arrived, one connection after the other.
    fn read(&mut self) {
        let now_ms = self.now_ms();
        for at in 0..NODES {
            while self.nodes[at].frames.front().is_some_and(|(due, _)| *due <= self.us) {
                let Some((_, sent)) = self.nodes[at].frames.pop_front() else { break };
                let node = self.nodes[at].name.clone();
                match sent {
                    Sent::Batch(events) => self.merge.handle_batch(Batch { node, boot: 1, events }, now_ms),
                    Sent::Beat(clock, head) => self.merge.handle_beat(&node, clock, head, now_ms),
                    Sent::Gap(first, last) => self.merge.handle_gap(&node, 1, first, last),
                    Sent::Snapshot(snapshot) => self.merge.handle_snapshot(snapshot, now_ms),
                }
                if self.merge.wants_snapshot(&self.nodes[at].name) {
                    // Only where clocks are far apart, and it turns out late whose is right.
                    let far = |node: &Node| node.off_us.unsigned_abs() > AHEAD_US as u64 / 2;
                    assert!(self.nodes.iter().any(far), "the stream brought everything");
                    self.open(at, false);
                }
            }
        }
        self.placed.extend(self.merge.poll(now_ms));
    }

    fn pass(&mut self, ticks: u64) {
        for _ in 0..ticks {
            self.us += TICK_US;
            if (self.us - EPOCH_US).is_multiple_of(BEAT_US) {
                (0..NODES).for_each(|at| self.beat(at));
            }
            if self.us >= self.stalled_until_us {
                self.read();
            }
        }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Own(at) => self.own(*at),
            Step::Apply => self.apply(),
            Step::Lead(at) => self.lead(*at),
            Step::Flush(at) => self.flush(*at),
            Step::Stall(ticks) => {
                self.stalled_until_us = self.us + ticks * TICK_US;
                self.pass(*ticks / 2);
            }
            Step::Break { node, kept } => self.open(*node, *kept),
            Step::Pass(ticks) => self.pass(*ticks),
        }
    }

    /// What the reader has when everything has come.
    fn folded(&mut self) -> View {
        self.stalled_until_us = 0;
        self.pass(600);
        self.us += 10_000_000;
        self.placed.extend(self.merge.poll(self.now_ms()));
        let mut placed = std::mem::take(&mut self.placed);
        sort_by(&mut placed, |a, b| a.stamp.cmp(&b.stamp));
        let mut view = View::default();
        let mut folded = BTreeSet::new();
        for placed in &placed {
            let node = &placed.stamp.node;
            match &placed.item {
                Item::Event(event) => {
                    let before = view.node(node).map_or(0, |node| node.seq);
                    let (is, was) = (before >= event.seq, folded.contains(&(node.clone(), event.seq)));
                    assert!(!is || was, "{node}: {} after {before} was never folded", event.seq);
                    view.apply(node, placed.stamp.boot, event);
                    folded.insert((node.clone(), event.seq));
                }
                Item::Snapshot(snapshot) => {
                    view.install(snapshot);
                    folded.extend((1..=snapshot.seq).map(|seq| (node.clone(), seq)));
                }
                Item::Gap(gap) => view.gap(gap.clone()),
                Item::Stream(_) | Item::Members { .. } | Item::Clock { .. } => {}
            }
        }
        view
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_fold_equals_the_nodes_in_the_end(
        offs_us in prop::collection::vec(
            prop_oneof![
                4 => -20_000..20_000_i64,
                1 => Just(3_600_000_000_i64),
                1 => Just(-3_600_000_000_i64),
                1 => -4_000_000..1_000_000_i64,
            ],
            NODES,
        ),
        delays_us in prop::collection::vec(0..900_000_u64, NODES),
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let mut world = World::new(&offs_us, &delays_us);
        steps.iter().for_each(|step| world.run(step));
        let view = world.folded();
        prop_assert_eq!(&view.locks.table.sessions, &world.ideal.locks.table.sessions);
        for node in &world.nodes {
            let (Some(is), Some(should)) = (view.node(&node.name), world.ideal.node(&node.name)) else { continue };
            prop_assert_eq!(is.seq, should.seq, "{}", node.name);
            prop_assert!(!is.stale);
            let parts = |view: &orrery_projection::view::NodeView| -> Vec<_> {
                view.groups.values().map(|part| (part.group, part.role, part.term, part.commit)).collect()
            };
            prop_assert_eq!(parts(is), parts(should), "{}", node.name);
        }
    }
}
