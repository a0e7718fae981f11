//! The disk of one boot: batches, and the time that their syncs take.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::rt::{AsyncRuntime, Oneshot, OneshotSender};
use orrery_base::ids::{GroupId, LogIndex};
use orrery_engine::group_commit::{Batcher, HINT_DELAY_MAX, Submission};
use orrery_engine::host::{Disk, Done, Recovered, SnapshotFile, Write};

use super::store::Store;
use crate::faults::DiskFaults;
use crate::runtime::{Sim, SimOneshot, SimRuntime, SyncCell, TaskGroup};

/// One boot's view of its machine's disk.
pub struct SimDisk<S: Store>(Arc<Inner<S>>);

impl<S: Store> Clone for SimDisk<S> {
    fn clone(&self) -> Self {
        SimDisk(self.0.clone())
    }
}

struct Inner<S: Store> {
    store: S,
    sim: Sim,
    node: TaskGroup,
    faults: DiskFaults,
    queue: SyncCell<Batcher>,
    /// Wakes the disk's task.
    wake: SyncCell<Option<<SimOneshot as Oneshot>::Sender<()>>>,
}

impl<S: Store> SimDisk<S> {
    /// The disk of a boot on what it opened; the disk's task belongs to the node's group.
    pub fn new(sim: &Sim, store: S, node: TaskGroup, faults: DiskFaults) -> SimDisk<S> {
        let disk = SimDisk(Arc::new(Inner {
            store,
            sim: sim.clone(),
            node,
            faults,
            queue: SyncCell::default(),
            wake: SyncCell::new(None),
        }));
        let task = disk.clone();
        sim.spawn_in(node, async move { task.run().await });
        disk
    }

    /// The storage thread's part: one batch after the other.
    async fn run(&self) {
        loop {
            let (urgent, empty) = {
                let queue = self.0.queue.borrow_mut();
                (queue.is_urgent(), queue.is_empty())
            };
            if !urgent {
                let (wake, woken) = SimOneshot::channel();
                self.0.wake.replace(Some(wake));
                if empty {
                    let _ = woken.await;
                    continue;
                }
                if SimRuntime::timeout(HINT_DELAY_MAX, woken).await.is_ok() {
                    continue;
                }
            }
            self.commit_batch().await;
        }
    }

    async fn commit_batch(&self) {
        let (writes, dones) = self.0.queue.borrow_mut().take();
        if let Err(error) = self.0.store.commit(writes) {
            panic!("node {}: the store failed: {error}", self.0.node);
        }
        // The sync was begun within the commit; a crash from here until it completes may tear the batch.
        let latency = self.sync_latency();
        SimRuntime::sleep(latency).await;
        if let Err(error) = self.0.store.synced() {
            panic!("node {}: the store failed: {error}", self.0.node);
        }
        for done in dones {
            done(Ok(()));
        }
    }

    fn sync_latency(&self) -> Duration {
        let rng = self.0.sim.rng(self.0.node);
        let mut rng = rng.borrow_mut();
        let hangs = rng.chance(self.0.faults.hang_per_mille);
        let range = if hangs { self.0.faults.hang_us.clone() } else { self.0.faults.sync_us.clone() };
        Duration::from_micros(rng.range(range))
    }
}

/// A snapshot file that is being written.
pub struct SimSnapshot<S: Store> {
    disk: SimDisk<S>,
    number: u64,
}

impl<S: Store> SnapshotFile for SimSnapshot<S> {
    async fn write(&mut self, chunk: Bytes) -> io::Result<()> {
        self.disk.0.store.append(self.number, &chunk)?;
        let latency = self.disk.sync_latency();
        SimRuntime::sleep(latency).await;
        Ok(())
    }

    async fn finish(self) -> io::Result<()> {
        self.disk.0.store.rename_file(self.number);
        let latency = self.disk.sync_latency() * 3;
        SimRuntime::sleep(latency).await;
        self.disk.0.store.finish_file(self.number);
        Ok(())
    }
}

impl<S: Store> Disk for SimDisk<S> {
    type SnapshotFile = SimSnapshot<S>;

    fn submit(&self, writes: Vec<Write>, done: Done) {
        self.0.queue.borrow_mut().push(Submission { writes, done });
        if let Some(wake) = self.0.wake.take() {
            let _ = wake.send(());
        }
    }

    fn recover(&self, group: GroupId) -> io::Result<Recovered> {
        self.0.store.recover(group)
    }

    fn entries(&self, group: GroupId, range: Range<LogIndex>) -> io::Result<Vec<(LogIndex, Bytes)>> {
        self.0.store.entries(group, range)
    }

    fn node_value(&self, key: &'static str) -> io::Result<Option<Bytes>> {
        self.0.store.node_value(key)
    }

    async fn create_snapshot(&self, group: GroupId, name: &str) -> io::Result<SimSnapshot<S>> {
        let number = self.0.store.begin_file(group, name);
        Ok(SimSnapshot { disk: self.clone(), number })
    }

    fn read_snapshot(
        &self,
        group: GroupId,
        name: &str,
    ) -> impl Future<Output = io::Result<Vec<Bytes>>> + Send {
        let (disk, name) = (self.clone(), name.to_owned());
        async move {
            SimRuntime::sleep(Duration::from_micros(100)).await;
            disk.0.store.read_file(group, &name)
        }
    }

    fn prune_snapshots(&self, group: GroupId, keep: Option<&str>) {
        self.0.store.prune_files(group, keep);
    }
}
