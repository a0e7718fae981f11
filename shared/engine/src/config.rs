//! Timers, bounds and thresholds of the engine.

use std::time::Duration;

use openraft::{Config, ConfigError, SnapshotPolicy};
use orrery_cache::Broken;
use orrery_cache::node::{Limits, Policy};
use orrery_machine::COMMAND_VERSION;
use serde::{Deserialize, Serialize};

/// How fast the protocol runs. A profile changes timers and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// As in production: a lost leader is replaced in under a second.
    #[default]
    Realistic,
    /// Timers of seconds, for people who watch in real time.
    Classroom,
    /// For links of up to 300 ms round trip.
    Wan,
}

impl Profile {
    /// Its name on the wire and on screen.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Realistic => "realistic",
            Profile::Classroom => "classroom",
            Profile::Wan => "wan",
        }
    }
}

/// Everything about the engine that may be tuned. Durations are real time.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineConfig {
    /// From which profile it came.
    pub profile: Profile,
    pub heartbeat: Duration,
    /// Shortest election timeout that a node may draw.
    pub election_min: Duration,
    /// Longest one; also the leader's lease. The real failover time is this plus a draw.
    pub election_max: Duration,
    /// How long an AppendEntries with entries may take, its sync included, before it is sent again.
    pub append_timeout: Duration,
    /// How long one snapshot transfer may take.
    pub snapshot_timeout: Duration,
    /// A snapshot is due after this many log bytes, or the size of the last one where that is larger.
    pub snapshot_log_bytes: u64,
    /// A snapshot is due after this many entries.
    pub snapshot_log_entries: u64,
    /// Entries that stay in the log behind a snapshot, for followers that lag a little.
    pub keep_entries: u64,
    /// Bytes of synced entries kept in memory per group.
    pub cache_bytes: usize,
    /// What this node's cache of lines may have, and how long leases last.
    pub cache: Limits,
    /// Most entries in one AppendEntries.
    pub append_entries_max: u64,
    /// Most bytes in one AppendEntries (at least one entry always goes).
    pub append_bytes_max: usize,
    /// Bytes of one snapshot frame; at most 64 KiB.
    pub snapshot_frame_bytes: usize,
    /// A request's own time-out, beside the time that it asked to wait for a lock.
    pub request_timeout: Duration,
    /// For how long a client's idempotency key is remembered, on the lease clock. It goes into each command, so nodes may
    /// differ in it.
    pub retry_window: Duration,
    /// Of the cluster's topics and of its bytes of cached values, what one address of clients may take through this node,
    /// in per cent.
    pub client_share_percent: u8,
    /// How stale the lease clock may be when a command that counts from it is proposed, milliseconds. An
    /// expiry is proposed that much late, so that no lease ends early.
    pub clock_slack_ms: u64,
    /// A new leader resends service facts this far back from the last one.
    pub resend: Duration,
    /// Service facts that are kept for it.
    pub resend_facts_max: usize,
    /// How long the outcome of an ended wait is remembered for its long poll.
    pub wait_memory: Duration,
    /// Most outcomes that are remembered.
    pub wait_memory_max: usize,
    /// Most voters in the control group; further members are learners.
    pub voters_max: usize,
    /// A shard's preferred node gets its leadership when it was healthy for so long, in whole seconds.
    pub prefer_after: Duration,
    /// A node that was not heard of for so long is replaced in its shards, and votes no more in the control group while
    /// three others do. None: nobody is replaced.
    pub down_after: Option<Duration>,
    /// How often the leader of a group compares the states of its replicas.
    pub compare_every: Duration,
    /// Whether it may found a cluster with its static peers. Who joins a cluster that exists waits for that one instead.
    pub founds: bool,
    /// An empty node takes the place of the member of its name at once, where that one does not answer.
    pub replace: bool,
    /// Newest version of the commands that this program knows.
    pub command_version: u16,
    /// Number of shards that a first formation mints.
    pub shards: u16,
    /// Replicas of a shard that a first formation mints.
    pub replicas: u16,
}

/// Longest time for that: whoever stops a node kills it in the end.
const CACHE_STOP_MAX: Duration = Duration::from_secs(2);

/// Longest election timeout of [`Profile::Realistic`], milliseconds. A debug build is slower on purpose: its
/// unoptimised code shares two cores with compilers and tests.
pub const ELECTION_MS_MAX: u64 = if cfg!(debug_assertions) { 600 } else { 220 };

/// What heartbeats may be set to.
const HEARTBEAT_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(10);

/// What the longest election time-out may be set to at most.
const ELECTION_MAX: Duration = Duration::from_secs(60);

/// The longest election time-out is at least so many heartbeats, and the shortest one three: one that gets lost deposes nobody.
const ELECTION_HEARTBEATS_MIN: u32 = 5;

/// Heartbeats and elections that do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// The interval of heartbeats.
    #[error("--heartbeat-ms must be 10 to 10000")]
    Heartbeat,
    #[error(
        "--election-ms must be {least_ms} to 60000: at least five heartbeats, so that one that gets lost deposes nobody"
    )]
    Election {
        /// The least that goes with the heartbeats.
        least_ms: u128,
    },
}

/// A leader that no majority acknowledged for a lease sends no heartbeats for so many of the longest election time-outs, then
/// sends them for as long, and so on: its heartbeats keep the leases of those whom it reaches, and while they last these elect
/// nobody else (openraft issue 2080). The first pause must outlast those leases and a few elections with split votes.
const QUORUM_LOSS_PROBE: u32 = 5;

impl EngineConfig {
    /// The configuration of a profile.
    pub fn new(profile: Profile) -> Self {
        let (heartbeat, election_min, election_max, append_timeout, request_timeout) = match profile {
            Profile::Realistic => (ELECTION_MS_MAX / 5, ELECTION_MS_MAX * 3 / 5, ELECTION_MS_MAX, 500, 5_000),
            // A request outlives an election here too.
            Profile::Classroom => (1_000, 4_000, 7_000, 4_000, 20_000),
            // A heartbeat is answered, and the next one too, well before the lease ends.
            Profile::Wan => (250, 1_500, 2_500, 4_000, 15_000),
        };
        let (lease_us, flush_us) = match profile {
            Profile::Realistic => (400_000, 1_000_000),
            // The lease begins when it is asked for, and is granted after three round trips.
            Profile::Classroom | Profile::Wan => (3_000_000, 4_000_000),
        };
        let prefer_after_s = match profile {
            Profile::Realistic | Profile::Wan => 10,
            Profile::Classroom => 30,
        };
        EngineConfig {
            profile,
            heartbeat: Duration::from_millis(heartbeat),
            election_min: Duration::from_millis(election_min),
            election_max: Duration::from_millis(election_max),
            append_timeout: Duration::from_millis(append_timeout),
            snapshot_timeout: Duration::from_secs(120),
            snapshot_log_bytes: 64 << 20,
            snapshot_log_entries: 100_000,
            keep_entries: 2_000,
            cache_bytes: 1 << 20,
            cache: Limits {
                lines_max: 1_024,
                bytes_max: 16 << 20,
                policy: Policy::Lru,
                lease_us,
                flush_us,
                idle_us: 60_000_000,
                broken: Broken::default(),
            },
            append_entries_max: 512,
            append_bytes_max: 1 << 20,
            snapshot_frame_bytes: 60 << 10,
            request_timeout: Duration::from_millis(request_timeout),
            retry_window: Duration::from_secs(600),
            client_share_percent: 10,
            clock_slack_ms: 20,
            resend: Duration::from_secs(5),
            resend_facts_max: 4_096,
            wait_memory: Duration::from_secs(30),
            wait_memory_max: 65_536,
            voters_max: 7,
            prefer_after: Duration::from_secs(prefer_after_s),
            down_after: Some(Duration::from_secs(30)),
            compare_every: Duration::from_secs(60),
            founds: true,
            replace: false,
            command_version: COMMAND_VERSION,
            shards: 8,
            replicas: 3,
        }
    }

    /// One client address's part of a bound of the cluster.
    pub fn client_share(&self, whole: u64) -> u64 {
        (whole.saturating_mul(self.client_share_percent.into()) / 100).max(1)
    }

    /// Other times for heartbeats and elections than the profile's. A node draws its election time-out between three fifths of
    /// the longest and the longest.
    pub fn timed(self, heartbeat: Option<Duration>, election: Option<Duration>) -> Result<Self, TimingError> {
        if heartbeat.is_none() && election.is_none() {
            return Ok(self);
        }
        let heartbeat = heartbeat.unwrap_or(self.heartbeat);
        let election_max = election.unwrap_or(self.election_max);
        if !HEARTBEAT_RANGE.contains(&heartbeat) {
            return Err(TimingError::Heartbeat);
        }
        if election_max < heartbeat * ELECTION_HEARTBEATS_MIN || election_max > ELECTION_MAX {
            return Err(TimingError::Election {
                least_ms: (heartbeat * ELECTION_HEARTBEATS_MIN).as_millis(),
            });
        }
        let request_timeout = self.request_timeout.max(election_max * 3);
        Ok(EngineConfig {
            heartbeat,
            election_min: election_max * 3 / 5,
            election_max,
            request_timeout,
            ..self
        })
    }

    /// How long a question to the home of a cache line may take that no client waits for.
    pub(crate) fn cache_ask_timeout(&self) -> Duration {
        Duration::from_micros(self.cache.lease_us)
    }

    /// How long a node that stops waits for homes to take what was written in its cache.
    pub(crate) fn cache_stop_timeout(&self) -> Duration {
        Duration::from_micros(2 * self.cache.lease_us).min(CACHE_STOP_MAX)
    }

    /// How long a leader that no majority acknowledges keeps still, and then speaks, by turns.
    pub(crate) fn quorum_loss_probe(&self) -> Duration {
        self.election_max * QUORUM_LOSS_PROBE
    }

    /// The same as openraft wants it.
    pub(crate) fn raft(&self) -> Result<Config, ConfigError> {
        let ms = |duration: Duration| duration.as_millis() as u64;
        Config {
            cluster_name: "orrery".into(),
            heartbeat_interval: ms(self.heartbeat),
            election_timeout_min: ms(self.election_min),
            election_timeout_max: ms(self.election_max),
            install_snapshot_timeout: ms(self.snapshot_timeout),
            max_payload_entries: self.append_entries_max,
            replication_lag_threshold: self.keep_entries * 2,
            // Our own trigger counts bytes and entries (see `log`).
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: self.keep_entries,
            purge_batch_size: 256.min(self.keep_entries.max(1)),
            api_channel_size: Some(4_096),
            notification_channel_size: Some(4_096),
            state_machine_channel_size: Some(1_024),
            enable_pre_vote: Some(true),
            quorum_loss_probe_interval: Some(ms(self.quorum_loss_probe())),
            // A restarted leader stands for election like anybody else.
            enable_leader_restore: Some(false),
            backoff: "20ms 40ms 80ms ..400ms".into(),
            ..Config::default()
        }
        .validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_profiles_are_valid_for_openraft() {
        for profile in [Profile::Realistic, Profile::Classroom, Profile::Wan] {
            let config = EngineConfig::new(profile);
            assert!(config.raft().is_ok(), "{profile:?}");
            assert!(config.heartbeat * 3 <= config.election_min, "{profile:?}");
            assert!(config.request_timeout > config.election_max * 2, "{profile:?}");
            assert!(config.snapshot_frame_bytes <= 64 << 10);
        }
    }

    #[test]
    fn heartbeats_and_elections_must_go_together() {
        let ms = |ms| Some(Duration::from_millis(ms));
        let timed = |heartbeat, election| EngineConfig::new(Profile::Wan).timed(heartbeat, election);
        assert_eq!(timed(None, None), Ok(EngineConfig::new(Profile::Wan)));
        let set = timed(ms(100), ms(1_000)).expect("they go together");
        assert_eq!(
            (set.heartbeat.as_millis(), set.election_min.as_millis(), set.election_max.as_millis()),
            (100, 600, 1_000)
        );
        assert!(set.raft().is_ok());
        for (heartbeat, election) in [(ms(10), ms(50)), (ms(10_000), ms(50_000)), (None, ms(60_000))] {
            let valid = timed(heartbeat, election).map(|config| config.raft().is_ok());
            assert_eq!(valid, Ok(true), "{heartbeat:?} {election:?}");
        }
        assert_eq!(timed(ms(9), None), Err(TimingError::Heartbeat));
        assert_eq!(timed(ms(10_001), None), Err(TimingError::Heartbeat));
        assert_eq!(timed(ms(100), ms(499)), Err(TimingError::Election { least_ms: 500 }));
        assert_eq!(
            timed(ms(600), None),
            Err(TimingError::Election { least_ms: 3_000 }),
            "the profile's election"
        );
        assert_eq!(timed(None, ms(60_001)), Err(TimingError::Election { least_ms: 1_250 }));
    }

    #[test]
    fn wan_works_at_its_promise() {
        let (config, round_trip) = (EngineConfig::new(Profile::Wan), Duration::from_millis(300));
        // The next acknowledgement comes before the lease of the last one ends, with one that gets lost.
        assert!((round_trip + config.heartbeat) * 3 < config.election_max);
        assert!(round_trip * 4 < config.election_min, "a pre-vote and a vote within one time-out");
    }
}
