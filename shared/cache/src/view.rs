//! The cache as people see it: in stream snapshots, and where a new home says what it has. Bounded.

use orrery_base::ids::{GroupId, LogIndex, NodeName, Term};
use serde::{Deserialize, Serialize};

use super::node::Stats;
use super::values::{Values, preview};
use super::{Address, State, Version};

/// Most values of one shard, and most lines of one node or home, that a view shows.
pub const SHOWN_MAX: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueView {
    pub address: Address,
    pub version: Version,
    /// Its bytes.
    pub bytes: u64,
    /// The beginning of the JSON text.
    pub preview: String,
}

/// What is committed of one shard's lines: the values that were written last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValuesView {
    /// Applied index that it shows.
    pub applied: Option<LogIndex>,
    /// The tenure that began last; 0 before the first.
    pub begun: Term,
    /// The last one that granted anything.
    pub opened: Term,
    /// At most [`SHOWN_MAX`], by address: those with the highest versions.
    pub values: Vec<ValueView>,
    /// How many more there are.
    pub more: u64,
}

impl Values {
    /// As people see it, at this applied index.
    pub fn view(&self, applied: Option<LogIndex>) -> ValuesView {
        let mut newest: Vec<_> = self.iter().map(|(address, entry)| (entry.version, address)).collect();
        newest.sort_unstable_by_key(|(version, _)| std::cmp::Reverse(*version));
        let more = newest.len().saturating_sub(SHOWN_MAX) as u64;
        newest.truncate(SHOWN_MAX);
        newest.sort_unstable_by_key(|(_, address)| *address);
        let shown = |(version, address): (Version, &Address)| {
            let value = &self.get(address)?.value;
            let (bytes, preview) = (value.len() as u64, preview(value));
            Some(ValueView { address: address.clone(), version, bytes, preview })
        };
        let values = newest.into_iter().filter_map(shown).collect();
        ValuesView { applied, begun: self.begun(), opened: self.opened(), values, more }
    }
}

/// A copy at a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyView {
    pub address: Address,
    pub shard: GroupId,
    /// As its readers see it.
    pub state: State,
    /// The version; of an M the one that it is based on.
    pub version: Version,
    /// A write is not written back.
    pub unsaved: bool,
    /// What is left of the lease, microseconds.
    pub lease_left_us: u64,
}

/// Who holds a line, as its home knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldView {
    pub address: Address,
    /// Who may write it.
    pub owner: Option<NodeName>,
    /// Who else has a copy.
    pub sharers: Vec<NodeName>,
}

/// The directory of a shard whose home this node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeView {
    pub group: GroupId,
    pub term: Term,
    /// It grants; otherwise it waits for the leases of the home before.
    pub open: bool,
    /// How long it still waits, microseconds.
    pub window_left_us: u64,
    /// At most [`SHOWN_MAX`], by address.
    pub lines: Vec<HeldView>,
    /// How many more there are.
    pub more: u64,
}

/// The values of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupValues {
    pub group: GroupId,
    pub values: ValuesView,
}

/// The cache of one node, in its stream's snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CachesView {
    /// Its copies: what was used last comes first; at most [`SHOWN_MAX`].
    pub copies: Vec<CopyView>,
    /// How many more it has.
    pub copies_more: u64,
    pub stats: Stats,
    /// The directories of the shards that it leads.
    pub homes: Vec<HomeView>,
    /// What is committed in the shards that it has replicas of and whose cache was ever used.
    pub values: Vec<GroupValues>,
}
