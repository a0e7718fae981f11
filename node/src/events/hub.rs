//! Takes facts from the recorder, keeps them, and tells readers that there is something new.
//!
//! One task per node: it sleeps while nothing happens, and works every 16 ms (in a burst every 100 ms) while
//! something does. Readers have no queues of their own: each has a cursor into the ring, and one that falls out of
//! the ring is told its gap.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::hlc::Hlc;
use orrery_base::ids::{ClusterId, GroupId, Sequence};
use orrery_cache::view::CachesView;
use orrery_event::Event;
use orrery_event::choice::Choice;
use orrery_event::fact::FaultyLink;
use orrery_event::stream::{
    BATCH_EVENTS_MAX, Frame, GroupQueues, GroupSnapshot, Hello, MemberAddress, NodeSnapshot, ProcessState,
    STREAM_VERSION,
};
use orrery_lock::view::LocksShown;
use orrery_placement::ShardTable;
use parking_lot::Mutex;
use smol_str::SmolStr;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::burst::{self, Allowance, Tables};
use super::chosen::{Choices, Chosen};
use super::recorder::{Recorder, Taken};
use super::ring::{Codec, Encoded, Next, Ring};
use super::weight;
use crate::clock::wall_us;

/// Longest time between a fact and its batch.
const FLUSH: Duration = Duration::from_millis(16);
/// The same in a burst.
const FLUSH_BURST: Duration = Duration::from_millis(100);
/// Tables of many rows are not sent more often than this allows, per row.
const FLUSH_BURST_PER_ROW: Duration = Duration::from_micros(100);
const FLUSH_BURST_MAX: Duration = Duration::from_secs(2);

const BEAT: Duration = Duration::from_millis(100);
/// Every so many beats readers are told what to compare with: every 10 s.
const COMPARE_BEATS: u64 = 100;

/// Most bytes of what is kept for readers, serialised frames included.
const RING_BYTES_MAX: usize = 64 << 20;

/// Events of about so many bytes share a frame at the most; a larger one has one of its own.
const CHUNK_BYTES_MAX: usize = 256 << 10;

/// Most readers at one time: a class of sixty, each with two pages. Each costs the frame that it is being sent.
pub const READERS_MAX: usize = 128;

/// Most KiB of snapshots that are on their way to readers, each of which is written for one of them; the next ones wait.
const SNAPSHOTS_KIB_MAX: usize = 64 << 10;

/// What a stream's hello says beyond the recorder's own.
#[derive(Clone, Debug, Default)]
pub struct Introduced {
    /// The cluster, once it is formed.
    pub cluster: Option<ClusterId>,
    /// `realistic`, `classroom` or `wan`.
    pub profile: SmolStr,
    pub members: Vec<MemberAddress>,
}

/// The state that a snapshot shows.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub groups: Vec<GroupSnapshot>,
    /// The lock table, bounded.
    pub locks: LocksShown,
    pub shards: ShardTable,
    /// The map that the last change of it began with.
    pub shards_before: Option<ShardTable>,
    /// The queues of its shards.
    pub queues: Vec<GroupQueues>,
    pub caches: CachesView,
    /// Processes, from the supervisor only.
    pub processes: Vec<ProcessState>,
    /// Links that were broken on purpose.
    pub faulty_links: Vec<FaultyLink>,
}

/// Where the hub gets what facts alone do not say.
pub trait Source: Send + Sync + 'static {
    fn introduce(&self) -> Introduced;
    /// The present state. `at` runs while no fact that would change it can be recorded.
    fn known(&self, at: &mut dyn FnMut()) -> Known;
    /// Says what the groups that this node leads have, between two facts of them: readers compare.
    fn tell_sums(&self) {}
    /// What these groups have now, as far as there is something that can stand for a burst of their service facts.
    fn tables(&self, _groups: &BTreeSet<GroupId>) -> Tables {
        Tables::default()
    }
}

/// How far the ring is, for readers.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// Last sequence in the ring.
    pub head: Sequence,
    /// Number of beats so far.
    pub beat: u64,
    /// The last beat: its head, and its frame in both codecs.
    pub beat_head: Sequence,
    pub beat_json: Encoded,
    pub beat_postcard: Encoded,
    /// How often the members changed.
    pub members: u64,
}

/// One node's (or the supervisor's) events. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    recorder: Recorder,
    source: OnceLock<Arc<dyn Source>>,
    ring: Mutex<Ring>,
    /// Held while events move from the recorder to the ring: keeps them in order.
    moving: Mutex<Moving>,
    came: Notify,
    progress: watch::Sender<Progress>,
    choices: Choices,
    readers: AtomicUsize,
    snapshots_kib: Arc<Semaphore>,
    gaps: AtomicU64,
    bursts: AtomicU64,
}

/// What the mover remembers from one time to the next.
struct Moving {
    allowance: Allowance,
    /// How long facts may wait, to be sent together with later ones.
    window: Duration,
    /// When facts were moved last, and how far that went.
    moved: Instant,
    at: (Sequence, Hlc),
    /// An empty vector to swap in.
    room: Vec<Event>,
}

/// Figures for `/metrics`.
#[derive(Clone, Copy, Debug, Default)]
pub struct HubFigures {
    pub readers: usize,
    /// Gaps that readers were told.
    pub gaps: u64,
    /// Bursts that were collapsed.
    pub bursts: u64,
    /// Last sequence.
    pub head: Sequence,
    /// Memory of what is kept.
    pub bytes: usize,
}

impl Hub {
    /// Keeps at most `kept` events of this recorder.
    pub fn new(recorder: Recorder, kept: usize) -> Hub {
        let (beat_json, beat_postcard) = beat_frames(Hlc::default(), 0);
        let first = Progress { head: 0, beat: 0, beat_head: 0, beat_json, beat_postcard, members: 0 };
        Hub {
            shared: Arc::new(Shared {
                recorder,
                source: OnceLock::new(),
                ring: Mutex::new(Ring::new(kept, RING_BYTES_MAX)),
                moving: Mutex::new(Moving {
                    allowance: Allowance::new(wall_us()),
                    window: FLUSH,
                    moved: Instant::now(),
                    at: (0, Hlc::default()),
                    room: Vec::new(),
                }),
                came: Notify::new(),
                progress: watch::Sender::new(first),
                choices: Choices::new(),
                readers: AtomicUsize::new(0),
                snapshots_kib: Arc::new(Semaphore::new(SNAPSHOTS_KIB_MAX)),
                gaps: AtomicU64::new(0),
                bursts: AtomicU64::new(0),
            }),
        }
    }

    /// Where snapshots come from. Before, readers have to wait.
    pub fn attach(&self, source: Arc<dyn Source>) {
        let first = self.shared.source.set(source).is_ok();
        debug_assert!(first, "attached twice");
    }

    /// The members changed: every reader gets the new list.
    pub fn members_changed(&self) {
        self.shared.progress.send_modify(|progress| progress.members += 1);
    }

    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    /// Figures for `/metrics`.
    pub fn figures(&self) -> HubFigures {
        HubFigures {
            readers: self.shared.readers.load(Ordering::Relaxed),
            gaps: self.shared.gaps.load(Ordering::Relaxed),
            bursts: self.shared.bursts.load(Ordering::Relaxed),
            head: self.shared.recorder.head().0,
            bytes: self.shared.ring.lock().bytes(),
        }
    }

    /// Moves events to the ring, for ever.
    pub async fn run(self) {
        loop {
            self.shared.recorder.filled().await;
            loop {
                let window = self.shared.moving.lock().window;
                sleep(window).await;
                // In a burst, the beats move events while somebody reads: batch and beat are then one write per reader.
                if window == FLUSH || self.shared.progress.receiver_count() == 0 {
                    let head = self.flush(true).0;
                    self.shared.progress.send_modify(|progress| progress.head = head);
                    break;
                }
                if self.shared.recorder.waiting() == 0 {
                    break;
                }
            }
        }
    }

    /// Beats while somebody reads, for ever.
    pub async fn run_beats(self) {
        let mut beats = 0_u64;
        let mut ticks = interval(BEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while self.shared.progress.receiver_count() == 0 {
                self.shared.came.notified().await;
            }
            ticks.tick().await;
            beats += 1;
            if beats.is_multiple_of(COMPARE_BEATS)
                && let Some(source) = self.shared.source.get().cloned()
            {
                // It reads whole states: not on a thread that others wait for.
                tokio::task::spawn_blocking(move || source.tell_sums());
            }
            let (head, hlc) = self.flush(false);
            let (beat_json, beat_postcard) = beat_frames(hlc, head);
            self.shared.progress.send_modify(|progress| {
                progress.head = head;
                progress.beat += 1;
                progress.beat_head = head;
                progress.beat_json = beat_json;
                progress.beat_postcard = beat_postcard;
            });
        }
    }

    /// Moves what the recorder has to the ring; in a burst only when its window is over, or when `now` says so.
    /// Returns the ring's head, and a stamp that no later event is before.
    pub(super) fn flush(&self, now: bool) -> (Sequence, Hlc) {
        let shared = &*self.shared;
        let mut moving = shared.moving.lock();
        if !now && moving.window > FLUSH && moving.moved.elapsed() + FLUSH < moving.window {
            return moving.at;
        }
        // Before the facts are taken: what is recorded from here on has a later stamp, or is taken, too.
        let (_, hlc) = shared.recorder.head();
        let waiting = shared.recorder.waiting();
        moving.moved = Instant::now();
        if waiting == 0 {
            moving.window = FLUSH;
            moving.at = (shared.ring.lock().head(), hlc);
            return moving.at;
        }
        let covered = moving.allowance.covers(waiting, wall_us());
        let room = std::mem::take(&mut moving.room);
        let Taken { events, head, overflowed, services } = shared.recorder.take(room);
        // Read after the facts were taken: whatever led to them is in the tables.
        let tables = match shared.source.get() {
            Some(source) if !covered && !overflowed && !services.is_empty() => source.tables(&services),
            _ => Tables::default(),
        };
        moving.window = if covered { FLUSH } else { burst_window(tables.rows()) };
        if overflowed {
            shared.ring.lock().cut(head);
        } else if covered {
            moving.room = self.keep(events);
        } else {
            shared.bursts.fetch_add(1, Ordering::Relaxed);
            self.keep(burst::collapse(events, tables));
        }
        moving.at = (head, hlc);
        moving.at
    }

    /// Puts events into the ring in chunks; gives their emptied vector back.
    fn keep(&self, mut events: Vec<Event>) -> Vec<Event> {
        let recorder = &self.shared.recorder;
        let mut ring = self.shared.ring.lock();
        let mut left = events.drain(..).peekable();
        while left.peek().is_some() {
            let (mut chunk, mut bytes) = (Vec::new(), 0);
            while let Some(event) = left.next_if(|event| {
                bytes += weight::of(event);
                chunk.is_empty() || (chunk.len() < BATCH_EVENTS_MAX && bytes <= CHUNK_BYTES_MAX)
            }) {
                chunk.push(event);
            }
            ring.push(recorder.node(), recorder.boot(), chunk);
        }
        drop(left);
        // A vector that grew in a burst is not kept: an idle node stays small.
        if events.capacity() > 4 * BATCH_EVENTS_MAX { Vec::new() } else { events }
    }

    /// What a reader gets of what it asks for.
    pub fn choose(&self, choice: Choice) -> Result<Chosen, ApiError> {
        self.shared.choices.choose(choice)
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Progress> {
        let receiver = self.shared.progress.subscribe();
        self.shared.came.notify_one();
        receiver
    }

    /// What comes after a cursor, or none when some of it is gone.
    pub(super) fn after(&self, cursor: Sequence) -> Option<Next> {
        self.shared.ring.lock().after(cursor)
    }

    /// First sequence that is kept, and the last one that was given out.
    pub(super) fn bounds(&self) -> (Sequence, Sequence) {
        self.flush(true);
        let ring = self.shared.ring.lock();
        (ring.tail(), ring.head())
    }

    /// The first frame of a stream.
    pub(super) fn hello(&self) -> Hello {
        let (tail, head) = self.bounds();
        let said = self.shared.source.get().map(|source| source.introduce()).unwrap_or_default();
        Hello {
            version: STREAM_VERSION,
            cluster: said.cluster,
            node: self.shared.recorder.node().clone(),
            boot: self.shared.recorder.boot(),
            head,
            tail,
            profile: said.profile,
            members: said.members,
        }
    }

    /// The present state at exactly one sequence.
    pub fn snapshot(&self) -> NodeSnapshot {
        let recorder = &self.shared.recorder;
        let mut at = recorder.head();
        let known = match self.shared.source.get() {
            Some(source) => source.known(&mut || at = recorder.head()),
            None => Known::default(),
        };
        NodeSnapshot {
            node: recorder.node().clone(),
            boot: recorder.boot(),
            seq: at.0,
            hlc: at.1,
            wall_us: wall_us(),
            groups: known.groups,
            locks: known.locks.table,
            processes: known.processes,
            cut_links: Vec::new(),
            impaired_links: Vec::new(),
            faulty_links: known.faulty_links,
            shards: known.shards,
            queues: known.queues,
            caches: known.caches,
            shards_before: known.shards_before,
            locks_beyond: known.locks.beyond,
        }
    }

    /// Counts a reader while the guard lives; refused where there are too many.
    pub fn admit(&self) -> Result<ReaderGuard, ApiError> {
        let readers = &self.shared.readers;
        if readers.fetch_add(1, Ordering::Relaxed) >= READERS_MAX {
            readers.fetch_sub(1, Ordering::Relaxed);
            let message = format!(
                "{READERS_MAX} event streams are open at this node: use another node, or close some."
            );
            return Err(ApiError::new(ErrorCode::LimitReached, message));
        }
        Ok(ReaderGuard(self.clone()))
    }

    /// Room for a snapshot of so many bytes on its way to one reader, until the permit is dropped.
    pub(super) async fn room_for_snapshot(&self, bytes: usize) -> OwnedSemaphorePermit {
        let kib = bytes.div_ceil(1_024).clamp(1, SNAPSHOTS_KIB_MAX);
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        let semaphore = self.shared.snapshots_kib.clone();
        semaphore.acquire_many_owned(kib).await.expect("the semaphore is never closed")
    }

    /// A reader was told a gap.
    pub(super) fn count_gap(&self) {
        self.shared.gaps.fetch_add(1, Ordering::Relaxed);
    }
}

/// See [`Hub::admit`].
pub struct ReaderGuard(Hub);

impl Drop for ReaderGuard {
    fn drop(&mut self) {
        self.0.shared.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

fn burst_window(rows: usize) -> Duration {
    let rows = u32::try_from(rows).unwrap_or(u32::MAX);
    FLUSH_BURST_PER_ROW.saturating_mul(rows).clamp(FLUSH_BURST, FLUSH_BURST_MAX)
}

fn beat_frames(hlc: Hlc, head: Sequence) -> (Encoded, Encoded) {
    let frame = Frame::Beat { hlc, head };
    (Encoded::of(Codec::Json, &frame), Encoded::of(Codec::Postcard, &frame))
}
