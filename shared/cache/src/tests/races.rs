//! The races, one by one, without a network: each test moves the messages by hand.

use bytes::Bytes;
use orrery_base::ids::{NodeId, Term};
use orrery_base::key::{IdempotencyKey, RequestKey};

use super::world::{SHARD, limits};
use crate::directory::{Action, Committed, Directory, Stage, Timing};
use crate::message::{Ask, Claim, Recall, Recalled, Told};
use crate::node::{Done, Lines, Looked, Out};
use crate::values::Step;
use crate::{Address, CacheCommand, CacheReply, Holder, State, Values};

pub const LEASE_US: u64 = 400_000;
pub const END_US: u64 = 450_000;

/// Three nodes and the home of one line.
pub struct Bench {
    pub now: u64,
    index: u64,
    pub values: Values,
    pub directory: Directory,
    pub nodes: Vec<Lines>,
}

/// What a home wants of a node.
pub type Wanted = (u64, Holder, Recall);

pub fn holder(node: usize) -> Holder {
    Holder { name: format!("node{node}").into(), id: NodeId(node as u64), boot: 1 }
}

fn address() -> Address {
    "a".into()
}

pub fn key(number: u64) -> RequestKey {
    IdempotencyKey { client: "c".into(), number }.into()
}

impl Bench {
    /// Three nodes and an open home; the line has the value 1.
    pub fn new() -> Self {
        let nodes = (0..4).map(|_| Lines::new(limits())).collect();
        let directory = Directory::new(1, Timing::new(LEASE_US));
        let mut bench = Bench { now: 1_000, index: 0, values: Values::default(), directory, nodes };
        bench.directory.begin();
        bench.home();
        assert_eq!(bench.directory.stage(), Stage::Open);
        let write = CacheCommand::Write {
            address: address(),
            value: Some(Bytes::from_static(b"1")),
            tenure: 1,
            by: "node1".into(),
            based_on: None,
            if_version: None,
            saves: None,
        };
        bench.apply(&write);
        bench
    }

    pub fn apply(&mut self, command: &CacheCommand) -> CacheReply {
        self.index += 1;
        self.values.apply(command, &mut Step { index: self.index, ..Step::default() })
    }

    /// Does what the home wants, but for what goes to nodes: answers by question, and recalls.
    pub fn home(&mut self) -> (Vec<Told>, Vec<Wanted>) {
        let (mut told, mut wanted) = (Vec::new(), Vec::new());
        while let Some(action) = self.directory.poll() {
            match action {
                Action::Confirm { round } => self.directory.confirmed(round, true, &self.values, self.now),
                Action::Commit { question, command, .. } => {
                    let outcome = Committed::Applied(self.apply(&command));
                    self.directory.committed(question, outcome, &self.values, self.now);
                }
                Action::Recall { question, to, recall, .. } => wanted.push((question, to, recall)),
                Action::Notify { to, recall } => wanted.push((0, to, recall)),
                Action::Answer { told: answer, .. } => told.push(answer),
                Action::Ended | Action::Fact(_) => {}
            }
        }
        (told, wanted)
    }

    pub fn ask(&mut self, node: usize, looked: Looked) -> (u64, Vec<Told>, Vec<Wanted>) {
        let Looked::Ask { asked, ask } = looked else { panic!("{looked:?}") };
        self.directory.ask(&holder(node), asked, ask, &self.values, self.now);
        let (told, wanted) = self.home();
        (asked, told, wanted)
    }

    pub fn look(&mut self, node: usize) -> Looked {
        self.nodes[node].read(SHARD, &address(), self.now)
    }

    pub fn own(&mut self, node: usize, value: &'static str) -> Looked {
        let value = Bytes::from_static(value.as_bytes());
        self.nodes[node].write_back(SHARD, &address(), &value, self.now).unwrap()
    }

    pub fn write(&mut self, node: usize, value: &'static str, number: u64) -> Looked {
        let value = Some(Bytes::from_static(value.as_bytes()));
        self.nodes[node].write(SHARD, &address(), value, None, key(number), self.now)
    }

    pub fn tell(&mut self, node: usize, asked: u64, told: Told) -> Done {
        self.nodes[node].told(SHARD, asked, Some(told), self.now)
    }

    /// A node answers a recall; what comes of that at the home.
    pub fn answer(&mut self, wanted: &Wanted) -> (Recalled, Vec<Told>, Vec<Wanted>) {
        let (question, to, recall) = wanted;
        let recalled = self.nodes[to.id.0 as usize].recall(SHARD, recall, self.now);
        self.directory.recalled(*question, to, Some(recalled.clone()), &self.values, self.now);
        let (told, wanted) = self.home();
        (recalled, told, wanted)
    }

    /// A whole read, without anybody in the way.
    pub fn fill(&mut self, node: usize) -> State {
        let looked = self.look(node);
        let (asked, mut told, wanted) = self.ask(node, looked);
        for one in &wanted {
            told.extend(self.answer(one).1);
        }
        match self.tell(node, asked, told.remove(0)) {
            Done::Value { state, .. } => state,
            other => panic!("{other:?}"),
        }
    }

    /// A whole write that is not durable.
    pub fn dirty(&mut self, node: usize, value: &'static str) {
        let looked = self.own(node, value);
        if let Looked::Ask { .. } = looked {
            let (asked, mut told, wanted) = self.ask(node, looked);
            for one in &wanted {
                told.extend(self.answer(one).1);
            }
            assert_eq!(self.tell(node, asked, told.remove(0)), Done::Owned);
            assert!(matches!(self.own(node, value), Looked::Hit { state: State::M, .. }));
        }
    }

    pub fn state(&self, node: usize) -> State {
        self.nodes[node].view(self.now).first().map_or(State::I, |line| line.state)
    }

    /// What a node sends by itself.
    pub fn sent(&mut self, node: usize) -> Vec<(u64, Ask)> {
        self.nodes[node].tick(self.now);
        let mut asks = Vec::new();
        while let Some(out) = self.nodes[node].poll() {
            if let Out::Ask { asked, ask, .. } = out {
                asks.push((asked, ask));
            }
        }
        asks
    }

    /// Hands everything that a node sends by itself to the home, and the answers back.
    pub fn carry(&mut self, node: usize) -> Vec<Told> {
        let mut all = Vec::new();
        for (asked, ask) in self.sent(node) {
            self.directory.ask(&holder(node), asked, ask, &self.values, self.now);
            for told in self.home().0 {
                self.tell(node, asked, told.clone());
                all.push(told);
            }
        }
        all
    }

    pub fn new_home(&mut self, term: Term) {
        self.directory = Directory::new(term, Timing::new(LEASE_US));
        self.directory.begin();
        self.home();
    }
}

#[test]
fn alone_it_is_exclusive_and_with_others_it_is_shared() {
    let mut bench = Bench::new();
    assert_eq!(bench.fill(1), State::E);
    assert_eq!(bench.fill(2), State::S);
    assert_eq!((bench.state(1), bench.state(2)), (State::S, State::S));
    let view = bench.directory.view("a", bench.now);
    assert_eq!((view.owner, view.sharers), (None, vec!["node1".into(), "node2".into()]));
    assert!(matches!(bench.look(2), Looked::Hit { state: State::S, version: 3, .. }));
}

#[test]
fn an_invalidation_overtakes_the_fill() {
    let mut bench = Bench::new();
    bench.fill(1);
    let looked = bench.look(2);
    let (asked, _, wanted) = bench.ask(2, looked);
    let (_, fill, _) = bench.answer(&wanted[0]);
    // The fill is on its way; a writer comes, and its invalidation is faster.
    let looked = bench.write(3, "2", 1);
    let (written, _, wanted) = bench.ask(3, looked);
    let mut told = Vec::new();
    for one in &wanted {
        let (recalled, now, _) = bench.answer(one);
        assert_eq!(recalled, Recalled::Acknowledged);
        told.extend(now);
    }
    assert!(matches!(bench.tell(3, written, told.remove(0)), Done::Written { state: State::E, .. }));
    // The reader that asked may have the old value, because it asked before; nobody after it.
    let done = bench.tell(2, asked, fill[0].clone());
    assert!(matches!(done, Done::Value { state: State::I, value: Some((3, _)), .. }), "{done:?}");
    assert!(matches!(bench.look(2), Looked::Ask { .. }));
}

#[test]
fn a_late_repeat_of_an_invalidation_takes_nothing() {
    let mut bench = Bench::new();
    bench.fill(1);
    bench.fill(2);
    let looked = bench.write(3, "2", 1);
    let (_, _, wanted) = bench.ask(3, looked);
    wanted.iter().for_each(|one| drop(bench.answer(one)));
    bench.dirty(2, "3");
    let (_, _, old) = wanted.iter().find(|(_, to, _)| *to == holder(2)).unwrap();
    assert_eq!(bench.nodes[2].recall(SHARD, old, bench.now), Recalled::Acknowledged);
    assert_eq!(bench.state(2), State::M);
}

#[test]
fn two_writers_at_once_take_turns() {
    let mut bench = Bench::new();
    bench.fill(3);
    let (one, two) = (bench.own(1, "2"), bench.own(2, "3"));
    let (asked_1, told, fetch) = bench.ask(1, one);
    assert!(told.is_empty());
    let (asked_2, told, none) = bench.ask(2, two);
    assert!(told.is_empty() && none.is_empty(), "it waits for its turn");
    let (_, told, next) = bench.answer(&fetch[0]);
    assert_eq!(bench.tell(1, asked_1, told[0].clone()), Done::Owned);
    assert!(matches!(bench.own(1, "2"), Looked::Hit { state: State::M, .. }));
    let (recalled, told, _) = bench.answer(&next[0]);
    assert!(matches!(recalled, Recalled::Dirty { write: 1, .. }));
    assert_eq!(bench.tell(2, asked_2, told[0].clone()), Done::Owned);
    assert_eq!((bench.state(1), bench.state(2)), (State::I, State::E));
    assert_eq!(bench.values.get("a").unwrap().value, "2");
}

#[test]
fn an_eviction_crosses_a_fetch() {
    let mut bench = Bench::new();
    bench.fill(1);
    let looked = bench.look(2);
    let (asked, _, wanted) = bench.ask(2, looked);
    // The home has asked already; meanwhile the owner needs the room.
    let copy = bench.nodes[1].view(bench.now).remove(0);
    assert_eq!(copy.state, State::E);
    let full = crate::node::Limits { lines_max: 0, ..limits() };
    bench.nodes[1] = Lines::new(full);
    let (recalled, told, _) = bench.answer(&wanted[0]);
    assert_eq!(recalled, Recalled::NotHeld);
    assert!(matches!(bench.tell(2, asked, told[0].clone()), Done::Value { state: State::E, .. }));
    assert_eq!(bench.directory.totals().revocations, 0, "it gave the line up by itself");
}

#[test]
fn a_write_back_crosses_a_fetch() {
    let mut bench = Bench::new();
    bench.dirty(1, "2");
    bench.now += 100_000;
    bench.nodes[1].stop(bench.now);
    let (flush, write_back) =
        bench.sent(1).into_iter().find(|(_, ask)| matches!(ask, Ask::WriteBack { .. })).unwrap();
    let looked = bench.look(2);
    let (asked, _, wanted) = bench.ask(2, looked);
    // The write-back comes while the reader has the turn, and waits.
    bench.directory.ask(&holder(1), flush, write_back, &bench.values, bench.now);
    assert!(bench.home().0.is_empty());
    let (recalled, told, settled) = bench.answer(&wanted[0]);
    assert!(matches!(recalled, Recalled::Dirty { .. }));
    assert!(matches!(bench.tell(2, asked, told[0].clone()), Done::Value { state: State::S, .. }));
    // It is moot, and nothing is lost: that very write is committed.
    assert_eq!(told[1], Told::NotSaved { committed: true });
    bench.tell(1, flush, told[1].clone());
    assert_eq!(bench.answer(&settled[0]).0, Recalled::Acknowledged);
    assert_eq!((bench.state(1), bench.nodes[1].stats(bench.now).lost), (State::S, 0));
    assert_eq!(bench.values.get("a").unwrap().value, "2");
}

#[test]
fn a_writer_waits_for_a_silent_sharers_lease_and_not_longer() {
    let mut bench = Bench::new();
    bench.fill(1);
    bench.fill(2);
    let begun = bench.now;
    let looked = bench.write(2, "2", 1);
    let (asked, _, wanted) = bench.ask(2, looked);
    assert_eq!(wanted.len(), 1);
    bench.directory.recalled(wanted[0].0, &holder(1), None, &bench.values, bench.now);
    bench.now = begun + LEASE_US - 1;
    assert!(matches!(bench.look(1), Looked::Hit { .. }), "its lease lasts");
    bench.now = begun + LEASE_US;
    assert!(!matches!(bench.look(1), Looked::Hit { .. }), "not one moment longer");
    bench.now = begun + END_US - 1;
    bench.directory.tick(&bench.values, bench.now);
    assert!(bench.home().0.is_empty());
    bench.now = begun + END_US;
    bench.directory.tick(&bench.values, bench.now);
    let (told, _) = bench.home();
    assert!(matches!(bench.tell(2, asked, told[0].clone()), Done::Written { .. }));
}

#[test]
fn an_owner_that_does_not_answer_is_revoked_for_the_next_one_and_its_late_write_back_refused() {
    let mut bench = Bench::new();
    bench.dirty(1, "2");
    let looked = bench.own(2, "3");
    let (asked, _, wanted) = bench.ask(2, looked);
    assert!(matches!(wanted[0].2, Recall::Fetch { .. }));
    bench.now += END_US;
    bench.directory.tick(&bench.values, bench.now);
    let (told, _) = bench.home();
    // Its lease would be over by the time this comes, so it asks again.
    bench.tell(2, asked, told[0].clone());
    let version = bench.values.version("a").unwrap();
    assert!(version > 3, "a new version");
    assert_eq!(bench.values.get("a").unwrap().value, "1");
    bench.now += 1_000_000;
    for _ in 0..3 {
        bench.carry(1);
    }
    let (stats, late) = (bench.nodes[1].stats(bench.now), bench.nodes[1].late_writes());
    assert_eq!((bench.state(1), stats.lost, late.unresolved), (State::I, 1, 0));
    assert_eq!(bench.values.version("a"), Some(version));
}

#[test]
fn a_renewal_that_a_write_back_overtakes_brings_no_older_version_back() {
    let mut bench = Bench::new();
    bench.dirty(1, "2");
    bench.now += 1_100_000;
    let mut answers = Vec::new();
    for (asked, ask) in bench.sent(1) {
        bench.directory.ask(&holder(1), asked, ask, &bench.values, bench.now);
        answers.extend(bench.home().0.into_iter().map(|told| (asked, told)));
    }
    assert!(
        matches!(answers[..], [(_, Told::Renewed { kept: Some(_), .. }), (_, Told::Saved { .. })]),
        "{answers:?}"
    );
    for (asked, told) in answers.into_iter().rev() {
        bench.tell(1, asked, told);
    }
    let copy = bench.nodes[1].view(bench.now).remove(0);
    assert_eq!((copy.state, Some(copy.version)), (State::E, bench.values.version("a")));
}

#[test]
fn an_owner_that_is_being_revoked_is_given_nothing_back() {
    let mut bench = Bench::new();
    bench.fill(1);
    let looked = bench.own(2, "2");
    bench.ask(2, looked);
    bench.now += END_US;
    bench.directory.tick(&bench.values, bench.now);
    let revoke = std::iter::from_fn(|| bench.directory.poll()).find_map(|action| match action {
        Action::Commit { question, command, .. } => Some((question, command)),
        _ => None,
    });
    let (question, command) = revoke.unwrap();
    assert!(matches!(command, CacheCommand::Revoke { .. }));
    // It comes back before that is committed, and renews its lease.
    assert!(matches!(bench.carry(1)[..], [Told::Renewed { .. }]));
    assert!(bench.nodes[1].readable_copies(bench.now).is_empty(), "it could be overwritten at any moment");
    let outcome = Committed::Applied(bench.apply(&command));
    bench.directory.committed(question, outcome, &bench.values, bench.now);
    let (told, _) = bench.home();
    assert!(matches!(told[0], Told::Filled { grant: Some(_), .. }), "{told:?}");
    assert!(!matches!(bench.look(1), Looked::Hit { .. }));
}

#[test]
fn a_new_home_takes_claims_and_grants_nothing_before_old_leases_end() {
    let mut bench = Bench::new();
    bench.dirty(1, "2");
    bench.new_home(7);
    let begun = bench.now;
    assert!(matches!(bench.directory.stage(), Stage::Window { .. }));
    let looked = bench.look(2);
    let (asked, told, _) = bench.ask(2, looked);
    assert!(matches!(told[0], Told::Opening { term: 7, .. }));
    bench.tell(2, asked, told[0].clone());
    bench.now += LEASE_US / 3 + 1;
    assert!(matches!(bench.carry(1)[..], [Told::Register { term: 7 }, ..]));
    assert!(matches!(bench.carry(1)[..], [Told::Opening { term: 7, .. }]));
    // The owner still reads and writes under the old lease, and not after it.
    assert!(matches!(bench.own(1, "3"), Looked::Hit { state: State::M, .. }));
    bench.now = begun + LEASE_US;
    assert_eq!(bench.own(1, "4"), Looked::Wait);
    bench.now = begun + END_US;
    bench.directory.tick(&bench.values, bench.now);
    bench.home();
    assert_eq!(bench.directory.stage(), Stage::Open);
    bench.now += LEASE_US;
    bench.carry(1);
    assert!(matches!(bench.own(1, "4"), Looked::Hit { state: State::M, .. }), "it owns the line again");
    assert_eq!(bench.fill(2), State::S);
    assert_eq!(bench.values.get("a").unwrap().value, "4");
}

#[test]
fn claims_that_contradict_are_refused() {
    let claim = |owned, version, term| Claim {
        address: address(),
        owned,
        version,
        stamp: crate::Stamp { term, n: 1 },
        writes: 0,
    };
    // (claims of nodes 1, 2 and 3) -> (owner, sharers)
    let table = [
        (vec![claim(true, 3, 1)], Some("node1"), vec![]),
        (vec![claim(false, 3, 1), claim(false, 3, 1)], None, vec!["node1", "node2"]),
        (vec![claim(false, 3, 1), claim(true, 3, 1)], Some("node2"), vec![]),
        (vec![claim(true, 3, 1), claim(true, 3, 1), claim(false, 3, 1)], None, vec![]),
        (vec![claim(true, 2, 1), claim(false, 3, 1)], None, vec!["node2"]),
        (vec![claim(true, 3, 0)], None, vec![]),
    ];
    for (claims, owner, sharers) in table {
        let mut bench = Bench::new();
        bench.new_home(7);
        for (node, claim) in claims.iter().enumerate() {
            let ask = Ask::Renew { lease: Some(1), claims: Some(vec![claim.clone()]) };
            bench.directory.ask(&holder(node + 1), 1, ask, &bench.values, bench.now);
        }
        bench.now += END_US;
        bench.directory.tick(&bench.values, bench.now);
        bench.home();
        let view = bench.directory.view("a", bench.now);
        assert_eq!(view.owner.map(|(name, _)| name), owner.map(Into::into), "{claims:?}");
        assert_eq!(view.sharers, sharers, "{claims:?}");
    }
}

#[test]
fn a_fetched_write_that_the_home_could_not_commit_is_taken_by_the_next_one() {
    let mut bench = Bench::new();
    bench.dirty(1, "2");
    let begun = bench.now;
    let looked = bench.look(2);
    let (_, _, wanted) = bench.ask(2, looked);
    let (_, to, recall) = &wanted[0];
    let recalled = bench.nodes[to.id.0 as usize].recall(SHARD, recall, bench.now);
    assert!(matches!(recalled, Recalled::Dirty { .. }));
    bench.new_home(7);
    bench.now += LEASE_US / 3 + 1;
    bench.carry(1);
    bench.carry(1);
    bench.now = begun + END_US + 200_000;
    bench.directory.tick(&bench.values, bench.now);
    bench.home();
    bench.carry(1);
    assert_eq!(bench.directory.view("a", bench.now).owner.map(|(name, _)| name), Some("node1".into()));
    bench.now += 10_000;
    bench.fill(3);
    assert_eq!(bench.values.get("a").unwrap().value, "2");
}

#[test]
fn an_idle_cache_renews_nothing_and_a_used_one_does() {
    let mut bench = Bench::new();
    bench.fill(1);
    bench.now += LEASE_US / 3;
    assert!(matches!(bench.carry(1)[..], [Told::Renewed { kept: None, .. }]));
    assert!(matches!(bench.look(1), Looked::Hit { .. }));
    bench.now += 61_000_000;
    // It stood still over the end of that time: a renewal that was due before is not due for ever.
    let us = bench.now;
    bench.nodes[1].tick(us);
    assert!(bench.nodes[1].deadline().is_none_or(|due_us| due_us > us), "{:?}", bench.nodes[1].deadline());
    assert!(bench.carry(1).is_empty());
    assert_eq!(bench.state(1), State::I);
}

/// A write at the new home is how a node may hear of it first. From then on what the home before granted is worth nothing: the new
/// one does not know of it, and would ask this node for nothing before another one writes there.
#[test]
fn a_fill_of_the_home_before_comes_after_a_write_at_the_new_one() {
    let mut bench = Bench::new();
    let late = Address::from("b");
    bench.apply(&CacheCommand::Write {
        address: late.clone(),
        value: Some(Bytes::from_static(b"1")),
        tenure: 1,
        by: "node1".into(),
        based_on: None,
        if_version: None,
        saves: None,
    });
    let looked = bench.nodes[1].read(SHARD, &late, bench.now);
    let (asked, fill, _) = bench.ask(1, looked);
    assert!(matches!(fill[0], Told::Filled { term: 1, grant: Some(_), .. }), "{fill:?}");
    bench.new_home(2);
    bench.now += END_US;
    bench.directory.tick(&bench.values, bench.now);
    bench.home();
    let looked = bench.write(1, "2", 1);
    let (written, mut told, _) = bench.ask(1, looked);
    assert!(matches!(bench.tell(1, written, told.remove(0)), Done::Written { state: State::E, .. }));
    let done = bench.tell(1, asked, fill[0].clone());
    assert!(matches!(done, Done::Value { state: State::I, .. }), "{done:?}");
    assert!(!bench.nodes[1].has_readable(&late, bench.now), "another node may write there");
}
