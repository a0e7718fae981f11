//! Figures: each shard's from its leader, and their sums.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use orrery_api::queue_view::{
    ConsumerFigures, Figures, GroupFigures, QueueStats, ShardFigures, StatsQuery, TopicFigures, TopicSummary,
    Topics,
};
use orrery_base::error::ApiError;
use orrery_base::ids::{GroupId, NodeName};
use orrery_queue::view::GroupStats;
use orrery_queue::{TopicName, TopicStats, dead_letters_of};
use smol_str::SmolStr;

use super::{QueueService, internal, no_topic};
use crate::host::Host;
use crate::peer::message::Rate;
use crate::peer::message::TopicHere;
use crate::peer::message::{QueueAsk, QueueTold};

/// Of a request's time, reading all shards takes at most this part: one that does not answer is left out.
pub(super) const READ_PART: u32 = 4;

/// What the shards that answered say, and the others.
pub(super) struct Read<T> {
    pub found: T,
    pub unavailable: Vec<GroupId>,
}

impl<H: Host> QueueService<H> {
    /// `GET /queue`
    pub async fn topics(&self) -> Result<Topics, ApiError> {
        let Read { found, unavailable } = self.figures(None).await?;
        let summary = |topic: TopicFigures| TopicSummary {
            topic: topic.topic,
            messages: topic.sum.messages,
            bytes: topic.sum.bytes,
            dead: topic.sum.dead,
            groups: topic.groups.into_iter().map(|group| group.group).collect(),
        };
        Ok(Topics { topics: found.into_iter().map(summary).collect(), unavailable })
    }

    /// `GET /queue/stats[?topic=]`. A dead-letter topic's figures are those of its topic.
    pub async fn stats(&self, query: StatsQuery) -> Result<QueueStats, ApiError> {
        let topic = query.topic.as_deref();
        let Read { found, unavailable } = self.figures(topic).await?;
        match topic {
            Some(topic) if found.is_empty() && unavailable.is_empty() => Err(no_topic(topic)),
            _ => Ok(QueueStats { topics: found, unavailable }),
        }
    }

    /// By name. An error only where no shard answers.
    pub(super) async fn figures(&self, topic: Option<&SmolStr>) -> Result<Read<Vec<TopicFigures>>, ApiError> {
        let topic: Option<TopicName> = topic.map(|name| dead_letters_of(name).unwrap_or(name).into());
        let Read { found, unavailable } = self.read_all(&QueueAsk::Stats { topic }).await?;
        let mut sums = BTreeMap::<TopicName, Sum>::new();
        for (shard, leader, told) in found {
            let QueueTold::Stats { topics } = told else { return Err(internal()) };
            for TopicHere { mut stats, rate, left, groups_left } in topics {
                stats.left = left;
                stats.groups.iter_mut().zip(groups_left).for_each(|(group, left)| group.left = left);
                sums.entry(stats.topic.clone()).or_default().add(shard, &leader, stats, rate);
            }
        }
        let found = sums.into_iter().map(|(topic, sum)| sum.finish(topic)).collect();
        Ok(Read { found, unavailable })
    }

    /// The same question to all shards at once.
    pub(super) async fn read_all(
        &self,
        ask: &QueueAsk,
    ) -> Result<Read<Vec<(GroupId, NodeName, QueueTold)>>, ApiError> {
        let shards = self.shards().await?;
        let within = self.timeout() / READ_PART;
        let questions = shards.iter().map(async |shard| (*shard, self.ask(*shard, ask, within).await));
        let (mut found, mut unavailable, mut first) = (Vec::new(), Vec::new(), None);
        for (shard, told) in join_all(questions).await {
            match told {
                Ok((leader, told)) => found.push((shard, leader, told)),
                Err(error) => {
                    unavailable.push(shard);
                    first.get_or_insert(error);
                }
            }
        }
        match first {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(Read { found, unavailable }),
        }
    }
}

/// A topic as its shards are added up.
#[derive(Default)]
struct Sum {
    sum: Figures,
    groups: BTreeMap<SmolStr, GroupSum>,
    shards: Vec<ShardFigures>,
}

#[derive(Default)]
struct GroupSum {
    figures: GroupFigures,
    consumers: BTreeMap<SmolStr, u64>,
}

impl Sum {
    fn add(&mut self, shard: GroupId, leader: &NodeName, stats: TopicStats, rate: Rate) {
        let figures = figures(&stats, rate);
        add_figures(&mut self.sum, &figures);
        self.shards.push(ShardFigures { shard, leader: Some(leader.clone()), figures });
        for group in stats.groups {
            self.groups.entry(group.group.clone()).or_default().add(shard, group);
        }
    }

    fn finish(self, topic: TopicName) -> TopicFigures {
        let groups: Vec<GroupFigures> =
            self.groups.into_iter().map(|(name, group)| group.finish(name)).collect();
        let consumers: BTreeSet<(&SmolStr, &SmolStr)> = groups
            .iter()
            .flat_map(|group| group.consumers.iter().map(|consumer| (&group.group, &consumer.consumer)))
            .collect();
        TopicFigures { topic, sum: self.sum, consumers: consumers.len() as u64, groups, shards: self.shards }
    }
}

impl GroupSum {
    fn add(&mut self, shard: GroupId, stats: GroupStats) {
        let figures = &mut self.figures;
        figures.lag += stats.lag;
        figures.ready += stats.ready;
        figures.blocked += stats.blocked;
        figures.delayed += stats.delayed;
        figures.in_flight += stats.in_flight;
        figures.dead += stats.dead;
        figures.delivered += stats.totals.delivered;
        figures.redelivered += stats.totals.redelivered;
        figures.acknowledged += stats.totals.acknowledged;
        figures.redriven += stats.left.redriven;
        figures.expired += stats.left.expired;
        figures.purged += stats.left.purged;
        figures.shards.push(shard);
        for consumer in stats.in_flight_of {
            *self.consumers.entry(consumer.consumer).or_default() += u64::from(consumer.in_flight);
        }
    }

    fn finish(self, group: SmolStr) -> GroupFigures {
        let consumers = self.consumers.into_iter();
        let consumers = consumers.map(|(consumer, in_flight)| ConsumerFigures { consumer, in_flight });
        GroupFigures { group, consumers: consumers.collect(), ..self.figures }
    }
}

fn figures(stats: &TopicStats, rate: Rate) -> Figures {
    Figures {
        messages: stats.messages,
        bytes: stats.bytes,
        ready: stats.ready,
        in_flight: stats.in_flight,
        delayed: stats.delayed,
        acknowledged: stats.totals.acknowledged,
        dead: stats.dead,
        lag: stats.groups.iter().map(|group| group.lag).sum(),
        oldest_age_ms: stats.oldest_age_ms,
        enqueue_rate: rate.enqueued,
        dequeue_rate: rate.dequeued,
        totals: stats.totals,
        left: stats.left,
    }
}

fn add_figures(sum: &mut Figures, one: &Figures) {
    sum.messages += one.messages;
    sum.bytes += one.bytes;
    sum.ready += one.ready;
    sum.in_flight += one.in_flight;
    sum.delayed += one.delayed;
    sum.acknowledged += one.acknowledged;
    sum.dead += one.dead;
    sum.lag += one.lag;
    sum.oldest_age_ms = sum.oldest_age_ms.max(one.oldest_age_ms);
    sum.enqueue_rate += one.enqueue_rate;
    sum.dequeue_rate += one.dequeue_rate;
    sum.totals.add(&one.totals);
    sum.left.add(&one.left);
}
