//! openraft's types, fixed for Orrery and generic over the async runtime only.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

use openraft::impls::leader_id_std::LeaderId;
use openraft::impls::{BoxedErrorSource, InlineBatch, ProgressResponder};
use openraft::{AsyncRuntime, EntryPayload, OptionalSend, RaftTypeConfig};

use crate::ids::{NodeId, Term};
use crate::machine::{Command, Member, Reply};

/// The type configuration of every group. `LeaderId` is the paper's: one leader per term.
pub struct Types<R>(PhantomData<fn() -> R>);

impl<R: AsyncRuntime> RaftTypeConfig for Types<R> {
    type D = Command;
    type R = Reply;
    type NodeId = NodeId;
    type Node = Member;
    type Term = Term;
    type LeaderId = LeaderId<Term, NodeId>;
    type Vote = openraft::Vote<LeaderId<Term, NodeId>>;
    type Payload = EntryPayload<Command, NodeId, Member>;
    type Entry = openraft::Entry<openraft::alias::CommittedLeaderIdOf<Self>, Self::Payload>;
    type Responder<T>
        = ProgressResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type AsyncRuntime = R;
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
