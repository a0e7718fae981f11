//! One Raft group on this node: openraft, its log, its state machine, and the tasks that watch it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::{Instant, WatchReceiver};
use openraft::errors::{LinearizableReadError, RaftError};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{AsyncRuntime, Raft, ReadPolicy, ServerState};
use orrery_base::ids::{GroupId, LeaseMs, LogIndex, NodeId, NodeName, Term};
use orrery_event::Fact;
use orrery_event::fact::Role;
use orrery_machine::{Command, Member, Mutation};

use crate::config::EngineConfig;
use crate::error::StartError;
use crate::host::Host;
use crate::peer::client::Peers;
use crate::peer::message::{PeerResponse, ProposeOutcome, ReadOutcome, SnapshotPart};
use crate::peer::witness::Held;
use crate::raft::batch::Batches;
use crate::raft::clock;
use crate::raft::confirm::Confirmed;
use crate::raft::log::LogStore;
use crate::raft::network::Factory;
use crate::raft::publish::Publisher;
use crate::raft::state::{Listeners, StateMachine, Turns};
use crate::raft::watch::{Watch, Watchers};
use crate::sync::Signal;
use crate::sync::lock;
use crate::timer::{Grid, Scoped, Sink, Timers, drawn};
use crate::types::{Image, Snapshot, StoredMembership, Types, Vote};

pub type GroupRaft<H> = Raft<Types<<H as Host>::Runtime>, StateMachine<H>>;

/// One Raft group on this node.
pub struct Group<H: Host> {
    pub id: GroupId,
    pub me: NodeId,
    pub raft: GroupRaft<H>,
    pub log: LogStore<H>,
    pub state: StateMachine<H>,
    host: H,
    config: Arc<EngineConfig>,
    publisher: Arc<Publisher<H>>,
    pub(crate) peers: Arc<Peers<H>>,
    /// Monotonic microsecond of the last message of a leader; 0 before the first.
    contact_us: Arc<AtomicU64>,
    /// Until when a majority confirmed the leader.
    pub(crate) confirmed: Arc<Confirmed<H>>,
    /// The last message of a leader after which the silence was reported.
    reported_us: AtomicU64,
    /// The election time-out that openraft drew last, milliseconds.
    drawn_ms: Arc<AtomicU64>,
    /// How often openraft went to sleep for a tick.
    #[cfg(test)]
    pub(crate) ticks: Arc<AtomicU64>,
    leading: Mutex<Leading>,
    /// Commands that are not appended yet.
    pub(crate) batches: Batches<H>,
    assemblies: Mutex<BTreeMap<NodeName, Assembly>>,
    /// The last hash of the state here, and the index at which it was that.
    pub(crate) digested: Mutex<Option<(LogIndex, u64)>>,
    /// Set when the next deadline of the lease clock may have moved.
    pub deadline_moved: Arc<Signal>,
    snapshot_due: Arc<Signal>,
    watchers: Watchers,
    /// Set when this node begins to lead.
    pub begun_to_lead: Signal,
    /// It does not stand for election yet: it had more of this group than it has.
    lacks: AtomicBool,
    /// What was said of changes of the membership since the last one that was done.
    said: Mutex<BTreeSet<String>>,
    stopping: AtomicBool,
    stopped: AtomicBool,
}

/// How old the lease clock may be where a key's time begins and nothing else does: shorter than what every key gets on top of
/// its time.
const KEY_CLOCK_SLACK_MS: u64 = 1_000;

/// Who leads, as far as this node knows.
#[derive(Clone, Debug, Default)]
struct Leading {
    term: Term,
    me: bool,
    leader: Option<Member>,
    membership: Arc<StoredMembership>,
}

/// A snapshot that arrives in parts.
struct Assembly {
    transfer: u64,
    received: u64,
    chunks: Vec<Bytes>,
}

/// What all groups of a node share.
pub struct Around<H: Host> {
    pub host: H,
    pub me: NodeId,
    pub config: Arc<EngineConfig>,
    /// What the groups look like from outside.
    pub publisher: Arc<Publisher<H>>,
    pub peers: Arc<Peers<H>>,
    /// Who builds a snapshot.
    pub turns: Arc<Turns<H>>,
    /// Who follows them.
    pub watch: Watch,
}

impl<H: Host> Group<H> {
    /// Recovers the group and starts it.
    pub async fn start(around: Around<H>, id: GroupId) -> Result<Arc<Self>, StartError> {
        let Around { host, me, config, publisher, peers, turns, watch } = around;
        let contact_us = Arc::new(AtomicU64::new(0));
        let snapshot_due = Arc::new(Signal::default());
        let deadline_moved = Arc::new(Signal::default());
        let watchers = watch(id);
        let silence = {
            let (contact_us, host) = (contact_us.clone(), host.clone());
            Box::new(move || match contact_us.load(Ordering::Relaxed) {
                0 => None,
                heard_us => Some(host.monotonic_us().saturating_sub(heard_us)),
            })
        };
        let log =
            LogStore::open(host.clone(), id, me, &config, publisher.clone(), silence, snapshot_due.clone())?;
        let state = StateMachine::open(
            host.clone(),
            id,
            &config,
            publisher.clone(),
            log.clone(),
            Listeners { deadline_moved: deadline_moved.clone(), watchers: watchers.clone() },
            turns,
        )
        .await?;
        let mut raft_config = config.raft().map_err(|error| StartError::Config(error.to_string()))?;
        let lacks = log.lacks();
        raft_config.enable_elect = !lacks;
        let confirmed = Arc::<Confirmed<H>>::default();
        let factory = Factory {
            peers: peers.clone(),
            config: config.clone(),
            group: id,
            me,
            confirmed: confirmed.clone(),
        };
        let drawn_ms = Arc::new(AtomicU64::new(0));
        #[cfg(test)]
        let ticks = Arc::new(AtomicU64::new(0));
        let timers = Timers {
            drawn: draw_sink(host.clone(), id, &config, drawn_ms.clone(), contact_us.clone()),
            tick: {
                let (host, grid) = (host.clone(), Grid::new(config.heartbeat, me));
                #[cfg(test)]
                let ticks = ticks.clone();
                Arc::new(move |wish| {
                    #[cfg(test)]
                    ticks.fetch_add(1, Ordering::Relaxed);
                    grid.sleep(host.monotonic_us(), wish)
                })
            },
            answer: config.election_max + config.heartbeat,
        };
        let raft = Raft::new(me, Arc::new(raft_config), factory, log.clone(), state.clone());
        let raft = Scoped::new(timers, raft)
            .await
            .map_err(|error| StartError::Disk(io::Error::other(error.to_string())))?;
        confirmed.follow(&raft);
        let group = Arc::new(Group {
            id,
            me,
            raft,
            log,
            state,
            host,
            config,
            publisher,
            peers,
            contact_us,
            confirmed,
            reported_us: AtomicU64::new(0),
            drawn_ms,
            #[cfg(test)]
            ticks,
            leading: Mutex::default(),
            batches: Batches::default(),
            assemblies: Mutex::default(),
            digested: Mutex::default(),
            deadline_moved,
            snapshot_due,
            watchers,
            begun_to_lead: Signal::default(),
            lacks: AtomicBool::new(lacks),
            said: Mutex::default(),
            stopping: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        });
        drop(H::Runtime::spawn(group.clone().watch_roles()));
        drop(H::Runtime::spawn(group.clone().watch_log_size()));
        drop(H::Runtime::spawn(crate::raft::clock::keep(group.clone())));
        drop(H::Runtime::spawn(crate::raft::batch::keep(group.clone())));
        Ok(group)
    }

    /// Stops the group in order.
    pub async fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.log.flush_committed();
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(group = %self.id, %error, "a group did not stop in order");
        }
    }

    /// Whether this was not said yet of a change of the membership.
    pub(crate) fn is_news(&self, said: String) -> bool {
        let mut all = lock(&self.said);
        all.len() < SAID_MAX && all.insert(said)
    }

    pub(crate) fn changed(&self) {
        lock(&self.said).clear();
    }

    /// It takes no messages of peers any more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// openraft has ended: the group's tasks end too.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// This node's monotonic clock.
    pub(crate) fn now_us(&self) -> u64 {
        self.host.monotonic_us()
    }

    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Who leads, as far as this node knows.
    pub fn leader(&self) -> Option<Member> {
        lock(&self.leading).leader.clone()
    }

    /// The term in which this node leads; none while it does not.
    pub fn leading_term(&self) -> Option<Term> {
        let leading = lock(&self.leading);
        leading.me.then_some(leading.term)
    }

    /// Whether this node leads.
    pub fn leads(&self) -> bool {
        lock(&self.leading).me
    }

    pub fn membership(&self) -> Arc<StoredMembership> {
        lock(&self.leading).membership.clone()
    }

    /// Microseconds since the last message of a leader; 0 at the leader, none when there never was one.
    pub fn silent_us(&self) -> Option<u64> {
        if self.leads() {
            return Some(0);
        }
        match self.contact_us.load(Ordering::Relaxed) {
            0 => None,
            heard_us => Some(self.host.monotonic_us().saturating_sub(heard_us)),
        }
    }

    /// What the disk holds, for a comparison.
    pub fn held(&self) -> Held {
        let term = self.log.vote().map_or(0, |vote| vote.leader_id.term);
        Held { term, last: self.log.ever_had().max(self.state.applied_id()) }
    }

    /// A leader's AppendEntries, with entries or as a heartbeat, which says how long ago a majority confirmed that leader. An
    /// error is a sentence.
    pub async fn append(
        &self,
        append: AppendEntriesRequest<Types<H::Runtime>>,
        confirmed_us: Option<u64>,
    ) -> Result<AppendEntriesResponse<Types<H::Runtime>>, String> {
        if self.is_stopping() {
            return Err("this node is stopping".into());
        }
        let vote = append.vote;
        let ids = append.prev_log_id.into_iter().chain(append.entries.iter().map(|entry| entry.log_id));
        self.check_against(&vote, ids)?;
        let response = self.raft.append_entries(append).await.map_err(|error| error.to_string())?;
        if self.heard(&vote)
            && let Some(age_us) = confirmed_us
        {
            self.confirmed.heard(self.now_us(), age_us);
        }
        if self.lacks.load(Ordering::Relaxed) && !self.log.lacks() {
            self.raft.runtime_config().elect(true);
            self.lacks.store(false, Ordering::Relaxed);
        }
        Ok(response)
    }

    /// Who asks for a vote must have what this node ever acknowledged, also what it gave up when the shard moved away: a
    /// candidate that did not hear of the move still counts this vote. Otherwise here is the refusal.
    pub fn refusal(&self, asked: &VoteRequest<Types<H::Runtime>>) -> Option<VoteResponse<Types<H::Runtime>>> {
        let had = self.log.ever_had();
        let vote = || self.log.vote().unwrap_or_else(|| Vote::new(0, self.me));
        (self.log.lacks() && asked.last_log_id < had).then(|| VoteResponse::new(vote(), had, false))
    }

    /// A message of the leader with this vote arrived; an old leader's does not count.
    pub fn heard(&self, vote: &Vote) -> bool {
        if self.log.vote().is_some_and(|mine| *vote < mine) {
            return false;
        }
        self.contact_us.store(self.host.monotonic_us().max(1), Ordering::Relaxed);
        true
    }

    /// Whether it does not vote here, and no leader has said anything for so long.
    pub fn learns_in_silence(&self, patience: Duration) -> bool {
        let silent_us = self.host.monotonic_us().saturating_sub(self.contact_us.load(Ordering::Relaxed));
        u128::from(silent_us) > patience.as_micros() && !self.membership().voter_ids().any(|id| id == self.me)
    }

    /// Appends a command, if this node leads, and waits until it is applied.
    pub async fn propose(&self, command: Command, within: Duration) -> ProposeOutcome {
        self.propose_try(command, within, false).await
    }

    /// The same. Where it was tried before without an answer, that try may come later: a refusal that only this moment's state
    /// says would not hold it up, so the log decides.
    pub async fn propose_try(&self, command: Command, within: Duration, tried: bool) -> ProposeOutcome {
        let mut within = within;
        if self.is_poll(&command) {
            let begun_us = self.host.monotonic_us();
            if let Some(seen) = self.polled(&command, within / 2).await {
                return seen;
            }
            let spent_us = self.host.monotonic_us().saturating_sub(begun_us);
            within = within.saturating_sub(Duration::from_micros(spent_us));
        }
        if !tried && let Some(refused) = self.refused(&command, within).await {
            return refused;
        }
        self.batches.add(command, within).await
    }

    /// What commands count from must not lie long in the past: an idle lease clock is moved first, but never so
    /// far that it ends a lease that was counted from a slightly old value. Only moves that are in the log count
    /// as made.
    pub(crate) fn clock_before(&self, commands: &[Command]) -> Option<LeaseMs> {
        let slack_ms = |command: &Command| match command.mutation {
            Mutation::Lock(_) | Mutation::Session(_) | Mutation::Queue(_) => Some(self.config.clock_slack_ms),
            // A key's time counts from it, and nothing finer.
            Mutation::Cache(_) => command.key.as_ref().map(|_| KEY_CLOCK_SLACK_MS),
            Mutation::AdvanceClock { .. } | Mutation::Control(_) | Mutation::Shard(_) => None,
        };
        let slack_ms = commands.iter().filter_map(slack_ms).min()?;
        let clock = self.state.clock()?;
        let newest = clock.committed_ms.max(self.log.clock_of_term(lock(&self.leading).term));
        if clock.now_ms <= newest + slack_ms {
            return None;
        }
        let shortest_ms = clock::shortest_ms(self.id);
        let to_ms = clock::target(clock, self.config.clock_slack_ms, self.nothing_in_flight(), shortest_ms);
        (to_ms > newest).then_some(to_ms)
    }

    /// Every entry of this leader's log was applied, and the one task that appends commands is not in the middle of
    /// it: there is no lease that its state does not show.
    pub(crate) fn nothing_in_flight(&self) -> bool {
        self.log.summary().last == self.state.applied()
    }

    /// At the leader: the last index that is known to match, by follower.
    pub fn matching(&self) -> BTreeMap<NodeId, LogIndex> {
        let metrics = self.raft.data_metrics();
        let now = metrics.borrow_watched();
        let replication = now.replication.iter().flatten();
        replication.filter_map(|(id, matching)| Some((*id, matching.as_ref()?.index))).collect()
    }

    /// At the leader: who answered within the last `patience`.
    pub fn heard_of(&self, patience: Duration) -> BTreeSet<NodeId> {
        let metrics = self.raft.data_metrics();
        let now = metrics.borrow_watched();
        let recently = |at: &<H::Runtime as AsyncRuntime>::Instant| {
            *at + patience >= <H::Runtime as AsyncRuntime>::Instant::now()
        };
        let heard = now.heartbeat.iter().flatten();
        heard.filter(|(_, at)| at.as_ref().is_some_and(|at| recently(at))).map(|(id, _)| *id).collect()
    }

    /// A read-index round, if this node leads.
    pub async fn read_index(&self, within: Duration) -> ReadOutcome {
        let _round = self.peers.round();
        let round = self.raft.get_read_linearizer(ReadPolicy::ReadIndex);
        match H::Runtime::timeout(within, round).await {
            Ok(Ok(linearizer)) => ReadOutcome::Index {
                index: linearizer.read_log_id().index(),
                clock_ms: self.state.clock().map(|clock| clock.now_ms),
            },
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)))) => {
                ReadOutcome::NotLeader { leader: forward.leader_node }
            }
            Ok(Err(_)) | Err(_) => ReadOutcome::NotLeader { leader: None },
        }
    }

    /// Takes a part of a snapshot; the last one installs it.
    pub async fn snapshot_part(&self, from: &NodeName, part: SnapshotPart) -> PeerResponse<H::Runtime> {
        if let Some(vote) = self.log.vote()
            && part.vote.partial_cmp(&vote).is_none_or(|order| order.is_lt())
        {
            return PeerResponse::Snapshot(SnapshotResponse::new(vote));
        }
        let SnapshotPart { transfer, vote, meta, total, offset, bytes } = part;
        if let Err(why) = self.check_against(&vote, meta.last_log_id.into_iter()) {
            return PeerResponse::Refused { why };
        }
        let complete = {
            let mut assemblies = lock(&self.assemblies);
            let fresh = || Assembly { transfer, received: 0, chunks: Vec::new() };
            let assembly = assemblies.entry(from.clone()).or_insert_with(fresh);
            if assembly.transfer != transfer {
                *assembly = fresh();
            }
            if offset == assembly.received {
                assembly.received += bytes.len() as u64;
                assembly.chunks.push(bytes);
            }
            if assembly.received < total {
                return PeerResponse::SnapshotPart { received: assembly.received };
            }
            assemblies.remove(from).map(|assembly| assembly.chunks).unwrap_or_default()
        };
        match self
            .raft
            .install_full_snapshot(vote, Snapshot { meta, snapshot: Image::Chunks(complete) })
            .await
        {
            Ok(response) => PeerResponse::Snapshot(response),
            Err(error) => PeerResponse::Refused { why: error.to_string() },
        }
    }

    /// Roles, leaders and memberships as openraft reports them.
    async fn watch_roles(self: Arc<Self>) {
        let mut metrics = self.raft.server_metrics();
        loop {
            let (vote, state, leader, membership) = {
                let now = metrics.borrow_and_update();
                (now.vote, now.state, now.current_leader, now.membership_config.clone())
            };
            self.role_changed(&vote, state, leader, membership);
            if metrics.changed().await.is_err() {
                if !self.stopping.load(Ordering::Relaxed) {
                    // A failed write, or a bug: limping on without consensus would look like health.
                    self.host.fail_stop(&format!("consensus in group {} ended by itself", self.id));
                }
                self.stopped.store(true, Ordering::Relaxed);
                self.state.lead(None);
                self.deadline_moved.notify();
                self.snapshot_due.notify();
                self.begun_to_lead.notify();
                self.watchers.iter().for_each(|watcher| watcher.moved());
                self.batches.wake();
                return;
            }
        }
    }

    fn role_changed(
        &self,
        vote: &Vote,
        state: ServerState,
        leader: Option<NodeId>,
        membership: Arc<StoredMembership>,
    ) {
        let role = match state {
            ServerState::Leader => Role::Leader,
            ServerState::Candidate => Role::Candidate,
            ServerState::Learner => Role::Learner,
            ServerState::Follower | ServerState::Shutdown => Role::Follower,
        };
        let members: Vec<Member> = membership.nodes().map(|(_, member)| member.clone()).collect();
        self.publisher.name(&members);
        self.publisher.role(self.id, role, vote, leader, None);
        let me = role == Role::Leader;
        let term = vote.leader_id.term;
        let leader = leader.and_then(|id| membership.get_node(&id).cloned());
        let follows = leader.as_ref().filter(|_| !me).map(|leader| leader.id);
        let before = std::mem::replace(&mut *lock(&self.leading), Leading { term, me, leader, membership });
        if follows.is_some() && follows != before.leader.map(|leader| leader.id) && self.host.records() {
            self.host.emit(Fact::TimerStarted { group: self.id, due_us: self.election_us() });
        }
        self.state.lead(me.then_some(term));
        self.watchers.iter().for_each(|watcher| watcher.moved());
        if me {
            self.begun_to_lead.notify();
        }
    }

    /// Takes a snapshot whenever the log has grown enough.
    async fn watch_log_size(self: Arc<Self>) {
        loop {
            self.snapshot_due.wait().await;
            self.log.snapshot_begun();
            if self.stopped() || self.raft.trigger().snapshot().await.is_err() {
                return;
            }
        }
    }

    /// Says once how the election timer stands when heartbeats have stayed away for `patience`.
    pub fn report_silence(&self, patience: Duration) {
        let heard_us = self.contact_us.load(Ordering::Relaxed);
        let silent_us = self.host.monotonic_us().saturating_sub(heard_us);
        if heard_us == self.reported_us.load(Ordering::Relaxed)
            || self.leads()
            || silent_us < patience.as_micros() as u64
        {
            return;
        }
        self.reported_us.store(heard_us, Ordering::Relaxed);
        let due_us = self.election_us().saturating_sub(silent_us);
        self.host.emit(Fact::TimerStarted { group: self.id, due_us });
    }

    /// From the last message of a leader to standing for election: the lease, then the drawn time-out.
    fn election_us(&self) -> u64 {
        self.config.election_max.as_micros() as u64 + self.drawn_ms.load(Ordering::Relaxed) * 1_000
    }
}

/// So many different things are said of changes that do not come about.
const SAID_MAX: usize = 64;

/// Hears what openraft draws. A draw in the middle of things is the beginning of an election: the next one comes
/// after this time, where this one has no winner.
fn draw_sink<H: Host>(
    host: H,
    group: GroupId,
    config: &EngineConfig,
    drawn_ms: Arc<AtomicU64>,
    contact_us: Arc<AtomicU64>,
) -> Sink {
    let (min, max) = (config.election_min.as_millis() as u64, config.election_max.as_millis() as u64);
    Arc::new(move |random| {
        let ms = drawn(random, min, max);
        drawn_ms.store(ms, Ordering::Relaxed);
        if contact_us.load(Ordering::Relaxed) > 0 && host.records() {
            host.emit(Fact::TimerStarted { group, due_us: ms * 1_000 });
        }
    })
}
