//! The home of a shard's lines: carries out what the directory decides, while this node leads the shard.
//!
//! The directory and the machine's values are looked at together, under the home's lock: what the directory was told is
//! applied in the values that it sees, and it never sees older ones after newer ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use openraft::AsyncRuntime;
use openraft::async_runtime::{Oneshot, OneshotSender, Select2};
use orrery_base::ids::{GroupId, Term};
use orrery_base::key::RequestKey;
use orrery_cache::directory::{Action, Committed, Directory, Question, Timing, Totals};
use orrery_cache::message::{Ask, Recall, Recalled, Told};
use orrery_cache::view::HomeView;
use orrery_cache::{CacheCommand, CacheReply, Holder, Values};
use orrery_event::Fact;
use orrery_machine::{CACHE_SINCE, Command, Mutation, Reply};

use super::CacheService;
use crate::host::{CallError, Host, Urgency};
use crate::peer::message::{PeerRequest, PeerResponse, ProposeOutcome, ReadOutcome};
use crate::raft::group::Group;
use crate::raft::watch::Watcher;
use crate::sync::{Signal, lock};

/// How long a proposal of a home may take before it counts as unknown, which ends the tenure.
const COMMIT_WITHIN: Duration = Duration::from_secs(30);

/// Shortest sleep of the keeper: whatever is due, it never spins.
const SLEEP_MIN: Duration = Duration::from_millis(1);

/// Longest sleep of the keeper: nothing needs it, it only bounds what a lost wake-up could cost.
const SLEEP_MAX: Duration = Duration::from_secs(60);

type Sender<H> = <<<H as Host>::Runtime as AsyncRuntime>::Oneshot as Oneshot>::Sender<Told>;

/// What a group has for it, on every replica.
pub struct Home<H: Host> {
    tenure: Mutex<Held<H>>,
    /// Set when leadership, the first entry of a term or a deadline may have moved.
    moved: Signal,
}

struct Held<H: Host> {
    tenure: Option<Tenure<H>>,
    /// Of the tenures that are over.
    totals: Totals,
    /// Term of the last one. What it proposed may still be applied while that term goes on, and its stamps are used up: no
    /// other directory begins in it.
    over: Term,
    /// When the keeper wakes by itself.
    wakes_us: u64,
}

struct Tenure<H: Host> {
    directory: Directory,
    answers: BTreeMap<Question, Sender<H>>,
}

impl<H: Host> Home<H> {
    /// Of a group that leads nothing yet.
    fn new() -> Self {
        let held = Held { tenure: None, totals: Totals::default(), over: 0, wakes_us: u64::MAX };
        Home { tenure: Mutex::new(held), moved: Signal::default() }
    }

    /// What it counted while this node led the shard.
    pub fn totals(&self) -> Totals {
        let held = lock(&self.tenure);
        held.tenure.as_ref().map_or(held.totals, |tenure| held.totals + tenure.directory.totals())
    }
}

impl<H: Host> Watcher for Home<H> {
    fn moved(&self) {
        self.moved.notify();
    }
}

/// The homes of the shards that run here.
pub struct Homes<H: Host>(Mutex<BTreeMap<GroupId, Arc<Home<H>>>>);

impl<H: Host> Default for Homes<H> {
    fn default() -> Self {
        Homes(Mutex::default())
    }
}

impl<H: Host> Homes<H> {
    /// Of a group that starts.
    pub fn watch(&self, shard: GroupId) -> Arc<Home<H>> {
        let home = Arc::new(Home::new());
        lock(&self.0).insert(shard, home.clone());
        home
    }

    fn of(&self, shard: GroupId) -> Option<Arc<Home<H>>> {
        lock(&self.0).get(&shard).cloned()
    }
}

/// The home of one shard at work.
struct At<H: Host> {
    cache: CacheService<H>,
    group: Arc<Group<H>>,
    home: Arc<Home<H>>,
}

impl<H: Host> Clone for At<H> {
    fn clone(&self) -> Self {
        At { cache: self.cache.clone(), group: self.group.clone(), home: self.home.clone() }
    }
}

impl<H: Host> CacheService<H> {
    /// The home of a shard that runs here.
    fn at(&self, group: &Arc<Group<H>>) -> Option<At<H>> {
        let home = self.homes.of(group.id)?;
        Some(At { cache: self.clone(), group: group.clone(), home })
    }

    /// What the homes of this node counted.
    pub fn totals(&self) -> Totals {
        let groups = self.cluster.groups();
        let homes = groups.iter().filter_map(|group| self.homes.of(group.id));
        homes.fold(Totals::default(), |sum, home| sum + home.totals())
    }

    /// Answers a node's question as the home of that shard; none where nothing is known in time. The directory goes on
    /// with it then.
    pub(crate) async fn answer_ask(
        &self,
        group: &Arc<Group<H>>,
        from: Holder,
        asked: u64,
        ask: Ask,
        within: Duration,
    ) -> Option<Told> {
        let at = self.at(group)?;
        let receiver = {
            let mut held = at.held();
            at.follow_leadership(&mut held);
            let Some(tenure) = &mut held.tenure else { return Some(Told::NotHome) };
            let (sender, receiver) = <<H::Runtime as AsyncRuntime>::Oneshot as Oneshot>::channel();
            let question =
                at.with_values(|values, now_us| tenure.directory.ask(&from, asked, ask, values, now_us));
            tenure.answers.insert(question, sender);
            at.let_out(&mut held);
            receiver
        };
        match H::Runtime::timeout(within, receiver).await {
            Ok(Ok(told)) => Some(told),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// The directories of the shards that this node leads, bounded.
    pub(crate) fn homes_view(&self) -> Vec<HomeView> {
        let now_us = self.cluster.host().monotonic_us();
        let view = |group: Arc<Group<H>>| {
            let home = self.homes.of(group.id)?;
            let held = lock(&home.tenure);
            held.tenure.as_ref().map(|tenure| tenure.directory.home_view(group.id, now_us))
        };
        self.cluster.groups().into_iter().filter_map(view).collect()
    }

    /// As if something had ended in the unknown.
    #[cfg(test)]
    pub(crate) fn end_tenure(&self, group: &Arc<Group<H>>) {
        let Some(at) = self.at(group) else { return };
        let mut held = at.held();
        if let Some(tenure) = &mut held.tenure {
            tenure.directory.end();
        }
        at.let_out(&mut held);
    }

    /// Looks at the directory of a shard that this node leads.
    pub(crate) fn look_at_home<T>(
        &self,
        group: &Group<H>,
        look: impl FnOnce(&Directory, u64) -> T,
    ) -> Option<T> {
        let home = self.homes.of(group.id)?;
        let held = lock(&home.tenure);
        held.tenure.as_ref().map(|tenure| look(&tenure.directory, self.cluster.host().monotonic_us()))
    }
}

/// Keeps a home for each shard that is served here, until the engine stops.
pub async fn keep<H: Host>(cache: CacheService<H>) {
    while !cache.cluster.stopping() {
        for group in cache.cluster.newly_served().await {
            if let Some(at) = cache.at(&group) {
                drop(H::Runtime::spawn(keep_one(at)));
            }
        }
    }
}

/// Begins and ends tenures and does what is due, until the group stops.
async fn keep_one<H: Host>(at: At<H>) {
    loop {
        let (sleep, used_up) = {
            let mut held = at.held();
            at.follow_leadership(&mut held);
            let now_us = at.cache.cluster.host().monotonic_us();
            if let Some(tenure) = &mut held.tenure
                && tenure.directory.deadline().is_some_and(|due_us| due_us <= now_us)
            {
                at.with_values(|values, now_us| tenure.directory.tick(values, now_us));
                at.let_out(&mut held);
            }
            let due_us = held.tenure.as_ref().and_then(|tenure| tenure.directory.deadline());
            held.wakes_us = due_us.unwrap_or(u64::MAX);
            let sleep = held.wakes_us.saturating_sub(at.cache.cluster.host().monotonic_us());
            let used_up = held.tenure.is_none() && at.term() == Some(held.over);
            (Duration::from_micros(sleep), used_up)
        };
        if at.group.stopped() || at.cache.cluster.stopping() {
            return;
        }
        let sleep = if used_up {
            // Only another term can have a home again.
            at.group.step_down().await;
            at.cache.cluster.config().heartbeat
        } else {
            sleep
        };
        let pause = H::Runtime::sleep(sleep.clamp(SLEEP_MIN, SLEEP_MAX));
        match H::Runtime::select2(at.home.moved.wait(), pause).await {
            Select2::First(()) | Select2::Second(()) => {}
        }
    }
}

impl<H: Host> At<H> {
    fn held(&self) -> MutexGuard<'_, Held<H>> {
        lock(&self.home.tenure)
    }

    /// What is applied here now, and the time.
    fn with_values<T>(&self, f: impl FnOnce(&Values, u64) -> T) -> T {
        let values = self.group.state.read(|machine| machine.values().cloned()).unwrap_or_default();
        f(&values, self.cache.cluster.host().monotonic_us())
    }

    /// The term in which this node leads and has applied its first entry; none while it does not.
    fn term(&self) -> Option<Term> {
        self.group.leading_term().filter(|_| self.group.state.clock().is_some() && !self.group.stopped())
    }

    /// A tenure is of the present term: an older one ends, a new one begins.
    fn follow_leadership(&self, held: &mut Held<H>) {
        let term = self.term();
        if let Some(tenure) = &mut held.tenure
            && term != Some(tenure.directory.term())
        {
            tenure.directory.end();
            self.let_out(held);
        }
        let begins = |term: &Term| held.tenure.is_none() && *term > held.over && self.is_known_to_all();
        let Some(term) = term.filter(begins) else { return };
        let config = self.cache.cluster.config();
        let timing = Timing { broken: config.cache.broken, ..Timing::new(config.cache.lease_us) };
        let mut directory = Directory::new(term, timing);
        if !self.cache.cluster.host().records() {
            directory.keep_silent();
        }
        if self.with_values(|values, _| values.opened()) > 0 {
            // Somebody may hold something: the sooner the window begins, the sooner it is over.
            directory.begin();
        }
        held.tenure = Some(Tenure { directory, answers: BTreeMap::new() });
        self.let_out(held);
    }

    /// Every member knows the commands of the cache.
    fn is_known_to_all(&self) -> bool {
        let control = self.cache.cluster.group(GroupId::CONTROL);
        let version = control.map(|group| group.state.read(|machine| machine.cluster().version()));
        version.is_some_and(|version| version >= CACHE_SINCE)
    }

    /// Something came back for a question of the tenure of that term.
    fn go_on(&self, term: Term, go_on: impl FnOnce(&mut Directory, &Values, u64)) {
        let mut held = self.held();
        // A tenure that this node has lost, or that another term of its own followed, does nothing any more.
        self.follow_leadership(&mut held);
        let Some(tenure) = held.tenure.as_mut().filter(|tenure| tenure.directory.term() == term) else {
            return;
        };
        self.with_values(|values, now_us| go_on(&mut tenure.directory, values, now_us));
        self.let_out(&mut held);
    }

    /// Carries out what the directory decided.
    fn let_out(&self, held: &mut Held<H>) {
        let Some(Tenure { directory, answers }) = &mut held.tenure else { return };
        let term = directory.term();
        let mut over = false;
        while let Some(action) = directory.poll() {
            match action {
                Action::Answer { question, told } => {
                    if let Some(answer) = answers.remove(&question) {
                        // Who asked may have gone.
                        let _ = answer.send(told);
                    }
                }
                Action::Fact(fact) => {
                    self.cache.cluster.host().emit(Fact::CacheHome { group: self.group.id, fact });
                }
                Action::Confirm { round } => {
                    self.spawn(move |at| async move { at.confirm(term, round).await })
                }
                Action::Recall { question, to, recall, within_us } => self.spawn(move |at| async move {
                    let within = Duration::from_micros(within_us);
                    let recalled = at.recall(&to, recall, within).await;
                    at.go_on(term, |directory, values, now_us| {
                        directory.recalled(question, &to, recalled, values, now_us);
                    });
                }),
                Action::Notify { to, recall } => self.spawn(move |at| async move {
                    let within = at.cache.cluster.config().cache_ask_timeout();
                    at.recall(&to, recall, within).await;
                }),
                Action::Commit { question, command, key } => {
                    self.spawn(move |at| async move { at.commit(term, question, command, key).await });
                }
                Action::Ended => over = true,
            }
        }
        let due_us = directory.deadline().unwrap_or(u64::MAX);
        if over {
            let totals = directory.totals();
            held.totals = held.totals + totals;
            held.tenure = None;
            held.over = term;
            self.home.moved.notify();
        } else if due_us < held.wakes_us {
            self.home.moved.notify();
        }
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, run: impl FnOnce(Self) -> F) {
        drop(H::Runtime::spawn(run(self.clone())));
    }

    /// A majority confirms that this node leads, and everything up to then is applied.
    async fn confirm(&self, term: Term, round: u64) {
        let within = Duration::from_micros(self.cache.cluster.config().cache.lease_us);
        if self.cache.cluster.config().cache.broken.grants_unconfirmed {
            return self
                .go_on(term, |directory, values, now_us| directory.confirmed(round, true, values, now_us));
        }
        let confirmed = match self.group.read_index(within).await {
            ReadOutcome::Index { index, .. } => {
                let applied = self.group.state.wait_applied(index);
                matches!(H::Runtime::timeout(within, applied).await, Ok(Ok(())))
            }
            ReadOutcome::NotLeader { .. } => false,
        };
        self.go_on(term, |directory, values, now_us| directory.confirmed(round, confirmed, values, now_us));
    }

    /// Proposed at this node only: a command of a tenure that is over must not be tried again elsewhere.
    async fn commit(
        &self,
        term: Term,
        question: Option<Question>,
        command: CacheCommand,
        key: Option<RequestKey>,
    ) {
        let command = Command { key, mutation: Mutation::Cache(command) };
        let outcome = match self.group.propose(command, COMMIT_WITHIN).await {
            ProposeOutcome::Applied { reply: Reply::Cache(reply), .. } => Committed::Applied(reply),
            ProposeOutcome::Applied { reply: Reply::KeyForgotten, .. } => {
                Committed::Applied(CacheReply::KeyForgotten)
            }
            ProposeOutcome::Applied { reply: Reply::KeyReused, .. } => {
                Committed::Applied(CacheReply::KeyReused)
            }
            ProposeOutcome::Applied { reply: Reply::TooManyKeys { what }, .. } => {
                Committed::Applied(CacheReply::TooManyKeys { what })
            }
            ProposeOutcome::NotLeader { .. } => Committed::NotApplied,
            ProposeOutcome::Applied { .. } | ProposeOutcome::Unknown { .. } => Committed::Unknown,
        };
        self.go_on(term, |directory, values, now_us| directory.committed(question, outcome, values, now_us));
    }

    /// None where no answer came.
    async fn recall(&self, to: &Holder, recall: Recall, within: Duration) -> Option<Recalled> {
        let cluster = &self.cache.cluster;
        if to.id == self.group.me {
            let here = to.boot == cluster.local().boot;
            return Some(if here {
                self.cache.copies.recall(self.group.id, &recall)
            } else {
                Recalled::Rebooted
            });
        }
        let members = cluster.members();
        let member = members.iter().find(|member| member.id == to.id)?;
        let request = PeerRequest::Recall { boot: to.boot, recall };
        match cluster.inner.peers.call(self.group.id, member, Urgency::Normal, request, within).await {
            Ok(PeerResponse::Recalled(recalled)) => Some(recalled),
            Ok(_) | Err(CallError::NotSent(_) | CallError::NoAnswer) => None,
        }
    }
}
