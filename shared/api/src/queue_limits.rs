//! `GET /queue/limits`, `POST /queue/limits`: the bounds of the queues, committed in every shard.

use std::ops::RangeInclusive;

use orrery_base::error::ApiError;
use orrery_base::ids::GroupId;
use orrery_queue::{QueueLimits, QueueUse};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::operation::{Operation, Outcome};
use crate::request::{Answer, Request};

/// `POST /queue/limits`: what is absent stays as it is. What each means is said at [`QueueLimits`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetLimits {
    /// Longest message, in bytes of JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_bytes_max: Option<u64>,
    /// Most topics of the cluster, over all shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics_max: Option<u64>,
    /// Most consumer groups of one topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_per_topic_max: Option<u64>,
    /// Most consumer groups of the cluster: each is on all shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_max: Option<u64>,
    /// Most messages of one topic in a shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth_per_topic_max: Option<u64>,
    /// Most bytes of one topic in a shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_topic_max: Option<u64>,
    /// Most bytes of a shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
    /// Most unacknowledged deliveries of one consumer, per topic, group and shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight_per_consumer_max: Option<u64>,
    /// Deliveries of a message to one group that may fail before it is a dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u64>,
    /// Most dead letters of one group in a shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_per_group_max: Option<u64>,
    /// Age at which a message expires, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_ms: Option<u64>,
    /// Bytes of one topic in a shard above which its oldest messages expire; 0 refuses new ones instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_bytes: Option<u64>,
}

/// The limits of the queues: 200 of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Limits))]
pub struct LimitsAnswer {
    /// What is used in the whole cluster. A topic or a group that is in several shards counts once here.
    pub used: QueueUse,
    /// By shard. The limits differ only where a change reached some of them.
    pub shards: Vec<ShardLimits>,
    /// Shards that did not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<GroupId>,
}

/// The limits of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShardLimits {
    /// Which.
    pub shard: GroupId,
    /// What counts there.
    #[serde(flatten)]
    pub limits: QueueLimits,
    /// What of it is used there.
    pub used: QueueUse,
}

impl Request for SetLimits {
    type Answer = LimitsAnswer;

    const OPERATION: Operation = Operation::SetLimits;

    fn check(&self) -> Result<(), ApiError> {
        self.apply(QueueLimits::default()).map(drop)
    }

    fn subject(&self) -> SmolStr {
        SmolStr::default()
    }
}

impl Answer for LimitsAnswer {
    fn outcome(&self) -> Outcome {
        Outcome::LimitsSet
    }
}

impl SetLimits {
    /// These limits with the changes.
    ///
    /// # Errors
    /// The first value that is outside of its range.
    pub fn apply(&self, limits: QueueLimits) -> Result<QueueLimits, ApiError> {
        let mut now = limits;
        // A body has 1 MiB at most, and a frame between nodes carries a batch of messages.
        set64(&mut now.message_bytes_max, "message_bytes_max", self.message_bytes_max, 1..=512 * 1024)?;
        set32(&mut now.topics_max, "topics_max", self.topics_max, 1..=16_384)?;
        set32(&mut now.groups_per_topic_max, "groups_per_topic_max", self.groups_per_topic_max, 1..=1_024)?;
        set32(&mut now.groups_max, "groups_max", self.groups_max, 1..=65_536)?;
        let depth = 1..=100_000_000;
        set64(&mut now.depth_per_topic_max, "depth_per_topic_max", self.depth_per_topic_max, depth)?;
        let bytes = 1..=1 << 40;
        set64(&mut now.bytes_per_topic_max, "bytes_per_topic_max", self.bytes_per_topic_max, bytes.clone())?;
        set64(&mut now.bytes_max, "bytes_max", self.bytes_max, bytes)?;
        let in_flight = self.in_flight_per_consumer_max;
        set32(&mut now.in_flight_per_consumer_max, "in_flight_per_consumer_max", in_flight, 1..=100_000)?;
        set32(&mut now.attempts_max, "attempts_max", self.attempts_max, 1..=1_000)?;
        set32(&mut now.dead_per_group_max, "dead_per_group_max", self.dead_per_group_max, 1..=1_000_000)?;
        let year_ms = 365 * 24 * 60 * 60 * 1_000;
        set64(&mut now.retention_ms, "retention_ms", self.retention_ms, 1_000..=10 * year_ms)?;
        let mut retention_bytes = now.retention_bytes.unwrap_or_default();
        set64(&mut retention_bytes, "retention_bytes", self.retention_bytes, 0..=1 << 40)?;
        now.retention_bytes = (retention_bytes > 0).then_some(retention_bytes);
        Ok(now)
    }
}

fn set64(
    limit: &mut u64,
    name: &str,
    value: Option<u64>,
    range: RangeInclusive<u64>,
) -> Result<(), ApiError> {
    let Some(value) = value else { return Ok(()) };
    if !range.contains(&value) {
        let (least, most) = (range.start(), range.end());
        return Err(ApiError::bad_request(format!(
            "\"{name}\" is {value}; it must be from {least} to {most}."
        )));
    }
    *limit = value;
    Ok(())
}

fn set32(
    limit: &mut u32,
    name: &str,
    value: Option<u64>,
    range: RangeInclusive<u64>,
) -> Result<(), ApiError> {
    let mut wide = u64::from(*limit);
    set64(&mut wide, name, value, range)?;
    *limit = u32::try_from(wide).unwrap_or(u32::MAX);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_stays_and_the_rest_has_ranges() {
        let before = QueueLimits { retention_bytes: Some(7), ..QueueLimits::default() };
        assert_eq!(SetLimits::default().apply(before), Ok(before));
        let change: SetLimits =
            serde_json::from_str(r#"{"attempts_max":2,"retention_bytes":0}"#).expect("a change");
        let after = change.apply(before).expect("it fits");
        assert_eq!(after, QueueLimits { attempts_max: 2, retention_bytes: None, ..before });
        for wrong in [
            r#"{"attempts_max":0}"#,
            r#"{"message_bytes_max":1000000}"#,
            r#"{"topics_max":4294967297}"#,
            r#"{"retention_ms":999}"#,
        ] {
            let change: SetLimits = serde_json::from_str(wrong).expect("a change");
            let sentence = change.apply(before).expect_err(wrong).message;
            assert!(sentence.ends_with('.'), "{sentence}");
        }
        assert!(serde_json::from_str::<SetLimits>(r#"{"colour":1}"#).is_err());
    }
}
