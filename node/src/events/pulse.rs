//! Single heartbeats, for readers that ask for each: written at most once per codec, and kept by nobody.

use std::sync::{Arc, OnceLock};

use orrery_event::stream::{Frame, Heartbeat};
use tokio::sync::broadcast;

use super::ring::{Codec, Encoded};

/// How many wait for a reader that is slow; then it misses the oldest, and sees that by their numbers.
const PULSES_MAX: usize = 256;

/// One heartbeat as it is sent.
pub(super) struct Pulse {
    frame: Frame,
    json: OnceLock<Encoded>,
    postcard: OnceLock<Encoded>,
}

impl Pulse {
    pub fn new(heartbeat: Heartbeat) -> Arc<Pulse> {
        Arc::new(Pulse {
            frame: Frame::Heartbeat(heartbeat),
            json: OnceLock::new(),
            postcard: OnceLock::new(),
        })
    }

    /// Written by the first reader that asks.
    pub fn encoded(&self, codec: Codec) -> Encoded {
        let once = match codec {
            Codec::Json => &self.json,
            Codec::Postcard => &self.postcard,
        };
        once.get_or_init(|| Encoded::of(codec, &self.frame)).clone()
    }
}

/// From the recorder to the readers that asked.
pub(super) type Pulses = broadcast::Sender<Arc<Pulse>>;

pub(super) fn pulses() -> Pulses {
    broadcast::Sender::new(PULSES_MAX)
}
