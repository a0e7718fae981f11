//! What an acquire that has to wait costs, with its search for deadlocks, beside more and more others who wait.
//!
//! `cargo bench -p orrery-shared --bench waits`: each row should have the same figures.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use orrery_shared::lock::{Holder, LockCommand, Mode, Wait};
use orrery_shared::machine::{Command, Machine, Operation};

const ROUNDS: u64 = 2_000;

struct World {
    machine: Machine,
    index: u64,
}

impl World {
    fn apply(&mut self, command: LockCommand) {
        self.index += 1;
        black_box(
            self.machine.apply(self.index, &Command { key: None, operation: Operation::Lock(command) }),
        );
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
}
