//! What the page asks the cluster to do: lock operations as one of its clients, process operations.

pub mod exchange;

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use orrery_api::lock::LockAnswer;
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::NodeName;
use smol_str::SmolStr;

use crate::look::Status;
use crate::request::cache::{CacheAnswer, CacheAsk};
use crate::request::lock::{LockAsk, LockOperation};
use crate::request::queue::{QueueAnswer, QueueAsk, queue_answer};
use crate::request::{self, Answered, Failure, ProcessAction};
use crate::store::Playback;
use crate::ui::{CLIENTS_MAX, Ui};
pub use exchange::{Answer, Asked, Exchange, Progress};

/// Outcomes that are kept for the result line.
const OUTCOMES_MAX: usize = 12;

/// A queued wait is asked for again so often: that keeps it, and the last one reads its outcome.
const POLL_EVERY_MS: u64 = 3_000;

/// A queued wait is asked for at most so often: ten minutes.
const POLLS_MAX: u32 = 200;

/// How long a queue request may take.
const ANSWER_SLACK_MS: u64 = 6_000;

/// What the page can do. `Copy`; a context of the whole page.
#[derive(Clone, Copy)]
pub struct Actions {
    /// The recording, for addresses and for who is there.
    pub playback: Playback,
    pub ui: Ui,
    /// What was asked last, newest last.
    pub outcomes: RwSignal<Vec<Arc<Exchange>>>,
    /// What went wrong with a process or a scenario, as a sentence.
    pub notice: RwSignal<Option<String>>,
    /// What the next press of a key would do, as a sentence, and the key: it does it only when it is pressed again.
    pub armed: RwSignal<Option<(String, String)>>,
    /// The scenario that runs, by its name, and its present step.
    pub scenario: RwSignal<Option<(&'static str, String)>>,
    waits: StoredValue<Vec<(SmolStr, SmolStr)>>,
    turn: StoredValue<usize>,
}

impl Actions {
    /// Makes it and provides it as a context.
    pub fn provide(playback: Playback, ui: Ui) -> Actions {
        let actions = Actions {
            playback,
            ui,
            outcomes: RwSignal::new(Vec::new()),
            notice: RwSignal::new(None),
            armed: RwSignal::new(None),
            scenario: RwSignal::new(None),
            waits: StoredValue::new(Vec::new()),
            turn: StoredValue::new(0),
        };
        provide_context(actions);
        actions
    }

    /// The page's actions; [`Actions::provide`] comes first.
    pub fn expect() -> Actions {
        expect_context()
    }

    /// Sends a request and shows how it goes.
    pub fn start(self, ask: LockAsk) {
        spawn_local(async move {
            self.send(ask, request::new_key()).await;
        });
    }

    /// Sends a request again under its key.
    pub fn retry(self, outcome: &Exchange) {
        let (asked, key) = (outcome.asked.clone(), outcome.key.clone());
        spawn_local(async move {
            match asked {
                Asked::Lock(ask) => drop(self.send(ask, key).await),
                Asked::Queue(ask) => drop(self.send_queue(ask, key).await),
                Asked::Cache(ask, node) => drop(self.send_cache(ask, node, key).await),
            }
        });
    }

    /// Sends a queue request under a key, shows how it goes, and answers with the end of it.
    pub async fn send_queue(self, ask: QueueAsk, key: String) -> Option<QueueAnswer> {
        let (id, base) = self.begin(Asked::Queue(ask.clone()), &key);
        let base = base?;
        let begun = now_ms();
        let answered = send_queue_once(&base, &ask, &key).await;
        let answer = answered.as_ref().ok().map(|(_, answer)| answer.clone());
        self.settle(id, begun, answered.map(|(status, answer)| (status, Answer::Queue(answer))));
        answer
    }

    /// Sends a cache request to a node (any one, where none is named) under a key, shows how it goes, and answers with the
    /// end of it.
    pub async fn send_cache(self, ask: CacheAsk, node: Option<NodeName>, key: String) -> Option<CacheAnswer> {
        let whom = match &node {
            Some(name) => self.at(name),
            None => self.whom(),
        };
        let (id, base) = self.begin_at(Asked::Cache(ask.clone(), node), &key, whom);
        let base = base?;
        let begun = now_ms();
        let answered = ask.send(&base, &key).await;
        let answer = answered.as_ref().ok().map(|(_, answer)| answer.clone());
        self.settle(id, begun, answered.map(|(status, answer)| (status, Answer::Cache(answer))));
        answer
    }

    /// A node, with where it is.
    pub fn at(self, name: &NodeName) -> Option<(NodeName, String)> {
        let base = self.playback.now(|view| request::base(view, name))?;
        Some((name.clone(), base))
    }

    /// Notes a request that begins; whom to ask, where there is anybody.
    fn begin(self, asked: Asked, key: &str) -> (u64, Option<String>) {
        self.begin_at(asked, key, self.whom())
    }

    fn begin_at(self, asked: Asked, key: &str, whom: Option<(NodeName, String)>) -> (u64, Option<String>) {
        let (node, base) = whom.unzip();
        let progress = if node.is_some() { Progress::Asking } else { Progress::NoNode };
        let key = key.to_owned();
        (self.note(Exchange { id: 0, asked, node, key, took_us: 0, progress }), base)
    }

    /// The same at this node.
    pub async fn send_to(self, ask: LockAsk, node: &NodeName, key: String) -> Option<LockAnswer> {
        self.send_at(ask, self.at(node), key).await
    }

    /// Sends a request under a key, shows how it goes, and answers with the end of it.
    pub async fn send(self, ask: LockAsk, key: String) -> Option<LockAnswer> {
        self.send_at(ask, self.whom(), key).await
    }

    async fn send_at(
        self,
        ask: LockAsk,
        whom: Option<(NodeName, String)>,
        key: String,
    ) -> Option<LockAnswer> {
        if matches!(ask.operation, LockOperation::Release | LockOperation::Cancel) {
            self.forget_wait(&ask);
        }
        let (id, base) = self.begin_at(Asked::Lock(ask.clone()), &key, whom);
        let base = base?;
        let begun = now_ms();
        let answered = ask.send(&base, &key).await;
        let answer = answered.as_ref().ok().map(|(_, answer)| answer.clone());
        self.settle(id, begun, answered.map(of_lock));
        if let Some(LockAnswer::Waiting { .. }) = answer {
            self.keep_wait(ask, base, id, key);
        }
        answer
    }

    /// The node that is asked: the chosen one, or any.
    pub fn whom(self) -> Option<(NodeName, String)> {
        match self.ui.ask.get_untracked() {
            Some(name) => self.at(&name),
            None => self.any(),
        }
    }

    /// In turn one that is reachable as far as the page knows.
    pub fn any(self) -> Option<(NodeName, String)> {
        let name = self.playback.now(|view| {
            let up = || view.in_order().filter(|node| Status::of(node).reachable());
            let turn = self.turn.get_value();
            self.turn.set_value(turn.wrapping_add(1));
            up().nth(turn % up().count().max(1)).map(|node| node.name.clone())
        })?;
        self.at(&name)
    }

    fn note(self, mut outcome: Exchange) -> u64 {
        let mut id = 0;
        self.outcomes.update(|all| {
            id = all.last().map_or(1, |last| last.id + 1);
            outcome.id = id;
            if all.len() >= OUTCOMES_MAX {
                all.remove(0);
            }
            all.push(Arc::new(outcome));
        });
        id
    }

    fn settle(self, id: u64, begun: f64, answered: Answered<Answer>) {
        let took_us = ((now_ms() - begun).max(0.0) * 1e3) as u64;
        let progress = match answered {
            Ok((status, answer)) => Progress::Answered { status, answer },
            Err(Failure::Refused { status, error }) => Progress::Refused { status, error },
            Err(Failure::Garbled { status }) => Progress::Refused {
                status,
                error: ApiError::new(ErrorCode::Internal, format!("HTTP {status}")),
            },
            Err(Failure::NoAnswer) => Progress::NoAnswer,
        };
        self.outcomes.update(|all| {
            if let Some(outcome) = all.iter_mut().find(|outcome| outcome.id == id) {
                let settled = Exchange { took_us, progress, ..Exchange::clone(outcome) };
                *outcome = Arc::new(settled);
            }
        });
    }

    /// Asks again and again for a queued wait, until it ended one way or another. Under the request's own key: what is
    /// asked for is what became of that request.
    fn keep_wait(self, ask: LockAsk, base: String, id: u64, key: String) {
        let wait = (ask.client.clone(), ask.resource.clone());
        let known = self.waits.with_value(|waits| waits.contains(&wait));
        if known {
            return;
        }
        self.waits.update_value(|waits| waits.push(wait.clone()));
        spawn_local(async move {
            let begun = now_ms();
            for _ in 0..POLLS_MAX {
                request::sleep_ms(POLL_EVERY_MS).await;
                if !self.waits.with_value(|waits| waits.contains(&wait)) {
                    return;
                }
                let answered = ask.send(&base, &key).await;
                let waits_on =
                    matches!(answered, Ok((_, LockAnswer::Waiting { .. })) | Err(Failure::NoAnswer));
                if !waits_on {
                    self.settle(id, begun, answered.map(of_lock));
                    break;
                }
            }
            self.forget_wait(&ask);
        });
    }

    fn forget_wait(self, ask: &LockAsk) {
        self.waits.update_value(|waits| {
            waits.retain(|(client, resource)| *client != ask.client || *resource != ask.resource);
        });
    }

    /// Lets the supervisor do something to a node's process.
    pub fn process(self, node: NodeName, action: ProcessAction) {
        spawn_local(async move {
            if let Err(why) = self.process_now(&node, action).await {
                self.notice.set(Some(format!("{node}: {why}")));
            }
        });
    }

    /// The same, and waits for the supervisor's answer.
    pub async fn process_now(self, node: &NodeName, action: ProcessAction) -> Result<(), String> {
        self.notice.set(None);
        self.supervised(request::process(node, action).await)
    }

    fn supervised(self, answer: Result<(), Failure>) -> Result<(), String> {
        let t = self.ui.lang.get_untracked().strings();
        match answer {
            Ok(()) => Ok(()),
            Err(Failure::Garbled { status: 404 | 405 }) => Err(t.cluster.no_supervisor.to_owned()),
            Err(failure) => Err(self.words(&failure)),
        }
    }

    /// Lets the supervisor start one more node, which joins the cluster.
    pub fn add_node(self) {
        self.notice.set(None);
        spawn_local(async move {
            if let Err(why) = self.supervised(request::add_node().await) {
                self.notice.set(Some(why));
            }
        });
    }

    /// Lets a node go, as soon as its shards moved away.
    pub fn remove_node(self, node: NodeName) {
        self.notice.set(None);
        spawn_local(async move {
            if let Err(why) = self.supervised(request::remove_node(&node).await) {
                self.notice.set(Some(format!("{node}: {why}")));
            }
        });
    }

    /// Asks the cluster to let a node lead.
    pub fn lead(self, node: NodeName) {
        self.notice.set(None);
        spawn_local(async move {
            let base = self.playback.now(|view| request::base(view, &node));
            let Some(base) = base else { return };
            if let Err(failure) = request::transfer_leader(&base, &node).await {
                self.notice.set(Some(format!("{node}: {}", self.words(&failure))));
            }
        });
    }

    /// Cuts or heals both directions between two nodes.
    pub async fn part(self, one: &NodeName, other: &NodeName, cut: bool) -> Result<(), String> {
        self.links(&[(one.clone(), other.clone()), (other.clone(), one.clone())], cut).await
    }

    /// Cuts or heals both directions between a node and each of the others, all at once: a network that breaks link by
    /// link is another story than one that breaks.
    pub async fn isolate(self, node: &NodeName, cut: bool) -> Result<(), String> {
        let others: Vec<NodeName> = self.playback.now(|view| {
            let members =
                if view.membership.voters.is_empty() { &*view.order } else { &view.membership.voters };
            members.iter().filter(|other| *other != node).cloned().collect()
        });
        let both = |other: &NodeName| [(node.clone(), other.clone()), (other.clone(), node.clone())];
        self.links(&others.iter().flat_map(both).collect::<Vec<_>>(), cut).await
    }

    /// Cuts or heals these directions, all at once.
    pub async fn links(self, links: &[(NodeName, NodeName)], cut: bool) -> Result<(), String> {
        request::cut_links(links, cut).await.map_err(|failure| self.words(&failure))
    }

    fn words(self, failure: &Failure) -> String {
        let t = self.ui.lang.get_untracked().strings();
        match failure {
            Failure::Refused { error, .. } => format!("{} {}", (t.error)(error.code), error.message),
            Failure::Garbled { status } => format!("HTTP {status}"),
            Failure::NoAnswer => t.trouble.unreachable.to_owned(),
        }
    }

    /// Adds a client and acts as it.
    pub fn add_client(self, name: &str) {
        let name = SmolStr::from(name.trim());
        if name.is_empty() {
            return;
        }
        self.ui.clients.update(|clients| {
            if !clients.contains(&name) && clients.len() < CLIENTS_MAX {
                Arc::make_mut(clients).push(name.clone());
            }
        });
        if self.ui.clients.with_untracked(|clients| clients.contains(&name)) {
            self.ui.client.set(name);
        }
    }
}

/// The reader's wall clock, for how long an answer took.
pub fn now_ms() -> f64 {
    js_sys::Date::now()
}

fn of_lock((status, answer): (u16, LockAnswer)) -> (u16, Answer) {
    (status, Answer::Lock(Box::new(answer)))
}

/// Sends a queue request and waits for its answer.
pub async fn send_queue_once(base: &str, ask: &QueueAsk, key: &str) -> Answered<QueueAnswer> {
    request::ask(base, ask.prepared(), key, ANSWER_SLACK_MS, |text| queue_answer(ask, text)).await
}
