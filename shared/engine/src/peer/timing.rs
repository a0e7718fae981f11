//! Whether all nodes of a cluster time heartbeats and elections alike.

use std::collections::BTreeMap;
use std::sync::Mutex;

use orrery_base::ids::NodeName;
use serde::{Deserialize, Serialize};

use crate::config::EngineConfig;
use crate::sync::lock;

/// How a node times heartbeats and elections, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    pub heartbeat_ms: u32,
    /// Shortest election time-out.
    pub election_ms_min: u32,
    /// Longest one, and the leader's lease.
    pub election_ms_max: u32,
}

impl Timing {
    fn of(config: &EngineConfig) -> Self {
        let ms = |duration: std::time::Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        Timing {
            heartbeat_ms: ms(config.heartbeat),
            election_ms_min: ms(config.election_min),
            election_ms_max: ms(config.election_max),
        }
    }
}

/// This node's timing, and what its peers said of theirs.
pub struct Timings {
    pub own: Timing,
    /// Of those who have another one.
    others: Mutex<BTreeMap<NodeName, Timing>>,
}

impl Timings {
    /// Nobody said anything yet.
    pub fn new(config: &EngineConfig) -> Self {
        Timings { own: Timing::of(config), others: Mutex::default() }
    }

    /// A peer's. Another one than this node's is logged, once for each that it has. Whether it was news.
    pub fn heard(&self, peer: &NodeName, theirs: Timing) -> bool {
        let mut others = lock(&self.others);
        if theirs == self.own {
            return others.remove(peer).is_some();
        }
        if others.get(peer) == Some(&theirs) {
            return false;
        }
        others.insert(peer.clone(), theirs);
        tracing::warn!(
            %peer, ?theirs, own = ?self.own,
            "times heartbeats and elections otherwise than this node: give all nodes the same profile, --heartbeat-ms and \
             --election-ms"
        );
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profile;

    #[test]
    fn another_timing_is_said_once() {
        let timings = Timings::new(&EngineConfig::new(Profile::Realistic));
        let slow = Timing::of(&EngineConfig::new(Profile::Classroom));
        assert!(!timings.heard(&"b".into(), timings.own));
        assert!(timings.heard(&"b".into(), slow));
        assert!(!timings.heard(&"b".into(), slow), "said already");
        assert!(timings.heard(&"c".into(), slow), "of another peer");
        assert!(timings.heard(&"b".into(), timings.own), "it was put right");
        assert!(!timings.heard(&"b".into(), timings.own));
    }
}
