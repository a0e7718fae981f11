//! The lock table in parts: no answer grows with the table, nor with the square of a queue.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use orrery_api::lock::STATUS_LIMIT_MAX;
use orrery_lock::{After, Holder, LockCommand, Mode, SessionCommand, Wait, edges_of};
use orrery_machine::{Command, Machine, Mutation};

#[derive(Default)]
struct World {
    machine: Machine,
    index: u64,
}

impl World {
    fn apply(&mut self, mutation: Mutation) {
        self.index += 1;
        self.machine.apply(self.index, &Command { key: None, mutation });
    }

    fn acquire(&mut self, resource: &str, client: &str, mode: Mode) {
        self.apply(Mutation::Lock(LockCommand::Acquire {
            resource: resource.into(),
            holder: Holder { client: client.into(), session: None },
            mode,
            ttl_ms: 60_000,
            wait: Wait::Queue { deadline_ms: 60_000 },
        }));
    }
}

#[test]
fn edges_grow_with_the_waiters_and_not_with_their_square() {
    let queue = |holders: usize, shared: usize| {
        let mut world = World::default();
        for holder in 0..holders {
            let mode = if holders == 1 { Mode::Exclusive } else { Mode::Shared };
            world.acquire("printer", &format!("holder{holder}"), mode);
        }
        for waiter in 0..1_024 - holders {
            let mode = if waiter % 40 < shared && waiter > 0 { Mode::Shared } else { Mode::Exclusive };
            world.acquire("printer", &format!("waiter{waiter}"), mode);
        }
        let table = world.machine.locks().view(None, None);
        assert_eq!(table.resources[0].waiters.len(), 1_024 - holders);
        (edges_of(&table).len(), serde_json::to_vec(&edges_of(&table)).unwrap().len())
    };
    for (holders, shared) in [(1, 0), (1, 20), (1, 39), (512, 0), (512, 39), (24, 0)] {
        let (edges, bytes) = queue(holders, shared);
        assert!(edges <= 6 * 1_024 && bytes < 1 << 20, "{holders} {shared}: {edges} edges, {bytes} bytes");
    }
}

#[test]
fn pages_have_everything_once_and_are_bounded() {
    let mut world = World::default();
    for resource in 0..700 {
        for client in 0..resource % 7 + 1 {
            world.acquire(&format!("r{resource:04}"), &format!("client{client}"), Mode::Exclusive);
        }
    }
    for client in 0..250 {
        let client = format!("client{client}").into();
        world.apply(Mutation::Session(SessionCommand::Open { client, ttl_ms: 60_000 }));
    }
    let whole = world.machine.locks().view(Some(7), None);
    for limit in [1, 6, 100, STATUS_LIMIT_MAX] {
        let (mut resources, mut sessions, mut pages) = (Vec::new(), Vec::new(), 0);
        let mut after = (None, None);
        loop {
            let from = After { resource: after.0.as_deref(), session: None };
            let page = world.machine.locks().page(Some(7), None, from, limit);
            let claims: usize =
                page.table.resources.iter().map(|at| at.holders.len() + at.waiters.len()).sum();
            assert!(claims < limit + 7 && page.table.sessions.len() <= limit, "{claims}");
            assert_eq!((page.table.applied, page.table.clock_ms), (whole.applied, whole.clock_ms));
            resources.extend(page.table.resources);
            if pages == 0 {
                sessions.extend(page.table.sessions);
                after.1 = page.next_session;
            } else {
                assert!(page.table.sessions.is_empty(), "sessions are listed with the first page only");
            }
            pages += 1;
            let Some(next) = page.next else { break };
            after.0 = Some(next.to_string());
        }
        while let Some(last) = after.1 {
            let from = After { resource: None, session: Some(last) };
            let page = world.machine.locks().page(None, None, from, limit);
            assert!(page.table.resources.is_empty() && page.table.sessions.len() <= limit);
            sessions.extend(page.table.sessions);
            after.1 = page.next_session;
        }
        assert_eq!(resources, whole.resources, "limit {limit}");
        assert_eq!(sessions, whole.sessions, "limit {limit}");
        let names: BTreeSet<_> = resources.iter().map(|at| &at.resource).collect();
        assert_eq!(names.len(), resources.len());
    }
    let one = world.machine.locks().page(None, Some("r0006"), After::default(), 1);
    assert_eq!(one.table.resources.len(), 1);
    assert_eq!(one.table.resources[0].waiters.len(), 6, "a resource is whole");
}
