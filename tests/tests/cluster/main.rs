//! Real processes: five `orrery node`s that are killed, paused, restarted and wiped, and what must hold all the same;
//! and the demo's supervisor, whose nodes do not outlive it.
//!
//! The binary is `ORRERY_BIN`, otherwise `target/release/orrery`. Everything random comes from `ORRERY_SEED` (printed
//! by each run).
#![allow(clippy::unwrap_used)]

mod backup;
mod cache;
mod chaos;
mod client;
mod connections;
mod faults;
mod fold;
mod fold_queue;
mod history;
mod leave;
mod links;
mod queue;
mod restart;
mod retries;
mod rollback;
mod secrets;
mod supervisor;
mod wiped;

use tokio::sync::{Mutex, MutexGuard};

/// Five processes and their load are enough for one machine: the tests take turns.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// What a run's randomness comes from.
fn seed() -> u64 {
    let seed = match std::env::var("ORRERY_SEED") {
        Ok(text) => text.parse().expect("ORRERY_SEED is a number"),
        Err(_) => rand::random(),
    };
    eprintln!("ORRERY_SEED={seed}");
    seed
}

/// Half of all and one more.
fn majority(nodes: usize) -> usize {
    nodes / 2 + 1
}
