//! Whether a majority confirmed a group's leader lately, as the leader knows it and as its followers hear it.
//!
//! A leader that is cut off stays a leader by its own word (openraft keeps the role), and a follower that hears it has no
//! way to tell. So each heartbeat says how long ago the sending time of the last heartbeat lies that a majority
//! acknowledged (Raft thesis, section 6.4.1). Ages travel, never stamps: no two clocks are compared.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::AsyncRuntime;
use openraft::async_runtime::{Instant, Watch, WatchReceiver};
use openraft::metrics::RaftDataMetrics;

use super::group::Group;
use super::host::Host;
use super::node::Engine;
use super::types::Types;
use crate::ids::{GroupId, NodeName};

type Metrics<R> = <<R as AsyncRuntime>::Watch as Watch>::Receiver<RaftDataMetrics<Types<R>>>;

/// When a majority last confirmed a group's leader.
pub struct Confirmed<H: Host> {
    /// openraft's figures, once it runs.
    metrics: OnceLock<Metrics<H::Runtime>>,
    /// At a follower: monotonic microsecond; 0 before the leader said anything.
    heard_us: AtomicU64,
}

impl<H: Host> Default for Confirmed<H> {
    fn default() -> Self {
        Confirmed { metrics: OnceLock::new(), heard_us: AtomicU64::new(0) }
    }
}

impl<H: Host> Confirmed<H> {
    /// openraft runs.
    pub fn follow(&self, metrics: Metrics<H::Runtime>) {
        // A group starts once.
        let _ = self.metrics.set(metrics);
    }

    /// At a leader: microseconds since the sending of the last heartbeat that a majority acknowledged.
    pub fn age_us(&self) -> Option<u64> {
        let now = self.metrics.get()?.borrow_watched();
        let acked = now.last_quorum_acked.as_ref().map(|at| **at)?;
        let age = <H::Runtime as AsyncRuntime>::Instant::now().saturating_duration_since(acked);
        Some(u64::try_from(age.as_micros()).unwrap_or(u64::MAX))
    }

    /// At a follower: the leader said so just now.
    pub fn heard(&self, now_us: u64, age_us: u64) {
        self.heard_us.fetch_max(now_us.saturating_sub(age_us), Ordering::Relaxed);
    }

    fn heard_age_us(&self, now_us: u64) -> Option<u64> {
        let at_us = self.heard_us.load(Ordering::Relaxed);
        (at_us > 0).then(|| now_us.saturating_sub(at_us))
    }
}

/// What a node knows of a group's leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The group.
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
    /// How many vote.
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
    /// Microseconds since a majority confirmed the leader that this node is or hears.
    pub fn confirmed_us(&self) -> Option<u64> {
        if !self.leads() {
            return self.confirmed.heard_age_us(self.now_us());
        }
        let membership = self.membership();
        let mut voters = membership.voter_ids();
        // Nobody else has to say yes.
        if voters.next() == Some(self.me) && voters.next().is_none() {
            return Some(0);
        }
        self.confirmed.age_us()
    }

    /// What this node knows of the group's leader.
    pub fn leadership(&self) -> Leadership {
        let leads_here = self.leads();
        let confirmed_us = self.confirmed_us();
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
            confirmed: confirmed_us.is_some_and(|us| u128::from(us) < longest.as_micros()),
            answering,
            voters: membership.voter_ids().count(),
        }
    }
}

impl<H: Host> Engine<H> {
    /// Of each group that runs here: who leads, and whether a majority confirmed it within an election time-out.
    pub fn leaderships(&self) -> Vec<Leadership> {
        self.groups().iter().map(|group| group.leadership()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
