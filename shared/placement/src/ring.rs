//! The consistent-hash ring: members, each at many points (Karger et al., 1997).

use orrery_base::ids::NodeName;
use orrery_base::sorted::{sort_by, sort_long};
use serde::{Deserialize, Serialize};

use super::hash::Token;

/// Virtual nodes of a member that asks for no other weight.
///
/// With 64 the largest share of members named `node1` to `nodeN` is 1.01 to 1.29 of the mean for N = 3 to 10 (a
/// test prints the table). That is a property of these names, not a guarantee: of 400 clusters of ten with other
/// names half are below 1.20, nine of ten below 1.28, the worst is at 1.50. Arc lengths vary by about 1/√64 = 12 %
/// per member. It does not decide how data is spread: shards are equal arcs and [`super::Bounds`] limits what a
/// node gets.
pub const VIRTUAL_NODES: u32 = 64;

/// Most members of a ring.
pub const RING_NODES_MAX: usize = 1_024;

/// Most virtual nodes of one member.
pub const WEIGHT_MAX: u32 = 4_096;

/// A member of the ring.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RingNode {
    /// Its name; the ring knows members by nothing else, so a node that lost its disk keeps its arcs.
    pub name: NodeName,
    /// Number of its virtual nodes, at most [`WEIGHT_MAX`]. With 0 it is a member that is given nothing.
    pub weight: u32,
}

impl RingNode {
    /// A member of the usual weight.
    pub fn new(name: impl Into<NodeName>) -> Self {
        RingNode { name: name.into(), weight: VIRTUAL_NODES }
    }
}

/// One point of a member on the ring. It owns the arc from the point before it (exclusive) to its own (inclusive).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VirtualNode {
    /// Where it is: the hash of "name#n", n in decimal digits.
    pub token: Token,
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub node: NodeName,
    /// Its number, from 0.
    pub n: u32,
}

/// What a member owns of the hash space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeShare {
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub node: NodeName,
    /// Sum of its arcs, as a part of 1.
    pub share: f64,
    /// What its weight entitles it to, as a part of 1.
    pub ideal: f64,
}

/// Members that make no ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// A name stands twice.
    #[error("{0} is on the ring twice")]
    Twice(NodeName),
    /// More than [`RING_NODES_MAX`] members.
    #[error("{0} nodes are more than a ring takes, which is {RING_NODES_MAX}")]
    TooMany(usize),
    /// A weight above [`WEIGHT_MAX`].
    #[error("{} has the weight {}, which is more than {WEIGHT_MAX}", .0.name, .0.weight)]
    TooHeavy(RingNode),
}

/// A virtual node that names its member by its place in [`Ring::nodes`]. Its order is that of the ring: by token,
/// ties by name (the members are sorted), then by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    pub token: Token,
    pub node: usize,
    pub n: u32,
}

/// The ring. Equal members make equal rings, in whatever order they are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    nodes: Vec<RingNode>,
    points: Vec<Point>,
}

impl Ring {
    /// The ring of these members.
    ///
    /// # Errors
    /// A name that stands twice, and members or weights beyond their bounds.
    pub fn new(nodes: impl IntoIterator<Item = RingNode>) -> Result<Self, RingError> {
        let mut nodes: Vec<RingNode> = nodes.into_iter().collect();
        sort_by(&mut nodes, Ord::cmp);
        if nodes.len() > RING_NODES_MAX {
            return Err(RingError::TooMany(nodes.len()));
        }
        if let Some(heavy) = nodes.iter().find(|node| node.weight > WEIGHT_MAX) {
            return Err(RingError::TooHeavy(heavy.clone()));
        }
        if let Some(twice) = nodes.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(RingError::Twice(twice[0].name.clone()));
        }
        let points = nodes.iter().enumerate().flat_map(|(place, node)| {
            (0..node.weight).map(move |n| Point { token: token(&node.name, n), node: place, n })
        });
        let mut points: Vec<Point> = points.collect();
        sort_long(&mut points);
        Ok(Ring { nodes, points })
    }

    /// The same ring without some of its members. All other virtual nodes stay where they are.
    #[must_use]
    pub fn without(&self, gone: impl Fn(&NodeName) -> bool) -> Ring {
        let kept = |place: usize| !gone(&self.nodes[place].name);
        let mut places = vec![0; self.nodes.len()];
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (place, node) in self.nodes.iter().enumerate().filter(|(place, _)| kept(*place)) {
            places[place] = nodes.len();
            nodes.push(node.clone());
        }
        let points = self.points.iter().filter(|point| kept(point.node));
        let points = points.map(|point| Point { node: places[point.node], ..*point }).collect();
        Ring { nodes, points }
    }

    /// The members, sorted by name.
    pub fn nodes(&self) -> &[RingNode] {
        &self.nodes
    }

    /// Number of members that have a virtual node: those among which shards are placed.
    pub fn placed(&self) -> usize {
        self.nodes.iter().filter(|node| node.weight > 0).count()
    }

    /// All virtual nodes, clockwise from 0.
    pub fn virtual_nodes(&self) -> impl Iterator<Item = VirtualNode> + '_ {
        self.points.iter().map(|point| self.virtual_node(*point))
    }

    /// One whole turn: all virtual nodes, clockwise from the first one at `from` or after it.
    pub fn clockwise(&self, from: Token) -> impl Iterator<Item = VirtualNode> + '_ {
        self.points_from(from).map(|point| self.virtual_node(point))
    }

    /// The member that owns a point: that of the first virtual node at it or clockwise of it. None on an empty
    /// ring.
    pub fn owner(&self, point: Token) -> Option<&NodeName> {
        self.points_from(point).next().map(|point| &self.nodes[point.node].name)
    }

    /// What each member owns of the hash space, sorted by name. The shares sum up to 1 unless the ring is empty.
    pub fn owner_share(&self) -> Vec<NodeShare> {
        let mut arcs = vec![0_u128; self.nodes.len()];
        for (length, point) in self.arcs() {
            arcs[point.node] += length;
        }
        let weights: f64 = self.nodes.iter().map(|node| f64::from(node.weight)).sum();
        let shares = self.nodes.iter().zip(arcs).map(|(node, arc)| NodeShare {
            node: node.name.clone(),
            share: part_of_space(arc),
            ideal: if weights > 0.0 { f64::from(node.weight) / weights } else { 0.0 },
        });
        shares.collect()
    }

    /// How uneven the ring is: the largest share in relation to what that member's weight entitles it to. With
    /// equal weights that is the largest share over the mean. 1 is even; an empty ring is even.
    pub fn balance(&self) -> f64 {
        let shares = self.owner_share();
        let entitled = shares.iter().filter(|node| node.ideal > 0.0);
        entitled.map(|node| node.share / node.ideal).fold(1.0, f64::max)
    }

    /// Part of the hash space, 0 to 1, that has another owner on another ring.
    pub fn moved_share(&self, other: &Ring) -> f64 {
        // Sorted as points: the order of tokens, by the code that sorted them before.
        let mut points: Vec<Point> = self.points.iter().chain(&other.points).copied().collect();
        sort_long(&mut points);
        let mut ends: Vec<Token> = points.iter().map(|point| point.token).collect();
        ends.dedup();
        // Between two neighbouring tokens of either ring neither ring has another owner.
        let moved = arcs_between(&ends).filter(|(_, end)| self.owner(*end) != other.owner(*end));
        part_of_space(moved.map(|(length, _)| length).sum())
    }

    pub(super) fn name(&self, place: usize) -> &NodeName {
        &self.nodes[place].name
    }

    /// One whole turn from `from`, as points.
    pub(super) fn points_from(&self, from: Token) -> impl Iterator<Item = Point> + '_ {
        let first = self.points.partition_point(|point| point.token < from);
        self.points[first..].iter().chain(&self.points[..first]).copied()
    }

    /// The members in the order in which a walk from `from` meets them, each once.
    pub(super) fn members_from(&self, from: Token) -> impl Iterator<Item = usize> + '_ {
        let mut met = vec![false; self.nodes.len()];
        let fresh = move |point: &Point| !std::mem::replace(&mut met[point.node], true);
        self.points_from(from).filter(fresh).map(|point| point.node)
    }

    pub(super) fn virtual_node(&self, point: Point) -> VirtualNode {
        VirtualNode { token: point.token, node: self.name(point.node).clone(), n: point.n }
    }

    /// Each point with the length of the arc that ends at it.
    fn arcs(&self) -> impl Iterator<Item = (u128, Point)> + '_ {
        let ends: Vec<Token> = self.points.iter().map(|point| point.token).collect();
        let lengths: Vec<u128> = arcs_between(&ends).map(|(length, _)| length).collect();
        lengths.into_iter().zip(self.points.iter().copied())
    }
}

/// Where a member's virtual node is.
fn token(name: &str, n: u32) -> Token {
    Token::of(format!("{name}#{n}").as_bytes())
}

/// The arcs that end at these sorted tokens, once around: length and end. Of equal tokens the first one has the
/// arc, as the first one is what a walk meets.
fn arcs_between(ends: &[Token]) -> impl Iterator<Item = (u128, Token)> + '_ {
    let before = ends.last().into_iter().chain(ends);
    let same = ends.first() == ends.last();
    ends.iter().zip(before).enumerate().map(move |(place, (end, before))| {
        let length = end.0.wrapping_sub(before.0);
        // All tokens are one: its arc is the whole circle, which the difference of 64 bits cannot say.
        let length = if same && place == 0 { 1 << 64 } else { u128::from(length) };
        (length, *end)
    })
}

fn part_of_space(length: u128) -> f64 {
    length as f64 / (1_u128 << 64) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring whose virtual nodes are where the test says: no names are known whose hashes are the same.
    fn ring(points: &[(u64, usize, u32)]) -> Ring {
        let nodes = ["a", "b", "c"].map(|name| RingNode { name: name.into(), weight: 2 }).to_vec();
        let mut points: Vec<Point> = points
            .iter()
            .map(|(token, node, n)| Point { token: Token(*token), node: *node, n: *n })
            .collect();
        points.sort_unstable();
        Ring { nodes, points }
    }

    #[test]
    fn ties_go_to_the_first_name_then_to_the_first_number() {
        let ring = ring(&[(7, 2, 0), (7, 1, 1), (7, 1, 0), (9, 0, 0), (9, 0, 1)]);
        let order: Vec<(String, u32)> =
            ring.clockwise(Token(1)).map(|node| (node.node.to_string(), node.n)).collect();
        let expected = [("b", 0), ("b", 1), ("c", 0), ("a", 0), ("a", 1)];
        assert_eq!(order, expected.map(|(name, n)| (name.to_owned(), n)));
        for (point, owner) in [(0, "b"), (7, "b"), (8, "a"), (9, "a"), (10, "b"), (u64::MAX, "b")] {
            assert_eq!(ring.owner(Token(point)).map(|name| name.as_str()), Some(owner), "{point}");
        }
        let shares: Vec<f64> = ring.owner_share().iter().map(|node| node.share).collect();
        assert_eq!(shares[2], 0.0, "the second of a tie owns nothing");
        assert_eq!(shares.iter().sum::<f64>(), 1.0);
    }

    #[test]
    fn one_point_owns_the_whole_circle() {
        for points in [&[(5, 1, 0)][..], &[(5, 1, 0), (5, 2, 0)], &[(0, 1, 0)], &[(u64::MAX, 1, 0)]] {
            let ring = ring(points);
            let shares: Vec<f64> = ring.owner_share().iter().map(|node| node.share).collect();
            assert_eq!(shares, [0.0, 1.0, 0.0], "{points:?}");
        }
    }
}
