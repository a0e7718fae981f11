//! What must hold after every step. The first violation ends the run.

mod caches;
mod clients;
mod consensus;
mod folded;
mod queues;
mod registers;
mod service;

use std::collections::BTreeMap;
use std::sync::Arc;

use orrery_base::ids::{GroupId, LogIndex};
use orrery_cache::Address;
use orrery_engine::Engine;
use orrery_engine::host::Write;
use orrery_event::Fact;
use orrery_sim::host::Observer;

pub use caches::{Applied, Caches, Copy, address};
pub use clients::{Belief, Clients, Outcome};
pub use consensus::Found;
pub use queues::{Queues, Value};
pub use registers::Registers;

use super::disk::DiskWatch;
use super::{Network, SimHost};
use consensus::Consensus;
use folded::Folded;
use orrery_sim::runtime::{SyncCell, TaskGroup};
use orrery_sim::trace::Trace;
use service::Service;

/// Every n-th applied index is compared including what the lock table does not show.
const DIGEST_EVERY: LogIndex = 8;

/// FNV-1a, going on from `hash`.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// All checks of one run.
pub struct Checks {
    trace: Arc<Trace>,
    consensus: SyncCell<Consensus>,
    service: SyncCell<Service>,
    clients: SyncCell<Clients>,
    registers: SyncCell<Registers>,
    queues: SyncCell<Queues>,
    caches: SyncCell<Caches>,
    folded: SyncCell<Folded>,
    /// Something happened to a copy or to what is committed since the last look at all copies.
    stirred: SyncCell<bool>,
    /// Nodes that applied something since the last look at their states, and in which group.
    applied: SyncCell<Vec<(TaskGroup, GroupId)>>,
    failure: SyncCell<Option<String>>,
    /// States are not compared here: the replicas have to find it.
    blind: bool,
}

impl Checks {
    /// Nothing happened yet. Where they are `blind`, states that differ are not their business.
    pub fn new(trace: Arc<Trace>, blind: bool) -> Arc<Self> {
        Arc::new(Checks {
            trace,
            consensus: SyncCell::default(),
            service: SyncCell::default(),
            clients: SyncCell::default(),
            registers: SyncCell::default(),
            queues: SyncCell::default(),
            caches: SyncCell::default(),
            folded: SyncCell::default(),
            stirred: SyncCell::new(false),
            applied: SyncCell::default(),
            failure: SyncCell::new(None),
            blind,
        })
    }

    /// A violation. Only the first one counts.
    pub fn fail(&self, what: String) {
        let mut failure = self.failure.borrow_mut();
        if failure.is_none() {
            self.trace.note(format_args!("VIOLATION: {what}"));
            *failure = Some(what);
        }
    }

    /// The first violation.
    pub fn failure(&self) -> Option<String> {
        self.failure.borrow_mut().clone()
    }

    fn verdict(&self, verdict: Result<(), String>) {
        if let Err(what) = verdict {
            self.fail(what);
        }
    }

    /// A node booted and found this on its disk.
    pub fn booted(&self, node: TaskGroup, found: Vec<Found>) {
        self.folded.borrow_mut().booted(node);
        let verdict = self.consensus.borrow_mut().booted(node, found);
        self.verdict(verdict);
    }

    /// A node's folder is replaced by another one.
    pub fn disk_lost(&self, node: TaskGroup) {
        self.consensus.borrow_mut().disk_lost(node);
    }

    /// A node's folder is empty: whoever it is from now on, it is somebody else.
    pub fn emptied(&self, node: TaskGroup) {
        self.consensus.borrow_mut().emptied(node);
    }

    /// Called after every poll of a node's task: compares what was applied meanwhile.
    pub fn after_poll(&self, network: &Network) {
        for (node, group) in self.applied.take() {
            let Some(engine) = network.engine(node) else { continue };
            if self.blind {
                continue;
            }
            if group == GroupId::CONTROL {
                let table = engine.lock_table();
                let verdict = self.service.borrow_mut().table(node, &table);
                self.verdict(verdict);
            }
            self.digest(node, group, &engine);
        }
        if self.stirred.replace(false) && self.caches.borrow_mut().is_used() {
            self.copies(network);
        }
    }

    /// Compares all copies that anybody could read at this moment.
    fn copies(&self, network: &Network) {
        let mut copies: BTreeMap<Address, Vec<Copy>> = BTreeMap::new();
        let mut applied = Applied::new();
        for (node, engine) in network.engines() {
            for (address, state, version, value) in engine.cache().readable_copies() {
                let value = value.map(|value| String::from_utf8_lossy(&value).into_owned());
                copies.entry(address).or_default().push(Copy { node, state, version, value });
            }
        }
        for (_, engine) in network.engines() {
            let changes = copies.keys().map(|address| (address, engine.cache().last_change(address)));
            for (address, change) in changes {
                let last = applied.entry(address.clone()).or_default();
                *last = change.unwrap_or_default().max(*last);
            }
        }
        let verdict = self.caches.borrow_mut().copies(&copies, &applied);
        self.verdict(verdict);
    }

    /// The state as a whole: consistent in itself, and the same as on other nodes.
    fn digest(&self, node: TaskGroup, group: GroupId, engine: &Engine<SimHost>) {
        let Some((machine, Some(index))) = engine.applied_state(group) else { return };
        machine.check_after(index);
        if index % DIGEST_EVERY == 0 {
            let digest = machine.encode().iter().fold(0, |digest, chunk| fnv(digest, chunk));
            let verdict = self.service.borrow_mut().digest(node, group, index, digest);
            self.verdict(verdict);
        }
    }

    /// The highest index of a group that any node called committed.
    pub fn committed(&self, group: GroupId) -> Option<LogIndex> {
        self.consensus.borrow_mut().highest_committed(group)
    }

    /// How many entries were committed, in the control group and in all shards.
    pub fn committed_entries(&self) -> (u64, u64) {
        self.consensus.borrow_mut().committed_entries()
    }

    pub fn clients<T>(&self, look: impl FnOnce(&mut Clients) -> Result<T, String>) -> Option<T> {
        let result = look(&mut self.clients.borrow_mut());
        self.looked(result)
    }

    /// What clients of the shards saw.
    pub fn registers<T>(&self, look: impl FnOnce(&mut Registers) -> Result<T, String>) -> Option<T> {
        let result = look(&mut self.registers.borrow_mut());
        self.looked(result)
    }

    /// What clients of the queue service saw.
    pub fn queues<T>(&self, look: impl FnOnce(&mut Queues) -> Result<T, String>) -> Option<T> {
        let result = look(&mut self.queues.borrow_mut());
        self.looked(result)
    }

    /// What clients of the cache saw.
    pub fn caches<T>(&self, look: impl FnOnce(&mut Caches) -> Result<T, String>) -> Option<T> {
        let result = look(&mut self.caches.borrow_mut());
        self.looked(result)
    }

    fn looked<T>(&self, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(what) => {
                self.fail(what);
                None
            }
        }
    }
}

impl Observer for Checks {
    fn fact(&self, node: TaskGroup, fact: &Fact) {
        let bytes = postcard::to_stdvec(fact).expect("facts are plain values");
        self.trace.event(&bytes, format_args!("node{node} {fact:?}"));
        match fact {
            Fact::Applied { group, .. } => {
                self.applied.borrow_mut().push((node, *group));
                self.stirred.set(true);
            }
            Fact::CacheLine { fact, .. } => {
                self.caches.borrow_mut().line(fact);
                self.stirred.set(true);
            }
            Fact::Service { group, index, n, fact, .. } if !self.blind => {
                let verdict = self.service.borrow_mut().fact(*group, *index, *n, fact);
                self.verdict(verdict);
            }
            _ => {}
        }
        self.folded.borrow_mut().fact(node, fact);
        let verdict = self.consensus.borrow_mut().fact(node, fact);
        self.verdict(verdict);
    }
}

impl DiskWatch for Checks {
    fn submitted(&self, node: TaskGroup, writes: &[Write]) {
        let verdict = self.consensus.borrow_mut().submitted(node, writes);
        self.verdict(verdict);
    }

    fn durable(&self, node: TaskGroup, writes: &[Write]) {
        self.consensus.borrow_mut().durable(node, writes);
    }
}
