//! Building, keeping and installing a group's snapshots, in pieces.
//!
//! A node may have one thread for all its groups. A state of a million messages takes seconds to encode or to decode:
//! done in one go, no group of the node would hear or send a heartbeat meanwhile. So this works for a fraction of a
//! millisecond at a time and pauses; one snapshot of a node is built at a time, and no more than a chunk of it is in
//! memory.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::{Mutex as _, Oneshot, OneshotSender};
use openraft::{AsyncRuntime, RaftSnapshotBuilder};
use orrery_base::ids::GroupId;
use orrery_event::Fact;
use orrery_machine::{Decoder, Machine, SnapshotError};

use super::{Current, Shared, StateMachine, ring};
use crate::codec;
use crate::codec::DISK_VERSION;
use crate::host::{Disk, Host, NoFileNow, SnapshotFile, Write};
use crate::sync::lock;
use crate::types::{Image, Snapshot, SnapshotMeta, Types};

/// After each chunk of a snapshot that is built. With the work of a chunk it bounds what building takes: a few per cent of
/// a core, and some 20 MB a second of the disk.
const BUILD_PAUSE: Duration = Duration::from_millis(2);

/// After each chunk of a snapshot that is installed: its group waits for it, the others must not.
const INSTALL_PAUSE: Duration = Duration::from_millis(1);

/// Before a snapshot is begun anew that found no file descriptor.
const NO_FILE_PAUSE: Duration = Duration::from_secs(1);

/// One of a node's groups builds a snapshot at a time.
pub struct Turns<H: Host> {
    turn: <H::Runtime as AsyncRuntime>::Mutex<()>,
}

impl<H: Host> Default for Turns<H> {
    fn default() -> Self {
        Turns { turn: openraft::async_runtime::Mutex::new(()) }
    }
}

/// A fork of the state that becomes a snapshot.
pub struct Fork<H: Host> {
    state: StateMachine<H>,
    machine: Machine,
    meta: SnapshotMeta,
}

impl<H: Host> Fork<H> {
    pub(super) fn of(state: &StateMachine<H>) -> Self {
        let inner = state.inner();
        let meta = SnapshotMeta { last_log_id: inner.applied, last_membership: inner.membership.clone() };
        Fork { state: state.clone(), machine: inner.machine.clone(), meta }
    }
}

impl<H: Host> RaftSnapshotBuilder<Types<H::Runtime>> for Fork<H> {
    type SnapshotData = Image;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let turns = self.state.shared.turns.clone();
        let _turn = turns.turn.lock().await;
        let name = self.state.keep(&self.meta, || self.machine.chunks(), BUILD_PAUSE, false).await?;
        // Much of the state may be only in this fork by now.
        self.state.shared.host.discard(Box::new(std::mem::take(&mut self.machine)));
        let shared = &self.state.shared;
        let snapshot = Image::file(shared.host.disk(), shared.group, &name);
        Ok(Snapshot { meta: self.meta.clone(), snapshot })
    }
}

impl<H: Host> StateMachine<H> {
    /// Takes a snapshot's state in place of the present one.
    pub(super) async fn install(&self, meta: &SnapshotMeta, image: Image) -> io::Result<()> {
        let Shared { host, group, publisher, .. } = &*self.shared;
        let chunks = image.read().await?;
        let machine = decode::<H>(*group, chunks.iter().cloned()).await?;
        self.keep(meta, || chunks.iter().cloned(), Duration::ZERO, true).await?;
        let mut inner = self.inner();
        let old = std::mem::replace(&mut inner.machine, machine);
        ring::follow(&mut inner, host.wall_us());
        inner.applied = meta.last_log_id;
        inner.fork = None;
        inner.membership = meta.last_membership.clone();
        self.shared.listeners.watchers.iter().for_each(|watcher| watcher.replaced());
        self.shared.map_changed.notify();
        publisher.membership(*group, &inner.membership);
        if let Some(last) = meta.last_log_id {
            inner.waits.applied(last.index);
            publisher.committed(*group, last.index);
            publisher.applied(*group, last.index);
        }
        drop(inner);
        host.discard(Box::new(old));
        Ok(())
    }

    /// Makes `chunks` the current snapshot: file first, then the pointer. Its name.
    async fn keep<I: Iterator<Item = Bytes> + Send>(
        &self,
        meta: &SnapshotMeta,
        chunks: impl Fn() -> I + Send,
        pause: Duration,
        installed: bool,
    ) -> io::Result<String> {
        let Shared { host, group, log, .. } = &*self.shared;
        let name = match &meta.last_log_id {
            Some(id) => format!("g{}-t{}-i{}", group.0, id.leader_id.term, id.index),
            None => format!("g{}-empty", group.0),
        };
        let stop = |error: io::Error| {
            host.fail_stop(&format!("writing snapshot {name} failed: {error}"));
            error
        };
        let encoded = codec::encode(DISK_VERSION, meta)?;
        lock(&self.shared.inner).keeping += 1;
        let bytes =
            write_when_possible::<H, I>(host.disk(), *group, &name, chunks, pause).await.map_err(stop)?;
        let (sender, receiver) = <<H::Runtime as AsyncRuntime>::Oneshot as Oneshot>::channel();
        let pointer = Write::SnapshotPointer { group: *group, name: name.clone(), meta: encoded };
        {
            let mut inner = lock(&self.shared.inner);
            if inner.closed {
                inner.keeping -= 1;
                return Err(io::Error::other("the group ended here"));
            }
            if inner.pointed > meta.last_log_id {
                // One that a leader sent was installed while this one was built: the log is purged up to that one.
                inner.keeping -= 1;
                return Ok(name);
            }
            inner.pointed = meta.last_log_id;
            // The receiver is gone only when the whole group is.
            host.disk().submit(vec![pointer], Box::new(move |result| drop(sender.send(result))));
        }
        receiver.await.unwrap_or_else(|_| Err(io::Error::other("the disk stopped"))).map_err(stop)?;
        let last = meta.last_log_id.map(|id| id.index);
        let alone = {
            let mut inner = lock(&self.shared.inner);
            inner.keeping -= 1;
            if inner.pointed == meta.last_log_id {
                inner.snapshot = Some(Current { meta: meta.clone(), name: name.clone() });
            }
            inner.keeping == 0 && inner.snapshot.as_ref().is_some_and(|current| current.name == name)
        };
        if alone {
            host.disk().prune_snapshots(*group, Some(&name));
        }
        log.snapshot_size(bytes);
        let made = if installed { "installed" } else { "built" };
        tracing::info!(%group, last, bytes, "snapshot {made}");
        if host.records() {
            host.emit(Fact::Snapshotted { group: *group, last, bytes, installed });
        }
        Ok(name)
    }
}

/// Writes a file, again and again where no file can be opened. Its bytes.
async fn write_when_possible<H: Host, I: Iterator<Item = Bytes> + Send>(
    disk: &H::Disk,
    group: GroupId,
    name: &str,
    chunks: impl Fn() -> I + Send,
    pause: Duration,
) -> io::Result<u64> {
    let mut told = false;
    loop {
        match write::<H>(disk, group, name, chunks(), pause).await {
            Err(error) if NoFileNow::caused(&error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%group, %error, "a snapshot waits; the log grows meanwhile");
                }
                H::Runtime::sleep(NO_FILE_PAUSE).await;
            }
            result => return result,
        }
    }
}

/// Writes a file chunk by chunk. Its bytes.
async fn write<H: Host>(
    disk: &H::Disk,
    group: GroupId,
    name: &str,
    chunks: impl Iterator<Item = Bytes> + Send,
    pause: Duration,
) -> io::Result<u64> {
    let mut file = disk.create_snapshot(group, name).await?;
    let mut bytes = 0;
    for chunk in chunks {
        bytes += chunk.len() as u64;
        file.write(chunk).await?;
        if !pause.is_zero() {
            H::Runtime::sleep(pause).await;
        }
    }
    file.finish().await?;
    Ok(bytes)
}

/// The state that a snapshot of this group has.
pub(super) async fn decode<H: Host>(
    group: GroupId,
    chunks: impl IntoIterator<Item = Bytes, IntoIter: Send>,
) -> io::Result<Machine> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let damaged = |error: SnapshotError| invalid(error.to_string());
    let mut decoder = Decoder::default();
    let mut chunks = chunks.into_iter().peekable();
    while let Some(chunk) = chunks.next() {
        decoder.take(&chunk).map_err(damaged)?;
        if chunks.peek().is_some() {
            H::Runtime::sleep(INSTALL_PAUSE).await;
        }
    }
    let machine = decoder.finish().map_err(damaged)?;
    if machine.group() == group {
        Ok(machine)
    } else {
        Err(invalid(format!("a snapshot of {} came to {group}", machine.group())))
    }
}
