//! Who is connected, and what each connection does: so that at the bound the right one goes.
//!
//! Invariant: a connection that answers a request, carries a stream or belongs to a peer is never closed for another one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Limits;

/// How long accepting waits for an evicted connection's end before it looks again.
const EVICTION_MAX: Duration = Duration::from_millis(20);

/// Between two warnings of the same kind.
const WARNING_PAUSE_MS: u64 = 10_000;

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Doing {
    /// Its first request has not come completely.
    New,
    /// It waits for the next request.
    Idle,
    /// The next request began to come.
    Reading,
    /// It is being answered.
    Answering,
    /// It became a stream.
    Streaming,
    /// A peer's, which proved who it is.
    Peer,
    /// It is closed as soon as its client read the last answer.
    Ending,
}

impl Doing {
    fn of(value: u8) -> Doing {
        const ALL: [Doing; 7] = [
            Doing::New,
            Doing::Idle,
            Doing::Reading,
            Doing::Answering,
            Doing::Streaming,
            Doing::Peer,
            Doing::Ending,
        ];
        ALL[usize::from(value)]
    }

    /// Whether it counts as a client that cannot be sent away.
    fn is_busy(self) -> bool {
        matches!(self, Doing::Answering | Doing::Streaming)
    }
}

/// All connections of one server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Seats {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    began: Instant,
    next: AtomicU64,
    table: Mutex<BTreeMap<u64, Arc<Seat>>>,
    busy: AtomicUsize,
    peers: AtomicUsize,
    freed: Notify,
    warned_ms: AtomicU64,
}

pub(super) struct Seat {
    number: u64,
    doing: AtomicU8,
    /// Since when, in milliseconds of the server.
    since_ms: AtomicU64,
    /// Since when its client reads nothing; 0 while it does.
    unread_since_ms: AtomicU64,
    pub evicted: Notify,
    is_evicted: AtomicBool,
    /// The connection is to be closed after this answer.
    close: AtomicBool,
    /// The task that waits for the end of an answer before it reads on.
    pub reader: AtomicWaker,
    /// The task that waits until more can be written.
    pub writer: AtomicWaker,
    shared: Arc<Shared>,
}

/// A place that is given back when this is dropped.
pub(super) struct Taken(pub Arc<Seat>);

impl Drop for Taken {
    fn drop(&mut self) {
        let seat = &self.0;
        // Counted as nothing before it is gone.
        seat.set(Doing::Ending);
        seat.shared.table.lock().remove(&seat.number);
        seat.shared.freed.notify_one();
    }
}

impl Seats {
    pub fn new(limits: Limits) -> Seats {
        Seats {
            shared: Arc::new(Shared {
                limits,
                began: Instant::now(),
                next: AtomicU64::new(0),
                table: Mutex::default(),
                busy: AtomicUsize::new(0),
                peers: AtomicUsize::new(0),
                freed: Notify::new(),
                warned_ms: AtomicU64::new(0),
            }),
        }
    }

    /// A place for a new connection. Where all are taken, whoever did nothing for the longest time goes first.
    pub async fn take(&self) -> Taken {
        while self.is_full() {
            let evicted = self.evict_one();
            if evicted.is_some() && self.may_warn() {
                tracing::warn!(
                    connections = self.shared.table.lock().len(),
                    "all connections are in use: whoever asked nothing for the longest time is sent away"
                );
            }
            // Bounded: the one that was evicted may be slow to go, and then another one goes, too.
            let _ = timeout(EVICTION_MAX, self.goes(evicted)).await;
        }
        let shared = &self.shared;
        let seat = Arc::new(Seat {
            number: shared.next.fetch_add(1, Ordering::Relaxed),
            doing: AtomicU8::new(Doing::New as u8),
            since_ms: AtomicU64::new(shared.now_ms()),
            unread_since_ms: AtomicU64::new(0),
            evicted: Notify::new(),
            is_evicted: AtomicBool::new(false),
            close: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            shared: shared.clone(),
        });
        shared.table.lock().insert(seat.number, seat.clone());
        Taken(seat)
    }

    /// Waits until that connection is gone; without a number, until any connection is.
    async fn goes(&self, number: Option<u64>) {
        loop {
            self.shared.freed.notified().await;
            if number.is_none_or(|number| !self.shared.table.lock().contains_key(&number)) {
                return;
            }
        }
    }

    fn is_full(&self) -> bool {
        let Limits { connections_max, newcomers_max, .. } = self.shared.limits;
        let peers = self.shared.peers.load(Ordering::Relaxed);
        self.shared.table.lock().len().saturating_sub(peers) >= connections_max + newcomers_max
    }

    /// Tells the connection that was idle for the longest time to close. Returns its number.
    pub fn evict_one(&self) -> Option<u64> {
        let table = self.shared.table.lock();
        let idle = table.values().filter(|seat| seat.may_go());
        let seat = idle.min_by_key(|seat| (seat.since_ms.load(Ordering::Relaxed), seat.number))?;
        seat.evict();
        Some(seat.number)
    }

    /// Sends everybody away who takes too long.
    pub fn evict_slow(&self) {
        let limits = &self.shared.limits;
        let now_ms = self.shared.now_ms();
        let for_ms =
            |since: &AtomicU64| Duration::from_millis(now_ms.saturating_sub(since.load(Ordering::Relaxed)));
        for seat in self.shared.table.lock().values() {
            let in_time = match seat.doing() {
                Doing::New | Doing::Reading => for_ms(&seat.since_ms) < limits.header_max,
                Doing::Idle => for_ms(&seat.since_ms) < limits.idle_max,
                Doing::Answering | Doing::Streaming | Doing::Peer | Doing::Ending => true,
            };
            let unread = seat.unread_since_ms.load(Ordering::Relaxed) > 0
                && for_ms(&seat.unread_since_ms) >= limits.unread_max;
            if !in_time || unread {
                seat.evict();
            }
        }
    }

    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// At most every ten seconds.
    pub fn may_warn(&self) -> bool {
        let (warned, now) = (self.shared.warned_ms.load(Ordering::Relaxed), self.shared.now_ms().max(1));
        let may = warned == 0 || now >= warned + WARNING_PAUSE_MS;
        may && self
            .shared
            .warned_ms
            .compare_exchange(warned, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// How many connections there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.shared.table.lock().len()
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Seat {
    pub fn doing(&self) -> Doing {
        Doing::of(self.doing.load(Ordering::Acquire))
    }

    fn set(&self, doing: Doing) {
        let before = Doing::of(self.doing.swap(doing as u8, Ordering::AcqRel));
        self.since_ms.store(self.shared.now_ms(), Ordering::Relaxed);
        match (before.is_busy(), doing.is_busy()) {
            (false, true) => _ = self.shared.busy.fetch_add(1, Ordering::AcqRel),
            (true, false) => _ = self.shared.busy.fetch_sub(1, Ordering::AcqRel),
            _ => {}
        }
        match (before == Doing::Peer, doing == Doing::Peer) {
            (false, true) => _ = self.shared.peers.fetch_add(1, Ordering::AcqRel),
            (true, false) => _ = self.shared.peers.fetch_sub(1, Ordering::AcqRel),
            _ => {}
        }
    }

    fn may_go(&self) -> bool {
        let idle = matches!(self.doing(), Doing::New | Doing::Idle | Doing::Reading | Doing::Ending);
        idle && !self.is_evicted() && self.unread_since_ms.load(Ordering::Relaxed) == 0
    }

    fn evict(&self) {
        self.is_evicted.store(true, Ordering::Release);
        self.evicted.notify_one();
        self.writer.wake();
    }

    pub fn is_evicted(&self) -> bool {
        self.is_evicted.load(Ordering::Acquire)
    }

    /// Bytes came.
    pub fn heard(&self) {
        if self.doing() == Doing::Idle {
            self.set(Doing::Reading);
        }
    }

    /// A request is complete up to its body. False: as many as can be are being answered.
    pub fn begin(&self) -> bool {
        if self.shared.busy.load(Ordering::Acquire) >= self.shared.limits.connections_max {
            return false;
        }
        self.set(Doing::Answering);
        true
    }

    /// The answer is complete.
    pub fn answered(&self) {
        if self.doing() == Doing::Answering {
            self.set(Doing::Idle);
            self.reader.wake();
        }
    }

    pub fn is_answering(&self) -> bool {
        self.doing() == Doing::Answering
    }

    pub fn streams(&self) {
        self.set(Doing::Streaming);
    }

    /// Whoever is on the other side proved to be a peer.
    pub fn is_peers(&self) {
        self.set(Doing::Peer);
    }

    pub fn ends(&self) {
        self.set(Doing::Ending);
    }

    /// Whether its client reads what is written.
    pub fn reads(&self, reads: bool) {
        match (reads, self.has_unread()) {
            (true, true) => {
                self.unread_since_ms.store(0, Ordering::Relaxed);
                self.reader.wake();
            }
            (false, false) => self.unread_since_ms.store(self.shared.now_ms().max(1), Ordering::Relaxed),
            _ => {}
        }
    }

    pub fn has_unread(&self) -> bool {
        self.unread_since_ms.load(Ordering::Relaxed) > 0
    }

    pub fn close_after_answer(&self) {
        self.close.store(true, Ordering::Release);
    }

    pub fn closes_after_answer(&self) -> bool {
        self.close.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections_max: usize, newcomers_max: usize) -> Limits {
        Limits { newcomers_max, ..Limits::new(connections_max, None) }
    }

    #[tokio::test]
    async fn at_the_bound_the_longest_idle_goes_and_whoever_is_busy_stays() {
        let seats = Seats::new(limits(2, 1));
        let (busy, idle) = (seats.take().await, seats.take().await);
        assert!(busy.0.begin());
        assert!(idle.0.begin());
        assert!(!seats.take().await.0.begin(), "two are answered already");
        idle.0.answered();
        let new = seats.take().await;
        assert_eq!(seats.len(), 3);
        // Full: taking sends the idle one away, and waits until it went.
        let waiting = tokio::spawn({
            let seats = seats.clone();
            async move { seats.take().await }
        });
        timeout(Duration::from_secs(5), idle.0.evicted.notified()).await.expect("the idle one is told to go");
        assert!(!new.0.is_evicted() && !busy.0.is_evicted());
        drop(idle);
        timeout(Duration::from_secs(5), waiting).await.expect("room").expect("no panic");
    }

    #[tokio::test]
    async fn peers_take_no_clients_place() {
        let seats = Seats::new(limits(1, 1));
        let mut peers = Vec::new();
        for _ in 0..8 {
            let seat = seats.take().await;
            seat.0.is_peers();
            peers.push(seat);
        }
        let client = seats.take().await;
        assert!(client.0.begin());
        assert_eq!(seats.evict_one(), None, "nobody is idle");
        drop(peers);
        assert_eq!(seats.len(), 1);
    }
}
