//! The executor: one thread, one virtual clock, one whole cluster.
//!
//! Ready tasks run in the order in which they were woken; when none is ready, the clock jumps to the next
//! timer. Nothing else moves it, so one seed is one history.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::cell::SyncCell;
use super::join::{self, SimJoin};
use super::rng::SplitMix;

/// Tasks that live and die together: node n is group n, 0 is what surrounds the nodes.
pub type TaskGroup = u32;

/// The group of what surrounds the nodes: wires, clients, faults, checks.
pub const WORLD: TaskGroup = 0;

const MAIN: u64 = u64::MAX;
/// A run needs a few hundred thousand; one that needs this many goes round in circles.
const POLLS_MAX: u64 = 100_000_000;
/// A task that wakes itself without letting time pass burns a processor on a real machine.
const POLLS_AT_ONCE_MAX: u64 = 1_000_000;

type TaskFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
type ReadyQueue = Arc<Mutex<VecDeque<u64>>>;
type AfterPoll = Arc<dyn Fn(TaskGroup) + Send + Sync>;

struct TaskWaker {
    id: u64,
    queued: AtomicBool,
    ready: ReadyQueue,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            push_ready(&self.ready, self.id);
        }
    }
}

fn push_ready(ready: &ReadyQueue, id: u64) {
    ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(id);
}

struct Task {
    /// None while it is being polled.
    future: Option<TaskFuture>,
    waker: Arc<TaskWaker>,
    group: TaskGroup,
}

pub(super) struct Core {
    pub(super) now_ns: SyncCell<u64>,
    next_number: SyncCell<u64>,
    ready: ReadyQueue,
    tasks: SyncCell<BTreeMap<u64, Task>>,
    pub(super) timers: SyncCell<BTreeMap<(u64, u64), Waker>>,
    running: SyncCell<TaskGroup>,
    paused: SyncCell<BTreeSet<TaskGroup>>,
    /// Tasks of paused groups that were woken.
    stalled: SyncCell<BTreeMap<TaskGroup, Vec<u64>>>,
    seed: u64,
    rngs: SyncCell<BTreeMap<TaskGroup, Arc<SyncCell<SplitMix>>>>,
    after_poll: SyncCell<Option<AfterPoll>>,
    polls: SyncCell<u64>,
    /// How many there were when the clock moved last.
    polls_before: SyncCell<u64>,
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Core>>> = const { RefCell::new(None) };
}

/// The simulator that this thread is inside of.
pub(super) fn current() -> Arc<Core> {
    CURRENT.with(|current| current.borrow().clone()).expect("called from within a simulation")
}

/// While it lives, this thread is inside of a simulation.
pub struct Entered(Option<Arc<Core>>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with(|current| *current.borrow_mut() = self.0.take());
    }
}

impl Core {
    pub(super) fn next_number(&self) -> u64 {
        let mut next = self.next_number.borrow_mut();
        *next += 1;
        *next
    }

    pub(super) fn running(&self) -> TaskGroup {
        self.running.get()
    }

    pub(super) fn rng(&self, group: TaskGroup) -> Arc<SyncCell<SplitMix>> {
        let mut rngs = self.rngs.borrow_mut();
        let rng = rngs
            .entry(group)
            .or_insert_with(|| Arc::new(SyncCell::new(SplitMix::new(self.seed, u64::from(group)))));
        rng.clone()
    }

    pub(super) fn spawn<T: Send + 'static>(
        &self,
        group: TaskGroup,
        future: impl Future<Output = T> + Send + 'static,
    ) -> SimJoin<T> {
        let (handle, future) = join::pair(future);
        let id = self.next_number();
        let waker = Arc::new(TaskWaker { id, queued: AtomicBool::new(true), ready: self.ready.clone() });
        self.tasks.borrow_mut().insert(id, Task { future: Some(Box::pin(future)), waker, group });
        push_ready(&self.ready, id);
        handle
    }
}

/// A simulation. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Sim(pub(super) Arc<Core>);

impl Sim {
    /// A simulation at time 0.
    pub fn new(seed: u64) -> Self {
        Sim(Arc::new(Core {
            now_ns: SyncCell::new(0),
            next_number: SyncCell::new(0),
            ready: Arc::default(),
            tasks: SyncCell::default(),
            timers: SyncCell::default(),
            running: SyncCell::new(WORLD),
            paused: SyncCell::default(),
            stalled: SyncCell::default(),
            seed,
            rngs: SyncCell::default(),
            after_poll: SyncCell::new(None),
            polls: SyncCell::new(0),
            polls_before: SyncCell::new(0),
        }))
    }

    /// Makes this thread be inside of the simulation while the guard lives.
    pub fn enter(&self) -> Entered {
        CURRENT.with(|current| Entered(current.borrow_mut().replace(self.0.clone())))
    }

    /// Virtual nanoseconds since the beginning.
    pub fn now_ns(&self) -> u64 {
        self.0.now_ns.get()
    }

    /// Virtual microseconds since the beginning.
    pub fn now_us(&self) -> u64 {
        self.now_ns() / 1_000
    }

    /// How often a task was polled.
    pub fn polls(&self) -> u64 {
        self.0.polls.get()
    }

    /// The generator of a group.
    pub fn rng(&self, group: TaskGroup) -> Arc<SyncCell<SplitMix>> {
        self.0.rng(group)
    }

    /// Starts a task in a group.
    pub fn spawn_in<T: Send + 'static>(
        &self,
        group: TaskGroup,
        future: impl Future<Output = T> + Send + 'static,
    ) -> SimJoin<T> {
        self.0.spawn(group, future)
    }

    /// Called after every poll of a node's task: where checks look at the state.
    pub fn set_after_poll(&self, check: impl Fn(TaskGroup) + Send + Sync + 'static) {
        self.0.after_poll.replace(Some(Arc::new(check)));
    }

    /// A crash: every task of the group is gone, as if the process died between two instructions.
    pub fn kill(&self, group: TaskGroup) {
        let _entered = self.enter();
        self.resume(group);
        let ids: Vec<u64> = self
            .0
            .tasks
            .borrow_mut()
            .iter()
            .filter(|(_, task)| task.group == group)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            // Dropped outside of the borrow: what a task owns may wake or spawn others.
            let task = self.0.tasks.borrow_mut().remove(&id);
            drop(task);
        }
    }

    /// The group's tasks stand still from now on; clocks go on.
    pub fn pause(&self, group: TaskGroup) {
        self.0.paused.borrow_mut().insert(group);
    }

    /// The group's tasks go on; its timers that came due in between all fire now.
    pub fn resume(&self, group: TaskGroup) {
        self.0.paused.borrow_mut().remove(&group);
        let stalled = self.0.stalled.borrow_mut().remove(&group).unwrap_or_default();
        for id in stalled {
            push_ready(&self.0.ready, id);
        }
    }

    /// Runs until the future is done.
    ///
    /// # Panics
    /// When nothing is ready and no timer is left: a deadlock.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let _entered = self.enter();
        // It need not be 'static, so it is polled here and is no task.
        let main =
            Arc::new(TaskWaker { id: MAIN, queued: AtomicBool::new(false), ready: self.0.ready.clone() });
        let waker = Waker::from(main.clone());
        let mut future = std::pin::pin!(future);
        let mut main_is_ready = true;
        loop {
            if main_is_ready {
                main.queued.store(false, Ordering::Relaxed);
                if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return value;
                }
            }
            main_is_ready = match self.pop_ready() {
                Some(MAIN) => true,
                Some(id) => {
                    self.poll(id);
                    false
                }
                None => {
                    assert!(self.fire_timer(), "deadlock: no task is ready and no timer is set");
                    false
                }
            };
        }
    }

    /// Drops all tasks (they hold references to each other).
    pub fn shutdown(&self) {
        let _entered = self.enter();
        loop {
            let task = self.0.tasks.borrow_mut().pop_first();
            if task.is_none() {
                break;
            }
            drop(task);
        }
        self.0.timers.take();
        self.0.after_poll.replace(None);
    }

    fn pop_ready(&self) -> Option<u64> {
        self.0.ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn poll(&self, id: u64) {
        let (mut future, waker, group) = {
            let mut tasks = self.0.tasks.borrow_mut();
            let Some(task) = tasks.get_mut(&id) else { return };
            if self.0.paused.borrow_mut().contains(&task.group) {
                // Stays marked as queued, so that it is in here once.
                self.0.stalled.borrow_mut().entry(task.group).or_default().push(id);
                return;
            }
            task.waker.queued.store(false, Ordering::Relaxed);
            let Some(future) = task.future.take() else { return };
            (future, task.waker.clone(), task.group)
        };
        {
            let mut polls = self.0.polls.borrow_mut();
            *polls += 1;
            assert!(*polls < POLLS_MAX, "livelock: {POLLS_MAX} polls in one simulation");
            let at_once = *polls - self.0.polls_before.get();
            assert!(
                at_once < POLLS_AT_ONCE_MAX,
                "livelock: {at_once} polls at one moment, now of node {group}"
            );
        }
        let before = self.0.running.replace(group);
        let done = future.as_mut().poll(&mut Context::from_waker(&Waker::from(waker))).is_ready();
        if done {
            let task = self.0.tasks.borrow_mut().remove(&id);
            drop(future);
            drop(task);
        } else if let Some(task) = self.0.tasks.borrow_mut().get_mut(&id) {
            task.future = Some(future);
        }
        self.0.running.set(before);
        if group != WORLD {
            let check = self.0.after_poll.borrow_mut().clone();
            if let Some(check) = check {
                check(group);
            }
        }
    }

    /// Moves the clock to the next timer and wakes its task.
    fn fire_timer(&self) -> bool {
        let Some(((at, _), waker)) = self.0.timers.borrow_mut().pop_first() else { return false };
        let now = self.now_ns().max(at);
        if now > self.now_ns() {
            self.0.polls_before.set(self.polls());
        }
        self.0.now_ns.set(now);
        waker.wake();
        true
    }
}
