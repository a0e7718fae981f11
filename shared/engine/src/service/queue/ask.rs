//! Questions to a shard's leader, which change nothing and may be asked again and again.

use std::time::Duration;

use openraft::AsyncRuntime;
use openraft::async_runtime::Select2;
use orrery_base::error::ApiError;
use orrery_base::ids::{GroupId, NodeName};
use orrery_base::key::IdempotencyKey;
use orrery_machine::{Machine, Member};
use orrery_queue::{QueueReply, TopicStats};

use super::{QueueService, Replica, unavailable};
use crate::cluster::retry_budget::RetryBudget;
use crate::host::{CallError, Host};
use crate::peer::message::Look;
use crate::peer::message::QueueAsk;
use crate::peer::message::QueueTold;
use crate::peer::message::TopicHere;
use crate::peer::message::{PeerRequest, PeerResponse, ReadOutcome, millis};
use crate::raft::group::Group;

/// Of the time that is left, one try that may go unanswered takes at most this part.
const TRY_PART: u32 = 3;

/// Shortest time for one try.
const TRY_MIN: Duration = Duration::from_millis(700);

/// Most consumers that one answer names, over all topics: it has to fit into a frame.
const CONSUMERS_TOLD_MAX: usize = 4_096;

async fn answer<H: Host>(replica: &Replica, group: &Group<H>, ask: QueueAsk, within: Duration) -> QueueTold {
    if !group.leads() {
        return QueueTold::NotLeader { leader: group.leader() };
    }
    if let QueueAsk::Await { topic, group: of, until } = &ask {
        let (waiter, look) = replica.watch_ready(&group.state, topic, of);
        if until.found(look).is_none() {
            // Either way the state says what is true then.
            match H::Runtime::select2(waiter.wait(), H::Runtime::sleep(within)).await {
                Select2::First(()) | Select2::Second(()) => {}
            }
        }
        return group.state.read(|machine| ready_in(machine, topic, of, None));
    }
    let index = match group.read_index(within).await {
        ReadOutcome::Index { index, .. } => index,
        ReadOutcome::NotLeader { leader } => return QueueTold::NotLeader { leader },
    };
    match H::Runtime::timeout(within, group.state.wait_applied(index)).await {
        Ok(Ok(())) => look(replica, group, &ask),
        _ => QueueTold::NotLeader { leader: None },
    }
}

fn ready_in(machine: &Machine, topic: &str, group: &str, key: Option<&IdempotencyKey>) -> QueueTold {
    QueueTold::Ready {
        look: Look::at(machine, topic, group),
        known: key.is_some_and(|key| machine.remembers(key)),
    }
}

/// What the state applied here says. Figures and messages of a fork, so that nobody is held up.
fn look<H: Host>(replica: &Replica, group: &Group<H>, ask: &QueueAsk) -> QueueTold {
    match ask {
        QueueAsk::Ready { topic, group: of, key } => {
            group.state.read(|machine| ready_in(machine, topic, of, key.as_ref()))
        }
        QueueAsk::Await { topic, group: of, .. } => {
            group.state.read(|machine| ready_in(machine, topic, of, None))
        }
        QueueAsk::Stats { topic } => {
            let (machine, _) = group.state.fork();
            let stats = match (machine.queue(), topic) {
                (None, _) => Vec::new(),
                (Some(queue), None) => queue.stats(),
                (Some(queue), Some(topic)) => queue.stats_of(topic).into_iter().collect(),
            };
            let mut names = CONSUMERS_TOLD_MAX;
            let here = |mut stats: TopicStats| {
                for group in &mut stats.groups {
                    group.in_flight_of.truncate(names);
                    names -= group.in_flight_of.len();
                }
                let groups_left = stats.groups.iter().map(|group| group.left).collect();
                TopicHere {
                    rate: replica.rate(&stats.topic, group.now_us()),
                    left: stats.left,
                    groups_left,
                    stats,
                }
            };
            QueueTold::Stats { topics: stats.into_iter().map(here).collect() }
        }
        QueueAsk::Limits => {
            let (machine, _) = group.state.fork();
            let of = machine.queue().map(|queue| (*queue.limits(), queue.used()));
            let (limits, used) = of.unwrap_or_default();
            QueueTold::Limits { limits, used }
        }
        QueueAsk::Begin { topic, group: of } => group.state.read(|machine| {
            let refused = machine.queue().and_then(|queue| queue.group_refused(topic, of));
            let refused = refused.and_then(|refused| match refused {
                QueueReply::LimitReached { what } => Some(what),
                _ => None,
            });
            QueueTold::Begin { look: Look::at(machine, topic, of), refused }
        }),
        QueueAsk::Topics => {
            let (machine, _) = group.state.fork();
            let of =
                machine.queue().map(|queue| (queue.topics().cloned().collect(), queue.limits().topics_max));
            let (topics, topics_max) = of.unwrap_or_default();
            QueueTold::Topics { topics, topics_max }
        }
        QueueAsk::Peek { topic, dead, limit } => {
            let (machine, _) = group.state.fork();
            let limit = usize::from(*limit);
            let messages = machine.queue().map(|queue| match dead {
                true => queue.peek_dead(topic, limit),
                false => queue.peek(topic, limit),
            });
            QueueTold::Peek { messages: messages.unwrap_or_default(), clock_ms: machine.clock_ms() }
        }
    }
}

impl<H: Host> QueueService<H> {
    /// Answers on the leading side.
    pub(crate) async fn answer(&self, group: &Group<H>, ask: QueueAsk, within: Duration) -> QueueTold {
        answer(&self.replicas.of(group.id), group, ask, within).await
    }

    /// Asks the shard's leader, wherever that is, and says who that was.
    pub(super) async fn ask(
        &self,
        shard: GroupId,
        ask: &QueueAsk,
        within: Duration,
    ) -> Result<(NodeName, QueueTold), ApiError> {
        let cluster = &self.cluster;
        let mut budget = RetryBudget::<H::Runtime>::new(within);
        let mut hint = None;
        let mut turn = 0;
        while let Some(left) = budget.left() {
            let here = cluster.group(shard);
            let reign = here.as_ref().map(|group| group.reign());
            let waits = matches!(ask, QueueAsk::Await { .. });
            let within = if waits { left } else { (left / TRY_PART).max(left.min(TRY_MIN)) };
            let asked = match (&here, hint.take()) {
                (_, Some(leader)) => Some(leader),
                (Some(group), None) => group.leader(),
                (None, None) => cluster.presumed_leader(shard, turn),
            };
            turn += 1;
            let told = match (&here, &asked) {
                (Some(group), Some(leader)) if leader.id == group.me => {
                    self.answer(group, ask.clone(), within).await
                }
                (_, Some(leader)) => {
                    // The answer needs its way back.
                    let times = (within, within * 9 / 10);
                    self.ask_peer(shard, leader, ask, times, here.is_none()).await
                }
                (_, None) => QueueTold::NotLeader { leader: None },
            };
            match (told, asked) {
                (QueueTold::NotLeader { leader }, asked) => {
                    hint = leader.filter(|leader| asked.is_none_or(|asked| asked.id != leader.id));
                    // The first word of another leader is followed at once.
                    if hint.is_none() || !budget.first() {
                        let at = here.as_deref().zip(reign);
                        hint = budget.pause(at, cluster.host().random()).await.or(hint);
                    }
                }
                (told, Some(asked)) => return Ok((asked.name, told)),
                (_, None) => {}
            }
        }
        Err(unavailable(shard, "no leader confirmed itself in time"))
    }

    /// One question to one node; a hint is answered at once.
    pub(super) async fn ask_now(
        &self,
        shard: GroupId,
        leader: &Member,
        ask: &QueueAsk,
        within: Duration,
    ) -> QueueTold {
        self.ask_peer(shard, leader, ask, (within, Duration::ZERO), true).await
    }

    /// One question to one node, which may wait for as long as the second time says.
    async fn ask_peer(
        &self,
        shard: GroupId,
        leader: &Member,
        ask: &QueueAsk,
        (within, there): (Duration, Duration),
        remember: bool,
    ) -> QueueTold {
        let cluster = &self.cluster;
        let request = || PeerRequest::Queue { ask: ask.clone(), within_ms: millis(there) };
        let told = match cluster.call_leader(shard, leader, request, within).await {
            Ok(PeerResponse::Queue(told)) => told,
            Ok(_) | Err(CallError::NotSent(_) | CallError::NoAnswer) => QueueTold::NotLeader { leader: None },
        };
        if remember {
            let leads = match &told {
                QueueTold::NotLeader { leader } => leader.clone(),
                _ => Some(leader.clone()),
            };
            cluster.remember_leader(shard, leads);
        }
        told
    }
}
