//! Homes, three nodes and a network that delays, loses, repeats and reorders, in one thread and virtual time.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::oracle::Oracle;
use crate::cache::directory::{Action, Committed, Directory, Timing};
use crate::cache::message::{Ask, Recall, Recalled, Told};
use crate::cache::node::{Done, Limits, Lines, Looked, Out, Policy};
use crate::cache::values::Step;
use crate::cache::{Address, Broken, CacheCommand, CacheReply, Holder, State, Values, Version};
use crate::ids::{GroupId, NodeId, Term};
use crate::machine::IdempotencyKey;

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

/// What goes wrong.
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
    Commit { term: Term, question: Option<u64>, command: CacheCommand, key: Option<IdempotencyKey> },
    Committed { term: Term, question: Option<u64>, outcome: Committed, applied: Box<Values> },
    Client { node: usize, boot: u32, client: usize },
    Node { node: usize },
    Home { term: Term },
    Deposed { term: Term },
    Fault,
    Heal { node: usize },
}

/// What a client is doing.
#[derive(Clone, Debug)]
pub enum Doing {
    Read,
    WriteBack(Bytes),
    Write { value: Option<Bytes>, if_version: Option<Version>, key: IdempotencyKey },
}

#[derive(Clone, Debug)]
struct Request {
    address: Address,
    doing: Doing,
    began: u64,
    asked: Option<u64>,
    /// Not before this it tries again.
    after: u64,
}

pub struct Node {
    pub lines: Lines,
    pub boot: u32,
    offset_us: u64,
    rate: u64,
    pub cut: bool,
    clients: Vec<Option<Request>>,
    tick: Option<u64>,
}

struct Home {
    directory: Directory,
    /// What is applied there.
    values: Values,
    offset_us: u64,
    rate: u64,
    /// Whom to answer.
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
    replies: BTreeMap<IdempotencyKey, CacheReply>,
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
        });
        let nodes = nodes.collect();
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
            traced: std::env::var_os("ORRERY_CACHE_SEED").is_some(),
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

    fn start_clients(&mut self, node: usize) {
        let boot = self.nodes[node].boot;
        for client in 0..self.nodes[node].clients.len() {
            let after = self.random.below(10_000);
            self.after(after, Event::Client { node, boot, client });
        }
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

    /// Another home. The one before may hear of it late.
    pub fn new_term(&mut self) {
        let before = self.term;
        self.term += 1 + self.random.below(2);
        let term = self.term;
        let home = Home {
            directory: Directory::new(term, Timing { broken: self.limits.broken, ..Timing::new(LEASE_US) }),
            values: self.values.clone(),
            offset_us: self.random.below(1_000_000_000),
            rate: 990 + self.random.below(21),
            asked: BTreeMap::new(),
            tick: None,
        };
        self.homes.insert(term, home);
        self.note(|| format!("home of term {term}"));
        if before > 0 {
            let late = if self.faults.unaware { 3_000_000 } else { 200_000 };
            let after = self.random.below(late);
            self.after(after, Event::Deposed { term: before });
        }
        if self.values.opened() > 0 {
            self.homes.get_mut(&term).unwrap().directory.begin();
        }
        self.drain_home(term);
    }

    /// Another boot of a node.
    pub fn crash(&mut self, node: usize) {
        self.note(|| format!("node{} crashes", node + 1));
        let limits = self.limits;
        let node_us = &mut self.nodes[node];
        node_us.boot += 1;
        node_us.lines = Lines::new(limits);
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

    /// One event.
    pub fn step(&mut self) -> bool {
        let Some(((at, _), event)) = self.events.pop_first() else { return false };
        self.now = self.now.max(at);
        match event {
            Event::Ask { term, from, asked, ask } => {
                let home_us = self.home_us(term);
                let home = self.homes.get_mut(&term).unwrap();
                let question = home.directory.ask(&from, asked, ask, &home.values, home_us);
                home.asked.insert(question, (from, asked));
                self.drain_home(term);
            }
            Event::Told { to, asked, told } => {
                let node = Self::at(&to);
                if self.nodes[node].boot == to.boot {
                    self.told(node, asked, told);
                }
            }
            Event::Recall { term, question, to, recall } => {
                let node = Self::at(&to);
                let node_us = self.node_us(node);
                let recalled = if self.nodes[node].boot == to.boot {
                    self.nodes[node].lines.recall(SHARD, &recall, node_us)
                } else {
                    Recalled::Rebooted
                };
                self.note(|| format!("{term} {} {recall:?} -> {recalled:?}", to.name));
                self.drain_node(node);
                if let Some(question) = question {
                    let recalled = Some(recalled);
                    self.send(node, Event::Recalled { term, question, from: to, recalled });
                }
            }
            Event::Recalled { term, question, from, recalled } => {
                let home_us = self.home_us(term);
                let home = self.homes.get_mut(&term).unwrap();
                home.directory.recalled(question, &from, recalled, &home.values, home_us);
                self.drain_home(term);
            }
            Event::Confirm { term, round } => {
                let leads = term == self.term && !self.random.chance(self.faults.lost);
                let confirmed = leads || self.limits.broken.grants_unconfirmed;
                if leads {
                    let values = self.values.clone();
                    self.homes.get_mut(&term).unwrap().values = values;
                }
                let delay = self.delay();
                self.after(delay, Event::Confirmed { term, round, confirmed });
            }
            Event::Confirmed { term, round, confirmed } => {
                let home_us = self.home_us(term);
                let home = self.homes.get_mut(&term).unwrap();
                home.directory.confirmed(round, confirmed, &home.values, home_us);
                self.drain_home(term);
            }
            Event::Commit { term, question, command, key } => self.commit(term, question, command, key),
            Event::Committed { term, question, outcome, applied } => {
                let home_us = self.home_us(term);
                let home = self.homes.get_mut(&term).unwrap();
                if matches!(outcome, Committed::Applied(_)) && applied.last() > home.values.last() {
                    home.values = *applied;
                }
                home.directory.committed(question, outcome, &home.values, home_us);
                self.drain_home(term);
            }
            Event::Client { node, boot, client } => {
                if self.nodes[node].boot == boot {
                    self.client(node, client);
                }
            }
            Event::Node { node } => {
                if self.nodes[node].tick != Some(at) {
                    return true;
                }
                self.nodes[node].tick = None;
                let node_us = self.node_us(node);
                self.nodes[node].lines.tick(node_us);
                // Whoever keeps the lines sleeps until then.
                let due_us = self.nodes[node].lines.deadline();
                assert!(
                    due_us.is_none_or(|due_us| due_us > node_us),
                    "node{} has to be asked again at once",
                    node + 1
                );
                self.drain_node(node);
            }
            Event::Home { term } => {
                let tick = &mut self.homes.get_mut(&term).unwrap().tick;
                if *tick != Some(at) {
                    return true;
                }
                *tick = None;
                let home_us = self.home_us(term);
                let home = self.homes.get_mut(&term).unwrap();
                home.directory.tick(&home.values, home_us);
                let due_us = home.directory.deadline();
                assert!(
                    due_us.is_none_or(|due_us| due_us > home_us),
                    "the home of term {term} has to be asked again at once"
                );
                self.drain_home(term);
            }
            Event::Deposed { term } => {
                self.homes.get_mut(&term).unwrap().directory.end();
                self.drain_home(term);
            }
            Event::Fault if self.busy && self.faults.every_us > 0 => self.fault(),
            Event::Fault => {}
            Event::Heal { node } => self.nodes[node].cut = false,
        }
        self.check();
        true
    }

    /// A leader of the present term appends; what an earlier one proposed may still be appended, or not.
    fn commit(
        &mut self,
        term: Term,
        question: Option<u64>,
        command: CacheCommand,
        key: Option<IdempotencyKey>,
    ) {
        let proposed_in_time = term == self.term || self.random.chance(30);
        let outcome = if !proposed_in_time {
            if self.random.chance(50) { Committed::NotApplied } else { Committed::Unknown }
        } else {
            let reply = self.apply(&command, key);
            if term != self.term || self.random.chance(self.faults.lost / 4) {
                Committed::Unknown
            } else {
                Committed::Applied(reply)
            }
        };
        self.note(|| format!("{term} commits {command:?} -> {outcome:?}"));
        let delay = self.delay();
        let applied = Box::new(self.values.clone());
        if outcome == Committed::Unknown && term == self.term {
            // Its tenure ends with it: it steps down.
            self.new_term();
        }
        self.after(delay, Event::Committed { term, question, outcome, applied });
    }

    pub fn apply(&mut self, command: &CacheCommand, key: Option<IdempotencyKey>) -> CacheReply {
        if let Some(reply) = key.as_ref().and_then(|key| self.replies.get(key)) {
            return reply.clone();
        }
        self.index += 1;
        let mut step = Step { index: self.index, ..Step::default() };
        let reply = self.values.apply(command, &mut step);
        self.oracle.applied(command, &reply, self.now);
        if let Some(key) = key
            && !matches!(reply, CacheReply::OldTenure { .. })
        {
            self.replies.insert(key, reply.clone());
        }
        reply
    }

    fn drain_home(&mut self, term: Term) {
        while let Some(action) = self.homes.get_mut(&term).unwrap().directory.poll() {
            match action {
                Action::Confirm { round } => {
                    let delay = self.delay();
                    self.after(delay, Event::Confirm { term, round });
                }
                Action::Recall { question, to, recall, within_us } => {
                    let node = Self::at(&to);
                    let nobody = Event::Recalled { term, question, from: to.clone(), recalled: None };
                    self.after(within_us, nobody);
                    self.send(node, Event::Recall { term, question: Some(question), to, recall });
                }
                Action::Notify { to, recall } => {
                    self.send(Self::at(&to), Event::Recall { term, question: None, to, recall });
                }
                Action::Commit { question, command, key } => {
                    let delay = self.delay();
                    self.after(delay, Event::Commit { term, question, command, key });
                }
                Action::Answer { question, told } => {
                    let home = self.homes.get_mut(&term).unwrap();
                    // Asked and answered in one go: the number is known only afterwards.
                    match home.asked.remove(&question) {
                        Some((to, asked)) => {
                            self.note(|| format!("{term} tells {} {asked} {told:?}", to.name));
                            self.send(Self::at(&to), Event::Told { to, asked, told: Some(told) });
                        }
                        None => panic!("an answer to nobody: {told:?}"),
                    }
                }
                Action::Fact(fact) => self.note(|| format!("{term} tells {fact:?}")),
                Action::Ended => self.note(|| format!("tenure {term} ends")),
            }
        }
        if let Some(due_us) = self.homes[&term].directory.deadline() {
            let after = due_us.saturating_sub(self.home_us(term)) * 1_000 / self.homes[&term].rate + 10;
            let at = self.now + after;
            let tick = &mut self.homes.get_mut(&term).unwrap().tick;
            if tick.is_none_or(|tick| at < tick) {
                *tick = Some(at);
                self.after(after, Event::Home { term });
            }
        }
    }

    fn ask(&mut self, node: usize, asked: u64, ask: Ask) {
        let from = self.holder(node);
        self.note(|| format!("{} asks {asked} {ask:?}", from.name));
        self.after(ANSWER_US, Event::Told { to: from.clone(), asked, told: None });
        let old = self.homes.range(..self.term).next_back().map(|(term, _)| *term);
        let term = match old {
            Some(old) if self.random.chance(if self.faults.unaware { 30 } else { 5 }) => old,
            _ => self.term,
        };
        self.send(node, Event::Ask { term, from, asked, ask });
    }

    pub fn drain_node(&mut self, node: usize) {
        let boot = self.nodes[node].boot;
        while let Some(out) = self.nodes[node].lines.poll() {
            match out {
                Out::Ask { asked, ask, .. } => self.ask(node, asked, ask),
                Out::Woken(address) => {
                    for client in 0..self.nodes[node].clients.len() {
                        let waits = self.nodes[node].clients[client].as_ref();
                        if waits.is_some_and(|it| it.address == address && it.asked.is_none()) {
                            self.after(0, Event::Client { node, boot, client });
                        }
                    }
                }
                Out::Fact(_, fact) => self.note(|| format!("node{} {fact:?}", node + 1)),
            }
        }
        let deadline = self.nodes[node].lines.deadline();
        if let Some(due_us) = deadline {
            let after = due_us.saturating_sub(self.node_us(node)) * 1_000 / self.nodes[node].rate + 10;
            let at = self.now + after;
            let tick = &mut self.nodes[node].tick;
            if tick.is_none_or(|tick| at < tick) {
                *tick = Some(at);
                self.after(after, Event::Node { node });
            }
        }
    }

    fn request(&mut self) -> Request {
        self.next_value += 1;
        let value = Bytes::from(self.next_value.to_string());
        let address: Address = format!("a{}", self.random.below(self.addresses)).into();
        let key = IdempotencyKey { client: "c".into(), number: self.next_value };
        let doing = match self.random.below(20) {
            0..=9 => Doing::Read,
            10..=14 => Doing::WriteBack(value),
            15..=17 => Doing::Write { value: Some(value), if_version: None, key },
            18 => Doing::Write { value: None, if_version: None, key },
            _ => {
                let if_version = self.values.version(&address);
                Doing::Write { value: Some(value), if_version, key }
            }
        };
        Request { address, doing, began: self.now, asked: None, after: 0 }
    }

    fn client(&mut self, node: usize, client: usize) {
        let request = match self.nodes[node].clients[client].take() {
            Some(request) if request.asked.is_some() || self.now < request.after => {
                self.nodes[node].clients[client] = Some(request);
                return;
            }
            Some(request) => request,
            None if self.busy => self.request(),
            None => return,
        };
        if request.began + CLIENT_US < self.now {
            self.counts.given_up += 1;
            return self.next_request(node, client);
        }
        self.try_request(node, client, request);
    }

    fn try_request(&mut self, node: usize, client: usize, mut request: Request) {
        let node_us = self.node_us(node);
        let lines = &mut self.nodes[node].lines;
        let address = request.address.clone();
        let looked = match &request.doing {
            Doing::Read => lines.read(SHARD, &address, node_us),
            Doing::WriteBack(value) => {
                lines.write_back(SHARD, &address, value, node_us).expect("it does not stop")
            }
            Doing::Write { value, if_version, key } => {
                lines.write(SHARD, &address, value.clone(), *if_version, key.clone(), node_us)
            }
        };
        match looked {
            Looked::Hit { value, state, .. } => {
                match &request.doing {
                    Doing::WriteBack(written) => {
                        self.counts.written_back += 1;
                        self.note(|| format!("node{} wrote {written:?} at {address}", node + 1));
                        self.oracle.wrote(&address, written, self.now);
                    }
                    _ => {
                        self.counts.hits += 1;
                        let who = format!("node{} in {state}", node + 1);
                        self.oracle.read(&address, &value, self.now, self.now, &who);
                    }
                }
                self.drain_node(node);
                return self.next_request(node, client);
            }
            Looked::Ask { asked, ask } => {
                request.asked = Some(asked);
                self.nodes[node].clients[client] = Some(request);
                self.ask(node, asked, ask);
            }
            Looked::Wait => {
                self.nodes[node].clients[client] = Some(request);
                let boot = self.nodes[node].boot;
                self.after(200_000, Event::Client { node, boot, client });
            }
        }
        self.drain_node(node);
    }

    fn next_request(&mut self, node: usize, client: usize) {
        self.nodes[node].clients[client] = None;
        if self.busy {
            let (after, boot) = (self.random.below(30_000), self.nodes[node].boot);
            self.after(after, Event::Client { node, boot, client });
        }
    }

    fn told(&mut self, node: usize, asked: u64, told: Option<Told>) {
        let node_us = self.node_us(node);
        let done = self.nodes[node].lines.told(SHARD, asked, told, node_us);
        let client = self.nodes[node]
            .clients
            .iter()
            .position(|client| client.as_ref().is_some_and(|request| request.asked == Some(asked)));
        let Some(client) = client.filter(|_| done != Done::Ignored) else { return self.drain_node(node) };
        let Some(mut request) = self.nodes[node].clients[client].take() else { return };
        request.asked = None;
        match done {
            Done::Value { value, state, source } => {
                self.counts.reads += 1;
                let who = format!("node{} from {source:?} ({state})", node + 1);
                let (seen, began) = (value.map(|(_, value)| value), request.began);
                self.oracle.read(&request.address, &seen, began, self.now, &who);
                self.next_request(node, client);
            }
            Done::Owned => self.try_request(node, client, request),
            Done::Written { reply, .. } => {
                match reply {
                    CacheReply::Written { .. } | CacheReply::Deleted { .. } => self.counts.written += 1,
                    _ => self.counts.refused += 1,
                }
                self.next_request(node, client);
            }
            Done::Again { after_us } => {
                let after = after_us.clamp(5_000, 100_000);
                request.after = self.now + after;
                self.nodes[node].clients[client] = Some(request);
                let boot = self.nodes[node].boot;
                self.after(after, Event::Client { node, boot, client });
            }
            Done::Unknown => {
                self.counts.unknown += 1;
                self.next_request(node, client);
            }
            Done::Busy => self.next_request(node, client),
            Done::Ignored => {}
        }
        self.drain_node(node);
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
