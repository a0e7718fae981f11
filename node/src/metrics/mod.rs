//! Figures for Prometheus, `GET /metrics`.
//!
//! Counters and histograms are counted where things happen; gauges (role, term, indexes) are read from the engine
//! when somebody asks.

mod cache;
mod queues;
#[cfg(test)]
mod tests;
mod total;

use std::time::Duration;

use orrery_api::cache::StatsAnswer;
use orrery_api::node::{GroupStatus, Status};
use orrery_api::operation::{Operation, Outcome};
use orrery_engine::QueueTotals;
use orrery_engine::host::Measured;
use orrery_event::fact::Role;
use orrery_queue::QueueUse;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use self::cache::CacheCounters;
use self::queues::QueueCounters;
use self::total::Total;
use crate::events::HubFigures;

pub struct Metrics {
    registry: Registry,
    sync_seconds: Histogram,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    elections: IntCounter,
    role: IntGaugeVec,
    term: IntGauge,
    commit: IntGauge,
    applied: IntGauge,
    log_entries: IntGauge,
    groups: GroupGauges,
    queues: QueueCounters,
    caches: CacheCounters,
    connected: IntGaugeVec,
    readers: IntGauge,
    gaps: Total,
    bursts: Total,
    events: Total,
    event_bytes: IntGauge,
    uptime: IntGauge,
}

/// What is told of each group that runs here, by its number.
struct GroupGauges {
    leads: IntGaugeVec,
    quorum: IntGaugeVec,
    term: IntGaugeVec,
    commit: IntGaugeVec,
    applied: IntGaugeVec,
    log_entries: IntGaugeVec,
}

impl GroupGauges {
    fn new(gauges: &impl Fn(&str, &str, &str) -> IntGaugeVec) -> GroupGauges {
        GroupGauges {
            leads: gauges(
                "orrery_group_leads",
                "1 where this node leads the group and a majority confirmed it lately.",
                "group",
            ),
            quorum: gauges("orrery_group_quorum", "1 where a majority confirmed the leader lately.", "group"),
            term: gauges("orrery_group_term", "Raft term of the group.", "group"),
            commit: gauges("orrery_group_commit_index", "Commit index of the group.", "group"),
            applied: gauges("orrery_group_applied_index", "Applied index of the group.", "group"),
            log_entries: gauges("orrery_group_log_entries", "Entries that no snapshot replaced.", "group"),
        }
    }

    fn set(&self, groups: &[GroupStatus]) {
        // A group that is gone must not stay as it was.
        for family in [&self.leads, &self.quorum, &self.term, &self.commit, &self.applied, &self.log_entries]
        {
            family.reset();
        }
        for group in groups {
            let label = [group.group.0.to_string()];
            let leads = group.role == Role::Leader && group.quorum;
            self.leads.with_label_values(&label).set(i64::from(leads));
            self.quorum.with_label_values(&label).set(i64::from(group.quorum));
            self.term.with_label_values(&label).set(signed(group.term));
            self.commit.with_label_values(&label).set(index(group.commit));
            self.applied.with_label_values(&label).set(index(group.applied));
            self.log_entries.with_label_values(&label).set(signed(group.log_length));
        }
    }
}

/// Buckets from 50 µs to about 1.6 s.
fn latency_buckets() -> Vec<f64> {
    (0..16).map(|power| 50e-6 * f64::from(1 << power)).collect()
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Metrics {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).expect("names are literals");
            registry.register(Box::new(gauge.clone())).expect("names differ");
            gauge
        };
        let gauges = |name: &str, help: &str, label: &str| {
            let gauges = IntGaugeVec::new(Opts::new(name, help), &[label]).expect("names are literals");
            registry.register(Box::new(gauges.clone())).expect("names differ");
            gauges
        };
        let sync_seconds = Histogram::with_opts(
            HistogramOpts::new("orrery_sync_seconds", "Time of durable log writes.")
                .buckets(latency_buckets()),
        )
        .expect("names are literals");
        let requests = IntCounterVec::new(
            Opts::new("orrery_requests_total", "Requests by operation and outcome."),
            &["operation", "outcome"],
        )
        .expect("names are literals");
        let request_seconds = HistogramVec::new(
            HistogramOpts::new("orrery_request_seconds", "Time of requests, waiting for a lock included.")
                .buckets(latency_buckets()),
            &["operation"],
        )
        .expect("names are literals");
        let elections = IntCounter::new("orrery_elections_total", "Elections that this node stood for.")
            .expect("names are literals");
        registry.register(Box::new(sync_seconds.clone())).expect("names differ");
        registry.register(Box::new(requests.clone())).expect("names differ");
        registry.register(Box::new(request_seconds.clone())).expect("names differ");
        registry.register(Box::new(elections.clone())).expect("names differ");
        Metrics {
            sync_seconds,
            requests,
            request_seconds,
            elections,
            role: gauges("orrery_role", "1 for the node's role in the control group.", "role"),
            term: gauge("orrery_term", "Raft term of the control group."),
            commit: gauge("orrery_commit_index", "Commit index of the control group."),
            applied: gauge("orrery_applied_index", "Applied index of the control group."),
            queues: QueueCounters::new(&registry),
            caches: CacheCounters::new(&registry),
            log_entries: gauge("orrery_log_entries", "Entries that no snapshot replaced."),
            groups: GroupGauges::new(&gauges),
            connected: gauges("orrery_peer_connected", "1 while the link to the peer is open.", "peer"),
            readers: gauge("orrery_event_readers", "Open event streams."),
            gaps: Total::new(&registry, "orrery_event_gaps_total", "Gaps that readers of events were told."),
            bursts: Total::new(
                &registry,
                "orrery_event_bursts_total",
                "Times that events were sent as bursts.",
            ),
            events: Total::new(&registry, "orrery_events_total", "Events; the sequence of the last one."),
            event_bytes: gauge("orrery_event_bytes", "Memory of the events that are kept for readers."),
            uptime: gauge("orrery_uptime_seconds", "Time since the node's boot."),
            registry,
        }
    }

    /// Counts something that the engine measured.
    pub fn measure(&self, what: Measured) {
        match what {
            Measured::Synced { took_us } => self.sync_seconds.observe(took_us as f64 / 1e6),
            Measured::Candidate => self.elections.inc(),
        }
    }

    pub fn request(&self, operation: Operation, outcome: Outcome, took: Duration) {
        self.requests.with_label_values(&[operation.word(), outcome.word()]).inc();
        self.request_seconds.with_label_values(&[operation.word()]).observe(took.as_secs_f64());
    }

    /// The text format of Prometheus.
    pub fn text(
        &self,
        status: &Status,
        (queues, used): (QueueTotals, QueueUse),
        caches: &StatsAnswer,
        hub: HubFigures,
    ) -> String {
        self.queues.set(queues, used);
        self.caches.set(caches);
        for (role, name) in [
            (Role::Learner, "learner"),
            (Role::Follower, "follower"),
            (Role::Candidate, "candidate"),
            (Role::Leader, "leader"),
        ] {
            self.role.with_label_values(&[name]).set(i64::from(status.role == role));
        }
        self.term.set(signed(status.term));
        self.commit.set(index(status.commit_index));
        self.applied.set(index(status.last_applied));
        self.log_entries.set(signed(status.log_length));
        self.groups.set(&status.groups);
        for peer in &status.peers {
            self.connected.with_label_values(&[peer.node_id.as_str()]).set(i64::from(peer.connected));
        }
        self.readers.set(signed(hub.readers as u64));
        self.gaps.set(hub.gaps);
        self.bursts.set(hub.bursts);
        self.events.set(hub.head);
        self.event_bytes.set(signed(hub.bytes as u64));
        self.uptime.set(status.uptime_seconds as i64);
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("figures of literals always encode");
        String::from_utf8(text).expect("the format is text")
    }
}

/// -1 where there is none.
fn index(index: Option<u64>) -> i64 {
    index.map_or(-1, signed)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
