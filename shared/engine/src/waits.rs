//! Requests that wait for something to be applied on this replica: for an index, or for the end of a lock's wait.
//! Whatever is known only since a moment ago is remembered for a while, because a grant may be applied here
//! before its request knows the wait's number.

use std::collections::{BTreeMap, VecDeque};

use openraft::AsyncRuntime;
use openraft::async_runtime::{Oneshot, OneshotSender};
use orrery_base::ids::{LeaseMs, LogIndex};
use orrery_lock::fact::ReleaseCause;
use orrery_lock::{FencingToken, Holder, LockFact, Mode, WaitEdge, WaitId};
use orrery_machine::ServiceFact;

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

/// The registry. Every method is called under the state machine's lock.
pub struct Waits<R: AsyncRuntime> {
    pending: BTreeMap<WaitId, Vec<Sender<R, WaitEnd>>>,
    ended: BTreeMap<WaitId, WaitEnd>,
    /// The same in the order of their ends, with the monotonic microsecond of each.
    order: VecDeque<(u64, WaitId)>,
    applied: BTreeMap<LogIndex, Vec<Sender<R, ()>>>,
    memory_us: u64,
    memory_max: usize,
}

impl<R: AsyncRuntime> Waits<R> {
    /// Remembers at most `memory_max` ends for `memory_us`.
    pub fn new(memory_us: u64, memory_max: usize) -> Self {
        Waits {
            pending: BTreeMap::new(),
            ended: BTreeMap::new(),
            order: VecDeque::new(),
            applied: BTreeMap::new(),
            memory_us,
            memory_max,
        }
    }

    /// The end of a wait, now or later. `present` says whether the state machine still has it, given that it
    /// applied the entry that began it.
    pub fn end_of(
        &mut self,
        wait: WaitId,
        begun: bool,
        present: impl FnOnce() -> bool,
    ) -> Receiver<R, WaitEnd> {
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
    pub fn applied_fact(&mut self, fact: &ServiceFact, clock_ms: LeaseMs, now_us: u64) {
        let (wait, end) = match fact {
            ServiceFact::Lock(LockFact::Granted {
                wait: Some(wait),
                fencing_token,
                mode,
                expires_at_ms,
                ..
            }) => {
                let expires_in_ms = expires_at_ms.map(|at| at.saturating_sub(clock_ms));
                (*wait, WaitEnd::Granted { fencing_token: *fencing_token, mode: *mode, expires_in_ms })
            }
            ServiceFact::Lock(LockFact::Deadlock { wait, cycle, victim }) => {
                (*wait, WaitEnd::Deadlock { cycle: cycle.clone(), victim: victim.clone() })
            }
            ServiceFact::Lock(LockFact::WaitEnded { wait, cause, .. }) => (*wait, WaitEnd::Ended(*cause)),
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
    pub fn skipped(&mut self) {
        for sender in std::mem::take(&mut self.pending).into_values().flatten() {
            let _ = sender.send(WaitEnd::Skipped);
        }
    }

    /// Resolves when `index` is applied.
    pub fn index(&mut self, index: LogIndex, applied: Option<LogIndex>) -> Receiver<R, ()> {
        let (sender, receiver) = R::Oneshot::channel();
        if applied >= Some(index) {
            let _ = sender.send(());
        } else {
            self.applied.entry(index).or_default().push(sender);
        }
        receiver
    }

    /// `index` is applied.
    pub fn applied_index(&mut self, index: LogIndex) {
        while let Some(entry) = self.applied.first_entry() {
            if *entry.key() > index {
                return;
            }
            for sender in entry.remove() {
                let _ = sender.send(());
            }
        }
    }
}
