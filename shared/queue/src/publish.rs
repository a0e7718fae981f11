//! Publish: put a message into a topic.

use bytes::Bytes;

use super::limits::{EVICTIONS_MAX, PREVIEW_BYTES_MAX, name_refused};
use super::shard::Shard;
use super::step::{Context, Step};
use super::stored::Stored;
use super::topic::Topic;
use super::{PartitionKey, QueueFact, QueueReply, TopicName};

/// A publish, as its client asked it.
pub(super) struct Publish<'a> {
    pub key: Option<&'a PartitionKey>,
    pub message: &'a Bytes,
    pub delay_ms: u64,
    pub wall_ms: u64,
}

impl Shard {
    pub(super) fn publish(
        &mut self,
        topic: &TopicName,
        publish: &Publish<'_>,
        step: &mut Step,
    ) -> QueueReply {
        match self.refuse_publish(topic, publish.key, publish.message) {
            Some(refused) => refused,
            None => self.edit(topic, step, |topic, context| topic.publish(publish, context)),
        }
    }

    pub(super) fn refuse_publish(
        &self,
        topic: &TopicName,
        key: Option<&PartitionKey>,
        message: &Bytes,
    ) -> Option<QueueReply> {
        let bytes = (message.len() + key.map_or(0, |key| key.len())) as u64;
        name_refused("topic", topic)
            .or_else(|| name_refused("partition key", key?))
            .or_else(|| self.growth_refused(topic, None))
            .or_else(|| self.publish_refused(topic, bytes))
    }
}

impl Topic {
    fn publish(&mut self, publish: &Publish<'_>, context: &mut Context<'_>) -> QueueReply {
        let number = context.step.index;
        let stored = Stored::new(publish.message, publish.key, context.clock_ms, publish.wall_ms);
        let delayed_until_ms = (publish.delay_ms > 0).then(|| context.after(publish.delay_ms));
        context.report(QueueFact::Published {
            topic: context.topic.clone(),
            number,
            key: publish.key.cloned(),
            bytes: stored.bytes(),
            delayed_until_ms,
            preview: preview(publish.message),
        });
        self.log.insert(number, stored, delayed_until_ms);
        self.totals.published += 1;
        if delayed_until_ms.is_none() {
            self.wake_for(publish.key, context);
        }
        let mut budget = EVICTIONS_MAX;
        self.expire_bytes(&mut budget, context);
        QueueReply::Published { number, delayed_until_ms }
    }

    /// A message of that key entered the order: whoever waits for it may claim it.
    pub(super) fn wake_for(&self, key: Option<&PartitionKey>, context: &mut Context<'_>) {
        for (name, group) in &self.groups {
            if group.is_free(key) {
                context.wake(name);
            }
        }
    }
}

/// The beginning of a message, for people.
pub(super) fn preview(message: &[u8]) -> String {
    let beginning = &message[..message.len().min(PREVIEW_BYTES_MAX)];
    match std::str::from_utf8(beginning) {
        Ok(text) => text.to_owned(),
        Err(broken) => String::from_utf8_lossy(&beginning[..broken.valid_up_to()]).into_owned(),
    }
}
