//! Leadership of a shard goes to its preferred node: when that one has everything and has been healthy for a while.
//! Each node hands over one shard at a time. Where the preferred node does not take over, the others elect as
//! after any lost leader, and everything begins anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::EngineConfig;
use super::group::Group;
use super::host::Host;
use crate::ids::{GroupId, NodeId};
use crate::machine::ShardReplicas;

/// The preferred node has everything when it is at most this many entries behind: the rest comes before it is asked.
const BEHIND_MAX: u64 = 64;

/// Seconds between two hand-overs of one node: time enough to see how one ended.
const REST_S: u32 = 3;

/// For how long the preferred nodes of the shards that this node leads have been healthy.
#[derive(Debug)]
pub struct Preferences {
    /// A shard is handed over after so many healthy seconds.
    after_s: u32,
    healthy_s: BTreeMap<GroupId, u32>,
    rest_s: u32,
}

impl Preferences {
    /// Nothing is known yet.
    pub fn new(config: &EngineConfig) -> Self {
        let after_s = u32::try_from(config.prefer_after.as_secs()).unwrap_or(u32::MAX);
        Preferences { after_s, healthy_s: BTreeMap::new(), rest_s: 0 }
    }

    /// Called about once a second with the shards that this node leads.
    pub async fn second<H: Host>(&mut self, led: &[(Arc<Group<H>>, ShardReplicas)]) {
        let healthy = led.iter().filter_map(|(group, shard)| {
            let preferred = shard.preferred()?.id;
            (preferred != group.me && is_healthy(group, preferred)).then_some(group.id)
        });
        let Some(chosen) = self.choose(healthy.collect()) else { return };
        let Some((group, shard)) = led.iter().find(|(group, _)| group.id == chosen) else { return };
        let Some(preferred) = shard.preferred() else { return };
        tracing::info!(group = %group.id, to = %preferred.name, "handing over to the preferred leader");
        // It fails only when the group ended.
        let _ = group.raft.trigger().transfer_leader(preferred.id).await;
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
        let due = self.healthy_s.iter().find(|(_, seconds)| **seconds > self.after_s);
        let chosen = due.map(|(group, _)| *group)?;
        self.healthy_s.remove(&chosen);
        self.rest_s = REST_S;
        Some(chosen)
    }
}

/// Whether it answers, and has nearly everything. A group whose members change keeps its leader.
fn is_healthy<H: Host>(group: &Group<H>, preferred: NodeId) -> bool {
    let membership = group.membership();
    if membership.get_joint_config().len() != 1 || !membership.voter_ids().any(|voter| voter == preferred) {
        return false;
    }
    let last = group.log.summary().last.unwrap_or_default();
    let has_all = group.matching().get(&preferred).is_some_and(|index| index + BEHIND_MAX >= last);
    has_all && group.heard_of(group.config().heartbeat * 3).contains(&preferred)
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
        let mut preferences = Preferences { after_s: 10, healthy_s: BTreeMap::new(), rest_s: 0 };
        assert_eq!(seconds(&mut preferences, 10, &[1, 2]), NONE);
        assert_eq!(seconds(&mut preferences, 1, &[2]), [2], "ten seconds are over");
        assert_eq!(seconds(&mut preferences, 10, &[1]), NONE, "shard 1 begins again");
        assert_eq!(seconds(&mut preferences, 1, &[1, 3]), [1]);
        // Both are due at the same time.
        assert_eq!(seconds(&mut preferences, 10, &[3, 4]), [3]);
        assert_eq!(seconds(&mut preferences, 2, &[3, 4]), NONE, "it rests, and then shard 4 is due");
        assert_eq!(seconds(&mut preferences, 1, &[3, 4]), [4]);
    }
}
