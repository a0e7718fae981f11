//! One node's world in the simulation.

use std::sync::Arc;

use orrery_base::hlc::{Hlc, HlcClock};
use orrery_engine::host::Host;
use orrery_event::Fact;

use super::checks::Checks;
use super::disk::SimDisk;
use super::network::SimTransport;
use super::runtime::{Sim, SimRuntime, SyncCell, TaskGroup};

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

/// One boot of one node.
#[derive(Clone)]
pub struct SimHost(Arc<Inner>);

struct Inner {
    sim: Sim,
    node: TaskGroup,
    disk: SimDisk,
    transport: SimTransport,
    clocks: Arc<Clocks>,
    checks: Arc<Checks>,
    stopped: Stopped,
    /// Monotonic clocks of different boots have nothing to do with each other.
    monotonic_base_us: u64,
}

impl SimHost {
    /// The world of a boot; `stopped` hears why the node stopped itself.
    pub fn new(
        sim: Sim,
        node: TaskGroup,
        disk: SimDisk,
        transport: SimTransport,
        clocks: Arc<Clocks>,
        checks: Arc<Checks>,
        stopped: Stopped,
    ) -> Self {
        let monotonic_base_us = sim.rng(node).borrow_mut().range(0..1 << 40);
        SimHost(Arc::new(Inner { sim, node, disk, transport, clocks, checks, stopped, monotonic_base_us }))
    }
}

impl Host for SimHost {
    type Runtime = SimRuntime;
    type Disk = SimDisk;
    type Transport = SimTransport;

    fn disk(&self) -> &SimDisk {
        &self.0.disk
    }

    fn transport(&self) -> &SimTransport {
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
        self.0.checks.fact(self.0.node, &fact);
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
