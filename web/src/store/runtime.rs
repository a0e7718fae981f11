//! The page's engine room: frames go into the merge, what is ready into the recording, and at each animation
//! frame the view clock decides which moment is shown.

use std::rc::Rc;
use std::sync::Arc;

use orrery_base::ids::{ClusterId, NodeName};
use orrery_event::merge::{Merge, StreamState};
use orrery_event::stream::Frame;
use orrery_narrate::Line;
use orrery_projection::view::{Process, SUPERVISOR, View};

use super::playback::{Control, FEED_MAX};
use super::recording::{Recording, shared};
use crate::clock::director::Director;
use crate::clock::score::Score;
use crate::clock::view_clock::{Horizon, ViewClock};
use crate::clock::{ClockState, Pace};

/// How fast the estimate of the live moment follows a stream that became slower, per note.
const LIVE_DECAY: f64 = 0.01;

/// Everything behind the signals. Time (the reader's monotonic milliseconds) is an argument.
#[derive(Debug, Default)]
pub struct Runtime {
    merge: Merge,
    recording: Recording,
    director: Director,
    score: Score,
    clock: ViewClock,
    cluster: Option<ClusterId>,
    /// HLC microseconds minus the reader's microseconds.
    live_offset_us: Option<f64>,
    last_ms: Option<f64>,
    shown: Shown,
    /// Differences from what nodes have that were answered by asking for a snapshot.
    differences: u32,
}

#[derive(Debug, Default)]
struct Shown {
    view: Option<(u64, u64)>,
    feed: Option<(usize, u64)>,
}

/// What one animation frame changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// The view, where it is another.
    pub view: Option<Arc<View>>,
    /// The sentences, where there are others.
    pub feed: Option<Arc<Vec<Arc<Line>>>>,
    /// The clock.
    pub clock: ClockState,
    /// The shown moment, HLC nanoseconds.
    pub at_ns: u64,
    /// Counts what was recorded.
    pub generation: u64,
}

/// What a painter sees at an animation frame.
pub struct Painting<'a> {
    pub recording: &'a Recording,
    /// The clock.
    pub clock: ClockState,
    /// The shown moment, HLC nanoseconds.
    pub at_ns: u64,
    /// The view at that moment.
    pub view: &'a View,
}

impl Runtime {
    /// A frame came.
    pub fn handle_frame(&mut self, source: &NodeName, frame: Frame, now_ms: f64) {
        match frame {
            Frame::Hello(hello) => {
                if let Some(cluster) = hello.cluster
                    && self.cluster.replace(cluster).is_some_and(|known| known != cluster)
                {
                    // Emptied and formed anew: what was recorded belongs to another cluster.
                    self.forget();
                }
                self.merge.handle_open(source, hello.boot, now_ms);
                self.merge.handle_members(source, hello.members, hello.profile.to_string());
            }
            Frame::Snapshot(snapshot) => self.merge.handle_snapshot(snapshot, now_ms),
            Frame::Batch(batch) => self.merge.handle_batch(batch, now_ms),
            Frame::Beat { hlc, head } => self.merge.handle_beat(source, hlc, head, now_ms),
            Frame::Gap { first, last } => {
                if let Some((boot, _)) = self.merge.cursor(source) {
                    self.merge.handle_gap(source, boot, first, last);
                }
            }
            // The page shows heartbeats as they are counted, and does not ask for each.
            Frame::Heartbeat(_) => {}
        }
        self.note_live(now_ms);
    }

    pub fn handle_closed(&mut self, source: &NodeName) {
        self.merge.handle_close(source);
    }

    /// The merge, for cursors and states of streams.
    pub fn merge(&self) -> &Merge {
        &self.merge
    }

    /// The cluster after everything that came.
    pub fn head(&self) -> &View {
        self.recording.head()
    }

    /// Whether a source may be there: false while the supervisor, whose stream is live, says that it is not.
    pub fn there(&self, source: &NodeName) -> bool {
        if source == SUPERVISOR || self.merge.state(SUPERVISOR) != StreamState::Live {
            return true;
        }
        // One that the supervisor does not know any more left the cluster.
        self.recording.head().node(source).is_some_and(|node| node.process != Process::Down)
    }

    /// The source was asked out of the cluster, or was removed from it.
    pub fn left(&self, source: &NodeName) -> bool {
        self.recording.head().has_left(source)
    }

    /// Takes what is ready into the recording.
    pub fn ingest(&mut self, now_ms: f64) {
        let ready = self.merge.poll(now_ms);
        if ready.is_empty() {
            return;
        }
        let shown_us = self.clock.at_ns() / 1_000;
        let Runtime { recording, director, score, .. } = self;
        recording.extend(ready, |node, at_us, fact| director.handle_fact(node, at_us, fact, shown_us, score));
        if let Some(start_us) = recording.start_us() {
            score.forget_before(start_us * 1_000);
        }
        let comparisons = &recording.head().comparisons;
        let found = comparisons.differences > self.differences;
        self.differences = comparisons.differences;
        if let Some(difference) = comparisons.last.as_ref().filter(|_| found) {
            self.merge.handle_difference(&difference.node);
        }
    }

    /// One animation frame: does what the controls asked, lets time pass, says what changed.
    pub fn frame(&mut self, controls: Vec<Control>, now_ms: f64) -> Changes {
        self.ingest(now_ms);
        let horizon = self.horizon(now_ms);
        for control in controls {
            self.handle_control(control, &horizon);
        }
        let elapsed_s = self.last_ms.map_or(0.0, |last_ms| (now_ms - last_ms) / 1_000.0);
        self.last_ms = Some(now_ms);
        self.clock.poll(elapsed_s, &horizon, &self.score);
        let clock = self.clock.state(&horizon);
        let key = self.recording.key_at(clock.now_us);
        let view = (self.shown.view != Some(key)).then(|| {
            self.shown.view = Some(key);
            shared(self.recording.view_at(clock.now_us))
        });
        let feed_key = (self.recording.feed.count_until(clock.now_us), key.1);
        let feed = (self.shown.feed != Some(feed_key)).then(|| {
            self.shown.feed = Some(feed_key);
            Arc::new(self.recording.feed.until(clock.now_us, FEED_MAX))
        });
        let generation = self.recording.generation();
        Changes { view, feed, clock, at_ns: self.clock.at_ns(), generation }
    }

    /// What a painter sees.
    pub fn painting(&mut self) -> Painting<'_> {
        let at_ns = self.clock.at_ns();
        self.recording.view_at(at_ns / 1_000);
        let horizon = self.horizon(self.last_ms.unwrap_or_default());
        Painting {
            clock: self.clock.state(&horizon),
            at_ns,
            view: self.recording.shown(),
            recording: &self.recording,
        }
    }

    fn handle_control(&mut self, control: Control, horizon: &Horizon) {
        let now_us = self.clock.at_ns() / 1_000;
        match control {
            Control::Play => self.clock.handle_play(),
            Control::Pause => self.clock.handle_pause(),
            Control::Step { forward } => {
                let to_us = self.recording.step(now_us, forward).unwrap_or(now_us);
                self.clock.handle_step(to_us);
            }
            Control::Scrub { to_us } => {
                let to_us = to_us.clamp(horizon.start_us, horizon.edge_us.max(horizon.start_us));
                self.clock.handle_scrub(to_us);
            }
            Control::Jump { forward } => {
                if let Some(to_us) = self.recording.marks.jump(now_us, forward) {
                    // A little before it, so that it can be seen to happen.
                    let before_us = if forward { 0 } else { 1 };
                    self.clock.handle_scrub(to_us.saturating_sub(before_us));
                }
            }
            Control::Pace(pace) => {
                self.clock.handle_pace(pace);
                // Whoever asks for real time while nothing is missed means live.
                if pace == Pace::Fixed(1.0) {
                    self.clock.handle_play();
                }
            }
            Control::Published { group, number, hash } => {
                self.recording.publishes.note_own(group, number, hash);
            }
            Control::Live => self.clock.handle_live(horizon),
        }
    }

    fn horizon(&self, now_ms: f64) -> Horizon {
        let edge_us = self.merge.watermark().wall_us();
        let live_us = self.live_offset_us.map_or(edge_us, |offset_us| (offset_us + now_ms * 1_000.0) as u64);
        Horizon {
            start_us: self.recording.start_us().unwrap_or(edge_us),
            edge_us,
            live_us: live_us.max(edge_us),
        }
    }

    /// The newest stamp says how far the streams' time is from the reader's: the quickest one counts.
    fn note_live(&mut self, now_ms: f64) {
        let newest_us = self.merge.newest().wall_us();
        if newest_us == 0 {
            return;
        }
        let offset_us = newest_us as f64 - now_ms * 1_000.0;
        self.live_offset_us = Some(match self.live_offset_us {
            Some(known) if offset_us < known => known - (known - offset_us) * LIVE_DECAY,
            _ => offset_us,
        });
    }

    fn forget(&mut self) {
        self.merge = Merge::default();
        self.recording.clear();
        self.score = Score::default();
        self.director = Director::default();
        self.live_offset_us = None;
        self.clock = ViewClock::default();
        self.shown = Shown::default();
        self.differences = 0;
    }
}

/// A painter: draws what moves, outside of the signals.
pub type Painter = Rc<dyn Fn(&Painting<'_>)>;
