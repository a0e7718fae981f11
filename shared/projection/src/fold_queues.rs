//! The queues of a shard out of service facts, each counted once by (index, n).

use std::sync::Arc;

use orrery_base::ids::{GroupId, LeaseMs, LogIndex};
use orrery_base::sorted::sort_by;
use orrery_queue::fact::Had;
use orrery_queue::view::{DeadLetter, TopicView};
use orrery_queue::{ConsumerGroup, PurgeWhat, QueueFact, QueueView, TopicName};

use super::effect::Effect;
use super::view::{DELIVERIES_MAX, DeadLetterView, GroupQueue, InFlight, ShardQueues, TopicQueue, View};

/// Takes over queues that somebody read at an applied index, unless a newer state is in the view.
pub(super) fn install(view: &mut View, shard: GroupId, queues: &QueueView, now_us: u64) {
    let known = view.queues.get(&shard).and_then(|known| known.applied);
    if queues.applied.is_none() || queues.applied < known {
        return;
    }
    let shard = Arc::make_mut(view.queues.get_or_default(&shard));
    if known.is_none() {
        // The first ones of a recording: what they contain is not news.
        shard.seen = shard.seen.max(queues.applied.map(|index| (index, u32::MAX)));
    }
    shard.applied = queues.applied;
    shard.whole = queues.applied;
    shard.more_topics = queues.more_topics;
    let taken = queues.topics.iter().map(|topic| {
        let before = shard.topics.get(&topic.stats.topic);
        (topic.stats.topic.clone(), Arc::new(topic_of(topic, before, queues.clock_ms)))
    });
    shard.topics = taken.collect();
    move_clock(shard, queues.clock_ms, now_us);
}

/// A new leader's state. The facts that led to it may still come: they are news, but change nothing.
pub(super) fn resume(view: &mut View, shard: GroupId, index: LogIndex, queues: &QueueView, now_us: u64) {
    let applied = queues.applied.max(Some(index));
    install(view, shard, &QueueView { applied, ..queues.clone() }, now_us);
}

/// Folds one fact in.
pub(super) fn fact(
    view: &mut View,
    shard: GroupId,
    place: (LogIndex, u32),
    clock_ms: LeaseMs,
    fact: &QueueFact,
    now_us: u64,
) -> Effect {
    let shard = view.queues.get_or_default(&shard);
    if shard.seen.is_some_and(|seen| place <= seen) {
        return Effect::Known;
    }
    let shard = Arc::make_mut(shard);
    shard.seen = Some(place);
    if shard.whole.is_some_and(|whole| place.0 <= whole) {
        return Effect::New;
    }
    shard.applied = Some(place.0);
    move_clock(shard, clock_ms, now_us);
    let name = topic_name(fact);
    if shard.more_topics > 0 && !shard.topics.contains_key(name) {
        return Effect::New;
    }
    let topic = Arc::make_mut(shard.topics.get_or_default(name));
    change(topic, clock_ms, fact);
    if topic.groups.is_empty() && topic.messages == 0 {
        shard.topics.remove(name);
    }
    Effect::New
}

/// The clock never goes back.
fn move_clock(shard: &mut ShardQueues, clock_ms: LeaseMs, now_us: u64) {
    if clock_ms >= shard.clock_ms {
        shard.clock_ms = clock_ms;
        shard.clock_at_us = now_us;
    }
}

/// What a whole view says of a topic. Since when a delivery runs is not in it: `before` may know.
fn topic_of(topic: &TopicView, before: Option<&Arc<TopicQueue>>, clock_ms: LeaseMs) -> TopicQueue {
    let TopicView { stats, in_flight, dead, .. } = topic;
    let groups = stats.groups.iter().map(|group| {
        let queue = GroupQueue {
            waiting: group.waiting,
            blocked: group.blocked,
            delayed: group.delayed,
            in_flight: group.in_flight,
            dead: group.dead,
            totals: group.totals,
        };
        (group.group.clone(), queue)
    });
    let flights = in_flight.iter().map(|flight| {
        let at = (flight.group.clone(), flight.number);
        let same = before.and_then(|before| before.in_flight.get(&at));
        let same = same
            .filter(|known| known.receipt == flight.receipt && known.visible_at_ms == flight.visible_at_ms);
        let shown = InFlight {
            number: flight.number,
            key: flight.key.clone(),
            group: flight.group.clone(),
            consumer: flight.consumer.clone(),
            receipt: flight.receipt,
            attempt: flight.attempt,
            since_ms: same.map_or(clock_ms, |known| known.since_ms),
            visible_at_ms: flight.visible_at_ms,
        };
        (at, shown)
    });
    let mut dead: Vec<DeadLetterView> = dead
        .iter()
        .map(|dead| {
            let DeadLetter { group, attempts, cause, dead_at_ms } = dead.letter.clone();
            DeadLetterView { number: dead.number, key: dead.key.clone(), group, attempts, cause, dead_at_ms }
        })
        .collect();
    sort_by(&mut dead, |a, b| (a.dead_at_ms, a.number, &a.group).cmp(&(b.dead_at_ms, b.number, &b.group)));
    let mut queue = TopicQueue {
        messages: stats.messages,
        bytes: stats.bytes,
        delayed: stats.delayed,
        totals: stats.totals,
        groups: groups.collect(),
        in_flight: flights.collect(),
        dead: dead.into(),
    };
    bound(&mut queue);
    queue
}

/// Counters never fall below 0: a reader that began between facts has not seen everything that they count from.
fn less(count: &mut u64, by: u64) {
    *count = count.saturating_sub(by);
}

fn change(topic: &mut TopicQueue, clock_ms: LeaseMs, fact: &QueueFact) {
    match fact {
        QueueFact::Published { bytes, delayed_until_ms, .. } => {
            topic.messages += 1;
            topic.bytes += bytes;
            topic.totals.published += 1;
            match delayed_until_ms {
                Some(_) => topic.delayed += 1,
                None => enter(topic),
            }
        }
        QueueFact::Entered { .. } => {
            less(&mut topic.delayed, 1);
            enter(topic);
        }
        QueueFact::Delivered { .. } => deliver(topic, clock_ms, fact),
        QueueFact::Acknowledged { number, group, had, freed_bytes, .. } => {
            take(topic, group, *number, *had);
            topic.totals.acknowledged += 1;
            topic.groups.get_or_default(group).totals.acknowledged += 1;
            free(topic, *freed_bytes);
        }
        QueueFact::Nacked { number, group, .. }
        | QueueFact::RedeliveryDue { number, group, .. }
        | QueueFact::Returned { number, group, .. } => {
            take(topic, group, *number, Had::InFlight);
            topic.groups.get_or_default(group).waiting += 1;
        }
        QueueFact::Extended { number, group, visible_at_ms, .. } => {
            if let Some(flight) = topic.in_flight.get_mut(&(group.clone(), *number)) {
                flight.since_ms = clock_ms;
                flight.visible_at_ms = *visible_at_ms;
            }
        }
        QueueFact::DeadLettered { .. } => die(topic, clock_ms, fact),
        QueueFact::Redriven { number, group, .. } => {
            take(topic, group, *number, Had::Dead);
            topic.groups.get_or_default(group).waiting += 1;
            topic.totals.redriven += 1;
        }
        QueueFact::Expired { number, had, delayed, freed_bytes, .. } => {
            for (group, had) in had {
                take(topic, group, *number, *had);
            }
            less(&mut topic.delayed, u64::from(*delayed));
            topic.totals.expired += 1;
            free(topic, *freed_bytes);
        }
        QueueFact::Purged { .. } => purge(topic, fact),
        QueueFact::Freed { freed, freed_bytes, .. } => {
            less(&mut topic.messages, *freed);
            less(&mut topic.bytes, *freed_bytes);
        }
        QueueFact::GroupCreated { group, waiting, .. } => {
            let begun = GroupQueue { waiting: *waiting, ..GroupQueue::default() };
            topic.groups.insert(group.clone(), begun);
        }
        QueueFact::GroupDeleted { group, .. } => {
            topic.groups.remove(group);
            forget_flights(topic, group, usize::MAX);
            topic.dead.retain(|dead| dead.group != *group);
        }
        QueueFact::Held { group, blocked, delayed, .. } => {
            let queue = topic.groups.get_or_default(group);
            queue.blocked = *blocked;
            queue.delayed = *delayed;
        }
    }
}

/// A message entered the order: it waits for every group.
fn enter(topic: &mut TopicQueue) {
    topic.groups.values_mut().for_each(|group| group.waiting += 1);
}

fn deliver(topic: &mut TopicQueue, clock_ms: LeaseMs, fact: &QueueFact) {
    let QueueFact::Delivered { number, key, group, consumer, receipt, attempt, visible_at_ms, .. } = fact
    else {
        return;
    };
    let again = u64::from(*attempt > 1);
    let queue = topic.groups.get_or_default(group);
    less(&mut queue.waiting, 1);
    queue.in_flight += 1;
    queue.totals.delivered += 1;
    queue.totals.redelivered += again;
    topic.totals.delivered += 1;
    topic.totals.redelivered += again;
    let flight = InFlight {
        number: *number,
        key: key.clone(),
        group: group.clone(),
        consumer: consumer.clone(),
        receipt: *receipt,
        attempt: *attempt,
        since_ms: clock_ms,
        visible_at_ms: *visible_at_ms,
    };
    topic.in_flight.insert((group.clone(), *number), flight);
    bound(topic);
}

fn die(topic: &mut TopicQueue, clock_ms: LeaseMs, fact: &QueueFact) {
    let QueueFact::DeadLettered { number, key, group, attempts, cause, .. } = fact else { return };
    take(topic, group, *number, Had::InFlight);
    let queue = topic.groups.get_or_default(group);
    queue.dead += 1;
    queue.totals.dead_lettered += 1;
    topic.totals.dead_lettered += 1;
    topic.dead.push_back(DeadLetterView {
        number: *number,
        key: key.clone(),
        group: group.clone(),
        attempts: *attempts,
        cause: *cause,
        dead_at_ms: clock_ms,
    });
    bound(topic);
}

/// A group does not have a message any more as it had it.
fn take(topic: &mut TopicQueue, group: &ConsumerGroup, number: LogIndex, had: Had) {
    let queue = topic.groups.get_or_default(group);
    match had {
        Had::Waiting => less(&mut queue.waiting, 1),
        Had::InFlight => {
            less(&mut queue.in_flight, 1);
            topic.in_flight.remove(&(group.clone(), number));
        }
        Had::Dead => {
            less(&mut queue.dead, 1);
            topic.dead.retain(|dead| dead.number != number || dead.group != *group);
        }
    }
}

/// A message is gone.
fn free(topic: &mut TopicQueue, bytes: Option<u64>) {
    if let Some(bytes) = bytes {
        less(&mut topic.messages, 1);
        less(&mut topic.bytes, bytes);
    }
}

/// The fact counts and does not name. A purge takes dead letters by number and deliveries by the end of their
/// visibility, the first ones first: whoever goes from the list has gone.
fn purge(topic: &mut TopicQueue, fact: &QueueFact) {
    let QueueFact::Purged { what, group, waiting, in_flight, dead, delayed, freed, freed_bytes, .. } = fact
    else {
        return;
    };
    less(&mut topic.delayed, *delayed);
    less(&mut topic.messages, *freed);
    less(&mut topic.bytes, *freed_bytes);
    topic.totals.purged += waiting + in_flight + dead + delayed;
    let Some(name) = group else { return };
    let queue = topic.groups.get_or_default(name);
    less(&mut queue.waiting, *waiting);
    less(&mut queue.in_flight, *in_flight);
    less(&mut queue.dead, *dead);
    if *what != PurgeWhat::Ready {
        let mut numbers: Vec<LogIndex> =
            topic.dead.iter().filter(|dead| dead.group == *name).map(|dead| dead.number).collect();
        sort_by(&mut numbers, u64::cmp);
        numbers.truncate(usize::try_from(*dead).unwrap_or(usize::MAX));
        topic.dead.retain(|dead| dead.group != *name || !numbers.contains(&dead.number));
    }
    forget_flights(topic, name, usize::try_from(*in_flight).unwrap_or(usize::MAX));
}

/// Drops a group's first deliveries by the end of their visibility.
fn forget_flights(topic: &mut TopicQueue, group: &ConsumerGroup, most: usize) {
    let of_group = topic.in_flight.values().filter(|flight| flight.group == *group);
    let mut ends: Vec<_> = of_group.map(|flight| (flight.visible_at_ms, flight.number)).collect();
    sort_by(&mut ends, Ord::cmp);
    for (_, number) in ends.into_iter().take(most) {
        topic.in_flight.remove(&(group.clone(), number));
    }
}

/// Above the bound the delivery goes that ends last, and the oldest dead letter.
fn bound(topic: &mut TopicQueue) {
    while topic.in_flight.len() > DELIVERIES_MAX {
        let last = topic.in_flight.iter().max_by_key(|(_, flight)| (flight.visible_at_ms, flight.number));
        let Some(at) = last.map(|(at, _)| at.clone()) else { break };
        topic.in_flight.remove(&at);
    }
    while topic.dead.len() > DELIVERIES_MAX {
        topic.dead.pop_front();
    }
}

fn topic_name(fact: &QueueFact) -> &TopicName {
    match fact {
        QueueFact::Published { topic, .. }
        | QueueFact::Entered { topic, .. }
        | QueueFact::Delivered { topic, .. }
        | QueueFact::Acknowledged { topic, .. }
        | QueueFact::Nacked { topic, .. }
        | QueueFact::Extended { topic, .. }
        | QueueFact::RedeliveryDue { topic, .. }
        | QueueFact::DeadLettered { topic, .. }
        | QueueFact::Redriven { topic, .. }
        | QueueFact::Expired { topic, .. }
        | QueueFact::Purged { topic, .. }
        | QueueFact::Freed { topic, .. }
        | QueueFact::GroupCreated { topic, .. }
        | QueueFact::GroupDeleted { topic, .. }
        | QueueFact::Returned { topic, .. }
        | QueueFact::Held { topic, .. } => topic,
    }
}
