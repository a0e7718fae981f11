//! How the view compares with what the nodes say that they have.

use crate::event::sums::Sums;
use crate::ids::{GroupId, LogIndex, NodeName};
use crate::sorted::SortedMap;

/// The comparisons of a view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparisons {
    /// Those whose answer did not come yet.
    pub open: SortedMap<GroupId, OpenComparison>,
    /// How many found a difference.
    pub differences: u32,
    /// The last one that did.
    pub last: Option<Difference>,
}

/// What the view had when a node began to compare.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenComparison {
    /// Which node.
    pub node: NodeName,
    /// The index up to which the node had applied.
    pub index: LogIndex,
    /// What the view had.
    pub sums: Sums,
}

/// A difference between the view and a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// When.
    pub at_us: u64,
    /// Which node.
    pub node: NodeName,
    /// In which group.
    pub group: GroupId,
}

impl Comparisons {
    /// Whether a node's sums are others than the view's were at that index.
    pub fn differs(&self, node: &str, group: GroupId, index: LogIndex, sums: &Sums) -> bool {
        let open = self.open.get(&group).filter(|open| open.node == node && open.index == index);
        open.is_some_and(|open| open.sums.differ(sums))
    }
}
