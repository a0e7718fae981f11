//! The queues' part of the fold: what the events say of topics, groups and shards is what `GET /queue/stats` answers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use orrery_api::queue::{Consumed, Delivered};
use orrery_api::queue_view::{QueueStats, TopicFigures};
use orrery_base::ids::GroupId;
use orrery_harness::cluster::{Cluster, READY};
use orrery_harness::process::until;
use orrery_projection::view::{Bins, GroupBins, View};
use orrery_queue::view::TopicTotals;
use serde_json::{Value, json};

/// Deliveries of a message, after which it is a dead letter.
const ATTEMPTS_MAX: usize = 5;

/// Asks until it is done: a shard may be without a leader for a moment.
async fn done(cluster: &Cluster, at: usize, path: &str, body: &Value) -> Result<Value> {
    until(&format!("{path} to be done"), READY, || cluster.done(at, path, body)).await
}

async fn consume(cluster: &Cluster, at: usize, topic: &str, who: &str, more: Value) -> Result<Consumed> {
    let mut body = json!({"topic": topic, "group": "all", "consumer": who, "visibility_ms": 600_000});
    for (field, value) in more.as_object().into_iter().flatten() {
        body[field] = value.clone();
    }
    Ok(serde_json::from_value(done(cluster, at, "/queue/consume", &body).await?)?)
}

/// Acknowledges a delivery or gives it back.
async fn settle(cluster: &Cluster, at: usize, path: &str, topic: &str, message: &Delivered) -> Result<()> {
    let (id, receipt) = (message.id.to_string(), message.receipt.to_string());
    let body = json!({"topic": topic, "group": "all", "id": id, "receipt": receipt});
    // Asked again after an unknown outcome it may be late: that is an answer too.
    until("a delivery to be settled", READY, || async {
        let (status, answer) = cluster.post(at, path, &body).await?;
        ensure!(status == 200 || status == 409, "{status} {answer}");
        Ok(())
    })
    .await
}

/// Publishes with and without keys and delays, two groups, acks, nacks, a visibility that ends, dead letters and one
/// that is brought back, a purge.
pub async fn act(cluster: &Cluster, live: &[usize], round: u32) -> Result<()> {
    let node = |at: usize| live[at % live.len()];
    for number in 0..24_u64 {
        let mut body = json!({
            "topic": "orders", "message": {"round": round, "number": number},
            "idempotency_key": format!("fold{round}/{}", number + 1),
        });
        match number % 4 {
            0 => body["key"] = json!(format!("k{}", number % 3)),
            1 if number < 8 => body["delay_ms"] = json!(600_000),
            _ => {}
        }
        done(cluster, node(number as usize), "/queue/publish", &body).await?;
    }
    done(cluster, node(0), "/queue/groups", &json!({"topic": "orders", "group": "audit"})).await?;
    let taken = consume(cluster, node(1), "orders", "Ayu", json!({"max": 6})).await?;
    consume(cluster, node(2), "orders", "Budi", json!({"max": 4})).await?;
    consume(cluster, node(3), "orders", "Citra", json!({"max": 2, "visibility_ms": 200})).await?;
    consume(cluster, node(4), "orders", "Dewi", json!({"max": 3, "group": "audit"})).await?;
    for (place, message) in taken.messages.iter().enumerate() {
        let path = if place % 3 == 2 { "/queue/nack" } else { "/queue/ack" };
        settle(cluster, node(place), path, "orders", message).await?;
    }

    let doomed =
        json!({"topic": "mail", "key": "k", "message": round, "idempotency_key": format!("mail{round}/1")});
    done(cluster, node(0), "/queue/publish", &doomed).await?;
    for attempt in 0..ATTEMPTS_MAX {
        for message in consume(cluster, node(attempt), "mail", "Eka", json!({})).await?.messages {
            settle(cluster, node(attempt), "/queue/nack", "mail", &message).await?;
        }
    }
    if round == 2 {
        done(cluster, node(1), "/queue/redrive", &json!({"topic": "mail", "group": "all"})).await?;
        done(cluster, node(2), "/queue/purge", &json!({"topic": "orders", "what": "ready"})).await?;
    }
    Ok(())
}

/// One topic, without what goes on by itself: rates and ages.
#[derive(Debug, PartialEq)]
struct Topic {
    all: Bins,
    totals: TopicTotals,
    consumers: u64,
    groups: Vec<GroupBins>,
    /// Messages, bytes, ready, in flight, delayed, acknowledged, dead.
    shards: BTreeMap<GroupId, [u64; 7]>,
}

impl Topic {
    fn folded(view: &View, name: &str) -> Topic {
        let bins = view.bins(name);
        let consumers = bins
            .groups
            .iter()
            .flat_map(|group| group.consumers.keys().map(|consumer| (group.group.clone(), consumer.clone())));
        let shards = bins.shards.iter().map(|it| {
            let Bins { ready, in_flight, delayed, acknowledged, dead, .. } = it.all;
            (it.shard, [it.messages, it.bytes, ready, in_flight, delayed, acknowledged, dead])
        });
        Topic {
            consumers: consumers.collect::<BTreeSet<_>>().len() as u64,
            shards: shards.collect(),
            all: bins.all,
            totals: bins.totals,
            groups: bins.groups,
        }
    }

    fn answered(topic: &TopicFigures) -> Topic {
        let sum = &topic.sum;
        let groups = topic.groups.iter().map(|group| GroupBins {
            group: group.group.as_str().into(),
            all: Bins {
                ready: group.ready,
                blocked: group.blocked,
                given_back: group.delayed,
                in_flight: group.in_flight,
                delayed: 0,
                acknowledged: group.acknowledged,
                dead: group.dead,
            },
            lag: group.lag,
            delivered: group.delivered,
            redelivered: group.redelivered,
            consumers: group.consumers.iter().map(|it| (it.consumer.clone(), it.in_flight)).collect(),
        });
        let shards = topic.shards.iter().map(|it| {
            let of = &it.figures;
            let figures =
                [of.messages, of.bytes, of.ready, of.in_flight, of.delayed, of.acknowledged, of.dead];
            (it.shard, figures)
        });
        Topic {
            all: Bins {
                ready: sum.ready,
                blocked: topic.groups.iter().map(|group| group.blocked).sum(),
                given_back: topic.groups.iter().map(|group| group.delayed).sum(),
                in_flight: sum.in_flight,
                delayed: sum.delayed,
                acknowledged: sum.acknowledged,
                dead: sum.dead,
            },
            totals: sum.totals,
            consumers: topic.consumers,
            groups: groups.collect(),
            shards: shards.collect(),
        }
    }
}

/// The fold equals what a node answers, topic by topic, and names the same leaders.
pub async fn equal(cluster: &Cluster, view: &View) -> Result<()> {
    let stats: QueueStats = cluster.get(0, "/queue/stats").await?;
    ensure!(stats.unavailable.is_empty(), "{:?} did not answer", stats.unavailable);
    let answered: Vec<_> = stats.topics.iter().map(|topic| topic.topic.clone()).collect();
    ensure!(view.topics() == answered && answered.len() == 2, "{:?}\nanswers: {answered:?}", view.topics());
    let leaders: BTreeMap<_, _> = view.shards().map(|it| (it.shard, it.leader)).collect();
    for topic in &stats.topics {
        let (folded, answered) = (Topic::folded(view, &topic.topic), Topic::answered(topic));
        ensure!(folded == answered, "{}: {folded:#?}\nanswers: {answered:#?}", topic.topic);
        for shard in &topic.shards {
            let folded = leaders.get(&shard.shard).with_context(|| format!("no shard {}", shard.shard))?;
            ensure!(*folded == shard.leader, "{}: {folded:?}, {:?} answers", shard.shard, shard.leader);
        }
    }
    Ok(())
}

/// What the test is about did happen: nothing of it is there by chance.
pub fn lively(view: &View) -> Result<()> {
    let (orders, mail) = (view.bins("orders"), view.bins("mail"));
    let seen = [
        ("in flight", orders.all.in_flight),
        ("delayed", orders.all.delayed),
        ("acknowledged", orders.totals.acknowledged),
        ("redelivered", mail.totals.redelivered),
        ("dead", mail.all.dead),
        ("redriven", mail.totals.redriven),
        ("purged", orders.totals.purged),
        ("shards", orders.shards.len().saturating_sub(1) as u64),
    ];
    match seen.iter().find(|(_, count)| *count == 0) {
        Some((what, _)) => anyhow::bail!("nothing was {what}: {seen:?}"),
        None => Ok(()),
    }
}
