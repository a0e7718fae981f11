//! The recording: a bounded list of everything that came, in order, with keyframes, so that any moment of it
//! can be shown again.

use std::collections::VecDeque;
use std::sync::Arc;

use orrery_base::ids::{GroupId, NodeName};
use orrery_event::merge::{Item, Placed};
use orrery_event::{Event, Fact, Stamp};
use orrery_machine::ServiceFact;
use orrery_narrate::{Feed, narrate, narrate_gap};
use orrery_projection::Effect;
use orrery_projection::view::View;

use super::flights::Flights;
use super::marks::Marks;
use super::publishes::Publishes;

/// Most items that are kept; the oldest go first.
pub const ITEMS_MAX: usize = 200_000;
/// How many go at once.
const DROPPED_AT_ONCE: u64 = 16 * KEYFRAME_EVERY;
/// Distance of keyframes.
pub const KEYFRAME_EVERY: u64 = 512;

#[derive(Debug, Default)]
pub struct Recording {
    items: VecDeque<Placed>,
    /// Number of the first item that is kept; the recording's first ever is 0.
    first: u64,
    /// (number of the next item, the view before it), in order.
    keyframes: VecDeque<(u64, View)>,
    /// The view after the last item.
    head: View,
    /// The view before item `cursor`: where playback is.
    cursor: u64,
    cursor_view: View,
    /// Counts everything that came.
    generation: u64,
    /// Counts what was inserted before something that may have been shown already.
    inserts: u64,
    pub flights: Flights,
    /// What was published where.
    pub publishes: Publishes,
    /// What the tape marks.
    pub marks: Marks,
    pub feed: Feed,
}

impl Recording {
    /// Takes over what became ready, in order. `observe` sees every event that is news and in order: the
    /// director.
    pub fn extend(&mut self, placed: Vec<Placed>, mut observe: impl FnMut(&NodeName, u64, &Fact)) {
        let mut earliest_insert = None;
        for placed in placed {
            self.generation += 1;
            let in_order = self.items.back().is_none_or(|last| last.stamp <= placed.stamp);
            let at_us = placed.stamp.hlc.wall_us();
            self.note(&placed, at_us, &mut observe);
            if in_order && earliest_insert.is_none() {
                self.append(placed);
            } else {
                let place = self.items.partition_point(|item| item.stamp <= placed.stamp);
                self.items.insert(place, placed);
                let number = self.first + place as u64;
                self.inserts += 1;
                earliest_insert = Some(earliest_insert.map_or(number, |other: u64| other.min(number)));
            }
        }
        if let Some(number) = earliest_insert {
            self.refold(number);
        }
        self.bound();
    }

    /// Everything goes: another cluster.
    pub fn clear(&mut self) {
        let (generation, inserts) = (self.generation + 1, self.inserts + 1);
        *self = Recording { generation, inserts, ..Recording::default() };
    }

    /// The view at a moment.
    pub fn view_at(&mut self, at_us: u64) -> &View {
        let target = self.number_after(at_us);
        let near = target >= self.cursor && target - self.cursor <= KEYFRAME_EVERY;
        if !near {
            let place = self.keyframes.partition_point(|(number, _)| *number <= target);
            match place.checked_sub(1).and_then(|place| self.keyframes.get(place)) {
                Some((number, view)) if target < self.cursor || *number > self.cursor => {
                    self.cursor = *number;
                    self.cursor_view = view.clone();
                }
                None if target < self.cursor => {
                    self.cursor = self.first;
                    self.cursor_view = View::default();
                }
                _ => {}
            }
        }
        while self.cursor < target {
            let Some(placed) = self.items.get((self.cursor - self.first) as usize) else { break };
            fold(&mut self.cursor_view, placed);
            self.cursor += 1;
        }
        &self.cursor_view
    }

    /// The view that [`Recording::view_at`] gave last.
    pub fn shown(&self) -> &View {
        &self.cursor_view
    }

    /// Identifies what [`Recording::view_at`] would give: equal keys, equal views.
    pub fn key_at(&self, at_us: u64) -> (u64, u64) {
        (self.number_after(at_us), self.inserts)
    }

    /// The view after everything that came.
    pub fn head(&self) -> &View {
        &self.head
    }

    /// Counts everything that ever came or changed.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The oldest moment, where there is one.
    pub fn start_us(&self) -> Option<u64> {
        // What the reader noticed before the first stamp came has no time of its own.
        self.items.iter().map(|item| item.stamp.hlc.wall_us()).find(|us| *us > 0)
    }

    /// The moment of the next fact after `at_us`, or of the one before.
    pub fn step(&self, at_us: u64, forward: bool) -> Option<u64> {
        let us = |placed: &Placed| placed.stamp.hlc.wall_us();
        if forward {
            let from = self.items.partition_point(|item| us(item) <= at_us);
            self.items.range(from..).find(|item| worth_a_step(item)).map(us)
        } else {
            let until = self.items.partition_point(|item| us(item) < at_us);
            self.items.range(..until).rev().find(|item| worth_a_step(item)).map(us)
        }
    }

    /// The events between two moments, newest last: what just happened.
    pub fn between(&self, from_us: u64, to_us: u64) -> impl Iterator<Item = (&Stamp, &Event)> {
        let us = |placed: &Placed| placed.stamp.hlc.wall_us();
        let first = self.items.partition_point(|item| us(item) <= from_us);
        let last = self.items.partition_point(|item| us(item) <= to_us);
        self.items.range(first..last.max(first)).filter_map(|placed| match &placed.item {
            Item::Event(event) => Some((&placed.stamp, event)),
            _ => None,
        })
    }

    /// How many items are kept.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing came yet.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn number_after(&self, at_us: u64) -> u64 {
        self.first + self.items.partition_point(|item| item.stamp.hlc.wall_us() <= at_us) as u64
    }

    fn append(&mut self, placed: Placed) {
        let number = self.first + self.items.len() as u64;
        if number.is_multiple_of(KEYFRAME_EVERY) {
            self.keyframes.push_back((number, self.head.clone()));
        }
        fold(&mut self.head, &placed);
        self.items.push_back(placed);
    }

    /// What is kept beside the items: messages, marks, sentences.
    fn note(&mut self, placed: &Placed, at_us: u64, observe: &mut impl FnMut(&NodeName, u64, &Fact)) {
        match &placed.item {
            Item::Event(event) => {
                self.flights.handle_fact(at_us, &event.fact, placed.adjusted);
                // The effect decides what is news; a late event is judged against what is known by now.
                let effect = if placed.late { Effect::New } else { self.preview(placed, event) };
                if effect == Effect::Known {
                    return;
                }
                let node = &placed.stamp.node;
                self.marks.handle_fact(node, at_us, &event.fact);
                self.publishes.handle_fact(at_us, &event.fact);
                if let Some(mut line) = narrate(&self.head, node, event) {
                    line.at_us = at_us;
                    line.late = placed.late || placed.adjusted;
                    self.feed.push(line);
                }
                if !placed.late {
                    observe(node, at_us, &event.fact);
                }
            }
            Item::Gap(gap) => {
                self.marks.handle_gap(gap);
                self.feed.push(narrate_gap(gap));
            }
            Item::Stream(state) => self.marks.handle_stream(&placed.stamp.node, *state, at_us),
            Item::Snapshot(snapshot) => self.marks.handle_snapshot(snapshot, at_us),
            Item::Members { .. } | Item::Clock { .. } => {}
        }
    }

    /// Whether a service fact is news: a new leader re-sends what an old one sent.
    fn preview(&self, placed: &Placed, event: &Event) -> Effect {
        match &event.fact {
            Fact::Service { group, index, n, fact, .. } => {
                let queues = || self.head.queues.get(group).and_then(|queues| queues.seen);
                let values = || self.head.cache.values.get(group).and_then(|values| values.seen);
                let seen = match fact {
                    ServiceFact::Cache(_) => values(),
                    _ if *group == GroupId::CONTROL => self.head.locks.seen,
                    _ => queues(),
                };
                if seen.is_some_and(|seen| (*index, *n) <= seen) { Effect::Known } else { Effect::New }
            }
            Fact::ShardsPlaced { shards, .. } if shards.version <= self.head.ring.table.version => {
                Effect::Known
            }
            _ => {
                let node = self.head.node(&placed.stamp.node);
                let known = node.is_some_and(|node| {
                    placed.stamp.boot < node.boot
                        || (placed.stamp.boot == node.boot && placed.stamp.seq <= node.seq)
                });
                if known { Effect::Known } else { Effect::New }
            }
        }
    }

    /// Something was inserted at `number`: what was folded from there on is folded again.
    fn refold(&mut self, number: u64) {
        while self.keyframes.back().is_some_and(|(at, _)| *at > number) {
            self.keyframes.pop_back();
        }
        if self.cursor > number {
            self.cursor = self.first;
            self.cursor_view = self.keyframes.front().map(|(_, view)| view.clone()).unwrap_or_default();
        }
        let (from, view) = self.keyframes.back().cloned().unwrap_or((self.first, View::default()));
        self.head = view;
        for at in from..self.first + self.items.len() as u64 {
            if at > from && at.is_multiple_of(KEYFRAME_EVERY) {
                self.keyframes.push_back((at, self.head.clone()));
            }
            if let Some(placed) = self.items.get((at - self.first) as usize) {
                fold(&mut self.head, placed);
            }
        }
    }

    /// Drops the oldest, a whole number of keyframes at once.
    fn bound(&mut self) {
        if self.items.len() <= ITEMS_MAX {
            return;
        }
        let first = self.first + DROPPED_AT_ONCE;
        self.items.drain(..DROPPED_AT_ONCE as usize);
        self.first = first;
        while self.keyframes.get(1).is_some_and(|(number, _)| *number <= first) {
            self.keyframes.pop_front();
        }
        if self.cursor < first {
            self.cursor = first;
            self.cursor_view = self.keyframes.front().map(|(_, view)| view.clone()).unwrap_or_default();
        }
        if let Some(start_us) = self.start_us() {
            self.flights.forget_before(start_us);
            self.marks.forget_before(start_us);
            self.feed.forget_before(start_us);
        }
    }
}

/// Heartbeats and timers are too many to step through one by one.
fn worth_a_step(placed: &Placed) -> bool {
    match &placed.item {
        Item::Event(event) => !matches!(
            event.fact,
            Fact::Heartbeats { .. } | Fact::TimerStarted { .. } | Fact::Burst { .. } | Fact::Synced { .. }
        ),
        Item::Gap(_) | Item::Stream(_) => true,
        Item::Snapshot(_) | Item::Members { .. } | Item::Clock { .. } => false,
    }
}

fn fold(view: &mut View, placed: &Placed) {
    let at_us = placed.stamp.hlc.wall_us();
    match &placed.item {
        // At the time at which it is shown, which may have been moved.
        Item::Event(event) => {
            view.apply_at(&placed.stamp.node, placed.stamp.boot, event, placed.stamp.hlc);
        }
        Item::Snapshot(snapshot) => view.install(snapshot),
        Item::Gap(gap) => view.gap(gap.clone()),
        Item::Stream(state) => view.stream(&placed.stamp.node, *state, at_us),
        Item::Members { members, profile } => view.members(&placed.stamp.node, members, profile),
        Item::Clock { off_us } => view.clock(&placed.stamp.node, *off_us),
    }
}

/// A view that many can hold.
pub fn shared(view: &View) -> Arc<View> {
    Arc::new(view.clone())
}
