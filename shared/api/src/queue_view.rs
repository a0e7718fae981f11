//! `GET /queue`, `/queue/stats`, `/queue/peek`, `/queue/groups`: the queues over all shards, and each shard's part.

use orrery_base::ids::{GroupId, NodeName};
use orrery_queue::MessageId;
use orrery_queue::fact::DeadCause;
use orrery_queue::view::{LeftTotals, TopicTotals};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::queue::{AnyTopic, JsonText, PeekLimit};

/// The query string of `GET /queue/stats`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StatsQuery {
    /// Only this topic.
    #[serde(alias = "queue")]
    pub topic: Option<AnyTopic>,
}

/// The query string of `GET /queue/groups`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GroupsQuery {
    /// Of which topic.
    #[serde(alias = "queue")]
    pub topic: AnyTopic,
}

/// The query string of `GET /queue/peek`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PeekQuery {
    /// Of which topic; its dead letters where it is `<topic>.dead`.
    #[serde(alias = "queue")]
    pub topic: AnyTopic,
    /// Most messages; 10 when absent.
    pub limit: Option<PeekLimit>,
}

/// `GET /queue`: the topics by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Topics {
    /// By name.
    pub topics: Vec<TopicSummary>,
    /// Shards that did not answer: what they have is missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<GroupId>,
}

/// One topic in [`Topics`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopicSummary {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub topic: SmolStr,
    /// Messages that are kept, delayed and dead ones too.
    pub messages: u64,
    /// Bytes of messages and keys.
    pub bytes: u64,
    /// Dead letters: `<topic>.dead` shows them.
    pub dead: u64,
    /// Its consumer groups, by name.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub groups: Vec<SmolStr>,
}

/// `GET /queue/stats[?topic=]`, each shard read linearizably.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueueStats {
    /// By name.
    pub topics: Vec<TopicFigures>,
    /// Shards that did not answer: what they have is missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<GroupId>,
}

/// What is counted of a topic, over all shards or in one. With several consumer groups, `ready`, `in_flight` and
/// `dead` are sums over the groups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Figures {
    /// Messages that are kept, delayed and dead ones too.
    pub messages: u64,
    /// Bytes of messages and keys.
    pub bytes: u64,
    /// For the next consumes.
    pub ready: u64,
    /// With consumers.
    pub in_flight: u64,
    /// Published with a delay that still runs.
    pub delayed: u64,
    /// Acknowledged since the topic began.
    pub acknowledged: u64,
    /// Dead letters.
    pub dead: u64,
    /// Neither acknowledged nor dead, summed over the groups.
    pub lag: u64,
    /// Age of the oldest message on its shard's lease clock, in milliseconds, counted from the end of its delay.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub oldest_age_ms: Option<u64>,
    /// Publishes per second over the last ten seconds, as the shards' present leaders counted them.
    pub enqueue_rate: f64,
    /// Acknowledgements per second over the last ten seconds, as the shards' present leaders counted them.
    pub dequeue_rate: f64,
    /// Since the topic began.
    pub totals: TopicTotals,
    /// What left since then: published is what is kept and what left.
    pub left: LeftTotals,
}

/// One topic in [`QueueStats`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopicFigures {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub topic: SmolStr,
    /// Over all shards.
    #[serde(flatten)]
    pub sum: Figures,
    /// Consumers that have something in flight; one that has it in several shards counts once, as long as its shards
    /// name all of theirs (64 a shard and group).
    pub consumers: u64,
    /// By name, over all shards.
    pub groups: Vec<GroupFigures>,
    /// The shards in which the topic is.
    pub shards: Vec<ShardFigures>,
}

/// A topic's part in one shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShardFigures {
    /// Which.
    pub shard: GroupId,
    /// Who led it when this was read.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, required))]
    pub leader: Option<NodeName>,
    /// In this shard.
    #[serde(flatten)]
    pub figures: Figures,
}

/// A consumer group over all shards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupFigures {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub group: SmolStr,
    /// Messages that it has neither acknowledged nor given up.
    pub lag: u64,
    /// Of these: for the next consumes. What nobody has looked at yet may turn out to be behind its key.
    pub ready: u64,
    /// Of these: behind an earlier message of their key.
    pub blocked: u64,
    /// Of these: given back with a delay that still runs.
    pub delayed: u64,
    /// Of these: with consumers.
    pub in_flight: u64,
    /// Dead letters.
    pub dead: u64,
    /// Deliveries since the group began.
    pub delivered: u64,
    /// Of these: second and later attempts.
    pub redelivered: u64,
    /// Acknowledgements since the group began.
    pub acknowledged: u64,
    /// Dead letters brought back since the group began.
    pub redriven: u64,
    /// Messages that it had and that went by retention, or above the bound of its dead letters, since it began.
    pub expired: u64,
    /// Messages that it had and that were taken out by hand since it began.
    pub purged: u64,
    /// Consumers with something in flight.
    pub consumers: Vec<ConsumerFigures>,
    /// The shards in which it exists.
    pub shards: Vec<GroupId>,
}

/// A consumer that has something in flight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsumerFigures {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub consumer: SmolStr,
    /// How much.
    pub in_flight: u64,
}

/// `GET /queue/groups?topic=`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Groups {
    /// Of which topic.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub topic: SmolStr,
    /// By name.
    pub groups: Vec<GroupFigures>,
    /// Shards that did not answer: what they have is missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<GroupId>,
}

/// `GET /queue/peek?topic=&limit=`: claims nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Peek {
    /// Of which topic, `<topic>.dead` for its dead letters.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub topic: SmolStr,
    /// The first ones of every shard in turn: order is kept inside a shard only.
    pub messages: Vec<PeekedMessage>,
    /// Shards that did not answer: what they have is missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<GroupId>,
}

/// A message as a peek shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PeekedMessage {
    /// Its id.
    pub id: MessageId,
    /// As it was published.
    pub message: JsonText,
    /// Its partition key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub key: Option<SmolStr>,
    /// Wall clock of the node that took it, in milliseconds since 1970.
    pub published_at: u64,
    /// What is left of its delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delayed_ms: Option<u64>,
    /// Of a dead letter: of whom and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead: Option<DeadFigures>,
}

/// Why a message is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeadFigures {
    /// Of which group.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub group: SmolStr,
    /// How often it was delivered.
    pub attempts: u32,
    /// How the last delivery failed.
    pub cause: DeadCause,
}
