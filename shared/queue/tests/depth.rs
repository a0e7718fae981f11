//! What depth costs: memory per waiting message, and the work of a command among many. One test, because the memory is
//! that of the whole process.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod world;

use std::time::{Duration, Instant};

use orrery_queue::*;
use world::{World, publish};

const FEW: u64 = 1_000;
const MANY: u64 = 1_000_000;
const ROUNDS: u32 = 2_000;

/// Resident memory of this process in bytes, as Linux counts it in pages.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = pages.lines().find(|line| line.starts_with("Rss:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

fn fill(world: &mut World, to: u64) {
    let message = [b'1'; 100];
    while world.stats("t").messages < to {
        for _ in 0..100 {
            world.apply(&publish("t", None, &message, 0));
        }
    }
}

/// The fastest of several runs of publish, consume and acknowledge, which leave the depth as it was.
fn cycles(world: &mut World) -> Duration {
    let message = [b'1'; 100];
    let run = |world: &mut World| {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            world.apply(&publish("t", None, &message, 0));
            let delivery = world.consume("t", "g", 1).remove(0);
            assert_eq!(
                world.ack("t", "g", delivery.number, Some(delivery.receipt)),
                SettleOutcome::Acknowledged
            );
        }
        start.elapsed()
    };
    (0..5).map(|_| run(world)).min().unwrap() / ROUNDS
}

#[test]
fn depth_costs_little_memory_and_hardly_any_time() {
    let mut world = World { unchecked: true, ..World::default() };
    world.create("t", "g", StartFrom::Earliest);
    fill(&mut world, FEW);
    let few = cycles(&mut world);
    let before = resident();
    fill(&mut world, MANY);
    let after = resident();
    let many = cycles(&mut world);
    println!("publish, consume, acknowledge: {few:?} at {FEW} waiting messages, {many:?} at {MANY}");
    // Far from what a scan would be; how far from equal is for the benchmark, on a quiet machine.
    assert!(many < few * 4, "{few:?} at {FEW} waiting messages, {many:?} at {MANY}");
    let start = Instant::now();
    let stats = world.stats("t");
    assert!(start.elapsed() < Duration::from_millis(20), "figures took {:?}", start.elapsed());
    assert_eq!((stats.messages, stats.ready), (MANY, MANY));
    if let (Some(before), Some(after)) = (before, after) {
        let each = (after - before) / (MANY - FEW);
        println!("a waiting message of 100 bytes takes {each} bytes of memory");
        assert!(each < 300, "a waiting message of 100 bytes takes {each} bytes of memory");
    }
}
