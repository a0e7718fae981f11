//! What an acquire that has to wait costs, with its search for deadlocks, beside more and more others who wait.
//!
//! `cargo bench -p orrery-engine --bench waits`: each row should have the same figures. Below it, how long showing locks holds a
//! worker: nothing may for longer than 10 ms.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::Instant;

use orrery_api::lock::{LockStatus, STATUS_LIMIT_MAX};
use orrery_lock::limits::{CLAIMS_MAX, CLAIMS_PER_CLIENT_MAX};
use orrery_lock::{After, Holder, LockCommand, Mode, TablePage, Wait, edges_of};
use orrery_machine::{Command, Machine, Mutation};

const ROUNDS: u64 = 2_000;

struct World {
    machine: Machine,
    index: u64,
}

impl World {
    fn apply(&mut self, command: LockCommand) {
        self.index += 1;
        black_box(self.machine.apply(self.index, &Command { key: None, mutation: Mutation::Lock(command) }));
    }

    fn acquire(&mut self, resource: &str, client: &str) {
        self.apply(LockCommand::Acquire {
            resource: resource.into(),
            holder: Holder { client: client.into(), session: None },
            mode: Mode::Exclusive,
            ttl_ms: 1_000_000,
            wait: Wait::LongPoll { deadline_ms: 1_000_000 },
        });
    }

    fn cancel(&mut self, resource: &str, client: &str) {
        let holder = Holder { client: client.into(), session: None };
        self.apply(LockCommand::Cancel { resource: resource.into(), holder, wait: None });
    }

    /// Microseconds of an acquire that waits, and of the cancel of its wait.
    fn measure(&mut self, resource: &str, client: &str) -> f64 {
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            self.acquire(resource, client);
            self.cancel(resource, client);
        }
        begun.elapsed().as_secs_f64() * 1e6 / ROUNDS as f64
    }
}

fn main() {
    println!("others   elsewhere us   one queue us   held by the asker us   a chain us");
    for others in [1_u64, 10, 100, 1_000] {
        let mut world = World { machine: Machine::default(), index: 0 };
        for resource in ["free", "crowded", "wanted", "other"] {
            world.acquire(resource, &["holder-of-", resource].concat());
        }
        world.acquire("mine", "asker");
        for other in 0..others {
            let name = format!("other{other}");
            // Each of them waits somewhere else, too.
            world.acquire(&format!("own{other}"), &name);
            world.acquire("crowded", &name);
            world.acquire(&format!("own{other}"), &format!("behind{other}"));
            world.acquire("mine", &format!("wants{other}"));
            world.acquire(&format!("chain{other}"), &format!("link{other}"));
            world.acquire(&format!("chain{}", other - u64::from(other > 0)), &format!("link{other}"));
        }
        let elsewhere = world.measure("free", "newcomer");
        let one_queue = world.measure("crowded", "newcomer");
        let wanted = world.measure("crowded", "asker");
        let chain = world.measure(&format!("chain{}", others - 1), "newcomer");
        println!("{others:6}   {elsewhere:12.2}   {one_queue:12.2}   {wanted:20.2}   {chain:10.2}");
    }
    show_holds();
}

/// Milliseconds of the slowest of a hundred, and how many bytes came out.
fn slowest(mut show: impl FnMut() -> usize) -> (f64, usize) {
    let run = |_| {
        let begun = Instant::now();
        let bytes = black_box(show());
        (begun.elapsed().as_secs_f64() * 1e3, bytes)
    };
    (0..100).map(run).fold((0.0, 0), |most, now| if now.0 > most.0 { now } else { most })
}

/// What `GET /lock/status` does with its worker, the read-index round left out.
fn status(machine: &Machine, resource: Option<&str>, limit: usize) -> usize {
    let fork = machine.clone();
    let TablePage { table, next, next_session } =
        fork.locks().page(Some(1), resource, After::default(), limit);
    let edges = edges_of(&table);
    let status = LockStatus { now_ms: table.clock_ms, table, edges, next, next_session };
    serde_json::to_vec(&status).map_or(0, |text| text.len())
}

fn show_holds() {
    let mut crowd = World { machine: Machine::default(), index: 0 };
    for waiter in 0..1_024 {
        crowd.acquire("printer", &format!("waiter{waiter}"));
    }
    let mut full = World { machine: Machine::default(), index: 0 };
    for n in 0..CLAIMS_MAX {
        full.acquire(&format!("resource{n}"), &format!("client{}", n / CLAIMS_PER_CLIENT_MAX));
    }
    println!("what is shown                                slowest of 100, ms   bytes");
    let row = |what: &str, (ms, bytes): (f64, usize)| println!("{what:44} {ms:18.2}   {bytes}");
    row("status of one with 1,023 waiters", slowest(|| status(&crowd.machine, Some("printer"), 1)));
    for limit in [100, STATUS_LIMIT_MAX] {
        row(&format!("a page of {limit} of 100,000 locks"), slowest(|| status(&full.machine, None, limit)));
    }
    row(
        "the lock table of a stream, 100,000 locks",
        slowest(|| serde_json::to_vec(&full.machine.locks().shown(Some(1))).map_or(0, |text| text.len())),
    );
    row("a fork, 100,000 locks", slowest(|| usize::from(full.machine.clone().leases_run())));
}
