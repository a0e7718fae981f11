//! One topic with one consumer group, as its clients see it: nothing that was published is lost, nothing is delivered after
//! its ack was answered, a delivery is one consumer's for as long as it is invisible, messages of a key come in order,
//! and attempts end at their bound.

use std::collections::BTreeMap;

use orrery_queue::{MessageId, QueueLimits};

/// A message is known by the number that it carries.
pub type Value = u64;

/// What is known of the topic.
#[derive(Default)]
pub struct Queues {
    messages: BTreeMap<Value, Message>,
    /// Consumes of which nobody knows what they claimed. Each may have used up one attempt of every message.
    unseen: u32,
    /// Publishes that were acknowledged.
    pub published: u64,
    /// Deliveries that consumers saw.
    pub delivered: u64,
    /// Deliveries beyond a message's first.
    pub redelivered: u64,
}

#[derive(Default)]
struct Message {
    /// None where it has no place in an order: without a key, or with a delay.
    key: Option<u8>,
    asked_us: u64,
    /// Where it is, once somebody saw that.
    id: Option<MessageId>,
    /// When the publish was answered.
    published_us: Option<u64>,
    /// The highest attempt that anybody saw.
    attempt: u32,
    /// Somebody sent an ack of it.
    ack_asked: bool,
    /// When an ack of it was answered.
    acked_us: Option<u64>,
    /// Whose it is now.
    held: Option<Held>,
}

/// A delivery in the hands of a consumer.
#[derive(Clone, Copy)]
struct Held {
    attempt: u32,
    until_us: u64,
}

impl Queues {
    /// A value that nobody published yet, which somebody publishes now.
    pub fn next(&mut self, now_us: u64, key: Option<u8>) -> Value {
        let value = self.messages.len() as Value;
        self.messages.insert(value, Message { key, asked_us: now_us, ..Message::default() });
        value
    }

    /// A publish was answered.
    pub fn published(&mut self, now_us: u64, value: Value, id: MessageId) -> Result<(), String> {
        self.published += 1;
        let message = self.message(value)?;
        message.published_us = Some(now_us);
        message.seen_at(value, id)
    }

    /// A consume ended without an answer.
    pub fn unseen(&mut self) {
        self.unseen += 1;
    }

    /// A consume that was sent first at `sent_us` answered with this delivery, invisible to others until `until_us`
    /// at least.
    pub fn delivered(
        &mut self,
        sent_us: u64,
        now_us: u64,
        value: Value,
        id: MessageId,
        attempt: u32,
        until_us: u64,
    ) -> Result<(), String> {
        self.delivered += 1;
        self.redelivered += u64::from(attempt > 1);
        let attempts_max = QueueLimits::default().attempts_max;
        if attempt == 0 || attempt > attempts_max {
            return Err(format!("message {value} came in attempt {attempt}; there are {attempts_max}"));
        }
        self.in_order(sent_us, value, attempts_max)?;
        let message = self.message(value)?;
        message.seen_at(value, id)?;
        if let Some(acked_us) = message.acked_us.filter(|acked_us| *acked_us < sent_us) {
            return Err(format!(
                "message {value} came to a consume of {sent_us} us, its ack was answered at {acked_us} us"
            ));
        }
        if let Some(held) = message.held.filter(|held| held.until_us > now_us && held.attempt < attempt) {
            return Err(format!(
                "message {value} came in attempt {attempt} while a consumer has attempt {} for {} us more",
                held.attempt,
                held.until_us - now_us
            ));
        }
        message.attempt = message.attempt.max(attempt);
        if message.held.is_none_or(|held| held.attempt < attempt) {
            message.held = Some(Held { attempt, until_us });
        }
        Ok(())
    }

    /// Whatever was published with the same key before this one was asked for is done with, or may be dead.
    fn in_order(&self, sent_us: u64, value: Value, attempts_max: u32) -> Result<(), String> {
        let Some(message) = self.messages.get(&value) else { return Ok(()) };
        let Some(key) = message.key else { return Ok(()) };
        let before = self.messages.iter().find(|(_, earlier)| {
            earlier.key == Some(key)
                && earlier.published_us.is_some_and(|published_us| published_us < message.asked_us)
                && !earlier.ack_asked
                && earlier.attempt + self.unseen < attempts_max
        });
        match before {
            Some((before, earlier)) => Err(format!(
                "message {value} of key {key} came to a consume of {sent_us} us before message {before}, of which \
                 {} attempts were seen and no ack was sent",
                earlier.attempt
            )),
            None => Ok(()),
        }
    }

    /// The holder of that delivery gives it back, extends it, or forgets it: it counts on nothing any more.
    pub fn lets_go(&mut self, value: Value, attempt: u32) {
        if let Some(message) = self.messages.get_mut(&value)
            && message.held.is_some_and(|held| held.attempt == attempt)
        {
            message.held = None;
        }
    }

    /// An ack is sent.
    pub fn acks(&mut self, value: Value) {
        if let Some(message) = self.messages.get_mut(&value) {
            message.ack_asked = true;
        }
    }

    /// An ack was answered.
    pub fn acknowledged(&mut self, now_us: u64, value: Value) {
        if let Some(message) = self.messages.get_mut(&value) {
            message.acked_us.get_or_insert(now_us);
        }
    }

    /// An ack or a nack was answered "late".
    pub fn late(&self, now_us: u64, value: Value, attempt: u32) -> Result<(), String> {
        let held = self.messages.get(&value).and_then(|message| message.held);
        match held.filter(|held| held.attempt == attempt && held.until_us > now_us) {
            Some(held) => Err(format!(
                "attempt {attempt} of message {value} was called late {} us before its end",
                held.until_us - now_us
            )),
            None => Ok(()),
        }
    }

    /// Nobody consumes any more and the queues are empty, but for these dead letters.
    pub fn ended(&self, dead: &[Value]) -> Result<(), String> {
        let lost = self.messages.iter().find(|(value, message)| {
            message.published_us.is_some() && !message.ack_asked && !dead.contains(value)
        });
        match lost {
            Some((value, message)) => Err(format!(
                "message {value} was published, and is gone after attempt {} without an ack",
                message.attempt
            )),
            None => Ok(()),
        }
    }

    fn message(&mut self, value: Value) -> Result<&mut Message, String> {
        self.messages.get_mut(&value).ok_or_else(|| format!("message {value} was never published"))
    }
}

impl Message {
    /// One publish makes one message.
    fn seen_at(&mut self, value: Value, id: MessageId) -> Result<(), String> {
        let before = *self.id.get_or_insert(id);
        if before == id {
            Ok(())
        } else {
            Err(format!("message {value} is there twice, as {before} and {id}"))
        }
    }
}
