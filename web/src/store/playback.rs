//! What the page's panels see of the recording: signals that change at most once per animation frame, and
//! the controls of the view clock.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use gloo_net::http::Request;
use leptos::prelude::*;
use leptos::task::spawn_local;
use orrery_base::ids::{BootEpoch, GroupId, LogIndex, NodeName, Sequence};
use orrery_event::stream::Frame;
use orrery_narrate::Line;
use orrery_placement::Token;
use orrery_projection::view::View;

use super::recording::shared;
use super::runtime::{Painter, Runtime};
use crate::clock::{ClockState, Pace};
use crate::math::{log10, pow};
use crate::net::address::Place;
use crate::net::{Sink, Streams};

/// Most lines of the feed that are handed out.
pub const FEED_MAX: usize = 200;

/// Most controls that wait for the next frame; more are dropped, oldest first.
const CONTROLS_MAX: usize = 64;

/// A page that was hidden for this long closes its streams; they resume when it is seen again.
const HIDDEN_MS: f64 = 20_000.0;

/// What is read is handed out this often, and at once in slow motion.
const CALM_MS: f64 = 100.0;
const CALM_RATE: f64 = 0.5;

/// The clock's times are rounded to this for [`Playback::clock`].
const ROUNDED_US: u64 = 100_000;

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
    /// The same for what is read and not watched. At the speed of the world at most ten times a second: nobody reads
    /// faster, and under load everything in it would be drawn anew at every frame.
    pub calm: ReadSignal<Arc<View>>,
    /// The moment that is shown, HLC microseconds: for arcs that drain. Set once per frame while it moves.
    pub now_us: ReadSignal<u64>,
    /// What the controls and the badge show; the times in it are rounded so that it changes at most ten
    /// times a second.
    pub clock: ReadSignal<ClockState>,
    /// The last sentences up to the moment that is shown, newest last; at most [`FEED_MAX`].
    pub feed: ReadSignal<Arc<Vec<Arc<Line>>>>,
    /// Who served the page.
    pub origin: ReadSignal<Origin>,
    /// The cluster as it is now, as far as the streams have told, whatever moment is shown: for what is done to it. At
    /// most ten times a second.
    pub present: ReadSignal<Arc<View>>,
    machine: StoredValue<Option<Rc<Machine>>, LocalStorage>,
    controls: StoredValue<Vec<Control>>,
    painters: StoredValue<Vec<(u64, Painter)>, LocalStorage>,
}

/// Sentences, newest last.
type Lines = Arc<Vec<Arc<Line>>>;

/// The signals' other ends, and what feeds them.
struct Machine {
    runtime: RefCell<Runtime>,
    hidden_since_ms: Cell<Option<f64>>,
    set_view: RwSignal<Arc<View>>,
    set_calm: RwSignal<Arc<View>>,
    /// What is read was handed out then, and is to be handed out again: the view, the sentences.
    calm_ms: Cell<f64>,
    calm_due: Cell<bool>,
    feed_due: Cell<Option<Lines>>,
    set_now_us: RwSignal<u64>,
    set_clock: RwSignal<ClockState>,
    set_feed: RwSignal<Arc<Vec<Arc<Line>>>>,
    set_origin: RwSignal<Origin>,
    set_present: RwSignal<Arc<View>>,
    /// What was handed out as present: how much was recorded then.
    present_of: Cell<Option<u64>>,
    present_ms: Cell<f64>,
}

/// What the controls can ask of the view clock, and what the page knows of the recording by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Control {
    /// Go on from here.
    Play,
    Pause,
    /// Freeze at the next fact, or the one before.
    Step {
        forward: bool,
    },
    /// Go to a moment.
    Scrub {
        /// HLC microseconds.
        to_us: u64,
    },
    /// Go to the next mark of the tape (election, fault, deadlock), or the one before.
    Jump {
        forward: bool,
    },
    /// Change how fast it goes.
    Pace(Pace),
    /// To the live end.
    Live,
    /// The page knows the point of a publish without a key, because the publish was its own.
    Published {
        group: GroupId,
        /// The message's number there.
        number: LogIndex,
        /// Its point on the ring.
        hash: Token,
    },
}

impl Playback {
    /// Makes the signals, provides them as a context, and connects the streams.
    pub fn provide() -> Playback {
        let set_view = RwSignal::new(Arc::new(View::default()));
        let set_calm = RwSignal::new(Arc::new(View::default()));
        let set_now_us = RwSignal::new(0);
        let set_clock = RwSignal::new(ClockState { playing: true, ..ClockState::default() });
        let set_feed = RwSignal::new(Arc::new(Vec::new()));
        let set_origin = RwSignal::new(Origin::default());
        let set_present = RwSignal::new(Arc::new(View::default()));
        let playback = Playback {
            view: set_view.read_only(),
            calm: set_calm.read_only(),
            now_us: set_now_us.read_only(),
            clock: set_clock.read_only(),
            feed: set_feed.read_only(),
            origin: set_origin.read_only(),
            present: set_present.read_only(),
            machine: StoredValue::new_local(None),
            controls: StoredValue::new(Vec::new()),
            painters: StoredValue::new_local(Vec::new()),
        };
        provide_context(playback);
        let machine = Rc::new(Machine {
            runtime: RefCell::default(),
            hidden_since_ms: Cell::new(None),
            set_view,
            set_calm,
            calm_ms: Cell::new(0.0),
            calm_due: Cell::new(false),
            feed_due: Cell::new(None),
            set_now_us,
            set_clock,
            set_feed,
            set_origin,
            set_present,
            present_of: Cell::new(None),
            present_ms: Cell::new(0.0),
        });
        #[cfg(feature = "fixture")]
        if let Some(name) = crate::fixture::asked() {
            machine.set_view.set(Arc::new(crate::fixture::view(&name)));
            machine.set_calm.set(Arc::new(crate::fixture::view(&name)));
            machine.set_now_us.set(crate::fixture::NOW_US);
            machine.set_feed.set(Arc::new(crate::fixture::feed(&name)));
            machine.set_clock.set(crate::fixture::clock());
            machine.set_origin.set(Origin::Supervisor);
            machine.set_present.set(Arc::new(crate::fixture::view(&name)));
            return playback;
        }
        playback.machine.set_value(Some(machine.clone()));
        connect(machine.clone());
        turn(playback, machine);
        playback
    }

    /// The page's playback; [`Playback::provide`] comes first.
    pub fn expect() -> Playback {
        expect_context()
    }

    /// Looks at the cluster as it is now, as far as the streams have told, whatever moment is shown.
    pub fn now<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        let machine = self.machine.get_value();
        match machine.as_ref().and_then(|machine| machine.runtime.try_borrow().ok()) {
            Some(runtime) => look(runtime.head()),
            None => self.present.with_untracked(|view| look(view)),
        }
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

impl Playback {
    /// Calls `painter` at every animation frame with what is shown. It decides itself whether there is
    /// anything to draw. It goes with the reactive owner that is current.
    pub fn paint(&self, painter: Painter) {
        let painters = self.painters;
        let id = painters.with_value(|list| list.last().map_or(0, |(id, _)| id + 1));
        painters.update_value(|list| list.push((id, painter)));
        on_cleanup(move || {
            painters.try_update_value(|list| list.retain(|(other, _)| *other != id));
        });
    }

    fn frame(&self, machine: &Machine) {
        let now_ms = now_ms();
        let controls = self.controls.try_update_value(std::mem::take).unwrap_or_default();
        let changes = machine.runtime.borrow_mut().frame(controls, now_ms);
        if let Some(view) = changes.view {
            machine.set_view.set(view);
            machine.calm_due.set(true);
        }
        let clock = changes.clock;
        if self.now_us.get_untracked() != clock.now_us {
            machine.set_now_us.set(clock.now_us);
        }
        let rounded = ClockState {
            now_us: clock.now_us / ROUNDED_US * ROUNDED_US,
            live_us: clock.live_us / ROUNDED_US * ROUNDED_US,
            start_us: clock.start_us / ROUNDED_US * ROUNDED_US,
            rate: two_digits(clock.rate),
            ..clock
        };
        if self.clock.get_untracked() != rounded {
            machine.set_clock.set(rounded);
        }
        if let Some(feed) = changes.feed {
            machine.feed_due.set(Some(feed));
        }
        if machine.present_of.get() != Some(changes.generation)
            && now_ms - machine.present_ms.get() >= CALM_MS
        {
            machine.present_of.set(Some(changes.generation));
            machine.present_ms.set(now_ms);
            let head = shared(machine.runtime.borrow().head());
            machine.set_present.set(head);
        }
        if clock.rate < CALM_RATE || now_ms - machine.calm_ms.get() >= CALM_MS {
            self.hand_out_calmly(machine, now_ms);
        }
        let painters = self.painters.try_with_value(Clone::clone).unwrap_or_default();
        let mut runtime = machine.runtime.borrow_mut();
        let painting = runtime.painting();
        for (_, painter) in &painters {
            painter(&painting);
        }
    }
}

impl Playback {
    fn hand_out_calmly(&self, machine: &Machine, now_ms: f64) {
        if machine.calm_due.take() {
            machine.calm_ms.set(now_ms);
            machine.set_calm.set(self.view.get_untracked());
        }
        if let Some(feed) = machine.feed_due.take() {
            machine.calm_ms.set(now_ms);
            machine.set_feed.set(feed);
        }
    }
}

impl Sink for Machine {
    fn frame(&self, source: &NodeName, frame: Frame) {
        let mut runtime = self.runtime.borrow_mut();
        runtime.handle_frame(source, frame, now_ms());
        if self.hidden_since_ms.get().is_some() {
            // No animation frames come: keep what waits small.
            runtime.ingest(now_ms());
        }
    }

    fn closed(&self, source: &NodeName) {
        self.runtime.borrow_mut().handle_closed(source);
    }

    fn cursor(&self, source: &NodeName) -> Option<(BootEpoch, Sequence)> {
        self.runtime.borrow().merge().cursor(source)
    }

    fn there(&self, source: &NodeName) -> bool {
        self.runtime.borrow().there(source)
    }

    fn left(&self, source: &NodeName) -> bool {
        self.runtime.borrow().left(source)
    }

    fn wants_snapshot(&self, source: &NodeName) -> bool {
        self.runtime.borrow().merge().wants_snapshot(source)
    }

    fn wanted(&self) -> bool {
        if !document().hidden() {
            self.hidden_since_ms.set(None);
            return true;
        }
        let since_ms = self.hidden_since_ms.get().unwrap_or_else(now_ms);
        self.hidden_since_ms.set(Some(since_ms));
        now_ms() - since_ms < HIDDEN_MS
    }
}

/// Asks who served the page and opens the streams.
fn connect(machine: Rc<Machine>) {
    let Some(place) = Place::here() else { return };
    let streams = Streams::new(place.clone(), machine.clone());
    spawn_local(async move {
        let asked = match Request::get(&place.url("/demo/nodes")).send().await {
            Ok(answer) if answer.ok() => answer.text().await.ok(),
            _ => None,
        };
        let asked = asked.and_then(|text| crate::request::answer::members(&text));
        machine.set_origin.set(if asked.is_some() { Origin::Supervisor } else { Origin::Node });
        streams.open_origin(asked.is_some());
        streams.open_members(&asked.unwrap_or_default());
    });
}

/// One animation frame after the other. A hidden page gets none from its browser.
fn turn(playback: Playback, machine: Rc<Machine>) {
    request_animation_frame(move || {
        playback.frame(&machine);
        turn(playback, machine);
    });
}

/// The reader's monotonic clock.
fn now_ms() -> f64 {
    window().performance().map(|clock| clock.now()).unwrap_or_default()
}

/// A rate changes a little at every frame; people read two digits of it.
fn two_digits(rate: f64) -> f64 {
    if rate <= 0.0 || !rate.is_finite() {
        return 0.0;
    }
    let digit = pow(10.0, log10(rate).floor() - 1.0);
    (rate / digit).round() * digit
}
