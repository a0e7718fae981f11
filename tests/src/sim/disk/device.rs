//! A node's disk in virtual time.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::rt::{AsyncRuntime, Oneshot, OneshotSender};
use orrery::storage::{Batcher, HINT_DELAY_MAX, Store, Submission};
use orrery_base::ids::{GroupId, LogIndex};
use orrery_engine::host::{Disk, Done, Recovered, SnapshotFile, Write};

use super::backend::CrashFile;
use super::files::SnapshotFiles;
use crate::sim::bugs::Bugs;
use crate::sim::runtime::{Sim, SimOneshot, SimRuntime, SplitMix, SyncCell, TaskGroup};

/// How slow a disk is.
#[derive(Clone, Debug)]
pub struct DiskFaults {
    /// How long a sync takes, microseconds.
    pub sync_us: Range<u64>,
    /// How many syncs in a thousand hang,
    pub hang_per_mille: u64,
    /// and for how long, microseconds.
    pub hang_us: Range<u64>,
}

/// What a machine keeps when its node crashes.
#[derive(Default)]
pub struct Machine {
    file: CrashFile,
    mark: CrashFile,
    files: SyncCell<SnapshotFiles>,
}

/// What a data folder had at some moment.
#[derive(Clone, Default)]
pub struct Folder {
    file: Vec<u8>,
    mark: Vec<u8>,
    files: SnapshotFiles,
}

impl Machine {
    /// A copy of the folder of a node that does not run.
    pub fn copy(&self) -> Folder {
        Folder {
            file: self.file.durable(),
            mark: self.mark.durable(),
            files: self.files.borrow_mut().clone(),
        }
    }

    /// The folder is this one from now on: an earlier copy, or an empty one.
    pub fn replace(&self, folder: Folder) {
        self.file.replace(folder.file);
        self.mark.replace(folder.mark);
        self.files.replace(folder.files);
    }

    /// Everything that was not synced is lost or torn.
    pub fn crash(&self, rng: &mut SplitMix) {
        self.file.crash(rng);
        self.mark.crash(rng);
        self.files.borrow_mut().crash(rng);
    }
}

/// Who looks at what is submitted and at what is durable: the checks.
pub trait DiskWatch: Send + Sync {
    /// The node asked for these writes.
    fn submitted(&self, node: TaskGroup, writes: &[Write]);
    /// These writes would survive a crash now.
    fn durable(&self, node: TaskGroup, writes: &[Write]);
}

/// One boot's view of its machine's disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Inner>);

struct Inner {
    machine: Arc<Machine>,
    store: Store,
    sim: Sim,
    node: TaskGroup,
    faults: DiskFaults,
    bugs: Bugs,
    watch: Arc<dyn DiskWatch>,
    queue: SyncCell<Batcher>,
    /// Wakes the disk's task.
    wake: SyncCell<Option<<SimOneshot as Oneshot>::Sender<()>>>,
}

impl SimDisk {
    /// Opens the machine's disk for a boot of its node; the disk's task belongs to the node's group.
    ///
    /// # Errors
    /// When the store cannot be opened: after a crash that is a bug in the store or in redb.
    pub fn open(
        sim: &Sim,
        machine: Arc<Machine>,
        node: TaskGroup,
        faults: DiskFaults,
        bugs: Bugs,
        watch: Arc<dyn DiskWatch>,
    ) -> io::Result<SimDisk> {
        let store = Store::open(machine.file.open(), machine.mark.open())?;
        // Opening repairs and creates; a crash within that is the business of the store's own tests.
        machine.file.complete_syncs();
        machine.mark.complete_syncs();
        let disk = SimDisk(Arc::new(Inner {
            machine,
            store,
            sim: sim.clone(),
            node,
            faults,
            bugs,
            watch,
            queue: SyncCell::default(),
            wake: SyncCell::new(None),
        }));
        let task = disk.clone();
        sim.spawn_in(node, async move { task.run().await });
        Ok(disk)
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
        let (mut writes, dones) = self.0.queue.borrow_mut().take();
        if self.0.bugs.vote_not_synced {
            writes.retain(|write| !matches!(write, Write::Vote { .. }));
        }
        if let Err(error) = self.0.store.commit(&writes) {
            panic!("node {}: the store failed: {error}", self.0.node);
        }
        // The sync was begun within the commit; a crash from here until it completes may tear the batch.
        let latency = self.sync_latency();
        SimRuntime::sleep(latency).await;
        self.0.machine.file.complete_syncs();
        if let Err(error) = self.0.store.acknowledge() {
            panic!("node {}: the store failed: {error}", self.0.node);
        }
        self.0.watch.durable(self.0.node, &writes);
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
pub struct SimSnapshot {
    disk: SimDisk,
    number: u64,
}

impl SnapshotFile for SimSnapshot {
    async fn write(&mut self, chunk: Bytes) -> io::Result<()> {
        self.disk.0.machine.files.borrow_mut().append(self.number, &chunk)?;
        let latency = self.disk.sync_latency();
        SimRuntime::sleep(latency).await;
        Ok(())
    }

    async fn finish(self) -> io::Result<()> {
        self.disk.0.machine.files.borrow_mut().rename(self.number);
        let latency = self.disk.sync_latency() * 3;
        SimRuntime::sleep(latency).await;
        self.disk.0.machine.files.borrow_mut().finish(self.number);
        Ok(())
    }
}

impl Disk for SimDisk {
    type SnapshotFile = SimSnapshot;

    fn submit(&self, writes: Vec<Write>, done: Done) {
        self.0.watch.submitted(self.0.node, &writes);
        let done = if self.0.bugs.acknowledges_early(&writes) {
            let (sender, early) = SimOneshot::channel();
            self.0.sim.spawn_in(self.0.node, async move {
                let _ = early.await;
                done(Ok(()));
            });
            let _ = sender.send(());
            Box::new(|_| ()) as Done
        } else {
            done
        };
        self.0.queue.borrow_mut().push(Submission { writes, done });
        if let Some(wake) = self.0.wake.take() {
            let _ = wake.send(());
        }
    }

    fn recover(&self, group: GroupId) -> io::Result<Recovered> {
        Ok(self.0.store.recover(group)?)
    }

    fn entries(&self, group: GroupId, range: Range<LogIndex>) -> io::Result<Vec<(LogIndex, Bytes)>> {
        Ok(self.0.store.entries(group, range)?)
    }

    fn node_value(&self, key: &'static str) -> io::Result<Option<Bytes>> {
        Ok(self.0.store.node_value(key)?)
    }

    async fn create_snapshot(&self, group: GroupId, name: &str) -> io::Result<SimSnapshot> {
        let number = self.0.machine.files.borrow_mut().begin(group, name);
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
            let chunks = disk.0.machine.files.borrow_mut().read(group, &name)?;
            Ok(disk.0.bugs.read_snapshot(disk.0.node, group, chunks))
        }
    }

    fn prune_snapshots(&self, group: GroupId, keep: Option<&str>) {
        self.0.machine.files.borrow_mut().prune(group, keep);
    }
}
