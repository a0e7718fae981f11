//! One source of the merge: what came from it and waits, in the order in which its node numbered it.

use std::collections::VecDeque;

use orrery_base::hlc::Hlc;
use orrery_base::ids::{BootEpoch, NodeName, Sequence};

use super::skew::Skew;
use super::{AHEAD_US, BEHIND_US, Item};
use crate::Stamp;
use crate::merge::StreamState;

/// All sources. Not a [`SortedMap`](orrery_base::sorted::SortedMap): that one can be shared, and copies what it holds when it
/// is; what waits here is the largest thing that the page has, and nobody ever copies it.
#[derive(Debug, Default)]
pub(super) struct Sources {
    all: Vec<(NodeName, Source)>,
}

impl Sources {
    pub fn get(&self, node: &str) -> Option<&Source> {
        self.all.iter().find(|(name, _)| name == node).map(|(_, source)| source)
    }

    pub fn get_mut(&mut self, node: &str) -> Option<&mut Source> {
        self.all.iter_mut().find(|(name, _)| name == node).map(|(_, source)| source)
    }

    /// The source of that name; a new one where it was never heard before.
    pub fn of(&mut self, node: &NodeName, now_ms: f64) -> &mut Source {
        let known = self.all.iter().position(|(name, _)| name == node);
        let place = known.unwrap_or_else(|| {
            self.all.push((node.clone(), Source { since_ms: now_ms, ..Source::default() }));
            self.all.len() - 1
        });
        &mut self.all[place].1
    }

    pub fn iter(&self) -> impl Iterator<Item = &(NodeName, Source)> {
        self.all.iter()
    }

    pub fn values(&self) -> impl Iterator<Item = &Source> {
        self.all.iter().map(|(_, source)| source)
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Source> {
        self.all.iter_mut().map(|(_, source)| source)
    }
}

/// What waits for its turn.
#[derive(Debug)]
pub(super) struct Pending {
    pub stamp: Stamp,
    /// As its node stamped it.
    pub raw: Hlc,
    pub item: Item,
    pub adjusted: bool,
}

#[derive(Debug, Default)]
pub(super) struct Source {
    /// Waits, in the order of its sequence. Stamps in it never go back.
    pub queue: VecDeque<Pending>,
    /// Nothing older will come, as the node stamps.
    clock: Hlc,
    /// The last stamp that was given to anything of it.
    pub floor: Hlc,
    /// The last stamp of it that left: what waits may be stamped anew down to here.
    released: Hlc,
    /// When anything came last, milliseconds of the reader's monotonic clock.
    pub heard_ms: f64,
    /// When it came first.
    pub since_ms: f64,
    /// The connection is open.
    pub open: bool,
    /// Hybrid logical clock against the reader's: what places its stamps.
    pub skew: Skew,
    /// The node's own wall clock against the reader's: what people are told.
    pub wall_skew: Skew,
    /// What people were told.
    pub told_us: i64,
    /// Added to its stamps.
    pub shift_us: i64,
    /// Its clock looks far off and is not judged yet: its items wait, and other sources do not wait for it.
    pub held: bool,
    pub boot: BootEpoch,
    /// Up to where everything of the boot came, or was reported as missing. None before there is anything to go on from.
    pub read: Option<Sequence>,
    /// Something is missing: only a snapshot helps.
    pub wants_snapshot: bool,
    /// The first sequence that is passed over until that snapshot comes.
    pub blind_from: Option<Sequence>,
    pub state: StreamState,
}

impl Source {
    /// Everything older than this came.
    pub fn clock(&self) -> Hlc {
        shifted(self.clock, self.shift_us).max(self.floor)
    }

    /// Nothing older than `raw` will come.
    pub fn pass(&mut self, raw: Hlc) {
        self.clock = self.clock.max(raw);
    }

    /// Where a new item goes that its node stamped `raw`: never before what came from it earlier.
    pub fn place(&self, raw: Hlc) -> Hlc {
        shifted(raw, self.shift_us).max(self.floor)
    }

    /// Adds what is next in its sequence.
    pub fn push(&mut self, pending: Pending) {
        debug_assert!(pending.stamp.hlc >= self.floor, "stamps of a source never go back");
        self.floor = pending.stamp.hlc;
        self.pass(pending.raw);
        self.queue.push_back(pending);
    }

    /// The next item leaves.
    pub fn pop(&mut self) -> Option<Pending> {
        let pending = self.queue.pop_front()?;
        self.released = pending.stamp.hlc;
        Some(pending)
    }

    /// Its clock was judged anew: what did not leave yet is stamped by it. True where something that left before is
    /// stamped far later than what comes now: the order begins anew, and nothing but a snapshot can begin it.
    pub fn shift(&mut self, shift_us: i64) -> bool {
        self.shift_us = shift_us;
        let ahead_us = self.released.wall_us().saturating_sub(shifted(self.clock, shift_us).wall_us());
        let anew = ahead_us > AHEAD_US as u64;
        if anew {
            self.released = Hlc::default();
        }
        let mut floor = self.released;
        for pending in &mut self.queue {
            let hlc = shifted(pending.raw, shift_us).max(floor);
            pending.adjusted |= hlc != pending.raw;
            pending.stamp.hlc = hlc;
            floor = hlc;
        }
        self.floor = floor;
        anew
    }

    /// What the shift has to be, where the middle of all clocks is `all_us` from the reader's. None to leave it as it is.
    pub fn judge(&self, all_us: i64) -> Option<i64> {
        let distance_us = self.skew.judged_us()? - all_us;
        let ahead = |us: i64| us > AHEAD_US && self.skew.stays_above(all_us + AHEAD_US - self.shift_us);
        let shifted_us = distance_us + self.shift_us;
        if ahead(shifted_us) || shifted_us < -BEHIND_US {
            return Some(-distance_us);
        }
        let near = (-BEHIND_US..=AHEAD_US).contains(&distance_us);
        (self.shift_us != 0 && near).then_some(0)
    }

    /// From here on nothing of it makes sense before a snapshot.
    pub fn lose_track(&mut self, from: Sequence) {
        self.blind_from = Some(self.blind_from.map_or(from, |known| known.min(from)));
        self.read = None;
        self.wants_snapshot = true;
    }

    /// What waits is passed over, too; how much that is.
    pub fn drop_waiting(&mut self) -> usize {
        std::mem::take(&mut self.queue).len()
    }
}

fn shifted(hlc: Hlc, shift_us: i64) -> Hlc {
    if shift_us == 0 {
        return hlc;
    }
    Hlc::new(hlc.wall_us().saturating_add_signed(shift_us), hlc.logical())
}
