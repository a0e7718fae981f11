//! The command line. [`crate::settings`] adds what the environment and the file `.env` say; nothing else in the node reads
//! any of the three.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use orrery_engine::Profile;

/// A cluster that can be watched: locks, queues and caches on Raft.
#[derive(Debug, Parser)]
#[command(name = "orrery", version, about, propagate_version = true)]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

/// What to run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one node of a cluster.
    Node(Box<NodeArgs>),
    /// Run a whole cluster on this machine, with the dashboard.
    Demo(DemoArgs),
    /// Save what a cluster holds, while it goes on.
    Backup(BackupArgs),
    /// Begin a new cluster from a backup.
    Restore(RestoreArgs),
    /// Begin a new cluster from the data folder of one node, after a majority was lost for ever.
    Recover(RecoverArgs),
    /// Make certificates by which nodes know each other.
    Cert(CertArgs),
    /// Measure.
    #[command(subcommand)]
    Bench(BenchCommand),
}

/// `orrery backup`
#[derive(Clone, Debug, Args)]
pub struct BackupArgs {
    /// File that is made; it must not be there.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,

    /// Any node of the cluster.
    #[arg(long, default_value = "127.0.0.1:8001", value_name = "HOST:PORT")]
    pub at: String,
}

/// `orrery restore`
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// The backup.
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,

    /// Folder for the data of the new cluster's first node; it must be empty or not there.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,

    /// That node's name. Without it, the first member's of the backup.
    #[arg(long, value_name = "NAME")]
    pub id: Option<String>,

    /// Address under which peers and clients will reach it. Without it, the one that a member of that name had.
    #[arg(long, value_name = "HOST:PORT")]
    pub advertise: Option<String>,
}

/// `orrery recover`
#[derive(Clone, Debug, Args)]
pub struct RecoverArgs {
    /// Data folder of a node that is stopped. It is kept beside, under another name.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,

    /// Address under which peers and clients will reach it. Without it, the one that it had.
    #[arg(long, value_name = "HOST:PORT")]
    pub advertise: Option<String>,
}

/// Speed of the protocol's timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProfileName {
    /// Timers as in production: an election takes a fraction of a second.
    #[default]
    Realistic,
    /// Timers of seconds, so that an election can be followed with the eye.
    Classroom,
    /// Timers for links of up to 300 ms round trip.
    Wan,
}

impl ProfileName {
    /// As on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Realistic => "realistic",
            Self::Classroom => "classroom",
            Self::Wan => "wan",
        }
    }
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Profile {
        match name {
            ProfileName::Realistic => Profile::Realistic,
            ProfileName::Classroom => Profile::Classroom,
            ProfileName::Wan => Profile::Wan,
        }
    }
}

/// `orrery node`
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// The node's name, unique in the cluster. There is no default: two nodes of one name would be taken for one.
    #[arg(long, env = "NODE_ID")]
    pub id: String,

    /// Address to listen on, for clients and peers: HOST:PORT. Replaces --host and --port.
    #[arg(long, env = "LISTEN", value_name = "HOST:PORT")]
    pub listen: Option<String>,

    /// Host to listen on.
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    pub host: String,

    /// Port to listen on.
    #[arg(long, env = "PORT", default_value_t = 8001)]
    pub port: u16,

    /// Address under which peers and clients reach this node, where it differs from the one it listens on.
    #[arg(long, env = "ADVERTISE", value_name = "HOST:PORT")]
    pub advertise: Option<String>,

    /// The other nodes: NAME=HOST:PORT, separated by commas.
    #[arg(long, env = "PEERS", default_value = "", value_name = "NAME=HOST:PORT,...")]
    pub peers: String,

    /// Join the cluster that nodes at these addresses belong to, instead of forming one with --peers. Once this node is a
    /// member, its data folder says so, and this is not looked at any more.
    #[arg(long, env = "JOIN", default_value = "", value_name = "HOST:PORT,...")]
    pub join: String,

    /// This node has an empty data folder and takes the place of the member of its name at once, instead of after
    /// --down-after-s. A member that answers keeps its place.
    #[arg(long)]
    pub replace: bool,

    /// A node that was not heard of for so many seconds is replaced in its shards; 0: never.
    #[arg(long, env = "DOWN_AFTER_S", default_value_t = 30, value_name = "SECONDS")]
    pub down_after_s: u32,

    /// A request's Idempotency-Key is remembered for so many seconds of the cluster's lease clock. The same on all nodes: each
    /// gives it to the requests that come through it.
    #[arg(long, env = "RETRY_WINDOW_S", default_value_t = 600, value_name = "SECONDS",
        value_parser = clap::value_parser!(u32).range(5..=86_400))]
    pub retry_window_s: u32,

    /// Of the cluster's topics, and of its bytes of cached values, one address of clients may take so many per cent through
    /// this node; 100: all of it.
    #[arg(long, env = "CLIENT_SHARE_PERCENT", default_value_t = 10, value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(1..=100))]
    pub client_share_percent: u8,

    /// Folder for this node's data.
    #[arg(long, env = "DATA_DIR", default_value = "orrery-data", value_name = "DIR")]
    pub data: PathBuf,

    /// Speed of the protocol's timers.
    #[arg(long, env = "PROFILE", value_enum, default_value_t)]
    pub profile: ProfileName,

    /// Interval of heartbeats, in milliseconds, the same on all nodes: not more than a fifth of --election-ms. Without it, the
    /// profile's: 44 of realistic, 1000 of classroom, 250 of wan.
    #[arg(long, env = "HEARTBEAT_MS", value_name = "MS")]
    pub heartbeat_ms: Option<u64>,

    /// Longest election time-out, in milliseconds, the same on all nodes: more than two round trips between them and two
    /// heartbeats. Without it, the profile's: 220 of realistic, 7000 of classroom, 2500 of wan.
    #[arg(long, env = "ELECTION_MS", value_name = "MS")]
    pub election_ms: Option<u64>,

    /// Shared by all nodes of the cluster, at least 16 bytes: each makes its certificate from it, and links are encrypted.
    /// Without a secret and certificates, the node listens on loopback only, and programs of the same user are its peers.
    #[arg(long, env = "CLUSTER_SECRET", hide_env_values = true, value_name = "TEXT")]
    pub secret: Option<String>,

    /// Read the cluster secret from this file instead.
    #[arg(long, env = "CLUSTER_SECRET_FILE", value_name = "FILE")]
    pub secret_file: Option<PathBuf>,

    /// A secret that is accepted of others, too, while the cluster changes from one to another.
    #[arg(long, env = "ACCEPT_SECRET", hide_env_values = true, value_name = "TEXT")]
    pub accept_secret: Option<String>,

    /// Read the secret that is accepted, too, from this file.
    #[arg(long, env = "ACCEPT_SECRET_FILE", value_name = "FILE")]
    pub accept_secret_file: Option<PathBuf>,

    /// Instead of a secret: a folder with ca.pem, NAME.pem and NAME-key.pem, where NAME is the node's. `orrery cert` makes them.
    #[arg(long, env = "CERTS_DIR", value_name = "DIR")]
    pub certs: Option<PathBuf>,

    /// Further pages (HOST:PORT, separated by commas) that may call this node from a browser: the supervisor's.
    #[arg(long, env = "ALLOW_ORIGINS", default_value = "", value_name = "HOST:PORT,...")]
    pub allow_origins: String,

    /// Longest time that a request may take beyond what it asked to wait, in milliseconds. Without it, the profile's:
    /// 5000 of realistic, 20000 of classroom, 15000 of wan.
    #[arg(long, env = "REQUEST_TIMEOUT_MS", value_name = "MS")]
    pub request_timeout_ms: Option<u64>,

    /// Number of shards, fixed when the cluster is formed first.
    #[arg(long, env = "SHARDS", default_value_t = 8, value_name = "N")]
    pub shards: u16,

    /// Replicas of each shard, fixed when the cluster is formed first.
    #[arg(long, env = "REPLICAS", default_value_t = 3, value_name = "N")]
    pub replicas: u16,

    /// Most cache lines of which this node keeps copies.
    #[arg(long, env = "CACHE_LINES", default_value_t = 1_024, value_name = "N")]
    pub cache_lines: usize,

    /// Most bytes of these copies, addresses included.
    #[arg(long, env = "CACHE_BYTES", default_value_t = 16 << 20, value_name = "BYTES")]
    pub cache_bytes: u64,

    /// Which copy goes when there is no more room.
    #[arg(long, env = "CACHE_POLICY", value_enum, default_value_t)]
    pub cache_policy: CachePolicy,

    /// Most connections of clients; at the bound, the one that was idle for the longest time is closed. Where the system
    /// allows few open files, at most half of these.
    #[arg(long, env = "CONNECTIONS_MAX", default_value_t = 4_096, value_name = "N")]
    pub connections_max: usize,

    /// Accept `/faults`, which breaks links on purpose.
    #[arg(long, env = "FAULTS")]
    pub faults: bool,

    /// Do not record events: the dashboard shows nothing of this node. For measuring what recording costs.
    #[arg(long, env = "NO_EVENTS")]
    pub no_events: bool,

    /// How many events are kept for readers that come back.
    #[arg(long, env = "EVENTS_KEPT", default_value_t = 32_768, value_name = "N")]
    pub events_kept: usize,

    /// Threads that serve requests and peers, beside those of the disk. Without it, half of the machine's cores, because
    /// a node that hands its work between threads it does not need spends more time on that than it wins.
    #[arg(long, env = "WORKER_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub worker_threads: Option<u16>,

    /// Do not read the file `.env` of this folder.
    #[arg(long)]
    pub no_dotenv: bool,

    /// End when the standard input ends. The supervisor holds the other end, so that its children never outlive it.
    #[arg(long, hide = true)]
    pub end_with_stdin: bool,
}

impl NodeArgs {
    /// Threads of the node's runtime.
    #[must_use]
    pub fn worker_threads(&self) -> usize {
        worker_threads(self.worker_threads)
    }
}

/// So many, or half of the machine's cores.
#[must_use]
pub fn worker_threads(given: Option<u16>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    given.map_or_else(|| (cores() / 2).max(1), usize::from)
}

/// What a full cache drops first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CachePolicy {
    /// What was used longest ago.
    #[default]
    Lru,
    /// What was used least often.
    Lfu,
}

/// `orrery demo`
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// How many nodes.
    #[arg(long, env = "DEMO_NODES", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=15))]
    pub nodes: u16,

    /// A node that was not heard of for so many seconds is replaced in its shards; 0: never.
    #[arg(long, env = "DEMO_DOWN_AFTER_S", default_value_t = 0, value_name = "SECONDS")]
    pub down_after_s: u32,

    /// Port of the dashboard; the nodes follow on the next ones.
    #[arg(long, env = "DEMO_PORT", default_value_t = 8000, value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub port: u16,

    /// Speed of the protocol's timers.
    #[arg(long, env = "PROFILE", value_enum, default_value_t)]
    pub profile: ProfileName,

    /// Folder for the data. Without it, a folder of this user that the next demo finds again.
    #[arg(long, env = "DEMO_DATA_DIR", value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Remove first what earlier demos made in the data folder, and nothing else.
    #[arg(long)]
    pub fresh: bool,

    /// Do not open the browser.
    #[arg(long, env = "NO_OPEN")]
    pub no_open: bool,

    /// Stop by itself after this many seconds.
    #[arg(long = "for", value_name = "SECONDS")]
    pub for_seconds: Option<u64>,
}

/// `orrery cert`
#[derive(Clone, Debug, Args)]
pub struct CertArgs {
    /// Folder for the certificates. The authority's key stays there; an authority that is there is used again.
    #[arg(long, default_value = "certs", value_name = "DIR")]
    pub out: PathBuf,

    /// Names of the nodes that get a certificate, separated by commas.
    #[arg(long, default_value = "", value_name = "NAME,...")]
    pub nodes: String,

    /// For how many days they are good.
    #[arg(long, default_value_t = 3_650, value_name = "DAYS")]
    pub days: u32,

    /// Make a new authority. The old one stays accepted until it is removed from ca.pem.
    #[arg(long)]
    pub new_ca: bool,
}

/// `orrery bench`
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Acquire and release locks as fast as the cluster can.
    Lock(BenchLockArgs),
    /// Publish messages, and publish, consume and acknowledge them, as fast as the cluster can.
    Queue(BenchQueueArgs),
    /// Read and write cache lines as fast as the cluster can.
    Cache(BenchCacheArgs),
    /// What `cache` compares itself with: answers and does nothing else.
    #[command(hide = true)]
    Bare {
        /// Where it listens on loopback.
        #[arg(long)]
        port: u16,
    },
    /// Kill the leader again and again, and see how long the others take to grant locks.
    Failover(BenchFailoverArgs),
}

/// `orrery bench failover`
#[derive(Clone, Debug, Args)]
pub struct BenchFailoverArgs {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(3..=9))]
    pub nodes: u16,

    /// How often the leader is killed.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub kills: u32,

    /// Fail when half of the failovers take longer.
    #[arg(long, value_name = "MS")]
    pub p50_ms_max: Option<u64>,

    /// Fail when any failover takes longer.
    #[arg(long, value_name = "MS")]
    pub max_ms_max: Option<u64>,

    /// Folder for the data of the cluster; it must be on a real disk.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// First port.
    #[arg(long, default_value_t = 18_000, value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub port: u16,
}

/// `orrery bench lock`
#[derive(Clone, Debug, Args)]
pub struct BenchLockArgs {
    /// What all of them have.
    #[command(flatten)]
    pub common: BenchArgs,

    /// Measure also what recording and watching events costs.
    #[arg(long)]
    pub watching: bool,
}

/// `orrery bench queue`
#[derive(Clone, Debug, Args)]
pub struct BenchQueueArgs {
    /// What all of them have.
    #[command(flatten)]
    pub common: BenchArgs,

    /// Measure also with so many waiting messages, and what one of them takes in memory.
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u64).range(1_001..=10_000_000))]
    pub depth: Option<u64>,
}

/// `orrery bench cache`
#[derive(Clone, Debug, Args)]
pub struct BenchCacheArgs {
    /// What all of them have.
    #[command(flatten)]
    pub common: BenchArgs,

    /// Kill the home of a line again and again, and see how long its writes stand still.
    #[arg(long)]
    pub failover: bool,
}

/// What the benchmarks of a service have in common.
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    pub nodes: u16,

    /// Numbers of clients, one run for each.
    #[arg(long, value_delimiter = ',', default_values_t = [1usize, 16, 128])]
    pub clients: Vec<usize>,

    /// Length of a run.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,

    /// Beside it, an etcd cluster on the same disk through its JSON gateway (needs the program `etcd`).
    #[arg(long)]
    pub etcd: bool,

    /// Folder for the data of all clusters; it must be on a real disk.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// First port.
    #[arg(long, default_value_t = 18_000, value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub port: u16,
}
