//! Scenarios: a few requests and process operations in the order that makes one thing visible.
//! Each waits for the state that it needs, with a deadline, never for time to pass.

mod partial;
mod sharer;

use leptos::prelude::*;
use leptos::task::spawn_local;
use orrery_api::lock::LockAnswer;
use orrery_base::ids::NodeName;
use orrery_lock::Mode;
use orrery_projection::view::View;
use smol_str::SmolStr;

use crate::actions::Actions;
use crate::i18n::{Meaning, Strings};
use crate::look::Status;
use crate::request::lock::{LockAsk, LockOperation};
use crate::request::{self, ProcessAction};
use crate::store::{Origin, Playback};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    LeaderCrash,
    /// Two clients in a circle.
    DeadlockTwo,
    /// Three clients in a circle.
    DeadlockThree,
    /// A lease runs out, and the token grows.
    HolderDies,
    /// Cut the leader off until another leads, then heal the links.
    StaleLeader,
    /// Leave the leader only one link, to a node that the others reach as well.
    PartialNetwork,
    /// Cut a sharer of a cache line off from its home, and write elsewhere.
    CutSharer,
    /// Start and resume every node.
    Restore,
}

/// Between two requests, so that their order is seen.
const BEAT_MS: u64 = 500;

/// Lease of the holder that falls silent.
const SHORT_LEASE_MS: u64 = 6_000;

/// So long the old leader goes on believing that it leads, for people to see it.
const STALE_MS: u64 = 5_000;

/// A scenario waits for the cluster at most so long.
const PATIENCE_MS: u64 = 30_000;

impl Scenario {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Scenario; 8] = [
        Scenario::LeaderCrash,
        Scenario::StaleLeader,
        Scenario::PartialNetwork,
        Scenario::DeadlockTwo,
        Scenario::DeadlockThree,
        Scenario::HolderDies,
        Scenario::CutSharer,
        Scenario::Restore,
    ];

    /// Its key on the keyboard.
    pub fn key(self) -> &'static str {
        match self {
            Scenario::LeaderCrash => "A",
            Scenario::StaleLeader => "D",
            Scenario::PartialNetwork => "9",
            Scenario::DeadlockTwo => "S",
            Scenario::DeadlockThree => "F",
            Scenario::HolderDies => "G",
            Scenario::CutSharer => "Z",
            Scenario::Restore => "H",
        }
    }

    /// The scenario of a key.
    pub fn of_key(key: &str) -> Option<Scenario> {
        Scenario::ALL.into_iter().find(|scenario| scenario.key().eq_ignore_ascii_case(key))
    }

    /// Stable name, for ids.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::LeaderCrash => "leader-crash",
            Scenario::StaleLeader => "stale-leader",
            Scenario::PartialNetwork => "partial-network",
            Scenario::DeadlockTwo => "deadlock-two",
            Scenario::DeadlockThree => "deadlock-three",
            Scenario::HolderDies => "holder-dies",
            Scenario::CutSharer => "cut-sharer",
            Scenario::Restore => "restore",
        }
    }

    pub fn words(self, t: &'static Strings) -> &'static Meaning {
        match self {
            Scenario::LeaderCrash => &t.scenarios.leader_crash,
            Scenario::StaleLeader => &t.scenarios.stale_leader,
            Scenario::PartialNetwork => &t.scenarios.partial_network,
            Scenario::DeadlockTwo => &t.scenarios.deadlock_two,
            Scenario::DeadlockThree => &t.scenarios.deadlock_three,
            Scenario::HolderDies => &t.scenarios.holder_dies,
            Scenario::CutSharer => &t.scenarios.cut_sharer,
            Scenario::Restore => &t.scenarios.restore,
        }
    }

    /// Whether it needs the supervisor.
    pub fn needs_supervisor(self) -> bool {
        matches!(self, Scenario::LeaderCrash | Scenario::Restore)
    }
}

/// Runs a scenario, unless one runs already.
pub fn run(scenario: Scenario, actions: Actions) {
    let t = actions.ui.lang.get_untracked().strings();
    if actions.scenario.with_untracked(Option::is_some) {
        return;
    }
    if scenario.needs_supervisor() && actions.playback.origin.get_untracked() == Origin::Node {
        actions.notice.set(Some(t.cluster.no_supervisor.to_owned()));
        return;
    }
    actions.notice.set(None);
    actions.scenario.set(Some((scenario.name(), String::new())));
    spawn_local(async move {
        let play = Play { scenario, actions, t };
        if let Err(why) = play.perform().await {
            actions.notice.set(Some((t.scenarios.failed)(scenario.words(t).name, &why)));
        }
        actions.scenario.set(None);
    });
}

/// A scenario that runs.
#[derive(Clone, Copy)]
struct Play {
    scenario: Scenario,
    actions: Actions,
    t: &'static Strings,
}

impl Play {
    async fn perform(self) -> Result<(), String> {
        match self.scenario {
            Scenario::LeaderCrash => {
                let leader = self.leader()?;
                self.process(&leader, ProcessAction::Kill).await
            }
            Scenario::StaleLeader => self.stale_leader().await,
            Scenario::PartialNetwork => self.partial_network().await,
            Scenario::DeadlockTwo => self.deadlock(2).await,
            Scenario::DeadlockThree => self.deadlock(3).await,
            Scenario::HolderDies => self.holder_dies().await,
            Scenario::CutSharer => self.cut_sharer().await,
            Scenario::Restore => self.restore().await,
        }
    }

    /// Cuts the leader off. It does not notice; the others elect another. Then the links are healed.
    async fn stale_leader(self) -> Result<(), String> {
        let old = self.leader()?;
        self.say((self.t.scenarios.step_cut)(&old));
        let cut = self.actions.isolate(&old, true).await;
        let alone = old.clone();
        let elected = cut.is_ok()
            && self
                .until(Box::new(move |view| view.leadership().leader.is_some_and(|leader| leader != alone)))
                .await;
        if elected {
            request::sleep_ms(STALE_MS).await;
        }
        // Healed in any case: a scenario leaves nothing cut.
        self.say((self.t.scenarios.step_heal)(&old));
        self.actions.isolate(&old, false).await?;
        cut?;
        if elected { Ok(()) } else { Err(self.t.scenarios.no_leader.to_owned()) }
    }

    /// Everybody takes one fork, then wants the next one's.
    async fn deadlock(self, count: usize) -> Result<(), String> {
        let people: Vec<SmolStr> =
            self.actions.ui.clients.get_untracked().iter().take(count).cloned().collect();
        if people.len() < count {
            return Err((self.t.scenarios.needs_clients)(count, people.len()));
        }
        let forks: Vec<SmolStr> = (1..=count).map(|number| format!("fork-{number}").into()).collect();
        // What an earlier run left behind would hide the circle.
        for person in &people {
            for fork in &forks {
                self.quietly(LockOperation::Cancel, person, fork).await;
                self.quietly(LockOperation::Release, person, fork).await;
            }
        }
        for (person, fork) in people.iter().zip(&forks) {
            self.say((self.t.scenarios.step_take)(person, fork));
            let answer = self.ask(LockOperation::Acquire, person, fork, 30_000).await;
            if !matches!(answer, Some(LockAnswer::Acquired { .. })) {
                return Err(self.t.scenarios.no_leader.to_owned());
            }
            request::sleep_ms(BEAT_MS).await;
        }
        for (place, person) in people.iter().enumerate() {
            let fork = &forks[(place + 1) % count];
            self.say((self.t.scenarios.step_want)(person, fork));
            // A wait of before may close a circle earlier: then it has been seen.
            if let Some(LockAnswer::Deadlock { .. }) =
                self.ask(LockOperation::Queue, person, fork, 30_000).await
            {
                break;
            }
            request::sleep_ms(BEAT_MS).await;
        }
        Ok(())
    }

    async fn holder_dies(self) -> Result<(), String> {
        let people = self.actions.ui.clients.get_untracked();
        let [first, second, ..] = people.as_slice() else {
            return Err((self.t.scenarios.needs_clients)(2, people.len()));
        };
        let what = SmolStr::new_static("exam-room");
        for person in [first, second] {
            self.quietly(LockOperation::Cancel, person, &what).await;
            self.quietly(LockOperation::Release, person, &what).await;
        }
        self.say((self.t.scenarios.step_take)(first, &what));
        self.ask(LockOperation::Acquire, first, &what, SHORT_LEASE_MS).await;
        request::sleep_ms(BEAT_MS).await;
        self.say((self.t.scenarios.step_want)(second, &what));
        self.ask(LockOperation::Queue, second, &what, 30_000).await;
        self.say((self.t.scenarios.step_silent)(first));
        let heir = second.clone();
        let granted = self
            .until(Box::new(move |view| {
                let mut locks = view.locks.table.resources.iter();
                locks.any(|lock| {
                    lock.resource == what && lock.holders.iter().any(|holder| holder.holder.client == heir)
                })
            }))
            .await;
        if granted { Ok(()) } else { Err(self.t.trouble.unreachable.to_owned()) }
    }

    async fn restore(self) -> Result<(), String> {
        let broken: Vec<(NodeName, Status)> = self
            .playback()
            .now(|view| view.in_order().map(|node| (node.name.clone(), Status::of(node))).collect());
        let mut found = false;
        for (node, status) in broken {
            found |= matches!(status, Status::Down | Status::Paused);
            match status {
                Status::Down => self.process(&node, ProcessAction::Start).await?,
                Status::Paused => self.process(&node, ProcessAction::Resume).await?,
                Status::Up | Status::Silent | Status::Unknown => {}
            }
        }
        let mut broken: Vec<NodeName> = self.playback().now(|view| {
            let links = view.links.iter().filter(|(_, link)| !link.fault.is_none());
            links.map(|((from, _), _)| from.clone()).collect()
        });
        // Links are sorted by where they begin.
        broken.dedup();
        for node in &broken {
            self.actions.isolate(node, false).await?;
        }
        if !found && broken.is_empty() {
            self.actions.notice.set(Some(self.t.scenarios.nothing_broken.to_owned()));
        }
        Ok(())
    }

    fn playback(self) -> Playback {
        self.actions.playback
    }

    fn say(self, step: String) {
        self.actions.scenario.set(Some((self.scenario.name(), step)));
    }

    fn leader(self) -> Result<NodeName, String> {
        let leader = self.playback().now(|view| view.leadership().leader);
        leader.ok_or_else(|| self.t.scenarios.no_leader.to_owned())
    }

    async fn process(self, node: &NodeName, action: ProcessAction) -> Result<(), String> {
        let step = match action {
            ProcessAction::Kill => self.t.scenarios.step_kill,
            ProcessAction::Pause => self.t.scenarios.step_pause,
            ProcessAction::Start | ProcessAction::Resume => self.t.scenarios.step_start,
        };
        self.say(step(node));
        self.actions.process_now(node, action).await
    }

    async fn ask(
        self,
        operation: LockOperation,
        client: &SmolStr,
        resource: &SmolStr,
        ttl_ms: u64,
    ) -> Option<LockAnswer> {
        let (client, resource) = (client.clone(), resource.clone());
        let ask = LockAsk { operation, client, resource, mode: Mode::Exclusive, ttl_ms };
        self.actions.send(ask, request::new_key()).await
    }

    /// Only where the table says that there is something to undo.
    async fn quietly(self, operation: LockOperation, client: &SmolStr, resource: &SmolStr) {
        let there = self.playback().now(|view| {
            view.locks.table.resources.iter().filter(|lock| lock.resource == *resource).any(|lock| {
                match operation {
                    LockOperation::Cancel => lock.waiters.iter().any(|other| other.holder.client == *client),
                    _ => lock.holders.iter().any(|other| other.holder.client == *client),
                }
            })
        });
        if there {
            self.ask(operation, client, resource, 0).await;
        }
    }

    /// Waits for a state of the view. False where it did not come in time.
    async fn until(self, reached: Box<dyn Fn(&View) -> bool>) -> bool {
        const LOOK_EVERY_MS: u64 = 100;
        for _ in 0..PATIENCE_MS / LOOK_EVERY_MS {
            if self.playback().now(|view| reached(view)) {
                return true;
            }
            request::sleep_ms(LOOK_EVERY_MS).await;
        }
        false
    }
}
