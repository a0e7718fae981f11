//! One node's world in the simulation.

pub mod network;

use std::sync::Arc;

use orrery_base::hlc::{Hlc, HlcClock};
use orrery_engine::host::{Disk, Host};
use orrery_event::Fact;

use self::network::SimTransport;
use crate::runtime::{Sim, SimRuntime, SyncCell, TaskGroup};

/// Wall time at the beginning of every simulation, microseconds since the Unix epoch.
pub const WALL_US: u64 = 1_767_225_600_000_000;

/// A node's clocks, which survive its crashes.
#[derive(Default)]
pub struct Clocks {
    /// How far its wall clock is off, microseconds.
    pub offset_us: SyncCell<i64>,
    /// The last stamp of any boot.
    hlc: SyncCell<HlcClock>,
}

/// Hears why a node stopped itself, or (`true`) why it takes part in nothing any more.
pub type Stopped = Arc<dyn Fn(&str, bool) + Send + Sync>;

/// Hears the facts of all nodes, in the order in which they happen.
pub trait Observer: Send + Sync {
    fn fact(&self, node: TaskGroup, fact: &Fact);
}

/// One boot of one node.
pub struct SimHost<D: Disk>(Arc<Inner<D>>);

impl<D: Disk> Clone for SimHost<D> {
    fn clone(&self) -> Self {
        SimHost(self.0.clone())
    }
}

struct Inner<D: Disk> {
    sim: Sim,
    node: TaskGroup,
    disk: D,
    transport: SimTransport<D>,
    clocks: Arc<Clocks>,
    observer: Arc<dyn Observer>,
    stopped: Stopped,
    /// Monotonic clocks of different boots have nothing to do with each other.
    monotonic_base_us: u64,
}

impl<D: Disk> SimHost<D> {
    /// The world of a boot; `stopped` hears why the node stopped itself.
    pub fn new(
        sim: Sim,
        node: TaskGroup,
        disk: D,
        transport: SimTransport<D>,
        clocks: Arc<Clocks>,
        observer: Arc<dyn Observer>,
        stopped: Stopped,
    ) -> Self {
        let monotonic_base_us = sim.rng(node).borrow_mut().range(0..1 << 40);
        SimHost(Arc::new(Inner { sim, node, disk, transport, clocks, observer, stopped, monotonic_base_us }))
    }
}

impl<D: Disk> Host for SimHost<D> {
    type Runtime = SimRuntime;
    type Disk = D;
    type Transport = SimTransport<D>;

    fn disk(&self) -> &D {
        &self.0.disk
    }

    fn transport(&self) -> &SimTransport<D> {
        &self.0.transport
    }

    fn monotonic_us(&self) -> u64 {
        self.0.monotonic_base_us + self.0.sim.now_us()
    }

    fn wall_us(&self) -> u64 {
        (WALL_US + self.0.sim.now_us()).saturating_add_signed(self.0.clocks.offset_us.get())
    }

    fn random(&self) -> u64 {
        self.0.sim.rng(self.0.node).borrow_mut().bits()
    }

    fn emit(&self, fact: Fact) {
        self.0.observer.fact(self.0.node, &fact);
    }

    fn stamp(&self) -> Hlc {
        let wall_us = self.wall_us();
        self.0.clocks.hlc.borrow_mut().tick(wall_us)
    }

    fn witness(&self, remote: Hlc) {
        let wall_us = self.wall_us();
        self.0.clocks.hlc.borrow_mut().receive(wall_us, remote);
    }

    fn fail_stop(&self, why: &str) {
        (self.0.stopped)(why, false);
    }

    fn halted(&self, why: &str) {
        (self.0.stopped)(why, true);
    }
}
