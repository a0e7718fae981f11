//! Leadership of a shard goes to its preferred node: when that one has everything and has been healthy for a while.
//! Each node hands over one shard at a time. Where the preferred node does not take over, the others elect as
//! after any lost leader, and everything begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orrery_base::ids::{GroupId, NodeId};
use orrery_machine::ShardReplicas;

use crate::config::EngineConfig;
use crate::host::Host;
use crate::raft::group::Group;

/// The preferred node has everything when it is at most this many entries behind: the rest comes before it is asked.
const BEHIND_MAX: u64 = 64;

/// How often the time of health that a preferred node must show is doubled at most.
const DOUBLED_MAX: u32 = 6;

/// A shard that this node does not lead for so many seconds after it handed it over was kept by its preferred node.
const KEPT_S: u32 = 60;

/// Seconds between two hand-overs of one node: time enough to see how one ended.
const REST_S: u32 = 3;

/// For how long the preferred nodes of the shards that this node leads have been healthy.
#[derive(Debug, Default)]
pub struct Preferences {
    /// A shard is handed over after so many healthy seconds.
    after_s: u32,
    healthy_s: BTreeMap<GroupId, u32>,
    rest_s: u32,
    /// Hand-overs that this node remembers: the preferred node may reach this leader and no majority, and each try in vain costs
    /// the shard an election.
    tries: BTreeMap<GroupId, Tries>,
}

/// Hand-overs of one shard.
#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    count: u32,
    /// Seconds since this node led it.
    away_s: u32,
}

impl Preferences {
    /// Nothing is known yet.
    pub fn new(config: &EngineConfig) -> Self {
        let after_s = u32::try_from(config.prefer_after.as_secs()).unwrap_or(u32::MAX);
        Preferences { after_s, ..Preferences::default() }
    }

    /// One more second in which this node leads exactly these: what stays away for long was kept by its preferred node.
    fn remember(&mut self, led: &BTreeSet<GroupId>) {
        for (group, tries) in &mut self.tries {
            tries.away_s = if led.contains(group) { 0 } else { tries.away_s + 1 };
        }
        self.tries.retain(|_, tries| tries.away_s < KEPT_S);
    }

    /// Called about once a second with the shards that this node leads.
    pub async fn second<H: Host>(&mut self, led: &[(Arc<Group<H>>, ShardReplicas)]) {
        self.remember(&led.iter().map(|(group, _)| group.id).collect());
        let healthy = led.iter().filter_map(|(group, shard)| {
            let preferred = shard.preferred()?.id;
            (preferred != group.me && is_healthy(group, preferred)).then_some(group.id)
        });
        let Some(chosen) = self.choose(healthy.collect()) else { return };
        let Some((group, shard)) = led.iter().find(|(group, _)| group.id == chosen) else { return };
        let Some(preferred) = shard.preferred() else { return };
        tracing::info!(group = %group.id, to = %preferred.name, "handing over to the preferred leader");
        // It fails only when the group ended.
        let _ = group.transfer_to(preferred.id).await;
    }

    /// Seconds of health before the next try: twice as many after each that this node remembers.
    fn patience_s(&self, group: GroupId) -> u32 {
        let tries = self.tries.get(&group).map_or(0, |tries| tries.count).min(DOUBLED_MAX);
        self.after_s.saturating_mul(1 << tries)
    }

    /// One more second in which exactly these preferred nodes were healthy: which shard is to be handed over now?
    fn choose(&mut self, healthy: Vec<GroupId>) -> Option<GroupId> {
        let before = std::mem::take(&mut self.healthy_s);
        self.healthy_s = healthy
            .into_iter()
            .map(|group| (group, before.get(&group).map_or(1, |seconds| seconds.saturating_add(1))))
            .collect();
        self.rest_s = self.rest_s.saturating_sub(1);
        if self.rest_s > 0 {
            return None;
        }
        let due = self.healthy_s.iter().find(|(group, seconds)| **seconds > self.patience_s(**group));
        let chosen = due.map(|(group, _)| *group)?;
        self.healthy_s.remove(&chosen);
        let tries = self.tries.entry(chosen).or_default();
        tries.count += 1;
        self.rest_s = REST_S;
        Some(chosen)
    }
}

/// Whether it answers, and has nearly everything. A group whose members change keeps its leader.
pub(crate) fn is_healthy<H: Host>(group: &Group<H>, preferred: NodeId) -> bool {
    let membership = group.membership();
    if membership.get_joint_config().len() != 1 || !membership.voter_ids().any(|voter| voter == preferred) {
        return false;
    }
    let last = group.log.summary().last.unwrap_or_default();
    let has_all = group.matching().get(&preferred).is_some_and(|index| index + BEHIND_MAX >= last);
    has_all && group.heard_of(group.config().election_max).contains(&preferred)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [u16; 0] = [];

    fn seconds(preferences: &mut Preferences, count: u32, healthy: &[u16]) -> Vec<u16> {
        let healthy = || healthy.iter().map(|id| GroupId(*id)).collect();
        (0..count).filter_map(|_| preferences.choose(healthy())).map(|group| group.0).collect()
    }

    #[test]
    fn one_at_a_time_and_only_who_was_healthy_all_along() {
        let mut preferences = Preferences { after_s: 10, ..Preferences::default() };
        assert_eq!(seconds(&mut preferences, 10, &[1, 2]), NONE);
        assert_eq!(seconds(&mut preferences, 1, &[2]), [2], "ten seconds are over");
        assert_eq!(seconds(&mut preferences, 10, &[1]), NONE, "shard 1 begins again");
        assert_eq!(seconds(&mut preferences, 1, &[1, 3]), [1]);
        // Both are due at the same time.
        assert_eq!(seconds(&mut preferences, 10, &[3, 4]), [3]);
        assert_eq!(seconds(&mut preferences, 2, &[3, 4]), NONE, "it rests, and then shard 4 is due");
        assert_eq!(seconds(&mut preferences, 1, &[3, 4]), [4]);
    }

    #[test]
    fn who_did_not_keep_a_shard_waits_twice_as_long_for_the_next_try() {
        let mut preferences = Preferences { after_s: 10, ..Preferences::default() };
        let led = BTreeSet::from([GroupId(1)]);
        for after_s in [10, 20, 40, 80, 160, 320, 640, 640] {
            assert_eq!(seconds(&mut preferences, after_s, &[1]), NONE, "{after_s}");
            preferences.remember(&led);
            assert_eq!(seconds(&mut preferences, 1, &[1]), [1], "{after_s}");
        }
        for _ in 0..KEPT_S {
            preferences.remember(&BTreeSet::new());
        }
        assert_eq!(seconds(&mut preferences, 10, &[1]), NONE);
        assert_eq!(seconds(&mut preferences, 1, &[1]), [1], "it was kept for a minute: all is forgotten");
    }
}
