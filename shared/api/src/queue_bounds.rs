//! Names and numbers of the queues' requests: which ones there are.

use std::ops::RangeInclusive;

use orrery_base::valid::{Name, NameRule, Number, NumberRule};
use orrery_queue::dead_letters_of;

/// A topic, or what shows its dead letters.
#[derive(Debug, PartialEq, Eq)]
pub enum AnyTopicRule {}

impl NameRule for AnyTopicRule {
    const FIELD: &'static str = "topic";
}

/// The name of a topic, or of what shows its dead letters.
pub type AnyTopic = Name<AnyTopicRule>;

/// A topic that takes messages.
#[derive(Debug, PartialEq, Eq)]
pub enum TopicRule {}

impl NameRule for TopicRule {
    const FIELD: &'static str = "topic";

    fn also(topic: &str) -> Result<(), String> {
        match dead_letters_of(topic) {
            None => Ok(()),
            Some(of) => Err(format!(
                "{topic} shows the dead letters of {of}: it can be looked at, redriven and purged, but nobody publishes, \
                 consumes or has a group there."
            )),
        }
    }
}

/// The name of a topic that takes messages.
pub type Topic = Name<TopicRule>;

/// A consumer group.
#[derive(Debug, PartialEq, Eq)]
pub enum GroupRule {}

impl NameRule for GroupRule {
    const FIELD: &'static str = "group";
}

/// The name of a consumer group.
pub type Group = Name<GroupRule>;

/// A consumer.
#[derive(Debug, PartialEq, Eq)]
pub enum ConsumerRule {}

impl NameRule for ConsumerRule {
    const FIELD: &'static str = "consumer";
}

/// The name of a consumer.
pub type Consumer = Name<ConsumerRule>;

/// A partition key.
#[derive(Debug, PartialEq, Eq)]
pub enum PartitionRule {}

impl NameRule for PartitionRule {
    const FIELD: &'static str = "key";
}

/// A partition key.
pub type Partition = Name<PartitionRule>;

/// How long a message or a redelivery is held back.
#[derive(Debug, PartialEq, Eq)]
pub enum DelayRule {}

impl NumberRule for DelayRule {
    const FIELD: &'static str = "delay_ms";
    // A day.
    const RANGE: RangeInclusive<u64> = 0..=24 * 60 * 60 * 1_000;
    const UNIT: &'static str = "milliseconds";
}

/// How long a message or a redelivery is held back, in milliseconds.
pub type Delay = Number<DelayRule>;

/// How long a delivery stays invisible.
#[derive(Debug, PartialEq, Eq)]
pub enum VisibilityRule {}

impl NumberRule for VisibilityRule {
    const FIELD: &'static str = "visibility_ms";
    // As short as a lease, up to twelve hours.
    const RANGE: RangeInclusive<u64> = 100..=12 * 60 * 60 * 1_000;
    const UNIT: &'static str = "milliseconds";
}

/// How long a delivery stays invisible to the rest of its group, in milliseconds.
pub type Visibility = Number<VisibilityRule>;

/// How many messages one consume may ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum MaxMessagesRule {}

impl NumberRule for MaxMessagesRule {
    const FIELD: &'static str = "max";
    const RANGE: RangeInclusive<u64> = 1..=100;
}

/// How many messages a consume asks for at most.
pub type MaxMessages = Number<MaxMessagesRule>;

/// How many messages one peek may ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum PeekLimitRule {}

impl NumberRule for PeekLimitRule {
    const FIELD: &'static str = "limit";
    const RANGE: RangeInclusive<u64> = 1..=100;
}

/// How many messages a peek shows at most.
pub type PeekLimit = Number<PeekLimitRule>;
