//! Whether a majority confirmed a group's leader lately, as the leader knows it and as its followers hear it.
//!
//! A leader that is cut off stays a leader by its own word (openraft keeps the role), and a follower that hears it has no
//! way to tell. So each heartbeat says how long ago the sending time of the last heartbeat lies that a majority
//! acknowledged (Raft thesis, section 6.4.1). Ages travel, never stamps: no two clocks are compared.

use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use openraft::AsyncRuntime;
use openraft::async_runtime::{Instant, Watch, WatchReceiver};
use openraft::metrics::{RaftDataMetrics, RaftServerMetrics};
use orrery_base::ids::{GroupId, NodeName};

use crate::config::EngineConfig;
use crate::host::Host;
use crate::raft::group::{Group, GroupRaft};
use crate::sync::lock;
use crate::types::Types;

type Receiver<R, M> = <<R as AsyncRuntime>::Watch as Watch>::Receiver<M>;

/// When a majority last confirmed a group's leader.
pub struct Confirmed<H: Host> {
    /// openraft's figures, once it runs.
    metrics: OnceLock<Metrics<H::Runtime>>,
    /// At a follower: the leader's last word, once it said anything.
    heard: Mutex<Option<Heard>>,
}

struct Metrics<R: AsyncRuntime> {
    data: Receiver<R, RaftDataMetrics<Types<R>>>,
    server: Receiver<R, RaftServerMetrics<Types<R>>>,
}

/// What a leader said.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// When that arrived: monotonic microsecond.
    at_us: u64,
    /// How long ago a majority had confirmed it, when it said so.
    age_us: u64,
}

impl<H: Host> Default for Confirmed<H> {
    fn default() -> Self {
        Confirmed { metrics: OnceLock::new(), heard: Mutex::default() }
    }
}

impl<H: Host> Confirmed<H> {
    pub fn follow(&self, raft: &GroupRaft<H>) {
        // A group starts once.
        let _ = self.metrics.set(Metrics { data: raft.data_metrics(), server: raft.server_metrics() });
    }

    /// At a leader: microseconds since the sending of the last heartbeat that a majority acknowledged.
    pub fn age_us(&self) -> Option<u64> {
        let now = self.metrics.get()?.data.borrow_watched();
        let acked = now.last_quorum_acked.as_ref().map(|at| **at)?;
        let age = <H::Runtime as AsyncRuntime>::Instant::now().saturating_duration_since(acked);
        Some(micros(age))
    }

    /// At a leader: nobody else has to say yes.
    fn is_alone(&self) -> bool {
        self.metrics.get().is_some_and(|metrics| {
            let now = metrics.server.borrow_watched();
            let mut voters = now.membership_config.voter_ids();
            voters.next() == Some(now.id) && voters.next().is_none()
        })
    }

    /// Whether a leader of so long that no majority acknowledges says nothing now. What it says keeps the leases of those whom
    /// it reaches, and while they last these elect nobody else. openraft holds its heartbeats back, for a time and by turns
    /// (`quorum_loss_probe_interval`); entries and snapshots that nobody acknowledges are sent again and again, and keep the
    /// same turns here.
    pub fn keeps_still(&self, config: &EngineConfig, leads_for: Duration) -> bool {
        let age = self.age_us().map_or(leads_for, Duration::from_micros);
        is_quiet_turn(age, config) && !self.is_alone()
    }

    /// At a follower: the leader said so just now.
    pub fn heard(&self, now_us: u64, age_us: u64) {
        *lock(&self.heard) = Some(Heard { at_us: now_us, age_us });
    }

    fn last_heard(&self) -> Option<Heard> {
        *lock(&self.heard)
    }
}

fn is_quiet_turn(age: Duration, config: &EngineConfig) -> bool {
    let Some(over) = age.checked_sub(config.election_max) else { return false };
    (over.as_micros() / config.quorum_loss_probe().as_micros().max(1)).is_multiple_of(2)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What a node knows of a group's leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    pub group: GroupId,
    /// Who leads by the last word; that alone says nothing about a majority.
    pub leader: Option<NodeName>,
    /// This node is that leader.
    pub leads_here: bool,
    /// Milliseconds since a majority confirmed the leader; none where it never did.
    pub confirmed_ms: Option<u64>,
    /// A majority confirmed the leader within the longest election time-out.
    pub confirmed: bool,
    /// At the leader: how many voters answered within the longest election time-out, itself included.
    pub answering: Option<usize>,
    pub voters: usize,
}

impl Leadership {
    /// Who leads, where a majority confirmed it lately.
    pub fn confirmed_leader(&self) -> Option<NodeName> {
        self.leader.clone().filter(|_| self.confirmed)
    }

    /// What is missing for the group to decide anything, as a sentence; none where nothing is.
    pub fn lacks(&self) -> Option<String> {
        let group = match self.group {
            GroupId::CONTROL => "The control group".to_owned(),
            shard => format!("Shard {shard}"),
        };
        let Leadership { confirmed: false, leader, answering, voters, confirmed_ms, .. } = self else {
            return None;
        };
        Some(match (leader, answering, confirmed_ms) {
            (None, ..) => format!("{group} has no leader that this node knows."),
            (Some(_), Some(answering), _) => {
                format!("{group} has no majority: {answering} of {voters} answer.")
            }
            (Some(leader), None, Some(ms)) => {
                let s = *ms as f64 / 1_000.0;
                format!(
                    "{group} has no majority that this node knows of: its leader {leader} was last confirmed {s:.1} s ago."
                )
            }
            (Some(leader), None, None) => {
                format!(
                    "{group} has no majority that this node knows of: nobody confirmed its leader {leader} yet."
                )
            }
        })
    }
}

impl<H: Host> Group<H> {
    /// Microseconds since a majority confirmed the leader that this node is or hears, and whether that is within the longest
    /// election time-out. A follower counts from what the leader said to when it said so, and from there to now: the way
    /// between them makes neither older.
    fn confirmation(&self) -> (Option<u64>, bool) {
        let longest_us = micros(self.config().election_max);
        if self.leads() {
            let age_us = if self.confirmed.is_alone() { Some(0) } else { self.confirmed.age_us() };
            return (age_us, age_us.is_some_and(|us| us < longest_us));
        }
        let Some(Heard { at_us, age_us }) = self.confirmed.last_heard() else { return (None, false) };
        let since_us = self.now_us().saturating_sub(at_us);
        (Some(age_us.saturating_add(since_us)), age_us < longest_us && since_us < longest_us)
    }

    /// Whether a leader that said something once says nothing any more: it went, or does not reach this node.
    pub(crate) fn is_unheard(&self) -> bool {
        let longest_us = micros(self.config().election_max);
        let heard = self.confirmed.last_heard();
        !self.leads() && heard.is_some_and(|heard| self.now_us().saturating_sub(heard.at_us) >= longest_us)
    }

    /// What this node knows of the group's leader.
    pub fn leadership(&self) -> Leadership {
        let leads_here = self.leads();
        let (confirmed_us, confirmed) = self.confirmation();
        let longest = self.config().election_max;
        let membership = self.membership();
        let answering = leads_here.then(|| {
            let heard = self.heard_of(longest);
            membership.voter_ids().filter(|id| *id == self.me || heard.contains(id)).count()
        });
        Leadership {
            group: self.id,
            leader: self.leader().map(|leader| leader.name),
            leads_here,
            confirmed_ms: confirmed_us.map(|us| us / 1_000),
            confirmed,
            answering,
            voters: membership.voter_ids().count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_without_a_majority_speaks_by_turns() {
        let config = EngineConfig::new(crate::Profile::Realistic);
        let (lease, turn) = (config.election_max, config.quorum_loss_probe());
        assert!(turn >= lease * 2, "an election fits into it");
        let quiet = |age| is_quiet_turn(age, &config);
        assert!(!quiet(Duration::ZERO) && !quiet(lease - Duration::from_micros(1)));
        assert!(quiet(lease) && quiet(lease + turn / 2));
        assert!(!quiet(lease + turn) && !quiet(lease + turn * 3 / 2), "the majority may be back");
        assert!(quiet(lease + turn * 2));
    }

    #[test]
    fn what_is_missing_is_said() {
        let known = Leadership {
            group: GroupId::CONTROL,
            leader: Some("node1".into()),
            leads_here: true,
            confirmed_ms: Some(40),
            confirmed: true,
            answering: Some(5),
            voters: 5,
        };
        assert_eq!((known.lacks(), known.confirmed_leader()), (None, Some("node1".into())));
        let cut = Leadership { confirmed: false, confirmed_ms: Some(3_240), answering: Some(2), ..known };
        assert_eq!(cut.lacks().as_deref(), Some("The control group has no majority: 2 of 5 answer."));
        assert_eq!(cut.confirmed_leader(), None, "it leads by its own word only");
        let follower = Leadership { group: GroupId(3), answering: None, leads_here: false, ..cut };
        let said = follower.lacks().unwrap_or_default();
        assert!(
            said.starts_with("Shard s3 has no majority") && said.contains("node1") && said.contains("3.2 s"),
            "{said}"
        );
        let never = Leadership { confirmed_ms: None, ..follower };
        assert!(never.lacks().unwrap_or_default().contains("nobody confirmed"), "{never:?}");
        let none = Leadership { leader: None, ..never };
        assert_eq!(none.lacks().as_deref(), Some("Shard s3 has no leader that this node knows."));
    }
}
