//! What the page's panels see of the recording: signals that change at most once per animation frame, and
//! the controls of the view clock.

use std::sync::Arc;

use leptos::prelude::*;
use orrery_shared::event::narrate::Line;
use orrery_shared::event::view::View;

use crate::clock::{ClockState, Pace};

/// Most lines of the feed that are handed out.
pub const FEED_MAX: usize = 200;

/// Most controls that wait for the next frame; more are dropped, oldest first.
const CONTROLS_MAX: usize = 64;

/// Who served the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Not known yet.
    #[default]
    Unknown,
    /// The supervisor: processes can be killed, started, paused.
    Supervisor,
    /// A node: there are no process controls.
    Node,
}

/// The recording and its view clock. `Copy`; a Leptos context of the whole page.
#[derive(Clone, Copy)]
pub struct Playback {
    /// The cluster at the moment that is shown. Set at most once per frame and only when it changed.
    pub view: ReadSignal<Arc<View>>,
    /// The moment that is shown, HLC microseconds: for arcs that drain. Set once per frame while it moves.
    pub now_us: ReadSignal<u64>,
    /// What the controls and the badge show; the times in it are rounded so that it changes at most ten
    /// times a second.
    pub clock: ReadSignal<ClockState>,
    /// The last sentences up to the moment that is shown, newest last; at most [`FEED_MAX`].
    pub feed: ReadSignal<Arc<Vec<Arc<Line>>>>,
    /// Who served the page.
    pub origin: ReadSignal<Origin>,
    controls: StoredValue<Vec<Control>>,
}

/// What the controls can ask of the view clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Control {
    /// Go on from here.
    Play,
    /// Freeze.
    Pause,
    /// Freeze at the next fact, or the one before.
    Step {
        /// The next one.
        forward: bool,
    },
    /// Go to a moment.
    Scrub {
        /// HLC microseconds.
        to_us: u64,
    },
    /// Go to the next mark of the tape (election, fault, deadlock), or the one before.
    Jump {
        /// The next one.
        forward: bool,
    },
    /// Change how fast it goes.
    Pace(Pace),
    /// To the live end.
    Live,
}

impl Playback {
    /// Makes the signals and provides them as a context. Streams connect once the page has loaded.
    pub fn provide() -> Playback {
        let (view, _set_view) = signal(Arc::new(View::default()));
        let (now_us, _set_now_us) = signal(0);
        let (clock, _set_clock) = signal(ClockState { playing: true, ..ClockState::default() });
        let (feed, _set_feed) = signal(Arc::new(Vec::new()));
        let (origin, _set_origin) = signal(Origin::default());
        let playback = Playback { view, now_us, clock, feed, origin, controls: StoredValue::new(Vec::new()) };
        provide_context(playback);
        playback
    }

    /// The page's playback; [`Playback::provide`] comes first.
    pub fn expect() -> Playback {
        expect_context()
    }

    /// Asks something of the view clock; done at the next frame.
    pub fn control(&self, control: Control) {
        self.controls.update_value(|controls| {
            if controls.len() >= CONTROLS_MAX {
                controls.remove(0);
            }
            controls.push(control);
        });
    }

    /// Go on from here.
    pub fn play(&self) {
        self.control(Control::Play);
    }

    /// Freeze.
    pub fn pause(&self) {
        self.control(Control::Pause);
    }

    /// Freeze where it runs, go on where it is frozen.
    pub fn toggle(&self) {
        let playing = self.clock.with_untracked(|clock| clock.playing);
        self.control(if playing { Control::Pause } else { Control::Play });
    }

    /// Freeze at the next fact, or the one before.
    pub fn step(&self, forward: bool) {
        self.control(Control::Step { forward });
    }

    /// Go to the next mark of the tape, or the one before.
    pub fn jump(&self, forward: bool) {
        self.control(Control::Jump { forward });
    }

    /// Go to a moment.
    pub fn scrub(&self, to_us: u64) {
        self.control(Control::Scrub { to_us });
    }

    /// Change how fast it goes.
    pub fn set_pace(&self, pace: Pace) {
        self.control(Control::Pace(pace));
    }

    /// To the live end.
    pub fn live(&self) {
        self.control(Control::Live);
    }
}
