//! What people would see: every fact is folded, in the order in which it happens anywhere. The view must hold
//! together whatever is restarted, emptied or set back; what it shows is compared with what nodes have by the tests
//! on real processes.

use std::collections::BTreeMap;

use orrery_base::hlc::Hlc;
use orrery_base::ids::{BootEpoch, Sequence};
use orrery_event::{Event, Fact};
use orrery_projection::view::View;

use orrery_sim::network::name;
use orrery_sim::runtime::TaskGroup;

/// Every n-th fact is followed by a check of the whole view.
const CHECK_EVERY: u64 = 128;

/// Between two facts, microseconds: about as far apart as they are in a run.
const FACT_US: u64 = 1_000;

/// The view of one run.
#[derive(Default)]
pub struct Folded {
    view: View,
    facts: u64,
    /// Boot and last sequence of every node.
    sources: BTreeMap<TaskGroup, (BootEpoch, Sequence)>,
}

impl Folded {
    /// A node starts: its events are numbered anew.
    pub fn booted(&mut self, node: TaskGroup) {
        let (boot, seq) = self.sources.entry(node).or_default();
        *boot += 1;
        *seq = 0;
    }

    pub fn fact(&mut self, node: TaskGroup, fact: &Fact) {
        self.facts += 1;
        let (boot, seq) = self.sources.entry(node).or_insert((1, 0));
        *seq += 1;
        let us = self.facts * FACT_US;
        let event = Event { seq: *seq, hlc: Hlc::new(us, 0), wall_us: us, fact: fact.clone() };
        self.view.apply(&name(node), *boot, &event);
        if self.facts.is_multiple_of(CHECK_EVERY) {
            self.view.assert_consistent();
        }
    }
}
