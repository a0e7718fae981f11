//! Brings the streams of all nodes into one order.
//!
//! Within a source the order is its sequence, always: each source is a queue, stamps in it never go back, and items leave
//! it in turn. Between sources items wait until every live stream's clock has passed them (the watermark), then leave in
//! the order of their stamps. A stream that is silent for [`SILENT_MS`] no longer holds the others back; what it brings
//! later is inserted and marked. A send that is stamped after its own receive is moved before it and marked, as far as
//! its source's order allows. A source whose clock is far off, by the smallest delays of many beats, is shifted as a
//! whole and says so.
//!
//! An event is skipped only where its very sequence number came before. Whatever else is missing is a gap: it is drawn
//! as one, and the stream has to begin again with a snapshot (as does that of a clock which turns out to have been far
//! ahead of the others all the time). So streams are read whole here, not a choice of them.

use std::collections::VecDeque;

use orrery_base::hlc::Hlc;
use orrery_base::ids::{BootEpoch, NodeName, Sequence};
use orrery_base::sorted::{SortedMap, sort_by};

use super::fact::{Fact, MessageId};
use super::stream::{Batch, MemberAddress, NodeSnapshot};
use super::{Event, Stamp};

mod skew;
mod source;
#[cfg(test)]
mod tests;

use source::{Pending, Source, Sources};

/// A node's event stream, as the reader sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamState {
    /// Never connected.
    #[default]
    Unknown,
    Live,
    /// Nothing came for 300 ms, or the connection broke: what this node shows may be old.
    Silent,
}

/// Events that will never come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapView {
    pub node: NodeName,
    pub boot: BootEpoch,
    /// The sequences from here to `last` are missing.
    pub first: Sequence,
    pub last: Sequence,
    pub from_us: u64,
    pub to_us: u64,
}

/// A stream silent for so long leaves the watermark.
pub const SILENT_MS: f64 = 300.0;
/// Most items that wait; at more, the oldest leave at once.
pub const PENDING_MAX: usize = 50_000;
/// A source whose clock is further ahead of the others than this is shifted: the hybrid clocks of the
/// others do not follow it ([`orrery_base::hlc::AHEAD_US_MAX`]).
pub const AHEAD_US: i64 = 450_000;
/// A source whose clock is further behind than this is shifted. Larger, because a beat may be late.
pub const BEHIND_US: i64 = 3_000_000;
/// The items of a new source whose clock looks far off wait for so long until it is judged.
const HELD_MS: f64 = 3_000.0;
/// And at most so long until there are others to compare it with.
const BLIND_MS: f64 = 1_000.0;
/// Fewer clocks do not say which of them is right.
const JUDGES_MIN: usize = 3;
/// A reader that asks less often than this stalled: the streams are not silent because of that.
const STALL_MS: f64 = 250.0;
/// Most that one end of a message is moved because of the other.
const MOVED_US_MAX: u64 = AHEAD_US as u64;
/// A wall clock whose distance from the others changed by more than this is news.
const CLOCK_NEWS_US: u64 = 100_000;
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
        /// `realistic`, `classroom` or `wan`.
        profile: String,
    },
    /// How far the node's own wall clock is from the others', microseconds; positive is ahead.
    Clock {
        /// Judged by many stamps.
        off_us: i64,
    },
}

/// An item with its place in the order of all nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub stamp: Stamp,
    pub item: Item,
    /// It came after later items had left: it has to be inserted.
    pub late: bool,
    /// Its time is not the one that its node stamped.
    pub adjusted: bool,
}

/// One end of a message, the other of which did not come yet.
#[derive(Clone, Copy, Debug)]
struct End {
    at: Hlc,
    sends: bool,
}

/// The merge. Time (the reader's monotonic milliseconds) is an argument.
#[derive(Debug, Default)]
pub struct Merge {
    sources: Sources,
    /// What the reader noticed by itself, in order.
    noticed: VecDeque<Pending>,
    waiting: usize,
    released: Option<Stamp>,
    ends: SortedMap<MessageId, End>,
    ends_order: VecDeque<MessageId>,
    polled_ms: Option<f64>,
}

impl Merge {
    /// A stream said hello.
    pub fn handle_open(&mut self, node: &NodeName, boot: BootEpoch, now_ms: f64) {
        let source = self.sources.of(node, now_ms);
        source.open = true;
        source.wants_snapshot = false;
        source.heard_ms = now_ms;
        if source.boot != boot {
            // A reader that knew an earlier boot gets all of this one, or a snapshot.
            source.read = (source.boot > 0 && source.read.is_some()).then_some(0);
            source.blind_from = None;
            source.boot = boot;
        }
        self.change_state(node, StreamState::Live);
    }

    pub fn handle_close(&mut self, node: &NodeName) {
        if let Some(source) = self.sources.get_mut(node) {
            source.open = false;
            source.wants_snapshot = false;
            self.change_state(node, StreamState::Silent);
        }
    }

    /// A stream beats: nothing older than `clock` will come from it, and everything up to `head` was sent.
    pub fn handle_beat(&mut self, node: &NodeName, clock: Hlc, head: Sequence, now_ms: f64) {
        let Some(source) = self.sources.get_mut(node) else { return };
        source.heard_ms = now_ms;
        source.pass(clock);
        let boot = source.boot;
        if let Some(read) = source.read
            && head > read
        {
            self.miss(node, boot, read + 1, head);
        }
        self.note_clock(node, clock, now_ms);
        self.change_state(node, StreamState::Live);
    }

    pub fn handle_batch(&mut self, batch: Batch, now_ms: f64) {
        let Batch { node, boot, events } = batch;
        let Some(source) = self.sources.get_mut(&node) else { return };
        source.heard_ms = now_ms;
        if boot > source.boot {
            source.boot = boot;
            source.read = Some(0);
            source.blind_from = None;
        }
        let Some(last) = events.last().map(|event| (event.hlc, event.wall_us)) else { return };
        for event in events {
            self.take(&node, boot, event);
        }
        self.note_wall(&node, last.1, now_ms);
        self.note_clock(&node, last.0, now_ms);
        self.change_state(&node, StreamState::Live);
    }

    pub fn handle_snapshot(&mut self, snapshot: Box<NodeSnapshot>, now_ms: f64) {
        let Some(source) = self.sources.get_mut(&snapshot.node) else { return };
        source.heard_ms = now_ms;
        source.boot = snapshot.boot;
        source.read = Some(snapshot.seq);
        if let Some(from) = source.blind_from.take().filter(|from| *from <= snapshot.seq) {
            self.put_gap(&snapshot.node, snapshot.boot, from, snapshot.seq);
        }
        let Some(source) = self.sources.get_mut(&snapshot.node) else { return };
        let (node, raw, wall_us) = (snapshot.node.clone(), snapshot.hlc, snapshot.wall_us);
        let stamp =
            Stamp { hlc: source.place(raw), node: node.clone(), boot: snapshot.boot, seq: snapshot.seq };
        self.put(Pending { stamp, raw, item: Item::Snapshot(snapshot), adjusted: false });
        self.note_wall(&node, wall_us, now_ms);
        self.note_clock(&node, raw, now_ms);
    }

    /// The node says that these events will never come. Its snapshot follows.
    pub fn handle_gap(&mut self, node: &NodeName, boot: BootEpoch, first: Sequence, last: Sequence) {
        if let Some(source) = self.sources.get_mut(node) {
            source.read = source.read.map(|read| read.max(last));
        }
        self.put_gap(node, boot, first, last);
    }

    /// The view differs from what this node has: its stream has to begin again with a snapshot.
    pub fn handle_difference(&mut self, node: &NodeName) {
        if let Some(source) = self.sources.get_mut(node)
            && let Some(read) = source.read
        {
            source.lose_track(read + 1);
        }
    }

    /// Who is in the cluster.
    pub fn handle_members(&mut self, node: &NodeName, members: Vec<MemberAddress>, profile: String) {
        self.notice(node, Item::Members { members, profile });
    }

    /// What has become ready, in order. To be called at every frame, or when a frame of a stream came.
    pub fn poll(&mut self, now_ms: f64) -> Vec<Placed> {
        self.notice_silence(now_ms);
        self.hold(now_ms);
        let watermark = self.watermark();
        let mut ready = Vec::new();
        while let Some((first, hlc)) = self.first() {
            if hlc > watermark && self.waiting <= PENDING_MAX {
                break;
            }
            let popped = match first {
                Some(node) => self.sources.get_mut(&node).and_then(Source::pop),
                None => self.noticed.pop_front(),
            };
            let Some(Pending { stamp, item, adjusted, .. }) = popped else { break };
            self.waiting -= 1;
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
        let live = live.filter(|source| !source.held);
        live.map(Source::clock).min().unwrap_or_else(|| self.newest())
    }

    /// The newest stamp that came from anywhere.
    pub fn newest(&self) -> Hlc {
        let left = self.released.as_ref().map(|stamp| stamp.hlc).unwrap_or_default();
        let clocks = self.sources.values().filter(|source| !source.held).map(Source::clock);
        clocks.max().unwrap_or_default().max(left)
    }

    /// Where to resume a stream: boot and last sequence that came. None where it has to begin with a snapshot.
    pub fn cursor(&self, node: &str) -> Option<(BootEpoch, Sequence)> {
        let source = self.sources.get(node)?;
        Some((source.boot, source.read?))
    }

    /// Events of this stream are missing, or led to another state than the node has: it has to begin anew.
    pub fn wants_snapshot(&self, node: &str) -> bool {
        self.sources.get(node).is_some_and(|source| source.wants_snapshot)
    }

    /// What is added to the stamps of a source whose clock is far off, microseconds.
    pub fn shift_us(&self, node: &str) -> i64 {
        self.sources.get(node).map_or(0, |source| source.shift_us)
    }

    /// The state of a stream.
    pub fn state(&self, node: &str) -> StreamState {
        self.sources.get(node).map(|source| source.state).unwrap_or_default()
    }

    /// Takes the next event of a source.
    fn take(&mut self, node: &NodeName, boot: BootEpoch, event: Event) {
        let Some(source) = self.sources.get_mut(node) else { return };
        // A burst stands for many.
        let first = match &event.fact {
            Fact::Burst { first, .. } => *first,
            _ => event.seq,
        };
        if boot < source.boot {
            return self.put_gap(node, boot, first, event.seq);
        }
        match source.read {
            Some(read) if event.seq <= read => return,
            Some(read) if first > read + 1 => return self.miss(node, boot, read + 1, first - 1),
            // They are in the snapshot that has to come, and in the gap before it.
            None if source.blind_from.is_some() => return,
            _ => {}
        }
        let Some(source) = self.sources.get_mut(node) else { return };
        if let Some(read) = &mut source.read {
            *read = event.seq;
        }
        let (raw, placed) = (event.hlc, source.place(event.hlc));
        let hlc = self.after_cause(node, &event, placed);
        let stamp = Stamp { hlc, node: node.clone(), boot, seq: event.seq };
        self.put(Pending { stamp, raw, item: Item::Event(event), adjusted: hlc != raw });
    }

    /// These did not come, and nobody said so: the stream has to begin anew.
    fn miss(&mut self, node: &NodeName, boot: BootEpoch, first: Sequence, last: Sequence) {
        self.put_gap(node, boot, first, last);
        if let Some(source) = self.sources.get_mut(node) {
            source.lose_track(last + 1);
        }
    }

    fn put_gap(&mut self, node: &NodeName, boot: BootEpoch, first: Sequence, last: Sequence) {
        let to = self.newest();
        let Some(source) = self.sources.get(node) else { return };
        // Beside the last event that came: whatever follows it is unknown.
        let from = if source.floor == Hlc::default() { source.clock() } else { source.floor };
        let to_us = to.wall_us().max(from.wall_us());
        let gap = GapView { node: node.clone(), boot, first, last, from_us: from.wall_us(), to_us };
        let stamp = Stamp { hlc: from, node: node.clone(), boot, seq: last };
        self.put(Pending { stamp, raw: Hlc::default(), item: Item::Gap(gap), adjusted: false });
    }

    fn put(&mut self, pending: Pending) {
        let Some(source) = self.sources.get_mut(&pending.stamp.node) else { return };
        source.push(pending);
        self.waiting += 1;
    }

    /// The reader itself noticed something: now, as far as the streams tell.
    fn notice(&mut self, node: &NodeName, item: Item) {
        let before = self.noticed.back().map(|pending| pending.stamp.hlc).unwrap_or_default();
        let hlc = self.newest().max(before);
        let stamp = Stamp { hlc, node: node.clone(), boot: 0, seq: 0 };
        self.noticed.push_back(Pending { stamp, raw: hlc, item, adjusted: false });
        self.waiting += 1;
    }

    /// Who has the earliest item: a source, or (none) the reader itself.
    fn first(&self) -> Option<(Option<NodeName>, Hlc)> {
        let sources = self.sources.iter().filter(|(_, source)| !source.held || self.waiting > PENDING_MAX);
        let fronts = sources.filter_map(|(node, source)| Some((Some(node), &source.queue.front()?.stamp)));
        let noticed = self.noticed.front().map(|pending| (None, &pending.stamp));
        let (node, stamp) = fronts.chain(noticed).min_by(|a, b| a.1.cmp(b.1))?;
        Some((node.cloned(), stamp.hlc))
    }

    fn change_state(&mut self, node: &NodeName, state: StreamState) {
        let Some(source) = self.sources.get_mut(node) else { return };
        if source.state == state || (state == StreamState::Live && !source.open) {
            return;
        }
        source.state = state;
        self.notice(node, Item::Stream(state));
    }

    fn notice_silence(&mut self, now_ms: f64) {
        let stalled_ms = self.polled_ms.map_or(0.0, |polled_ms| now_ms - polled_ms);
        self.polled_ms = Some(now_ms);
        if stalled_ms > STALL_MS {
            // The reader itself stood still: what came meanwhile waits to be read.
            for source in self.sources.values_mut() {
                source.heard_ms = (source.heard_ms + stalled_ms).min(now_ms);
            }
        }
        let silent: Vec<NodeName> = self
            .sources
            .iter()
            .filter(|(_, source)| source.state == StreamState::Live && now_ms - source.heard_ms > SILENT_MS)
            .map(|(node, _)| node.clone())
            .collect();
        for node in silent {
            self.change_state(&node, StreamState::Silent);
        }
    }

    /// A new source whose clock looks far off waits until it is judged.
    fn hold(&mut self, now_ms: f64) {
        let unjudged: Vec<NodeName> = self
            .sources
            .iter()
            .filter(|(_, source)| source.held || source.skew.judged_us().is_none())
            .map(|(node, _)| node.clone())
            .collect();
        if unjudged.is_empty() {
            return;
        }
        let all_us = self.median_us(|source| source.skew.guess_us());
        let several = self.sources.values().filter(|source| source.open).count() >= JUDGES_MIN;
        for node in unjudged {
            let Some(source) = self.sources.get_mut(&node) else { continue };
            let off_us = source.skew.guess_us().zip(all_us).map(|(own, all)| own - all);
            let far = off_us.is_some_and(|us| !(-BEHIND_US..=AHEAD_US).contains(&us));
            let age_ms = now_ms - source.since_ms;
            let doubtful = far && age_ms < HELD_MS || all_us.is_none() && several && age_ms < BLIND_MS;
            source.held = doubtful && source.skew.judged_us().is_none();
        }
    }

    /// A stamp came: where that ends a time in which stamps are counted as one, the clock is judged.
    fn note_clock(&mut self, node: &NodeName, raw: Hlc, now_ms: f64) {
        let Some(source) = self.sources.get_mut(node) else { return };
        if !source.skew.note(raw.wall_us(), now_ms) {
            return;
        }
        let Some(all_us) = self.median_us(|source| source.skew.judged_us()) else { return };
        let Some(source) = self.sources.get_mut(node) else { return };
        if let Some(shift_us) = source.judge(all_us)
            && source.shift(shift_us)
        {
            // What left already is stamped in the future. A snapshot has it: that is where it goes on.
            let first = source.queue.front().map(|pending| pending.stamp.seq);
            let next = first.or(source.read.map(|read| read + 1));
            self.waiting -= source.drop_waiting();
            source.lose_track(next.unwrap_or(1));
        }
    }

    /// The same for the node's own wall clock, which places nothing: people are told where it is off.
    fn note_wall(&mut self, node: &NodeName, wall_us: u64, now_ms: f64) {
        let Some(source) = self.sources.get_mut(node) else { return };
        if !source.wall_skew.note(wall_us, now_ms) {
            return;
        }
        let Some(all_us) = self.median_us(|source| source.wall_skew.judged_us()) else { return };
        let Some(source) = self.sources.get_mut(node) else { return };
        let Some(own_us) = source.wall_skew.judged_us() else { return };
        let off_us = own_us - all_us;
        if off_us.abs_diff(source.told_us) > CLOCK_NEWS_US {
            source.told_us = off_us;
            self.notice(node, Item::Clock { off_us });
        }
    }

    /// The middle of all clocks. None where they are too few to say who is right.
    fn median_us(&self, clock: impl Fn(&Source) -> Option<i64>) -> Option<i64> {
        let open = self.sources.values().filter(|source| source.open);
        let mut clocks: Vec<i64> = open.filter_map(clock).collect();
        sort_by(&mut clocks, i64::cmp);
        (clocks.len() >= JUDGES_MIN).then(|| clocks[clocks.len() / 2])
    }

    /// Keeps a message's receive after its send: whichever comes second is moved, as far as its source's order allows.
    fn after_cause(&mut self, node: &NodeName, event: &Event, hlc: Hlc) -> Hlc {
        let (message, sends) = match &event.fact {
            Fact::Sent { message, .. } => (message, true),
            Fact::Received { message, .. } => (message, false),
            _ => return hlc,
        };
        let near = |other: Hlc| hlc.wall_us().abs_diff(other.wall_us()) <= MOVED_US_MAX;
        match (self.ends.get(message), sends) {
            (Some(&End { at: received, sends: false }), true) => {
                self.ends.remove(message);
                let floor = self.sources.get(node).map(|source| source.floor);
                let before = Hlc(received.0.saturating_sub(1)).max(floor.unwrap_or_default());
                if hlc >= received && near(received) { hlc.min(before) } else { hlc }
            }
            (Some(&End { at: sent, sends: true }), false) => {
                self.ends.remove(message);
                if hlc <= sent && near(sent) { Hlc(sent.0 + 1) } else { hlc }
            }
            (Some(_), _) => hlc,
            (None, _) => {
                self.ends.insert(message.clone(), End { at: hlc, sends });
                self.ends_order.push_back(message.clone());
                while self.ends_order.len() > ENDS_MAX {
                    if let Some(oldest) = self.ends_order.pop_front() {
                        self.ends.remove(&oldest);
                    }
                }
                hlc
            }
        }
    }
}
