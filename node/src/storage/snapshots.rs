//! Snapshot files, on a thread of their own: a large one must not stand in the way of votes and entries.
//!
//! A file is written chunk by chunk, and synced again and again while it grows: one sync of a hundred megabytes at the end
//! would keep the disk from the log's syncs for as long as it takes, and a file system that keeps the order of data and
//! metadata would make the log's next sync write them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use bytes::Bytes;
use orrery_base::ids::GroupId;
use orrery_engine::host::NoFileNow;
use tokio::sync::oneshot;

use super::native::{Failed, stopped_error, sync_folder};
use super::snapshot_file::{self, Encoder};

/// A file that is not complete yet; its final name has no such ending.
const TEMPORARY: &str = ".part";

/// Bytes of a growing file between two syncs.
const SYNC_BYTES: usize = 1024 * 1024;

/// Whom to tell what came of a job.
pub(super) type Answer<T> = oneshot::Sender<io::Result<T>>;

/// What the thread can be asked.
pub(super) enum Job {
    /// Begin a file. The answer is its number.
    Create {
        group: GroupId,
        name: String,
        answer: Answer<u64>,
    },
    /// Append a chunk to it.
    Append {
        number: u64,
        chunk: Bytes,
        answer: Answer<()>,
    },
    /// That was all of it.
    Finish {
        number: u64,
        answer: Answer<()>,
    },
    /// Remove it, unless it is finished.
    Abandon {
        number: u64,
    },
    Read {
        group: GroupId,
        name: String,
        answer: Answer<Vec<Bytes>>,
    },
    /// Remove all of a group but that one.
    Prune {
        group: GroupId,
        keep: Option<String>,
    },
}

/// The thread: one job after the other, until nobody can ask any more.
pub(super) fn run(root: &Path, jobs: &Receiver<Job>, failed: &Failed, stopped: &AtomicBool) {
    let mut folder = Folder { root, growing: BTreeMap::new(), next: 0 };
    while let Ok(job) = jobs.recv() {
        let before = if stopped.load(Ordering::Acquire) { Err(stopped_error()) } else { Ok(()) };
        // Who asked may have given up; what was done stands either way.
        match job {
            Job::Create { group, name, answer } => {
                let created = before.and_then(|()| checked(folder.create(group, &name), failed, stopped));
                if let Err(Ok(number)) = answer.send(created) {
                    folder.abandon(number);
                }
            }
            Job::Append { number, chunk, answer } => {
                let appended = before.and_then(|()| checked(folder.append(number, &chunk), failed, stopped));
                let _ = answer.send(appended);
            }
            Job::Finish { number, answer } => {
                let finished = before.and_then(|()| checked(folder.finish(number), failed, stopped));
                let _ = answer.send(finished);
            }
            Job::Abandon { number } => folder.abandon(number),
            Job::Read { group, name, answer } => {
                let _ = answer.send(folder.read(group, &name));
            }
            Job::Prune { group, keep } => folder.prune(group, keep.as_deref()),
        }
    }
}

/// The first write that fails stops the node. Where only no file can be opened now, it is tried again later.
fn checked<T>(result: io::Result<T>, failed: &Failed, stopped: &AtomicBool) -> io::Result<T> {
    let result = result
        .map_err(|error| if no_descriptor_left(&error) { io::Error::other(NoFileNow(error)) } else { error });
    if let Err(error) = &result
        && !NoFileNow::caused(error)
        && !stopped.swap(true, Ordering::AcqRel)
    {
        failed(&format!("writing a snapshot failed, the node stops: {error}"));
    }
    result
}

#[cfg(unix)]
fn no_descriptor_left(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(not(unix))]
fn no_descriptor_left(_: &io::Error) -> bool {
    false
}

/// All snapshots of a node.
struct Folder<'a> {
    root: &'a Path,
    /// Files that are being written.
    growing: BTreeMap<u64, Growing>,
    /// The next file's number.
    next: u64,
}

/// A file that is being written.
struct Growing {
    folder: PathBuf,
    name: String,
    temporary: PathBuf,
    file: BufWriter<File>,
    encoder: Encoder,
    unsynced: usize,
}

impl Folder<'_> {
    fn of(&self, group: GroupId) -> PathBuf {
        self.root.join(group.to_string())
    }

    /// Begins a file under a temporary name. Its number.
    fn create(&mut self, group: GroupId, name: &str) -> io::Result<u64> {
        let folder = self.of(group);
        if !folder.is_dir() {
            fs::create_dir_all(&folder)?;
            sync_folder(self.root)?;
        }
        // A number in it: one of the same name may be built and received at the same time.
        let temporary = folder.join(format!("{name}.{}{TEMPORARY}", self.next));
        let (encoder, first) = Encoder::begin();
        let mut file = BufWriter::new(File::create(&temporary)?);
        file.write_all(&first)?;
        let growing = Growing { folder, name: name.to_owned(), temporary, file, encoder, unsynced: 0 };
        self.growing.insert(self.next, growing);
        self.next += 1;
        Ok(self.next - 1)
    }

    fn append(&mut self, number: u64, chunk: &Bytes) -> io::Result<()> {
        let growing = self.growing.get_mut(&number).ok_or_else(unknown)?;
        let head = growing.encoder.chunk(chunk)?;
        growing.file.write_all(&head)?;
        growing.file.write_all(chunk)?;
        growing.unsynced += chunk.len();
        if growing.unsynced >= SYNC_BYTES {
            growing.unsynced = 0;
            growing.file.flush()?;
            growing.file.get_ref().sync_data()?;
        }
        Ok(())
    }

    /// Syncs, gives it its name, syncs the folder.
    fn finish(&mut self, number: u64) -> io::Result<()> {
        let Growing { folder, name, temporary, mut file, encoder, .. } =
            self.growing.remove(&number).ok_or_else(unknown)?;
        file.write_all(&encoder.end())?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, folder.join(name))?;
        sync_folder(&folder)
    }

    fn abandon(&mut self, number: u64) {
        if let Some(growing) = self.growing.remove(&number)
            && let Err(error) = fs::remove_file(&growing.temporary)
        {
            tracing::debug!(file = %growing.temporary.display(), %error, "cannot remove an unfinished snapshot");
        }
    }

    fn read(&self, group: GroupId, name: &str) -> io::Result<Vec<Bytes>> {
        let file = fs::read(self.of(group).join(name))?;
        Ok(snapshot_file::decode(Bytes::from(file))?)
    }

    /// Leftovers cost room and nothing else: what cannot be removed now is tried again next time.
    fn prune(&self, group: GroupId, keep: Option<&str>) {
        let Ok(files) = fs::read_dir(self.of(group)) else { return };
        let growing: BTreeSet<&Path> =
            self.growing.values().map(|growing| growing.temporary.as_path()).collect();
        for file in files.flatten().filter(|file| keep.is_none_or(|keep| file.file_name() != keep)) {
            if growing.contains(file.path().as_path()) {
                continue;
            }
            if let Err(error) = fs::remove_file(file.path()) {
                tracing::warn!(%group, file = %file.path().display(), %error, "cannot remove an old snapshot");
            }
        }
    }
}

fn unknown() -> io::Error {
    io::Error::other("no such snapshot is being written")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn no_descriptor_left_is_no_failure_of_the_disk() {
        let failed: Failed = Arc::new(|why| panic!("{why}"));
        let stopped = AtomicBool::new(false);
        for errno in [Errno::MFILE, Errno::NFILE] {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            let told = checked::<()>(Err(error), &failed, &stopped).unwrap_err();
            assert!(NoFileNow::caused(&told), "{told}");
        }
        assert!(!stopped.load(Ordering::Acquire));
        let failed: Failed = Arc::new(|why| assert!(why.contains("the node stops")));
        let full = io::Error::from_raw_os_error(Errno::NOSPC.raw_os_error());
        assert!(!NoFileNow::caused(&checked::<()>(Err(full), &failed, &stopped).unwrap_err()));
        assert!(stopped.load(Ordering::Acquire));
    }
}
