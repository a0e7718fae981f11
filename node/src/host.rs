//! The native world of an engine: tokio, a disk, sockets, real clocks.

use std::any::Any;
use std::sync::Arc;

use openraft_rt_tokio::TokioRuntime;
use orrery_base::hlc::Hlc;
use orrery_base::ids::NodeName;
use orrery_engine::host::{Host, Measured};
use orrery_event::Fact;
use orrery_event::stream::HeartbeatLeg;

use crate::clock;
use crate::events::Recorder;
use crate::faults::FaultyTransport;
use crate::metrics::Metrics;
use crate::storage::NativeDisk;
use crate::transport::Links;

/// Exit code of a node that must not go on (`EX_SOFTWARE` of sysexits.h).
const FAIL_STOP_CODE: i32 = 70;

/// Exit code of a node that left the cluster. Not 0, which is that of a node that was told to end and may come back:
/// whoever watches the process can tell them apart.
pub const LEFT_CODE: i32 = 3;

/// What a dismissed node has to be told.
pub const TO_JOIN_AGAIN: &str = "To join again it needs a new data folder (--data); look at `GET /cluster` of other nodes first, and keep \
     this folder until you know that it is not needed";

/// One node's world. Cheap to clone.
#[derive(Clone)]
pub struct NodeHost {
    world: Arc<World>,
}

struct World {
    disk: NativeDisk,
    transport: FaultyTransport<Links>,
    recorder: Recorder,
    metrics: Arc<Metrics>,
}

impl NodeHost {
    pub fn new(
        disk: NativeDisk,
        transport: FaultyTransport<Links>,
        recorder: Recorder,
        metrics: Arc<Metrics>,
    ) -> NodeHost {
        NodeHost { world: Arc::new(World { disk, transport, recorder, metrics }) }
    }
}

/// Ends the process: a write or sync failed, or state is not what it must be. Nothing is answered after this.
pub fn fail_stop(why: &str) -> ! {
    // Straight to the standard error output: a logger that is filtered or broken must not hide this.
    eprintln!("orrery stops, because going on could lose or falsify data: {why}");
    std::process::exit(FAIL_STOP_CODE)
}

/// Ends the process of a node that is no member any more. Everything that it had is elsewhere.
fn leave(why: &str) -> ! {
    eprintln!("orrery ends, because it left the cluster: {why}. {TO_JOIN_AGAIN}.");
    std::process::exit(LEFT_CODE)
}

impl Host for NodeHost {
    type Runtime = TokioRuntime;
    type Disk = NativeDisk;
    type Transport = FaultyTransport<Links>;

    fn disk(&self) -> &NativeDisk {
        &self.world.disk
    }

    fn transport(&self) -> &FaultyTransport<Links> {
        &self.world.transport
    }

    fn monotonic_us(&self) -> u64 {
        clock::monotonic_us()
    }

    fn wall_us(&self) -> u64 {
        clock::wall_us()
    }

    fn random(&self) -> u64 {
        rand::random()
    }

    fn emit(&self, fact: Fact) {
        self.world.recorder.emit(fact);
    }

    fn measure(&self, what: Measured) {
        self.world.metrics.measure(what);
    }

    fn records(&self) -> bool {
        self.world.recorder.records()
    }

    fn heartbeat(&self, peer: &NodeName, leg: HeartbeatLeg) {
        self.world.recorder.heartbeat(peer, leg);
    }

    fn stamp(&self) -> Hlc {
        self.world.recorder.stamp()
    }

    fn witness(&self, remote: Hlc) {
        self.world.recorder.witness(remote);
    }

    fn discard(&self, large: Box<dyn Any + Send>) {
        drop(tokio::task::spawn_blocking(move || drop(large)));
    }

    fn fail_stop(&self, why: &str) {
        fail_stop(why)
    }

    fn dismissed(&self, why: &str) {
        leave(why)
    }
}
