#![allow(clippy::unwrap_used)]

use orrery_base::hlc::Hlc;
use orrery_base::ids::{GroupId, NodeName, Term};
use orrery_cache::message::RecallKind;
use orrery_cache::node::Stats;
use orrery_cache::view::{CachesView, CopyView, GroupValues, HeldView, HomeView, ValueView, ValuesView};
use orrery_cache::{CacheFact, Cause, HomeFact, How, LineFact, State, Waited, Wants};
use orrery_event::fact::Role;
use orrery_event::stream::NodeSnapshot;
use orrery_event::{Event, Fact};
use orrery_machine::ServiceFact;
use orrery_projection::Effect;
use orrery_projection::view::{LINES_MAX, LineCopy, RATES_MAX, RECALLS_MAX, Timer, View};

const SHARD: GroupId = GroupId(2);
const SECOND_US: u64 = 1_000_000;

#[derive(Default)]
struct Tape {
    view: View,
    seq: u64,
    index: u64,
}

impl Tape {
    fn now_us(&self) -> u64 {
        SECOND_US + self.seq * 1_000
    }

    fn say(&mut self, node: &str, fact: Fact) -> Effect {
        self.seq += 1;
        let us = self.now_us();
        self.view.apply(&node.into(), 1, &Event { seq: self.seq, hlc: Hlc::new(us, 0), wall_us: us, fact })
    }

    fn commit(&mut self, fact: CacheFact) -> Effect {
        self.index += 1;
        let (index, fact) = (self.index, ServiceFact::Cache(fact));
        self.say("node1", Fact::Service { group: SHARD, index, n: 0, clock_ms: 0, fact })
    }

    fn line(&mut self, node: &str, from: State, to: State, cause: Cause) {
        let fact = LineFact::Changed { address: "price".into(), from, to, cause, version: 7 };
        self.say(node, Fact::CacheLine { group: SHARD, fact });
    }

    fn home(&mut self, node: &str, fact: HomeFact) {
        self.say(node, Fact::CacheHome { group: SHARD, fact });
    }

    fn role(&mut self, node: &str, role: Role, term: Term) {
        let (voted_for, leader, silent_us) = (None, None, None);
        self.say(node, Fact::RoleChanged { group: SHARD, role, term, voted_for, leader, silent_us });
    }

    fn exit(&mut self, node: &str) {
        let fact = Fact::NodeExited { node: node.into(), cause: "killed".into() };
        self.say("supervisor", fact);
    }

    fn install(&mut self, node: &str, boot: u32, caches: CachesView) {
        self.seq += 1;
        let hlc = Hlc::new(self.now_us(), 0);
        self.view.install(&NodeSnapshot {
            node: node.into(),
            boot,
            seq: self.seq,
            hlc,
            wall_us: hlc.wall_us(),
            caches,
            ..NodeSnapshot::default()
        });
    }

    fn copy(&self, node: &str) -> &LineCopy {
        self.view.cache.copy(node, "price").unwrap()
    }
}

fn committed(address: &str, version: u64, preview: &str, deleted: bool) -> CacheFact {
    let by = "node3".into();
    CacheFact::Committed {
        address: address.into(),
        version,
        deleted,
        by,
        write_back: false,
        preview: preview.into(),
    }
}

fn waited(node: &str, gone_in_us: u64) -> Waited {
    Waited { node: node.into(), recall: RecallKind::Invalidate, gone_in_us }
}

fn recalling(question: u64, of: Vec<Waited>) -> HomeFact {
    let (address, asker, wants) = ("price".into(), "node4".into(), Wants::Write);
    HomeFact::Recalling { question, address, asker, wants, of }
}

fn recalled(question: u64, node: &str, how: How) -> HomeFact {
    HomeFact::Recalled { question, address: "price".into(), node: node.into(), how }
}

fn held(address: &str, owner: Option<&str>, sharers: &[&str]) -> HomeFact {
    let sharers = sharers.iter().map(|name| NodeName::from(*name)).collect();
    HomeFact::Held { address: address.into(), owner: owner.map(NodeName::from), sharers }
}

#[test]
fn values_are_counted_once_whoever_sends_them() {
    let mut tape = Tape::default();
    assert_eq!(tape.commit(CacheFact::Begun { tenure: 3 }), Effect::New);
    tape.commit(CacheFact::Opened { tenure: 3 });
    tape.commit(committed("price", 3, "900", false));
    let value = |tape: &Tape| tape.view.cache.values[&SHARD].values.get("price").cloned();
    assert_eq!(value(&tape).map(|value| (value.version, value.preview.to_string())), Some((3, "900".into())));
    tape.index = 2;
    assert_eq!(tape.commit(committed("price", 3, "1", false)), Effect::Known);
    tape.commit(CacheFact::Revoked { address: "price".into(), version: 4 });
    assert_eq!(value(&tape).map(|value| (value.version, value.preview.to_string())), Some((4, "900".into())));
    let shard = &tape.view.cache.values[&SHARD];
    assert_eq!((shard.begun, shard.opened, shard.applied), (3, 3, Some(4)));
    tape.commit(committed("price", 5, "", true));
    assert_eq!(value(&tape), None);
    // A whole view that is older changes nothing; a newer one is taken over, and facts in it are not counted again.
    let values = |applied, version| ValuesView {
        applied: Some(applied),
        values: vec![ValueView { address: "seat".into(), version, bytes: 1, preview: "1".into() }],
        more: 2,
        ..ValuesView::default()
    };
    for (index, known) in [(4, false), (9, true)] {
        let values = Box::new(values(index, index));
        tape.say("node1", Fact::CachesResumed { group: SHARD, index, values });
        assert_eq!(tape.view.cache.values[&SHARD].values.contains_key("seat"), known);
    }
    tape.index = 8;
    assert_eq!(tape.commit(committed("price", 9, "2", false)), Effect::New);
    assert_eq!(value(&tape), None, "it is in the whole view, or was there and went");
    assert!(tape.view.cache.values[&SHARD].more);
}

#[test]
fn a_copy_follows_its_node() {
    let mut tape = Tape::default();
    tape.line("node2", State::I, State::E, Cause::LocalRead);
    tape.line("node2", State::E, State::M, Cause::LocalWrite);
    assert_eq!((tape.copy("node2").state, tape.copy("node2").unsaved), (State::M, true));
    let moved = tape.copy("node2").moved.unwrap();
    assert_eq!((moved.from, moved.to, moved.cause), (State::E, State::M, Cause::LocalWrite));
    // It gave the value to the home and shares it: the home commits it first.
    tape.line("node2", State::M, State::S, Cause::Fetch);
    assert_eq!((tape.copy("node2").state, tape.copy("node2").unsaved), (State::S, true));
    tape.line("node2", State::S, State::I, Cause::Inv);
    assert_eq!((tape.copy("node2").state, tape.copy("node2").unsaved), (State::I, false));
    let last = tape.view.cache.last_moved().unwrap();
    assert_eq!((last.0.as_str(), last.1.as_str(), last.2.cause), ("node2", "price", Cause::Inv));
    // What is kept aside when the lease is over may be lost.
    tape.line("node2", State::I, State::M, Cause::LocalWrite);
    tape.line("node2", State::M, State::I, Cause::LeaseOut);
    assert!(tape.copy("node2").unsaved);
    let lost = LineFact::Lost { address: "price".into(), version: 7 };
    tape.say("node2", Fact::CacheLine { group: SHARD, fact: lost });
    assert_eq!((tape.copy("node2").unsaved, tape.copy("node2").lost_us), (false, Some(tape.now_us())));
    let hit = LineFact::Hit { address: "price".into(), state: State::S, write: false };
    tape.say("node3", Fact::CacheLine { group: SHARD, fact: hit });
    assert_eq!((tape.copy("node3").state, tape.copy("node3").hit_us), (State::S, Some(tape.now_us())));
}

#[test]
fn a_home_says_who_holds_what_until_it_is_over() {
    let mut tape = Tape::default();
    let home = |tape: &Tape| tape.view.cache.homes.get(&SHARD).cloned();
    tape.home("node1", held("price", Some("node2"), &[]));
    assert_eq!(home(&tape), None, "it does not lead, as far as anybody knows");
    tape.home("node1", HomeFact::Window { term: 3, left_us: 500 });
    let begun_us = tape.now_us();
    let shown = home(&tape).unwrap();
    assert_eq!((shown.node.as_str(), shown.term, shown.open), ("node1", 3, false));
    assert_eq!(shown.window, Some(Timer { started_us: begun_us, due_us: 500 }));
    tape.home("node1", HomeFact::Open { term: 3 });
    tape.home("node1", held("price", Some("node2"), &[]));
    tape.home("node9", held("price", Some("node9"), &[]));
    let shown = home(&tape).unwrap();
    assert_eq!(
        (shown.open, shown.window, shown.lines["price"].owner.as_deref()),
        (true, None, Some("node2"))
    );
    tape.home("node1", held("price", None, &[]));
    assert!(home(&tape).unwrap().lines.is_empty());
    // An older tenure that is heard of late is not the home; a newer one is.
    tape.home("node5", HomeFact::Open { term: 2 });
    tape.home("node5", HomeFact::Ended { term: 2 });
    assert_eq!(home(&tape).unwrap().node, "node1");
    for end in ["ended", "follows", "other", "killed", "rebooted"] {
        tape.home("node1", HomeFact::Open { term: 3 });
        tape.home("node1", held("price", None, &["node2", "node3"]));
        match end {
            "ended" => tape.home("node1", HomeFact::Ended { term: 3 }),
            "follows" => tape.role("node1", Role::Follower, 3),
            "other" => tape.role("node5", Role::Leader, 4),
            "killed" => tape.exit("node1"),
            _ => tape.install("node1", 2, CachesView::default()),
        }
        assert_eq!(home(&tape), None, "{end}");
    }
    // A leader whose tenure began before the recording did.
    tape.role("node5", Role::Leader, 4);
    tape.home("node5", held("price", Some("node2"), &[]));
    assert_eq!(home(&tape).map(|home| (home.node.clone(), home.term)), Some(("node5".into(), 4)));
    tape.home("node6", HomeFact::Open { term: 5 });
    let shown = home(&tape).unwrap();
    assert_eq!((shown.node.as_str(), shown.lines.len()), ("node6", 0));
}

#[test]
fn acknowledgements_are_counted_and_a_silent_sharer_is_waited_for() {
    let mut tape = Tape::default();
    tape.home("node1", HomeFact::Open { term: 3 });
    tape.home(
        "node1",
        recalling(8, vec![waited("node2", 300), waited("node3", 400_000), waited("node5", 300)]),
    );
    let since_us = tape.now_us();
    tape.home("node1", recalled(8, "node2", How::Acknowledged));
    tape.home("node1", recalled(8, "node5", How::NotHeld));
    tape.home("node1", recalled(9, "node3", How::Acknowledged));
    let recalls = |tape: &Tape| tape.view.cache.homes[&SHARD].recalls_of("price").unwrap().clone();
    let shown = recalls(&tape);
    assert_eq!((shown.ended(), shown.of.len(), shown.over_us(), shown.since_us), (2, 3, None, since_us));
    let silent = shown.of_node("node3").unwrap();
    assert!((silent.lease.left(since_us + 100_000) - 0.75).abs() < 1e-9);
    tape.home("node1", recalled(8, "node3", How::LeaseOver));
    assert_eq!((recalls(&tape).ended(), recalls(&tape).over_us()), (3, Some(tape.now_us())));
    // The next question about the line is the one that is shown.
    tape.home("node1", recalling(9, vec![waited("node4", 300)]));
    assert_eq!(recalls(&tape).of.len(), 1);
    for question in 10..100 {
        tape.home("node1", recalling(question, vec![waited("node4", 300)]));
    }
    let all = &tape.view.cache.homes[&SHARD].recalls;
    assert_eq!((all.len(), all.contains_key(&99), all.contains_key(&8)), (RECALLS_MAX, true, false));
}

#[test]
fn what_a_process_had_in_memory_goes_with_it() {
    let mut tape = Tape::default();
    tape.home("node1", HomeFact::Open { term: 3 });
    for _ in 0..2 {
        tape.line("node2", State::I, State::M, Cause::LocalWrite);
        tape.exit("node2");
        let copy = tape.copy("node2");
        assert_eq!((copy.state, copy.unsaved, copy.moved), (State::I, false, None));
        let fact = Fact::NodeStarted { node: "node2".into(), pid: 7 };
        tape.say("supervisor", fact);
    }
    assert!(tape.view.cache.homes.contains_key(&SHARD), "that is another node's");
    let members = [orrery_event::stream::MemberAddress { node: "node1".into(), address: String::new() }];
    tape.view.members(&"supervisor".into(), &members, "");
    assert!(!tape.view.cache.nodes.contains_key("node2"));
}

fn snapshot() -> CachesView {
    let copy = |address: &str, state| CopyView {
        address: address.into(),
        shard: SHARD,
        state,
        version: 7,
        unsaved: state == State::M,
        lease_left_us: 5,
    };
    let line = HeldView { address: "price".into(), owner: Some("node2".into()), sharers: Vec::new() };
    let home = HomeView { group: SHARD, term: 3, open: true, window_left_us: 0, lines: vec![line], more: 0 };
    let value = ValueView { address: "price".into(), version: 7, bytes: 3, preview: "900".into() };
    let values = ValuesView { applied: Some(7), begun: 3, opened: 3, values: vec![value], more: 0 };
    CachesView {
        copies: vec![copy("price", State::M), copy("seat", State::S)],
        copies_more: 0,
        stats: Stats { hits: 10, misses: 5, ..Stats::default() },
        homes: vec![home],
        values: vec![GroupValues { group: SHARD, values }],
    }
}

#[test]
fn a_snapshot_says_it_all() {
    let mut tape = Tape::default();
    tape.install("node2", 1, snapshot());
    assert_eq!((tape.copy("node2").state, tape.copy("node2").unsaved), (State::M, true));
    assert_eq!(tape.view.cache.homes[&SHARD].lines["price"].owner.as_deref(), Some("node2"));
    assert_eq!(tape.view.cache.values[&SHARD].values["price"].version, 7);
    assert_eq!(tape.view.cache.addresses(), ["price", "seat"]);
    assert!(tape.view.cache.nodes["node2"].rates.is_empty(), "when it counted those is not known");
    // What is not in the next one is gone; what is, goes on.
    let mut next = snapshot();
    next.copies.remove(0);
    tape.install("node2", 1, next);
    assert_eq!(tape.copy("node2").state, State::I);
    assert_eq!(tape.view.cache.copy("node2", "seat").unwrap().state, State::S);
    // A home of before is not in place of a newer one.
    tape.home("node3", HomeFact::Open { term: 4 });
    tape.install("node2", 1, snapshot());
    assert_eq!(tape.view.cache.homes[&SHARD].node, "node3");
}

#[test]
fn hits_and_misses_are_counted_between_two_reports() {
    let mut tape = Tape::default();
    tape.install("node2", 1, snapshot());
    for (hits, misses) in [(19, 6), (19, 6), (20, 16)] {
        let stats = Box::new(Stats { hits, misses, ..Stats::default() });
        tape.say("node2", Fact::CacheUse { stats });
    }
    let rates = &tape.view.cache.nodes["node2"].rates;
    assert_eq!(
        rates.iter().map(|rate| (rate.hits, rate.misses)).collect::<Vec<_>>(),
        [(9, 1), (0, 0), (1, 10)]
    );
    assert_eq!([rates[0].share(), rates[1].share()], [Some(0.9), None]);
    for hits in 0..2 * RATES_MAX as u64 {
        let stats = Box::new(Stats { hits: 20 + hits, misses: 16, ..Stats::default() });
        tape.say("node2", Fact::CacheUse { stats });
    }
    assert_eq!(tape.view.cache.nodes["node2"].rates.len(), RATES_MAX);
}

#[test]
fn everything_is_bounded_and_says_so() {
    let mut tape = Tape::default();
    tape.home("node1", HomeFact::Open { term: 3 });
    let count = LINES_MAX as u64 + 10;
    for number in 0..count {
        let address = format!("line{number}");
        tape.commit(committed(&address, number + 1, "1", false));
        tape.home("node1", held(&address, Some("node2"), &[]));
        // The first five are gone when it becomes tight: they are forgotten first, and nothing is missed.
        let to = if number < 5 { State::I } else { State::S };
        let (address, from, cause) = (address.into(), State::I, Cause::LocalRead);
        let fact = LineFact::Changed { address, from, to, cause, version: 1 };
        tape.say("node2", Fact::CacheLine { group: SHARD, fact });
    }
    let cache = &tape.view.cache;
    let (values, home, node) = (&cache.values[&SHARD], &cache.homes[&SHARD], &cache.nodes["node2"]);
    assert_eq!([values.values.len(), home.lines.len(), node.lines.len()], [LINES_MAX; 3]);
    assert!(values.more && home.more && node.more);
    for gone in ["line0", "line9"] {
        assert!(!values.values.contains_key(gone) && !home.lines.contains_key(gone));
        assert!(!node.lines.contains_key(gone), "{gone}");
    }
    assert!(node.lines.contains_key("line10"));
}
