//! The nodes of the world and their clients, which read and write and try again.

use bytes::Bytes;
use orrery_base::key::{IdempotencyKey, RequestKey};

use super::{ANSWER_US, CLIENT_US, Event, SHARD, World};
use crate::message::{Ask, Recalled, Told};
use crate::node::{Done, Looked, Out};
use crate::{Address, CacheReply, LineFact, Version};

/// What a client is doing.
#[derive(Clone, Debug)]
pub enum Doing {
    Read,
    WriteBack(Bytes),
    Write { value: Option<Bytes>, if_version: Option<Version>, key: RequestKey },
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    address: Address,
    doing: Doing,
    began: u64,
    asked: Option<u64>,
    /// Not before this it tries again.
    after: u64,
}

impl World {
    /// Something came to a node, or its time has come.
    pub(super) fn at_node(&mut self, at: u64, event: Event) {
        match event {
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
            Event::Client { node, boot, client } => {
                if self.nodes[node].boot == boot {
                    self.client(node, client);
                }
            }
            Event::Node { node } => {
                if self.nodes[node].tick != Some(at) {
                    return;
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
            other => unreachable!("not a node's: {other:?}"),
        }
    }

    pub(super) fn start_clients(&mut self, node: usize) {
        let boot = self.nodes[node].boot;
        for client in 0..self.nodes[node].clients.len() {
            let after = self.random.below(10_000);
            self.after(after, Event::Client { node, boot, client });
        }
    }

    pub(super) fn ask(&mut self, node: usize, asked: u64, ask: Ask) {
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
                Out::Fact(_, fact) => self.fact(node, &fact),
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

    /// What a node says became of the last write that it answered as not durable.
    fn fact(&mut self, node: usize, fact: &LineFact) {
        self.note(|| format!("node{} {fact:?}", node + 1));
        match fact {
            LineFact::Lost { address, .. } => {
                let value = self.nodes[node].wrote.get(address).expect("it wrote it").clone();
                self.oracle.lost(address, &value, self.now);
            }
            LineFact::Unresolved { address, .. } => {
                let value = self.nodes[node].wrote.get(address).expect("it wrote it").clone();
                self.oracle.unresolved(address, &value);
            }
            LineFact::Changed { .. } | LineFact::Hit { .. } => {}
        }
    }

    fn request(&mut self) -> Request {
        self.next_value += 1;
        let value = Bytes::from(self.next_value.to_string());
        let address: Address = format!("a{}", self.random.below(self.addresses)).into();
        let key = RequestKey::from(IdempotencyKey { client: "c".into(), number: self.next_value });
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
                        self.oracle.wrote(&address, written, node, self.now);
                        self.nodes[node].wrote.insert(address.clone(), written.clone());
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

    pub(super) fn told(&mut self, node: usize, asked: u64, told: Option<Told>) {
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
}
