//! A node that cannot do a leader's work gives it to one that can.

use std::time::Duration;

use openraft::AsyncRuntime;
use openraft::raft::VoteRequest;
use orrery_base::ids::NodeId;
use orrery_machine::Member;

use crate::cluster::Cluster;
use crate::cluster::leadership::is_healthy;
use crate::host::{Host, Urgency};
use crate::peer::message::{PeerRequest, PeerResponse};
use crate::raft::group::Group;
use crate::types::Vote;

/// How long a node may take to answer before leadership is handed to it: an election time-out, and no less than this.
const HAND_OVER_ASK_MIN: Duration = Duration::from_millis(500);
/// How many entries it may lack: the rest is sent before it stands for election.
const HAND_OVER_BEHIND_MAX: u64 = 256;
/// No node has this identity.
const NOBODY: NodeId = NodeId(0);

impl<H: Host> Cluster<H> {
    /// Hands every group that this node leads over to a voter that has nearly everything and answers. Where there is none it
    /// goes on leading: a leader that is hard to reach is better than none.
    pub async fn give_up_leadership(&self) {
        for group in self.groups() {
            if !group.leads() {
                continue;
            }
            let membership = group.membership();
            let Some(next) =
                membership.voter_ids().filter(|id| *id != group.me).find(|id| is_healthy(&group, *id))
            else {
                continue;
            };
            tracing::info!(group = %group.id, to = %next, "handing over: this node cannot be reached");
            // It fails only when the group ended.
            let _ = group.transfer_to(next).await;
        }
    }
}

impl<H: Host> Group<H> {
    /// Leads no more: the term is over, and who has everything stands for election after its time-out, this node too. A leader
    /// that openraft is told to elect does nothing; a vote of a later term that a leader asked for ends every reign. It goes to
    /// nobody: in that term this node elects no one.
    pub async fn step_down(&self) {
        let Some(vote) = self.log.vote() else { return };
        let later = Vote::new(vote.leader_id.term + 1, NOBODY);
        let mut ask = VoteRequest::new(later, self.log.ever_had());
        ask.leadership_transfer = true;
        if let Err(error) = self.raft.vote(ask).await {
            tracing::debug!(group = %self.id, %error, "stays what it is");
        }
    }

    /// Asks a voter to stand for election at once, and waits until it leads. A leader that hands over appends nothing any
    /// more, so the voter has to answer first, and to have nearly everything. An error is a sentence.
    pub async fn hand_over(&self, to: NodeId, within: Duration) -> Result<(), String> {
        let target = self.membership().get_node(&to).cloned().ok_or_else(|| format!("{to} is no member"))?;
        if to != self.me {
            self.check_successor(&target).await?;
            if !self.transfer_to(to).await {
                return Err(format!(
                    "{} could not commit its clock before it, or is stopping",
                    self.peers.local_name()
                ));
            }
        }
        let nap = (self.config().heartbeat / 8).max(Duration::from_millis(1));
        let mut waited = Duration::ZERO;
        while waited < within {
            if self.leader().is_some_and(|leader| leader.id == to) {
                return Ok(());
            }
            H::Runtime::sleep(nap).await;
            waited += nap;
        }
        let leads = self.leader().map_or_else(|| "nobody".into(), |leader| leader.name);
        Err(format!("{} was asked to and did not take over in time; {leads} leads now", target.name))
    }

    /// Whether that voter could lead now.
    async fn check_successor(&self, target: &Member) -> Result<(), String> {
        let within = self.config().election_max.max(HAND_OVER_ASK_MIN);
        let call = self.peers.call(self.id, target, Urgency::Election, PeerRequest::Version, within);
        let leads = || format!("{} still leads", self.peers.local_name());
        if !matches!(call.await, Ok(PeerResponse::Version { .. })) {
            return Err(format!("{} does not answer; {}", target.name, leads()));
        }
        let last = self.log.summary().last.unwrap_or_default();
        let behind = self.matching().get(&target.id).map(|has| last.saturating_sub(*has));
        match behind {
            Some(behind) if behind <= HAND_OVER_BEHIND_MAX => Ok(()),
            Some(behind) => Err(format!("{} is {behind} entries behind; {}", target.name, leads())),
            None => Err(format!("{} takes no entries now; {}", target.name, leads())),
        }
    }
}
