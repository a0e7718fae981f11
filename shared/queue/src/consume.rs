//! Consume: claim ready messages.
//!
//! What is ready again comes first, in the topic's order, then what the cursor meets. A message whose key is not free is
//! parked behind it and looked at no more until it is its turn: each message is passed at most once.

use bytes::Bytes;
use orrery_base::ids::LogIndex;

use super::fact::QueueFact;
use super::group::{Group, Open, Parked, State};
use super::limits::{CONSUME_BYTES_MAX, CONSUME_MAX, SCAN_MAX, name_refused};
use super::log::{Log, Place};
use super::shard::Shard;
use super::step::{Context, Step};
use super::stored::Stored;
use super::topic::Topic;
use super::{ConsumerGroup, ConsumerName, Delivery, QueueReply, Receipt, TopicName};

/// A consume, as its client asked it.
pub(super) struct Ask<'a> {
    pub group: &'a ConsumerGroup,
    pub consumer: &'a ConsumerName,
    pub max: u32,
    pub visibility_ms: u64,
}

impl Shard {
    pub(super) fn consume(&mut self, topic: &TopicName, ask: &Ask<'_>, step: &mut Step) -> QueueReply {
        match self.consume_refused(topic, ask) {
            Some(refused) => refused,
            None => self.edit(topic, step, |topic, context| topic.consume(ask, context)),
        }
    }

    /// A consume creates nothing: who wants a group creates it first.
    pub(super) fn consume_refused(&self, topic: &TopicName, ask: &Ask<'_>) -> Option<QueueReply> {
        name_refused("topic", topic)
            .or_else(|| name_refused("consumer group", ask.group))
            .or_else(|| name_refused("consumer", ask.consumer))
            .or_else(|| self.not_there(topic, Some(ask.group)))
            .or_else(|| self.consumer_refused(topic, ask))
    }

    fn consumer_refused(&self, topic: &TopicName, ask: &Ask<'_>) -> Option<QueueReply> {
        let group = self.topics.get(topic)?.groups.get(ask.group)?;
        let most = self.limits.in_flight_per_consumer_max;
        (group.in_flight_of(ask.consumer) >= most).then(|| QueueReply::LimitReached {
            what: format!(
                "{} has {most} messages in flight, which is the bound of one consumer",
                ask.consumer
            ),
        })
    }
}

/// A message that can be claimed.
struct Next<'a> {
    number: LogIndex,
    place: Place,
    stored: &'a Stored,
    /// The cursor is at it.
    at_cursor: bool,
}

impl Topic {
    fn consume(&mut self, ask: &Ask<'_>, context: &mut Context<'_>) -> QueueReply {
        let Topic { log, groups, totals, .. } = self;
        let Some(group) = groups.get_mut(ask.group) else { return QueueReply::NoSuchGroup };
        let free = context.limits.in_flight_per_consumer_max.saturating_sub(group.in_flight_of(ask.consumer));
        let max = ask.max.min(CONSUME_MAX).min(free) as usize;
        let mut messages: Vec<Delivery> = Vec::new();
        let (mut scanned, mut bytes) = (0, 0);
        while messages.len() < max && scanned < SCAN_MAX {
            let Some(next) = group.next(log) else { break };
            let key = next.stored.key();
            if next.at_cursor && !group.is_free(key.as_ref()) {
                scanned += 1;
                group.pass(next.place);
                group.parked.extend(key.map(|key| Parked { key, place: next.place, number: next.number }));
                continue;
            }
            bytes += next.stored.message().len() as u64;
            if !messages.is_empty() && bytes > CONSUME_BYTES_MAX {
                break;
            }
            let n = u32::try_from(messages.len()).unwrap_or(u32::MAX);
            let delivery = group.claim(&next, n, ask, context);
            totals.delivered += 1;
            totals.redelivered += u64::from(delivery.attempt > 1);
            messages.push(delivery);
        }
        let more = group.may_claim(log.in_order());
        QueueReply::Deliveries { messages, more }
    }
}

impl Group {
    /// What comes next: ready again, or at the cursor.
    fn next<'a>(&self, log: &'a Log) -> Option<Next<'a>> {
        if let Some((place, number)) = self.ready.get_min() {
            let stored = log.stored(*number)?;
            return Some(Next { number: *number, place: *place, stored, at_cursor: false });
        }
        let found = log.next_from(self.cursor)?;
        Some(Next { number: found.number, place: found.place, stored: found.stored, at_cursor: true })
    }

    /// Moves the cursor over the message at that place.
    pub(super) fn pass(&mut self, place: Place) {
        self.cursor = place.after();
        self.behind += 1;
    }

    fn claim(&mut self, next: &Next<'_>, n: u32, ask: &Ask<'_>, context: &mut Context<'_>) -> Delivery {
        if next.at_cursor {
            self.pass(next.place);
        }
        let open = self.take(next.number);
        let mut open = open.unwrap_or_else(|| Open::fresh(next.place, next.stored.key()));
        let receipt = Receipt { index: context.step.index, n };
        let visible_at_ms = context.after(ask.visibility_ms);
        open.attempts += 1;
        open.receipt = Some(receipt);
        open.state = State::InFlight { consumer: ask.consumer.clone(), visible_at_ms };
        let attempt = open.attempts;
        self.totals.delivered += 1;
        self.totals.redelivered += u64::from(attempt > 1);
        self.put(next.number, open);
        context.report(QueueFact::Delivered {
            topic: context.topic.clone(),
            number: next.number,
            key: next.stored.key(),
            group: ask.group.clone(),
            consumer: ask.consumer.clone(),
            receipt,
            attempt,
            visible_at_ms,
        });
        next.stored.delivery(next.number, receipt, attempt, visible_at_ms)
    }
}

impl Stored {
    /// The answer that carries this message.
    pub(super) fn delivery(
        &self,
        number: LogIndex,
        receipt: Receipt,
        attempt: u32,
        visible_at_ms: orrery_base::ids::LeaseMs,
    ) -> Delivery {
        Delivery {
            number,
            receipt,
            attempt,
            visible_at_ms,
            message: Bytes::copy_from_slice(self.message()),
            key: self.key(),
            published_at_ms: self.published_at_ms(),
            wall_ms: self.wall_ms(),
        }
    }
}
