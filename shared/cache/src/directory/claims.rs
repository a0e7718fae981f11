//! What nodes hold from earlier homes, and the renewal of leases.

use std::collections::BTreeMap;

use orrery_base::ids::Term;

use super::{Directory, Held, Line, Owner, Phase};
use crate::message::{Claim, Kept, Told};
use crate::{Address, Holder, Values};

/// Most claims of one node: more than a node has lines would be nonsense.
pub(super) const CLAIMS_MAX: usize = 65_536;

impl Directory {
    /// A node says what it holds. What it says last counts.
    pub(super) fn claim(&mut self, from: &Holder, asked: u64, claims: &[Claim]) {
        let known = self.claims.get(from).map_or(0, |(known, _)| *known);
        if asked > known && claims.len() <= CLAIMS_MAX {
            self.claims.insert(from.clone(), (asked, claims.to_vec()));
        }
    }

    /// The window is over: what was claimed counts, unless something contradicts it.
    pub(super) fn accept_claims(&mut self, values: &Values, now_us: u64) {
        let mut lines: BTreeMap<Address, Vec<(Holder, u64, Claim)>> = BTreeMap::new();
        let end_us = now_us + self.timing.lease_us + self.timing.margin_us;
        for (node, (asked, claims)) in std::mem::take(&mut self.claims) {
            for claim in claims {
                lines.entry(claim.address.clone()).or_default().push((node.clone(), asked, claim));
            }
            self.leases.insert(node, end_us);
        }
        for (address, mut claims) in lines {
            claims.retain(|(_, _, claim)| claim.stamp.term == self.claimable && is_current(claim, values));
            let owners = claims.iter().filter(|(_, _, claim)| claim.owned).count();
            let mut line = Line { version: current(&address, &claims, values), ..Line::default() };
            for (node, asked, claim) in claims {
                let mut held = |was| Held { stamp: self.stamp(), was, asked };
                if !claim.owned && owners == 0 {
                    line.sharers.insert(node, held(claim.stamp));
                } else if claim.owned && owners == 1 {
                    let saved = saved(&claim, values).unwrap_or(0);
                    line.owner = Some(Owner { node, held: held(claim.stamp), saved });
                }
            }
            if line.owner.is_some() || !line.sharers.is_empty() {
                self.touch(&address);
                self.lines.insert(address, line);
            }
        }
    }

    /// A node wants its lease to go on; a majority confirmed this home since.
    pub(super) fn renew(&mut self, from: &Holder, lease: Option<Term>, now_us: u64) -> Told {
        if !self.may_lease(from, now_us) {
            return Told::Later { term: self.term };
        }
        let goes_on = lease == Some(self.term) && self.is_leased(from, now_us);
        self.extend(from, now_us);
        let kept = (!goes_on).then(|| self.kept(from));
        Told::Renewed { stamp: self.stamp(), kept }
    }

    /// The node may read from now on for as long as a lease lasts. Where the one before is over it shares nothing any
    /// more; a copy that is still noted as shared while a lease lasts was not given up without an answer.
    pub(super) fn extend(&mut self, node: &Holder, now_us: u64) {
        if !self.is_leased(node, now_us) {
            self.drop_shares(node);
        }
        let end_us = now_us + self.timing.lease_us + self.timing.margin_us;
        let end = self.leases.entry(node.clone()).or_insert(end_us);
        *end = end_us.max(*end);
    }

    fn kept(&self, node: &Holder) -> Vec<Kept> {
        let mut kept = Vec::new();
        for (address, line) in &self.lines {
            // It did not answer in its time: what it may hold is void from here on, whenever that is committed.
            if self.is_revoking(address) {
                continue;
            }
            let owned = line.owner.as_ref().filter(|owner| owner.node == *node);
            let found = match owned {
                Some(owner) => Some((&owner.held, owner.saved)),
                None => line.sharers.get(node).map(|held| (held, 0)),
            };
            if let Some((held, saved)) = found {
                let (stamp, was) = (held.stamp, held.was);
                kept.push(Kept { address: address.clone(), stamp, was, version: line.version, saved });
            }
        }
        kept
    }

    fn is_revoking(&self, address: &Address) -> bool {
        let first = self.turns.get(address).and_then(|turn| turn.front());
        let asked = first.and_then(|question| self.questions.get(question));
        asked.is_some_and(|asked| asked.phase == Phase::Revoking)
    }

    /// The node shares nothing any more. What it owns stays its own until it is taken.
    pub(super) fn drop_shares(&mut self, node: &Holder) {
        let shared: Vec<Address> = self
            .lines
            .iter()
            .filter(|(_, line)| line.sharers.contains_key(node))
            .map(|(address, _)| address.clone())
            .collect();
        for address in shared {
            if let Some(line) = self.lines.get_mut(&address) {
                line.sharers.remove(node);
            }
            self.touch(&address);
            if !self.turns.contains_key(&address) {
                self.forget_if_free(&address);
            }
        }
    }
}

/// Nothing was written since, unless the node itself wrote it back under the same grant.
fn is_current(claim: &Claim, values: &Values) -> bool {
    values.last_change(&claim.address) <= claim.version || claim.owned && saved(claim, values).is_some()
}

fn saved(claim: &Claim, values: &Values) -> Option<u64> {
    let saved = values.get(&claim.address)?.saved?;
    (saved.grant == claim.stamp).then_some(saved.write)
}

/// The line's version; where it has no value, what the claim says of it.
fn current(address: &Address, claims: &[(Holder, u64, Claim)], values: &Values) -> u64 {
    let claimed = claims.iter().map(|(_, _, claim)| claim.version).max();
    values.version(address).or(claimed).unwrap_or_default()
}
