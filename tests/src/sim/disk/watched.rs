//! A disk of which the checks hear, and that may answer too early.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use openraft::rt::{Oneshot, OneshotSender};
use orrery_base::ids::{GroupId, LogIndex};
use orrery_engine::host::{Disk, Done, Recovered, Write};
use orrery_sim::disk::{SimDisk, SimSnapshot};
use orrery_sim::runtime::{Sim, SimOneshot, TaskGroup};

use super::machine::Storage;
use crate::sim::bugs::Bugs;

/// Who looks at what is submitted and at what is durable: the checks.
pub trait DiskWatch: Send + Sync {
    /// The node asked for these writes.
    fn submitted(&self, node: TaskGroup, writes: &[Write]);
    /// These writes would survive a crash now.
    fn durable(&self, node: TaskGroup, writes: &[Write]);
}

/// One boot's view of its machine's disk.
#[derive(Clone)]
pub struct WatchedDisk {
    disk: SimDisk<Storage>,
    sim: Sim,
    node: TaskGroup,
    bugs: Bugs,
    watch: Arc<dyn DiskWatch>,
}

impl WatchedDisk {
    /// What the watch hears of durable writes comes from [`Storage`].
    pub fn new(
        disk: SimDisk<Storage>,
        sim: Sim,
        node: TaskGroup,
        bugs: Bugs,
        watch: Arc<dyn DiskWatch>,
    ) -> Self {
        WatchedDisk { disk, sim, node, bugs, watch }
    }
}

impl Disk for WatchedDisk {
    type SnapshotFile = SimSnapshot<Storage>;

    fn submit(&self, writes: Vec<Write>, done: Done) {
        self.watch.submitted(self.node, &writes);
        let done = if self.bugs.acknowledges_early(&writes) {
            let (sender, early) = SimOneshot::channel();
            self.sim.spawn_in(self.node, async move {
                let _ = early.await;
                done(Ok(()));
            });
            let _ = sender.send(());
            Box::new(|_| ()) as Done
        } else {
            done
        };
        self.disk.submit(writes, done);
    }

    fn recover(&self, group: GroupId) -> io::Result<Recovered> {
        self.disk.recover(group)
    }

    fn entries(&self, group: GroupId, range: Range<LogIndex>) -> io::Result<Vec<(LogIndex, Bytes)>> {
        self.disk.entries(group, range)
    }

    fn node_value(&self, key: &'static str) -> io::Result<Option<Bytes>> {
        self.disk.node_value(key)
    }

    async fn create_snapshot(&self, group: GroupId, name: &str) -> io::Result<SimSnapshot<Storage>> {
        self.disk.create_snapshot(group, name).await
    }

    fn read_snapshot(
        &self,
        group: GroupId,
        name: &str,
    ) -> impl Future<Output = io::Result<Vec<Bytes>>> + Send {
        self.disk.read_snapshot(group, name)
    }

    fn prune_snapshots(&self, group: GroupId, keep: Option<&str>) {
        self.disk.prune_snapshots(group, keep);
    }
}
