//! The director: finds what is worth seeing in the facts, in order, and writes the [`Score`] that slows the
//! view clock down for it.
//!
//! A message on one machine takes about a tenth of a millisecond, a write to the disk some milliseconds, an
//! election timer some hundred. So each stretch between two moments of a scene has its own rate: slow while
//! messages are on their way (one takes about [`CROSSING_S`] to cross), quicker while everybody waits.

mod recall;

use std::collections::VecDeque;

use orrery_api::operation::Operation;
use orrery_base::ids::{GroupId, NodeName};
use orrery_base::sorted::SortedMap;
use orrery_event::Fact;
use orrery_event::fact::{Message, MessageId, Role};
use orrery_lock::LockFact;
use orrery_machine::ServiceFact;
use smol_str::{SmolStr, format_smolstr};

use super::SceneKind;
use super::score::{Score, Segment};
use crate::math::log;

/// Whether such a request is worth a scene.
fn is_watched(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Acquire
            | Operation::Release
            | Operation::Cancel
            | Operation::Publish
            | Operation::Read
            | Operation::Write
            | Operation::WriteBack
            | Operation::Delete
    )
}

/// How long a typical message takes to cross the stage in a scene.
pub const CROSSING_S: f64 = 0.7;
/// Longest stretch while messages are on their way, and while nothing is.
const FLYING_S_MAX: f64 = 0.9;
const WAITING_S_MAX: f64 = 0.4;
/// The same while a write waits for the lease of somebody who does not answer.
const LEASE_S_MAX: f64 = 2.5;
/// Whoever has not answered by then is waited for.
const LEASE_US: u64 = 20_000;
/// A scene that takes longer than this on the screen is hurried, and one that takes so long is over.
const SCENE_S: f64 = 4.0;
const SCENE_S_MAX: f64 = 8.0;
/// The same of a single request: there are many of them.
const REQUEST_S: f64 = 1.6;
/// Who waits asks again and again. The same question within this time is not shown again.
const REPEAT_US: u64 = 5_000_000;
/// So many questions are remembered for that.
const QUESTIONS_MAX: usize = 32;
/// The question before an election is shown this much quicker than the election.
const ASKED_ONLY: f64 = 0.45;
/// A question that was refused is asked again and again while a node hears its leader too late: for so long after
/// one that was shown, no other is.
const REFUSED_US: u64 = 10_000_000;
/// Requests are followed only while there are at most this many within [`CALM_US`].
const CALM_REQUESTS: usize = 2;
const CALM_US: u64 = 1_500_000;
/// Scenes that are not opened while what is planned already takes longer than this.
const REQUEST_DEBT_S: f64 = 3.0;
const GRANT_DEBT_S: f64 = 5.0;
const ANY_DEBT_S: f64 = 12.0;
/// What people do to processes is not kept waiting for longer than this by what is planned before it.
const DEED_DEBT_S: f64 = 1.5;
/// A scene in which nothing happens for so long is over.
const REQUEST_IDLE_US: u64 = 700_000;
const ELECTION_IDLE_US: u64 = 3_000_000;
/// Most messages of a scene that are followed at once.
const FLYING_MAX: usize = 256;
/// Screen time per real time that the crossing time may ask for.
const STRETCH: std::ops::RangeInclusive<f64> = 60.0..=20_000.0;
/// How a scene is led in: distance before its first moment, and rate from there.
const LEAD_IN: [(u64, f64); 3] = [(40_000, 0.3), (10_000, 0.06), (1_500, 0.012)];

#[derive(Clone, Debug)]
struct Scene {
    kind: SceneKind,
    last_us: u64,
    shown_s: f64,
    /// Of a request: where it is served, and its number.
    request: Option<(NodeName, u64)>,
    /// Of an election: who won it.
    leader: Option<NodeName>,
    /// Of an election: so far it is only asked about.
    asked_only: bool,
}

impl Scene {
    /// How much quicker everything goes because of how long it took so far.
    fn hurry(&self) -> f64 {
        let enough_s = if self.kind <= SceneKind::Grant { REQUEST_S } else { SCENE_S };
        1.0 / (1.0 + (self.shown_s / enough_s).powi(3))
    }

    /// Whether entries on their way belong to it: of an election only those of its leader.
    fn shows_logs(&self) -> bool {
        self.kind != SceneKind::Election || self.leader.is_some()
    }
}

#[derive(Clone, Debug)]
pub struct Director {
    scene: Option<Scene>,
    flying: SortedMap<MessageId, u64>,
    /// Running mean of how long a message takes.
    latency_us: f64,
    requests: VecDeque<u64>,
    /// When a question before an election was refused last.
    refused_us: Option<u64>,
    /// What clients asked last: who, what, when.
    questions: VecDeque<(SmolStr, SmolStr, u64)>,
    /// The question whose copies are taken away in the present scene: at which home, its number, how many are left.
    fan: Option<(NodeName, u64, usize)>,
    /// When copies were taken away last.
    recalled_us: Option<u64>,
}

impl Default for Director {
    fn default() -> Self {
        let (flying, requests) = (SortedMap::default(), VecDeque::new());
        let questions = VecDeque::new();
        Director {
            scene: None,
            flying,
            latency_us: 150.0,
            requests,
            refused_us: None,
            questions,
            fan: None,
            recalled_us: None,
        }
    }
}

impl Director {
    /// Notes one fact. Facts come in order. `shown_us` is the moment that is shown, so that it knows how
    /// much it has planned already.
    pub fn handle_fact(
        &mut self,
        node: &NodeName,
        at_us: u64,
        fact: &Fact,
        shown_us: u64,
        score: &mut Score,
    ) {
        self.expire(at_us);
        match fact {
            Fact::Sent { message, group, body, .. } if *group == GroupId::CONTROL || self.serves() => {
                self.sent(message, at_us, body, shown_us, score);
            }
            Fact::Received { message, body, .. } => {
                self.ended(message, at_us, true, score);
                if matches!(body, Message::VoteReply { pre: true, granted: false, .. }) {
                    self.refused(at_us);
                }
            }
            Fact::Lost { message, .. } => self.ended(message, at_us, false, score),
            Fact::RoleChanged { group: GroupId::CONTROL, role, .. } => {
                self.role(node, *role, at_us, shown_us, score);
            }
            Fact::Committed { group: GroupId::CONTROL, .. } => self.committed(node, at_us, score),
            Fact::Appended { group: GroupId::CONTROL, .. } | Fact::Synced { group: GroupId::CONTROL, .. }
                if self.scene.as_ref().is_some_and(|scene| scene.kind != SceneKind::Election) =>
            {
                self.moment(at_us, score);
            }
            Fact::RequestBegun { request, operation, client, subject } => {
                let watched = Operation::of_word(operation).is_some_and(is_watched);
                let news = self.is_news(client, &format_smolstr!("{operation} {subject}"), at_us);
                self.begun(node, *request, watched && news, at_us, shown_us, score);
            }
            Fact::RequestEnded { request, .. } => {
                let ours = |scene: &Scene| {
                    scene.request.as_ref().is_some_and(|(at, number)| at == node && number == request)
                };
                if self.scene.as_ref().is_some_and(ours) {
                    self.close(at_us, 0.5, score);
                }
            }
            Fact::Service { group: GroupId::CONTROL, fact, .. } => {
                self.service(fact, at_us, shown_us, score);
            }
            Fact::CacheHome { fact, .. } => self.recall(node, fact, at_us, shown_us, score),
            Fact::NodeExited { .. } => self.deed(at_us, Some(0.8), shown_us, score),
            Fact::NodePaused { .. } => self.deed(at_us, Some(0.6), shown_us, score),
            Fact::NodeStarted { .. } | Fact::NodeResumed { .. } => self.deed(at_us, None, shown_us, score),
            Fact::LinkFault { cut: true, .. } => self.failure(at_us, 0.6, shown_us, score),
            _ => {}
        }
    }

    /// Whether it follows a request: then what a shard's nodes say to each other belongs to it, too.
    fn serves(&self) -> bool {
        self.scene.as_ref().is_some_and(|scene| matches!(scene.kind, SceneKind::Request | SceneKind::Recall))
    }

    fn sent(&mut self, message: &MessageId, at_us: u64, body: &Message, shown_us: u64, score: &mut Score) {
        if matches!(body, Message::Vote { .. } | Message::TransferLeader { .. }) {
            let asks = matches!(body, Message::Vote { pre: true, .. });
            if asks && self.refused_us.is_some_and(|refused_us| at_us < refused_us + REFUSED_US) {
                return;
            }
            let opened = self.open(SceneKind::Election, at_us, shown_us, score);
            if let Some(scene) = &mut self.scene {
                scene.asked_only = asks && (opened || scene.asked_only);
            }
        }
        let Some(scene) = &self.scene else { return };
        let shown = match body {
            Message::Vote { .. } | Message::VoteReply { .. } | Message::TransferLeader { .. } => true,
            Message::Append { .. } | Message::AppendReply { .. } => scene.shows_logs(),
            Message::Forward { .. }
            | Message::ForwardReply { .. }
            | Message::CacheAsk { .. }
            | Message::CacheAnswer { .. }
            | Message::CacheRecall { .. }
            | Message::CacheRecalled { .. } => scene.kind != SceneKind::Election,
            _ => false,
        };
        if shown {
            self.moment(at_us, score);
            if self.flying.len() < FLYING_MAX {
                self.flying.insert(message.clone(), at_us);
            }
        }
    }

    fn ended(&mut self, message: &MessageId, at_us: u64, arrived: bool, score: &mut Score) {
        if !self.flying.contains_key(message) {
            return;
        }
        if arrived {
            self.moment(at_us, score);
        }
        let Some(sent_us) = self.flying.remove(message) else { return };
        if arrived {
            let took_us = at_us.saturating_sub(sent_us).clamp(10, 20_000) as f64;
            self.latency_us += (took_us - self.latency_us) * 0.1;
        }
    }

    /// A node that hears its leader refused: nothing will come of the question.
    fn refused(&mut self, at_us: u64) {
        if self.scene.as_ref().is_some_and(|scene| scene.asked_only) {
            self.refused_us = Some(at_us);
            self.scene = None;
            self.flying = SortedMap::default();
        }
    }

    fn role(&mut self, node: &NodeName, role: Role, at_us: u64, shown_us: u64, score: &mut Score) {
        match role {
            Role::Candidate => {
                self.open(SceneKind::Election, at_us, shown_us, score);
                self.moment(at_us, score);
                if let Some(scene) = &mut self.scene {
                    scene.asked_only = false;
                }
                self.hold(at_us, 0.4, score);
            }
            Role::Leader => {
                self.open(SceneKind::Election, at_us, shown_us, score);
                self.moment(at_us, score);
                self.hold(at_us, 1.0, score);
                if let Some(scene) = &mut self.scene {
                    scene.leader = Some(node.clone());
                }
            }
            Role::Follower | Role::Learner => self.moment(at_us, score),
        }
    }

    fn committed(&mut self, node: &NodeName, at_us: u64, score: &mut Score) {
        if !self.scene.as_ref().is_some_and(Scene::shows_logs) {
            return;
        }
        self.moment(at_us, score);
        let elected = self
            .scene
            .as_ref()
            .is_some_and(|scene| scene.kind == SceneKind::Election && scene.leader.as_ref() == Some(node));
        if elected {
            self.close(at_us, 0.5, score);
        } else if self.scene.as_ref().is_some_and(|scene| scene.kind == SceneKind::Request) {
            self.hold(at_us, 0.15, score);
        }
    }

    fn begun(
        &mut self,
        node: &NodeName,
        request: u64,
        watched: bool,
        at_us: u64,
        shown_us: u64,
        score: &mut Score,
    ) {
        while self.requests.front().is_some_and(|begun| begun + CALM_US < at_us) {
            self.requests.pop_front();
        }
        self.requests.push_back(at_us);
        if self.requests.len() > 4 * CALM_REQUESTS {
            self.requests.pop_front();
        }
        let calm = self.requests.len() <= CALM_REQUESTS;
        if !calm {
            self.abandon(shown_us, score);
        }
        if calm && watched && self.open(SceneKind::Request, at_us, shown_us, score) {
            if let Some(scene) = &mut self.scene {
                scene.request = Some((node.clone(), request));
            }
            self.hold(at_us, 0.4, score);
        }
    }

    fn service(&mut self, fact: &ServiceFact, at_us: u64, shown_us: u64, score: &mut Score) {
        match fact {
            ServiceFact::Lock(LockFact::Deadlock { .. }) => {
                self.open(SceneKind::Deadlock, at_us, shown_us, score);
                self.moment(at_us, score);
                self.hold(at_us, 2.2, score);
            }
            ServiceFact::Lock(fact) if fact.is_handover() => {
                let opened = self.open(SceneKind::Grant, at_us, shown_us, score);
                self.moment(at_us, score);
                self.hold(at_us, if opened { 0.9 } else { 0.5 }, score);
                if opened {
                    self.close(at_us, 0.1, score);
                }
            }
            ServiceFact::Lock(LockFact::Queued { .. }) => {
                // The request goes on waiting, for longer than anybody wants to watch it slowly.
                self.moment(at_us, score);
                if self.scene.as_ref().is_some_and(|scene| scene.kind == SceneKind::Request) {
                    self.close(at_us, 0.7, score);
                }
            }
            ServiceFact::Lock(LockFact::SessionRenewed { .. })
            | ServiceFact::Lock(LockFact::Renewed { .. })
            | ServiceFact::LocksCounted { .. } => {}
            _ => {
                self.moment(at_us, score);
                if self.scene.is_some() {
                    self.hold(at_us, 0.3, score);
                }
            }
        }
    }

    /// Whether a client asks this for the first time in a while.
    fn is_news(&mut self, client: &SmolStr, what: &SmolStr, at_us: u64) -> bool {
        let known = self.questions.iter_mut().find(|(by, of, _)| by == client && of == what);
        if let Some((.., asked_us)) = known {
            return std::mem::replace(asked_us, at_us) + REPEAT_US < at_us;
        }
        if self.questions.len() >= QUESTIONS_MAX {
            self.questions.pop_front();
        }
        self.questions.push_back((client.clone(), what.clone(), at_us));
        true
    }

    /// Many requests at once are no scene: what was planned for the first of them goes.
    fn abandon(&mut self, shown_us: u64, score: &mut Score) {
        let single = |kind: SceneKind| kind <= SceneKind::Recall;
        if self.scene.as_ref().is_some_and(|scene| single(scene.kind)) {
            self.scene = None;
            self.flying = SortedMap::default();
            score.drop_after(shown_us * 1_000, single);
        }
    }

    /// Somebody killed, stopped or started a process, and wants to see it: what is planned before it is hurried.
    /// A process that comes back is seen to, but nothing stands still for it.
    fn deed(&mut self, at_us: u64, hold_s: Option<f64>, shown_us: u64, score: &mut Score) {
        score.squeeze(shown_us * 1_000, DEED_DEBT_S);
        match hold_s {
            Some(hold_s) => self.failure(at_us, hold_s, shown_us, score),
            None => self.moment(at_us, score),
        }
    }

    fn failure(&mut self, at_us: u64, hold_s: f64, shown_us: u64, score: &mut Score) {
        let opened = self.open(SceneKind::Failure, at_us, shown_us, score);
        self.moment(at_us, score);
        self.hold(at_us, hold_s, score);
        if opened {
            self.close(at_us, 0.2, score);
        }
    }

    /// Opens a scene, unless a more important one runs or too much is planned already. True where it did.
    fn open(&mut self, kind: SceneKind, at_us: u64, shown_us: u64, score: &mut Score) -> bool {
        if let Some(scene) = &mut self.scene {
            if kind > scene.kind {
                scene.kind = kind;
            }
            return false;
        }
        let debt_s = score.shown_after_s(shown_us * 1_000);
        let most_s = match kind {
            SceneKind::Request => REQUEST_DEBT_S,
            SceneKind::Grant | SceneKind::Recall => GRANT_DEBT_S,
            _ => ANY_DEBT_S,
        };
        if debt_s > most_s {
            return false;
        }
        for (at, (before_us, rate)) in LEAD_IN.iter().enumerate() {
            let until_us = LEAD_IN.get(at + 1).map_or(0, |next| next.0);
            score.push(Segment {
                from_ns: at_us.saturating_sub(*before_us) * 1_000,
                to_ns: at_us.saturating_sub(until_us) * 1_000,
                rate: *rate,
                kind,
            });
        }
        self.flying = SortedMap::default();
        self.scene = Some(Scene {
            kind,
            last_us: at_us,
            shown_s: 0.0,
            request: None,
            leader: None,
            asked_only: false,
        });
        true
    }

    /// Something happens in the scene: decides how long the stretch since the last moment takes.
    fn moment(&mut self, at_us: u64, score: &mut Score) {
        let Some(scene) = &mut self.scene else { return };
        let gap_us = at_us.saturating_sub(scene.last_us);
        if gap_us == 0 {
            return;
        }
        let recent_us = (self.latency_us * 6.0) as u64 + 1_000;
        let flying = self.flying.values().any(|sent_us| sent_us + recent_us >= at_us);
        let stretch = (CROSSING_S * 1e6 / self.latency_us).clamp(*STRETCH.start(), *STRETCH.end());
        let gap_s = gap_us as f64 / 1e6;
        let waiting_s = match &self.fan {
            Some(_) if gap_us > LEASE_US => LEASE_S_MAX,
            _ => WAITING_S_MAX + 0.12 * log(1.0 + gap_s * 100.0),
        };
        let most_s = if flying { FLYING_S_MAX } else { waiting_s };
        let hurry = scene.hurry();
        let asked = if scene.asked_only { ASKED_ONLY } else { 1.0 };
        let shown_s = (gap_s * stretch).min(most_s) * hurry * asked;
        scene.shown_s += shown_s;
        if shown_s > gap_s {
            let (from_ns, to_ns) = (scene.last_us * 1_000, at_us * 1_000);
            score.push(Segment { from_ns, to_ns, rate: gap_s / shown_s, kind: scene.kind });
        }
        scene.last_us = at_us;
        if scene.shown_s > SCENE_S_MAX {
            self.scene = None;
            self.flying = SortedMap::default();
        }
    }

    /// Stands still (nearly) at a moment, so that people can read it.
    fn hold(&mut self, at_us: u64, seconds: f64, score: &mut Score) {
        let Some(scene) = &mut self.scene else { return };
        let seconds = seconds * scene.hurry();
        scene.shown_s += seconds;
        let (from_ns, to_ns) = (at_us * 1_000, at_us * 1_000 + 900);
        score.push(Segment { from_ns, to_ns, rate: 900e-9 / seconds, kind: scene.kind });
    }

    fn close(&mut self, at_us: u64, hold_s: f64, score: &mut Score) {
        self.moment(at_us, score);
        self.hold(at_us, hold_s, score);
        self.scene = None;
        self.flying = SortedMap::default();
    }

    fn expire(&mut self, at_us: u64) {
        let over = self.scene.as_ref().is_some_and(|scene| {
            let idle_us = match scene.kind {
                SceneKind::Election | SceneKind::Failure | SceneKind::Recall => ELECTION_IDLE_US,
                _ => REQUEST_IDLE_US,
            };
            scene.last_us + idle_us < at_us
        });
        if over {
            self.scene = None;
            self.flying = SortedMap::default();
        }
    }
}

#[cfg(test)]
mod tests;
