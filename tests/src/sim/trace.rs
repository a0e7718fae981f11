//! What happened, as a running hash (one seed, one hash) and, on demand, as text.

use std::fmt;

use super::runtime::{Sim, SyncCell};

/// Collects a run's events.
pub struct Trace {
    sim: Sim,
    state: SyncCell<State>,
    text: bool,
}

struct State {
    hash: u64,
    events: u64,
    lines: Vec<String>,
}

impl Trace {
    /// An empty trace; with `text` every event is also printed.
    pub fn new(sim: Sim, text: bool) -> Self {
        Trace {
            sim,
            state: SyncCell::new(State { hash: 0xcbf2_9ce4_8422_2325, events: 0, lines: Vec::new() }),
            text,
        }
    }

    /// Something happened: `bytes` stand for it in the hash, `words` in the text.
    pub fn event(&self, bytes: &[u8], words: fmt::Arguments<'_>) {
        let now = self.sim.now_ns();
        let mut state = self.state.borrow_mut();
        state.events += 1;
        for byte in now.to_le_bytes().iter().chain(bytes) {
            state.hash = (state.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.text {
            println!("{:>12.6} {words}", now as f64 / 1e9);
        }
    }

    /// Something rare happened; the last ones are shown when a run fails.
    pub fn note(&self, words: fmt::Arguments<'_>) {
        let line = words.to_string();
        self.event(line.as_bytes(), words);
        let now = self.sim.now_ns() as f64 / 1e9;
        self.state.borrow_mut().lines.push(format!("{now:>12.6} {line}"));
    }

    /// Hash and number of events so far.
    pub fn hash(&self) -> (u64, u64) {
        let state = self.state.borrow_mut();
        (state.hash, state.events)
    }

    /// The last notes.
    pub fn tail(&self, most: usize) -> Vec<String> {
        let state = self.state.borrow_mut();
        state.lines[state.lines.len().saturating_sub(most)..].to_vec()
    }
}
