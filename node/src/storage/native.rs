//! The native disk: one storage thread for the rows, one for snapshot files.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::future::Future;
use std::io::{self, Read, Seek, Write as _};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use orrery_base::ids::{GroupId, LogIndex};
use orrery_engine::group_commit::{Batcher, HINT_DELAY_MAX, Submission};
use orrery_engine::host::{Disk, Done, Recovered, SnapshotFile, Write};
use redb::backends::{FileBackend, InMemoryBackend};

use super::snapshots::{self, Answer, Job};
use super::{StorageError, Store};

const DATABASE: &str = "orrery.redb";
const DATABASE_NEW: &str = "orrery.redb.new";
const MARK: &str = "orrery.mark";
const LOCK: &str = "lock";
const SNAPSHOTS: &str = "snapshots";

/// What the disk calls, once, when it cannot go on: a sentence for the log. The node ends.
pub type Failed = Arc<dyn Fn(&str) + Send + Sync>;

/// A node's data directory. Cheap to clone; when the last clone goes, what was submitted is written and
/// the threads end.
#[derive(Clone)]
pub struct NativeDisk {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    /// None only while the threads are being ended.
    queue: Mutex<Option<Sender<Submission>>>,
    snapshots: Mutex<Option<Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Holds the directory for this process until the last clone is gone.
    _lock: File,
}

impl NativeDisk {
    /// Takes the data directory (created if it is missing) for this process and opens it.
    ///
    /// # Errors
    /// [`StorageError::InUse`] when another process has it; [`StorageError::Format`],
    /// [`StorageError::Damaged`], [`StorageError::Database`] and [`StorageError::Io`] as they say.
    pub fn open(data: &Path, failed: Failed) -> Result<NativeDisk, StorageError> {
        fs::create_dir_all(data.join(SNAPSHOTS))
            .map_err(|error| StorageError::io(format!("cannot create {}", data.display()), error))?;
        let lock = lock_directory(data)?;
        let store = open_store(data)?;

        let (queue, submissions) = mpsc::channel();
        let (snapshots, jobs) = mpsc::channel();
        let stopped = Arc::new(AtomicBool::new(false));
        let writer = {
            let (store, failed, stopped) = (store.clone(), failed.clone(), stopped.clone());
            spawn("storage", move || write_batches(&store, &submissions, &failed, &stopped))?
        };
        let folder = data.join(SNAPSHOTS);
        let files = spawn("snapshots", move || snapshots::run(&folder, &jobs, &failed, &stopped))?;
        Ok(NativeDisk {
            inner: Arc::new(Inner {
                store,
                queue: Mutex::new(Some(queue)),
                snapshots: Mutex::new(Some(snapshots)),
                threads: Mutex::new(vec![writer, files]),
                _lock: lock,
            }),
        })
    }

    fn job(&self, job: Job) -> io::Result<()> {
        let sender = self.inner.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().and_then(|sender| sender.send(job).ok()).ok_or_else(stopped_error)
    }

    /// A job and its answer.
    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> io::Result<T> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.job(job(answer))?;
        answered.await.unwrap_or_else(|_| Err(stopped_error()))
    }
}

/// A snapshot file that the thread is writing.
pub struct NativeSnapshot {
    disk: NativeDisk,
    number: u64,
}

impl SnapshotFile for NativeSnapshot {
    fn write(&mut self, chunk: Bytes) -> impl Future<Output = io::Result<()>> + Send {
        let number = self.number;
        self.disk.ask(move |answer| Job::Append { number, chunk, answer })
    }

    async fn finish(self) -> io::Result<()> {
        let number = self.number;
        self.disk.ask(move |answer| Job::Finish { number, answer }).await
    }
}

impl Drop for NativeSnapshot {
    fn drop(&mut self) {
        // Says nothing new after the end. Where the disk has stopped, the next start prunes what is left.
        let _ = self.disk.job(Job::Abandon { number: self.number });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The threads drain their channels and end when the senders are gone.
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        drop(self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).take());
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // The last clone may be one that a `Done` on the storage thread held.
            if thread.thread().id() != thread::current().id() && thread.join().is_err() {
                tracing::error!("a storage thread panicked");
            }
        }
    }
}

impl Disk for NativeDisk {
    type SnapshotFile = NativeSnapshot;

    fn submit(&self, writes: Vec<Write>, done: Done) {
        let queue = self.inner.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let submission = Submission { writes, done };
        let refused = match queue.as_ref() {
            Some(queue) => queue.send(submission).err().map(|refused| refused.0),
            None => Some(submission),
        };
        drop(queue);
        if let Some(submission) = refused {
            (submission.done)(Err(stopped_error()));
        }
    }

    fn recover(&self, group: GroupId) -> io::Result<Recovered> {
        Ok(self.inner.store.recover(group)?)
    }

    fn entries(&self, group: GroupId, range: Range<LogIndex>) -> io::Result<Vec<(LogIndex, Bytes)>> {
        Ok(self.inner.store.entries(group, range)?)
    }

    fn node_value(&self, key: &'static str) -> io::Result<Option<Bytes>> {
        Ok(self.inner.store.node_value(key)?)
    }

    fn create_snapshot(
        &self,
        group: GroupId,
        name: &str,
    ) -> impl Future<Output = io::Result<NativeSnapshot>> + Send {
        let name = name.to_owned();
        async move {
            let number = self.ask(|answer| Job::Create { group, name, answer }).await?;
            Ok(NativeSnapshot { disk: self.clone(), number })
        }
    }

    fn read_snapshot(
        &self,
        group: GroupId,
        name: &str,
    ) -> impl Future<Output = io::Result<Vec<Bytes>>> + Send {
        let name = name.to_owned();
        self.ask(move |answer| Job::Read { group, name, answer })
    }

    fn prune_snapshots(&self, group: GroupId, keep: Option<&str>) {
        if self.job(Job::Prune { group, keep: keep.map(str::to_owned) }).is_err() {
            tracing::debug!(%group, "the disk is stopped; the next start prunes again");
        }
    }
}

/// The storage thread: everything that waits becomes one transaction, then every caller is answered. It blocks on
/// the channel, so nothing waits for a tick. Only a batch of nothing but committed log ids waits, for a write that needs
/// a sync anyway.
fn write_batches(store: &Store, submissions: &Receiver<Submission>, failed: &Failed, stopped: &AtomicBool) {
    let mut batcher = Batcher::default();
    let mut open = true;
    let settle = || {
        if let Err(error) = store.settle() {
            tracing::warn!(%error, "the mark of the last transaction may be older than it after a power cut");
        }
    };
    while open || !batcher.is_empty() {
        if batcher.is_empty() {
            match submissions.recv() {
                Ok(submission) => batcher.push(submission),
                Err(_) => return settle(),
            }
        }
        open = drain(submissions, &mut batcher);
        let (writes, dones) = batcher.take();
        if stopped.load(Ordering::Acquire) {
            dones.into_iter().for_each(|done| done(Err(stopped_error())));
            continue;
        }
        match store.commit(&writes).and_then(|()| store.acknowledge()) {
            Ok(()) => dones.into_iter().for_each(|done| done(Ok(()))),
            Err(error) => {
                stopped.store(true, Ordering::Release);
                failed(&format!("writing to the data directory failed, the node stops: {error}"));
                dones.into_iter().for_each(|done| done(Err(stopped_error())));
            }
        }
    }
    settle();
}

/// Takes in what waits, up to the bound of a batch. False when no more can come.
fn drain(submissions: &Receiver<Submission>, batcher: &mut Batcher) -> bool {
    while !batcher.is_full() {
        match submissions.try_recv() {
            Ok(submission) => batcher.push(submission),
            Err(mpsc::TryRecvError::Disconnected) => return false,
            Err(mpsc::TryRecvError::Empty) if batcher.is_urgent() => return true,
            Err(mpsc::TryRecvError::Empty) => match submissions.recv_timeout(HINT_DELAY_MAX) {
                Ok(submission) => batcher.push(submission),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            },
        }
    }
    true
}

pub(super) fn stopped_error() -> io::Error {
    io::Error::other("the disk is stopped")
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StorageError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|error| StorageError::io("cannot start a storage thread", error))
}

/// Locks `<data>/lock` and writes this process's id into it.
fn lock_directory(data: &Path) -> Result<File, StorageError> {
    let path = data.join(LOCK);
    let failed = |error| StorageError::io(format!("cannot lock {}", path.display()), error);
    let mut file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(failed)?;
            file.rewind().map_err(failed)?;
            write!(file, "{}", std::process::id()).map_err(failed)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut by = String::new();
            let by = file.read_to_string(&mut by).ok().map(|_| by).filter(|by| !by.is_empty());
            Err(StorageError::InUse { path: data.to_owned(), by })
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Opens the database. A new one gets its name only when it is complete on the disk, so that a crash while
/// it is made leaves nothing behind that looks like a damaged one. Where a folder was in use, none is made: a node that
/// forgot what it promised could promise something else.
fn open_store(data: &Path) -> Result<Store, StorageError> {
    let path = data.join(DATABASE);
    let file = |path: &Path, make: bool| -> Result<FileBackend, StorageError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(make)
            .truncate(false)
            .open(path)
            .map_err(|error| StorageError::io(format!("cannot open {}", path.display()), error))?;
        Ok(FileBackend::new(file).map_err(redb::Error::from)?)
    };
    if !fs::metadata(&path).is_ok_and(|found| found.len() > 0) {
        if let Some(beside) = sign_of_use(data, &path) {
            return Err(StorageError::Missing { path, beside });
        }
        let new = data.join(DATABASE_NEW);
        let failed = |error| StorageError::io(format!("cannot create {}", path.display()), error);
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        // Without a number yet: the mark comes with the first transaction that has one.
        drop(Store::open(file(&new, true)?, InMemoryBackend::new())?);
        fs::rename(&new, &path).and_then(|()| sync_folder(data)).map_err(failed)?;
    }
    let mark = data.join(MARK);
    let known = mark.exists();
    let store = Store::open(file(&path, false)?, file(&mark, true)?)?;
    if !known {
        sync_folder(data)
            .map_err(|error| StorageError::io(format!("cannot create {}", mark.display()), error))?;
    }
    Ok(store)
}

/// What shows that the folder had a database once; none where it is new.
fn sign_of_use(data: &Path, database: &Path) -> Option<String> {
    // It is never empty under its name (see [`open_store`]).
    let signs = [database.to_owned(), data.join(MARK)];
    if let Some(sign) = signs.iter().find(|sign| sign.exists()) {
        return Some(sign.display().to_string());
    }
    let folders = fs::read_dir(data.join(SNAPSHOTS)).ok()?.flatten();
    let mut files = folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten().flatten();
    files.next().map(|file| file.path().display().to_string())
}

/// Makes names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Folders cannot be opened as files everywhere; where they cannot, names are durable by themselves.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests;
