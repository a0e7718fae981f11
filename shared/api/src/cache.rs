//! `GET /cache/read`, `POST /cache/write`, `POST /cache/delete`, and what is shown of a node's cache: `GET /cache/lines`,
//! `/cache/directory`, `/cache/stats`.

use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::{GroupId, NodeName, Term};
use orrery_base::key::IdempotencyKey;
use orrery_base::valid::{Name, NameRule};
use orrery_cache::node::{LateWrites, Policy, Stats};
use orrery_cache::{ADDRESS_BYTES_MAX, State, VALUE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::queue::JsonText;
use crate::operation::{Operation, Outcome};
use crate::request::{Answer, Request, client_of};

/// A cache line.
#[derive(Debug, PartialEq, Eq)]
pub enum AddressRule {}

impl NameRule for AddressRule {
    const FIELD: &'static str = "address";
    const BYTES_MAX: usize = ADDRESS_BYTES_MAX;
}

/// The address of a cache line.
pub type LineAddress = Name<AddressRule>;

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// What was written before the read began is seen.
    #[default]
    Linearizable,
    /// Any copy of this node, or what its replica has applied: it may be old, and costs no message. A node that has
    /// neither asks the home, as for a linearizable read.
    Eventual,
}

/// `GET /cache/read?address=K[&consistency=linearizable|eventual]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CacheReadQuery))]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// Which line.
    #[serde(alias = "key")]
    pub address: LineAddress,
    /// How fresh: `linearizable` (the default), or `eventual`: any copy of this node, however old.
    #[serde(default)]
    pub consistency: Consistency,
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReadStatus {
    /// From this node's copy.
    Hit,
    /// The copy was fetched for it.
    Fill,
    /// The address has no value: status 404.
    Miss,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReadSource {
    /// This node's copy.
    Local,
    /// Another node, which owned the line.
    Owner,
    /// What the home has committed.
    Home,
    /// What this node's replica of the shard has applied (`eventual` only).
    Replica,
}

/// The answer to a [`Read`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CacheRead))]
pub struct ReadAnswer {
    /// How it ended.
    pub status: ReadStatus,
    /// Of which line.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub address: SmolStr,
    /// What was written there; null without a value.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub value: Option<JsonText>,
    /// The state of this node's copy now.
    pub state: State,
    /// The value's version; of a line in M the one that it is based on. Null without a value.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub version: Option<u64>,
    /// Where it came from.
    pub source: ReadSource,
    /// With `owner`: who that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub owner: Option<NodeName>,
}

/// `POST /cache/write`: a value for a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CacheWrite))]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Which line.
    #[serde(alias = "key")]
    pub address: LineAddress,
    /// Any JSON value, at most 256 KiB of text.
    pub value: JsonText,
    /// Answer before it is committed: `"durable": false`. Goes with no `if_version`. Not remembered under the request's key:
    /// sent again it writes again.
    #[serde(default)]
    pub write_back: bool,
    /// Only where the line has this version; 0: only where it has no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<u64>,
}

/// `POST /cache/delete`: no value for a line any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CacheDelete))]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// Which line.
    #[serde(alias = "key")]
    pub address: LineAddress,
    /// Only where the line has this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<u64>,
}

impl Request for Read {
    type Answer = ReadAnswer;

    const OPERATION: Operation = Operation::Read;

    fn subject(&self) -> SmolStr {
        self.address.clone().into_text()
    }
}

impl Request for Write {
    type Answer = WriteAnswer;

    const OPERATION: Operation = Operation::Write;

    fn operation(&self) -> Operation {
        if self.write_back { Operation::WriteBack } else { Operation::Write }
    }

    fn check(&self) -> Result<(), ApiError> {
        let bytes = self.value.text().len();
        if bytes > VALUE_BYTES_MAX {
            return Err(ApiError::new(
                ErrorCode::TooLarge,
                format!("The value has {bytes} bytes of JSON text; at most {VALUE_BYTES_MAX} are allowed."),
            ));
        }
        if self.write_back && self.if_version.is_some() {
            return Err(ApiError::bad_request(
                "\"if_version\" goes only with a durable write: leave out \"write_back\".",
            ));
        }
        Ok(())
    }

    fn client(&self, key: Option<&IdempotencyKey>) -> SmolStr {
        client_of(key)
    }

    fn subject(&self) -> SmolStr {
        self.address.clone().into_text()
    }
}

impl Request for Delete {
    type Answer = WriteAnswer;

    const OPERATION: Operation = Operation::Delete;

    fn client(&self, key: Option<&IdempotencyKey>) -> SmolStr {
        client_of(key)
    }

    fn subject(&self) -> SmolStr {
        self.address.clone().into_text()
    }
}

impl Answer for ReadAnswer {
    fn outcome(&self) -> Outcome {
        match self.status {
            ReadStatus::Hit => Outcome::Hit,
            ReadStatus::Fill => Outcome::Fill,
            ReadStatus::Miss => Outcome::Miss,
        }
    }
}

impl Answer for WriteAnswer {
    fn outcome(&self) -> Outcome {
        match self.status {
            WriteStatus::Written if self.durable => Outcome::Written,
            WriteStatus::Written => Outcome::WrittenBackLater,
            WriteStatus::Deleted => Outcome::Deleted,
            WriteStatus::Absent => Outcome::Absent,
        }
    }
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WriteStatus {
    /// The value is there.
    Written,
    /// The address has no value now.
    Deleted,
    /// It had none before either.
    Absent,
}

/// The answer to a [`Write`] or a [`Delete`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CacheWritten))]
pub struct WriteAnswer {
    /// How it ended.
    pub status: WriteStatus,
    /// Of which line.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub address: SmolStr,
    /// The state of this node's copy now.
    pub state: State,
    /// The version; where it is not durable yet, the one that it is based on.
    pub version: u64,
    /// It is on a majority's disks.
    pub durable: bool,
}

/// `GET /cache/lines`: the lines of the node that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CacheLines))]
pub struct LinesAnswer {
    /// Which node.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub node: NodeName,
    /// What it may have.
    pub limits: LimitsAnswer,
    /// Bytes of all of them.
    pub bytes: u64,
    /// What was used last comes first, what goes next comes last.
    pub lines: Vec<LineAnswer>,
}

/// What one node's cache may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CacheLimits))]
pub struct LimitsAnswer {
    /// Most lines.
    pub lines_max: u64,
    /// Most bytes of addresses and values.
    pub bytes_max: u64,
    /// What goes first.
    pub policy: Policy,
    /// How long a lease lasts.
    pub lease_ms: u64,
}

/// One line of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CacheLine))]
pub struct LineAnswer {
    /// Which.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub address: SmolStr,
    /// Of which shard.
    pub shard: GroupId,
    /// As its readers see it.
    pub state: State,
    /// Its version; of an M the one that it is based on.
    pub version: u64,
    /// It has a write that is not written back.
    pub dirty: bool,
    /// What is left of the lease.
    pub lease_left_ms: u64,
    /// Bytes of address and value.
    pub bytes: u64,
    /// What is there.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub value: Option<JsonText>,
}

/// The query string of `GET /cache/directory`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DirectoryQuery {
    /// Which line.
    #[serde(alias = "key")]
    pub address: LineAddress,
}

/// `GET /cache/directory?address=K`: what the line's home knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CacheDirectory))]
pub struct DirectoryAnswer {
    /// Which line.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub address: SmolStr,
    /// Of which shard.
    pub shard: GroupId,
    /// Its home: the leader of that shard.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub home: NodeName,
    /// In which term.
    pub term: Term,
    /// It grants; otherwise it waits for the leases of the home before, or was never asked for anything.
    pub open: bool,
    /// How long it still waits.
    pub window_left_ms: u64,
    /// Version of the committed value; null without one.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub version: Option<u64>,
    /// The committed value. Where a line is M somewhere, it is an old one.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub value: Option<JsonText>,
    /// Who may write it.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, required))]
    pub owner: Option<NodeName>,
    /// The owner's lease lasts.
    pub owner_leased: bool,
    /// Who else may read a copy.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub sharers: Vec<NodeName>,
}

/// `GET /cache/stats`: what the node that is asked counted since its boot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CacheStats))]
pub struct StatsAnswer {
    /// Which node.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub node: NodeName,
    /// Of its copies.
    #[serde(flatten)]
    pub stats: Stats,
    /// Of writes that no home knew any more.
    #[serde(flatten)]
    pub late: LateWrites,
    /// Copies that it took away from nodes, as a home.
    pub invalidations_sent: u64,
    /// Owners that lost a line without an answer, at this node as a home.
    pub revocations: u64,
}
