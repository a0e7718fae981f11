//! A group's state machine under openraft (`RaftStateMachine`): applies entries, wakes whoever waits for them,
//! reports what happened, takes and installs snapshots.
//!
//! The state is in memory and structurally shared: a snapshot is a fork, encoded off the apply path.

mod resume;
mod ring;
mod snapshots;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use openraft::async_runtime::{Oneshot, OneshotSender};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{AsyncRuntime, EntryPayload, OptionalSend};
use orrery_base::ids::{GroupId, LeaseMs, LogIndex, NodeId, Term};
use orrery_event::Fact;
use orrery_lock::view::{LockTable, LocksShown};
use orrery_machine::{Machine, Reply, ServiceFact};
use orrery_placement::RingView;

use crate::codec::{self, DISK_VERSION};
use crate::config::EngineConfig;
use crate::host::{Disk, Host};
use crate::raft::log::LogStore;
use crate::raft::publish::Publisher;
use crate::raft::running::{INTERVAL_MS_MAX, Running};
use crate::raft::waits::{Receiver, Waits};
use crate::raft::watch::{News, Watchers};
use crate::sync::Signal;
use crate::sync::lock;
use crate::types::{Image, LogId, Payload, Snapshot, SnapshotMeta, StoredMembership, Types};

pub use snapshots::{Fork, Turns};

/// One group's state machine. Clones are the same one.
pub struct StateMachine<H: Host> {
    shared: Arc<Shared<H>>,
}

impl<H: Host> Clone for StateMachine<H> {
    fn clone(&self) -> Self {
        StateMachine { shared: self.shared.clone() }
    }
}

/// Who hears of what a state machine does.
#[derive(Default)]
pub struct Listeners {
    /// Set when the next deadline of the lease clock may have moved.
    pub deadline_moved: Arc<Signal>,
    pub watchers: Watchers,
}

struct Shared<H: Host> {
    host: H,
    group: GroupId,
    publisher: Arc<Publisher<H>>,
    log: LogStore<H>,
    resend_us: u64,
    resend_max: usize,
    listeners: Listeners,
    /// Set when the shard map changed.
    map_changed: Arc<Signal>,
    /// Of all groups of the node: who builds a snapshot.
    turns: Arc<Turns<H>>,
    inner: Mutex<Inner<H>>,
}

struct Inner<H: Host> {
    machine: Machine,
    applied: Option<LogId>,
    membership: StoredMembership,
    waits: Waits<H::Runtime>,
    /// The last service facts, whoever led: a new leader resends them.
    recent: VecDeque<Recent>,
    leading: Option<Leading>,
    /// Readers were shown only a part of the lock table.
    shown_in_part: bool,
    snapshot: Option<Current>,
    /// The newest snapshot whose pointer was handed to the disk: an older one never replaces it.
    pointed: Option<LogId>,
    /// The group ended here for good: no snapshot of it is kept any more.
    closed: bool,
    /// Snapshots that are being written: their files must not be taken for leftovers.
    keeping: u32,
    /// How long what runs on the lease clock does so.
    running: Running,
    /// The shard map, and the one with which its last change began.
    ring: RingView,
    /// Who waits for the state as it is after just that entry.
    fork: Option<(LogIndex, Sender<H, Option<Machine>>)>,
}

type Sender<H, T> = <<<H as Host>::Runtime as AsyncRuntime>::Oneshot as Oneshot>::Sender<T>;

struct Recent {
    at_us: u64,
    index: LogIndex,
    n: u32,
    clock_ms: LeaseMs,
    fact: ServiceFact,
}

/// This node leads: it sends the service facts and owns the lease clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leading {
    term: Term,
    /// Lease clock after the term's first entry was applied, and the monotonic microsecond of that moment.
    base: Option<(LeaseMs, u64)>,
}

#[derive(Clone, Debug)]
struct Current {
    meta: SnapshotMeta,
    name: String,
}

/// What the lease clock's keeper has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockView {
    /// Value that every replica has.
    pub committed_ms: LeaseMs,
    /// Value that it should have now, by this leader's own time.
    pub now_ms: LeaseMs,
    /// When something ends by itself.
    pub next_deadline_ms: Option<LeaseMs>,
}

impl<H: Host> StateMachine<H> {
    /// Recovers from the last snapshot; openraft applies the log after it.
    pub async fn open(
        host: H,
        group: GroupId,
        config: &EngineConfig,
        publisher: Arc<Publisher<H>>,
        log: LogStore<H>,
        listeners: Listeners,
        turns: Arc<Turns<H>>,
    ) -> io::Result<Self> {
        let mut inner = Inner {
            machine: Machine::of(group),
            applied: None,
            membership: StoredMembership::default(),
            waits: Waits::default(),
            recent: VecDeque::new(),
            leading: None,
            shown_in_part: false,
            snapshot: None,
            pointed: None,
            running: Running::default(),
            ring: RingView::default(),
            closed: false,
            keeping: 0,
            fork: None,
        };
        if let Some((name, meta)) = host.disk().recover(group)?.snapshot {
            let meta: SnapshotMeta = codec::decode(DISK_VERSION, &meta)?;
            let unreadable = |error: io::Error| {
                let why = format!("the snapshot {name} of group {group} cannot be read: {error}");
                io::Error::new(io::ErrorKind::InvalidData, why)
            };
            let chunks = host.disk().read_snapshot(group, &name).await.map_err(unreadable)?;
            host.disk().prune_snapshots(group, Some(&name));
            log.snapshot_size(chunks.iter().map(Bytes::len).sum::<usize>() as u64);
            inner.machine = snapshots::decode::<H>(group, chunks).await.map_err(unreadable)?;
            inner.applied = meta.last_log_id;
            inner.membership = meta.last_membership.clone();
            inner.pointed = meta.last_log_id;
            inner.snapshot = Some(Current { meta, name });
        }
        ring::follow(&mut inner, host.wall_us());
        publisher.membership(group, &inner.membership);
        if let Some(applied) = inner.applied {
            publisher.committed(group, applied.index);
            publisher.applied(group, applied.index);
        }
        Ok(StateMachine {
            shared: Arc::new(Shared {
                host,
                group,
                publisher,
                log,
                resend_us: config.resend.as_micros() as u64,
                resend_max: config.resend_facts_max,
                listeners,
                map_changed: Arc::default(),
                turns,
                inner: Mutex::new(inner),
            }),
        })
    }

    /// Looks at the state as it was applied here.
    pub fn read<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.inner().machine)
    }

    /// Whether the membership applied here, which is committed, has this node, be it as a learner.
    pub fn has_member(&self, id: NodeId) -> bool {
        self.inner().membership.nodes().any(|(member, _)| *member == id)
    }

    /// The last entry that was applied.
    pub fn applied_id(&self) -> Option<LogId> {
        self.inner().applied
    }

    /// Looks at the state as it was applied here, and at the index up to which that is.
    pub fn read_at<T>(&self, look: impl FnOnce(&Machine, Option<LogIndex>) -> T) -> T {
        let inner = self.inner();
        look(&inner.machine, inner.applied.map(|id| id.index))
    }

    /// Applied index.
    pub fn applied(&self) -> Option<LogIndex> {
        self.inner().applied.map(|id| id.index)
    }

    /// Set when the shard map changed here, for one task.
    pub fn map_changed(&self) -> Arc<Signal> {
        self.shared.map_changed.clone()
    }

    /// A cheap fork of the state and its applied index: for whatever takes longer than a look.
    pub fn fork(&self) -> (Machine, Option<LogIndex>) {
        let inner = self.inner();
        (inner.machine.clone(), inner.applied.map(|id| id.index))
    }

    /// The same with the whole id of the last applied entry.
    pub fn fork_with_id(&self) -> (Machine, Option<LogId>) {
        let inner = self.inner();
        (inner.machine.clone(), inner.applied)
    }

    /// The state as it is when just the entry `at` is applied here; none where a later one is, also later on. One asker at
    /// a time: the one before hears nothing.
    pub fn fork_at(&self, at: LogIndex) -> Option<Receiver<H::Runtime, Option<Machine>>> {
        let (sender, receiver) = <<H::Runtime as AsyncRuntime>::Oneshot as Oneshot>::channel();
        let mut inner = self.inner();
        let applied = inner.applied.map(|id| id.index);
        if applied > Some(at) {
            return None;
        }
        if applied == Some(at) {
            // It waits below.
            let _ = sender.send(Some(inner.machine.clone()));
        } else {
            inner.fork = Some((at, sender));
        }
        Some(receiver)
    }

    /// Frees a fork where it holds nobody up.
    pub fn discard(&self, fork: Machine) {
        self.shared.host.discard(Box::new(fork));
    }

    /// The lock table as it was applied here.
    pub fn lock_table(&self) -> LockTable {
        let (machine, applied) = self.fork();
        machine.locks().view(applied, None)
    }

    pub fn locks_shown(&self) -> LocksShown {
        let (machine, applied) = self.fork();
        machine.locks().shown(applied)
    }

    /// Resolves when `index` is applied here.
    pub fn wait_applied(&self, index: LogIndex) -> Receiver<H::Runtime, ()> {
        let mut inner = self.inner();
        let applied = inner.applied.map(|id| id.index);
        inner.waits.add(index, applied)
    }

    /// This node leads now, or does not any more. A new leader first sends the group's state and what happened in
    /// the last seconds: what the old one applied and could not send any more is not lost.
    pub fn lead(&self, term: Option<Term>) {
        let mut inner = self.inner();
        if inner.leading.map(|leading| leading.term) == term {
            return;
        }
        inner.leading = term.map(|term| Leading { term, base: None });
        let Some(term) = term else { return };
        let now_us = self.shared.host.monotonic_us();
        self.shared.listeners.watchers.iter().for_each(|watcher| watcher.leads(now_us));
        if inner.applied.is_some_and(|applied| applied.leader_id.term == term) {
            self.start_clock(&mut inner);
        }
        if self.shared.host.records() {
            self.resume(&mut inner);
        }
        drop(inner);
        self.shared.listeners.deadline_moved.notify();
    }

    /// For the keeper of the lease clock; none while this node does not lead or its term has nothing applied.
    pub fn clock(&self) -> Option<ClockView> {
        let inner = self.inner();
        let (base_ms, base_us) = inner.leading?.base?;
        let elapsed_us = self.shared.host.monotonic_us().saturating_sub(base_us);
        let committed_ms = inner.machine.clock_ms();
        Some(ClockView {
            committed_ms,
            now_ms: (base_ms + elapsed_us / 1_000).max(committed_ms),
            next_deadline_ms: inner.machine.next_deadline(),
        })
    }

    /// How old the committed lease clock may become now, milliseconds; none while nothing runs on it.
    pub fn commit_interval_ms(&self) -> Option<u64> {
        let inner = self.inner();
        // Something ends by itself, be it only a message's retention.
        inner.machine.next_deadline()?;
        let known = inner.running.interval_ms(inner.machine.clock_ms());
        known.or_else(|| inner.machine.leases_run().then_some(INTERVAL_MS_MAX))
    }

    fn inner(&self) -> MutexGuard<'_, Inner<H>> {
        lock(&self.shared.inner)
    }

    fn start_clock(&self, inner: &mut Inner<H>) {
        let base = (inner.machine.clock_ms(), self.shared.host.monotonic_us());
        if let Some(leading) = &mut inner.leading {
            leading.base = Some(base);
        }
    }

    fn apply_one(&self, log_id: LogId, payload: &Payload) -> Reply {
        let Shared { host, group, publisher, .. } = &*self.shared;
        let mut inner = self.inner();
        let deadline = inner.machine.next_deadline();
        let interval = inner.running.interval_ms(inner.machine.clock_ms());
        let reply = match payload {
            EntryPayload::Blank => Reply::None,
            EntryPayload::Membership(membership) => {
                inner.membership = StoredMembership::new(Some(log_id), membership.clone());
                publisher.membership(*group, &inner.membership);
                Reply::None
            }
            EntryPayload::Normal(command) => {
                let map = inner.machine.cluster().map().version;
                let applied = inner.machine.apply(log_id.index, command);
                let clock_ms = inner.machine.clock_ms();
                inner.running.applied(&command.mutation, clock_ms);
                let now_us = host.monotonic_us();
                let news = News { applied: &applied, clock_ms, now_us, leads: inner.leading.is_some() };
                self.shared.listeners.watchers.iter().for_each(|watcher| watcher.applied(&news));
                if inner.machine.cluster().map().version != map {
                    ring::follow(&mut inner, host.wall_us());
                    self.map_moved(&inner, log_id.index);
                }
                if !applied.facts.is_empty() && host.records() {
                    self.report(&mut inner, log_id.index, clock_ms, now_us, applied.facts);
                }
                applied.reply
            }
        };
        inner.applied = Some(log_id);
        if let Some((at, asker)) = inner.fork.take_if(|(at, _)| *at <= log_id.index) {
            let fork = (at == log_id.index).then(|| inner.machine.clone());
            // The asker may have given up.
            let _ = asker.send(fork);
        }
        let first_of_term = inner
            .leading
            .is_some_and(|leading| leading.base.is_none() && leading.term == log_id.leader_id.term);
        if first_of_term {
            self.start_clock(&mut inner);
        }
        inner.waits.applied(log_id.index);
        // Later ones are found when the keeper wakes for the present one.
        let sooner = match (deadline, inner.machine.next_deadline()) {
            (before, Some(now)) => before.is_none_or(|before| now < before),
            (_, None) => false,
        };
        let sooner = sooner
            || match (interval, inner.running.interval_ms(inner.machine.clock_ms())) {
                (before, Some(now)) => before.is_none_or(|before| now < before),
                (_, None) => false,
            };
        let moved = inner.leading.is_some() && (first_of_term || sooner);
        drop(inner);
        if moved {
            self.shared.listeners.deadline_moved.notify();
        }
        if first_of_term {
            self.shared.listeners.watchers.iter().for_each(|watcher| watcher.moved());
        }
        reply
    }

    /// Keeps these facts for a next leader, and sends them when this node leads.
    fn report(
        &self,
        inner: &mut Inner<H>,
        index: LogIndex,
        clock_ms: LeaseMs,
        now_us: u64,
        facts: Vec<ServiceFact>,
    ) {
        let Shared { host, group, resend_us, resend_max, .. } = &*self.shared;
        for (n, fact) in facts.into_iter().enumerate() {
            inner.shown_in_part |= matches!(&fact, ServiceFact::LocksCounted { counts } if counts.beyond());
            let n = u32::try_from(n).unwrap_or(u32::MAX);
            if inner.leading.is_some() {
                host.emit(Fact::Service { group: *group, index, n, clock_ms, fact: fact.clone() });
            }
            inner.recent.push_back(Recent { at_us: now_us, index, n, clock_ms, fact });
        }
        while inner.recent.len() > *resend_max
            || inner.recent.front().is_some_and(|recent| recent.at_us + resend_us < now_us)
        {
            inner.recent.pop_front();
        }
    }

    /// Makes the state another one than the log says.
    #[cfg(test)]
    pub fn spoil(&self, command: &orrery_machine::Command) {
        let mut inner = self.inner();
        let index = inner.applied.map_or(0, |id| id.index);
        inner.machine.apply(index, command);
    }

    /// Nothing is written for this group any more.
    pub fn close(&self) {
        lock(&self.shared.inner).closed = true;
    }
}

impl<H: Host> RaftStateMachine<Types<H::Runtime>> for StateMachine<H> {
    type SnapshotData = Image;
    type SnapshotBuilder = Fork<H>;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let inner = self.inner();
        Ok((inner.applied, inner.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = Result<EntryResponder<Types<H::Runtime>>, io::Error>> + Unpin + OptionalSend,
    {
        let mut last = None;
        while let Some((entry, responder)) = entries.try_next().await? {
            let reply = self.apply_one(entry.log_id, &entry.payload);
            if let Some(responder) = responder {
                responder.send(reply);
            }
            last = Some(entry.log_id.index);
        }
        if let Some(last) = last {
            self.shared.publisher.applied(self.shared.group, last);
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Fork<H> {
        Fork::of(self)
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, image: Image) -> io::Result<()> {
        self.install(meta, image).await
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        // Only its name: reading it here would hold up the entries that wait to be applied.
        let current = self.inner().snapshot.clone();
        let Shared { host, group, .. } = &*self.shared;
        let image = |name: String| Image::file(host.disk(), *group, &name);
        Ok(current.map(|Current { meta, name }| Snapshot { meta, snapshot: image(name) }))
    }
}
