//! Brings the streams of all nodes into one order.
//!
//! Items wait until every live stream's clock has passed them (the watermark), then leave in the order of
//! their stamps. A stream that is silent for [`SILENT_MS`] no longer holds the others back; what it brings
//! later is inserted and marked. A send that is stamped after its own receive is moved before it and
//! marked. A source whose clock is far off is shifted as a whole and says so.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use super::fact::{Fact, MessageId};
use super::stream::{Batch, MemberAddress, NodeSnapshot};
use super::view::{GapView, StreamState};
use super::{Event, Stamp};
use crate::hlc::Hlc;
use crate::ids::{BootEpoch, NodeName, Sequence};
use crate::sorted::{SortedMap, sort_by};

/// A stream silent for so long leaves the watermark.
pub const SILENT_MS: f64 = 300.0;
/// Most items that wait; at more, the oldest leave at once.
pub const PENDING_MAX: usize = 50_000;
/// A source whose clock is further ahead of the others than this is shifted: the hybrid clocks of the
/// others do not follow it ([`crate::hlc::AHEAD_US_MAX`]).
pub const AHEAD_US: i64 = 450_000;
/// A source whose clock is further behind than this is shifted. Larger, because a beat may be late.
pub const BEHIND_US: i64 = 3_000_000;
/// Sends and receives that are remembered until the other end of their message comes.
const ENDS_MAX: usize = 8_192;

/// What can be recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A fact of a node or of the supervisor.
    Event(Event),
    /// What a node knows at one sequence.
    Snapshot(Box<NodeSnapshot>),
    /// Events that will never come.
    Gap(GapView),
    /// A stream began to beat, or fell silent.
    Stream(StreamState),
    /// Who is in the cluster.
    Members {
        /// In the order in which they are drawn.
        members: Vec<MemberAddress>,
        /// `realistic` or `classroom`.
        profile: String,
    },
}

/// An item with its place in the order of all nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// Its place.
    pub stamp: Stamp,
    /// It.
    pub item: Item,
    /// It came after later items had left: it has to be inserted.
    pub late: bool,
    /// Its time is not the one that its node stamped.
    pub adjusted: bool,
}

#[derive(Clone, Debug, Default)]
struct Source {
    /// Nothing older will come.
    clock: Hlc,
    /// When anything came last, milliseconds of the reader's monotonic clock.
    heard_ms: f64,
    /// The connection is open.
    open: bool,
    /// It has beaten since it opened.
    beats: bool,
    /// Distance of its clock from the reader's at its last beat, microseconds.
    lag_us: i64,
    /// Added to its stamps.
    shift_us: i64,
    boot: BootEpoch,
    /// Last sequence that came.
    seq: Sequence,
    state: StreamState,
}

/// One end of a message, the other of which did not come yet.
#[derive(Clone, Copy, Debug)]
struct End {
    at: Hlc,
    sends: bool,
}

/// What waits for its turn.
#[derive(Clone, Debug)]
struct Pending {
    stamp: Stamp,
    rank: u8,
    /// Of its arrival: no two are alike.
    number: u64,
    item: Item,
    adjusted: bool,
}

impl Ord for Pending {
    /// The heap gives the largest first, and the earliest is wanted.
    fn cmp(&self, other: &Self) -> Ordering {
        (&other.stamp, other.rank, other.number).cmp(&(&self.stamp, self.rank, self.number))
    }
}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Pending {}

/// The merge. Time (the reader's monotonic milliseconds) is an argument.
#[derive(Clone, Debug, Default)]
pub struct Merge {
    sources: SortedMap<NodeName, Source>,
    pending: BinaryHeap<Pending>,
    arrivals: u64,
    released: Option<Stamp>,
    ends: SortedMap<MessageId, End>,
    ends_order: VecDeque<MessageId>,
    newest: Hlc,
}

impl Merge {
    /// A stream said hello.
    pub fn handle_open(&mut self, node: &NodeName, boot: BootEpoch, now_ms: f64) {
        let source = self.sources.get_or_default(node);
        source.open = true;
        source.beats = false;
        source.heard_ms = now_ms;
        source.boot = boot;
        self.change_state(node, StreamState::Live);
    }

    /// A connection closed.
    pub fn handle_close(&mut self, node: &NodeName) {
        if let Some(source) = self.sources.get_mut(node) {
            source.open = false;
            self.change_state(node, StreamState::Silent);
        }
    }

    /// The node is no member any more.
    pub fn handle_forget(&mut self, node: &NodeName) {
        self.sources.remove(node);
    }

    /// A stream beats: nothing older than `clock` will come from it.
    pub fn handle_beat(&mut self, node: &NodeName, clock: Hlc, head: Sequence, now_ms: f64) {
        let others = self.median_lag(node);
        let Some(source) = self.sources.get_mut(node) else { return };
        source.heard_ms = now_ms;
        source.beats = true;
        source.lag_us = clock.wall_us() as i64 - (now_ms * 1_000.0) as i64;
        if let Some(others) = others {
            let ahead_us = source.lag_us - others;
            let far = |us: i64| !(-BEHIND_US..=AHEAD_US).contains(&us);
            if far(ahead_us + source.shift_us) {
                source.shift_us = -ahead_us;
            } else if source.shift_us != 0 && !far(ahead_us) {
                source.shift_us = 0;
            }
        }
        let clock = shifted(clock, source.shift_us);
        source.clock = source.clock.max(clock);
        source.seq = source.seq.max(head);
        self.newest = self.newest.max(clock);
        self.change_state(node, StreamState::Live);
    }

    /// Events came.
    pub fn handle_batch(&mut self, batch: Batch, now_ms: f64) {
        let Some(source) = self.sources.get_mut(&batch.node) else { return };
        source.heard_ms = now_ms;
        source.boot = batch.boot;
        let shift_us = source.shift_us;
        for event in batch.events {
            let hlc = shifted(event.hlc, shift_us);
            if let Some(source) = self.sources.get_mut(&batch.node) {
                // One stream's stamps only grow, so what comes next is not older than this.
                source.clock = source.clock.max(hlc);
                source.seq = event.seq;
            }
            self.newest = self.newest.max(hlc);
            let (hlc, moved) = self.after_cause(&event, hlc);
            let stamp = Stamp { hlc, node: batch.node.clone(), boot: batch.boot, seq: event.seq };
            self.put(stamp, Item::Event(event), moved || shift_us != 0);
        }
        let node = batch.node;
        self.change_state(&node, StreamState::Live);
    }

    /// A snapshot came.
    pub fn handle_snapshot(&mut self, snapshot: Box<NodeSnapshot>, now_ms: f64) {
        let Some(source) = self.sources.get_mut(&snapshot.node) else { return };
        source.heard_ms = now_ms;
        source.boot = snapshot.boot;
        source.seq = snapshot.seq;
        let hlc = shifted(snapshot.hlc, source.shift_us);
        source.clock = source.clock.max(hlc);
        self.newest = self.newest.max(hlc);
        let stamp = Stamp { hlc, node: snapshot.node.clone(), boot: snapshot.boot, seq: snapshot.seq };
        self.put(stamp, Item::Snapshot(snapshot), false);
    }

    /// These events will never come.
    pub fn handle_gap(&mut self, node: &NodeName, boot: BootEpoch, first: Sequence, last: Sequence) {
        let from = self.sources.get(node).map_or(self.newest, |source| source.clock);
        let to_us = self.newest.wall_us().max(from.wall_us());
        let gap = GapView { node: node.clone(), boot, first, last, from_us: from.wall_us(), to_us };
        let stamp = Stamp { hlc: from, node: node.clone(), boot, seq: last };
        self.put(stamp, Item::Gap(gap), false);
    }

    /// Who is in the cluster.
    pub fn handle_members(&mut self, node: &NodeName, members: Vec<MemberAddress>, profile: String) {
        let stamp = self.local_stamp(node);
        self.put(stamp, Item::Members { members, profile }, false);
    }

    /// What has become ready, in order. To be called at every frame, or when a frame of a stream came.
    pub fn poll(&mut self, now_ms: f64) -> Vec<Placed> {
        let silent: Vec<NodeName> = self
            .sources
            .iter()
            .filter(|(_, source)| source.state == StreamState::Live && now_ms - source.heard_ms > SILENT_MS)
            .map(|(node, _)| node.clone())
            .collect();
        for node in silent {
            self.change_state(&node, StreamState::Silent);
        }
        let watermark = self.watermark();
        let mut ready = Vec::new();
        loop {
            let over = self.pending.len() > PENDING_MAX;
            let due = self.pending.peek().is_some_and(|first| first.stamp.hlc <= watermark);
            if !due && !over {
                break;
            }
            let Some(Pending { stamp, item, adjusted, .. }) = self.pending.pop() else { break };
            let late = self.released.as_ref().is_some_and(|released| stamp < *released);
            if !late {
                self.released = Some(stamp.clone());
            }
            ready.push(Placed { stamp, item, late, adjusted });
        }
        ready
    }

    /// Everything up to here has come from every stream that is live.
    pub fn watermark(&self) -> Hlc {
        let live = self.sources.values().filter(|source| source.open && source.state == StreamState::Live);
        live.map(|source| source.clock).min().unwrap_or(self.newest)
    }

    /// The newest stamp that came from anywhere.
    pub fn newest(&self) -> Hlc {
        self.newest
    }

    /// Where to resume a stream: boot and last sequence that came.
    pub fn cursor(&self, node: &str) -> Option<(BootEpoch, Sequence)> {
        self.sources.get(node).filter(|source| source.boot > 0).map(|source| (source.boot, source.seq))
    }

    /// What is added to the stamps of a source whose clock is far off, microseconds.
    pub fn shift_us(&self, node: &str) -> i64 {
        self.sources.get(node).map_or(0, |source| source.shift_us)
    }

    /// The state of a stream.
    pub fn state(&self, node: &str) -> StreamState {
        self.sources.get(node).map(|source| source.state).unwrap_or_default()
    }

    fn put(&mut self, stamp: Stamp, item: Item, adjusted: bool) {
        self.arrivals += 1;
        // At one stamp, a snapshot comes after the event that it includes.
        let rank = u8::from(!matches!(item, Item::Event(_)));
        self.pending.push(Pending { stamp, rank, number: self.arrivals, item, adjusted });
    }

    fn change_state(&mut self, node: &NodeName, state: StreamState) {
        let Some(source) = self.sources.get_mut(node) else { return };
        if source.state == state || (state == StreamState::Live && !source.open) {
            return;
        }
        source.state = state;
        let stamp = self.local_stamp(node);
        self.put(stamp, Item::Stream(state), false);
    }

    /// The stamp of what the reader itself notices: now, as far as the streams tell.
    fn local_stamp(&self, node: &NodeName) -> Stamp {
        Stamp { hlc: self.newest, node: node.clone(), boot: 0, seq: 0 }
    }

    fn median_lag(&self, except: &NodeName) -> Option<i64> {
        let mut lags: Vec<i64> = self
            .sources
            .iter()
            .filter(|(node, source)| *node != except && source.open && source.beats)
            .map(|(_, source)| source.lag_us)
            .collect();
        sort_by(&mut lags, i64::cmp);
        (lags.len() >= 2).then(|| lags[lags.len() / 2])
    }

    /// Keeps a message's receive after its send: whichever comes second is moved, and marked.
    fn after_cause(&mut self, event: &Event, hlc: Hlc) -> (Hlc, bool) {
        let (message, sends) = match &event.fact {
            Fact::Sent { message, .. } => (message, true),
            Fact::Received { message, .. } => (message, false),
            _ => return (hlc, false),
        };
        // A re-sent event finds its own entry; it is dropped by its sequence later.
        match (self.ends.get(message), sends) {
            (Some(&End { at: received, sends: false }), true) => {
                self.ends.remove(message);
                if hlc >= received { (Hlc(received.0.saturating_sub(1)), true) } else { (hlc, false) }
            }
            (Some(&End { at: sent, sends: true }), false) => {
                self.ends.remove(message);
                if hlc <= sent { (Hlc(sent.0 + 1), true) } else { (hlc, false) }
            }
            (Some(_), _) => (hlc, false),
            (None, _) => {
                self.ends.insert(message.clone(), End { at: hlc, sends });
                self.ends_order.push_back(message.clone());
                while self.ends_order.len() > ENDS_MAX {
                    if let Some(oldest) = self.ends_order.pop_front() {
                        self.ends.remove(&oldest);
                    }
                }
                (hlc, false)
            }
        }
    }
}

fn shifted(hlc: Hlc, shift_us: i64) -> Hlc {
    if shift_us == 0 {
        return hlc;
    }
    Hlc::new(hlc.wall_us().saturating_add_signed(shift_us), hlc.logical())
}

#[cfg(test)]
mod tests {
    use super::super::fact::{Message, Role};
    use super::*;
    use crate::ids::GroupId;

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

    #[test]
    fn a_clock_that_is_an_hour_off_is_shifted_and_said_so() {
        let mut merge = open(&["a", "b", "c"]);
        let hour_us = 3_600_000_000;
        let now_us = 100_000;
        for (node, us) in [("a", now_us), ("b", now_us), ("c", now_us + hour_us)] {
            merge.handle_beat(&node.into(), Hlc::new(us, 0), 0, 100.0);
        }
        assert_eq!(merge.shift_us("a"), 0);
        assert_eq!(merge.shift_us("c"), -(hour_us as i64));
        merge.handle_batch(batch("c", vec![event(1, now_us + hour_us + 7)]), 101.0);
        for node in ["a", "b"] {
            merge.handle_beat(&node.into(), Hlc::new(now_us + 100, 0), 0, 110.0);
        }
        let placed = merge.poll(110.0);
        let shifted = placed.iter().find(|p| p.stamp.seq == 1).map(|p| (p.stamp.hlc.wall_us(), p.adjusted));
        assert_eq!(shifted, Some((now_us + 7, true)));
    }
}
