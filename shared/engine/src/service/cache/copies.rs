//! A node's copies, shared by everybody who reads, writes, answers homes and renews leases here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::AsyncRuntime;
use openraft::async_runtime::{Oneshot, OneshotSender, Select2};
use orrery_base::ids::GroupId;
use orrery_cache::fact::HITS_TOLD_PER_S;
use orrery_cache::message::{Recall, Recalled};
use orrery_cache::node::{Limits, Lines, Looked, Out, Stats};
use orrery_cache::view::{CachesView, CopyView, SHOWN_MAX};
use orrery_cache::{Address, LineFact};
use orrery_event::Fact;

use super::CacheService;
use crate::host::Host;
use crate::sync::Signal;
use crate::sync::lock;

/// Most requests of clients that wait here for an address.
pub const WAITING_MAX: usize = 8_192;

/// Shortest sleep of the keeper: whatever is due, it never spins.
const SLEEP_MIN: Duration = Duration::from_millis(1);

/// Longest sleep of the keeper: nothing needs it, it only bounds what a lost wake-up could cost.
const SLEEP_MAX: Duration = Duration::from_secs(60);

type Sender<H> = <<<H as Host>::Runtime as AsyncRuntime>::Oneshot as Oneshot>::Sender<()>;
type Receiver<H> = <<<H as Host>::Runtime as AsyncRuntime>::Oneshot as Oneshot>::Receiver<()>;

/// One node's copies. Cheap to clone; all clones are the same ones.
pub struct Copies<H: Host> {
    shared: Arc<Shared<H>>,
}

impl<H: Host> Clone for Copies<H> {
    fn clone(&self) -> Self {
        Copies { shared: self.shared.clone() }
    }
}

struct Shared<H: Host> {
    host: H,
    state: Mutex<State<H>>,
    /// There is something for the keeper.
    keeper: Signal,
}

struct State<H: Host> {
    lines: Lines,
    /// Who waits for an address, by number.
    waiting: BTreeMap<Address, BTreeMap<u64, Sender<H>>>,
    waits: usize,
    next_wait: u64,
    /// Questions that nobody sent yet.
    questions: VecDeque<Out>,
    /// When the keeper wakes by itself.
    wakes_us: u64,
    /// The present second, and the hits in it that were told.
    hits_told: (u64, u64),
    /// What was told last of the figures.
    told: Stats,
}

/// A place among those who wait for an address.
pub struct Waiter<H: Host> {
    copies: Copies<H>,
    address: Address,
    number: u64,
    woken: Option<Receiver<H>>,
}

impl<H: Host> Copies<H> {
    pub fn new(host: H, limits: Limits) -> Self {
        let state = State {
            lines: Lines::new(limits),
            waiting: BTreeMap::new(),
            waits: 0,
            next_wait: 0,
            questions: VecDeque::new(),
            wakes_us: 0,
            hits_told: (0, 0),
            told: Stats::default(),
        };
        Copies { shared: Arc::new(Shared { host, state: Mutex::new(state), keeper: Signal::default() }) }
    }

    /// Does something with the lines, and lets out what comes of it.
    pub fn change<T>(&self, change: impl FnOnce(&mut Lines, u64) -> T) -> T {
        let mut state = lock(&self.shared.state);
        let now_us = self.shared.host.monotonic_us();
        let done = change(&mut state.lines, now_us);
        self.let_out(&mut state);
        done
    }

    /// A client looks for something, for the `first` time in its request or again. Where it has to wait it also gets a place;
    /// none where too many wait.
    pub fn look(
        &self,
        shard: GroupId,
        address: &Address,
        (write, first): (bool, bool),
        look: impl FnOnce(&mut Lines, u64) -> Looked,
    ) -> (Looked, Option<Waiter<H>>) {
        let mut state = lock(&self.shared.state);
        let now_us = self.shared.host.monotonic_us();
        let looked = look(&mut state.lines, now_us);
        if first {
            state.lines.count(&looked, now_us);
        }
        let waiter = match &looked {
            Looked::Hit { state: of, .. } if first => {
                let of = *of;
                self.tell_hit(&mut state, now_us, || {
                    (shard, LineFact::Hit { address: address.clone(), state: of, write })
                });
                if state.lines.is_quiet() {
                    return (looked, None);
                }
                None
            }
            Looked::Hit { .. } | Looked::Ask { .. } => None,
            Looked::Wait => self.wait(&mut state, address),
        };
        self.let_out(&mut state);
        (looked, waiter)
    }

    /// A read that needs nobody else; none where the copy is not there, or not readable.
    pub fn hit(&self, shard: GroupId, address: &Address) -> Option<Looked> {
        let mut state = lock(&self.shared.state);
        let now_us = self.shared.host.monotonic_us();
        if !state.lines.has_readable(address, now_us) {
            return None;
        }
        let looked = state.lines.read(shard, address, now_us);
        if matches!(looked, Looked::Hit { .. }) {
            state.lines.count(&looked, now_us);
        }
        if let Looked::Hit { state: of, .. } = &looked {
            let of = *of;
            self.tell_hit(&mut state, now_us, || {
                (shard, LineFact::Hit { address: address.clone(), state: of, write: false })
            });
        }
        if !state.lines.is_quiet() {
            self.let_out(&mut state);
        }
        Some(looked)
    }

    fn tell_hit(&self, state: &mut State<H>, now_us: u64, fact: impl FnOnce() -> (GroupId, LineFact)) {
        let second = now_us / 1_000_000;
        if state.hits_told.0 != second {
            state.hits_told = (second, 0);
        }
        if state.hits_told.1 < HITS_TOLD_PER_S && self.shared.host.records() {
            state.hits_told.1 += 1;
            let (group, fact) = fact();
            self.shared.host.emit(Fact::CacheLine { group, fact });
        }
    }

    fn wait(&self, state: &mut State<H>, address: &Address) -> Option<Waiter<H>> {
        if state.waits >= WAITING_MAX {
            return None;
        }
        let (sender, woken) = <<H::Runtime as AsyncRuntime>::Oneshot as Oneshot>::channel();
        state.next_wait += 1;
        state.waits += 1;
        let number = state.next_wait;
        state.waiting.entry(address.clone()).or_default().insert(number, sender);
        Some(Waiter { copies: self.clone(), address: address.clone(), number, woken: Some(woken) })
    }

    /// Facts are reported and waiters woken at once; questions go to the keeper.
    fn let_out(&self, state: &mut State<H>) {
        let records = self.shared.host.records();
        while let Some(out) = state.lines.poll() {
            match out {
                Out::Ask { .. } => state.questions.push_back(out),
                Out::Woken(address) => {
                    for (_, sender) in state.waiting.remove(&address).unwrap_or_default() {
                        state.waits -= 1;
                        // Who waited may have gone.
                        let _ = sender.send(());
                    }
                }
                Out::Fact(group, fact) if records => self.shared.host.emit(Fact::CacheLine { group, fact }),
                Out::Fact(..) => {}
            }
        }
        let deadline_us = state.lines.deadline().unwrap_or(u64::MAX);
        if !state.questions.is_empty() || deadline_us < state.wakes_us {
            self.shared.keeper.notify();
        }
    }

    /// A home takes something away.
    pub fn recall(&self, shard: GroupId, recall: &Recall) -> Recalled {
        self.change(|lines, now_us| lines.recall(shard, recall, now_us))
    }

    /// Reports the figures, where they changed since the last time.
    pub fn report(&self) {
        let mut state = lock(&self.shared.state);
        let stats = state.lines.stats(self.shared.host.monotonic_us());
        if stats != state.told && self.shared.host.records() {
            state.told = stats.clone();
            self.shared.host.emit(Fact::CacheUse { stats: Box::new(stats) });
        }
    }

    /// Looks without a change.
    pub fn read<T>(&self, look: impl FnOnce(&Lines, u64) -> T) -> T {
        let state = lock(&self.shared.state);
        look(&state.lines, self.shared.host.monotonic_us())
    }

    /// The copies and figures for a stream's snapshot.
    pub fn view(&self) -> CachesView {
        self.read(|lines, now_us| {
            let all = lines.view(now_us);
            let copies_more = all.len().saturating_sub(SHOWN_MAX) as u64;
            let copy = |line: orrery_cache::node::LineView| CopyView {
                address: line.address,
                shard: line.shard,
                state: line.state,
                version: line.version,
                unsaved: line.unsaved,
                lease_left_us: line.lease_left_us,
            };
            let copies = all.into_iter().take(SHOWN_MAX).map(copy).collect();
            CachesView { copies, copies_more, stats: lines.stats(now_us), ..CachesView::default() }
        })
    }

    /// Sends everything home that is not written back, for at most so long.
    pub async fn stop(&self, within: Duration) {
        self.change(|lines, now_us| lines.stop(now_us));
        let nap = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        while waited < within && !self.read(|lines, _| lines.is_clean()) {
            H::Runtime::sleep(nap).await;
            waited += nap;
        }
        self.wake();
    }

    /// Wakes the keeper, so that it sees that the engine stops.
    pub fn wake(&self) {
        self.shared.keeper.notify();
    }
}

impl<H: Host> Waiter<H> {
    /// Until the address is woken, or the time is over.
    pub async fn wait(mut self, within: Duration) {
        if let Some(woken) = self.woken.take() {
            // Either way the lines say what is true then.
            match H::Runtime::select2(woken, H::Runtime::sleep(within)).await {
                Select2::First(_) | Select2::Second(()) => {}
            }
        }
    }
}

impl<H: Host> Drop for Waiter<H> {
    fn drop(&mut self) {
        let mut state = lock(&self.copies.shared.state);
        let Some(of) = state.waiting.get_mut(&self.address) else { return };
        if of.remove(&self.number).is_some() {
            let empty = of.is_empty();
            state.waits -= 1;
            if empty {
                state.waiting.remove(&self.address);
            }
        }
    }
}

/// Sends what leaves by itself and wakes when something is due, until the engine stops.
pub async fn keep<H: Host>(cache: CacheService<H>) {
    let CacheService { cluster, copies, .. } = &cache;
    let Shared { host, state, keeper, .. } = &*copies.shared;
    while !cluster.stopping() {
        copies.change(|lines, now_us| {
            if lines.deadline().is_some_and(|due_us| due_us <= now_us) {
                lines.tick(now_us);
            }
        });
        let (questions, sleep) = {
            let mut state = lock(state);
            let deadline_us = state.lines.deadline().unwrap_or(u64::MAX);
            state.wakes_us = deadline_us;
            let left = Duration::from_micros(deadline_us.saturating_sub(host.monotonic_us()));
            (std::mem::take(&mut state.questions), left.clamp(SLEEP_MIN, SLEEP_MAX))
        };
        for question in questions {
            let Out::Ask { shard, asked, ask } = question else { continue };
            let (cache, within) = (cache.clone(), cluster.config().cache_ask_timeout());
            drop(H::Runtime::spawn(async move {
                let told = cache.ask_home(shard, asked, ask, within).await;
                cache.copies.change(|lines, now_us| lines.told(shard, asked, told, now_us));
            }));
        }
        match H::Runtime::select2(keeper.wait(), H::Runtime::sleep(sleep)).await {
            Select2::First(()) | Select2::Second(()) => {}
        }
    }
}

/// Reports the figures once a second, until the engine stops.
pub async fn report<H: Host>(cache: CacheService<H>) {
    while !cache.cluster.stopping() {
        H::Runtime::sleep(Duration::from_secs(1)).await;
        cache.copies.report();
    }
}
