//! The processes of a cluster's nodes: started, crashed, paused, resumed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orrery_engine::host::Disk;
use orrery_engine::{Engine, EngineConfig, Local, StartError};

use crate::host::SimHost;
use crate::host::network::Network;
use crate::runtime::{Sim, SplitMix, SyncCell, TaskGroup, WORLD};
use crate::trace::Trace;

/// Who runs, and since which boot.
pub struct Nodes<D: Disk> {
    sim: Sim,
    trace: Arc<Trace>,
    network: Network<D>,
    processes: BTreeMap<TaskGroup, Process>,
    paused: SyncCell<BTreeSet<TaskGroup>>,
}

#[derive(Default)]
struct Process {
    /// Number of its last boot; 0 before the first one.
    boot: SyncCell<u32>,
    up: SyncCell<bool>,
}

impl<D: Disk> Nodes<D> {
    /// Nodes that were never started.
    pub fn new(
        sim: Sim,
        trace: Arc<Trace>,
        network: Network<D>,
        ids: impl Iterator<Item = TaskGroup>,
    ) -> Self {
        let processes = ids.map(|id| (id, Process::default())).collect();
        Nodes { sim, trace, network, processes, paused: SyncCell::default() }
    }

    /// All of them, up or not.
    pub fn ids(&self) -> impl Iterator<Item = TaskGroup> + '_ {
        self.processes.keys().copied()
    }

    /// Whether a node's process is there.
    pub fn is_up(&self, id: TaskGroup) -> bool {
        self.processes[&id].up.get()
    }

    /// Nodes that run and do not stand still.
    pub fn working(&self) -> Vec<TaskGroup> {
        let paused = self.paused.borrow_mut();
        self.ids().filter(|id| self.is_up(*id) && !paused.contains(id)).collect()
    }

    /// A node's process begins: the number of its boot. None where it runs.
    pub fn begin(&self, id: TaskGroup) -> Option<u32> {
        let process = &self.processes[&id];
        if process.up.replace(true) {
            return None;
        }
        let boot = process.boot.get() + 1;
        process.boot.set(boot);
        self.trace.note(format_args!("START node{id}, boot {boot}"));
        Some(boot)
    }

    /// Starts the engine of a boot, and lets it be heard. A crash in the meantime is no error.
    pub async fn run(
        &self,
        id: TaskGroup,
        host: SimHost<D>,
        config: EngineConfig,
        local: Local,
    ) -> Result<(), StartError> {
        let boot = local.boot;
        let started = self.sim.spawn_in(id, async move { Engine::start(host, config, local).await });
        let process = &self.processes[&id];
        match started.await {
            // It crashed meanwhile.
            Err(_) => Ok(()),
            Ok(_) if process.boot.get() != boot || !process.up.get() => Ok(()),
            Ok(Ok(engine)) => {
                self.network.listen(id, engine);
                Ok(())
            }
            Ok(Err(error)) => Err(error),
        }
    }

    /// A node's machine stops: its tasks are gone, and its medium forgets. False where it did not run.
    pub fn crash(&self, id: TaskGroup, forget: impl FnOnce(&mut SplitMix)) -> bool {
        if !self.processes[&id].up.replace(false) {
            return false;
        }
        self.trace.note(format_args!("CRASH node{id}"));
        let engine = self.network.hang_up(id);
        self.sim.kill(id);
        self.paused.borrow_mut().remove(&id);
        forget(&mut self.sim.rng(WORLD).borrow_mut());
        drop(engine);
        true
    }

    /// A node's tasks stand still, its clocks go on.
    pub fn pause(&self, id: TaskGroup) {
        if self.is_up(id) && self.paused.borrow_mut().insert(id) {
            self.trace.note(format_args!("PAUSE node{id}"));
            self.sim.pause(id);
        }
    }

    /// A paused node goes on.
    pub fn resume(&self, id: TaskGroup) {
        if self.paused.borrow_mut().remove(&id) {
            self.trace.note(format_args!("RESUME node{id}"));
            self.sim.resume(id);
        }
    }

    /// The end of the world: everything is dropped.
    pub fn end(&self) {
        let engines: Vec<_> = self.ids().map(|id| self.network.hang_up(id)).collect();
        self.sim.shutdown();
        drop(engines);
    }
}
