//! What an owner wrote and no home knows any more, path by path.

use super::races::{Bench, END_US, LEASE_US, holder};
use crate::directory::{Action, Stage};
use crate::message::{Ask, Recall, Told};
use crate::node::{Looked, Out};
use crate::{CacheCommand, LineFact, State};

impl Bench {
    /// A new home that opens before anybody claims anything.
    fn home_that_nobody_told(&mut self, term: u64) {
        self.new_home(term);
        self.now += END_US;
        self.directory.tick(&self.values, self.now);
        self.home();
        assert_eq!(self.directory.stage(), Stage::Open);
    }

    /// Lets a node say what it has to say until it has nothing more, for a second at most.
    fn settle(&mut self, node: usize) {
        for _ in 0..20 {
            self.carry(node);
            self.now += 50_000;
        }
    }

    fn value(&self) -> String {
        String::from_utf8(self.values.get("a").unwrap().value.to_vec()).unwrap()
    }

    fn counts(&self, node: usize) -> (u64, u64, u64) {
        let (stats, late) = (self.nodes[node].stats(self.now), self.nodes[node].late_writes());
        (stats.lost, late.unresolved, late.offered)
    }

    /// A durable write that needs nobody's answer.
    fn commit(&mut self, value: Option<&'static str>) {
        let command = CacheCommand::Write {
            address: "a".into(),
            value: value.map(|value| bytes::Bytes::from_static(value.as_bytes())),
            tenure: self.directory.term(),
            by: "node3".into(),
            based_on: None,
            if_version: None,
            saves: None,
        };
        self.apply(&command);
    }
}

#[test]
fn a_claim_that_comes_after_the_window_is_offered_and_applied() {
    let mut bench = Bench::new();
    bench.dirty(1, "2");
    bench.home_that_nobody_told(7);
    // Somebody reads what is committed meanwhile; shared, because an owner may be somewhere.
    assert_eq!(bench.fill(2), State::S);
    assert!(matches!(bench.look(2), Looked::Hit { .. }));
    bench.now += 10_000;
    let first = bench.carry(1);
    assert!(matches!(&first[..], [Told::Renewed { kept: Some(kept), .. }] if kept.is_empty()), "{first:?}");
    assert_eq!(bench.look(1), Looked::Wait, "not readable before a home has it");
    assert_eq!(bench.own(1, "3"), Looked::Wait, "nor written over");
    let (asked, offer) = bench.sent(1).remove(0);
    assert!(matches!(&offer, Ask::Offer { based_on: 3, write: 1, .. }), "{offer:?}");
    bench.directory.ask(&holder(1), asked, offer.clone(), &bench.values, bench.now);
    let (told, wanted) = bench.home();
    assert!(
        told.is_empty() && matches!(&wanted[..], [(_, to, Recall::Invalidate { .. })] if *to == holder(2))
    );
    let (_, told, _) = bench.answer(&wanted[0]);
    assert!(matches!(told[..], [Told::Saved { .. }]), "{told:?}");
    bench.tell(1, asked, told[0].clone());
    assert_eq!((bench.value(), bench.counts(1)), ("2".into(), (0, 0, 1)));
    assert!(bench.nodes[1].view(bench.now).is_empty() && bench.nodes[1].is_clean());
    // The same offer once more, late, changes nothing.
    let version = bench.values.version("a");
    bench.directory.ask(&holder(1), asked, offer, &bench.values, bench.now);
    assert_eq!(bench.home().0, [Told::NotSaved { committed: true }]);
    assert_eq!(bench.values.version("a"), version);
    assert!(matches!(bench.fill(2), State::E), "from here on there is nobody who could offer anything");
}

#[test]
fn an_offer_after_a_newer_value_is_refused_and_reported_once() {
    // What is written under the new home; nothing: a deletion.
    for newer in [Some("9"), None] {
        let mut bench = Bench::new();
        bench.dirty(1, "2");
        bench.home_that_nobody_told(7);
        bench.commit(newer);
        bench.nodes[1].tick(bench.now);
        let mut lost = 0;
        for _ in 0..30 {
            for (asked, ask) in bench.asks(1, &mut lost) {
                bench.directory.ask(&holder(1), asked, ask, &bench.values, bench.now);
                for told in bench.home().0 {
                    bench.tell(1, asked, told);
                }
            }
            bench.now += 50_000;
            bench.nodes[1].tick(bench.now);
        }
        assert_eq!((lost, bench.counts(1)), (1, (1, 0, 1)), "{newer:?}");
        let value = bench.values.get("a").map(|entry| entry.value.clone());
        assert_eq!(value, newer.map(|value| bytes::Bytes::from_static(value.as_bytes())));
    }
}

impl Bench {
    /// What a node sends, and how many losses it reports beside.
    fn asks(&mut self, node: usize, lost: &mut u64) -> Vec<(u64, Ask)> {
        let mut asks = Vec::new();
        while let Some(out) = self.nodes[node].poll() {
            match out {
                Out::Ask { asked, ask, .. } => asks.push((asked, ask)),
                Out::Fact(_, LineFact::Lost { .. }) => *lost += 1,
                Out::Fact(..) | Out::Woken(_) => {}
            }
        }
        asks
    }
}

#[test]
fn two_homes_may_pass_without_a_word_of_the_owner() {
    let mut bench = Bench::new();
    bench.dirty(1, "2");
    bench.home_that_nobody_told(7);
    assert_eq!(bench.fill(2), State::S);
    bench.home_that_nobody_told(9);
    bench.settle(1);
    assert_eq!((bench.value(), bench.counts(1)), ("2".into(), (0, 0, 1)));
}

#[test]
fn of_two_owners_whose_claims_came_too_late_only_the_later_one_is_taken() {
    for order in [[1, 2], [2, 1]] {
        let mut bench = Bench::new();
        bench.dirty(1, "2");
        bench.home_that_nobody_told(7);
        // An owner of the first tenure may be somewhere: the line gets a new version before there is another owner.
        let before = bench.values.version("a");
        bench.dirty(2, "3");
        assert!(bench.values.version("a") > before);
        bench.home_that_nobody_told(9);
        order.into_iter().for_each(|node| bench.settle(node));
        assert_eq!(bench.value(), "3", "{order:?}");
        assert_eq!((bench.counts(1), bench.counts(2)), ((1, 0, 1), (0, 0, 1)), "{order:?}");
    }
}

#[test]
fn an_owner_that_stood_still_comes_back_with_what_it_wrote() {
    let mut bench = Bench::new();
    bench.dirty(1, "2");
    let looked = bench.look(2);
    let (asked, _, wanted) = bench.ask(2, looked);
    assert!(matches!(wanted[0].2, Recall::Fetch { .. }));
    // It does not answer until its lease is over: readers get what is committed, and nothing is taken back for that.
    bench.now += END_US;
    bench.directory.tick(&bench.values, bench.now);
    let (told, _) = bench.home();
    assert!(matches!(&told[..], [Told::Filled { value: Some((3, _)), .. }]), "{told:?}");
    bench.tell(2, asked, told[0].clone());
    assert_eq!(bench.fill(2), State::S, "not exclusive: it may come back");
    assert_eq!(bench.directory.totals().revocations, 1);
    bench.now += LEASE_US + END_US;
    bench.settle(1);
    assert_eq!((bench.value(), bench.counts(1)), ("2".into(), (0, 0, 1)));
}

#[test]
fn what_was_deleted_without_having_a_value_stays_deleted() {
    let mut bench = Bench::new();
    bench.commit(None);
    bench.dirty(1, "2");
    bench.home_that_nobody_told(7);
    let looked =
        bench.nodes[3].write(super::world::SHARD, &"a".into(), None, None, super::races::key(5), bench.now);
    let (asked, told, _) = bench.ask(3, looked);
    assert!(matches!(&told[..], [Told::Written { .. }]), "{told:?}");
    bench.tell(3, asked, told[0].clone());
    bench.settle(1);
    assert_eq!((bench.values.get("a"), bench.counts(1)), (None, (1, 0, 1)));
}

#[test]
fn a_write_that_a_home_may_have_taken_before_it_went_is_not_called_lost() {
    // It was written back, and no answer came. The home took it and somebody wrote after it, or it did not.
    for taken in [true, false] {
        let mut bench = Bench::new();
        bench.dirty(1, "2");
        bench.now += 1_100_000;
        for (asked, ask) in bench.sent(1) {
            if let Ask::WriteBack { .. } = &ask
                && taken
            {
                bench.directory.ask(&holder(1), asked, ask, &bench.values, bench.now);
                assert!(matches!(bench.home().0[..], [Told::Saved { .. }]));
            }
            bench.nodes[1].told(super::world::SHARD, asked, None, bench.now);
        }
        bench.home_that_nobody_told(7);
        bench.commit(Some("9"));
        bench.settle(1);
        assert_eq!((bench.value(), bench.counts(1)), ("9".into(), (0, 1, 1)), "{taken}");
    }
}

#[test]
fn offers_go_in_bounded_numbers_and_are_repeated_until_a_home_answers() {
    let mut bench = Bench::new();
    for n in 0..200 {
        let address = format!("line{n}").into();
        let value = bytes::Bytes::from_static(b"2");
        let looked = bench.nodes[1].write_back(super::world::SHARD, &address, &value, bench.now).unwrap();
        let (asked, told, _) = bench.ask(1, looked);
        bench.tell(1, asked, told[0].clone());
        bench.nodes[1].write_back(super::world::SHARD, &address, &value, bench.now).unwrap();
    }
    bench.home_that_nobody_told(7);
    bench.carry(1);
    // Nobody answers: each is asked again after a while, never more than 64 at once.
    for _ in 0..3 {
        let asks = bench.sent(1);
        let offers: Vec<_> = asks.iter().filter(|(_, ask)| matches!(ask, Ask::Offer { .. })).collect();
        assert_eq!(offers.len(), 64);
        for (asked, _) in asks {
            bench.nodes[1].told(super::world::SHARD, asked, None, bench.now);
        }
        bench.now += LEASE_US;
    }
    bench.settle(1);
    assert_eq!((bench.counts(1), bench.values.len()), ((0, 0, 200), 201));
    assert!(bench.nodes[1].is_clean());
}

#[test]
fn an_offer_that_finds_no_room_never_comes_back() {
    let mut bench = Bench::new();
    bench.dirty(1, "2");
    bench.home_that_nobody_told(7);
    bench.carry(1);
    let (asked, offer) = bench.sent(1).remove(0);
    bench.directory.ask(&holder(1), asked, offer.clone(), &bench.values, bench.now);
    let question = std::iter::from_fn(|| bench.directory.poll()).find_map(|action| match action {
        Action::Commit { question, .. } => question,
        _ => None,
    });
    let full = crate::CacheReply::Full { what: "no room".into() };
    let full = crate::directory::Committed::Applied(full);
    bench.directory.committed(question, full, &bench.values, bench.now);
    assert_eq!(bench.home().0, [Told::NotSaved { committed: false }]);
    bench.tell(1, asked, Told::NotSaved { committed: false });
    assert_eq!(bench.counts(1), (1, 0, 1));
    bench.directory.ask(&holder(1), asked, offer, &bench.values, bench.now);
    assert_eq!(bench.home().0, [Told::NotSaved { committed: false }]);
    assert_eq!(bench.value(), "1");
}

#[test]
fn an_owner_whose_write_back_finds_no_room_is_asked_before_anybody_else_writes() {
    for answered in [true, false] {
        let mut bench = Bench::new();
        bench.dirty(1, "2");
        // Its lease goes on until the write is a second old.
        let (asked, flush) = 'flush: loop {
            bench.now += 50_000;
            for (asked, ask) in bench.sent(1) {
                if matches!(ask, Ask::WriteBack { .. }) {
                    break 'flush (asked, ask);
                }
                bench.directory.ask(&holder(1), asked, ask, &bench.values, bench.now);
                for told in bench.home().0 {
                    bench.tell(1, asked, told);
                }
            }
        };
        bench.directory.ask(&holder(1), asked, flush, &bench.values, bench.now);
        let question = loop {
            match bench.directory.poll().expect("it wants to commit") {
                Action::Commit { question, .. } => break question,
                Action::Confirm { round } => {
                    bench.directory.confirmed(round, true, &bench.values, bench.now);
                }
                _ => {}
            }
        };
        let full = crate::CacheReply::Full { what: "no room".into() };
        let full = crate::directory::Committed::Applied(full);
        bench.directory.committed(question, full, &bench.values, bench.now);
        assert_eq!(bench.home().0, [Told::Busy]);
        if answered {
            bench.tell(1, asked, Told::Busy);
        }
        assert_eq!(bench.counts(1), (0, 0, 0), "it is there");
        let looked = bench.own(2, "3");
        let (asked, _, wanted) = bench.ask(2, looked);
        assert_eq!(wanted.len(), 1, "the owner still reads what it wrote");
        let (_, told, _) = bench.answer(&wanted[0]);
        assert_eq!(bench.tell(2, asked, told[0].clone()), crate::node::Done::Owned);
        assert_eq!(bench.value(), "2");
    }
}

#[test]
fn what_is_handed_over_too_late_is_offered() {
    let mut bench = Bench::new();
    bench.dirty(1, "2");
    let looked = bench.look(2);
    let (asked, _, wanted) = bench.ask(2, looked);
    bench.now += END_US;
    bench.directory.tick(&bench.values, bench.now);
    let (told, _) = bench.home();
    bench.tell(2, asked, told[0].clone());
    // The owner stood still: it answers the question now, and nobody waits for that any more.
    bench.answer(&wanted[0]);
    bench.now += LEASE_US + END_US;
    bench.settle(1);
    assert_eq!((bench.value(), bench.counts(1)), ("2".into(), (0, 0, 1)));
}

#[test]
fn an_owner_that_missed_the_word_that_its_write_is_committed_counts_no_loss() {
    let mut bench = Bench::new();
    bench.dirty(1, "2");
    let looked = bench.own(2, "3");
    let (asked, _, wanted) = bench.ask(2, looked);
    // The word that it is committed gets lost, and the next owner writes over it.
    let (_, told, _) = bench.answer(&wanted[0]);
    assert_eq!(bench.tell(2, asked, told[0].clone()), crate::node::Done::Owned);
    bench.dirty(2, "3");
    bench.now += 1_100_000;
    bench.settle(2);
    assert_eq!(bench.value(), "3");
    bench.settle(1);
    assert_eq!((bench.counts(1).0, bench.counts(1).1), (0, 0));
    assert!(bench.nodes[1].is_clean());
}
