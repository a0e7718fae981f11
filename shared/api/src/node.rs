//! `GET /livez`, `GET /readyz`, `GET /health`, `GET /status`, `GET /cluster`.

use orrery_base::ids::{BootEpoch, ClusterId, GroupId, LogIndex, NodeId, NodeName, Term};
use orrery_base::valid::{Name, NameRule};
use orrery_event::fact::Role;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A node.
#[derive(Debug, PartialEq, Eq)]
pub enum MemberRule {}

impl NameRule for MemberRule {
    const FIELD: &'static str = "node";
}

/// The name of a node that a client gives.
pub type MemberName = Name<MemberRule>;

/// `POST /cluster/leader`: hand leadership over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TransferLeader {
    /// Who shall lead the control group: a voter.
    #[serde(alias = "to", alias = "node_id")]
    pub node: MemberName,
}

/// `POST /cluster/leave`: ask a member out of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Leave {
    /// Who shall go: a member.
    #[serde(alias = "node_id")]
    pub node: MemberName,
}

/// `POST /cluster/compare`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Compare {}

/// The query string of `GET /backup`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BackupQuery {
    /// 0 (where nothing is said) is the control group, 1 to S are the shards.
    #[serde(default)]
    pub group: GroupId,
}

/// `GET /health`: 503 before the node serves requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`; `starting` with 503 before recovery is complete.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub status: SmolStr,
    /// Who answers.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub node: NodeName,
    /// Its role in the control group.
    pub role: Role,
    /// Its term there.
    pub term: Term,
    /// Whether a majority confirmed the control group's leader within an election time-out, as far as this node knows.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub quorum: bool,
}

/// `GET /livez`: the process runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Live {
    /// `ok`
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub status: SmolStr,
}

/// `GET /readyz`: 200 only where every group that runs here has a leader whom a majority confirmed within an election
/// time-out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Readiness {
    /// Whether there is no reason below.
    pub ready: bool,
    /// Why not.
    pub reasons: Vec<NotReady>,
}

/// Why a node is not ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NotReady {
    /// Of which group; none where it is the whole node.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub group: Option<GroupId>,
    /// A sentence.
    pub reason: String,
}

/// `GET /status`: the control group as this node sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// Who answers.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub node_id: NodeName,
    /// Its Raft identity; none before the cluster is formed.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub raft_id: Option<NodeId>,
    /// Its boot.
    pub boot: BootEpoch,
    /// The cluster, once it is formed.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub cluster: Option<ClusterId>,
    /// Its role.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// Whom it takes for the leader.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, required))]
    pub leader_id: Option<NodeName>,
    /// Whether a majority confirmed that leader within an election time-out, as far as this node knows. A leader that is
    /// cut off stays one by its own word: `leader` without this can decide nothing.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub quorum: bool,
    /// For whom it voted in this term.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, required))]
    pub voted_for: Option<NodeName>,
    /// Commit index.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub commit_index: Option<LogIndex>,
    /// Applied index.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub last_applied: Option<LogIndex>,
    /// Index of its last entry.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub last_log_index: Option<LogIndex>,
    /// Entries in its log that no snapshot replaced.
    pub log_length: u64,
    /// Last index that a snapshot replaced.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub purged: Option<LogIndex>,
    /// Everybody else.
    pub peers: Vec<Peer>,
    /// The groups that run here, the control group first.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub groups: Vec<GroupStatus>,
    /// Seconds since this boot.
    pub uptime_seconds: f64,
    /// Seconds since it heard from the leader (0 at the leader, none when it never did).
    #[cfg_attr(feature = "openapi", schema(required))]
    pub time_since_last_contact: Option<f64>,
    /// `realistic`, `classroom` or `wan`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^(realistic|classroom|wan)$"))]
    pub profile: SmolStr,
    /// Groups that this node serves no more, because its state of them is another one than that of the other replicas.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub diverged: Vec<Diverged>,
    /// Why this node takes part in nothing and serves nobody, as a sentence; none where it does. Its data folder was set back
    /// to an earlier state, or contradicts a leader's log.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub halted: Option<String>,
}

/// A group that a node gave up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Diverged {
    /// Which.
    pub group: GroupId,
    /// Why, and what to do.
    pub message: String,
}

/// `POST /cluster/compare`: replicas' states, compared at one applied index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Comparison {
    /// The groups that the asked node leads, as far as another replica could be compared.
    pub groups: Vec<Compared>,
}

/// How a comparison of a group's replicas ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Compared {
    /// Which group.
    pub group: GroupId,
    /// The applied index.
    pub index: LogIndex,
    /// Nodes with the leader's state, the leader among them.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub equal: Vec<NodeName>,
    /// Nodes with another one.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub differ: Vec<NodeName>,
    /// How long ago.
    pub seconds_ago: f64,
}

/// A group that runs on a node, as that node sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupStatus {
    /// 0 is the control group, 1 to S are the shards.
    pub group: GroupId,
    /// Its role there.
    pub role: Role,
    /// Its term there.
    pub term: Term,
    /// Whom it takes for the leader.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, required))]
    pub leader: Option<NodeName>,
    /// Whether a majority confirmed that leader within an election time-out, as far as this node knows.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub quorum: bool,
    /// Who votes.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub voters: Vec<NodeName>,
    /// Commit index.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub commit: Option<LogIndex>,
    /// Applied index.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub applied: Option<LogIndex>,
    /// Entries in its log that no snapshot replaced.
    pub log_length: u64,
    /// The last comparison of its replicas, where this node led it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub compared: Option<Compared>,
}

/// Another member, seen from here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Peer {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub node_id: NodeName,
    /// `host:port`.
    pub address: String,
    /// Whether the link to it is open.
    pub connected: bool,
    /// Whether it votes in the control group.
    pub voter: bool,
    /// At the leader: the last index that is known to match.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub matching: Option<LogIndex>,
}

/// `GET /cluster`: the control group's committed record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cluster {
    /// Its id, once it is formed.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub cluster: Option<ClusterId>,
    /// Number of shards, a constant of the cluster.
    pub shards: u16,
    /// Replicas of a shard, a constant of the cluster.
    pub replicas: u16,
    /// Version of the commands that every member supports.
    pub version: u16,
    /// Present leader of the control group, where a majority confirmed it within an election time-out.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, required))]
    pub leader: Option<NodeName>,
    /// Everybody.
    pub members: Vec<ClusterMember>,
    /// Version of the shard map; 0 while there are no shards.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub map_version: u64,
    /// Which nodes hold which shard.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub map: Vec<ShardPlace>,
}

/// Where a shard is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShardPlace {
    /// Which shard.
    pub shard: GroupId,
    /// Who holds it; the first one is the preferred leader.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub replicas: Vec<NodeName>,
    /// Who leads it, as far as this node knows; where it holds the shard, only a leader whom a majority confirmed.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, required))]
    pub leader: Option<NodeName>,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterMember {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub node: NodeName,
    /// Its Raft identity.
    pub raft_id: NodeId,
    /// How often its name was given a new identity.
    pub incarnation: u32,
    /// `host:port`.
    pub address: String,
    /// Whether it votes.
    pub voter: bool,
    /// It shall go, as soon as its shards moved away.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub leaving: bool,
}
