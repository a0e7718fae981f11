//! Snapshot files, on a thread of their own: a large one must not stand in the way of votes and entries.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use bytes::Bytes;
use tokio::sync::oneshot;

use orrery_shared::ids::GroupId;

use super::native::{Failed, stopped_error, sync_folder};
use super::snapshot_file;

/// A file that is not complete yet; its final name has no such ending.
const TEMPORARY: &str = ".part";

/// What the thread can be asked.
pub(super) enum Job {
    /// Write a file.
    Write { group: GroupId, name: String, chunks: Vec<Bytes>, answer: oneshot::Sender<io::Result<()>> },
    /// Read one back.
    Read { group: GroupId, name: String, answer: oneshot::Sender<io::Result<Vec<Bytes>>> },
    /// Remove all of a group but that one.
    Prune { group: GroupId, keep: Option<String> },
}

/// The thread: one job after the other, until nobody can ask any more.
pub(super) fn run(root: &Path, jobs: &Receiver<Job>, failed: &Failed, stopped: &AtomicBool) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Write { group, name, chunks, answer } => {
                let result = if stopped.load(Ordering::Acquire) {
                    Err(stopped_error())
                } else {
                    write(root, group, &name, &chunks)
                };
                if let Err(error) = &result
                    && !stopped.swap(true, Ordering::AcqRel)
                {
                    failed(&format!("writing snapshot {name} of {group} failed, the node stops: {error}"));
                }
                // Who asked may have given up; the file stands either way.
                let _ = answer.send(result);
            }
            Job::Read { group, name, answer } => {
                let _ = answer.send(read(root, group, &name));
            }
            Job::Prune { group, keep } => prune(root, group, keep.as_deref()),
        }
    }
}

fn folder(root: &Path, group: GroupId) -> PathBuf {
    root.join(group.to_string())
}

/// Writes under a temporary name, syncs, renames, syncs the folder.
fn write(root: &Path, group: GroupId, name: &str, chunks: &[Bytes]) -> io::Result<()> {
    let folder = folder(root, group);
    if !folder.is_dir() {
        fs::create_dir_all(&folder)?;
        sync_folder(root)?;
    }
    let temporary = folder.join(format!("{name}{TEMPORARY}"));
    let mut file = BufWriter::new(File::create(&temporary)?);
    for part in snapshot_file::encode(chunks)? {
        file.write_all(&part)?;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&temporary, folder.join(name))?;
    sync_folder(&folder)
}

fn read(root: &Path, group: GroupId, name: &str) -> io::Result<Vec<Bytes>> {
    let file = fs::read(folder(root, group).join(name))?;
    Ok(snapshot_file::decode(Bytes::from(file))?)
}

/// Leftovers cost room and nothing else: what cannot be removed now is tried again next time.
fn prune(root: &Path, group: GroupId, keep: Option<&str>) {
    let Ok(files) = fs::read_dir(folder(root, group)) else { return };
    for file in files.flatten().filter(|file| keep.is_none_or(|keep| file.file_name() != keep)) {
        if let Err(error) = fs::remove_file(file.path()) {
            tracing::warn!(%group, file = %file.path().display(), %error, "cannot remove an old snapshot");
        }
    }
}
