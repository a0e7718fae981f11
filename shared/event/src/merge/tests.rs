//! The merge's rules, one by one.

use orrery_base::ids::GroupId;

use super::*;
use crate::fact::{Message, Role};

fn event(seq: Sequence, us: u64) -> Event {
    let fact = Fact::RoleChanged {
        group: GroupId::CONTROL,
        role: Role::Follower,
        term: seq,
        voted_for: None,
        leader: None,
        silent_us: None,
    };
    Event { seq, hlc: Hlc::new(us, 0), wall_us: us, fact }
}

fn batch(node: &str, events: Vec<Event>) -> Batch {
    Batch { node: node.into(), boot: 1, events }
}

fn open(nodes: &[&str]) -> Merge {
    let mut merge = Merge::default();
    for node in nodes {
        merge.handle_open(&(*node).into(), 1, 0.0);
        merge.handle_beat(&(*node).into(), Hlc::new(1, 0), 0, 0.0);
    }
    merge.poll(0.0);
    merge
}

fn told(placed: &[Placed]) -> Vec<(&str, u64, bool)> {
    placed
        .iter()
        .filter(|placed| matches!(placed.item, Item::Event(_)))
        .map(|placed| (placed.stamp.node.as_str(), placed.stamp.hlc.wall_us(), placed.late))
        .collect()
}

#[test]
fn nothing_leaves_before_every_live_stream_has_passed_it() {
    let mut merge = open(&["a", "b"]);
    merge.handle_batch(batch("a", vec![event(1, 100), event(2, 300)]), 10.0);
    assert_eq!(told(&merge.poll(10.0)), []);
    merge.handle_batch(batch("b", vec![event(1, 200)]), 20.0);
    assert_eq!(told(&merge.poll(20.0)), [("a", 100, false), ("b", 200, false)]);
    merge.handle_beat(&"b".into(), Hlc::new(300, 0), 1, 30.0);
    assert_eq!(told(&merge.poll(30.0)), [("a", 300, false)]);
}

#[test]
fn a_silent_stream_leaves_the_watermark_and_what_it_brings_later_is_marked() {
    let mut merge = open(&["a", "b"]);
    merge.handle_batch(batch("a", vec![event(1, 100)]), 200.0);
    assert_eq!(told(&merge.poll(200.0)), []);
    assert_eq!(told(&merge.poll(SILENT_MS + 1.0)), [("a", 100, false)]);
    assert_eq!(merge.state("b"), StreamState::Silent);
    merge.handle_batch(batch("b", vec![event(1, 50)]), 400.0);
    assert_eq!(told(&merge.poll(400.0)), [("b", 50, true)]);
    assert_eq!(merge.state("b"), StreamState::Live);
}

#[test]
fn a_closed_connection_leaves_at_once() {
    let mut merge = open(&["a", "b"]);
    merge.handle_batch(batch("a", vec![event(1, 100)]), 10.0);
    merge.handle_close(&"b".into());
    let placed = merge.poll(10.0);
    assert_eq!(told(&placed), [("a", 100, false)]);
    assert!(placed.iter().any(|p| p.item == Item::Stream(StreamState::Silent) && p.stamp.node == "b"));
}

#[test]
fn a_receive_is_never_before_its_send() {
    let message = MessageId { from: "a".into(), boot: 1, number: 1 };
    let (group, body) = (GroupId::CONTROL, Message::ReadIndex);
    let sent = Fact::Sent { message: message.clone(), group, to: "b".into(), body: body.clone() };
    let received = Fact::Received { message, group, body };
    for sender_first in [true, false] {
        let mut merge = open(&["a", "b"]);
        let send = batch("a", vec![Event { fact: sent.clone(), ..event(1, 500) }]);
        let receive = batch("b", vec![Event { fact: received.clone(), ..event(1, 400) }]);
        let (first, second) = if sender_first { (send, receive) } else { (receive, send) };
        merge.handle_batch(first, 10.0);
        merge.handle_batch(second, 10.0);
        for node in ["a", "b"] {
            merge.handle_beat(&node.into(), Hlc::new(900, 0), 1, 20.0);
        }
        let placed = merge.poll(20.0);
        let order: Vec<_> = placed.iter().map(|p| (p.stamp.node.as_str(), p.adjusted)).collect();
        assert_eq!(
            order,
            if sender_first { [("a", false), ("b", true)] } else { [("a", true), ("b", false)] }
        );
    }
}

/// Beats of every node, each 100 ms from `from_ms` on, `ahead_us` ahead of the reader's clock.
fn beats(merge: &mut Merge, nodes: &[(&str, u64)], from_ms: u64, until_ms: u64) {
    for at_ms in (from_ms..until_ms).step_by(100) {
        for (node, ahead_us) in nodes {
            let head = merge.cursor(node).map_or(0, |(_, read)| read);
            merge.handle_beat(&(*node).into(), Hlc::new(at_ms * 1_000 + ahead_us, 0), head, at_ms as f64);
        }
        merge.poll(at_ms as f64);
    }
}

#[test]
fn a_clock_that_is_an_hour_off_is_shifted_and_said_so() {
    let mut merge = Merge::default();
    for node in ["a", "b", "c"] {
        merge.handle_open(&node.into(), 1, 0.0);
    }
    let hour_us = 3_600_000_000;
    let nodes = [("a", 0), ("b", 0), ("c", hour_us)];
    beats(&mut merge, &nodes, 100, 4_000);
    assert_eq!(merge.shift_us("a"), 0);
    assert_eq!(merge.shift_us("c"), -(hour_us as i64));
    let now_us = 4_000_000;
    merge.handle_batch(batch("c", vec![event(1, now_us + hour_us + 7)]), 4_001.0);
    for node in ["a", "b"] {
        merge.handle_beat(&node.into(), Hlc::new(now_us + 100, 0), 0, 4_010.0);
    }
    let placed = merge.poll(4_010.0);
    let shifted = placed.iter().find(|p| p.stamp.seq == 1).map(|p| (p.stamp.hlc.wall_us(), p.adjusted));
    assert_eq!(shifted, Some((now_us + 7, true)));
}

#[test]
fn what_waits_for_the_judgement_of_its_clock_is_not_shown_in_the_past_or_future() {
    for ahead_us in [-3_600_000_000_i64, 3_600_000_000] {
        let mut merge = Merge::default();
        for node in ["a", "b", "c"] {
            merge.handle_open(&node.into(), 1, 5_000_000.0);
        }
        let start_ms = 5_000_000_u64;
        let c_us = |ms: u64| (ms * 1_000).saturating_add_signed(ahead_us);
        let mut placed = Vec::new();
        for ms in (start_ms..start_ms + 4_000).step_by(100) {
            for node in ["a", "b"] {
                merge.handle_beat(&node.into(), Hlc::new(ms * 1_000, 0), 0, ms as f64);
            }
            let seq = (ms - start_ms) / 100 + 1;
            merge.handle_batch(batch("c", vec![event(seq, c_us(ms))]), ms as f64);
            placed.extend(merge.poll(ms as f64));
        }
        let at: Vec<u64> = placed.iter().filter(|p| p.stamp.seq > 0).map(|p| p.stamp.hlc.wall_us()).collect();
        assert!(at.len() > 30 && at.is_sorted(), "{} of {ahead_us}", at.len());
        let off = at.iter().map(|us| us.abs_diff(start_ms * 1_000)).max();
        assert!(off < Some(5_000_000), "{off:?} us from now");
    }
}

#[test]
fn beats_that_a_stalled_reader_finds_waiting_move_nothing() {
    let mut merge = open(&["a", "b", "c"]);
    let nodes = [("a", 0), ("b", 0), ("c", 0)];
    beats(&mut merge, &nodes, 100, 5_000);
    merge.poll(4_999.0);
    // The reader stood for 0.9 s, nine times. What came meanwhile is read stream by stream.
    let mut seq = 0;
    for stall in 0..9 {
        let (from_ms, until_ms) = (5_000 + stall * 900, 5_900 + stall * 900);
        for (node, _) in nodes {
            for ms in (from_ms..until_ms).step_by(100) {
                let events = vec![event(seq + (ms - from_ms) / 100 + 1, ms * 1_000)];
                merge.handle_batch(batch(node, events), until_ms as f64);
                merge.handle_beat(&node.into(), Hlc::new(ms * 1_000 + 1, 0), 0, until_ms as f64);
            }
            assert_eq!(merge.shift_us(node), 0);
        }
        seq += 9;
        let placed = merge.poll(until_ms as f64);
        assert!(placed.iter().all(|placed| !placed.adjusted && !placed.late));
        assert_eq!(merge.state("a"), StreamState::Live, "the reader stood, not the stream");
    }
}

#[test]
fn a_message_is_moved_only_as_far_as_its_source_keeps_its_order() {
    let message = MessageId { from: "a".into(), boot: 1, number: 1 };
    let (group, body) = (GroupId::CONTROL, Message::ReadIndex);
    let sent = Fact::Sent { message: message.clone(), group, to: "b".into(), body: body.clone() };
    let received = Fact::Received { message, group, body };
    let mut merge = open(&["a", "b"]);
    merge.handle_batch(batch("b", vec![Event { fact: received, ..event(1, 400) }, event(2, 410)]), 10.0);
    merge.handle_batch(batch("a", vec![event(1, 450), Event { fact: sent, ..event(2, 500) }]), 10.0);
    for node in ["a", "b"] {
        merge.handle_beat(&node.into(), Hlc::new(900_000, 0), 2, 20.0);
    }
    let placed = merge.poll(20.0);
    let of = |node: &str| -> Vec<(u64, u64)> {
        let own = placed.iter().filter(|placed| placed.stamp.node == node && placed.stamp.seq > 0);
        own.map(|placed| (placed.stamp.seq, placed.stamp.hlc.wall_us())).collect()
    };
    assert_eq!(of("a"), [(1, 450), (2, 450)], "as near to its receive as it may");
    assert_eq!(of("b"), [(1, 400), (2, 410)]);
}

#[test]
fn what_is_missing_is_a_gap_and_asks_for_a_snapshot() {
    let gaps = |placed: Vec<Placed>| -> Vec<(u64, u64)> {
        let gap = |placed: &Placed| match &placed.item {
            Item::Gap(gap) => Some((gap.first, gap.last)),
            _ => None,
        };
        placed.iter().filter_map(gap).collect()
    };
    let snapshot = |seq| {
        Box::new(NodeSnapshot {
            node: "a".into(),
            boot: 1,
            seq,
            hlc: Hlc::new(1_000, 0),
            wall_us: 1_000,
            ..NodeSnapshot::default()
        })
    };
    let mut merge = Merge::default();
    merge.handle_open(&"a".into(), 1, 0.0);
    assert_eq!(merge.cursor("a"), None, "there is nothing to go on from");
    merge.handle_snapshot(snapshot(4), 1.0);
    assert_eq!(merge.cursor("a"), Some((1, 4)));
    // The very same again is no news and no gap.
    merge.handle_batch(batch("a", vec![event(4, 900), event(5, 1_100)]), 2.0);
    assert_eq!((gaps(merge.poll(2.0)), merge.wants_snapshot("a")), (vec![], false));
    // A hole in the sequences.
    merge.handle_batch(batch("a", vec![event(8, 1_200)]), 3.0);
    assert!(merge.wants_snapshot("a"));
    assert_eq!((merge.cursor("a"), gaps(merge.poll(3.0))), (None, vec![(6, 7)]));
    // It comes back with a snapshot; then a beat says that there was more than came.
    merge.handle_close(&"a".into());
    merge.handle_open(&"a".into(), 1, 4.0);
    merge.handle_snapshot(snapshot(8), 4.0);
    merge.handle_beat(&"a".into(), Hlc::new(1_300, 0), 8, 5.0);
    assert!(!merge.wants_snapshot("a"));
    merge.handle_beat(&"a".into(), Hlc::new(1_400, 0), 10, 6.0);
    assert!(merge.wants_snapshot("a"));
    assert_eq!(gaps(merge.poll(6.0)), [(8, 8), (9, 10)], "what came before the snapshot was not folded");
    // A burst stands for all of its sequences.
    merge.handle_open(&"a".into(), 1, 7.0);
    merge.handle_snapshot(snapshot(10), 7.0);
    let burst = Fact::Burst { group: GroupId::CONTROL, first: 11, last: 40, counts: Vec::new() };
    merge.handle_batch(batch("a", vec![Event { fact: burst, ..event(40, 1_500) }]), 8.0);
    assert_eq!((merge.wants_snapshot("a"), merge.cursor("a")), (false, Some((1, 40))));
}

#[test]
fn a_boot_that_began_meanwhile_is_read_from_its_beginning() {
    let mut merge = Merge::default();
    merge.handle_open(&"a".into(), 1, 0.0);
    merge.handle_batch(batch("a", vec![event(1, 100)]), 1.0);
    assert_eq!(merge.cursor("a"), None, "its state before was never told");
    merge.handle_open(&"b".into(), 7, 0.0);
    merge.handle_close(&"b".into());
    merge.handle_open(&"b".into(), 8, 1.0);
    // The connection breaks before anything came: the number of the old boot must not be the new one's cursor.
    assert_eq!(merge.cursor("b"), None);
}

#[test]
fn a_wall_clock_is_told_by_many_stamps_and_a_hybrid_clock_that_runs_ahead_is_none() {
    let mut merge = open(&["a", "b", "c"]);
    let mut told = Vec::new();
    for ms in (100..12_000_u64).step_by(100) {
        let us = ms * 1_000;
        for (node, off_us) in [("a", 0), ("b", 0), ("c", 300_000)] {
            // Every hybrid clock is 488 ms ahead of its wall clock: a node was started anew.
            let event = Event { wall_us: us + off_us, ..event(ms / 100, us + 488_000) };
            merge.handle_batch(batch(node, vec![event]), ms as f64);
        }
        told.extend(merge.poll(ms as f64).into_iter().filter_map(|placed| match placed.item {
            Item::Clock { off_us } => Some((placed.stamp.node, off_us)),
            _ => None,
        }));
    }
    assert_eq!(told, [("c".into(), 300_000)]);
}
