//! openraft's types, fixed for Orrery and generic over the async runtime only.

use std::cmp::Ordering;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::{fmt, io};

use bytes::Bytes;
use openraft::impls::leader_id_std::LeaderId;
use openraft::impls::{BoxedErrorSource, InlineBatch, ProgressResponder};
use openraft::vote::leader_id_std::CommittedLeaderId;
use openraft::{AsyncRuntime, EntryPayload, OptionalSend, RaftTypeConfig};
use orrery_base::ids::{GroupId, NodeId, Term};
use orrery_machine::{Command, Member, Reply};

use crate::host::Disk;
use crate::timer::Traced;

/// The type configuration of every group on a host's runtime `R`. `LeaderId` is the paper's: one leader per term.
pub struct Types<R>(PhantomData<fn() -> R>);

impl<R: AsyncRuntime> RaftTypeConfig for Types<R> {
    type D = Command;
    type R = Reply;
    type NodeId = NodeId;
    type Node = Member;
    type Term = Term;
    type LeaderId = LeaderId<Term, NodeId>;
    type Vote = Vote;
    type Payload = Payload;
    type Entry = Entry;
    type Responder<T>
        = ProgressResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type AsyncRuntime = Traced<R>;
    type ErrorSource = BoxedErrorSource;
}

// Derived implementations would ask the same of `R`, which is only a name here.
impl<R> fmt::Debug for Types<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Types")
    }
}
impl<R> Clone for Types<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for Types<R> {}
impl<R> Default for Types<R> {
    fn default() -> Self {
        Types(PhantomData)
    }
}
impl<R> PartialEq for Types<R> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl<R> Eq for Types<R> {}
impl<R> PartialOrd for Types<R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<R> Ord for Types<R> {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

/// Id of a term's committed leader: the term alone, as in the paper.
pub type CommittedLeader = CommittedLeaderId<Term>;
/// Term and index of an entry.
pub type LogId = openraft::LogId<CommittedLeader>;
/// A vote, and whether a majority granted it.
pub type Vote = openraft::Vote<LeaderId<Term, NodeId>>;
/// What an entry carries.
pub type Payload = EntryPayload<Command, NodeId, Member>;
pub type Entry = openraft::Entry<CommittedLeader, Payload>;
/// A membership with the log id of its entry.
pub type StoredMembership = openraft::StoredMembership<CommittedLeader, NodeId, Member>;
/// What a snapshot covers.
pub type SnapshotMeta = openraft::SnapshotMeta<CommittedLeader, NodeId, Member>;
/// A snapshot: what it covers and its bytes, in chunks.
pub type Snapshot = openraft::Snapshot<CommittedLeader, NodeId, Member, Image>;

/// A snapshot's bytes.
pub enum Image {
    /// In memory: it was received.
    Chunks(Vec<Bytes>),
    /// In a node's file: read when it is sent, because whoever asks for it has no time to wait for the disk.
    File(Pin<Box<dyn Future<Output = io::Result<Vec<Bytes>>> + Send>>),
}

impl Image {
    /// A node's file of that name.
    pub fn file(disk: &impl Disk, group: GroupId, name: &str) -> Image {
        let (disk, name) = (disk.clone(), name.to_owned());
        Image::File(Box::pin(async move { disk.read_snapshot(group, &name).await }))
    }

    /// In chunks. Fails where a newer snapshot replaced the file meanwhile.
    pub async fn read(self) -> io::Result<Vec<Bytes>> {
        match self {
            Image::Chunks(chunks) => Ok(chunks),
            Image::File(reading) => reading.await,
        }
    }
}
