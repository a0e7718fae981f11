//! Faults of links in facts and snapshots: the one place that knows how each version of the stream says them. Everybody else
//! has a [`Fault`].

use std::collections::BTreeMap;

use orrery_base::fault::Fault;
use orrery_base::ids::NodeName;

use super::fact::{Fact, FaultyLink, ImpairedLink};
use super::stream::NodeSnapshot;

/// What a node says when the fault of its link to a peer changed: whether it is cut, and then what else is wrong.
pub fn facts(peer: &NodeName, before: Fault, now: Fault) -> [Option<Fact>; 2] {
    let cut = (before.cut != now.cut).then(|| Fact::LinkFault { peer: peer.clone(), cut: now.cut });
    let impaired = before != Fault { cut: before.cut, ..now };
    let link = FaultyLink { peer: peer.clone(), fault: now };
    [cut, impaired.then_some(Fact::LinkFaultSet { link })]
}

/// What is wrong with a node's link after a fact that says so: the peer at its other end, and the fault. `before` tells what was
/// wrong with it: some facts say a part.
pub fn after(fact: &Fact, before: impl FnOnce(&NodeName) -> Fault) -> Option<(&NodeName, Fault)> {
    match fact {
        Fact::LinkFault { peer, cut } => Some((peer, Fault { cut: *cut, ..before(peer) })),
        Fact::LinkImpaired { link } => {
            let cut = if before(&link.peer).cut { Fault::CUT } else { Fault::NONE };
            Some((&link.peer, impaired(link).combine(cut)))
        }
        Fact::LinkFaultSet { link } => Some((&link.peer, link.fault)),
        _ => None,
    }
}

fn impaired(link: &ImpairedLink) -> Fault {
    Fault { delay_ms: link.delay_ms, loss_percent: link.loss_percent, ..Fault::NONE }
}

impl NodeSnapshot {
    /// What is wrong with the node's links, by the peer at the other end; nothing where nothing is.
    pub fn link_faults(&self) -> BTreeMap<NodeName, Fault> {
        let mut faults: BTreeMap<NodeName, Fault> = BTreeMap::new();
        let mut add = |peer: &NodeName, fault: Fault| {
            let all = faults.entry(peer.clone()).or_default();
            *all = all.combine(fault);
        };
        for link in &self.faulty_links {
            add(&link.peer, link.fault);
        }
        // Streams before version 7 have the parts.
        for peer in &self.cut_links {
            add(peer, Fault::CUT);
        }
        for link in &self.impaired_links {
            add(&link.peer, impaired(link));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Fault = Fault { delay_ms: 40, loss_percent: 5, ..Fault::NONE };

    fn peer() -> NodeName {
        "node2".into()
    }

    #[test]
    fn the_facts_of_a_change_say_what_is_wrong_now() {
        let cut_too = Fault { cut: true, ..SLOW };
        let faults = [Fault::NONE, Fault::CUT, SLOW, cut_too];
        for (before, now) in faults.iter().flat_map(|before| faults.map(|now| (*before, now))) {
            let told = facts(&peer(), before, now);
            assert_eq!(told.iter().flatten().count() > 0, before != now);
            let read = told.iter().flatten().fold(before, |fault, fact| {
                let (at, fault) = after(fact, |_| fault).expect("it is of a link");
                assert_eq!(*at, peer());
                fault
            });
            assert_eq!(read, now, "from {before}");
        }
        assert_eq!(facts(&peer(), SLOW, cut_too), [Some(Fact::LinkFault { peer: peer(), cut: true }), None]);
    }

    #[test]
    fn what_older_streams_say_is_the_same_fault() {
        let slow = ImpairedLink { peer: peer(), delay_ms: 40, loss_percent: 5 };
        let cut_too = Fault { cut: true, ..SLOW };
        let fact = Fact::LinkImpaired { link: slow.clone() };
        assert_eq!(after(&fact, |_| Fault::CUT), Some((&peer(), cut_too)));
        assert_eq!(after(&Fact::LinkUp { peer: peer() }, |_| Fault::CUT), None);
        let old =
            NodeSnapshot { cut_links: vec![peer()], impaired_links: vec![slow], ..NodeSnapshot::default() };
        let link = FaultyLink { peer: peer(), fault: cut_too };
        let new = NodeSnapshot { faulty_links: vec![link], ..NodeSnapshot::default() };
        assert_eq!(old.link_faults(), [(peer(), cut_too)].into());
        assert_eq!(new.link_faults(), old.link_faults());
    }
}
