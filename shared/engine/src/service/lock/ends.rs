//! How the waits of the lock table ended, as this node applied it, for the requests that wait for it. What is known only since
//! a moment ago is remembered for a while: a grant may be applied here before its request knows the wait's number.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use openraft::AsyncRuntime;
use openraft::async_runtime::{Oneshot, OneshotSender};
use orrery_base::ids::LeaseMs;
use orrery_lock::fact::{NewHold, ReleaseCause};
use orrery_lock::{FencingToken, Holder, LockFact, Mode, WaitEdge, WaitId};
use orrery_machine::ServiceFact;

use crate::config::EngineConfig;
use crate::host::Host;
use crate::raft::state::StateMachine;
use crate::raft::watch::{News, Watcher};
use crate::sync::lock;

type Sender<R, T> = <<R as AsyncRuntime>::Oneshot as Oneshot>::Sender<T>;
/// Resolves once; to an error only when the group is gone.
pub type Receiver<R, T> = <<R as AsyncRuntime>::Oneshot as Oneshot>::Receiver<T>;

/// How a lock's wait ended, as this replica applied it.
#[derive(Clone, Debug, PartialEq)]
pub enum WaitEnd {
    Granted {
        fencing_token: FencingToken,
        mode: Mode,
        /// What was left of the lease at the grant; none where a session's lease covers it.
        expires_in_ms: Option<u64>,
    },
    /// It was the youngest waiter of a cycle.
    Deadlock { cycle: Vec<WaitEdge>, victim: Holder },
    /// It ended without a grant.
    Ended(ReleaseCause),
    /// A snapshot replaced the state meanwhile: ask the state machine.
    Skipped,
}

/// Who waits for such an end, and the last ends.
pub struct Ends<R: AsyncRuntime> {
    held: Mutex<Held<R>>,
}

/// Changed and looked at under the state machine's lock.
struct Held<R: AsyncRuntime> {
    pending: BTreeMap<WaitId, Vec<Sender<R, WaitEnd>>>,
    ended: BTreeMap<WaitId, WaitEnd>,
    /// The same in the order of their ends, with the monotonic microsecond of each.
    order: VecDeque<(u64, WaitId)>,
    memory_us: u64,
    memory_max: usize,
}

impl<R: AsyncRuntime> Ends<R> {
    /// Nothing has ended yet.
    pub fn new(config: &EngineConfig) -> Self {
        Ends {
            held: Mutex::new(Held {
                pending: BTreeMap::new(),
                ended: BTreeMap::new(),
                order: VecDeque::new(),
                memory_us: config.wait_memory.as_micros() as u64,
                memory_max: config.wait_memory_max,
            }),
        }
    }

    /// Resolves when that wait has ended in this state.
    pub fn of<H: Host<Runtime = R>>(&self, state: &StateMachine<H>, wait: WaitId) -> Receiver<R, WaitEnd> {
        state.read_at(|machine, applied| {
            let begun = applied >= Some(wait.0);
            lock(&self.held).end_of(wait, begun, || machine.locks().is_waiting(wait))
        })
    }
}

impl<R: AsyncRuntime> Watcher for Ends<R> {
    fn applied(&self, news: &News<'_>) {
        if news.applied.facts.is_empty() {
            return;
        }
        let mut held = lock(&self.held);
        for fact in &news.applied.facts {
            held.applied_fact(fact, news.clock_ms, news.now_us);
        }
    }

    fn replaced(&self) {
        lock(&self.held).skipped();
    }
}

impl<R: AsyncRuntime> Held<R> {
    /// The end of a wait, now or later. `present` says whether the state machine still has it, given that it
    /// applied the entry that began it.
    fn end_of(&mut self, wait: WaitId, begun: bool, present: impl FnOnce() -> bool) -> Receiver<R, WaitEnd> {
        let (sender, receiver) = R::Oneshot::channel();
        // A receiver that is gone meanwhile needs no answer.
        let _ = match self.ended.get(&wait) {
            Some(end) => sender.send(end.clone()),
            None if begun && !present() => sender.send(WaitEnd::Skipped),
            None => {
                self.pending.entry(wait).or_default().push(sender);
                Ok(())
            }
        };
        receiver
    }

    /// A fact was applied.
    fn applied_fact(&mut self, fact: &ServiceFact, clock_ms: LeaseMs, now_us: u64) {
        let ServiceFact::Lock(fact) = fact else { return };
        let (wait, end) = match (fact.new_hold(), fact) {
            (Some(NewHold { wait: Some(wait), fencing_token, mode, expires_at_ms, .. }), _) => {
                let expires_in_ms = expires_at_ms.map(|at| at.saturating_sub(clock_ms));
                (wait, WaitEnd::Granted { fencing_token, mode, expires_in_ms })
            }
            (None, LockFact::Deadlock { wait, cycle, victim }) => {
                (*wait, WaitEnd::Deadlock { cycle: cycle.clone(), victim: victim.clone() })
            }
            (None, LockFact::WaitEnded { wait, cause, .. }) => (*wait, WaitEnd::Ended(*cause)),
            _ => return,
        };
        for sender in self.pending.remove(&wait).unwrap_or_default() {
            let _ = sender.send(end.clone());
        }
        if self.ended.insert(wait, end).is_none() {
            self.order.push_back((now_us, wait));
        }
        while self.order.len() > self.memory_max
            || self.order.front().is_some_and(|(at_us, _)| at_us + self.memory_us < now_us)
        {
            if let Some((_, wait)) = self.order.pop_front() {
                self.ended.remove(&wait);
            }
        }
    }

    /// A snapshot replaced the state: whoever waits must ask.
    fn skipped(&mut self) {
        for sender in std::mem::take(&mut self.pending).into_values().flatten() {
            let _ = sender.send(WaitEnd::Skipped);
        }
    }
}
