//! The director over scripted facts: how long each scene takes on the screen, and which are not made.

use orrery_cache::message::RecallKind;
use orrery_cache::{HomeFact, How, Waited, Wants};
use orrery_lock::LockFact;

use super::*;

const GROUP: GroupId = GroupId::CONTROL;

struct Set {
    director: Director,
    score: Score,
    shown_us: u64,
}

impl Set {
    fn new() -> Set {
        Set { director: Director::default(), score: Score::default(), shown_us: 0 }
    }

    fn say(&mut self, node: &str, at_us: u64, fact: Fact) {
        self.director.handle_fact(&node.into(), at_us, &fact, self.shown_us, &mut self.score);
    }

    fn shown_s(&self, from_us: u64, to_us: u64) -> f64 {
        let inside =
            |segment: &&Segment| segment.from_ns >= from_us * 1_000 && segment.to_ns <= to_us * 1_000 + 999;
        self.score.iter().filter(inside).map(Segment::shown_s).sum()
    }
}

fn message(from: &str, number: u64) -> MessageId {
    MessageId { from: from.into(), boot: 1, number }
}

fn vote(number: u64, to: &str) -> Fact {
    let body = Message::Vote { pre: false, term: 2, last: None };
    Fact::Sent { message: message("node1", number), group: GROUP, to: to.into(), body }
}

fn arrives(number: u64) -> Fact {
    let body = Message::Vote { pre: false, term: 2, last: None };
    Fact::Received { message: message("node1", number), group: GROUP, body }
}

fn role(role: Role) -> Fact {
    Fact::RoleChanged { group: GROUP, role, term: 2, voted_for: None, leader: None, silent_us: None }
}

fn begun(request: u64) -> Fact {
    Fact::RequestBegun {
        request,
        client: "Ayu".into(),
        operation: "acquire".into(),
        subject: "printer X".into(),
    }
}

#[test]
fn a_vote_takes_about_a_second_to_cross() {
    let mut set = Set::new();
    let t = 10_000_000;
    set.say("node1", t, role(Role::Candidate));
    set.say("node1", t + 20, vote(1, "node2"));
    set.say("node1", t + 30, vote(2, "node3"));
    set.say("node2", t + 140, arrives(1));
    set.say("node3", t + 160, arrives(2));
    let crossing_s = set.shown_s(t + 20, t + 140);
    assert!((0.4..1.2).contains(&crossing_s), "{crossing_s}");
    assert!(set.shown_s(t - 50_000, t) > 0.3, "it is led in");
}

#[test]
fn an_election_ends_with_the_first_commit_of_its_leader() {
    let mut set = Set::new();
    let t = 10_000_000;
    set.say("node1", t, role(Role::Candidate));
    set.say("node1", t + 900, role(Role::Leader));
    set.say("node2", t + 1_000, Fact::Committed { group: GROUP, index: 3 });
    set.say("node1", t + 1_200, Fact::Committed { group: GROUP, index: 4 });
    let end_ns = set.score.end_ns();
    set.say("node1", t + 9_000, Fact::Committed { group: GROUP, index: 5 });
    assert_eq!(set.score.end_ns(), end_ns);
    let all_s = set.shown_s(0, u64::MAX / 2_000);
    assert!((2.0..12.0).contains(&all_s), "{all_s}");
}

#[test]
fn under_load_requests_are_not_followed() {
    let mut set = Set::new();
    for request in 0..100 {
        set.say("node1", 10_000_000 + request * 1_000, begun(request));
    }
    let planned_s = set.score.shown_after_s(0);
    assert!(planned_s < 8.0, "{planned_s}");
    let mut calm = Set::new();
    calm.say("node1", 10_000_000, begun(1));
    assert!(calm.score.shown_after_s(0) > 0.3);
}

#[test]
fn a_deadlock_is_held() {
    let mut set = Set::new();
    let fact = ServiceFact::Lock(LockFact::Deadlock {
        cycle: vec![],
        victim: orrery_lock::Holder { client: "Budi".into(), session: None },
        wait: orrery_lock::WaitId(7),
    });
    set.say("node1", 10_000_000, Fact::Service { group: GROUP, index: 7, n: 0, clock_ms: 1, fact });
    assert!(set.score.shown_after_s(0) > 2.0);
    assert_eq!(set.score.at(10_000_000_100).map(|segment| segment.kind), Some(SceneKind::Deadlock));
}

/// What a cluster of five does when its leader is killed: times in microseconds after the kill.
fn killed_leader(set: &mut Set, t: u64, busy: bool) -> u64 {
    set.say("supervisor", t, Fact::NodeExited { node: "node1".into(), cause: "killed".into() });
    let mut at = t + 190_000;
    let mut number = 100;
    for pre in [true, false] {
        if !pre {
            set.say("node2", at, role(Role::Candidate));
        }
        let ask = Message::Vote { pre, term: 2, last: None };
        number += 10;
        for (place, to) in ["node3", "node4", "node5"].into_iter().enumerate() {
            let id = message("node2", number + place as u64);
            let (group, to) = (GROUP, to.into());
            set.say("node2", at + 10, Fact::Sent { message: id, group, to, body: ask.clone() });
        }
        // a vote is on the disk before it is answered
        let written = if pre { 60 } else { 4_000 };
        for (place, from) in ["node3", "node4", "node5"].into_iter().enumerate() {
            let (place, skew) = (place as u64, place as u64 * 35);
            let id = message("node2", number + place);
            set.say(from, at + 160 + skew, Fact::Received { message: id, group: GROUP, body: ask.clone() });
            let body = Message::VoteReply { pre, term: 2, granted: true };
            let (id, to) = (message(from, number + place), "node2".into());
            let sent = Fact::Sent { message: id.clone(), group: GROUP, to, body: body.clone() };
            set.say(from, at + 200 + skew + written, sent);
            set.say("node2", at + 360 + skew + written, Fact::Received { message: id, group: GROUP, body });
        }
        at += 500 + written;
    }
    set.say("node2", at, role(Role::Leader));
    let body = Message::Append { term: 2, previous: None, entries: 1, commit: None };
    for (place, to) in ["node3", "node4", "node5"].into_iter().enumerate() {
        let (id, to) = (message("node2", 200 + place as u64), to.into());
        set.say("node2", at + 20, Fact::Sent { message: id, group: GROUP, to, body: body.clone() });
    }
    for (place, to) in ["node3", "node4", "node5"].into_iter().enumerate() {
        let place = place as u64;
        let id = message("node2", 200 + place);
        set.say(to, at + 180 + place * 20, Fact::Received { message: id, group: GROUP, body: body.clone() });
        if busy {
            for other in 0..40 {
                let synced = Fact::Synced { group: GROUP, last: other, took_us: 900 };
                set.say(to, at + 300 + place * 20 + other * 60, synced);
            }
        }
        let (id, back) =
            (message(to, 300 + place), Message::AppendReply { term: 2, success: true, matching: Some(1) });
        let sent = Fact::Sent { message: id.clone(), group: GROUP, to: "node2".into(), body: back.clone() };
        set.say(to, at + 4_000 + place * 20, sent);
        set.say("node2", at + 4_160 + place * 20, Fact::Received { message: id, group: GROUP, body: back });
    }
    set.say("node2", at + 4_300, Fact::Committed { group: GROUP, index: 1 });
    at + 4_300
}

fn pre_vote(set: &mut Set, at: u64, number: u64) {
    let ask = Message::Vote { pre: true, term: 2, last: None };
    let id = message("node2", number);
    set.say("node2", at, Fact::Sent { message: id, group: GROUP, to: "node3".into(), body: ask });
    let body = Message::VoteReply { pre: true, term: 2, granted: false };
    set.say("node2", at + 900, Fact::Received { message: message("node3", number), group: GROUP, body });
}

fn burst(set: &mut Set, at: u64) {
    for request in 0..300 {
        set.say("node1", at + request * 700, begun(request));
        let synced = Fact::Synced { group: GROUP, last: request, took_us: 300 };
        set.say("node1", at + request * 700 + 300, synced);
    }
}

#[test]
fn each_scene_takes_as_long_as_people_want_to_watch_it() {
    type Script = fn(&mut Set);
    let table: [(&str, Script, std::ops::Range<f64>); 8] = [
        (
            "a client that asks again and again while it waits",
            |set| {
                for poll in 0..5 {
                    set.say("node1", 10_000_000 + poll * 3_000_000, begun(poll));
                    let fact = Fact::RequestEnded {
                        request: poll,
                        outcome: "waiting".into(),
                        status: 202,
                        took_us: 900,
                    };
                    set.say("node1", 10_000_900 + poll * 3_000_000, fact);
                }
            },
            0.5..2.5,
        ),
        (
            "an election after a kill",
            |set| {
                killed_leader(set, 10_000_000, false);
            },
            4.0..7.5,
        ),
        (
            "the same on a busy machine",
            |set| {
                killed_leader(set, 10_000_000, true);
            },
            4.0..7.5,
        ),
        ("one refused question", |set| pre_vote(set, 10_000_000, 1), 0.0..2.0),
        (
            "questions refused for five seconds",
            |set| (0..25).for_each(|round| pre_vote(set, 10_000_000 + round * 200_000, round)),
            0.0..2.0,
        ),
        ("requests that become a burst", |set| burst(set, 10_000_000), 0.0..0.5),
        (
            "a process that comes back",
            |set| set.say("supervisor", 10_000_000, Fact::NodeStarted { node: "node1".into(), pid: 7 }),
            0.0..0.1,
        ),
        (
            "a split vote that goes on",
            |set| {
                (0..200).for_each(|round| set.say("node1", 10_000_000 + round * 2_000, role(Role::Candidate)))
            },
            2.0..21.0,
        ),
    ];
    for (name, script, range) in table {
        let mut set = Set::new();
        script(&mut set);
        let shown_s = set.score.shown_after_s(0);
        assert!(range.contains(&shown_s), "{name} takes {shown_s:.2} s, not {range:?}");
    }
}

#[test]
fn whoever_starts_a_node_in_a_long_scene_sees_it_soon() {
    let mut set = Set::new();
    let end = killed_leader(&mut set, 10_000_000, false);
    set.shown_us = 10_191_000;
    assert!(set.score.shown_after_s(set.shown_us * 1_000) > 3.0, "there is much to show yet");
    set.say("supervisor", end + 300_000, Fact::NodeStarted { node: "node1".into(), pid: 7 });
    let rest_s = set.score.shown_after_s(set.shown_us * 1_000);
    assert!((0.5..=DEED_DEBT_S + 0.01).contains(&rest_s), "{rest_s}");
}

#[test]
fn a_real_election_after_refused_questions_is_shown() {
    let mut set = Set::new();
    pre_vote(&mut set, 10_000_000, 1);
    let before_s = set.score.shown_after_s(0);
    killed_leader(&mut set, 11_000_000, false);
    assert!(set.score.shown_after_s(0) - before_s > 3.0, "{before_s}");
}

fn recalling(question: u64, nodes: &[&str]) -> Fact {
    let waited =
        |node: &&str| Waited { node: (*node).into(), recall: RecallKind::Invalidate, gone_in_us: 400_000 };
    let fact = HomeFact::Recalling {
        question,
        address: "price".into(),
        asker: "node1".into(),
        wants: Wants::Write,
        of: nodes.iter().map(waited).collect(),
    };
    Fact::CacheHome { group: GroupId(3), fact }
}

fn recalled(question: u64, node: &str, how: How) -> Fact {
    let fact = HomeFact::Recalled { question, address: "price".into(), node: node.into(), how };
    Fact::CacheHome { group: GroupId(3), fact }
}

#[test]
fn a_lease_that_a_write_waits_for_is_seen_to_drain() {
    let mut set = Set::new();
    let t = 10_000_000;
    set.say("node2", t, recalling(7, &["node3", "node4"]));
    set.say("node2", t + 300, recalled(7, "node3", How::Acknowledged));
    set.say("node2", t + 350, recalled(8, "node4", How::Acknowledged));
    assert!(set.shown_s(t, t + 300) > 0.3);
    set.say("node2", t + 400_000, recalled(7, "node4", How::LeaseOver));
    let waits_s = set.shown_s(t + 300, t + 400_000);
    assert!((1.5..4.0).contains(&waits_s), "{waits_s}");
    let end_ns = set.score.end_ns();
    set.say("node2", t + 800_000, recalled(7, "node4", How::LeaseOver));
    assert_eq!(set.score.end_ns(), end_ns, "it is over");
}

#[test]
fn a_busy_cache_is_no_scene() {
    let mut set = Set::new();
    for question in 0..50 {
        let t = 10_000_000 + question * 200_000;
        set.say("node2", t, recalling(question, &["node3"]));
        set.say("node2", t + 300, recalled(question, "node3", How::Acknowledged));
    }
    assert!(set.shown_s(10_150_000, 30_000_000) < 0.1, "{}", set.shown_s(10_150_000, 30_000_000));
}
