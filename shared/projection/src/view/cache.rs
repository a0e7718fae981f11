//! The coherent cache: what is committed of each shard's lines, which copies each node has, whom each home knows of and
//! waits for.

use orrery_base::ids::{GroupId, LogIndex, NodeName, Term};
use orrery_base::sorted::SortedMap;
use orrery_cache::message::RecallKind;
use orrery_cache::node::Stats;
use orrery_cache::view::SHOWN_MAX;
use orrery_cache::{Address, Cause, How, State, Version, Wants};
use orrery_placement::{address_hash, shard_of};
use smol_str::SmolStr;

use super::{Timer, View};

/// Most lines of one node, of one home and of one shard that are known one by one. Of more, copies that are gone go
/// first, then those that changed longest ago; of values, those with the lowest versions.
pub const LINES_MAX: usize = 4 * SHOWN_MAX;
/// Most questions of one home for whose copies it waits or waited; those that are answered go first, then the oldest.
pub const RECALLS_MAX: usize = 32;
/// Most seconds of a node's hits and misses that are kept.
pub const RATES_MAX: usize = 60;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct CacheView {
    /// What is committed, by shard.
    pub values: SortedMap<GroupId, ShardValues>,
    pub nodes: SortedMap<NodeName, NodeCache>,
    /// Directories, by shard. A shard without one has no home that anybody knows of.
    pub homes: SortedMap<GroupId, Home>,
}

/// What one shard has committed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardValues {
    /// Applied index that it shows.
    pub applied: Option<LogIndex>,
    /// Last service fact (index, number in it) that anybody reported, whether or not it changed anything.
    pub seen: Option<(LogIndex, u32)>,
    /// Everything up to here is in it, because a whole view was taken over.
    pub whole: Option<LogIndex>,
    /// The tenure that began last; 0 before the first.
    pub begun: Term,
    /// The last one that granted anything.
    pub opened: Term,
    /// By address; at most [`LINES_MAX`].
    pub values: SortedMap<Address, Committed>,
    /// There are others, which are not known one by one.
    pub more: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    pub version: Version,
    /// The beginning of the JSON text.
    pub preview: SmolStr,
}

/// The copies of one node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeCache {
    /// By address, gone ones in I too; at most [`LINES_MAX`].
    pub lines: SortedMap<Address, LineCopy>,
    /// There are others, which are not known one by one.
    pub more: bool,
    /// What the node counted.
    pub stats: Stats,
    /// Hits and misses between two reports of it, oldest first; at most [`RATES_MAX`].
    pub rates: Vec<Rate>,
}

/// A node's copy of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineCopy {
    pub shard: GroupId,
    /// As its readers see it.
    pub state: State,
    /// The version that it has or had; of an M the one that it is based on.
    pub version: Version,
    /// A write is not known to be written back.
    pub unsaved: bool,
    /// How it changed last.
    pub moved: Option<Moved>,
    /// When a client was last answered from it, as far as hits are told.
    pub hit_us: Option<u64>,
    /// When a write in it was lost, unless something else happened to it since.
    pub lost_us: Option<u64>,
}

/// A change of a copy: an edge of the state diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    pub at_us: u64,
    pub from: State,
    pub to: State,
    pub cause: Cause,
}

/// Hits and misses of some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    pub at_us: u64,
    pub hits: u64,
    /// Those that needed a home.
    pub misses: u64,
}

/// The home of a shard's lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Home {
    pub node: NodeName,
    pub term: Term,
    pub open: bool,
    /// While it does not: the leases of the home before, which it waits for.
    pub window: Option<Timer>,
    /// Who holds what, by address; at most [`LINES_MAX`].
    pub lines: SortedMap<Address, Held>,
    /// There are others, which are not known one by one.
    pub more: bool,
    /// For whom it waits or waited, by the number of the question; at most [`RECALLS_MAX`].
    pub recalls: SortedMap<u64, Recalls>,
}

/// Who holds a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Who may write it.
    pub owner: Option<NodeName>,
    /// Who else has a copy.
    pub sharers: Vec<NodeName>,
    pub since_us: u64,
}

/// A question that waits until copies are gone: the fan of invalidations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalls {
    pub address: Address,
    pub asker: NodeName,
    pub wants: Wants,
    pub since_us: u64,
    /// Whom it waits for, or waited.
    pub of: Vec<Recalled>,
}

/// One of those who are waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    pub node: NodeName,
    /// What it was told to do.
    pub recall: RecallKind,
    /// When it counts as gone if it does not answer: from the question to the end of its lease and the margin.
    pub lease: Timer,
    /// When it was waited for no more, and why.
    pub ended: Option<(u64, How)>,
}

impl Recalls {
    /// How many are waited for no more.
    pub fn ended(&self) -> usize {
        self.of.iter().filter(|one| one.ended.is_some()).count()
    }

    /// When the last one ended; none while anybody is waited for.
    pub fn over_us(&self) -> Option<u64> {
        let last = self.of.iter().try_fold(0, |last, one| Some(one.ended?.0.max(last)));
        last.map(|last_us: u64| last_us.max(self.since_us))
    }

    /// A node among those who are or were waited for.
    pub fn of_node(&self, node: &str) -> Option<&Recalled> {
        self.of.iter().find(|one| one.node == node)
    }
}

impl Rate {
    /// The part of hits, from 0 to 1; none where nothing was asked.
    pub fn share(&self) -> Option<f64> {
        let all = self.hits + self.misses;
        (all > 0).then(|| self.hits as f64 / all as f64)
    }
}

impl Home {
    /// The newest question about a line that waits or waited for copies.
    pub fn recalls_of(&self, address: &str) -> Option<&Recalls> {
        let about = |recalls: &&Recalls| recalls.address == address;
        // Of several the one that began last; the map is in the order of the questions.
        self.recalls.values().filter(about).max_by_key(|recalls| recalls.since_us)
    }
}

impl CacheView {
    /// Every address of which anybody reported something, in order.
    pub fn addresses(&self) -> Vec<Address> {
        let values = self.values.values().flat_map(|shard| shard.values.keys());
        let copies = self.nodes.values().flat_map(|node| node.lines.keys());
        let held = self.homes.values().flat_map(|home| home.lines.keys());
        let mut all = Vec::new();
        for address in values.chain(copies).chain(held) {
            if let Err(place) = all.binary_search(address) {
                all.insert(place, address.clone());
            }
        }
        all
    }

    /// A node's copy of a line, gone or not.
    pub fn copy(&self, node: &str, address: &str) -> Option<&LineCopy> {
        self.nodes.get(node)?.lines.get(address)
    }

    /// The change that happened last, anywhere: where, of what, and how.
    pub fn last_moved(&self) -> Option<(&NodeName, &Address, Moved)> {
        let lines = self.nodes.iter().flat_map(|(node, cache)| {
            cache.lines.iter().filter_map(move |(address, copy)| Some((node, address, copy.moved?)))
        });
        lines.max_by_key(|(_, _, moved)| moved.at_us)
    }
}

impl View {
    /// The shard of a cache line; none before the shard map is known.
    pub fn shard_of_line(&self, address: &str) -> Option<GroupId> {
        let shards = u16::try_from(self.ring.table.shards.len()).ok().filter(|count| *count > 0)?;
        Some(shard_of(address_hash(address), shards))
    }

    /// The home of a cache line: who it is and what it knows. Without a directory the leader of its shard, which knows
    /// nothing yet.
    pub fn home_of(&self, address: &str) -> Option<(GroupId, Option<NodeName>, Option<&Home>)> {
        let shard = self.shard_of_line(address)?;
        let home = self.cache.homes.get(&shard);
        let node = home.map(|home| home.node.clone()).or_else(|| self.leadership_of(shard).leader);
        Some((shard, node, home))
    }

    /// What is committed at an address.
    pub fn committed(&self, address: &str) -> Option<&Committed> {
        let shard = self.shard_of_line(address)?;
        self.cache.values.get(&shard)?.values.get(address)
    }
}
