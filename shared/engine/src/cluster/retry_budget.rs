//! How a request goes on trying: until its time is over, with pauses that grow, and that end as soon as somebody new
//! leads.

use std::time::Duration;

use openraft::AsyncRuntime;
use openraft::async_runtime::{Instant, Select2, WatchReceiver};
use orrery_base::ids::{NodeId, Term};
use orrery_machine::Member;

use crate::host::Host;
use crate::raft::group::Group;

/// First pause between two tries, and the longest one. Each is drawn between half and all of it, so that requests
/// that failed together do not come back together.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// Who leads in which term, as far as a node knows.
pub type Reign = (Term, Option<NodeId>);

/// What is left of a request's time.
pub struct RetryBudget<R: AsyncRuntime> {
    end: R::Instant,
    pauses: u32,
}

impl<R: AsyncRuntime> RetryBudget<R> {
    pub fn new(within: Duration) -> Self {
        RetryBudget { end: R::Instant::now() + within, pauses: 0 }
    }

    /// None when the time is over.
    pub fn left(&self) -> Option<Duration> {
        let now = R::Instant::now();
        (now < self.end).then(|| self.end - now)
    }

    /// Whether this is the first pause that is asked for; it counts as made.
    pub fn first(&mut self) -> bool {
        self.pauses += 1;
        self.pauses == 1
    }

    /// Waits before the next try: for somebody who leads and did not in the reign before, who is answered, or for the
    /// pause to be over. Where the group has no replica here, nobody says who leads. A try takes time or is followed by
    /// this, so the time bounds the number of tries.
    pub async fn pause<H>(&mut self, at: Option<(&Group<H>, Reign)>, random: u64) -> Option<Member>
    where
        H: Host<Runtime = R>,
    {
        let pause = pause(self.pauses, random).min(self.left().unwrap_or_default());
        self.pauses += 1;
        let Some((group, before)) = at else {
            R::sleep(pause).await;
            return None;
        };
        match R::select2(group.next_leader(before), R::sleep(pause)).await {
            Select2::First(leader) => leader,
            Select2::Second(()) => None,
        }
    }
}

/// The pause after so many others.
fn pause(earlier: u32, random: u64) -> Duration {
    let longest = (PAUSE_MIN * 2u32.saturating_pow(earlier.min(8))).min(PAUSE_MAX);
    let half_us = longest.as_micros() as u64 / 2;
    Duration::from_micros(half_us + random % (half_us + 1))
}

impl<H: Host> Group<H> {
    /// Who leads, as openraft reports it.
    pub fn reign(&self) -> Reign {
        let metrics = self.raft.server_metrics();
        let now = metrics.borrow_watched();
        (now.vote.leader_id.term, now.current_leader)
    }

    /// Waits for somebody who leads and did not in `before`.
    async fn next_leader(&self, before: Reign) -> Option<Member> {
        let mut metrics = self.raft.server_metrics();
        loop {
            {
                let now = metrics.borrow_and_update();
                if let Some(leader) = now.current_leader
                    && (now.vote.leader_id.term, Some(leader)) != before
                {
                    return now.membership_config.get_node(&leader).cloned();
                }
            }
            if metrics.changed().await.is_err() {
                // The group has ended: the pause says when to go on.
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound_and_differ() {
        for (earlier, ms) in [(0, 10), (1, 20), (2, 40), (4, 160), (5, 250), (6, 250), (1_000, 250)] {
            let longest = Duration::from_millis(ms);
            assert_eq!(pause(earlier, 0), longest / 2);
            assert_eq!(pause(earlier, longest.as_micros() as u64 / 2), longest);
            assert!((longest / 2..=longest).contains(&pause(earlier, u64::MAX)));
        }
    }
}
