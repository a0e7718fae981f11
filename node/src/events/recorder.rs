//! Stamps facts with sequence, hybrid logical clock and wall time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use orrery_base::hlc::{Hlc, HlcClock};
use orrery_base::ids::{BootEpoch, GroupId, NodeName, Sequence};
use orrery_event::stream::{Heartbeat, HeartbeatLeg};
use orrery_event::{Event, Fact};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

use super::pulse::{self, Pulse, Pulses};
use super::weight;
use crate::clock::wall_us;

/// Most facts that wait for the hub. It takes them every few milliseconds; when it cannot, the rest is counted and
/// every reader gets a gap.
const PENDING_MAX: usize = 131_072;

/// The same in bytes.
const PENDING_BYTES_MAX: usize = 48 << 20;

/// How far the persisted bound of the clock runs ahead of it, and how near the clock may come before the bound is
/// moved again. A new boot waits for its wall clock to come near the bound, so this stays well under a second.
const BOUND_AHEAD_US: u64 = 1_000_000;
const BOUND_NEAR_US: u64 = 500_000;

/// One node's recorder. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

struct Shared {
    node: NodeName,
    boot: BootEpoch,
    recording: bool,
    state: Mutex<State>,
    filled: Notify,
    bound: AtomicU64,
    pulses: Pulses,
    /// Heartbeats that somebody watched.
    pulse: AtomicU64,
}

struct State {
    clock: HlcClock,
    head: Sequence,
    /// Facts that were thrown away because nobody took them.
    overflowed: u64,
    /// Service facts of these groups wait.
    services: BTreeSet<GroupId>,
    pending: Vec<Event>,
    pending_bytes: usize,
}

/// The clock's bound that has to be made durable: what this boot may have given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockBound(pub Hlc);

/// What waits for the hub.
pub(super) struct Taken {
    /// In order.
    pub events: Vec<Event>,
    /// Last sequence that was given out.
    pub head: Sequence,
    /// Facts were thrown away: `events` do not reach `head`, or do not follow what was taken before.
    pub overflowed: bool,
    /// The groups whose service facts are among them.
    pub services: BTreeSet<GroupId>,
}

impl Recorder {
    /// Of one boot of one node; its stamps start above `bound`.
    pub fn new(node: NodeName, boot: BootEpoch, recording: bool, bound: Hlc) -> Recorder {
        Recorder {
            shared: Arc::new(Shared {
                node,
                boot,
                recording,
                state: Mutex::new(State {
                    clock: HlcClock::starting_above(bound),
                    head: 0,
                    overflowed: 0,
                    services: BTreeSet::new(),
                    pending: Vec::new(),
                    pending_bytes: 0,
                }),
                filled: Notify::new(),
                bound: AtomicU64::new(bound.0),
                pulses: pulse::pulses(),
                pulse: AtomicU64::new(0),
            }),
        }
    }

    pub fn node(&self) -> &NodeName {
        &self.shared.node
    }

    pub fn boot(&self) -> BootEpoch {
        self.shared.boot
    }

    /// Whether facts are kept.
    pub fn records(&self) -> bool {
        self.shared.recording
    }

    pub fn emit(&self, fact: Fact) {
        if !self.shared.recording {
            return;
        }
        let wall_us = wall_us();
        let was_empty = {
            let mut state = self.shared.state.lock();
            let hlc = state.clock.tick(wall_us);
            state.head += 1;
            let seq = state.head;
            if state.pending.len() >= PENDING_MAX || state.pending_bytes >= PENDING_BYTES_MAX {
                state.overflowed += 1;
                return;
            }
            if let Fact::Service { group, .. } = &fact {
                state.services.insert(*group);
            }
            let event = Event { seq, hlc, wall_us, fact };
            state.pending_bytes += weight::of(&event);
            state.pending.push(event);
            state.pending.len() == 1
        };
        if was_empty {
            self.shared.filled.notify_one();
        }
    }

    /// A leg of a heartbeat: shown to readers that asked for each, and otherwise nothing.
    pub fn heartbeat(&self, peer: &NodeName, leg: HeartbeatLeg) {
        if !self.shared.recording || self.shared.pulses.receiver_count() == 0 {
            return;
        }
        let number = self.shared.pulse.fetch_add(1, Ordering::Relaxed) + 1;
        let heartbeat = Heartbeat { number, hlc: self.stamp(), wall_us: wall_us(), peer: peer.clone(), leg };
        // The last reader may have gone in this moment.
        let _ = self.shared.pulses.send(Pulse::new(heartbeat));
    }

    /// Every heartbeat from now on.
    pub(super) fn pulses(&self) -> broadcast::Receiver<Arc<Pulse>> {
        self.shared.pulses.subscribe()
    }

    /// The stamp of a message that is about to be sent.
    pub fn stamp(&self) -> Hlc {
        self.shared.state.lock().clock.tick(wall_us())
    }

    /// A message with this stamp arrived.
    pub fn witness(&self, remote: Hlc) {
        self.shared.state.lock().clock.receive(wall_us(), remote);
    }

    /// Last sequence and a stamp that no later event is before.
    pub fn head(&self) -> (Sequence, Hlc) {
        let mut state = self.shared.state.lock();
        let hlc = state.clock.tick(wall_us());
        (state.head, hlc)
    }

    /// Remote stamps that were too far ahead.
    pub fn refused_stamps(&self) -> u64 {
        self.shared.state.lock().clock.refused()
    }

    /// When the clock comes near its bound: the next bound. The caller makes it durable, then says so with
    /// [`Recorder::bound_is`].
    pub fn bound_due(&self) -> Option<ClockBound> {
        let last = self.shared.state.lock().clock.last();
        let bound = Hlc(self.shared.bound.load(Ordering::Acquire));
        (last.wall_us() + BOUND_NEAR_US > bound.wall_us())
            .then(|| ClockBound(Hlc::new(last.wall_us().max(wall_us()) + BOUND_AHEAD_US, 0)))
    }

    /// This bound is durable.
    pub fn bound_is(&self, bound: ClockBound) {
        self.shared.bound.fetch_max(bound.0.0, Ordering::AcqRel);
    }

    /// Waits until something was recorded.
    pub(super) async fn filled(&self) {
        self.shared.filled.notified().await;
    }

    /// How many facts wait.
    pub(super) fn waiting(&self) -> usize {
        self.shared.state.lock().pending.len()
    }

    /// Takes everything that waits. `room` is reused, so that a busy recorder does not allocate.
    pub(super) fn take(&self, room: Vec<Event>) -> Taken {
        debug_assert!(room.is_empty(), "room still holds events");
        let mut state = self.shared.state.lock();
        let events = std::mem::replace(&mut state.pending, room);
        state.pending_bytes = 0;
        let overflowed = std::mem::take(&mut state.overflowed) > 0;
        let services = std::mem::take(&mut state.services);
        Taken { events, head: state.head, overflowed, services }
    }
}

#[cfg(test)]
mod tests {
    use orrery_event::fact::EntrySummary;

    use super::*;

    fn fact() -> Fact {
        Fact::Started { version: "1".into() }
    }

    #[test]
    fn sequences_have_no_holes_and_stamps_grow() {
        let recorder = Recorder::new("a".into(), 1, true, Hlc::default());
        for _ in 0..100 {
            recorder.emit(fact());
        }
        let taken = recorder.take(Vec::new());
        assert!(!taken.overflowed);
        assert_eq!(taken.head, 100);
        assert!(taken.events.iter().zip(1..).all(|(event, seq)| event.seq == seq));
        assert!(taken.events.is_sorted_by(|a, b| a.hlc < b.hlc));
    }

    #[test]
    fn a_boot_starts_above_the_bound_of_the_one_before() {
        let bound = Hlc::new(wall_us() + 100_000, 0);
        let recorder = Recorder::new("a".into(), 2, true, bound);
        assert!(recorder.stamp() > bound);
        let due = recorder.bound_due().expect("the clock is at its bound");
        assert!(due.0 > recorder.stamp());
        recorder.bound_is(due);
        assert_eq!(recorder.bound_due(), None);
    }

    #[test]
    fn what_nobody_takes_is_bounded_and_counted() {
        let recorder = Recorder::new("a".into(), 1, true, Hlc::default());
        for _ in 0..PENDING_MAX + 5 {
            recorder.emit(fact());
        }
        let taken = recorder.take(Vec::new());
        assert_eq!(taken.events.len(), PENDING_MAX);
        assert_eq!(taken.head, PENDING_MAX as u64 + 5);
        assert!(taken.overflowed);
        assert!(!recorder.take(Vec::new()).overflowed, "said once");
    }

    #[test]
    fn what_nobody_takes_is_bounded_in_bytes() {
        let recorder = Recorder::new("a".into(), 1, true, Hlc::default());
        let entry = EntrySummary { index: 1, term: 1, what: "x".repeat(1 << 20).into() };
        for _ in 0..100 {
            recorder.emit(Fact::Appended {
                group: GroupId::CONTROL,
                entries: vec![entry.clone()],
                first: 1,
                last: 1,
            });
        }
        let taken = recorder.take(Vec::new());
        assert!((40..=50).contains(&taken.events.len()), "{}", taken.events.len());
        assert!(taken.overflowed);
        recorder.emit(fact());
        assert_eq!(recorder.take(Vec::new()).events.len(), 1, "what was taken has room again");
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_recorded() {
        let recorder = Recorder::new("a".into(), 1, false, Hlc::default());
        recorder.emit(fact());
        assert_eq!(recorder.waiting(), 0);
        assert!(!recorder.records());
    }
}
