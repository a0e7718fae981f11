//! The coherent cache as it is drawn: one row per line, one cell per node, and beside them what the home has.

use orrery_base::ids::{GroupId, NodeName};
use orrery_cache::{Address, State};
use orrery_projection::view::{Timer, View};
use smol_str::SmolStr;

/// So long, on the view clock, the fan of a question that is answered stays on the stage.
const FAN_STAYS_US: u64 = 400_000;

/// A line's cell of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CellLook {
    /// The letter; none where nobody reported a copy of this node.
    pub state: Option<State>,
    /// It has a write that is not known to be written back.
    pub unsaved: bool,
    /// A write in it was lost.
    pub lost: bool,
    /// What the home knows of it.
    pub known: Known,
    /// The home waits for this node: how long at most.
    pub waited: Option<Timer>,
    /// It is the home.
    pub home: bool,
}

/// What a home knows of a node's copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Known {
    #[default]
    Nothing,
    /// It may have a copy.
    Shares,
    Owns,
}

/// The acknowledgements of the last question about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanLook {
    pub asker: Option<usize>,
    /// Who is or was waited for, and whether it is over.
    pub of: Vec<(usize, bool)>,
    /// How many are over, and of how many.
    pub count: (usize, usize),
    /// When the last one was.
    pub over_us: Option<u64>,
}

impl FanLook {
    /// `2/3`.
    pub fn counted(&self) -> String {
        let (done, all) = self.count;
        format!("{done}/{all}")
    }

    /// Whether the stage shows it.
    pub fn on_stage(&self, now_us: u64) -> bool {
        self.over_us.is_none_or(|over_us| now_us < over_us + FAN_STAYS_US)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowLook {
    pub shard: GroupId,
    /// Its home, as a place on the circle.
    pub home: Option<usize>,
    /// The home waits for the leases of the one before.
    pub opening: bool,
    /// The beginning of the committed value, and its version.
    pub value: Option<(SmolStr, u64)>,
    /// Somebody wrote what is not committed yet.
    pub stale: bool,
    /// By place on the circle.
    pub cells: Vec<CellLook>,
    /// Who is waited for, or was last.
    pub fan: Option<FanLook>,
}

impl RowLook {
    pub fn of(view: &View, address: &str) -> RowLook {
        let place = |name: &NodeName| view.order.iter().position(|other| other == name);
        let (shard, home, directory) = view.home_of(address).unwrap_or_default();
        let held = directory.and_then(|home| home.lines.get(address));
        let recalls = directory.and_then(|home| home.recalls_of(address));
        let cell = |name: &NodeName| {
            let copy = view.cache.copy(name, address);
            let known = match held {
                Some(held) if held.owner.as_ref() == Some(name) => Known::Owns,
                Some(held) if held.sharers.contains(name) => Known::Shares,
                _ => Known::Nothing,
            };
            let waited = recalls.and_then(|recalls| recalls.of_node(name));
            CellLook {
                state: copy.map(|copy| copy.state),
                unsaved: copy.is_some_and(|copy| copy.unsaved),
                lost: copy.is_some_and(|copy| copy.lost_us.is_some()),
                known,
                waited: waited.filter(|one| one.ended.is_none()).map(|one| one.lease),
                home: home.as_ref() == Some(name),
            }
        };
        let cells: Vec<CellLook> = view.order.iter().map(cell).collect();
        let fan = recalls.map(|recalls| FanLook {
            asker: place(&recalls.asker),
            of: recalls.of.iter().filter_map(|one| Some((place(&one.node)?, one.ended.is_some()))).collect(),
            count: (recalls.ended(), recalls.of.len()),
            over_us: recalls.over_us(),
        });
        RowLook {
            shard,
            home: home.as_ref().and_then(place),
            opening: directory.is_some_and(|home| !home.open),
            value: view.committed(address).map(|value| (value.preview.clone(), value.version)),
            stale: cells.iter().any(|cell| cell.unsaved),
            cells,
            fan,
        }
    }
}

/// The line that the stage shows where the reader chose none: one whose copies are waited for, or the one that
/// changed last.
pub fn busiest(view: &View) -> Option<Address> {
    let recalls = view.cache.homes.values().flat_map(|home| home.recalls.values());
    let waiting = recalls.filter(|recalls| recalls.over_us().is_none());
    let newest = waiting.max_by_key(|recalls| recalls.since_us).map(|recalls| recalls.address.clone());
    newest.or_else(|| view.cache.last_moved().map(|(_, address, _)| address.clone()))
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use orrery_base::hlc::Hlc;
    use orrery_cache::message::RecallKind;
    use orrery_cache::{Cause, HomeFact, How, LineFact, Waited, Wants};
    use orrery_event::{Event, Fact};
    use orrery_placement::RingNode;
    use orrery_placement::{PlacedShard, ShardTable};

    use super::*;

    pub(crate) const ONLY: GroupId = GroupId(1);

    pub(crate) fn say(view: &mut View, node: &str, us: u64, fact: Fact) {
        let seq = view.node(node).map_or(1, |node| node.seq + 1);
        view.apply(&node.into(), 1, &Event { seq, hlc: Hlc::new(us, 0), wall_us: us, fact });
    }

    pub(crate) fn changed(view: &mut View, node: &str, us: u64, address: &str, to: State) {
        let (from, cause) = (State::I, Cause::LocalRead);
        let fact = LineFact::Changed { address: address.into(), from, to, cause, version: 7 };
        say(view, node, us, Fact::CacheLine { group: ONLY, fact });
    }

    /// Three nodes, one shard whose home is node1.
    pub(crate) fn cluster() -> View {
        let mut view = View::default();
        let nodes = ["node1", "node2", "node3"].map(RingNode::new).to_vec();
        let placed = PlacedShard { shard: ONLY, version: 1, replicas: vec!["node1".into()] };
        let shards = Box::new(ShardTable { version: 1, nodes, shards: vec![placed] });
        say(&mut view, "node1", 10, Fact::ShardsPlaced { group: GroupId::CONTROL, index: 1, shards });
        for node in ["node2", "node3"] {
            say(&mut view, node, 10, Fact::Started { version: "1".into() });
        }
        home(&mut view, 20, HomeFact::Open { term: 1 });
        view
    }

    fn home(view: &mut View, us: u64, fact: HomeFact) {
        say(view, "node1", us, Fact::CacheHome { group: ONLY, fact });
    }

    #[test]
    fn a_row_says_who_has_what_and_whom_the_home_waits_for() {
        let mut view = cluster();
        changed(&mut view, "node2", 30, "price", State::M);
        changed(&mut view, "node3", 40, "price", State::S);
        let (owner, sharers) = (Some("node2".into()), vec!["node3".into()]);
        home(&mut view, 50, HomeFact::Held { address: "price".into(), owner, sharers });
        let row = RowLook::of(&view, "price");
        assert_eq!((row.shard, row.home, row.opening, row.stale), (ONLY, Some(0), false, true));
        let states: Vec<_> = row.cells.iter().map(|cell| (cell.state, cell.known)).collect();
        let expected =
            [(None, Known::Nothing), (Some(State::M), Known::Owns), (Some(State::S), Known::Shares)];
        assert_eq!(states, expected);
        let waited =
            |node: &str| Waited { node: node.into(), recall: RecallKind::Invalidate, gone_in_us: 100 };
        let (address, asker, wants) = ("price".into(), "node1".into(), Wants::Write);
        let of = vec![waited("node2"), waited("node3")];
        home(&mut view, 60, HomeFact::Recalling { question: 1, address, asker, wants, of });
        let recalled = |node: &str| HomeFact::Recalled {
            question: 1,
            address: "price".into(),
            node: node.into(),
            how: How::Acknowledged,
        };
        home(&mut view, 70, recalled("node3"));
        let row = RowLook::of(&view, "price");
        let fan = row.fan.expect("a question");
        assert_eq!((fan.count, fan.of, fan.over_us), ((1, 2), vec![(1, false), (2, true)], None));
        assert_eq!(row.cells[1].waited, Some(Timer { started_us: 60, due_us: 100 }));
        assert_eq!(row.cells[2].waited, None);
        changed(&mut view, "node3", 75, "seat", State::E);
        assert_eq!(busiest(&view).as_deref(), Some("price"), "it is waited for");
        home(&mut view, 80, recalled("node2"));
        let fan = RowLook::of(&view, "price").fan.expect("a question");
        assert_eq!((fan.over_us, fan.on_stage(90), fan.on_stage(80 + FAN_STAYS_US)), (Some(80), true, false));
        assert_eq!(busiest(&view).as_deref(), Some("seat"));
    }
}
