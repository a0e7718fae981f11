//! What nodes and homes say to each other about lines.

use bytes::Bytes;
use orrery_base::ids::{NodeName, Term};
use orrery_base::key::RequestKey;
use serde::{Deserialize, Serialize};

use super::{Address, CacheReply, Stamp, State, Version};

/// What a node asks a home. It comes with a number that grows with every question of the node's boot. A later question
/// about an address says that the node no longer waits for the answer to an earlier one. The order of the variants is
/// part of the peers' format: add at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// A copy to read. Who asks holds none.
    GetS { address: Address },
    /// Ownership, to write. Who asks holds a shared copy at most.
    GetM { address: Address },
    /// A durable write, or a deletion. Who asks reads its own copy no more and has nothing there that is not written back.
    Write {
        address: Address,
        /// JSON text; none deletes.
        value: Option<Bytes>,
        /// Only where the line has this version.
        if_version: Option<Version>,
        /// Makes a retry safe.
        key: RequestKey,
    },
    /// What the owner wrote.
    WriteBack {
        address: Address,
        /// Under which grant it owns the line.
        grant: Stamp,
        /// Counts its local writes.
        write: u64,
        /// JSON text.
        value: Bytes,
    },
    /// These copies are gone.
    Evict {
        /// Which, and under which grant or message the node had them.
        lines: Vec<(Address, Stamp)>,
    },
    /// Let me go on reading what I hold of this shard.
    Renew {
        /// Term of the home that granted the lease, while it lasts and the node waits for no word about older copies.
        lease: Option<Term>,
        /// To a new home that asked for it: what the node holds of this shard.
        claims: Option<Vec<Claim>>,
    },
    /// What the node wrote as an owner that no home knows any more. It is applied while nothing was written since the version
    /// that it is based on. The node neither reads nor changes it before the answer.
    Offer {
        address: Address,
        /// Under which grant it was written.
        grant: Stamp,
        /// Counts the local writes under that grant.
        write: u64,
        /// JSON text of at most [`super::VALUE_BYTES_MAX`] bytes.
        value: Bytes,
        /// The last version that the node knows.
        based_on: Version,
    },
}

/// A copy that a node holds from an earlier home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub address: Address,
    /// Owned (with or without a write that is not written back), or shared.
    pub owned: bool,
    pub version: Version,
    pub stamp: Stamp,
    /// Local writes so far.
    pub writes: u64,
}

/// What a home told about a copy that it knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub address: Address,
    /// Under which grant from now on.
    pub stamp: Stamp,
    /// Under which the node may know it still.
    pub was: Stamp,
    pub version: Version,
    /// The local writes up to this one are committed.
    pub saved: u64,
}

/// A copy is granted, and the node's lease for the shard begins anew, counted from when it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub stamp: Stamp,
    pub state: State,
    /// The line's version; where it has no value, one that no change of it has passed.
    pub version: Version,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    Home,
    /// An owner gave it up for this.
    Owner(NodeName),
}

/// The answer to an [`Ask`]. The order of the variants is part of the peers' format: add at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// It is not the home, or cannot confirm that it is. Nothing was done.
    NotHome,
    /// Nobody knows whether it was written.
    Unknown,
    /// Too many wait there. Nothing was done.
    Busy,
    /// A new home waits for the leases of the one before. Nothing was done.
    Opening { term: Term, left_us: u64 },
    /// The same to a `Renew`: say what you hold.
    Register { term: Term },
    /// To `Renew`.
    Renewed {
        stamp: Stamp,
        /// What it knows that the node holds; everything else is void. None where the lease simply goes on.
        kept: Option<Vec<Kept>>,
    },
    /// To `Renew`: not while the node owes an acknowledgement.
    Later { term: Term },
    /// To `GetS` and `GetM`.
    Filled {
        term: Term,
        /// Version and JSON text; none where the line has no value.
        value: Option<(Version, Bytes)>,
        /// None where the value may be used once only.
        grant: Option<Grant>,
        /// Where it came from.
        source: Source,
    },
    /// To `Write`.
    Written {
        /// What the state machine said.
        reply: CacheReply,
        /// The writer owns the line.
        grant: Option<Grant>,
    },
    /// To `WriteBack` and `Offer`: it is committed.
    Saved { version: Version },
    /// To `WriteBack`: the node does not own the line any more. To `Offer`: it is not applied, now or later.
    NotSaved {
        /// That write was committed before.
        committed: bool,
    },
    /// To `Evict`.
    Noted,
}

impl Told {
    /// The question came to what it was asked for.
    pub fn is_done(&self) -> bool {
        match self {
            Told::Filled { .. } | Told::Saved { .. } | Told::Noted | Told::Renewed { .. } => true,
            Told::Written { reply, .. } => {
                matches!(reply, CacheReply::Written { .. } | CacheReply::Deleted { .. })
            }
            Told::NotHome
            | Told::Unknown
            | Told::Busy
            | Told::Opening { .. }
            | Told::Register { .. }
            | Told::Later { .. }
            | Told::NotSaved { .. } => false,
        }
    }
}

/// What a home asks a node that holds a copy. The order of the variants is part of the peers' format: add at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recall {
    /// Drop your shared copy.
    Invalidate { address: Address, stamp: Stamp },
    /// Give me what you own.
    Fetch {
        address: Address,
        stamp: Stamp,
        /// And drop it; otherwise it is shared from now on.
        invalidate: bool,
    },
    /// What you gave is committed. Nobody waits for the answer.
    Settled {
        address: Address,
        /// Stamp of the `Fetch`.
        stamp: Stamp,
        version: Version,
    },
}

/// The answer to a [`Recall`]. The order of the variants is part of the peers' format: add at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recalled {
    /// The copy is gone, or it is settled.
    Acknowledged,
    /// It had nothing that is not committed.
    Clean,
    /// It wrote, and this is it.
    Dirty {
        /// Under this grant. It may have missed one since.
        grant: Stamp,
        /// Counts its local writes.
        write: u64,
        /// JSON text.
        value: Bytes,
    },
    /// It holds no such copy: it gave it up, or never got it.
    NotHeld,
    /// It is another boot of that node: whatever was held is lost.
    Rebooted,
    /// There is a newer home.
    NewerTerm { term: Term },
}

/// What an [`Ask`] is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskKind {
    Read,
    Own,
    /// A durable write, or a deletion.
    Write,
    /// What the owner wrote.
    WriteBack,
    Evict,
}

/// What a [`Recall`] is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecallKind {
    /// Drop a shared copy.
    Invalidate,
    /// Give what is owned, and share it.
    Fetch,
    /// Give what is owned, and drop it.
    FetchInvalidate,
    /// What was given is committed.
    Settled,
}

impl Ask {
    /// What it is, and the line that it is about; none for renewals, which are not drawn.
    pub fn kind(&self) -> Option<(AskKind, &Address)> {
        match self {
            Ask::GetS { address } => Some((AskKind::Read, address)),
            Ask::GetM { address } => Some((AskKind::Own, address)),
            Ask::Write { address, .. } => Some((AskKind::Write, address)),
            Ask::WriteBack { address, .. } | Ask::Offer { address, .. } => {
                Some((AskKind::WriteBack, address))
            }
            Ask::Evict { lines } => lines.first().map(|(address, _)| (AskKind::Evict, address)),
            Ask::Renew { .. } => None,
        }
    }

    /// The line that it is about, where it is about one.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Ask::GetS { address }
            | Ask::GetM { address }
            | Ask::Write { address, .. }
            | Ask::WriteBack { address, .. }
            | Ask::Offer { address, .. } => Some(address),
            Ask::Evict { .. } | Ask::Renew { .. } => None,
        }
    }
}

impl Recall {
    pub fn kind(&self) -> RecallKind {
        match self {
            Recall::Invalidate { .. } => RecallKind::Invalidate,
            Recall::Fetch { invalidate: false, .. } => RecallKind::Fetch,
            Recall::Fetch { invalidate: true, .. } => RecallKind::FetchInvalidate,
            Recall::Settled { .. } => RecallKind::Settled,
        }
    }

    /// The line that it is about.
    pub fn address(&self) -> &Address {
        match self {
            Recall::Invalidate { address, .. }
            | Recall::Fetch { address, .. }
            | Recall::Settled { address, .. } => address,
        }
    }

    pub fn stamp(&self) -> Stamp {
        match self {
            Recall::Invalidate { stamp, .. }
            | Recall::Fetch { stamp, .. }
            | Recall::Settled { stamp, .. } => *stamp,
        }
    }
}
