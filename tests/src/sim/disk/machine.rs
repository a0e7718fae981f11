//! What a machine keeps: the node's own storage over files that crash.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use orrery::storage;
use orrery_base::ids::{GroupId, LogIndex};
use orrery_engine::host::{Recovered, Write};
use orrery_sim::disk::Store;
use orrery_sim::runtime::{SplitMix, SyncCell, TaskGroup};

use super::DiskWatch;
use super::backend::CrashFile;
use super::files::SnapshotFiles;
use crate::sim::bugs::Bugs;

/// What a machine keeps when its node crashes.
#[derive(Default)]
pub struct Machine {
    file: CrashFile,
    mark: CrashFile,
    files: Arc<SyncCell<SnapshotFiles>>,
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

    /// Opens the storage for a boot of its node.
    ///
    /// # Errors
    /// When it cannot be opened: after a crash that is a bug in the storage or in redb.
    pub fn open(&self, node: TaskGroup, bugs: Bugs, watch: Arc<dyn DiskWatch>) -> io::Result<Storage> {
        let store = storage::Store::open(self.file.open(), self.mark.open())?;
        // Opening repairs and creates; a crash within that is the business of the store's own tests.
        self.file.complete_syncs();
        self.mark.complete_syncs();
        let (file, files, last) = (self.file.clone(), self.files.clone(), SyncCell::default());
        Ok(Storage { file, files, store, node, bugs, watch, last })
    }
}

/// One boot's view of its machine.
pub struct Storage {
    file: CrashFile,
    files: Arc<SyncCell<SnapshotFiles>>,
    store: storage::Store,
    node: TaskGroup,
    bugs: Bugs,
    watch: Arc<dyn DiskWatch>,
    /// The batch whose sync was begun.
    last: SyncCell<Vec<Write>>,
}

impl Store for Storage {
    fn commit(&self, mut batch: Vec<Write>) -> io::Result<()> {
        if self.bugs.vote_not_synced {
            batch.retain(|write| !matches!(write, Write::Vote { .. }));
        }
        self.store.commit(&batch)?;
        self.last.replace(batch);
        Ok(())
    }

    fn synced(&self) -> io::Result<()> {
        self.file.complete_syncs();
        self.store.acknowledge()?;
        self.watch.durable(self.node, &self.last.take());
        Ok(())
    }

    fn recover(&self, group: GroupId) -> io::Result<Recovered> {
        Ok(self.store.recover(group)?)
    }

    fn entries(&self, group: GroupId, range: Range<LogIndex>) -> io::Result<Vec<(LogIndex, Bytes)>> {
        Ok(self.store.entries(group, range)?)
    }

    fn node_value(&self, key: &'static str) -> io::Result<Option<Bytes>> {
        Ok(self.store.node_value(key)?)
    }

    fn begin_file(&self, group: GroupId, name: &str) -> u64 {
        self.files.borrow_mut().begin(group, name)
    }

    fn append(&self, number: u64, chunk: &[u8]) -> io::Result<()> {
        self.files.borrow_mut().append(number, chunk)
    }

    fn rename_file(&self, number: u64) {
        self.files.borrow_mut().rename(number);
    }

    fn finish_file(&self, number: u64) {
        self.files.borrow_mut().finish(number);
    }

    fn read_file(&self, group: GroupId, name: &str) -> io::Result<Vec<Bytes>> {
        let chunks = self.files.borrow_mut().read(group, name)?;
        Ok(self.bugs.read_snapshot(self.node, group, chunks))
    }

    fn prune_files(&self, group: GroupId, keep: Option<&str>) {
        self.files.borrow_mut().prune(group, keep);
    }
}
