//! What happened, as a running hash (one seed, one hash) and, on demand, as text.

use std::fmt;

use crate::runtime::{Sim, SyncCell};

/// Takes every event as a line of text.
pub type Printer = fn(&str);

/// Collects a run's events.
pub struct Trace {
    sim: Sim,
    state: SyncCell<State>,
    printer: Option<Printer>,
}

struct State {
    hash: u64,
    events: u64,
    lines: Vec<String>,
}

impl Trace {
    /// An empty trace; a printer gets every event as text.
    pub fn new(sim: Sim, printer: Option<Printer>) -> Self {
        Trace {
            sim,
            state: SyncCell::new(State { hash: 0xcbf2_9ce4_8422_2325, events: 0, lines: Vec::new() }),
            printer,
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
        if let Some(print) = self.printer {
            print(&format!("{:>12.6} {words}", now as f64 / 1e9));
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
