//! Homes, three nodes and a network that delays, loses, repeats and reorders, in one thread and virtual time.

mod clients;
mod home;

use std::collections::BTreeMap;

use bytes::Bytes;
use orrery_base::ids::{GroupId, NodeId, Term};
use orrery_base::key::RequestKey;

use self::clients::Request;
use super::oracle::Oracle;
use crate::directory::{Committed, Directory};
use crate::message::{Ask, Recall, Recalled, Told};
use crate::node::{Limits, Lines, Policy};
use crate::{Address, Broken, CacheCommand, CacheReply, Holder, State, Values};

pub const SHARD: GroupId = GroupId(1);
const LEASE_US: u64 = 400_000;
/// Longest that a question waits for its answer.
const ANSWER_US: u64 = 300_000;
/// Longest that a client waits.
const CLIENT_US: u64 = 5_000_000;

/// A small generator: the same seed gives the same world.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Of a hundred messages.
    pub lost: u64,
    /// Of a hundred messages.
    pub repeated: u64,
    /// Most delay of a message, microseconds.
    pub delay_us: u64,
    /// Of a hundred messages: delayed much longer.
    pub late: u64,
    /// Mean time between crashes, cuts and changes of home; 0 is never.
    pub every_us: u64,
    /// A home hears late that it is deposed.
    pub unaware: bool,
}

pub const NO_FAULTS: Faults =
    Faults { lost: 0, repeated: 0, delay_us: 2_000, late: 0, every_us: 0, unaware: false };

#[derive(Clone, Debug)]
enum Event {
    Ask { term: Term, from: Holder, asked: u64, ask: Ask },
    Told { to: Holder, asked: u64, told: Option<Told> },
    Recall { term: Term, question: Option<u64>, to: Holder, recall: Recall },
    Recalled { term: Term, question: u64, from: Holder, recalled: Option<Recalled> },
    Confirm { term: Term, round: u64 },
    Confirmed { term: Term, round: u64, confirmed: bool },
    Commit { term: Term, question: Option<u64>, command: CacheCommand, key: Option<RequestKey> },
    Committed { term: Term, question: Option<u64>, outcome: Committed, applied: Box<Values> },
    Client { node: usize, boot: u32, client: usize },
    Node { node: usize },
    Home { term: Term },
    Deposed { term: Term },
    Fault,
    Heal { node: usize },
}

pub struct Node {
    pub lines: Lines,
    pub boot: u32,
    offset_us: u64,
    rate: u64,
    pub cut: bool,
    clients: Vec<Option<Request>>,
    tick: Option<u64>,
    /// What this boot answered as not durable, the last of each address.
    wrote: BTreeMap<Address, Bytes>,
}

struct Home {
    directory: Directory,
    /// What is applied there.
    values: Values,
    offset_us: u64,
    rate: u64,
    asked: BTreeMap<u64, (Holder, u64)>,
    tick: Option<u64>,
}

/// What clients were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub hits: u64,
    pub reads: u64,
    pub written: u64,
    pub written_back: u64,
    pub refused: u64,
    pub unknown: u64,
    pub given_up: u64,
}

pub struct World {
    pub now: u64,
    pub random: Random,
    pub faults: Faults,
    pub oracle: Oracle,
    pub counts: Counts,
    pub term: Term,
    pub values: Values,
    pub nodes: Vec<Node>,
    index: u64,
    replies: BTreeMap<RequestKey, CacheReply>,
    homes: BTreeMap<Term, Home>,
    events: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    next_value: u64,
    addresses: u64,
    pub limits: Limits,
    /// Clients go on asking.
    pub busy: bool,
    pub trace: Vec<String>,
    pub traced: bool,
}

pub fn limits() -> Limits {
    Limits {
        lines_max: 1_024,
        bytes_max: 16 << 20,
        policy: Policy::Lru,
        lease_us: LEASE_US,
        flush_us: 1_000_000,
        idle_us: 60_000_000,
        broken: Broken::default(),
    }
}

impl World {
    pub fn new(seed: u64, faults: Faults, limits: Limits, clients: usize, addresses: u64) -> Self {
        let mut random = Random(seed);
        let nodes = (0..3).map(|_| Node {
            lines: Lines::new(limits),
            boot: 1,
            offset_us: random.below(1_000_000_000),
            rate: 990 + random.below(21),
            cut: false,
            clients: vec![None; clients],
            tick: None,
            wrote: BTreeMap::new(),
        });
        let nodes = nodes.collect();
        #[allow(clippy::disallowed_methods)]
        let traced = std::env::var_os("ORRERY_CACHE_SEED").is_some();
        let mut world = World {
            now: 1_000,
            random,
            faults,
            oracle: Oracle::default(),
            counts: Counts::default(),
            term: 0,
            values: Values::default(),
            nodes,
            index: 0,
            replies: BTreeMap::new(),
            homes: BTreeMap::new(),
            events: BTreeMap::new(),
            sequence: 0,
            next_value: 0,
            addresses,
            limits,
            busy: true,
            trace: Vec::new(),
            traced,
        };
        world.new_term();
        for node in 0..3 {
            world.start_clients(node);
        }
        if faults.every_us > 0 {
            let after = world.random.below(2 * faults.every_us);
            world.after(after, Event::Fault);
        }
        world
    }

    pub fn holder(&self, node: usize) -> Holder {
        Holder {
            name: format!("node{}", node + 1).into(),
            id: NodeId(node as u64 + 1),
            boot: self.nodes[node].boot,
        }
    }

    fn at(holder: &Holder) -> usize {
        holder.id.0 as usize - 1
    }

    fn after(&mut self, us: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + us, self.sequence), event);
    }

    pub fn node_us(&self, node: usize) -> u64 {
        let Node { offset_us, rate, .. } = &self.nodes[node];
        offset_us + self.now * rate / 1_000
    }

    fn home_us(&self, term: Term) -> u64 {
        let Home { offset_us, rate, .. } = &self.homes[&term];
        offset_us + self.now * rate / 1_000
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if !self.traced {
            return;
        }
        if self.trace.len() > 400 {
            self.trace.drain(..200);
        }
        let line = format!("{:>9} {}", self.now, line());
        self.trace.push(line);
    }

    /// A message that may get lost.
    fn send(&mut self, node: usize, event: Event) {
        let Faults { lost, repeated, .. } = self.faults;
        let copies = 1 + u64::from(self.random.chance(repeated));
        for _ in 0..copies {
            let delay = self.delay();
            if !self.nodes[node].cut && !self.random.chance(lost) {
                self.after(delay, event.clone());
            }
        }
    }

    fn delay(&mut self) -> u64 {
        let Faults { delay_us, late, .. } = self.faults;
        let most = if self.random.chance(late) { 700_000 } else { delay_us };
        100 + self.random.below(most.max(1))
    }

    /// Another boot of a node.
    pub fn crash(&mut self, node: usize) {
        self.note(|| format!("node{} crashes", node + 1));
        let limits = self.limits;
        let node_us = &mut self.nodes[node];
        node_us.boot += 1;
        node_us.lines = Lines::new(limits);
        node_us.wrote.clear();
        node_us.clients.iter_mut().for_each(|client| *client = None);
        self.start_clients(node);
    }

    fn fault(&mut self) {
        let node = self.random.below(3) as usize;
        match self.random.below(4) {
            0 => self.crash(node),
            1 => {
                self.nodes[node].cut = true;
                self.note(|| format!("node{} is cut off", node + 1));
                let after = self.random.below(1_500_000);
                self.after(after, Event::Heal { node });
            }
            _ => self.new_term(),
        }
        if self.busy {
            let after = self.random.below(2 * self.faults.every_us);
            self.after(after, Event::Fault);
        }
    }

    pub fn step(&mut self) -> bool {
        let Some(((at, _), event)) = self.events.pop_first() else { return false };
        self.now = self.now.max(at);
        match event {
            Event::Fault if self.busy && self.faults.every_us > 0 => self.fault(),
            Event::Fault => {}
            Event::Heal { node } => self.nodes[node].cut = false,
            Event::Told { .. } | Event::Recall { .. } | Event::Client { .. } | Event::Node { .. } => {
                self.at_node(at, event);
            }
            event => self.at_home(at, event),
        }
        self.check();
        true
    }

    /// At most one owner, an owner excludes everybody else, and all copies say the same.
    fn check(&mut self) {
        let mut copies: BTreeMap<Address, Vec<(usize, State, Option<Bytes>)>> = BTreeMap::new();
        for node in 0..3 {
            let node_us = self.node_us(node);
            for (address, state, _, value) in self.nodes[node].lines.readable_copies(node_us) {
                copies.entry(address).or_default().push((node, state, value));
            }
        }
        for (address, copies) in &copies {
            let owners = copies.iter().filter(|(_, state, _)| state.owns()).count();
            assert!(owners == 0 || copies.len() == 1, "{address}: {copies:?}");
            for (node, state, value) in copies {
                self.oracle.check_copy(address, value, &format!("node{} in {state}", node + 1));
                assert_eq!(value, &copies[0].2, "{address}");
            }
        }
    }

    /// Every write that was answered as not durable is committed, reported, or still there, unless its node died.
    pub fn check_fates(&self) {
        for (at, node) in self.nodes.iter().enumerate() {
            let unsaved: Vec<_> = node.lines.view(self.node_us(at));
            for (address, value) in &node.wrote {
                let there = unsaved.iter().any(|line| {
                    line.address == *address && line.unsaved && line.value.as_ref() == Some(value)
                });
                let known = there || self.oracle.has_fate(address, value);
                assert!(
                    known,
                    "nobody says what became of {value:?}, written by node{} at {address}",
                    at + 1
                );
            }
        }
    }

    /// What nodes hold, and who waits for what.
    pub fn waiting(&self) -> String {
        let nodes = self.nodes.iter().map(|node| format!("{:?}\n{:#?}\n", node.clients, node.lines));
        nodes.collect()
    }

    pub fn run(&mut self, for_us: u64) {
        let end = self.now + for_us;
        while self.events.first_key_value().is_some_and(|((at, _), _)| *at <= end) {
            self.step();
        }
        self.now = self.now.max(end);
    }
}
