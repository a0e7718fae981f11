//! Questions to a shard's leader, which change nothing and may be asked again and again.

use std::time::Duration;

use openraft::AsyncRuntime;
use openraft::async_runtime::Select2;
use orrery_base::error::ApiError;
use orrery_base::ids::{GroupId, LeaseMs, LogIndex, NodeName};
use orrery_base::key::IdempotencyKey;
use orrery_machine::{Machine, Member};
use orrery_queue::view::{GroupLeft, LeftTotals, Peeked};
use orrery_queue::{ConsumerGroup, QueueLimits, QueueReply, QueueUse, TopicName, TopicStats};
use serde::{Deserialize, Serialize};

use super::rates::Rate;
use super::wait::Until;
use super::{QueueService, unavailable};
use crate::group::Group;
use crate::host::{CallError, Host};
use crate::peer::{PeerRequest, PeerResponse, ReadOutcome, millis};
use crate::retry_budget::RetryBudget;

/// Of the time that is left, one try that may go unanswered takes at most this part.
const TRY_PART: u32 = 3;

/// Shortest time for one try.
const TRY_MIN: Duration = Duration::from_millis(700);

/// Most consumers that one answer names, over all topics: it has to fit into a frame.
const CONSUMERS_TOLD_MAX: usize = 4_096;

/// What a shard's leader is asked. The order of the variants is part of the peers' format: add at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum QueueAsk {
    /// Is something ready for the group? Linearizable.
    Ready {
        topic: TopicName,
        group: ConsumerGroup,
        /// Is the answer to a command under this key remembered, too?
        key: Option<IdempotencyKey>,
    },
    /// The same as a hint, as soon as there is something, or at the end of the asker's time.
    Await {
        topic: TopicName,
        group: ConsumerGroup,
        /// What the asker waits for.
        until: Until,
    },
    /// The figures of one topic, or of all. Linearizable.
    Stats { topic: Option<TopicName> },
    /// The first messages. Linearizable.
    Peek {
        topic: TopicName,
        dead: bool,
        /// How many at most.
        limit: u16,
    },
    /// The shard's limits and what of them is used. Linearizable.
    Limits,
    /// Is the group there, and could it begin? Linearizable.
    Begin { topic: TopicName, group: ConsumerGroup },
    /// The names of the topics. Linearizable.
    Topics,
}

/// The answer. The order of the variants is part of the peers' format: add at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum QueueTold {
    /// It does not lead, or cannot confirm that it does.
    NotLeader {
        /// Who leads, as far as it knows.
        leader: Option<Member>,
    },
    /// To `Ready` and `Await`.
    Ready {
        look: Look,
        /// The answer to a command under that key is remembered.
        known: bool,
    },
    /// To `Stats`.
    Stats { topics: Vec<TopicHere> },
    /// To `Peek`.
    Peek {
        /// In their order.
        messages: Vec<Peeked>,
        /// The shard's lease clock.
        clock_ms: LeaseMs,
    },
    /// To `Limits`.
    Limits {
        limits: QueueLimits,
        /// What of it is used.
        used: QueueUse,
    },
    /// To `Begin`.
    Begin {
        look: Look,
        /// Why the group could not begin.
        refused: Option<String>,
    },
    /// To `Topics`.
    Topics {
        topics: Vec<TopicName>,
        /// How many there may be.
        topics_max: u32,
    },
}

/// What a shard has for a consumer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Look {
    /// There is no such topic.
    NoTopic,
    /// The topic has no such group.
    NoGroup,
    /// Nothing is ready. With the log index of the command that began the group.
    Idle(LogIndex),
    /// A consume may find something. With that index, too.
    Ready(LogIndex),
}

impl Look {
    /// What a state says.
    pub fn at(machine: &Machine, topic: &str, group: &str) -> Look {
        let Some(queue) = machine.queue().filter(|queue| queue.has_topic(topic)) else {
            return Look::NoTopic;
        };
        match queue.group_began(topic, group) {
            None => Look::NoGroup,
            Some(began) if queue.ready(topic, group) => Look::Ready(began),
            Some(began) => Look::Idle(began),
        }
    }

    /// A consume may find something.
    pub fn is_ready(self) -> bool {
        matches!(self, Look::Ready(_))
    }

    /// When the group began; none where there is none.
    pub fn began(self) -> Option<LogIndex> {
        match self {
            Look::NoTopic | Look::NoGroup => None,
            Look::Idle(began) | Look::Ready(began) => Some(began),
        }
    }
}

/// One topic in one shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopicHere {
    /// What the shard's state says.
    pub stats: TopicStats,
    /// Of it: what left. Streams do not carry it, so it has to be said here.
    pub left: LeftTotals,
    /// Of its groups, in their order.
    pub groups_left: Vec<GroupLeft>,
    /// What its leader counted.
    pub rate: Rate,
}

/// Answers on the leading side.
pub async fn answer<H: Host>(group: &Group<H>, ask: QueueAsk, within: Duration) -> QueueTold {
    if !group.leads() {
        return QueueTold::NotLeader { leader: group.leader() };
    }
    if let QueueAsk::Await { topic, group: of, until } = &ask {
        let (waiter, look) = group.state.watch_ready(topic, of);
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
        Ok(Ok(())) => look(group, &ask),
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
fn look<H: Host>(group: &Group<H>, ask: &QueueAsk) -> QueueTold {
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
                TopicHere { rate: group.state.rate(&stats.topic), left: stats.left, groups_left, stats }
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
    /// Asks the shard's leader, wherever that is, and says who that was.
    pub(super) async fn ask(
        &self,
        shard: GroupId,
        ask: &QueueAsk,
        within: Duration,
    ) -> Result<(NodeName, QueueTold), ApiError> {
        let engine = &self.engine;
        let mut budget = RetryBudget::<H::Runtime>::new(within);
        let mut hint = None;
        let mut turn = 0;
        while let Some(left) = budget.left() {
            let here = engine.group(shard);
            let reign = here.as_ref().map(|group| group.reign());
            let waits = matches!(ask, QueueAsk::Await { .. });
            let within = if waits { left } else { (left / TRY_PART).max(left.min(TRY_MIN)) };
            let asked = match (&here, hint.take()) {
                (_, Some(leader)) => Some(leader),
                (Some(group), None) => group.leader(),
                (None, None) => engine.presumed_leader(shard, turn),
            };
            turn += 1;
            let told = match (&here, &asked) {
                (Some(group), Some(leader)) if leader.id == group.me => {
                    answer(group, ask.clone(), within).await
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
                        hint = budget.pause(at, engine.host().random()).await.or(hint);
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
        let engine = &self.engine;
        let request = || PeerRequest::Queue { ask: ask.clone(), within_ms: millis(there) };
        let told = match engine.call_leader(shard, leader, request, within).await {
            Ok(PeerResponse::Queue(told)) => told,
            Ok(_) | Err(CallError::NotSent(_) | CallError::NoAnswer) => QueueTold::NotLeader { leader: None },
        };
        if remember {
            let leads = match &told {
                QueueTold::NotLeader { leader } => leader.clone(),
                _ => Some(leader.clone()),
            };
            engine.remember_leader(shard, leads);
        }
        told
    }
}
