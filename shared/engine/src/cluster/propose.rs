//! Commands and linearizable reads from any node: served here by the leader, or sent to it. A node without a replica
//! of a shard asks the replicas in turn, and remembers who leads.

use std::time::Duration;

use openraft::AsyncRuntime;
use orrery_base::ids::{GroupId, LeaseMs, LogIndex};
use orrery_machine::{Command, Member, Reply};

use crate::cluster::Cluster;
use crate::cluster::retry_budget::RetryBudget;
use crate::error::{ProposeError, ReadError};
use crate::host::{CallError, Host};
use crate::peer::message::{PeerRequest, PeerResponse, ProposeOutcome, ReadOutcome, millis};
use crate::raft::group::Group;
use crate::sync::lock;

/// Of the time that is left, one try that may go unanswered takes at most this part, so that a message that got lost
/// leaves time for another try.
const TRY_PART: u32 = 3;

/// One of the tries that a request may need.
#[derive(Clone, Copy)]
struct Try<'a> {
    command: &'a Command,
    within: Duration,
    /// An earlier one was not answered.
    tried: bool,
}

impl<H: Host> Cluster<H> {
    /// Appends a command to a group's log through its leader, wherever that is, and answers with what `apply`
    /// made of it. A command with a key is tried again on its own within the time.
    pub async fn propose(
        &self,
        group: GroupId,
        command: Command,
        within: Duration,
    ) -> Result<(LogIndex, Reply), ProposeError> {
        let mut budget = RetryBudget::<H::Runtime>::new(within);
        let mut unknown = None;
        let mut why = None;
        let mut hint = None;
        let mut turn = 0;
        while let Some(left) = budget.left() {
            let here = self.group(group);
            if here.is_none() && self.shard_map().shard(group).is_none() {
                why = Some("the cluster has no such group yet".to_owned());
                break;
            }
            let reign = here.as_ref().map(|group| group.reign());
            // Keyed tries may be repeated, so each may be shorter than the whole time.
            let within = if command.key.is_some() { (left / TRY_PART).max(left.min(TRY_MIN)) } else { left };
            let attempt = Try { command: &command, within, tried: unknown.is_some() };
            let outcome = match &here {
                Some(group) => self.propose_once(group, attempt, hint.take()).await,
                None => self.propose_elsewhere(group, attempt, hint.take(), turn).await,
            };
            turn += 1;
            let at = here.as_deref().zip(reign);
            match outcome {
                // It is not remembered: the earlier try may come, and find room.
                ProposeOutcome::Applied { reply: Reply::TooManyKeys { what }, .. } if unknown.is_some() => {
                    return Err(ProposeError::Unknown(what));
                }
                ProposeOutcome::Applied { index, reply } => return Ok((index, reply)),
                ProposeOutcome::NotLeader { leader } => {
                    hint = leader.filter(|leader| here.as_ref().is_none_or(|group| leader.id != group.me));
                    // The first word of another leader is followed at once.
                    if hint.is_none() || !budget.first() {
                        hint = budget.pause(at, self.host().random()).await.or(hint);
                    }
                }
                ProposeOutcome::Unknown { why } => {
                    if command.key.is_none() {
                        return Err(ProposeError::Unknown(why));
                    }
                    unknown = Some(why);
                    hint = budget.pause(at, self.host().random()).await;
                }
            }
        }
        // Once a try went out without an answer, nothing later can take that back.
        Err(match unknown {
            Some(why) => ProposeError::Unknown(why),
            None => ProposeError::NotApplied(why.unwrap_or_else(|| self.lacking(group))),
        })
    }

    /// Why a group decides nothing now, as part of a sentence.
    fn lacking(&self, group: GroupId) -> String {
        let lacks = self.group(group).and_then(|group| group.leadership().lacks());
        lacks.map_or_else(|| "no leader confirmed itself in time".to_owned(), |said| part_of_sentence(&said))
    }

    async fn propose_once(&self, group: &Group<H>, attempt: Try<'_>, hint: Option<Member>) -> ProposeOutcome {
        let here = || group.propose_try(attempt.command.clone(), attempt.within, attempt.tried);
        let leader = match hint {
            Some(leader) if leader.id == group.me => return here().await,
            Some(leader) => leader,
            None if group.leads() => return here().await,
            None => match group.leader() {
                Some(leader) if leader.id != group.me => leader,
                // openraft knows better than what is published, when it just changed.
                _ => return here().await,
            },
        };
        self.propose_at(group.id, &leader, attempt).await
    }

    /// Where there is no replica here: at whoever leads by the last word, or at one replica after the other.
    async fn propose_elsewhere(
        &self,
        group: GroupId,
        attempt: Try<'_>,
        hint: Option<Member>,
        turn: usize,
    ) -> ProposeOutcome {
        let Some(asked) = hint.or_else(|| self.presumed_leader(group, turn)) else {
            return ProposeOutcome::NotLeader { leader: None };
        };
        let outcome = self.propose_at(group, &asked, attempt).await;
        self.remember_leader(
            group,
            match &outcome {
                ProposeOutcome::Applied { .. } => Some(asked),
                ProposeOutcome::NotLeader { leader } => leader.clone(),
                ProposeOutcome::Unknown { .. } => None,
            },
        );
        outcome
    }

    /// Who should be asked about a shard that has no replica here.
    pub(crate) fn presumed_leader(&self, group: GroupId, turn: usize) -> Option<Member> {
        if let Some(leader) = lock(&self.inner.leaders).get(&group) {
            return Some(leader.clone());
        }
        let map = self.shard_map();
        let replicas = &map.shard(group)?.replicas;
        replicas.get(turn % replicas.len().max(1)).cloned()
    }

    /// What was heard of who leads it; none forgets.
    pub(crate) fn remember_leader(&self, group: GroupId, leader: Option<Member>) {
        let mut leaders = lock(&self.inner.leaders);
        match leader {
            Some(leader) => leaders.insert(group, leader),
            None => leaders.remove(&group),
        };
    }

    async fn propose_at(
        &self,
        group: GroupId,
        leader: &Member,
        Try { command, within, tried }: Try<'_>,
    ) -> ProposeOutcome {
        let request = || PeerRequest::Propose { command: command.clone(), within_ms: millis(within), tried };
        match self.call_leader(group, leader, request, within).await {
            Ok(PeerResponse::Propose(outcome)) => outcome,
            // It answered without doing anything.
            Ok(_) | Err(CallError::NotSent(_)) => ProposeOutcome::NotLeader { leader: None },
            Err(CallError::NoAnswer) => {
                ProposeOutcome::Unknown { why: format!("{} did not answer", leader.name) }
            }
        }
    }

    /// A read-index round at the leader (Raft thesis, section 6.4), then waits until this node applied up to
    /// the index that it answers: what is read here afterwards is linearizable. Only for groups that run here.
    pub async fn read_index(&self, group: GroupId, within: Duration) -> Result<LogIndex, ReadError> {
        self.read_index_and_clock(group, within).await.map(|(index, _)| index)
    }

    /// The same, and the leader's lease clock, where it has one.
    pub async fn read_index_and_clock(
        &self,
        group: GroupId,
        within: Duration,
    ) -> Result<(LogIndex, Option<LeaseMs>), ReadError> {
        let mut budget = RetryBudget::<H::Runtime>::new(within);
        let mut hint = None;
        while let Some(left) = budget.left() {
            let Some(group) = self.group(group) else {
                return Err(ReadError("this node has no part in that group".into()));
            };
            let reign = group.reign();
            let within = (left / TRY_PART).max(left.min(TRY_MIN));
            match self.read_index_once(&group, hint.take(), within).await {
                ReadOutcome::Index { index, clock_ms } => {
                    return Ok((self.wait_applied(&group, index, &budget).await?, clock_ms));
                }
                ReadOutcome::NotLeader { leader } => {
                    hint = leader.filter(|leader| leader.id != group.me);
                    hint = budget.pause(Some((&group, reign)), self.host().random()).await.or(hint);
                }
            }
        }
        Err(ReadError(self.lacking(group)))
    }

    async fn read_index_once(&self, group: &Group<H>, hint: Option<Member>, within: Duration) -> ReadOutcome {
        let leader = match hint.or_else(|| group.leader()) {
            Some(leader) if leader.id != group.me => leader,
            _ => return group.read_index(within).await,
        };
        let request = || PeerRequest::ReadIndex { within_ms: millis(within) };
        match self.call_leader(group.id, &leader, request, within).await {
            Ok(PeerResponse::ReadIndex(outcome)) => outcome,
            Ok(_) | Err(_) => ReadOutcome::NotLeader { leader: None },
        }
    }

    async fn wait_applied(
        &self,
        group: &Group<H>,
        index: LogIndex,
        budget: &RetryBudget<H::Runtime>,
    ) -> Result<LogIndex, ReadError> {
        let applied = group.state.wait_applied(index);
        match H::Runtime::timeout(budget.left().unwrap_or_default(), applied).await {
            Ok(Ok(())) => Ok(index),
            _ => Err(ReadError("this node did not catch up in time".into())),
        }
    }
}

/// Shortest time for one try: an election must not eat all of them.
const TRY_MIN: Duration = Duration::from_millis(700);

fn part_of_sentence(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
